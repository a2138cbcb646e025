// The page of `cargo due docs`, as a reader has it: from a file, without a network.

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";

import { launch } from "./browser";

const SCHEMA = `syntax = "proto3";
package lobby.v1;
import "due/options.proto";
service Lobby {
  option (due.node) = { name: "lobby" };
  // Enter a lobby. <img src=x onerror="document.title='owned'"> [x](javascript:document.title='owned')
  rpc Enter(EnterRequest) returns (EnterResponse) { option (due.route) = { id: 10 }; }
  rpc Leave(EnterRequest) returns (EnterResponse) { option (due.route) = { id: 12 }; }
}
// </div><script>document.title = "owned"</script>
message EnterRequest { string name = 1; /* <svg onload="document.title='owned'"> */ int32 age = 2; }
message EnterResponse { int32 code = 1 [(due.code) = true]; }
message Entered { option (due.push) = { id: 11 }; string a_rather_long_name_of_a_field_that_no_telephone_has_room_for_on_one_line = 1; }
`;

let browser: Browser;
let folder: string;
let url: string;

beforeAll(async () => {
  browser = await launch();
  // Below the folder that has the packages which generated TypeScript imports.
  const build = fileURLToPath(new URL("../build", import.meta.url));
  await mkdir(build, { recursive: true });
  folder = await mkdtemp(join(build, "docs-"));
  await mkdir(join(folder, "proto"));
  await writeFile(join(folder, "due.toml"), '[typescript]\nout = "gen"\n');
  await writeFile(join(folder, "proto/lobby.proto"), SCHEMA);
  execFileSync(inject("cargoDue"), ["docs", "--out", "docs.html"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  url = pathToFileURL(join(folder, "docs.html")).href;
});

afterAll(async () => {
  await browser.close();
  await rm(folder, { recursive: true });
});

/** The page, which may have no error and ask nobody for anything. */
async function open(
  hash = "",
  options: { viewport?: { width: number; height: number }; colorScheme?: "dark" | "light" } = {},
): Promise<{ page: Page; faults: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
  });
  page.on("request", (request) => {
    if (request.url().split("#")[0] !== url) faults.push(request.url());
  });
  await page.goto(url + hash);
  return { page, faults };
}

test("the keyboard finds a route by its id, a message by its name, a field by a part of it", async () => {
  const { page, faults } = await open();
  for (const [text, first, count] of [
    ["10", "10 lobby.v1.Lobby.Enter", "1 result"],
    ["enterrequest", "lobby.v1.EnterRequest", "3 results"],
    ["telephone", "lobby.v1.Entered.a_rather_long_name_of_a_field_that_no_telephone_has_room_for_on_one_line", "1 result"],
  ] as const) {
    await page.keyboard.press("/");
    await page.keyboard.type(text);
    expect(await page.locator("#found").textContent()).toBe(count);
    const link = page.locator("#results a").first();
    expect(await link.evaluate((element) => element.firstChild?.textContent)).toBe(first);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${url}#${first.replace(/^\d+ /, "")}`);
    expect(await page.locator("#results").isHidden()).toBe(true);
    expect(await page.locator(":target").count()).toBe(1);
  }
  await page.keyboard.press("/");
  await page.keyboard.type("lobby.v1.lobby.");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${url}#lobby.v1.Lobby.Leave`);
  await page.keyboard.press("/");
  await page.keyboard.type("nothing has this name");
  expect(await page.locator("#found").textContent()).toBe("0 results");
  await page.keyboard.press("Escape");
  expect(await page.locator("#query").inputValue()).toBe("");
  expect(faults).toEqual([]);
  await page.context().close();
});

test("no comment is markup, and a link leads to its item", async () => {
  const { page, faults } = await open("#lobby.v1.Lobby.Enter");
  expect(await page.title()).toBe("lobby.v1");
  expect(await page.locator("main :is(img, svg, script, iframe)").count()).toBe(0);
  expect(await page.locator(":target").textContent()).toContain(`<img src=x onerror="document.title='owned'"> x`);
  expect(await page.locator(":target").evaluate((element) => element.getBoundingClientRect().top)).toBeLessThan(200);
  await page.locator(":target summary").first().click();
  expect(await page.locator(":target pre").first().textContent()).toContain(".enter(EnterRequest { name: \"name\".into(), age: 7 })");
  expect(faults).toEqual([]);
  await page.context().close();
});

test("a telephone scrolls tables, not the page, and dark is dark", async () => {
  const { page, faults } = await open("", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  const back = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  expect(await back()).toBe("rgb(20, 23, 26)");
  await page.getByRole("button", { name: "Light or dark" }).click();
  expect(await back()).toBe("rgb(255, 255, 255)");
  expect(faults).toEqual([]);
  await page.context().close();
});

test("the examples in TypeScript are TypeScript", async () => {
  const { page } = await open();
  const examples = await page.locator('details:has(summary:text-is("TypeScript")) pre').allTextContents();
  await page.context().close();
  expect(examples.length).toBe(3);
  execFileSync(inject("cargoDue"), ["generate"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  // Each is a module of its own; what they have in common is the client.
  const client = 'import { Client } from "./gen/due/index";\nconst client = new Client({ url: "ws://127.0.0.1:3553" });\n';
  const files = examples.map((_, index) => `example${index}.ts`);
  await Promise.all(examples.map((text, index) => writeFile(join(folder, files[index]!), client + text)));
  const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
  const options = "--noEmit --strict --target es2022 --module esnext --moduleResolution bundler --ignoreConfig".split(" ");
  execFileSync(process.execPath, [tsc, ...options, ...files], { cwd: folder, stdio: "inherit" });
});
