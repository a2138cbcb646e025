// A stand-in for the client that many programs use already: what can be observed of it, its defects included.
// The session must work over it as over our own.

export interface Message {
  seq?: number;
  route: number;
  buffer?: Uint8Array;
}

export interface Packet {
  isHeartbeat: boolean;
  millisecond?: number;
  message?: Message;
}

export interface PackerOptions {
  byteOrder?: string;
  routeBytes?: number;
  seqBytes?: number;
  bufferBytes?: number;
}

/** Throws strings; writes the size of heartbeats big-endian; reads nanoseconds through a double. */
export class Packer {
  private opts: PackerOptions;

  constructor(opts: PackerOptions = {}) {
    this.opts = opts;
  }

  public packHeartbeat(): ArrayBuffer {
    const view = new DataView(new ArrayBuffer(5));
    view.setUint32(0, 1);
    view.setUint8(4, 0x80);
    return view.buffer as ArrayBuffer;
  }

  public packMessage(message: Message): ArrayBuffer {
    const { routeBytes = 2, seqBytes = 2, bufferBytes = 5000, byteOrder = "big" } = this.opts;
    const fits = (value: number, bytes: number) => value >= -(2 ** (8 * bytes - 1)) && value < 2 ** (8 * bytes - 1);
    if (!fits(message.route, routeBytes)) throw "route overflow";
    if (seqBytes > 0 && !fits(message.seq ?? 0, seqBytes)) throw "seq overflow";
    const body = message.buffer ?? new Uint8Array(0);
    if (body.byteLength > bufferBytes) throw "message too large";
    const number = (value: number, bytes: number) => {
      const digits = Array.from({ length: bytes }, (_, at) => (value >> (8 * (bytes - 1 - at))) & 0xff);
      return byteOrder === "little" ? digits.reverse() : digits;
    };
    const unit = [0, ...number(message.route, routeBytes), ...number(message.seq ?? 0, seqBytes), ...body];
    return Uint8Array.from([...number(unit.length, 4), ...unit]).buffer;
  }

  public unpack(data: ArrayBuffer): Packet {
    const { routeBytes = 2, seqBytes = 2, byteOrder = "big" } = this.opts;
    const view = new DataView(data);
    const little = byteOrder === "little";
    if (view.getUint8(4) >> 7) {
      if (data.byteLength < 13) return { isHeartbeat: true };
      return { isHeartbeat: true, millisecond: Number(view.getBigInt64(5, little)) };
    }
    const number = (at: number, bytes: number) =>
      bytes === 0 ? 0 : bytes === 1 ? view.getInt8(at) : bytes === 2 ? view.getInt16(at, little) : view.getInt32(at, little);
    const head = 5 + routeBytes + seqBytes;
    const message: Message = { seq: number(5 + routeBytes, seqBytes), route: number(5, routeBytes) };
    if (view.getUint32(0, little) + 4 > head) message.buffer = new Uint8Array(data.slice(head));
    return { isHeartbeat: false, message };
  }
}

export interface ClientOptions {
  url: string;
  packer?: Packer;
  heartbeat?: number;
}

interface Waiter {
  resolve: (message: Message) => void;
  reject: (reason?: unknown) => void;
}

/** One slot per kind of handler; a counter of seqs per route that never wraps; answers nobody waits for are lost. */
export class Client {
  private opts: ClientOptions;
  private packer: Packer;
  private websocket?: WebSocket;
  private intervalId?: ReturnType<typeof setInterval>;
  private waiters: Map<number, { seq: number; pending: Map<number, Waiter> }> = new Map();
  private connectHandler?: (client: Client) => any;
  private disconnectHandler?: (client: Client) => any;
  private receiveHandler?: (client: Client, message: Message) => any;
  private errorHandler?: (client: Client) => any;
  private heartbeatHandler?: (client: Client, millisecond?: number) => any;

  public constructor(opts: ClientOptions) {
    this.opts = opts;
    this.packer = opts.packer ?? new Packer();
  }

  public connect(): boolean {
    this.disconnect();
    try {
      const websocket = new WebSocket(this.opts.url);
      websocket.binaryType = "arraybuffer";
      websocket.onopen = () => {
        if (this.opts.heartbeat && this.opts.heartbeat > 0) {
          this.intervalId = setInterval(() => {
            if (this.isConnected()) this.websocket!.send(this.packer.packHeartbeat());
          }, this.opts.heartbeat);
        }
        this.connectHandler?.(this);
      };
      websocket.onclose = () => this.disconnectHandler?.(this);
      websocket.onerror = () => this.errorHandler?.(this);
      websocket.onmessage = (event) => {
        if (event.data.byteLength === 0) return;
        const packet = this.packer.unpack(event.data);
        if (packet.isHeartbeat) this.heartbeatHandler?.(this, packet.millisecond);
        else this.received(packet.message!);
      };
      this.websocket = websocket;
      return true;
    } catch {
      return false;
    }
  }

  public disconnect(): void {
    clearInterval(this.intervalId);
    if (!this.websocket) return;
    const { websocket } = this;
    delete this.websocket;
    websocket.onopen = websocket.onclose = websocket.onerror = websocket.onmessage = null;
    websocket.close();
  }

  public onConnect(handler: (client: Client) => any): void {
    this.connectHandler = handler;
  }

  public onDisconnect(handler: (client: Client) => any): void {
    this.disconnectHandler = handler;
  }

  public onReceive(handler: (client: Client, message: Message) => any): void {
    this.receiveHandler = handler;
  }

  public onError(handler: (client: Client) => any): void {
    this.errorHandler = handler;
  }

  public onHeartbeat(handler: (client: Client, millisecond?: number) => any): void {
    this.heartbeatHandler = handler;
  }

  public isConnected(): boolean {
    return this.websocket?.readyState === 1;
  }

  public isConnecting(): boolean {
    return this.websocket?.readyState === 0;
  }

  public send(message: Message): boolean {
    if (!this.isConnected()) return false;
    this.websocket!.send(this.packer.packMessage(message));
    return true;
  }

  public request(route: number, buffer?: Uint8Array, timeout?: number): Promise<Message> {
    return new Promise((resolve, reject) => {
      const waiters = this.waiters.get(route) ?? { seq: 0, pending: new Map<number, Waiter>() };
      this.waiters.set(route, waiters);
      waiters.seq += 1;
      waiters.pending.set(waiters.seq, { resolve, reject });
      try {
        if (!this.send({ seq: waiters.seq, route, ...(buffer && { buffer }) })) reject();
      } catch (error) {
        reject(error);
      }
      if (timeout) setTimeout(() => reject(), timeout);
    });
  }

  private received(message: Message): void {
    const waiters = message.seq ? this.waiters.get(message.route) : undefined;
    if (waiters) {
      waiters.pending.get(message.seq!)?.resolve(message);
      waiters.pending.delete(message.seq!);
    } else {
      this.receiveHandler?.(this, message);
    }
  }
}
