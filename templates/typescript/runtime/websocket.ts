/** What is used of a `WebSocket`. */
export interface WebSocketLike {
  /** Is set to `arraybuffer`. */
  binaryType: string;
  /** More than 1 when nothing can be sent any more. */
  readonly readyState: number;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  send(data: ArrayBuffer): void;
  close(): void;
}

/** `WebSocket` itself, that of the package `ws`, or anything of this kind. */
export type WebSocketConstructor = new (url: string) => WebSocketLike;
