import type { Message } from "./packer";

/** What stubs ask of a connection: the surface of due-client-ts' `Client`, which ours has as well. */
export interface Connection {
  connect(): boolean;
  disconnect(): void;
  isConnected(): boolean;
  /** `false` when the message was not sent. */
  send(message: Message): boolean;
  request(route: number, buffer?: Uint8Array, timeout?: number): Promise<Message>;
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
