import { create, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { checkSkew, Client, type Connection, Packer, type Schema, Session, type SessionOptions, type Skew, SkewError, type SkewOptions } from "@due/index";
import { AnswerSchema, GreetingSchema } from "@due/skew-schema";
import { StatusSchema } from "@due/status-schema";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import * as original from "./original";
import { FakeSocket, hex, Server } from "./sockets";

const clients: { [name: string]: () => Connection } = {
  ours: () => new Client({ url: "ws://gate", webSocket: FakeSocket }),
  original: () => new original.Client({ url: "ws://gate", packer: new original.Packer({}) }) as unknown as Connection,
};

const shape = Uint8Array.from({ length: 5000 }, (_, at) => at % 251);
const mine: Schema = {
  hash: "00000000000000ab",
  shape: Buffer.from(shape).toString("base64").replace(/=+$/, ""),
  routes: [[1, "a.B.Hi"], [9, "a.Gone"]],
};
const UNKNOWN: Skew = { kind: "unknown", differences: [], omitted: 0, breaking: false };

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.all = [];
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe.each(Object.keys(clients))("over the client: %s", (name) => {
  function setUp(options: SkewOptions = {}, session: SessionOptions = {}) {
    const client = clients[name]!();
    const onSkew = vi.fn();
    const onError = vi.fn();
    const heard = { onConnect: vi.fn(), onReceive: vi.fn(), onDisconnect: vi.fn() };
    const made = new Session(client, { onError, skew: checkSkew(mine, { onSkew, ...options }), ...session });
    client.onConnect!(heard.onConnect);
    client.onReceive(heard.onReceive);
    client.onDisconnect(heard.onDisconnect);
    client.connect();
    FakeSocket.last.open();
    const server = new Server();
    const asked = (): MessageShape<typeof GreetingSchema>[] =>
      server.received().map(({ route, seq, body }) => {
        expect([route, seq, body[0]]).toEqual([-1, 0, 0xff]);
        return fromBinary(GreetingSchema, body.subarray(1));
      });
    const answer = (init: MessageInitShape<typeof AnswerSchema>): void => {
      const body = toBinary(AnswerSchema, create(AnswerSchema, init));
      server.send(-1, 0, Uint8Array.of(0xff, ...body));
    };
    return { client, session: made, server, asked, answer, onSkew, onError, ...heard };
  }

  test("the gate is asked first, in bytes that never change, and handlers hear what they always do", () => {
    const { client, server, onSkew, onConnect, onReceive, answer } = setUp();
    expect(FakeSocket.last.sent.map(hex)).toEqual(["0000001b00ffff0000ff0a10" + Buffer.from(mine.hash).toString("hex") + "108827"]);
    expect(onConnect).toHaveBeenCalledTimes(1);
    expect(onConnect.mock.calls[0]![0]).toBe(client);
    answer({ verdict: 1 });
    expect(onSkew).toHaveBeenCalledExactlyOnceWith({ ...UNKNOWN, kind: "same" });
    expect(onReceive).not.toHaveBeenCalled();
    server.send(5, 0);
    expect(onReceive).toHaveBeenCalledTimes(1);
  });

  test("a shape goes out in the parts that the gate asks for", () => {
    const { asked, answer, onSkew } = setUp();
    expect(asked()).toMatchObject([{ hash: mine.hash, size: 5000, offset: 0 }]);
    answer({ verdict: 2, limit: 100_000 });
    const [first] = asked();
    expect([first!.offset, first!.part]).toEqual([0, shape.subarray(0, 4096)]);
    answer({ verdict: 2, offset: 4096, limit: 900 });
    const [second] = asked();
    expect([second!.offset, second!.part]).toEqual([4096, shape.subarray(4096, 4996)]);
    expect(onSkew).not.toHaveBeenCalled();
    answer({
      verdict: 3,
      breaking: true,
      omitted: 2,
      differences: [
        { route: 9, kind: 1 },
        { route: 1, kind: 2, name: "a.B.Hey", detail: "request has no field 1 on the server" },
        { route: 1, kind: 3, name: "a.B.Hey" },
        { route: 4, kind: 4, name: "a.New" },
        { route: 5, kind: 99, name: "of the future" },
      ],
    });
    expect(onSkew.mock.calls).toEqual([
      [
        {
          kind: "differs",
          breaking: true,
          omitted: 2,
          differences: [
            { route: 9, kind: "removed", name: "a.Gone", detail: "" },
            { route: 1, kind: "retyped", name: "a.B.Hey", detail: "request has no field 1 on the server" },
            { route: 1, kind: "stricter", name: "a.B.Hey", detail: "" },
            { route: 4, kind: "added", name: "a.New", detail: "" },
          ],
        },
      ],
    ]);
    answer({ verdict: 2 });
    expect(asked()).toEqual([]);
  });

  test("a gate that drops the question is waited for, and calls go on", async () => {
    const { client, server, onSkew } = setUp({ timeout: 700 });
    const call = client.request(3, Uint8Array.of(1));
    server.received();
    server.send(3, 1, Uint8Array.of(2));
    expect((await call).buffer).toEqual(Uint8Array.of(2));
    vi.advanceTimersByTime(699);
    expect(onSkew).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(onSkew).toHaveBeenCalledExactlyOnceWith(UNKNOWN);
  });

  test("a gate without a schema refuses, which nobody else hears", () => {
    const { server, onSkew, onReceive, onError } = setUp();
    const status = create(StatusSchema, { route: -1, code: 5, message: "no route -1" });
    server.send(-1, 0, toBinary(StatusSchema, status));
    expect(onSkew).toHaveBeenCalledExactlyOnceWith(UNKNOWN);
    expect(onReceive).not.toHaveBeenCalled();
    expect(onError).not.toHaveBeenCalled();
  });

  test.each([
    ["an offset behind the end", Uint8Array.of(0xff, 8, 2, 0x10, 0x88, 0x27)],
    ["no message", Uint8Array.of(0xff, 0x99)],
    ["nothing", Uint8Array.of(0xff)],
    ["a verdict of the future", Uint8Array.of(0xff, 8, 99)],
  ])("an answer that makes no sense says nothing: %s", (_, body) => {
    const { server, onSkew } = setUp();
    server.send(-1, 0, body);
    expect(onSkew).toHaveBeenCalledExactlyOnceWith(UNKNOWN);
  });

  test("a connection that ends is not told of, and the next one asks again", () => {
    const { client, asked, answer, onSkew, onDisconnect } = setUp();
    expect(asked()).toHaveLength(1);
    FakeSocket.last.closed();
    expect(onDisconnect).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(10_000);
    expect(onSkew).not.toHaveBeenCalled();
    client.connect();
    FakeSocket.last.open();
    expect(asked()).toMatchObject([{ hash: mine.hash }]);
    answer({ verdict: 4 });
    expect(onSkew).toHaveBeenCalledExactlyOnceWith({ ...UNKNOWN, kind: "uncompared" });
  });

  test("whoever refuses disconnects from what breaks, with a typed error", () => {
    const broken = { verdict: 3, breaking: true, differences: [{ route: 9, kind: 1 }] };
    const { client, answer, onError } = setUp({ refuse: true });
    answer(broken);
    expect(client.isConnected()).toBe(false);
    const [[error]] = onError.mock.calls as [[SkewError]];
    expect(error).toBeInstanceOf(SkewError);
    expect(error.message).toBe("the gate has another schema: route 9 (a.Gone) was removed");
    expect(error.skew.breaking).toBe(true);

    const other = setUp({ refuse: true });
    other.answer({ verdict: 3 });
    expect(other.client.isConnected()).toBe(true);
  });

  test("without a handler, what breaks is warned of and nothing else", () => {
    const warn = vi.spyOn(console, "warn").mockReturnValue(undefined);
    setUp({ onSkew: undefined }).answer({ verdict: 3, differences: [{ route: 4, kind: 4, name: "a.New" }] });
    expect(warn).not.toHaveBeenCalled();
    setUp({ onSkew: undefined }).answer({
      verdict: 3,
      breaking: true,
      omitted: 1,
      differences: [{ route: 1, kind: 3, name: "a.B.Hi", detail: "it needs a user" }],
    });
    expect(warn.mock.calls).toEqual([
      ["the gate has another schema: route 1 (a.B.Hi) is stricter: it needs a user; and 1 more"],
    ]);
  });

  test("what a handler throws is reported", () => {
    const thrown = new Error("mine");
    const { answer, onError } = setUp({
      onSkew: () => {
        throw thrown;
      },
    });
    answer({ verdict: 1 });
    expect(onError).toHaveBeenCalledExactlyOnceWith(thrown);
  });

  test("a session without a check asks nothing, and one of a connection that is open asks at once", () => {
    const { server, onReceive } = setUp({}, { skew: undefined });
    expect(server.received()).toEqual([]);
    server.send(-1, 0, Uint8Array.of(0xff, 8, 1));
    expect(onReceive).toHaveBeenCalledTimes(1);

    const client = clients[name]!();
    client.connect();
    FakeSocket.last.open();
    new Session(client, { skew: checkSkew(mine) });
    expect(server.received()).toHaveLength(1);
  });
});

test("a packer that has no room for the question leaves it unasked", () => {
  const client = new Client({ url: "ws://gate", webSocket: FakeSocket, packer: new Packer({ bufferBytes: 5 }) });
  const onSkew = vi.fn();
  new Session(client, { skew: checkSkew(mine, { onSkew }) });
  client.connect();
  FakeSocket.last.open();
  expect(FakeSocket.last.sent).toEqual([]);
  expect(onSkew).toHaveBeenCalledExactlyOnceWith(UNKNOWN);
});
