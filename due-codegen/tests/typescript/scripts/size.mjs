// What the runtime adds to a page: minified and gzipped bytes beyond those of protobuf-es and the messages alone.
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { writeFileSync } from "node:fs";
import { build } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const due = "../gen/due";
const gen = "../gen/arena_pb";

const messages = `
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { GreetRequestSchema, GreetResponseSchema } from "${gen}";
globalThis.use = (body) => [toBinary(GreetRequestSchema, create(GreetRequestSchema, {})), fromBinary(GreetResponseSchema, body)];`;
const session = `
import { GreetRequestSchema, GreetResponseSchema } from "${gen}";
import { sessionOf } from "${due}/index";
globalThis.use = (client) => sessionOf(client).call(1, GreetRequestSchema, GreetResponseSchema, {});`;
const pages = {
  "protobuf-es and messages": messages,
  "+ Packer": `${messages}\nimport { Packer } from "${due}/index";\nglobalThis.packer = new Packer();`,
  "+ Client, Packer": `${messages}\nimport { Client } from "${due}/index";\nglobalThis.client = new Client({ url: "" });`,
  "+ Session": session,
  "+ Session, Client, Packer": `${session}\nimport { Client } from "${due}/index";\nglobalThis.client = new Client({ url: "" });`,
  "+ all, json": `${session}\nimport { Client, json, Session } from "${due}/index";\nglobalThis.client = new Session(new Client({ url: "" }), { codec: json });`,
};

let base;
for (const [name, code] of Object.entries(pages)) {
  const entry = here("./page.ts");
  const result = await build({
    configFile: false,
    logLevel: "error",
    plugins: [{ name: "page", resolveId: (id) => (id === entry ? id : undefined), load: (id) => (id === entry ? code : undefined) }],
    build: { write: false, minify: true, rolldownOptions: { input: entry, output: { format: "es" } } },
  });
  const text = result.output[0].code;
  if (process.env.KEEP) writeFileSync(`${process.env.KEEP}/${name.replace(/\W+/g, "_")}.js`, text);
  const gzip = gzipSync(text, { level: 9 }).length;
  base ??= { raw: text.length, gzip };
  console.log(name.padEnd(28), `${text.length} B`.padStart(9), `${gzip} B gzip`.padStart(14), name[0] === "+" ? `  adds ${text.length - base.raw} B, ${gzip - base.gzip} B gzip` : "");
}
