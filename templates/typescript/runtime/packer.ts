import { defaults } from "./defaults";
import { PacketError } from "./packet-error";

/** One message between client and gate. */
export interface Message {
  /** The caller's number of a request, echoed in the answer; 0 when absent, and always 0 where seqs have no bytes. */
  seq?: number;
  /** What selects the handler. */
  route: number;
  /** Codec output. Absent where the body is empty. */
  buffer?: Uint8Array;
}

/** What a gate can send. */
export interface Packet {
  /** Whether the packet only proves that the peer lives. */
  isHeartbeat: boolean;
  /** Unix time of the server in whole milliseconds, if the heartbeat carries it. */
  millisecond?: number;
  /** Absent in heartbeats. */
  message?: Message;
}

/** What every gate, node and client of one cluster share. */
export interface PackerOptions {
  /** Order of the bytes of all numbers. Default: what the generator was told (`big`). */
  byteOrder?: "big" | "little" | undefined;
  /** Bytes of the route: 1, 2 or 4. Default: what the generator was told (2). */
  routeBytes?: number | undefined;
  /** Bytes of the seq: 0, 1, 2 or 4. Default: what the generator was told (2). */
  seqBytes?: number | undefined;
  /** Longest body that can be packed, in bytes; any can be unpacked. Default: 5000. */
  bufferBytes?: number | undefined;
  /** `sized` is due v2.1 and later, `bare` the websocket of December 2023: without the size. Default: `sized`. */
  dialect?: "sized" | "bare" | undefined;
}

const HEARTBEAT = 0x80;

/**
 * Messages to bytes and back:
 * ```text
 * | size: 4 | header: 1 | route: routeBytes | seq: seqBytes | body |
 * ```
 * `size` counts what follows it. Bit 7 of `header` marks a heartbeat, which has 8 bytes of time or nothing instead of
 * the rest.
 */
export class Packer {
  /** Bytes of the seq in use. */
  readonly seqBytes: number;
  private readonly routeBytes: number;
  private readonly bufferBytes: number;
  private readonly little: boolean;
  /** Bytes of the size field. */
  private readonly size: number;

  /** Throws a `RangeError` for a value that does not exist. */
  constructor(options: PackerOptions = {}) {
    const preset: PackerOptions = defaults.packet;
    const choose = <T>(name: keyof PackerOptions, ...valid: T[]): T => {
      const value = (options[name] ?? preset[name] ?? valid[0]) as T;
      if (!valid.includes(value)) throw new RangeError(`invalid ${name} ${value}: must be one of ${valid}`);
      return value;
    };
    this.little = choose("byteOrder", "big", "little") === "little";
    this.size = choose("dialect", "sized", "bare") === "bare" ? 0 : 4;
    this.routeBytes = choose("routeBytes", 2, 1, 4);
    this.seqBytes = choose("seqBytes", 2, 0, 1, 4);
    this.bufferBytes = options.bufferBytes ?? 5000;
    if (!(this.bufferBytes >= 0)) throw new RangeError(`invalid bufferBytes ${this.bufferBytes}`);
  }

  /** A heartbeat, which carries no time. */
  packHeartbeat(): ArrayBuffer {
    return this.begin(1, HEARTBEAT).buffer as ArrayBuffer;
  }

  /** Throws a `PacketError` if route or seq do not fit in their bytes or the body is too large. */
  packMessage(message: Message): ArrayBuffer {
    const { route, seq = 0, buffer } = message;
    const { routeBytes, seqBytes, bufferBytes, size } = this;
    const body = bytesOf(viewOf(buffer ?? new ArrayBuffer(0)));
    check("route", route, routeBytes);
    if (seqBytes) check("seq", seq, seqBytes);
    if (body.length > bufferBytes) {
      throw new PacketError(`message too large: ${body.length} of ${bufferBytes} bytes`);
    }
    const head = 1 + routeBytes + seqBytes;
    const view = this.begin(head + body.length, 0);
    const put = (at: number, width: number, value: number): void => {
      if (width) view[`setInt${(8 * width) as Bits}`](at, value, this.little);
    };
    put(size + 1, routeBytes, route);
    put(size + 1 + routeBytes, seqBytes, seq);
    bytesOf(view).set(body, size + head);
    return view.buffer as ArrayBuffer;
  }

  /**
   * Reads one packet. In the `sized` dialect also what can only be a bare one: a gate that speaks both has heard
   * nothing yet when it sends first. Throws a `PacketError` for anything else.
   */
  unpack(data: ArrayBuffer | ArrayBufferView): Packet {
    const { little, routeBytes, seqBytes, size } = this;
    const view = viewOf(data);
    const length = view.byteLength;
    const head = 1 + routeBytes + seqBytes;
    let at = 0;
    if (size && length > 4) {
      const header = view.getUint8(4);
      // Some peers write the size of a heartbeat big-endian, whatever order is in use.
      const odd = length === 5 && header === HEARTBEAT && view.getUint32(0) === 1;
      if (odd || (view.getUint32(0, little) === length - 4 && (header & HEARTBEAT || length >= head + 4))) at = 4;
    }
    const bare = size && !at;
    const header = length && view.getUint8(at);
    if (header & HEARTBEAT) {
      if (length === at + 9) return { isHeartbeat: true, millisecond: time(view, at + 1, !!at && little, !at) };
      if (!bare || length === 1) return { isHeartbeat: true };
    } else if (length >= at + head && !(bare && header)) {
      const get = (from: number, width: number): number =>
        width && view[`getInt${(8 * width) as Bits}`](from, little);
      const message: Message = { seq: get(at + 1 + routeBytes, seqBytes), route: get(at + 1, routeBytes) };
      if (length > at + head) message.buffer = bytesOf(view).slice(at + head);
      return { isHeartbeat: false, message };
    }
    throw new PacketError(`invalid message: ${length} bytes`);
  }

  private begin(length: number, header: number): DataView {
    const view = new DataView(new ArrayBuffer(this.size + length));
    if (this.size) view.setUint32(0, length, this.little);
    view.setUint8(this.size, header);
    return view;
  }
}

type Bits = 8 | 16 | 32;

/** Reads milliseconds, or nanoseconds. */
function time(view: DataView, at: number, little: boolean, millis: boolean): number {
  const high = view.getInt32(little ? at + 4 : at, little);
  const low = view.getUint32(little ? at : at + 4, little);
  // Nanoseconds exceed the integers of a double, so they are divided in two parts: 2 ** 32 = 4294 * 1e6 + 967296. What
  // does not exceed them would be of early 1970: a gate can be told to send milliseconds.
  return millis || high < 2 ** 21
    ? high * 2 ** 32 + low
    : high * 4294 + Math.floor((high * 967296 + low) / 1e6);
}

function check(name: string, value: number, width: number): void {
  const limit = 2 ** (8 * width - 1);
  if (value !== Math.floor(value) || value < -limit || value >= limit) {
    throw new PacketError(`${name} overflow: ${value} in ${width} bytes`);
  }
}

function viewOf(data: ArrayBuffer | ArrayBufferView): DataView {
  try {
    return ArrayBuffer.isView(data) ? new DataView(data.buffer, data.byteOffset, data.byteLength) : new DataView(data);
  } catch {
    throw new PacketError("invalid message");
  }
}

const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
