import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, inject } from "vitest";

import { launch, pages } from "./browser";
import type { Player } from "./player";
import { type Remote, suite } from "./suite";

let browser: Browser;
let page: Page;
let site: { url: string; close(): Promise<void> };

beforeAll(async () => {
  [browser, site] = await Promise.all([launch(), pages(inject("page"))]);
  page = await browser.newPage();
  page.on("pageerror", (error) => console.error("in the page:", error));
  await page.goto(site.url);
});

afterAll(async () => {
  await browser.close();
  await site.close();
});

suite(async () => {
  const index = await page.evaluate(() => window.newPlayer());
  return new Proxy({} as Remote, {
    // A proxy that had `then` would be taken for a promise.
    get: (_, name) =>
      name === "then"
        ? undefined
        : (...args: unknown[]) =>
            page.evaluate(
              ([index, name, args]) => {
                const player = window.player(index) as unknown as Record<string, (...args: unknown[]) => unknown>;
                return player[name]!(...args);
              },
              [index, name as keyof Player & string, args] as const,
            ),
  });
});
