import { Packer, type PackerOptions, PacketError } from "@due/index";
import { describe, expect, test } from "vitest";
import { Packer as OriginalPacker, type PackerOptions as OriginalOptions } from "./original";
import { random } from "./random";
import { bytes, hex } from "./sockets";

const HI = "6869";
const HELLO = "68656c6c6f206475657e7e";
const JSON_REQUEST = "7b226e616d65223a22647565227d";
const JSON_ANSWER = "7b22636f6465223a302c226d657373616765223a2268656c6c6f206475657e7e227d";

const options = (byteOrder: "big" | "little", routeBytes: number, seqBytes: number, dialect?: "bare"): PackerOptions => ({
  byteOrder,
  routeBytes,
  seqBytes,
  dialect,
});

const vectors: [string, PackerOptions, number, number, string, string][] = [
  ["big r2 s2", {}, 1, 2, HI, "00000007 00 0001 0002 6869"],
  ["little r2 s2", options("little", 2, 2), 1, 2, HI, "07000000 00 0100 0200 6869"],
  ["big r4 s4", options("big", 4, 4), 1, 2, HI, "0000000b 00 00000001 00000002 6869"],
  ["big r4 s2", options("big", 4, 2), 1, 2, HI, "00000009 00 00000001 0002 6869"],
  ["big r4 s0", options("big", 4, 0), 1, 2, HI, "00000007 00 00000001 6869"],
  ["big r2 s4", options("big", 2, 4), 1, 2, HI, "00000009 00 0001 00000002 6869"],
  ["big r2 s0", options("big", 2, 0), 1, 2, HI, "00000005 00 0001 6869"],
  ["big r1 s1", options("big", 1, 1), 1, 2, HI, "00000005 00 01 02 6869"],
  ["big r1 s0", options("big", 1, 0), 1, 2, HI, "00000004 00 01 6869"],
  ["negative", {}, -2, -1, "", "00000005 00 fffe ffff"],
  ["no body", {}, 1, 0, "", "00000005 00 0001 0000"],
  ["hello", {}, 1, 1, HELLO, `00000010 00 0001 0001 ${HELLO}`],
  ["hello little", options("little", 2, 2), 1, 1, HELLO, `10000000 00 0100 0100 ${HELLO}`],
  ["negative again", {}, -1, -2, "", "00000005 00 ffff fffe"],
  ["r4 s0", options("big", 4, 0), 0x12345678, 258, JSON_REQUEST, `00000013 00 12345678 ${JSON_REQUEST}`],
  ["r1 s4", options("big", 1, 4), 127, 65536, "ff", "00000007 00 7f 00010000 ff"],
  ["greet", {}, 1, 7, JSON_REQUEST, `00000013 00 0001 0007 ${JSON_REQUEST}`],
  ["greet's answer", {}, 1, 7, JSON_ANSWER, `00000027 00 0001 0007 ${JSON_ANSWER}`],
  ["bare hello", options("big", 2, 2, "bare"), 1, 1, HELLO, `00 0001 0001 ${HELLO}`],
  ["bare hello little", options("little", 2, 2, "bare"), 1, 1, HELLO, `00 0100 0100 ${HELLO}`],
  ["bare negative", options("big", 2, 2, "bare"), -1, -2, "", "00 ffff fffe"],
  ["bare r4 s0", options("big", 4, 0, "bare"), 0x12345678, 258, JSON_REQUEST, `00 12345678 ${JSON_REQUEST}`],
  ["bare r1 s4", options("big", 1, 4, "bare"), 127, 65536, "ff", "00 7f 00010000 ff"],
  ["bare greet", options("big", 2, 2, "bare"), 1, 7, JSON_REQUEST, `00 0001 0007 ${JSON_REQUEST}`],
  ["bare greet's answer", options("big", 2, 2, "bare"), 1, 7, JSON_ANSWER, `00 0001 0007 ${JSON_ANSWER}`],
];

test.each(vectors)("vector %s, both ways", (_, given, route, seq, body, packet) => {
  const packer = new Packer(given);
  const buffer = new Uint8Array(bytes(body));
  expect(hex(packer.packMessage({ route, seq, buffer }))).toBe(packet.replace(/ /g, ""));
  const read = given.seqBytes === 0 ? 0 : seq;
  expect(packer.unpack(bytes(packet))).toEqual({
    isHeartbeat: false,
    message: buffer.length ? { route, seq: read, buffer } : { route, seq: read },
  });
});

describe("bodies", () => {
  test("absent and empty are the same, seq is 0 by default", () => {
    const packer = new Packer();
    const packet = packer.packMessage({ route: 1 });
    expect(hex(packet)).toBe("000000050000010000");
    expect(hex(packer.packMessage({ route: 1, seq: 0, buffer: new Uint8Array(0) }))).toBe(hex(packet));
    expect("buffer" in packer.unpack(packet).message!).toBe(false);
  });

  test("views are taken by their offset, in and out", () => {
    const packer = new Packer();
    const memory = new Uint8Array([9, 9, 0x68, 0x69, 9]);
    const view = memory.subarray(2, 4);
    expect(hex(packer.packMessage({ route: 1, seq: 2, buffer: view }))).toBe("0000000700000100026869");
    expect(hex(packer.packMessage({ route: 1, seq: 2, buffer: view.slice().buffer as never }))).toBe("0000000700000100026869");
    const node = Buffer.from("ffff000000070000010002 6869ff".replace(/ /g, ""), "hex").subarray(2, 13);
    expect(packer.unpack(node).message).toEqual({ route: 1, seq: 2, buffer: new Uint8Array(view) });
    expect(packer.unpack(new Uint8Array(node)).message!.buffer!.byteOffset).toBe(0);
  });

  test("the limit holds for packing only", () => {
    const packer = new Packer();
    expect(packer.packMessage({ route: 1, buffer: new Uint8Array(5000) }).byteLength).toBe(5009);
    expect(() => packer.packMessage({ route: 1, buffer: new Uint8Array(5001) })).toThrow(/^message too large: 5001 of 5000 bytes/);
    const large = new Packer({ bufferBytes: 100_000 }).packMessage({ route: 1, buffer: new Uint8Array(70_000) });
    expect(packer.unpack(large).message!.buffer!.length).toBe(70_000);
  });
});

test.each([1, 2, 4])("numbers of %i bytes overflow at both ends", (width) => {
  const packer = new Packer({ routeBytes: width, seqBytes: width });
  const max = 2 ** (8 * width - 1) - 1;
  for (const value of [max, -max - 1]) {
    const { message } = packer.unpack(packer.packMessage({ route: value, seq: value }));
    expect(message).toEqual({ route: value, seq: value });
  }
  for (const value of [max + 1, -max - 2, 0.5, NaN, Infinity]) {
    expect(() => packer.packMessage({ route: value })).toThrow(/^route overflow/);
    expect(() => packer.packMessage({ route: 1, seq: value })).toThrow(/^seq overflow/);
  }
  expect(() => packer.packMessage({ route: max + 1, seq: max + 1 })).toThrow(PacketError);
});

test("wrong options are refused by name", () => {
  expect(() => new Packer({ routeBytes: 3 })).toThrow(/^invalid routeBytes 3: must be one of/);
  expect(() => new Packer({ routeBytes: 0 })).toThrow(RangeError);
  expect(() => new Packer({ seqBytes: 8 })).toThrow(/^invalid seqBytes 8/);
  expect(() => new Packer({ byteOrder: "middle" as "big" })).toThrow(/^invalid byteOrder middle/);
  expect(() => new Packer({ dialect: "old" as "bare" })).toThrow(/^invalid dialect old/);
  expect(() => new Packer({ bufferBytes: -1 })).toThrow(/^invalid bufferBytes -1/);
  expect(() => new Packer({ bufferBytes: NaN })).toThrow(/^invalid bufferBytes NaN/);
});

describe("heartbeats", () => {
  test("honour the byte order and the dialect", () => {
    expect(hex(new Packer().packHeartbeat())).toBe("0000000180");
    expect(hex(new Packer({ byteOrder: "little" }).packHeartbeat())).toBe("0100000080");
    expect(hex(new Packer({ dialect: "bare" }).packHeartbeat())).toBe("80");
  });

  test.each<[string, PackerOptions, string, number | undefined]>([
    ["no time", {}, "00000001 80", undefined],
    ["no time, little", { byteOrder: "little" }, "01000000 80", undefined],
    ["the odd one of other clients", { byteOrder: "little" }, "00000001 80", undefined],
    ["nanoseconds", {}, "00000009 80 18ea666bcc26f04d", 1795360014633],
    ["nanoseconds again", {}, "00000009 80 179ed44b48b3ba00", 1702031129000],
    ["nanoseconds, little", { byteOrder: "little" }, "09000000 80 00bab3484bd49e17", 1702031129000],
    ["milliseconds, as a gate can be told", {}, "00000009 80 0000018c48f5f9a8", 1702031129000],
    ["before 1970", {}, "00000009 80 ffffffffffffffff", -1],
    ["bits of no meaning", {}, "00000001 81", undefined],
    ["odd lengths", {}, "00000003 80 0000", undefined],
    ["bare, in answer to nothing", {}, "80", undefined],
    ["bare with time, in answer to nothing", {}, "80 0000018c48f5f9a8", 1702031129000],
    ["bare with time is big-endian", { byteOrder: "little" }, "80 0000018c48f5f9a8", 1702031129000],
    ["bare", { dialect: "bare" }, "80", undefined],
    ["bare with time", { dialect: "bare", byteOrder: "little" }, "80 0000018c48f5f9a8", 1702031129000],
    ["bare with anything", { dialect: "bare" }, "80 0000", undefined],
  ])("%s", (_, given, packet, millisecond) => {
    const expected = millisecond === undefined ? { isHeartbeat: true } : { isHeartbeat: true, millisecond };
    expect(new Packer(given).unpack(bytes(packet))).toEqual(expected);
  });

  test("the division of nanoseconds is exact", () => {
    const next = random(3);
    for (let round = 0; round < 2000; round++) {
      const nanos = (BigInt(next(2 ** 31 - 2 ** 21) + 2 ** 21) << 32n) + BigInt(next(2 ** 32 - 1)) - BigInt(next(2));
      for (const byteOrder of ["big", "little"] as const) {
        const view = new DataView(new Packer({ byteOrder }).packMessage({ route: 0, buffer: new Uint8Array(4) }));
        view.setUint8(4, 0x80);
        view.setBigInt64(5, nanos, byteOrder === "little");
        expect(new Packer({ byteOrder }).unpack(view).millisecond).toBe(Number(nanos / 1_000_000n));
      }
    }
  });
});

describe("dialects", () => {
  test("a sized packer reads bare messages of a gate that has heard nothing yet", () => {
    const packer = new Packer();
    expect(packer.unpack(bytes(`00 0001 0000 ${HI}`)).message).toEqual({ route: 1, seq: 0, buffer: new Uint8Array(bytes(HI)) });
    expect(packer.unpack(bytes("00 0001 0000")).message).toEqual({ route: 1, seq: 0 });
    // The right size, but too short for a sized message.
    expect(packer.unpack(bytes("00000001 00")).message).toEqual({ route: 0, seq: 256 });
    // Five bytes whose last one looks like the header of a heartbeat.
    expect(packer.unpack(bytes("00 0001 0080")).message).toEqual({ route: 1, seq: 128 });
  });

  test("where both readings are possible, the sized one is right", () => {
    const packet = `00 0001 0000 ${"00".repeat(255)}`;
    expect(new Packer().unpack(bytes(packet)).message!.route).toBe(0);
    expect(new Packer({ dialect: "bare" }).unpack(bytes(packet)).message!.route).toBe(1);
  });

  test.each(["", "00", "000001", "00 0001 00", "01 0001 0000", "05000000 00 0001 0002", "90 00", "80 00", "80 0000000000 0000 00 00"])(
    "neither: %s",
    (packet) => {
      expect(() => new Packer().unpack(bytes(packet))).toThrow(/^invalid message: \d+ bytes$/);
    },
  );

  test.each(["", "00", "00 0001 00"])("not bare: %s", (packet) => {
    expect(() => new Packer({ dialect: "bare" }).unpack(bytes(packet))).toThrow(PacketError);
  });
});

const everything: PackerOptions[] = [];
for (const byteOrder of ["big", "little"] as const)
  for (const dialect of ["sized", "bare"] as const)
    for (const routeBytes of [1, 2, 4])
      for (const seqBytes of [0, 1, 2, 4]) everything.push({ byteOrder, dialect, routeBytes, seqBytes });

test.each(everything)("round trips of any message: %o", (given) => {
  const packer = new Packer(given);
  const next = random(JSON.stringify(given).length);
  const number = (width: number) => (width ? next(2 ** 32 - 1) >> (32 - 8 * width) : 0);
  for (let round = 0; round < 300; round++) {
    const message = { route: number(given.routeBytes!), seq: number(given.seqBytes!) };
    const buffer = Uint8Array.from({ length: next(round < 290 ? 40 : 5000) }, () => next(256));
    const packet = packer.packMessage({ ...message, buffer });
    expect(packer.unpack(packet)).toEqual({ isHeartbeat: false, message: buffer.length ? { ...message, buffer } : message });
    if (given.dialect === "sized") expect(hex(packet)).toBe(hex(new OriginalPacker(given as OriginalOptions).packMessage({ ...message, buffer })));
  }
});

test.each(everything)("nothing but a PacketError escapes: %o", (given) => {
  const packer = new Packer(given);
  const next = random(7);
  for (let round = 0; round < 3000; round++) {
    const data = Uint8Array.from({ length: next(20) }, () => (next(2) ? next(256) : next(2) * 0x80 + next(8)));
    if (data.length > 3 && next(2)) new DataView(data.buffer).setUint32(0, data.length - 4, given.byteOrder === "little");
    try {
      const packet = packer.unpack(data);
      expect(packet.isHeartbeat).toBe(packet.message === undefined);
    } catch (error) {
      expect(error).toBeInstanceOf(PacketError);
    }
  }
});

test("what is not bytes is refused", () => {
  for (const data of [undefined, null, "text", 5, {}, [1, 2, 3], new Blob([])]) {
    expect(() => new Packer().unpack(data as never)).toThrow(PacketError);
  }
  expect(new PacketError("x")).toMatchObject({ name: "PacketError", message: "x" });
});
