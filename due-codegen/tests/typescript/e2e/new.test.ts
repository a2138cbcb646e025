// The clients that `cargo due new` makes, as their users and their CI run them.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect, inject, test } from "vitest";

import { root } from "./server";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

test.each(["hello", "rooms"])("a new project of template %s is checked, tested and built", { timeout: 600_000 }, (template) => {
  const cargoDue = inject("cargoDue");
  const games = here("../build/games");
  const project = join(games, template);
  mkdirSync(games, { recursive: true });
  rmSync(project, { recursive: true, force: true });
  execFileSync(cargoDue, ["new", project, "--template", template], { stdio: ["ignore", "ignore", "inherit"] });
  // The versions that are installed and built here already.
  symlinkSync(here("../node_modules"), join(project, "client/node_modules"));
  copyFileSync(join(root, "Cargo.lock"), join(project, "Cargo.lock"));

  // Without what vitest tells its children.
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST") && name !== "NODE_ENV");
  const env = {
    ...Object.fromEntries(own),
    CARGO_NET_OFFLINE: "true",
    CARGO_PROFILE_DEV_DEBUG: "line-tables-only",
    CARGO_TARGET_DIR: join(dirname(dirname(cargoDue)), "tmp", "games"),
  };
  const npm = (...args: string[]): string =>
    execFileSync("npm", args, { cwd: join(project, "client"), env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  expect(npm("run", "build")).toContain("built in");
  expect(npm("test")).toMatch(/Tests .*2 passed/);
});
