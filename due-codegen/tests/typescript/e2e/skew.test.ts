// A client that was generated from an older schema meets a gate of a newer one.

import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { WebSocket } from "ws";

import { schema } from "../gen/due/index";
import { checkSkew, Client, type Connection, json, Packer, proto, type Schema, Session, type Skew, SkewError, schema as older } from "../older/gen/due/index";
import { PlayClient } from "../older/gen/play/v1/play_due";
import { Client as Original, Packer as OriginalPacker } from "../unit/original";
import { Server } from "./server";

Object.assign(globalThis, { WebSocket });

const open: Connection[] = [];
afterEach(() => open.splice(0).forEach((client) => client.disconnect()));

const ours = (dialect: "sized" | "bare") => (url: string): Connection =>
  new Client({ url, webSocket: WebSocket as never, packer: new Packer({ dialect }) });
const original = (url: string): Connection =>
  new Original({ url, heartbeat: 0, packer: new OriginalPacker() }) as unknown as Connection;

/** Connects, and gives what the first connection is told. */
function skewOf(client: Connection, of: Schema, codec = proto): Promise<Skew> {
  open.push(client);
  return new Promise((onSkew) => {
    new Session(client, { codec, skew: checkSkew(of, { onSkew, timeout: 60_000 }) });
    client.connect();
  });
}

const shown = ({ differences }: Skew): string[] =>
  differences.map(({ route, kind, name, detail }) => `${route} ${name} ${kind} ${detail}`.trim());

const REMOVED = "8 play.v1.Play.Dance removed";
const UID = "2 play.v1.Play.Login retyped request.uid is int64 on the server, int32 on the client";
const SHOUT =
  "6 play.v1.Play.Shout retyped it is a route without an answer on the server, a route with an answer on the client";
const STRICTER = "3 play.v1.Play.WhoAmI stricter it needs a user";
const ADDED = "7 play.v1.Play.Leave added";

describe.each([
  ["ours, sized", ours("sized")],
  ["ours, bare", ours("bare")],
  ["original", original],
])("through the client: %s", (_, connect) => {
  describe.each(["proto", "json"])("in %s", (codec) => {
    let server: Server;
    let url: string;
    beforeAll(async () => {
      server = new Server(inject("play"), ["127.0.0.1:0", codec]);
      url = await server.line;
    });
    afterAll(() => server.stop());

    test("what broke is told, and what did not is called", async () => {
      const client = connect(url);
      const skew = await skewOf(client, older, codec === "json" ? json : proto);
      const text = "has another name on the client";
      const named = [`4 play.v1.Play.Fail retyped request.text ${text}`];
      const retyped = codec === "json" ? [UID, ...named, SHOUT] : [UID, SHOUT];
      expect(shown(skew)).toEqual([REMOVED, ...retyped, STRICTER, ADDED]);
      expect(skew.breaking).toBe(true);
      const answer = await new PlayClient(client).echo({ text: "你好" });
      expect(answer.request?.text).toBe("你好");
    });

    test("the same schema is the same in Rust and TypeScript", async () => {
      expect(await skewOf(connect(url), schema)).toMatchObject({ kind: "same", breaking: false });
    });
  });
});

test("whoever refuses does not stay, and each connection asks again", async () => {
  const server = new Server(inject("play"), ["127.0.0.1:0", "proto"]);
  const client = ours("sized")(await server.line);
  open.push(client);
  const errors: unknown[] = [];
  let heard = (): void => undefined;
  const onError = (error: unknown): void => {
    errors.push(error);
    heard();
  };
  new Session(client, { onError, skew: checkSkew(older, { refuse: true, onSkew: () => undefined }) });
  for (let time = 0; time < 2; time++) {
    await new Promise<void>((resolve) => {
      heard = resolve;
      client.connect();
    });
    expect(client.isConnected()).toBe(false);
  }
  expect(errors.map((error) => error instanceof SkewError && error.skew.breaking)).toEqual([true, true]);
  await server.stop();
});
