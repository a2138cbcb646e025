import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Client, type Closed, Packer, Session } from "@due/index";
import { afterEach, beforeEach, expect, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { GreetRequestSchema, GreetResponseSchema } from "../gen/arena_pb";

// Node's sockets rather than fakes: what the constructor of `ws` gives must do, also when it is closed early.

let gate: WebSocketServer;
let url: string;

beforeEach(async () => {
  gate = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(gate, "listening");
  url = `ws://127.0.0.1:${(gate.address() as AddressInfo).port}`;
});
afterEach(() => {
  for (const socket of gate.clients) socket.terminate();
  gate.close();
});

test("a call over a real socket, and the end of it", async () => {
  const packer = new Packer();
  gate.on("connection", (socket) => {
    socket.on("message", (data: Buffer) => {
      const { route, seq = 0 } = packer.unpack(data).message!;
      socket.send(packer.packMessage({ route, seq, buffer: new Uint8Array([0x12, 2, 0x68, 0x69]) }));
      socket.close(4002, "enough");
    });
  });
  const client = new Client({ url, webSocket: WebSocket });
  const session = new Session(client);
  const ended = new Promise<Closed>((resolve) => client.onDisconnect((_, closed) => resolve(closed)));
  await new Promise((resolve) => {
    client.onConnect(resolve);
    client.connect();
  });
  const response = await session.call(1, GreetRequestSchema, GreetResponseSchema, { name: "due" });
  expect(response.message).toBe("hi");
  expect(await ended).toEqual({ code: 4002, reason: "enough" });
});

test("an attempt that is given up does no harm", async () => {
  const client = new Client({ url, webSocket: WebSocket });
  const failed = new Promise((resolve) => client.onError((_, error) => resolve(error)));
  client.connect();
  client.disconnect();
  client.connect();
  await new Promise((resolve) => client.onConnect(resolve));
  client.disconnect();
  const refused = new Client({ url: "ws://127.0.0.1:1", webSocket: WebSocket });
  const ended = new Promise((resolve) => refused.onDisconnect(resolve));
  refused.connect();
  await ended;
  expect(await Promise.race([failed, "nothing failed"])).toBe("nothing failed");
});
