// Players in examples/arena, each in a browser page of its own.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";

import { launch } from "./browser";
import { Server } from "./server";

let browser: Browser;
const servers: Server[] = [];

beforeAll(async () => {
  browser = await launch();
});

afterAll(async () => {
  await browser.close();
  await Promise.all(servers.map((server) => server.kill()));
});

/** Starts the arena and gives the addresses of its page and its gate. */
async function serve(listen = "127.0.0.1:0", ws = "127.0.0.1:0"): Promise<{ server: Server; url: string }> {
  const server = new Server(inject("arena"), ["--listen", listen, "--ws", ws]);
  servers.push(server);
  const url = (await server.line).replace("arena: ", "");
  return { server, url };
}

async function enter(url: string, name: string, viewport = { width: 1280, height: 800 }): Promise<Page> {
  const context = await browser.newContext({ viewport, hasTouch: viewport.width < 500 });
  const page = await context.newPage();
  page.on("pageerror", (error) => {
    throw error;
  });
  await page.goto(url);
  await page.getByTestId("name").fill(name);
  await page.getByTestId("join").click();
  await page.getByTestId(`player-${name}`).waitFor({ state: "attached" });
  return page;
}

const place = async (page: Page, name: string): Promise<{ x: number; y: number }> => {
  const player = page.getByTestId(`player-${name}`);
  return { x: Number(await player.getAttribute("data-x")), y: Number(await player.getAttribute("data-y")) };
};

/** Waits until a page shows somebody elsewhere. */
const moved = (page: Page, name: string, from: { x: number; y: number }): Promise<unknown> =>
  page.waitForFunction(
    ([id, x, y]) => {
      const player = document.querySelector<HTMLElement>(`[data-testid="${id}"]`);
      return player !== null && (Number(player.dataset["x"]) !== x || Number(player.dataset["y"]) !== y);
    },
    [`player-${name}`, from.x, from.y] as const,
  );

const online = (page: Page): Promise<unknown> =>
  page.waitForFunction(() => document.querySelector<HTMLElement>('[data-testid="state"]')?.dataset["state"] === "online");

test("one player sees the other move, talk and leave", async () => {
  const { url } = await serve();
  const li = await enter(url, "Li");
  const han = await enter(url, "Han", { width: 390, height: 844 });
  await li.getByTestId("player-Han").waitFor({ state: "attached" });
  await Promise.all([online(li), online(han)]);
  expect(await li.getByTestId("online").textContent()).toContain("Han");

  // Han walks with the keyboard, and Li sees it.
  const from = await place(li, "Han");
  await han.getByTestId("board").focus();
  const key = from.x > 500 ? "ArrowLeft" : "ArrowRight";
  await han.keyboard.down(key);
  await moved(li, "Han", from);
  await han.keyboard.up(key);

  // Li taps on her phone's board.
  const before = await place(han, "Li");
  await li.getByTestId("board").click({ position: { x: 40, y: 40 } });
  await moved(han, "Li", before);

  await han.getByTestId("chat-input").fill("你好 <b>");
  await han.getByTestId("chat-input").press("Enter");
  await li.getByTestId("chat-log").getByText("你好 <b>").waitFor();
  await li.waitForFunction(() => /^\d+/.test(document.querySelector('[data-testid="ping"]')?.textContent ?? ""));

  await han.context().close();
  await li.getByTestId("player-Han").waitFor({ state: "detached" });
  await li.context().close();
});

test("a page is back in the arena after the server was killed and started again", async () => {
  const first = await serve();
  const page = await enter(first.url, "Li");
  await online(page);
  const { port } = (await (await fetch(new URL("config.json", first.url))).json()) as { port: number };
  await first.server.kill();
  await page.waitForFunction(
    () => document.querySelector<HTMLElement>('[data-testid="state"]')?.dataset["state"] === "reconnecting",
  );
  await serve(new URL(first.url).host, `127.0.0.1:${port}`);
  await online(page);
  await page.getByTestId("player-Li").waitFor({ state: "attached" });
  await page.context().close();
});
