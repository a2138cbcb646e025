// What a generated client does with a real gate and node; run in Node and in a browser.

import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";

import type { Options, Player } from "./player";
import { Server } from "./server";

/** A player somewhere else: every method gives a promise. */
export type Remote = {
  [name in keyof Player]: Player[name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

export function suite(newPlayer: () => Promise<Remote>): void {
  const players: Remote[] = [];
  const servers: Server[] = [];

  async function serve(codec: string, address = "127.0.0.1:0"): Promise<{ server: Server; url: string }> {
    const server = new Server(inject("play"), [address, codec]);
    servers.push(server);
    return { server, url: await server.line };
  }

  async function open(url: string, options: Partial<Options>): Promise<Remote> {
    const player = await newPlayer();
    players.push(player);
    await player.open(url, { codec: "proto", dialect: "sized", ...options });
    return player;
  }

  afterEach(async () => {
    await Promise.all(players.splice(0).map((player) => player.close()));
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  const ways: Options[] = (["proto", "json"] as const).flatMap((codec) => [
    { codec, dialect: "sized" },
    { codec, dialect: "bare" },
    { codec, dialect: "sized", original: true },
  ]);

  for (const codec of ["proto", "json"] as const) {
    describe(`a server that speaks ${codec}`, () => {
      let url: string;
      beforeAll(async () => {
        ({ url } = await serve(codec));
      });

      for (const way of ways.filter((way) => way.codec === codec)) {
        describe(way.original ? "through the original client" : `in the ${way.dialect} dialect`, () => {
          test("calls are answered", async () => {
            const player = await open(url, way);
            expect(await player.echo("你好")).toEqual({
              request: {
                text: "你好",
                big: "9007199254740993",
                raw: "AAH+/w==",
                numbers: [0.5, -1, 1e300],
                said: { first: { text: "一" }, second: {} },
                flag: false,
                nested: { text: "in a oneof" },
                mood: "MOOD_GOOD",
              },
            });
            expect(await player.many(200)).toBe(200);
          });

          test("refusals are statuses", async () => {
            const player = await open(url, way);
            expect(await player.fail(42, "no")).toEqual({
              status: { code: 42, message: "no", route: 4, response: false },
            });
            expect(await player.whoAmI()).toMatchObject({ status: { code: 7, route: 3 } });
            expect(await player.nowhere()).toMatchObject({ status: { code: 5, route: 999 } });
            expect(await player.login(7, "guess")).toEqual({
              status: { code: 11, message: "wrong password", route: 2, response: true },
            });
            expect(await player.login(7, "secret")).toEqual({ ok: 7 });
            expect(await player.whoAmI()).toEqual({ ok: 7 });
          });

          test("pushes reach every session", async () => {
            const [one, two] = [await open(url, way), await open(url, way)];
            // A session is known to the gate once it has been answered.
            await two.echo("");
            await one.shout("a");
            await one.shout("b");
            expect(await two.heard(2)).toEqual(["a", "b"]);
            expect(await one.heard(2)).toEqual(["a", "b"]);
          });

          test("calls end without an answer", async () => {
            const player = await open(url, way);
            expect(await player.waitFor(30)).toEqual({ call: "timeout" });
            expect(await player.abort()).toEqual({ other: "changed my mind" });
            // Requests of one session are answered in order: behind the one that never is, this waits too.
            expect(await player.closeWhileWaiting()).toEqual({ call: "closed" });
            expect(await player.fail(1, "")).toEqual({ call: "closed" });
          });

          test("a server says why it ends a session", async () => {
            const player = await open(url, way);
            await player.leave(77, "out");
            expect(await player.dismissal()).toEqual({ code: 77, message: "out" });
          });
        });
      }
    });
  }

  test.each(["sized", "bare"] as const)("heartbeats are answered in the %s dialect", async (dialect) => {
    const { url } = await serve("proto");
    const player = await open(url, { dialect, heartbeat: 20 });
    await player.heartbeats(3);
  });

  test("a client is back after its gate was killed and started again", async () => {
    const { server, url } = await serve("proto");
    const player = await open(url, { reconnect: true });
    expect(await player.login(7, "secret")).toEqual({ ok: 7 });
    const pending = player.waitUntilLost();
    await server.kill();
    expect(await pending).toEqual({ call: "closed" });
    await player.reached("waiting", 1);
    await serve("proto", new URL(url).host);
    const states = await player.reached("connected", 2);
    expect(states.slice(0, 3)).toEqual(["connecting", "connected", "waiting"]);
    expect(await player.whoAmI()).toMatchObject({ status: { code: 7 } });
    expect(await player.login(7, "secret")).toEqual({ ok: 7 });
    await player.shout("still here");
    expect(await player.heard(1)).toEqual(["still here"]);
  });

  test("a stop sends the client off, and it waits for the next start", async () => {
    const { server, url } = await serve("proto");
    const player = await open(url, { reconnect: true });
    await player.many(1);
    await server.stop();
    await player.reached("waiting", 1);
    await serve("proto", new URL(url).host);
    await player.reached("connected", 2);
    expect(await player.many(1)).toBe(1);
  });
}
