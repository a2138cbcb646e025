import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { build, type Rollup } from "vite";
import { expect, test } from "vitest";
import { Server } from "./sockets";

// Game engines run JavaScript without most of what browsers have. protobuf-es asks for a text encoding, nothing else.

const page = `
import { configureTextEncoding } from "@bufbuild/protobuf/wire";
configureTextEncoding({
  encodeUtf8: (text) => Uint8Array.from(text, (char) => char.charCodeAt(0)),
  decodeUtf8: (bytes) => String.fromCharCode(...bytes),
  checkUtf8: () => true,
});
export const load = () => import("./page2");
`;
const page2 = `
import { Client, Packer, Session } from "@due/index";
import { GreetRequestSchema, GreetResponseSchema } from "../gen/arena_pb";
export const greet = (webSocket) => {
  const client = new Client({ url: "ws://gate", webSocket, heartbeat: 1000, reconnect: true });
  const session = new Session(client);
  client.connect();
  const time = new Packer().unpack(Uint8Array.of(0, 0, 0, 9, 0x80, 0x17, 0x9e, 0xd4, 0x4b, 0x48, 0xb3, 0xba, 0).buffer);
  return { connected: client.connect(), time, call: () => session.call(1, GreetRequestSchema, GreetResponseSchema, { name: "due" }) };
};
`;

async function bundle(): Promise<string> {
  const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const pages = new Map([[here("page.ts"), page], [here("page2.ts"), page2]]);
  const found = (id: string) => [...pages.keys()].find((path) => path === id || path === here(`${id.replace("./", "")}.ts`));
  const built = (await build({
    configFile: false,
    logLevel: "error",
    resolve: { alias: { "@due": here("../gen/due") } },
    plugins: [{ name: "pages", enforce: "pre", resolveId: found, load: (id) => pages.get(id) }],
    build: {
      write: false,
      target: "es2020",
      minify: false,
      modulePreload: false,
      lib: { entry: here("page.ts"), formats: ["iife"], name: "page" },
    },
  })) as Rollup.RollupOutput[];
  return built[0]!.output[0].code;
}

test("BigInt, TextEncoder, AbortController, performance, console and WebSocket can be missing", async () => {
  const timers: number[] = [];
  const context = vm.createContext({
    setTimeout: (_: () => void, milliseconds: number) => timers.push(milliseconds),
    clearTimeout: () => {},
  });
  vm.runInContext("for (const name of ['BigInt', 'BigInt64Array', 'BigUint64Array', 'WebAssembly', 'console']) delete globalThis[name];", context);
  expect(vm.runInContext("[typeof BigInt, typeof TextEncoder, typeof console].join()", context)).toBe("undefined,undefined,undefined");
  const { load } = vm.runInContext(`${await bundle()}; page`, context);
  const { greet } = await load();

  const server = new Server();
  class Socket {
    readyState = 0;
    onopen!: (event: unknown) => void;
    onmessage!: (event: unknown) => void;
    constructor() {
      sockets.push(this);
    }
    send(data: ArrayBuffer) {
      const { route, seq = 0 } = server.packer.unpack(data).message!;
      this.onmessage({ data: server.packer.packMessage({ route, seq, buffer: new Uint8Array([0x12, 2, 0x68, 0x69]) }) });
    }
    close() {}
  }
  const sockets: Socket[] = [];
  const { connected, time, call } = greet(Socket);
  expect([connected, time.millisecond]).toEqual([true, 1702031129000]);
  const socket = sockets[1]!;
  socket.readyState = 1;
  socket.onopen({});
  expect((await call()).message).toBe("hi");
  expect(timers).toContain(1000);
});
