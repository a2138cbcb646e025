import { create, type DescMessage, fromJsonString, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import { CallError, Client, type Codec, type Connection, json, Packer, proto, Session, sessionOf, type SessionOptions, Status } from "@due/index";
import { StatusSchema } from "@due/status-schema";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type GreetRequest, GreetRequestSchema, type GreetResponse, GreetResponseSchema, type Moved, MovedSchema } from "../gen/arena_pb";
import * as original from "./original";
import { FakeSocket, Server } from "./sockets";

interface Surface extends Connection {
  onConnect(handler: () => unknown): unknown;
}

/** The same suite holds over our client and over the one that programs bring along. */
const clients: { [name: string]: (seqBytes?: number) => Surface } = {
  ours: (seqBytes) => new Client({ url: "ws://gate", webSocket: FakeSocket, packer: new Packer({ seqBytes }) }),
  original: (seqBytes = 2) => new original.Client({ url: "ws://gate", packer: new original.Packer({ seqBytes }) }),
};

const ROUTE = 1;
const OTHER = 2;
const PUSH = 12;
const STATUS = -1;

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

type Outcome = GreetResponse | { failed: unknown };
const outcome = (promise: Promise<GreetResponse>): Promise<Outcome> => promise.catch((failed: unknown) => ({ failed }));
const failure = (promise: Promise<unknown>): Promise<any> => promise.then(() => "answered", (failed: unknown) => failed);
const kindOf = async (promise: Promise<unknown>): Promise<unknown> => (await failure(promise)).kind;

describe.each(Object.keys(clients))("over the client: %s", (name) => {
  function setUp(options: SessionOptions = {}) {
    const seqBytes = options.seqBytes ?? 2;
    const client = clients[name]!(seqBytes);
    const onReceive = vi.fn();
    const onDisconnect = vi.fn();
    const session = new Session(client, { ...options, seqBytes });
    client.onReceive(onReceive);
    client.onDisconnect(onDisconnect);
    client.connect();
    const server = new Server({ seqBytes });
    const codec = options.codec ?? proto;
    const arrived = () =>
      server.received().map(({ route, seq, body }) => ({ route, seq, name: codec.decode(GreetRequestSchema, body).name }));
    const answer = (route: number, seq: number, message: string, code = 0) =>
      server.send(route, seq, codec.encode(GreetResponseSchema, create(GreetResponseSchema, { message, code })));
    const status = (seq: number, route: number, code: number, message = "", inner = seq) =>
      server.send(STATUS, seq, codec.encode(StatusSchema, create(StatusSchema, { route, seq: inner, code, message })));
    const greet = (name: string, timeout?: number, route = ROUTE) =>
      session.call(route, GreetRequestSchema, GreetResponseSchema, { name }, { timeout });
    FakeSocket.last.open();
    return { client, session, server, onReceive, onDisconnect, arrived, answer, status, greet };
  }

  describe("calls", () => {
    test("are answered by route and seq, in any order", async () => {
      const { arrived, answer, greet, onReceive } = setUp();
      const calls = [greet("a"), greet("b"), greet("c", undefined, OTHER)];
      expect(arrived()).toEqual([
        { route: ROUTE, seq: 1, name: "a" },
        { route: ROUTE, seq: 2, name: "b" },
        { route: OTHER, seq: 3, name: "c" },
      ]);
      answer(OTHER, 3, "C");
      answer(ROUTE, 2, "B");
      answer(ROUTE, 1, "A");
      expect((await Promise.all(calls)).map((response) => response.message)).toEqual(["A", "B", "C"]);
      expect(onReceive).not.toHaveBeenCalled();
    });

    test("an empty answer is a message of defaults", async () => {
      const { server, greet } = setUp();
      const call = greet("");
      server.send(ROUTE, 1);
      expect(await call).toEqual(create(GreetResponseSchema));
    });

    test("only route and seq together are an answer", async () => {
      const { answer, greet, onReceive } = setUp();
      const call = greet("a");
      answer(OTHER, 1, "a push with a seq");
      answer(ROUTE, 2, "another");
      answer(ROUTE, 0, "a push");
      expect(onReceive.mock.calls.map(([, { route, seq }]) => [route, seq])).toEqual([[OTHER, 1], [ROUTE, 2], [ROUTE, 0]]);
      answer(ROUTE, 1, "yes");
      answer(ROUTE, 1, "twice");
      expect((await call).message).toBe("yes");
      expect(onReceive).toHaveBeenCalledTimes(4);
    });

    test("seqs wrap, skipping 0 and those that are waited for", async () => {
      const { arrived, answer, greet } = setUp({ seqBytes: 1 });
      const patient = greet("patient", 0);
      const seqs: number[] = [arrived()[0]!.seq];
      for (let round = 0; round < 300; round++) {
        const call = greet(`${round}`);
        const { seq, name } = arrived()[0]!;
        seqs.push(seq);
        answer(ROUTE, seq, name);
        expect((await call).message).toBe(`${round}`);
      }
      expect(seqs.slice(0, 3)).toEqual([1, 2, 3]);
      expect(seqs.slice(125, 130)).toEqual([126, 127, 2, 3, 4]);
      answer(ROUTE, 1, "at last");
      expect((await patient).message).toBe("at last");
    });

    test.each([
      [1, 127],
      [2, 1024],
      [4, 1024],
      [0, 1024],
    ])("with seqs of %i bytes, %i can wait at once", async (seqBytes, limit) => {
      const { arrived, greet } = setUp({ seqBytes });
      const waiting = Array.from({ length: limit }, () => greet("", 100));
      expect(arrived().length).toBe(limit);
      const refused = await failure(greet("one too many"));
      expect([refused.kind, refused.message]).toEqual(["busy", `${limit} calls are waiting`]);
      expect(arrived()).toEqual([]);
      const kinds = Promise.all(waiting.map(kindOf));
      vi.advanceTimersByTime(100);
      expect(new Set(await kinds)).toEqual(new Set(["timeout"]));
      if (seqBytes === 0) {
        expect(await kindOf(greet("the late answers may still come"))).toBe("busy");
        vi.advanceTimersByTime(30_000);
      }
      const next = greet("room again", 100);
      expect(arrived().length).toBe(1);
      vi.advanceTimersByTime(100);
      expect(await kindOf(next)).toBe("timeout");
    });

    test("time out after ten seconds unless told otherwise", async () => {
      const { greet, session } = setUp();
      const times: [string, number][] = [];
      const start = Date.now();
      const note = (what: string, call: Promise<unknown>) =>
        call.catch(() => times.push([what, Date.now() - start]));
      note("default", greet("a"));
      note("own", greet("b", 50));
      for (const endless of [0, Infinity, 2 ** 31]) note("never", greet("c", endless));
      note("never", session.call(ROUTE, GreetRequestSchema, GreetResponseSchema, {}, { timeout: -1 }));
      for (let second = 0; second < 100; second++) await vi.advanceTimersByTimeAsync(1000);
      expect(times).toEqual([
        ["own", 50],
        ["default", 10_000],
      ]);
      expect(vi.getTimerCount()).toBe(0);
    });

    test("the session's timeout holds where a call has none", async () => {
      const { greet } = setUp({ timeout: 70 });
      const call = failure(greet("a"));
      vi.advanceTimersByTime(70);
      expect((await call).message).toBe("no answer within 70 ms");
    });

    test("late answers are nobody's", async () => {
      const { answer, greet, onReceive } = setUp();
      const late = kindOf(greet("a", 10));
      vi.advanceTimersByTime(10);
      expect(await late).toBe("timeout");
      answer(ROUTE, 1, "late");
      expect(onReceive).not.toHaveBeenCalled();
      answer(ROUTE, 1, "not even late");
      expect(onReceive).toHaveBeenCalledTimes(1);
    });

    test("a late answer is not taken for that of a later call with the same seq", async () => {
      const { arrived, answer, greet, onReceive } = setUp({ seqBytes: 1 });
      const late = kindOf(greet("late", 10));
      vi.advanceTimersByTime(10);
      await late;
      const others = Array.from({ length: 126 }, (_, at) => outcome(greet(`${at}`, 0)));
      expect(arrived().some(({ seq, name }) => seq === 1 && name !== "late")).toBe(false);
      answer(ROUTE, 1, "late");
      expect(onReceive).not.toHaveBeenCalled();
      const next = greet("next", 0);
      expect(arrived()).toEqual([{ route: ROUTE, seq: 1, name: "next" }]);
      answer(ROUTE, 1, "in time");
      expect((await next).message).toBe("in time");
      expect(others.length).toBe(126);
    });

    test("are refused while there is no connection", async () => {
      const client = clients[name]!();
      const session = new Session(client);
      const call = () => session.call(ROUTE, GreetRequestSchema, GreetResponseSchema, {});
      expect(await kindOf(call())).toBe("closed");
      client.connect();
      expect(await kindOf(call())).toBe("closed");
      expect(await kindOf(session.send(ROUTE, GreetRequestSchema, {}))).toBe("closed");
      expect(vi.getTimerCount()).toBe(0);
    });

    test.each(["server", "disconnect", "connect"])("fail when the connection ends: %s", async (how) => {
      const { client, greet, onDisconnect } = setUp();
      const kinds = [kindOf(greet("a", 0)), kindOf(client.request(ROUTE))];
      if (how === "server") FakeSocket.last.closed();
      else client[how as "connect"]();
      expect(await Promise.all(kinds)).toEqual(["closed", "closed"]);
      expect(onDisconnect).toHaveBeenCalledTimes(how === "server" ? 1 : 0);
    });

    test("go on over the next connection", async () => {
      const { answer, client, greet, onDisconnect, onReceive } = setUp();
      onDisconnect.mockImplementation(() => client.connect());
      const lost = kindOf(greet("lost"));
      FakeSocket.last.closed();
      expect(await lost).toBe("closed");
      FakeSocket.last.open();
      const call = greet("again");
      answer(ROUTE, 1, "to nobody on this connection");
      expect(onReceive).toHaveBeenCalledTimes(1);
      answer(ROUTE, 2, "here");
      expect((await call).message).toBe("here");
    });

    test("what the codec or the packer refuses is never sent", async () => {
      const { answer, arrived, greet, onReceive, session } = setUp();
      const encode = await failure(session.call(ROUTE, MovedSchema, GreetResponseSchema, { dx: 2 ** 40 }));
      expect([encode.kind, encode.message]).toEqual(["encode", "cannot encode arena.v1.Moved"]);
      expect(encode.cause).toBeInstanceOf(Error);
      const overflow = await failure(greet("", undefined, 40_000));
      expect([overflow.kind, overflow.message.slice(0, 14)]).toEqual(["packet", "route overflow"]);
      const large = await failure(greet("x".repeat(6000)));
      expect([large.kind, large.message.slice(0, 17)]).toEqual(["packet", "message too large"]);
      answer(ROUTE, 2, "a push with the seq of what was not sent");
      expect(onReceive).toHaveBeenCalledTimes(1);
      const oneway = await failure(session.send(40_000, GreetRequestSchema, {}));
      expect([oneway.name, oneway.kind]).toEqual(["CallError", "packet"]);
      expect([arrived(), vi.getTimerCount()]).toEqual([[], 0]);
    });

    test("an answer that cannot be read is an error of kind decode", async () => {
      const { server, greet, onReceive } = setUp();
      const call = failure(greet("a"));
      server.send(ROUTE, 1, new Uint8Array([0xff]));
      const error = await call;
      expect([error.kind, error.message]).toEqual(["decode", "cannot decode arena.v1.GreetResponse"]);
      expect(error.cause).toBeInstanceOf(Error);
      expect(onReceive).not.toHaveBeenCalled();
    });
  });

  describe("signals", () => {
    const greetWith = (session: Session, signal: NonNullable<Parameters<Session["send"]>[3]>["signal"]) =>
      session.call(ROUTE, GreetRequestSchema, GreetResponseSchema, {}, { signal });

    test("give up a call with their reason, and the late answer is nobody's", async () => {
      const { session, answer, onReceive } = setUp();
      const aborting = new AbortController();
      const call = failure(greetWith(session, aborting.signal));
      aborting.abort("changed my mind");
      expect(await call).toBe("changed my mind");
      answer(ROUTE, 1, "late");
      expect([onReceive.mock.calls.length, vi.getTimerCount()]).toEqual([0, 0]);
    });

    test("without a reason it is a CallError", async () => {
      const { session } = setUp();
      let abort = () => {};
      const signal = {
        aborted: false,
        addEventListener: (_: "abort", listener: () => void) => void (abort = listener),
        removeEventListener: vi.fn(),
      };
      const call = failure(greetWith(session, signal));
      abort();
      const error = await call;
      expect([error.name, error.kind]).toEqual(["CallError", "aborted"]);
      expect(signal.removeEventListener).toHaveBeenCalledWith("abort", abort);
    });

    test("that say so beforehand keep everything back", async () => {
      const { session, arrived } = setUp();
      const signal = AbortSignal.abort();
      expect((await failure(greetWith(session, signal))).name).toBe("AbortError");
      expect((await failure(session.send(ROUTE, GreetRequestSchema, {}, { signal }))).name).toBe("AbortError");
      expect(arrived()).toEqual([]);
    });

    test("are left when the answer comes", async () => {
      const { session, answer } = setUp();
      const { signal } = new AbortController();
      const remove = vi.spyOn(signal, "removeEventListener");
      const call = greetWith(session, signal);
      answer(ROUTE, 1, "yes");
      await call;
      expect(remove).toHaveBeenCalledTimes(1);
    });
  });

  describe("status", () => {
    test("refuses the call of its seq and route", async () => {
      const { greet, status, onReceive } = setUp();
      const call = failure(greet("a"));
      status(1, OTHER, 5, "of another route");
      status(1, ROUTE, 7, "log in first");
      const refused = await call;
      expect(refused).toBeInstanceOf(Status);
      expect({ ...refused, message: refused.message }).toEqual({
        name: "Status", code: 7, message: "log in first", route: ROUTE, seq: 1,
      });
      expect(onReceive.mock.calls.map(([, { route, seq }]) => [route, seq])).toEqual([[STATUS, 1]]);
    });

    test("of a call that was given up is nobody's", async () => {
      const { greet, status, onReceive } = setUp();
      const call = kindOf(greet("a", 5));
      vi.advanceTimersByTime(5);
      await call;
      status(1, ROUTE, 4);
      expect(onReceive).not.toHaveBeenCalled();
    });

    test("that cannot be read fails the call of its seq", async () => {
      const { greet, server, onReceive } = setUp();
      const call = kindOf(greet("a"));
      server.send(STATUS, 1, new Uint8Array([0xff]));
      expect(await call).toBe("decode");
      server.send(STATUS, 1, new Uint8Array([0xff]));
      expect(onReceive).toHaveBeenCalledTimes(1);
    });

    test("about no request says why the server will disconnect", () => {
      const { session, status, onReceive } = setUp();
      const dismissed: Status[] = [];
      const leave = session.onDismissed((status) => dismissed.push(status));
      status(0, 0, 100, "logged in elsewhere");
      status(9, ROUTE, 4, "of an unknown call");
      expect(dismissed.map(({ code, message }) => [code, message])).toEqual([[100, "logged in elsewhere"]]);
      expect(onReceive).toHaveBeenCalledTimes(2);
      leave();
      status(0, 0, 100);
      expect(dismissed.length).toBe(1);
    });

    test("a gate that goes away is left when all calls are answered", async () => {
      const { client, server, session, status, answer, greet, arrived, onDisconnect, onReceive } = setUp();
      const dismissed = vi.fn();
      session.onDismissed(dismissed);
      const [first, second] = [greet("a"), greet("b")];
      arrived();
      status(0, 0, -1, "the gate is stopping");
      expect(dismissed).not.toHaveBeenCalled();
      if (!("renew" in client)) {
        // It goes on until the gate ends the connection.
        expect(onReceive).toHaveBeenCalledTimes(1);
        const third = greet("c");
        expect(arrived()).toMatchObject([{ seq: 3, name: "c" }]);
        for (const [seq, name] of [[1, "A"], [2, "B"], [3, "C"]] as const) answer(ROUTE, seq, name);
        expect((await Promise.all([first, second, third])).map(({ message }) => message)).toEqual(["A", "B", "C"]);
        return;
      }
      expect(onReceive).not.toHaveBeenCalled();
      expect(await kindOf(greet("nothing is sent"))).toBe("closed");
      expect(await kindOf(session.send(ROUTE, GreetRequestSchema, { name: "nor this" }))).toBe("closed");
      expect(await kindOf(client.request(ROUTE))).toBe("closed");
      expect(arrived()).toEqual([]);
      answer(ROUTE, 2, "B");
      expect(onDisconnect).not.toHaveBeenCalled();
      answer(ROUTE, 1, "A");
      expect((await Promise.all([first, second])).map(({ message }) => message)).toEqual(["A", "B"]);
      expect(onDisconnect.mock.calls.map(([, closed]) => closed)).toEqual([{ code: 1001, reason: "going away" }]);
      client.connect();
      FakeSocket.last.open();
      const again = greet("d");
      answer(ROUTE, server.received()[0]!.seq, "D");
      expect((await again).message).toBe("D");
    });

    test("a gate that ends the connection before all calls are answered has ended it", async () => {
      const { status, greet, onDisconnect } = setUp();
      const call = kindOf(greet("a"));
      status(0, 0, -1);
      FakeSocket.last.closed(1001);
      expect(await call).toBe("closed");
      expect(onDisconnect).toHaveBeenCalledTimes(1);
    });

    test("a marked field of the response refuses as well", async () => {
      const { session, server } = setUp();
      const call = (seq: number, code: number, codeField?: string, textField?: string) => {
        const answer = session.call(ROUTE, GreetRequestSchema, GreetResponseSchema, {}, {}, codeField, textField);
        const response = create(GreetResponseSchema, { code, message: "no such name", uid: 3n });
        server.send(ROUTE, seq, proto.encode(GreetResponseSchema, response));
        return failure(answer.then((response) => Promise.reject(response)));
      };
      const refused: Status = await call(1, 42, "code", "message");
      expect(refused).toBeInstanceOf(Status);
      expect([refused.code, refused.message, refused.route, refused.seq]).toEqual([42, "no such name", ROUTE, 1]);
      expect((refused.response as GreetResponse).uid).toBe(3n);
      expect(await call(2, 42, "code")).toMatchObject({ code: 42, message: "" });
      expect(await call(3, 0, "code", "message")).toMatchObject({ $typeName: "arena.v1.GreetResponse", code: 0 });
      expect(await call(4, 42)).toMatchObject({ $typeName: "arena.v1.GreetResponse", code: 42 });
      expect(await call(5, 0, "uid")).toMatchObject({ name: "Status", code: 3 });
    });
  });

  describe("pushes", () => {
    const push = (server: Server, dx: number, seq = 0) =>
      server.send(PUSH, seq, proto.encode(MovedSchema, create(MovedSchema, { dx })));

    test("reach every listener until it leaves, and the user's handler", () => {
      const { client, session, server, onReceive } = setUp();
      const seen: string[] = [];
      const listen = (who: string) => (moved: Moved) => seen.push(`${who}${moved.dx}`);
      const leave = [session.on(PUSH, MovedSchema, listen("a")), sessionOf(client).on(PUSH, MovedSchema, listen("b"))];
      push(server, 1);
      push(server, 2, 77);
      leave[0]!();
      leave[0]!();
      push(server, 3);
      leave[1]!();
      push(server, 4);
      expect(seen).toEqual(["a1", "b1", "a2", "b2", "b3"]);
      expect(onReceive).toHaveBeenCalledTimes(4);
      expect(onReceive.mock.calls[0]![0]).toBe(client);
    });

    test("are no answers, whatever their seq, and answers are no pushes", async () => {
      const { session, server, arrived, greet } = setUp();
      const seen: number[] = [];
      session.on(PUSH, MovedSchema, (moved) => seen.push(moved.dx));
      const call = greet("a");
      const onPushRoute = session.call(PUSH, GreetRequestSchema, MovedSchema, {});
      arrived();
      push(server, 1, 1);
      push(server, 2, 2);
      push(server, 3, 0);
      expect((await onPushRoute).dx).toBe(2);
      expect(seen).toEqual([1, 3]);
      server.send(ROUTE, 1);
      await call;
    });

    test("what cannot be read or listened to is told, and the others still hear", () => {
      const onError = vi.fn();
      const { session, server } = setUp({ onError });
      const heard = vi.fn();
      session.on(PUSH, MovedSchema, () => {
        throw new Error("mine");
      });
      session.on(PUSH, MovedSchema, heard);
      push(server, 1);
      expect([heard.mock.calls.length, onError.mock.calls]).toEqual([1, [[new Error("mine")]]]);
      server.send(PUSH, 0, new Uint8Array([0xff]));
      expect(onError.mock.calls.slice(1).map(([error]) => (error as CallError).kind)).toEqual(["decode", "decode"]);
      push(server, 2);
      expect(heard).toHaveBeenCalledTimes(2);
    });

    test("errors go to the console by default", () => {
      const error = vi.spyOn(console, "error").mockImplementation(() => {});
      const { session, server } = setUp();
      session.on(PUSH, MovedSchema, () => {});
      server.send(PUSH, 0, new Uint8Array([0xff]));
      expect(error).toHaveBeenCalledTimes(1);
    });

    test("a listener that leaves while a push is told is not called any more", () => {
      const { session, server } = setUp();
      const second = vi.fn();
      session.on(PUSH, MovedSchema, () => leave());
      const leave = session.on(PUSH, MovedSchema, second);
      push(server, 1);
      expect(second).not.toHaveBeenCalled();
    });
  });

  describe("without seqs", () => {
    test("the order of the calls on a route decides", async () => {
      const { greet, answer, onReceive } = setUp({ seqBytes: 0 });
      const calls = [greet("1"), greet("2"), greet("3", undefined, OTHER)];
      answer(OTHER, 0, "three");
      answer(ROUTE, 0, "one");
      answer(ROUTE, 0, "two");
      expect((await Promise.all(calls)).map((response) => response.message)).toEqual(["one", "two", "three"]);
      answer(ROUTE, 0, "a push");
      expect(onReceive).toHaveBeenCalledTimes(1);
    });

    test("late answers are not mistaken for those of later calls, unless they are long overdue", async () => {
      const { greet, answer } = setUp({ seqBytes: 0 });
      const first = kindOf(greet("first", 10));
      vi.advanceTimersByTime(10);
      expect(await first).toBe("timeout");
      const second = greet("second", 0);
      answer(ROUTE, 0, "late");
      answer(ROUTE, 0, "in time");
      expect((await second).message).toBe("in time");

      const third = kindOf(greet("third", 10));
      vi.advanceTimersByTime(10);
      await third;
      const fourth = greet("fourth", 0);
      vi.advanceTimersByTime(30_000);
      answer(ROUTE, 0, "the third's will not come any more");
      expect((await fourth).message).toBe("the third's will not come any more");
    });

    test("a status is matched by its route", async () => {
      const { greet, status, session } = setUp({ seqBytes: 0 });
      const dismissed = vi.fn();
      session.onDismissed(dismissed);
      const [first, other] = [failure(greet("a")), failure(greet("b", undefined, OTHER))];
      status(0, OTHER, 5, "not here");
      status(0, ROUTE, 7, "log in");
      expect([(await first).code, (await other).code]).toEqual([7, 5]);
      expect(dismissed).not.toHaveBeenCalled();
      status(0, 0, 1);
      expect(dismissed).toHaveBeenCalledTimes(1);
    });
  });

  describe("codecs", () => {
    const marked: Codec = {
      encode: <Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>) =>
        new TextEncoder().encode(`!${toJsonString(schema, message)}`),
      decode: (schema, body) => fromJsonString(schema, new TextDecoder().decode(body).slice(1)),
    };

    test.each([["proto", proto], ["json", json], ["of one's own", marked]] as const)("%s", async (_, codec) => {
      const { session, server, greet, arrived, answer, status } = setUp({ codec });
      const moved = vi.fn();
      const dismissed = vi.fn();
      session.on(PUSH, MovedSchema, moved);
      session.onDismissed(dismissed);
      const calls = [outcome(greet("a")), failure(greet("b"))] as const;
      expect(arrived().map(({ name }) => name)).toEqual(["a", "b"]);
      answer(ROUTE, 1, "A");
      status(2, ROUTE, 9, "no");
      expect([await calls[0], await calls[1]]).toMatchObject([{ message: "A" }, { code: 9, message: "no" }]);
      server.send(PUSH, 0, codec.encode(MovedSchema, create(MovedSchema, { dx: -3, who: "é" })));
      status(0, 0, 1, "bye");
      expect(moved.mock.calls).toEqual([[create(MovedSchema, { dx: -3, who: "é" })]]);
      expect(dismissed.mock.calls[0]).toMatchObject([{ code: 1, message: "bye" }]);
    });
  });

  describe("sharing the client", () => {
    test("send has no seq and no answer", async () => {
      const { session, arrived } = setUp();
      const sent = session.send(ROUTE, GreetRequestSchema, { name: "a" });
      expect(arrived()).toEqual([{ route: ROUTE, seq: 0, name: "a" }]);
      expect(await sent).toBe(undefined);
    });

    test("request counts together with the calls, and swallows nothing", async () => {
      const { client, greet, arrived, answer, onReceive } = setUp();
      const calls = [greet("a"), client.request(ROUTE, new Uint8Array(0), 500), client.request(OTHER)] as const;
      expect(arrived().map(({ route, seq }) => [route, seq])).toEqual([[ROUTE, 1], [ROUTE, 2], [OTHER, 3]]);
      answer(ROUTE, 2, "");
      answer(ROUTE, 1, "a");
      answer(ROUTE, 7, "a push");
      expect(await calls[1]).toMatchObject({ route: ROUTE, seq: 2 });
      expect((await calls[0]).message).toBe("a");
      expect(onReceive.mock.calls[0]![1]).toMatchObject({ route: ROUTE, seq: 7 });
      vi.advanceTimersByTime(1e7);
      answer(OTHER, 3, "");
      expect(await calls[2]).toMatchObject({ route: OTHER, seq: 3 });
      const timed = kindOf(client.request(ROUTE, undefined, 20));
      vi.advanceTimersByTime(20);
      expect(await timed).toBe("timeout");
    });

    test("more requests than there are seqs are no overflow", async () => {
      const { client, arrived, answer } = setUp({ seqBytes: 1 });
      for (let round = 0; round < 200; round++) {
        const request = client.request(ROUTE);
        answer(ROUTE, arrived()[0]!.seq, "");
        await request;
      }
    });

    test("a connection has one session", () => {
      const { client, session } = setUp();
      expect(sessionOf(client)).toBe(session);
      expect(sessionOf(session)).toBe(session);
      expect(() => new Session(client)).toThrow("the connection has a session already");
      const fresh = clients[name]!();
      expect(sessionOf(fresh)).toBe(sessionOf(fresh));
    });

    test("connect and disconnect do what they did", () => {
      const { client, onDisconnect } = setUp();
      client.disconnect();
      expect([client.isConnected(), FakeSocket.last.readyState]).toEqual([false, 2]);
      expect(client.connect()).toBe(true);
      FakeSocket.last.open();
      expect(client.isConnected()).toBe(true);
      FakeSocket.last.closed();
      expect(onDisconnect.mock.calls[0]![0]).toBe(client);
    });
  });
});

describe("over our client", () => {
  test("handlers from before the session are kept, and each new one returns the last", () => {
    const client = new Client({ url: "ws://gate" });
    const [before, after] = [vi.fn(), vi.fn()];
    client.onReceive(before);
    new Session(client);
    client.connect();
    FakeSocket.last.open();
    new Server().send(5, 0);
    expect(before.mock.calls).toEqual([[client, { route: 5, seq: 0 }]]);
    expect(client.onReceive(after)).toBe(before);
  });

  test("the packer tells the width of the seqs, and the end how it came", async () => {
    const client = new Client({ url: "ws://gate", packer: new Packer({ seqBytes: 1 }), reconnect: true });
    const onDisconnect = vi.fn();
    const session = sessionOf(client);
    client.onDisconnect(onDisconnect);
    client.connect();
    FakeSocket.last.open();
    const kinds = Array.from({ length: 128 }, () => kindOf(session.call(ROUTE, GreetRequestSchema, GreetResponseSchema, {})));
    expect(await kinds[127]).toBe("busy");
    FakeSocket.last.closed(4000, "full");
    expect(onDisconnect.mock.calls).toEqual([[client, { code: 4000, reason: "full" }]]);
    expect(new Set(await Promise.all(kinds.slice(0, 127)))).toEqual(new Set(["closed"]));
    vi.advanceTimersByTime(500);
    FakeSocket.last.open();
    const call = session.call(ROUTE, GreetRequestSchema, GreetResponseSchema, {} satisfies Partial<GreetRequest>);
    new Server({ seqBytes: 1 }).send(ROUTE, 1);
    expect(await call).toEqual(create(GreetResponseSchema));
  });
});
