import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { CallError } from "./call-error";
import { Code } from "./code";
import type { Codec } from "./codec";
import type { Connection } from "./connection";
import { defaults } from "./defaults";
import type { Message, Packer } from "./packer";
import { attempt, heed, type Pending, pendingCalls, type Signal } from "./pending";
import type { Question, SkewCheck } from "./skew-check";
import { Status } from "./status";
import { StatusSchema } from "./status-schema";

declare const console: { error(...data: unknown[]): void };

/** How stubs speak over a connection. */
export interface SessionOptions {
  /** How bodies are written. Default: what the generator was told (`proto`). */
  codec?: Codec | undefined;
  /** Milliseconds that calls wait for their answers; 0 waits until the connection ends. Default: 10000. */
  timeout?: number | undefined;
  /** Bytes of the seq. Default: what the connection's packer says if it is ours, else what the generator was told. */
  seqBytes?: number | undefined;
  /** Asks each gate how its schema differs: `checkSkew(schema)`. Takes the connection's `onConnect` too. Default: no. */
  skew?: SkewCheck | undefined;
  /** Told of pushes that cannot be read and of what listeners throw. Default: the console. */
  onError?: ((error: unknown) => void) | undefined;
}

/** How long one call waits. */
export interface CallOptions {
  /** Milliseconds; 0 waits until the connection ends. Default: that of the session. */
  timeout?: number | undefined;
  /** Gives the call up, which rejects with the signal's reason. What was sent stays sent. */
  signal?: Signal | undefined;
}

type Slot = "onConnect" | "onReceive" | "onDisconnect";
type Handler = (...args: never[]) => unknown;

const sessions: WeakMap<Connection, Session> = /*@__PURE__*/ new WeakMap();

/** The session of a connection; the first time, one with default options. */
export function sessionOf(connection: Connection | Session): Session {
  return connection instanceof Session ? connection : (sessions.get(connection) ?? new Session(connection));
}

/**
 * Typed calls and pushes over a connection, as stubs make them. A connection has one session.
 *
 * The session takes the connection's `onReceive` and `onDisconnect`; handlers given to these afterwards are called
 * with everything that answers no call. `connect` and `disconnect` end what is pending, and `request` counts its seqs
 * together with the calls.
 */
export class Session {
  private readonly connection: Connection;
  private readonly codec: Codec;
  private readonly timeout: number;
  private readonly report: (error: unknown) => void;
  private readonly pending: Pending;
  /** What the gate was asked about its schema. */
  private question: Question | undefined;
  /** The gate goes away: what waits is waited for, and nothing more is sent. */
  private leaving = false;
  private readonly listeners: Map<number, Set<(body: Uint8Array) => void>> = new Map();

  /** Throws if the connection has a session already: set one up before the first stub is made. */
  constructor(connection: Connection, options: SessionOptions = {}) {
    if (sessions.has(connection)) throw new Error("the connection has a session already");
    sessions.set(connection, this);
    this.connection = connection;
    this.codec = options.codec ?? defaults.codec;
    this.timeout = options.timeout ?? 10_000;
    this.report = options.onError ?? ((error) => typeof console === "undefined" || console.error(error));
    const { packer } = connection as { packer?: Partial<Packer> };
    const pending = (this.pending = pendingCalls(options.seqBytes ?? packer?.seqBytes ?? defaults.packet.seqBytes));

    const over = (): void => {
      this.question?.stop();
      this.leaving = false;
      pending.close();
    };
    this.share("onReceive", (message: Message) => this.receive(message));
    this.share("onDisconnect", over);
    for (const name of ["connect", "disconnect"] as const) {
      const original: () => unknown = connection[name];
      connection[name] = () => {
        over();
        return original.call(connection) as boolean;
      };
    }
    const { skew } = options;
    if (skew) {
      if (connection.onConnect) this.share("onConnect", () => this.ask(skew));
      if (connection.isConnected()) this.ask(skew);
    }
    connection.request = (route, buffer, timeout) =>
      pending.call(route, (seq) => this.transmit({ seq, route, buffer } as Message), timeout);
  }

  /**
   * Sends a request and waits for its answer. Rejects with a `Status` if the server refuses, with a `CallError`, or
   * with the reason of the signal. A `codeField` of the response that is not 0 is a refusal, with its text in
   * `textField`.
   */
  async call<Req extends DescMessage, Res extends DescMessage>(
    route: number,
    request: Req,
    response: Res,
    init: MessageInitShape<Req>,
    options: CallOptions = {},
    codeField?: string,
    textField?: string,
  ): Promise<MessageShape<Res>> {
    const { timeout = this.timeout, signal } = options;
    const buffer = this.encode(request, init);
    const send = (seq: number): boolean => this.transmit({ seq, route, buffer });
    const message = await this.pending.call(route, send, timeout, signal);
    const answer = this.decode(response, message.buffer);
    const fields = answer as { [name: string]: unknown };
    const code = codeField && Number(fields[codeField]);
    if (!code) return answer;
    const text = textField ? `${fields[textField]}` : "";
    throw new Status({ code, message: text, route, seq: message.seq ?? 0, response: answer });
  }

  /** Sends a message that has no answer. Rejects as `call` does, without the errors of an answer. */
  async send<Req extends DescMessage>(
    route: number,
    request: Req,
    init: MessageInitShape<Req>,
    options: CallOptions = {},
  ): Promise<void> {
    heed(options.signal);
    const buffer = this.encode(request, init);
    attempt(() => this.transmit({ seq: 0, route, buffer }));
  }

  /** Calls `listener` with every push on `route` until the returned function is called. */
  on<Push extends DescMessage>(
    route: number,
    schema: Push,
    listener: (message: MessageShape<Push>) => void,
  ): () => void {
    const { listeners } = this;
    const entry = (body: Uint8Array): void => listener(this.decode(schema, body));
    let entries = listeners.get(route);
    if (!entries) listeners.set(route, (entries = new Set()));
    entries.add(entry);
    return () => void entries.delete(entry);
  }

  /**
   * Calls `listener` when the server says why it is about to disconnect. Not when it only goes away, where the connection is
   * renewed once all calls are answered, which `onDisconnect` and `onConnect` of the connection tell.
   */
  onDismissed(listener: (status: Status) => void): () => void {
    return this.on(-1, StatusSchema, (status) => {
      if (!status.route && !status.seq && status.code !== Code.GOING_AWAY) listener(new Status(status));
    });
  }

  /** Takes a slot of the connection and offers it again for what `handle` does not take for itself. */
  private share(slot: Slot, handle: (...args: never[]) => unknown): void {
    const connection = this.connection as Required<Connection>;
    // Our own client returns the handler that was there before.
    let user = connection[slot]((client?: unknown, ...args: unknown[]) => {
      if (!handle(...(args as never[])) && typeof user === "function") user(client, ...args);
    });
    connection[slot] = (handler: Handler) => {
      const before = user;
      user = handler;
      return before;
    };
  }

  private ask(skew: SkewCheck): void {
    this.question?.stop();
    const send = (buffer: Uint8Array): boolean => this.transmit({ seq: 0, route: -1, buffer });
    this.question = skew(send, () => this.connection.disconnect(), this.report);
  }

  private transmit(message: Message): boolean {
    return !this.leaving && this.connection.send(message);
  }

  private leave(): boolean {
    const { connection } = this;
    if (!connection.renew) return false;
    this.leaving = true;
    this.pending.idle(() => connection.renew?.());
    return true;
  }

  /** Whether nobody else has to hear of the message: it is an answer, or says that the gate goes away. */
  private receive(message: Message): boolean {
    const { pending } = this;
    const { route, seq = 0, buffer } = message;
    if (route !== -1) {
      if (pending.settle(route, seq, 0, message)) return true;
    } else if (this.question && buffer?.[0] === 0xff) {
      this.question.hear(buffer);
      return true;
    } else {
      try {
        const status = this.decode(StatusSchema, buffer);
        if (this.question && status.route === -1) {
          // There is no such route, a gate says that knows no schema.
          this.question.hear();
          return true;
        }
        if (pending.settle(status.route, seq, new Status(status))) return true;
        if (!seq && !status.route && status.code === Code.GOING_AWAY && this.leave()) return true;
      } catch (error) {
        const called = pending.routeOf(seq);
        if (called !== undefined) return pending.settle(called, seq, error);
      }
    }
    const entries = this.listeners.get(route) ?? new Set();
    for (const entry of [...entries]) {
      try {
        if (entries.has(entry)) entry(buffer ?? new Uint8Array(0));
      } catch (error) {
        this.report(error);
      }
    }
    return false;
  }

  private encode<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Uint8Array {
    return coded("encode", schema, () => this.codec.encode(schema, create(schema, init)));
  }

  private decode<Desc extends DescMessage>(schema: Desc, body: Uint8Array = new Uint8Array(0)): MessageShape<Desc> {
    return coded("decode", schema, () => this.codec.decode(schema, body));
  }
}

function coded<T>(kind: "encode" | "decode", schema: DescMessage, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new CallError(kind, `cannot ${kind} ${schema.typeName}`, error);
  }
}
