import { defaults } from "./defaults";
import { PacketError } from "./packet-error";

/** One message between client and gate. */
export interface Message {
  /** The caller's number of a request, echoed in the answer; 0 when absent, and always 0 where seqs have no bytes. */
  seq?: number | undefined;
  /** What selects the handler. */
  route: number;
  /** Codec output. Absent where the body is empty. */
  buffer?: Uint8Array | undefined;
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
    const { packet } = defaults;
    this.little = choose("byteOrder", options.byteOrder ?? packet.byteOrder, ["big", "little"]) > 0;
    this.size = choose("dialect", options.dialect ?? "sized", ["sized", "bare"]) > 0 ? 0 : 4;
    choose("routeBytes", (this.routeBytes = options.routeBytes ?? packet.routeBytes), [1, 2, 4]);
    choose("seqBytes", (this.seqBytes = options.seqBytes ?? packet.seqBytes), [0, 1, 2, 4]);
    this.bufferBytes = options.bufferBytes ?? 5000;
    if (!(this.bufferBytes >= 0)) throw new RangeError(`invalid bufferBytes ${this.bufferBytes}: must not be negative`);
  }

  /** A heartbeat, which carries no time. */
  packHeartbeat(): ArrayBuffer {
    return this.begin(1, HEARTBEAT).buffer as ArrayBuffer;
  }

  /** Throws a `PacketError` if route or seq do not fit in their bytes or the body is too large. */
  packMessage(message: Message): ArrayBuffer {
    const { route, seq = 0, buffer } = message;
    const body = viewOf(buffer ?? new ArrayBuffer(0));
    check("route", route, this.routeBytes);
    if (this.seqBytes) check("seq", seq, this.seqBytes);
    if (body.byteLength > this.bufferBytes) {
      throw new PacketError(`message too large: ${body.byteLength} bytes, the limit is ${this.bufferBytes}`);
    }
    const head = 1 + this.routeBytes + this.seqBytes;
    const view = this.begin(head + body.byteLength, 0);
    write(view, this.size + 1, this.routeBytes, route, this.little);
    write(view, this.size + 1 + this.routeBytes, this.seqBytes, seq, this.little);
    const bytes = bytesOf(view);
    bytes.set(bytesOf(body), this.size + head);
    return bytes.buffer as ArrayBuffer;
  }

  /**
   * Reads one packet. In the `sized` dialect also what can only be a bare one: a gate that speaks both has heard
   * nothing yet when it sends first. Throws a `PacketError` for anything else.
   */
  unpack(data: ArrayBuffer | ArrayBufferView): Packet {
    const view = viewOf(data);
    const length = view.byteLength;
    const head = 1 + this.routeBytes + this.seqBytes;
    if (this.size && length > 4) {
      const size = view.getUint32(0, this.little);
      const header = view.getUint8(4);
      // due-client-ts and its kin write the size of a heartbeat big-endian, whatever order is in use.
      if (size === length - 4 || (length === 5 && header === HEARTBEAT && view.getUint32(0) === 1)) {
        if (header & HEARTBEAT) return heartbeat(view, 5, this.little);
        if (size >= head) return this.message(view, 4);
      }
    }
    if (length) {
      const header = view.getUint8(0);
      if (header & HEARTBEAT && (!this.size || length === 1 || length === 9)) return heartbeat(view, 1, false, true);
      if (!(header & HEARTBEAT) && !(this.size && header) && length >= head) return this.message(view, 0);
    }
    throw new PacketError(`invalid message: ${length} bytes`);
  }

  private begin(length: number, header: number): DataView {
    const view = new DataView(new ArrayBuffer(this.size + length));
    if (this.size) view.setUint32(0, length, this.little);
    view.setUint8(this.size, header);
    return view;
  }

  private message(view: DataView, header: number): Packet {
    const seqAt = header + 1 + this.routeBytes;
    const bodyAt = seqAt + this.seqBytes;
    const message: Message = {
      seq: read(view, seqAt, this.seqBytes, this.little),
      route: read(view, header + 1, this.routeBytes, this.little),
    };
    if (view.byteLength > bodyAt) message.buffer = bytesOf(view).slice(bodyAt);
    return { isHeartbeat: false, message };
  }
}

function heartbeat(view: DataView, at: number, little: boolean, millis?: boolean): Packet {
  if (view.byteLength !== at + 8) return { isHeartbeat: true };
  const high = view.getInt32(at + (little ? 4 : 0), little);
  const low = view.getUint32(at + (little ? 0 : 4), little);
  // Nanoseconds exceed the integers of a double, so they are divided in two parts: 2 ** 32 = 4294 * 1e6 + 967296. As
  // nanoseconds, numbers that do not exceed them would be of early 1970: a gate may be told to send milliseconds.
  const exact = millis || (high >= 0 && high < 2 ** 21);
  const millisecond = exact ? high * 2 ** 32 + low : high * 4294 + Math.floor((high * 967296 + low) / 1e6);
  return { isHeartbeat: true, millisecond };
}

function choose<T>(name: string, value: T, valid: T[]): number {
  const index = valid.indexOf(value);
  if (index < 0) throw new RangeError(`invalid ${name} ${value}: must be one of ${valid.join(", ")}`);
  return index;
}

function check(name: string, value: number, width: number): void {
  const limit = 2 ** (8 * width - 1);
  if (value !== Math.floor(value) || value < -limit || value >= limit) {
    throw new PacketError(`${name} overflow: ${value} does not fit in ${width} signed bytes`);
  }
}

function write(view: DataView, at: number, width: number, value: number, little: boolean): void {
  if (width) view[setter(width)](at, value, little);
}

function read(view: DataView, at: number, width: number, little: boolean): number {
  return width ? view[getter(width)](at, little) : 0;
}

type Bits = 8 | 16 | 32;
const setter = (width: number): `setInt${Bits}` => `setInt${(width * 8) as Bits}`;
const getter = (width: number): `getInt${Bits}` => `getInt${(width * 8) as Bits}`;

function viewOf(data: ArrayBuffer | ArrayBufferView): DataView {
  try {
    return ArrayBuffer.isView(data) ? new DataView(data.buffer, data.byteOffset, data.byteLength) : new DataView(data);
  } catch {
    throw new PacketError("invalid message: no bytes");
  }
}

const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
