import type { Message } from "./packer";

/** What stubs ask of a connection: the surface of due-client-ts' `Client`, which ours has as well. */
export interface Connection {
  /** `false` if there can be no connection. */
  connect(): boolean;
  /** Ends the connection; `onDisconnect` is not called. */
  disconnect(): void;
  /** Whether messages can be sent. */
  isConnected(): boolean;
  /** `false` when the message was not sent. May throw if it has no packet. */
  send(message: Message): boolean;
  /** Sends a request and waits for its answer; without `timeout`, in milliseconds, for any time. */
  request(route: number, buffer?: Uint8Array, timeout?: number): Promise<Message>;
  /**
   * Ends a connection that the gate is about to end, once what waits for an answer has it, and connects again if the
   * connection does that by itself. Without it the gate ends the connection when it has waited long enough.
   */
  renew?(): void;
  /** One handler only: the last one. Needed where schemas are compared. */
  onConnect?(handler: () => unknown): unknown;
  /** One handler only: the last one. */
  onReceive(handler: (connection: unknown, message: Message) => unknown): unknown;
  /** One handler only: the last one. */
  onDisconnect(handler: (connection: unknown, closed?: Closed) => unknown): unknown;
}

/** How a connection has ended. */
export interface Closed {
  /** The websocket's close code; 1006 where no goodbye was said. */
  code: number;
  /** What the server or this side says about it; mostly empty. */
  reason: string;
}
