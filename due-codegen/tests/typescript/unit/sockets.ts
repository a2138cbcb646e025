import { Packer, type PackerOptions } from "@due/index";

/** A `WebSocket` without a network; the test is the server. */
export class FakeSocket {
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    return FakeSocket.all[FakeSocket.all.length - 1]!;
  }

  binaryType = "blob";
  readyState = 0;
  onopen: ((event: never) => unknown) | null = null;
  onmessage: ((event: never) => unknown) | null = null;
  onerror: ((event: never) => unknown) | null = null;
  onclose: ((event: never) => unknown) | null = null;
  readonly url: string;
  readonly sent: Uint8Array[] = [];

  constructor(url: string) {
    if (url === "refused") throw new SyntaxError("no such url");
    this.url = url;
    FakeSocket.all.push(this);
  }

  send(data: ArrayBuffer): void {
    if (this.readyState === 0) throw new Error("still connecting");
    if (this.readyState === 1) this.sent.push(new Uint8Array(data));
  }

  /** Closing takes a handshake: the server answers it with `closed`. */
  close(): void {
    if (this.readyState < 2) this.readyState = 2;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.({ type: "open" } as never);
  }

  message(data: unknown): void {
    this.onmessage?.({ data } as never);
  }

  fail(): void {
    this.onerror?.({ type: "error" } as never);
    this.closed();
  }

  closed(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ type: "close", code, reason } as never);
  }
}

export const hex = (data: ArrayBuffer | Uint8Array): string => Buffer.from(data as Uint8Array).toString("hex");

export function bytes(text: string): ArrayBuffer {
  const digits = text.replace(/\s/g, "").match(/../g) ?? [];
  return Uint8Array.from(digits, (digit) => parseInt(digit, 16)).buffer;
}

/** The far end of a fake socket. */
export class Server {
  readonly packer: Packer;
  constructor(options: PackerOptions = {}) {
    this.packer = new Packer(options);
  }

  /** What has come since the last time. */
  received(socket: FakeSocket = FakeSocket.last): { route: number; seq: number; body: Uint8Array }[] {
    return socket.sent.splice(0).flatMap((data) => {
      const { message } = this.packer.unpack(data);
      return message ? [{ route: message.route, seq: message.seq ?? 0, body: message.buffer ?? new Uint8Array(0) }] : [];
    });
  }

  send(route: number, seq: number, body?: Uint8Array, socket: FakeSocket = FakeSocket.last): void {
    socket.message(this.packer.packMessage({ route, seq, ...(body && { buffer: body }) }));
  }
}
