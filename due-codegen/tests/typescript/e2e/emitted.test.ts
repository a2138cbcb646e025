// What is emitted, as compilers see it: every import extension, and the README's program.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect, inject, test } from "vitest";

import { root } from "./server";

const here = fileURLToPath(new URL("..", import.meta.url));

/** An empty folder from which this project's packages can be imported. */
function folder(name: string): string {
  const path = join(here, "build", name);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

function generate(path: string): void {
  execFileSync(inject("cargoDue"), ["generate"], { cwd: path, stdio: "pipe" });
}

/** Type-checks a folder with the strictest settings there are. */
function check(path: string, options: Record<string, unknown>): void {
  const config = {
    extends: join(here, "tsconfig.base.json"),
    compilerOptions: { lib: ["ES2020", "DOM"], erasableSyntaxOnly: false, ...options },
    include: [path],
  };
  writeFileSync(join(path, "tsconfig.json"), JSON.stringify(config));
  try {
    execFileSync(join(here, "node_modules/.bin/tsc"), ["-p", path], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    throw new Error((error as { stdout: string }).stdout);
  }
}

test.each([
  ["", { moduleResolution: "bundler" }],
  [".js", { module: "NodeNext", moduleResolution: "NodeNext" }],
  [".ts", { moduleResolution: "bundler", allowImportingTsExtensions: true }],
])("imports that end in %j are found", (extension, options) => {
  const path = folder(`extension${extension.replace(".", "-")}`);
  const packet = 'route_bytes = 4\nseq_bytes = 1\nbyte_order = "little"';
  const typescript = `out = "gen"\nimport_extension = "${extension}"\nview = "full"\ncodec = "json"`;
  const config = `[proto]\nroots = ["../../proto"]\n[packet]\n${packet}\n[typescript]\n${typescript}\n`;
  writeFileSync(join(path, "due.toml"), config);
  writeFileSync(join(path, "package.json"), '{ "type": "module" }');
  generate(path);
  const defaults = readFileSync(join(path, "gen/due/defaults.ts"), "utf8");
  expect(defaults).toContain(`import { json } from "./json${extension}";`);
  expect(defaults).toContain('packet: { byteOrder: "little", routeBytes: 4, seqBytes: 1 }');
  check(path, options);
});

test("the README's program compiles", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const block = (name: string): string => {
    const text = new RegExp(`\n\`${name}\`[^\n]*\n\n\`\`\`\\w*\n(.*?)\n\`\`\``, "s").exec(readme)?.[1];
    if (text === undefined) throw new Error(`${name} is not in the README`);
    return text;
  };
  const path = folder("readme");
  mkdirSync(join(path, "proto"));
  mkdirSync(join(path, "web/src"), { recursive: true });
  writeFileSync(join(path, "proto/lobby.proto"), block("proto/lobby.proto"));
  writeFileSync(join(path, "web/src/main.ts"), block("web/src/main.ts"));
  const section = /\n(\[typescript\]\n.*?)\n```/s.exec(readme)?.[1];
  writeFileSync(join(path, "due.toml"), section ?? "");
  generate(path);
  check(path, {});
});

test("a file that nobody generates any more is removed, with its folder", () => {
  const path = folder("stale");
  cpSync(join(here, "proto"), join(path, "proto"), { recursive: true });
  mkdirSync(join(path, "proto/gone/deep"), { recursive: true });
  writeFileSync(join(path, "proto/gone/deep/gone.proto"), 'syntax = "proto3"; package gone; message Gone {}');
  writeFileSync(join(path, "due.toml"), '[typescript]\nout = "gen"\n');
  generate(path);
  writeFileSync(join(path, "gen/play/mine.ts"), "export {};\n");
  mkdirSync(join(path, "gen/node_modules/due"), { recursive: true });
  cpSync(join(path, "gen/gone/deep/gone_pb.ts"), join(path, "gen/node_modules/due/gone_pb.ts"));
  rmSync(join(path, "proto/gone"), { recursive: true });
  const out = execFileSync(inject("cargoDue"), ["generate"], { cwd: path, encoding: "utf8" });
  expect(out).toBe("removed gen/gone/deep/gone_pb.ts\n");
  expect(() => readFileSync(join(path, "gen/gone"))).toThrow("ENOENT");
  expect(readFileSync(join(path, "gen/play/mine.ts"), "utf8")).toBe("export {};\n");
  expect(readFileSync(join(path, "gen/node_modules/due/gone_pb.ts"), "utf8")).toContain("@generated");
});
