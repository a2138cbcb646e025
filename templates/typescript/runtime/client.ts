import type { Closed } from "./connection";
import { defaults } from "./defaults";
import { type Message, Packer, type Packet } from "./packer";
import { type Pending, pendingCalls } from "./pending";
import { backoff, chance, type ReconnectOptions } from "./reconnect";
import { after, cancel } from "./timer";
import type { WebSocketConstructor, WebSocketLike } from "./websocket";

declare const WebSocket: WebSocketConstructor;

/** Messages to bytes and back: a `Packer`, that of due-client-ts, or one of your own. */
export interface MessagePacker {
  /** What is sent every heartbeat. */
  packHeartbeat(): ArrayBuffer;
  /** May throw; then nothing is sent. */
  packMessage(message: Message): ArrayBuffer;
  /** May throw; then the message is dropped and `onError` told. */
  unpack(data: ArrayBuffer): Packet;
}

/** How to connect. */
export interface ClientOptions {
  /** `ws://…` or `wss://…` */
  url: string;
  /**
   * Default: a `Packer` with the generator's settings. One that is no `Packer` may tell the bytes of its seqs in a
   * property `seqBytes`; otherwise those are the generator's.
   */
  packer?: MessagePacker | undefined;
  /** Milliseconds between heartbeats, the first one after that time. Default: 0, no heartbeats and no watchdog. */
  heartbeat?: number | undefined;
  /** Default: the global `WebSocket`. */
  webSocket?: WebSocketConstructor | undefined;
  /** Whether to connect again when a connection or an attempt ends by itself. Default: no. */
  reconnect?: boolean | ReconnectOptions | undefined;
  /**
   * Milliseconds of silence after which the server is given up, in whole heartbeats, at least two; `false` never gives
   * up. Default: two heartbeats.
   */
  watchdog?: boolean | number | undefined;
}

/** `waiting` is the time before the next attempt to connect again. */
export type ClientState = "closed" | "connecting" | "connected" | "waiting";

/** A connection is open. */
export type ConnectHandler = (client: Client) => unknown;
/** A connection, or an attempt to connect, has ended by itself. */
export type DisconnectHandler = (client: Client, closed: Closed) => unknown;
/** A message that answers no `request`. */
export type ReceiveHandler = (client: Client, message: Message) => unknown;
/** The socket's event, what the packer has thrown, or what another handler has thrown. */
export type ErrorHandler = (client: Client, error: unknown) => unknown;
/** Unix time of the server in milliseconds, if the heartbeat carries it. */
export type HeartbeatHandler = (client: Client, millisecond?: number) => unknown;
/** What `state` has become. */
export type StateHandler = (client: Client, state: ClientState) => unknown;

type Slot = "connect" | "disconnect" | "receive" | "error" | "heartbeat" | "state";
type Handler = (client: Client, ...args: unknown[]) => unknown;

/**
 * A websocket connection to a gate.
 *
 * Each `on…` has room for one handler and returns the one it replaces. What a handler throws goes to `onError`, or
 * where that cannot take it to the environment, as an uncaught error.
 */
export class Client {
  /** What the client packs with. */
  readonly packer: MessagePacker;
  private readonly options: ClientOptions;
  private readonly pending: Pending;
  private readonly handlers: { [slot in Slot]?: Handler } = {};
  private socket: WebSocketLike | undefined;
  private current: ClientState = "closed";
  /** Of the next heartbeat while connected, of the next attempt while waiting. */
  private timer: unknown;
  /** Heartbeats since something came, plus the one that is due: at first none has asked for anything yet. */
  private silent = 0;
  private attempts = 0;
  /** Milliseconds before the last attempt. */
  private wait = 0;
  private opened = 0;

  /** Does not connect yet. */
  constructor(options: ClientOptions) {
    this.options = options;
    this.packer = options.packer ?? new Packer();
    this.pending = pendingCalls((this.packer as Partial<Packer>).seqBytes ?? defaults.packet.seqBytes);
  }

  /** What the connection is doing. */
  get state(): ClientState {
    return this.current;
  }

  /**
   * Opens a connection, in place of the one there is, about whose end no handler is told. `false` if no socket can be
   * made; `onError` will hear why.
   */
  connect(): boolean {
    this.drop();
    this.attempts = 0;
    return this.open();
  }

  /** Closes the connection and stops connecting again. `onDisconnect` is not called. */
  disconnect(): void {
    this.drop();
    this.enter("closed");
  }

  /**
   * Ends the connection because the gate goes away, which `onDisconnect` hears as code 1001. With `reconnect`, the first
   * attempt comes at once, but for the part of the wait that is left to chance. A `Session` does this when the gate says so.
   */
  renew(): void {
    if (this.current === "connected") this.end({ code: 1001, reason: "going away" }, true);
  }

  /** When a connection is open. */
  onConnect(handler: ConnectHandler): ConnectHandler | undefined {
    return this.on("connect", handler);
  }

  /** When a connection, or an attempt to connect, ends by itself. */
  onDisconnect(handler: DisconnectHandler): DisconnectHandler | undefined {
    return this.on("disconnect", handler);
  }

  /** When a message comes that answers no `request`. */
  onReceive(handler: ReceiveHandler): ReceiveHandler | undefined {
    return this.on("receive", handler);
  }

  /** When the socket fails, a message cannot be read (it is dropped), or a handler throws. */
  onError(handler: ErrorHandler): ErrorHandler | undefined {
    return this.on("error", handler);
  }

  /** When a heartbeat comes, with the server's Unix time in milliseconds if it carries one. */
  onHeartbeat(handler: HeartbeatHandler): HeartbeatHandler | undefined {
    return this.on("heartbeat", handler);
  }

  /** When `state` changes, before the handler of the event behind it. */
  onState(handler: StateHandler): StateHandler | undefined {
    return this.on("state", handler);
  }

  /** Whether messages can be sent. */
  isConnected(): boolean {
    return this.current === "connected" && !((this.socket as WebSocketLike).readyState > 1);
  }

  /** Whether a connection is being opened. */
  isConnecting(): boolean {
    return this.current === "connecting";
  }

  /** `false` when not connected. Throws a `PacketError` if the message does not fit in a packet. */
  send(message: Message): boolean {
    if (!this.isConnected()) return false;
    this.socket?.send(this.packer.packMessage(message));
    return true;
  }

  /**
   * Sends a request and waits for its answer: a message with the same route and seq, or without seqs the next one with
   * the same route. `timeout` in milliseconds; without one, until the connection ends. Rejects with a `CallError`.
   */
  request(route: number, buffer?: Uint8Array, timeout?: number): Promise<Message> {
    return this.pending.call(route, (seq) => this.send({ seq, route, buffer } as Message), timeout);
  }

  private on<H>(slot: Slot, handler: H): H | undefined {
    const before = this.handlers[slot];
    this.handlers[slot] = handler as Handler;
    return before as H | undefined;
  }

  private emit(slot: Slot, ...args: unknown[]): void {
    const { error, [slot]: handler } = this.handlers;
    try {
      handler?.(this, ...args);
    } catch (thrown) {
      if (error && slot !== "error") this.emit("error", thrown);
      else
        after(0, () => {
          throw thrown;
        });
    }
  }

  private enter(state: ClientState): void {
    if (this.current !== state) this.emit("state", (this.current = state));
  }

  /** Parts from the socket, which is not listened to any more, and from whatever was to come. */
  private drop(): void {
    const { socket } = this;
    this.socket = undefined;
    cancel(this.timer);
    this.pending.close();
    try {
      socket?.close();
    } catch {
      // Some engines refuse to close what is not open yet or not open any more.
    }
  }

  private open(): boolean {
    let socket: WebSocketLike;
    try {
      socket = new (this.options.webSocket ?? WebSocket)(this.options.url);
      socket.binaryType = "arraybuffer";
    } catch (error) {
      // Not at once: a handler that connects again would never return.
      after(0, () => this.emit("error", error));
      this.enter("closed");
      return false;
    }
    this.socket = socket;
    const mine =
      <E>(run: (event: E) => void) =>
      (event: E): void => {
        if (this.socket === socket) run(event);
      };
    socket.onopen = mine(() => {
      this.opened = Date.now();
      this.silent = 1;
      this.beat();
      this.enter("connected");
      if (this.socket === socket) this.emit("connect");
    });
    socket.onmessage = mine((event: { data: ArrayBuffer | string }) => {
      this.silent = 0;
      if (typeof event.data !== "string" && event.data?.byteLength !== 0) this.receive(event.data);
    });
    socket.onerror = mine((event) => this.emit("error", event));
    socket.onclose = mine((event?: Partial<Closed>) => this.end(event));
    this.enter("connecting");
    return true;
  }

  private receive(data: ArrayBuffer): void {
    let packet: Packet;
    try {
      packet = this.packer.unpack(data);
    } catch (error) {
      return this.emit("error", error);
    }
    const { isHeartbeat, millisecond, message } = packet;
    if (isHeartbeat) this.emit("heartbeat", millisecond);
    else if (message && !this.pending.settle(message.route, message.seq ?? 0, undefined, message)) {
      this.emit("receive", message);
    }
  }

  private beat(): void {
    const { heartbeat = 0, watchdog = true } = this.options;
    if (!(heartbeat > 0)) return;
    this.timer = after(heartbeat, () => {
      // Heartbeats are counted, not milliseconds: timers of a page in the background are slow.
      if (watchdog && ++this.silent > Math.max(2, Math.ceil(+watchdog / heartbeat))) {
        return this.end({ reason: "server silent" });
      }
      this.beat();
      try {
        if (this.isConnected()) this.socket?.send(this.packer.packHeartbeat());
      } catch (error) {
        this.emit("error", error);
      }
    });
  }

  private end({ code = 1006, reason = "" }: Partial<Closed> = {}, renews = false): void {
    const { reconnect } = this.options;
    // A connection that lasted no longer than the wait for it is no reason to be less patient.
    if (this.current === "connected" && (renews || Date.now() - this.opened > this.wait)) this.attempts = 0;
    this.drop();
    if (reconnect) {
      this.wait = renews ? chance(reconnect as ReconnectOptions) : backoff(reconnect as ReconnectOptions, this.attempts++);
      this.timer = after(this.wait, () => this.open() || this.end());
    }
    this.enter(reconnect ? "waiting" : "closed");
    this.emit("disconnect", { code, reason });
  }
}
