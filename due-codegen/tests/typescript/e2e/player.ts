// One client of the play server, driven by name: the same in Node and, behind a page, in a browser. Everything it takes
// and gives is JSON.

import { toJson } from "@bufbuild/protobuf";

import {
  CallError,
  Client,
  type ClientState,
  type Connection,
  json,
  Packer,
  proto,
  Session,
  Status,
  type WebSocketConstructor,
} from "../gen/due/index";
import { onSaid, PlayClient } from "../gen/play/v1/play_due";
import { EchoResponseSchema, Mood } from "../gen/play/v1/play_pb";

/** How to connect. */
export interface Options {
  codec: "proto" | "json";
  dialect: "sized" | "bare";
  heartbeat?: number;
  reconnect?: boolean;
  /** Speaks through the client that is handed to the player instead of ours. */
  original?: boolean;
}

/** What became of a call. */
export type Outcome = { ok: unknown } | { status: unknown } | { call: string } | { other: string };

/** Anything with the surface of due-client-ts' client that can be told where to connect. */
export type MakeConnection = (url: string) => Connection & { onConnect(handler: () => void): unknown };

export class Player {
  private client: (Connection & { onConnect(handler: () => void): unknown }) | undefined;
  private play: PlayClient | undefined;
  private readonly said: string[] = [];
  private readonly states: ClientState[] = [];
  private dismissed: unknown = null;
  private beats = 0;
  private waiting: (() => void)[] = [];

  private readonly webSocket: WebSocketConstructor | undefined;
  private readonly original: MakeConnection | undefined;

  constructor(webSocket?: WebSocketConstructor, original?: MakeConnection) {
    this.webSocket = webSocket;
    this.original = original;
  }

  /** Connects and listens; resolves when the connection is open. */
  async open(url: string, options: Options): Promise<void> {
    const client = options.original && this.original ? this.original(url) : this.ours(url, options);
    this.client = client;
    const session = new Session(client, { codec: options.codec === "json" ? json : proto });
    this.play = new PlayClient(client);
    onSaid(client, ({ text }) => this.note(() => this.said.push(text)));
    session.onDismissed(({ code, message }) => this.note(() => (this.dismissed = { code, message })));
    await new Promise<void>((resolve) => {
      client.onConnect(resolve);
      client.connect();
    });
  }

  /** Everything a message can hold, there and back. */
  async echo(text: string): Promise<unknown> {
    const response = await this.stub.echo({
      text,
      big: 9007199254740993n,
      raw: Uint8Array.of(0, 1, 254, 255),
      numbers: [0.5, -1, 1e300],
      said: { first: { text: "一" }, second: {} },
      flag: false,
      choice: { case: "nested", value: { text: "in a oneof" } },
      mood: Mood.GOOD,
    });
    return toJson(EchoResponseSchema, response);
  }

  login(uid: number, password: string): Promise<Outcome> {
    return outcome(this.stub.login({ uid: BigInt(uid), password }).then((response) => Number(response.uid)));
  }

  whoAmI(): Promise<Outcome> {
    return outcome(this.stub.whoAmI().then((response) => Number(response.uid)));
  }

  fail(code: number, text: string): Promise<Outcome> {
    return outcome(this.stub.fail({ code, text }));
  }

  /** Many calls at once: how many came back as they were sent. */
  async many(count: number): Promise<number> {
    const texts = Array.from({ length: count }, (_, i) => `${i}`);
    const answers = await Promise.all(texts.map((text) => this.stub.echo({ text })));
    return answers.filter(({ request }, i) => request?.text === texts[i]).length;
  }

  waitFor(timeout: number): Promise<Outcome> {
    return outcome(this.stub.wait({}, { timeout }));
  }

  abort(): Promise<Outcome> {
    const controller = new AbortController();
    const call = this.stub.wait({}, { signal: controller.signal });
    controller.abort(new Error("changed my mind"));
    return outcome(call);
  }

  /** Calls, and closes the connection before the answer. */
  closeWhileWaiting(): Promise<Outcome> {
    const call = this.stub.wait({}, { timeout: 0 });
    this.client?.disconnect();
    return outcome(call);
  }

  /** A call that waits until the connection is lost. */
  waitUntilLost(): Promise<Outcome> {
    return outcome(this.stub.wait({}, { timeout: 0 }));
  }

  /** A route that nobody serves. */
  nowhere(): Promise<Outcome> {
    const { $session: session } = this.stub;
    return outcome(session.call(999, EchoResponseSchema, EchoResponseSchema, {}));
  }

  shout(text: string): Promise<void> {
    return this.stub.shout({ text });
  }

  leave(code: number, text: string): Promise<void> {
    return this.stub.leave({ code, text });
  }

  /** What was said, once there is as much of it. */
  async heard(count: number): Promise<string[]> {
    await this.until(() => this.said.length >= count);
    return [...this.said];
  }

  async dismissal(): Promise<unknown> {
    await this.until(() => this.dismissed !== null);
    return this.dismissed;
  }

  async heartbeats(count: number): Promise<void> {
    await this.until(() => this.beats >= count);
  }

  /** Waits for a state that comes after those seen so far, and gives all of them. */
  async reached(state: ClientState, times: number): Promise<ClientState[]> {
    await this.until(() => this.states.filter((seen) => seen === state).length >= times);
    return [...this.states];
  }

  close(): void {
    this.client?.disconnect();
  }

  private ours(url: string, { dialect, heartbeat = 0, reconnect = false }: Options): Client {
    const client = new Client({
      url,
      heartbeat,
      packer: new Packer({ dialect }),
      webSocket: this.webSocket,
      reconnect: reconnect && { min: 20, max: 200 },
    });
    client.onState((_, state) => this.note(() => this.states.push(state)));
    client.onHeartbeat(() => this.note(() => this.beats++));
    return client;
  }

  private get stub(): PlayClient {
    if (!this.play) throw new Error("not open");
    return this.play;
  }

  private note(change: () => unknown): void {
    change();
    for (const look of this.waiting.splice(0)) look();
  }

  private async until(reached: () => boolean): Promise<void> {
    while (!reached()) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}

async function outcome(call: Promise<unknown>): Promise<Outcome> {
  try {
    const value = await call;
    return { ok: typeof value === "object" ? null : value };
  } catch (error) {
    if (error instanceof Status) {
      const { code, message, route, response } = error;
      return { status: { code, message, route, response: response !== undefined } };
    }
    if (error instanceof CallError) return { call: error.kind };
    return { other: error instanceof Error ? error.message : `${error}` };
  }
}
