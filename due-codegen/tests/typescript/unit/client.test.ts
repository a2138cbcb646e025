import { CallError, Client, type ClientOptions, Packer, PacketError } from "@due/index";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Packer as OriginalPacker } from "./original";
import { bytes, FakeSocket, hex, Server } from "./sockets";

const uncaught: unknown[] = [];
const keep = (error: unknown) => uncaught.push(error);
const server = new Server();

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  uncaught.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function client(options: Partial<ClientOptions> = {}): Client {
  return new Client({ url: "ws://gate", webSocket: FakeSocket, ...options });
}

function connected(options: Partial<ClientOptions> = {}): Client {
  const it = client(options);
  expect(it.connect()).toBe(true);
  FakeSocket.last.open();
  return it;
}

/** Errors that a timer throws are what the environment would report as uncaught. */
function advance(milliseconds: number): void {
  for (;;) {
    try {
      vi.advanceTimersByTime(milliseconds);
      return;
    } catch (error) {
      keep(error);
    }
  }
}

const kindOf = (promise: Promise<unknown>) => promise.then(() => "answered", (error: CallError) => error.kind);

describe("connecting", () => {
  test("a connection opens, is told of, and sends", () => {
    const it = client();
    const onConnect = vi.fn();
    it.onConnect(onConnect);
    expect([it.isConnected(), it.isConnecting(), it.state]).toEqual([false, false, "closed"]);
    expect(it.send({ route: 1 })).toBe(false);
    expect(it.connect()).toBe(true);
    expect([it.isConnected(), it.isConnecting(), it.state]).toEqual([false, true, "connecting"]);
    expect(it.send({ route: 1 })).toBe(false);
    const socket = FakeSocket.last;
    expect([socket.url, socket.binaryType]).toEqual(["ws://gate", "arraybuffer"]);
    socket.open();
    expect(onConnect.mock.calls).toEqual([[it]]);
    expect([it.isConnected(), it.isConnecting(), it.state]).toEqual([true, false, "connected"]);
    expect(it.send({ route: 1, seq: 2, buffer: new Uint8Array([0x68, 0x69]) })).toBe(true);
    expect(socket.sent.map(hex)).toEqual(["0000000700000100026869"]);
  });

  test("the global WebSocket is used where there is one", () => {
    vi.stubGlobal("WebSocket", FakeSocket);
    const it = new Client({ url: "ws://gate" });
    expect(it.connect()).toBe(true);
    expect(FakeSocket.last.url).toBe("ws://gate");
  });

  test("what cannot be constructed is false, and onError hears why", () => {
    const it = client({ url: "refused" });
    const onError = vi.fn();
    it.onError(onError);
    expect(it.connect()).toBe(false);
    expect([it.state, onError.mock.calls.length]).toEqual(["closed", 0]);
    advance(0);
    expect(onError.mock.calls).toEqual([[it, expect.any(SyntaxError)]]);

    vi.stubGlobal("WebSocket", undefined);
    const without = new Client({ url: "ws://gate" });
    expect(without.connect()).toBe(false);
  });

  test("a failed attempt is an error and an end", () => {
    const it = client();
    const calls: string[] = [];
    it.onError(() => calls.push("error"));
    it.onDisconnect((_, { code }) => calls.push(`disconnect ${code}`));
    it.connect();
    FakeSocket.last.fail();
    expect(calls).toEqual(["error", "disconnect 1006"]);
    expect([it.state, it.isConnecting()]).toEqual(["closed", false]);
  });

  test("connect drops the old socket silently, disconnect as well", () => {
    const it = connected();
    const onDisconnect = vi.fn();
    const onReceive = vi.fn();
    it.onDisconnect(onDisconnect);
    it.onReceive(onReceive);
    const first = FakeSocket.last;
    it.connect();
    expect([first.readyState, FakeSocket.all.length, it.isConnecting()]).toEqual([2, 2, true]);
    server.send(1, 0, undefined, first);
    first.closed();
    expect([it.isConnecting(), onDisconnect.mock.calls.length, onReceive.mock.calls.length]).toEqual([true, 0, 0]);
    FakeSocket.last.open();
    it.disconnect();
    expect([FakeSocket.last.readyState, it.state, it.isConnected()]).toEqual([2, "closed", false]);
    FakeSocket.last.closed();
    it.disconnect();
    expect(onDisconnect).not.toHaveBeenCalled();
  });

  test("the end is told with code and reason, and connect works at once from there", () => {
    const it = connected();
    const ends: unknown[] = [];
    it.onDisconnect((self, closed) => {
      ends.push(self === it, closed);
      it.connect();
    });
    FakeSocket.last.closed(4001, "full");
    expect(ends).toEqual([true, { code: 4001, reason: "full" }]);
    expect([FakeSocket.all.length, it.state]).toEqual([2, "connecting"]);
    FakeSocket.last.open();
    expect(it.isConnected()).toBe(true);
    (FakeSocket.last.onclose as () => void)();
    expect(ends[3]).toEqual({ code: 1006, reason: "" });
  });

  test("nothing is sent on a socket that is closing", () => {
    const it = connected();
    FakeSocket.last.readyState = 2;
    expect([it.isConnected(), it.send({ route: 1 })]).toEqual([false, false]);
  });

  test("disconnect and connect inside handlers", () => {
    const it = client({ heartbeat: 1000 });
    it.onConnect(() => it.disconnect());
    it.connect();
    FakeSocket.last.open();
    expect([it.state, vi.getTimerCount()]).toEqual(["closed", 0]);

    const onConnect = vi.fn();
    it.onConnect(onConnect);
    it.onState((_, state) => state === "connected" && it.disconnect());
    it.connect();
    FakeSocket.last.open();
    expect([it.state, onConnect.mock.calls.length]).toEqual(["closed", 0]);
  });

  test("a socket that will not close is left alone", () => {
    const it = client();
    it.connect();
    FakeSocket.last.close = () => {
      throw new Error("not open yet");
    };
    it.disconnect();
    expect(it.connect()).toBe(true);
  });
});

describe("receiving", () => {
  test("messages and heartbeats reach their handlers", () => {
    const it = connected();
    const onReceive = vi.fn();
    const onHeartbeat = vi.fn();
    it.onReceive(onReceive);
    it.onHeartbeat(onHeartbeat);
    server.send(5, 0, new Uint8Array([1]));
    server.send(5, 9);
    expect(onReceive.mock.calls).toEqual([
      [it, { route: 5, seq: 0, buffer: new Uint8Array([1]) }],
      [it, { route: 5, seq: 9 }],
    ]);
    FakeSocket.last.message(bytes("00000001 80"));
    FakeSocket.last.message(bytes("00000009 80 179ed44b48b3ba00"));
    expect(onHeartbeat.mock.calls).toEqual([
      [it, undefined],
      [it, 1702031129000],
    ]);
  });

  test("text and empty messages are ignored, a Node buffer is read", () => {
    const it = connected();
    const onReceive = vi.fn();
    const onError = vi.fn();
    it.onReceive(onReceive);
    it.onError(onError);
    for (const data of ["text", "", new ArrayBuffer(0), Buffer.alloc(0)]) FakeSocket.last.message(data);
    expect([onReceive.mock.calls.length, onError.mock.calls.length]).toEqual([0, 0]);
    FakeSocket.last.message(Buffer.from("000000050000010000", "hex"));
    expect(onReceive).toHaveBeenCalledTimes(1);
  });

  test("what cannot be read is told and dropped, and the connection stays", () => {
    const it = connected();
    FakeSocket.last.message(bytes("0102"));
    const onError = vi.fn();
    it.onError(onError);
    FakeSocket.last.message(bytes("0102"));
    FakeSocket.last.message(new Blob(["x"]));
    expect(onError.mock.calls).toEqual([
      [it, expect.any(PacketError)],
      [it, expect.any(PacketError)],
    ]);
    expect(it.isConnected()).toBe(true);
    advance(0);
    expect(uncaught).toEqual([]);
  });

  test("a new handler takes the place of the old one, which it returns", () => {
    const it = connected();
    const first = vi.fn();
    const second = vi.fn();
    expect(it.onReceive(first)).toBe(undefined);
    expect(it.onReceive(second)).toBe(first);
    server.send(1, 0);
    expect([first.mock.calls.length, second.mock.calls.length]).toEqual([0, 1]);
  });

  test("what a handler throws goes to onError, or else to the environment", () => {
    const it = connected();
    it.onReceive(() => {
      throw new Error("mine");
    });
    server.send(1, 0);
    advance(0);
    expect(uncaught.splice(0)).toEqual([new Error("mine")]);
    const onError = vi.fn();
    it.onError(onError);
    server.send(1, 0);
    expect(onError.mock.calls).toEqual([[it, new Error("mine")]]);
    it.onError(() => {
      throw new Error("worse");
    });
    server.send(1, 0);
    advance(0);
    expect(uncaught).toEqual([new Error("worse")]);
    expect(it.isConnected()).toBe(true);
  });

  test("packers of others and subclasses work", () => {
    class Loud extends Packer {
      override packMessage(message: { route: number; seq?: number; buffer?: Uint8Array }): ArrayBuffer {
        return super.packMessage({ ...message, route: message.route + 1 });
      }
    }
    connected({ packer: new Loud({ seqBytes: 1 }) }).send({ route: 1 });
    expect(FakeSocket.last.sent.map(hex)).toEqual(["00000004 00 0002 00".replace(/ /g, "")]);
    const it = connected({ packer: new OriginalPacker() });
    it.send({ route: 1 });
    expect(FakeSocket.last.sent.map(hex)).toEqual(["000000050000010000"]);
    expect(() => it.send({ route: 40000 })).toThrow("route overflow");
    const onError = vi.fn();
    it.onError(onError);
    FakeSocket.last.message(bytes("00"));
    expect(onError).toHaveBeenCalledTimes(1);
  });
});

describe("heartbeats", () => {
  test("come after each interval while connected, and end with the connection", () => {
    const it = connected({ heartbeat: 1000, watchdog: false });
    const socket = FakeSocket.last;
    advance(999);
    expect(socket.sent).toEqual([]);
    advance(1);
    expect(socket.sent.map(hex)).toEqual(["0000000180"]);
    advance(2000);
    expect(socket.sent.length).toBe(3);
    socket.readyState = 2;
    advance(1000);
    expect(socket.sent.length).toBe(3);
    it.disconnect();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([undefined, 0, -1, Infinity, NaN])("are off with %s", (heartbeat) => {
    connected({ heartbeat });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a packer that throws is an error, and the next one comes", () => {
    const packer = new Packer();
    packer.packHeartbeat = () => {
      throw new Error("no heartbeat");
    };
    const it = connected({ heartbeat: 1000, packer, watchdog: false });
    const onError = vi.fn();
    it.onError(onError);
    advance(2000);
    expect(onError).toHaveBeenCalledTimes(2);
  });
});

describe("watchdog", () => {
  function ends(options: Partial<ClientOptions>): { it: Client; closed: unknown[] } {
    const it = connected(options);
    const closed: unknown[] = [];
    it.onDisconnect((_, how) => closed.push(how, Date.now()));
    return { it, closed };
  }

  test("a server silent for two heartbeats is given up at once", () => {
    const start = Date.now();
    const { it, closed } = ends({ heartbeat: 1000 });
    advance(1999);
    expect(it.isConnected()).toBe(true);
    advance(10_000);
    expect(closed).toEqual([{ code: 1006, reason: "server silent" }, start + 2000]);
    expect([it.state, FakeSocket.last.readyState, vi.getTimerCount()]).toEqual(["closed", 2, 0]);
  });

  test.each(["00000001 80", "000000050000010000", "", "01"])("any message counts: %s", (data) => {
    const start = Date.now();
    const { closed } = ends({ heartbeat: 1000 });
    for (let round = 0; round < 5; round++) {
      advance(1500);
      FakeSocket.last.message(bytes(data));
    }
    expect(closed).toEqual([]);
    advance(10_000);
    expect(closed[1]).toBe(start + 10_000);
  });

  test("can be told how long, or to wait for ever", () => {
    const start = Date.now();
    const { closed } = ends({ heartbeat: 1000, watchdog: 4500 });
    advance(60_000);
    expect(closed[1]).toBe(start + 5000);
    const forever = ends({ heartbeat: 1000, watchdog: false });
    advance(600_000);
    expect(forever.closed).toEqual([]);
  });

  test("a slow timer, as of a page in the background, is no silence", () => {
    const { closed } = ends({ heartbeat: 1000 });
    for (let round = 0; round < 5; round++) {
      vi.setSystemTime(Date.now() + 60_000);
      advance(1000);
      FakeSocket.last.message(bytes("00000001 80"));
    }
    expect(closed).toEqual([]);
  });
});

describe("connecting again", () => {
  const states = (it: Client): string[] => {
    const seen: string[] = [];
    it.onState((_, state) => seen.push(state));
    return seen;
  };

  test("is off by default", () => {
    const it = connected();
    FakeSocket.last.closed();
    expect([it.state, vi.getTimerCount()]).toEqual(["closed", 0]);
  });

  test("waits longer each time, up to a limit, and is patient again after a connection that lasted", () => {
    const it = client({ reconnect: { jitter: 0 } });
    const seen = states(it);
    const onDisconnect = vi.fn();
    it.onDisconnect(onDisconnect);
    it.connect();
    for (const wait of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      const count = FakeSocket.all.length;
      FakeSocket.last.fail();
      advance(wait - 1);
      expect([FakeSocket.all.length, it.state]).toEqual([count, "waiting"]);
      advance(1);
      expect([FakeSocket.all.length, it.state]).toEqual([count + 1, "connecting"]);
    }
    expect(onDisconnect).toHaveBeenCalledTimes(8);
    expect(seen.slice(0, 4)).toEqual(["connecting", "waiting", "connecting", "waiting"]);
    FakeSocket.last.open();
    advance(29_000);
    FakeSocket.last.closed();
    advance(29_999);
    expect(it.state).toBe("waiting");
    advance(1);
    FakeSocket.last.open();
    advance(30_001);
    FakeSocket.last.closed();
    advance(500);
    expect(it.state).toBe("connecting");
  });

  test("comes at once after a renewal, but for what is left to chance", () => {
    const it = client({ reconnect: { jitter: 0 } });
    const onDisconnect = vi.fn();
    it.onDisconnect(onDisconnect);
    it.renew();
    expect(it.state).toBe("closed");
    it.connect();
    FakeSocket.last.fail();
    advance(500);
    FakeSocket.last.open();
    it.renew();
    expect(onDisconnect.mock.calls[1]![1]).toEqual({ code: 1001, reason: "going away" });
    expect(it.state).toBe("waiting");
    advance(0);
    expect(it.state).toBe("connecting");
    FakeSocket.last.fail();
    advance(499);
    expect(it.state).toBe("waiting");
    advance(1);
    expect(it.state).toBe("connecting");

    vi.spyOn(Math, "random").mockReturnValue(0.9);
    const own = client({ reconnect: true });
    own.connect();
    FakeSocket.last.open();
    own.renew();
    advance(224);
    expect(own.state).toBe("waiting");
    advance(1);
    expect(own.state).toBe("connecting");
    vi.restoreAllMocks();
    const off = connected();
    off.renew();
    expect([off.state, vi.getTimerCount()]).toEqual(["closed", 0]);
  });

  test("jitter takes up to its part of the wait", () => {
    const random = vi.spyOn(Math, "random").mockReturnValue(1);
    const it = client({ reconnect: true });
    it.connect();
    FakeSocket.last.fail();
    advance(250);
    expect(it.state).toBe("connecting");
    random.mockRestore();
    const own = client({ reconnect: { min: 100, max: 150, factor: 3, jitter: 0 } });
    own.connect();
    FakeSocket.last.fail();
    advance(100);
    FakeSocket.last.fail();
    advance(149);
    expect(own.state).toBe("waiting");
    advance(1);
    expect(own.state).toBe("connecting");
  });

  test.each(["connect", "disconnect"] as const)("%s takes the place of the waiting attempt", (call) => {
    for (const inHandler of [false, true]) {
      FakeSocket.all = [];
      const it = connected({ reconnect: true });
      if (inHandler) it.onDisconnect(() => it[call]());
      FakeSocket.last.closed();
      if (!inHandler) it[call]();
      expect([it.state, vi.getTimerCount()]).toEqual([call === "connect" ? "connecting" : "closed", 0]);
      expect(FakeSocket.all.length).toBe(call === "connect" ? 2 : 1);
    }
  });

  test("an explicit connect begins anew", () => {
    const it = client({ reconnect: { jitter: 0 } });
    it.connect();
    for (const wait of [500, 1000]) {
      FakeSocket.last.fail();
      advance(wait);
    }
    it.connect();
    FakeSocket.last.fail();
    advance(500);
    expect(it.state).toBe("connecting");
  });

  test("goes on where no socket can be made for a while", () => {
    let broken = false;
    class Moody extends FakeSocket {
      constructor(url: string) {
        super(broken ? "refused" : url);
      }
    }
    const it = connected({ reconnect: { jitter: 0 }, webSocket: Moody });
    const onError = vi.fn();
    const onDisconnect = vi.fn();
    it.onError(onError);
    it.onDisconnect(onDisconnect);
    broken = true;
    FakeSocket.last.closed();
    advance(500);
    expect([it.state, onDisconnect.mock.calls.length]).toEqual(["waiting", 2]);
    broken = false;
    advance(1000);
    expect([it.state, onError.mock.calls.length]).toEqual(["connecting", 1]);
  });

  test("also after the watchdog", () => {
    const it = connected({ reconnect: true, heartbeat: 1000 });
    advance(2000);
    expect(it.state).toBe("waiting");
    advance(500);
    FakeSocket.last.open();
    expect(it.isConnected()).toBe(true);
  });

  test("states are told once each, in order", () => {
    const it = client();
    const seen = states(it);
    it.connect();
    it.connect();
    FakeSocket.last.open();
    it.connect();
    FakeSocket.last.open();
    it.disconnect();
    it.disconnect();
    expect(seen).toEqual(["connecting", "connected", "connecting", "connected", "closed"]);
  });
});

describe("requests", () => {
  test("are matched by route and seq, over all routes", async () => {
    const it = connected();
    const onReceive = vi.fn();
    it.onReceive(onReceive);
    const answers = [it.request(1, new Uint8Array([1])), it.request(2), it.request(1)];
    expect(server.received().map(({ route, seq }) => [route, seq])).toEqual([[1, 1], [2, 2], [1, 3]]);
    server.send(1, 2);
    server.send(2, 2, new Uint8Array([2]));
    server.send(1, 3);
    server.send(1, 1);
    server.send(1, 1);
    expect(await Promise.all(answers)).toEqual([
      { route: 1, seq: 1 },
      { route: 2, seq: 2, buffer: new Uint8Array([2]) },
      { route: 1, seq: 3 },
    ]);
    expect(onReceive.mock.calls.map(([, message]) => message)).toEqual([{ route: 1, seq: 2 }, { route: 1, seq: 1 }]);
  });

  test("are refused while not connected, and end with the connection", async () => {
    const it = client();
    expect(await kindOf(it.request(1))).toBe("closed");
    it.connect();
    expect(await kindOf(it.request(1))).toBe("closed");
    for (const end of [() => FakeSocket.last.closed(), () => it.disconnect(), () => it.connect()]) {
      it.connect();
      FakeSocket.last.open();
      const kind = kindOf(it.request(1));
      end();
      expect(await kind).toBe("closed");
    }
  });

  test("time out, and the late answer is nobody's", async () => {
    const it = connected();
    const onReceive = vi.fn();
    it.onReceive(onReceive);
    const late = it.request(1, undefined, 100);
    const patient = it.request(1);
    const kind = kindOf(late);
    advance(100);
    expect(await kind).toBe("timeout");
    await expect(late).rejects.toThrow("no answer within 100 ms");
    server.send(1, 1);
    expect(onReceive).not.toHaveBeenCalled();
    server.send(1, 1);
    expect(onReceive).toHaveBeenCalledTimes(1);
    advance(1e9);
    server.send(1, 2);
    expect(await patient).toEqual({ route: 1, seq: 2 });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("without seqs are matched by their order on a route", async () => {
    const it = connected({ packer: new Packer({ seqBytes: 0 }) });
    const onReceive = vi.fn();
    it.onReceive(onReceive);
    const peer = new Server({ seqBytes: 0 });
    const answers = [it.request(1), it.request(2), it.request(1)];
    for (const [route, body] of [[2, 20], [1, 10], [1, 11], [1, 12]] as const) peer.send(route, 0, new Uint8Array([body]));
    expect((await Promise.all(answers)).map(({ buffer }) => buffer![0])).toEqual([10, 20, 11]);
    expect(onReceive).toHaveBeenCalledTimes(1);
  });

  test("what does not fit is a CallError of kind packet, also by strings", async () => {
    for (const packer of [new Packer(), new OriginalPacker()]) {
      const it = connected({ packer });
      const error: CallError = await it.request(40000).catch((thrown) => thrown);
      expect([error.name, error.kind, error.message.slice(0, 14)]).toEqual(["CallError", "packet", "route overflow"]);
      expect(error.cause).toBeTruthy();
    }
  });

  test("a socket that throws is a CallError of kind closed", async () => {
    const it = connected();
    FakeSocket.last.send = () => {
      throw new Error("broken pipe");
    };
    await expect(it.request(1)).rejects.toMatchObject({ kind: "closed", cause: new Error("broken pipe") });
  });
});
