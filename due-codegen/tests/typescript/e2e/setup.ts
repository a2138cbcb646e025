// Once before all tests: the binaries, the generated TypeScript, and the page of the browser's half.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { build as bundle } from "vite";
import type { TestProject } from "vitest/node";

import { build } from "./server";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

declare module "vitest" {
  interface ProvidedContext {
    /** The generator. */
    cargoDue: string;
    /** The server of the end-to-end tests. */
    play: string;
    /** Gate, nodes and master. */
    fleet: string;
    /** examples/arena. */
    arena: string;
    /** The folder of the page. */
    page: string;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const cargoDue = build("due-codegen", "cargo-due");
  for (const schema of ["..", "../older"]) execFileSync(cargoDue, ["generate"], { cwd: here(schema), stdio: "inherit" });
  project.provide("cargoDue", cargoDue);
  project.provide("play", build("due-codegen-play", "due-codegen-play"));
  project.provide("fleet", build("due-codegen-play", "due-codegen-fleet"));
  project.provide("arena", build("arena", "arena"));
  const page = here("../build/page");
  await bundle({
    configFile: false,
    root: here("page"),
    base: "./",
    logLevel: "warn",
    build: { outDir: page, emptyOutDir: true, target: "es2020" },
  });
  project.provide("page", page);
}
