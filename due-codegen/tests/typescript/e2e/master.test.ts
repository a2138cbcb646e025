// The page of a master, as an operator has it.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";

import { launch } from "./browser";
import { Server } from "./server";

const HOSTILE = `<img src=x onerror="document.title='owned'">`;

let browser: Browser;
let server: Server;
let url: string;

beforeAll(async () => {
  browser = await launch();
  server = new Server(inject("fleet"), []);
  url = await server.line;
});

afterAll(async () => {
  await browser.close();
  await server.kill();
});

/** A page that may have no error, and asks nobody but the master. */
async function open(address: string, viewport = { width: 1280, height: 800 }): Promise<{ page: Page; faults: string[] }> {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) faults.push(request.url());
  });
  await page.goto(address);
  return { page, faults };
}

const row = (page: Page, id: string) => page.locator("#instances tr").filter({ has: page.getByText(id, { exact: true }) });

test("the page shows the living cluster, and no name in it is markup", async () => {
  const { page, faults } = await open(url);
  await row(page, "g1").waitFor();
  expect(await page.locator("#instances tr").count()).toBe(3);
  expect(await row(page, HOSTILE).locator("td.id").first().textContent()).toBe(HOSTILE);
  expect(await page.locator("main img").count()).toBe(0);
  expect(await page.title()).toBe("due cluster");
  expect(await page.locator("#routes tr").count()).toBe(2);
  expect(await page.locator("#routes .pill.work").count()).toBe(4);
  expect(await page.locator("#sessions").textContent()).toBe("1");
  expect(page.url(), "the token is not in the history").toBe(new URL("/", url).href);
  // Two answers make a rate.
  await page.waitForFunction(() => Number(document.getElementById("messages")!.textContent) > 1);
  await page.waitForFunction(() => Number(document.getElementById("errors")!.textContent) > 0.5);
  await page.waitForFunction(() => document.getElementById("sessions-line")!.getAttribute("points")!.includes(" "));
  expect(faults).toEqual([]);
  await page.context().close();
});

test("a node is drained after a question, and set to work again, with the keyboard alone", async () => {
  const { page, faults } = await open(url);
  for (const id of ["n1", HOSTILE]) {
    const drain = page.getByRole("button", { name: `Drain node ${id}`, exact: true });
    await drain.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog");
    expect(await dialog.locator("p").textContent()).toContain(`The node ${id} goes on`);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    expect(await row(page, id).locator(".pill").textContent()).toBe("work");

    await drain.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Drain", exact: true }).focus();
    await page.keyboard.press("Enter");
    await row(page, id).locator(".pill.hang").waitFor();
    expect(await page.locator("#routes .pill.hang").count()).toBe(2);

    await page.getByRole("button", { name: `Set to work node ${id}`, exact: true }).focus();
    await page.keyboard.press("Enter");
    await row(page, id).locator(".pill.work").waitFor();
  }
  expect(faults).toEqual([]);
  await page.context().close();
});

test("a telephone asks for the token, and forgets it when it is told to", async () => {
  const { page } = await open(new URL("/", url).href, { width: 390, height: 844 });
  const token = page.getByLabel("Token of the master");
  await token.fill("a token of somebody else");
  await page.keyboard.press("Enter");
  await page.getByText("the master does not know this token").waitFor();
  await token.fill(new URL(url).hash.slice(1));
  await page.getByRole("button", { name: "Open" }).click();
  await row(page, "g1").waitFor();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width, "tables scroll, the page does not").toBeLessThanOrEqual(390);

  await page.reload();
  await row(page, "g1").waitFor();
  await page.getByRole("button", { name: "Forget the token" }).click();
  await token.waitFor();
  expect(await page.evaluate(() => sessionStorage.length + localStorage.length)).toBe(0);
  expect(await page.locator("#cluster").isHidden()).toBe(true);
  await page.context().close();
});
