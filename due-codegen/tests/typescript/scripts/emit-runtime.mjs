// Lays the runtime out as the generator does: the templates, and the defaults of a due.toml without settings.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";

const out = new URL("../build/due/", import.meta.url);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
cpSync(new URL("../../../../templates/typescript/runtime/", import.meta.url), out, { recursive: true });
writeFileSync(
  new URL("defaults.ts", out),
  `import type { Codec } from "./codec";
import { proto } from "./proto";

/** Settings of the cluster, where the program says nothing else. */
export const defaults: {
  readonly codec: Codec;
  readonly packet: { readonly byteOrder: "big" | "little"; readonly routeBytes: number; readonly seqBytes: number };
} = { codec: proto, packet: { byteOrder: "big", routeBytes: 2, seqBytes: 2 } };
`,
);
