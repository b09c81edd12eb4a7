// OER primitives (OER-01..12, OER-19) against BigInt and Node's own codecs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cursor, encodeLength, encodeUint, isUtf8, verdict } from "../support/reference/ilp.js";
import { BAD_LENGTH, builds, random, seed } from "./harness.js";

const [, wire] = builds[0]!;

/** The core's reading of a length or count, or undefined when it refuses it. */
function read(verb: "readLength" | "readVarUint", bytes: Buffer): [number, number] | undefined {
  const at = wire.putLast(bytes, 0xff);
  const result = wire.w[verb](at as never, (at + bytes.length) as never);
  if ((result as bigint) === BAD_LENGTH) return undefined;
  const unsigned = BigInt.asUintN(64, result as bigint);
  return [Number(unsigned >> 32n), Number(unsigned & 0xffffffffn)];
}

test("integers are big-endian at any alignment (OER-01)", () => {
  const value = 0x0123456789abcdefn;
  for (let offset = 0; offset < 8; offset++) {
    const at = wire.buffer + offset;
    wire.call("writeIntegers", at, value);
    assert.equal(wire.bytes(at, 14).toString("hex"), "0123456789abcdef89abcdefcdef");
    const xor = value ^ (0x01234567n << 16n) ^ 0x0123n;
    assert.equal(BigInt.asUintN(64, wire.w.readIntegers(at as never) as bigint), xor);
  }
});

test("every length below 2^24 is written in its shortest form and read back (OER-02..04)", () => {
  const at = wire.buffer;
  const lengths = new Set<number>();
  for (let n = 0; n < 70000; n++) lengths.add(n);
  for (let n = 70000; n < 2 ** 24; n += 9973) lengths.add(n);
  lengths.add(2 ** 24 - 1);
  for (const n of lengths) {
    const size = wire.call("writeLength", at, n);
    const expected = encodeLength(n);
    assert.equal(size, expected.length);
    assert.equal(wire.call("lengthSize", n), size);
    assert.ok(wire.bytes(at, size).equals(expected));
    const result = wire.w.readLength(at as never, (at + size + n) as never) as bigint;
    assert.equal(result, (BigInt(size) << 32n) | BigInt(n));
    const short = wire.w.readLength(at as never, (at + size + n - 1) as never) as bigint;
    assert.equal(short, BAD_LENGTH, `${n} with one byte missing`);
  }
});

test("lengths that are not canonical, too wide or too long are refused (OER-05..08)", () => {
  const bad = [
    "",
    "80",
    "8000",
    "8100",
    "817f",
    "81",
    "820000",
    "82007f",
    "8200ff",
    "82ff",
    "83000000",
    "8300ffff",
    "83ffff",
    "8400000001",
    "84ffffffff",
    "850000000001",
    "88ffffffffffffffff",
    "ff",
    "01",
  ];
  for (const hex of bad) {
    assert.equal(read("readLength", Buffer.from(hex, "hex")), undefined, hex);
  }
});

test("refused lengths are told apart: malformed, or merely cut short", () => {
  const cases: [string, number][] = [
    ["", 0],
    ["01", 0],
    ["81", 0],
    ["8180", 0],
    ["82ff", 0],
    ["82ffff", 0],
    ["83ff", 0],
    ["80", 1],
    ["817f", 1],
    ["8200ff", 1],
    ["8300ffff", 1],
    ["84", 1],
    ["ff", 1],
  ];
  for (const [hex, malformed] of cases) {
    const bytes = Buffer.from(hex, "hex");
    const at = wire.putLast(bytes, 0xff);
    assert.equal(wire.call("isMalformedLength", at, at + bytes.length), malformed, hex);
  }
});

test("counts: all of 0..70000, the widest, and everything that is not canonical (OER-11)", () => {
  for (let n = 0; n < 70000; n++) {
    const digits = encodeUint(BigInt(n), n < 256 ? 1 : n < 65536 ? 2 : 3);
    const bytes = Buffer.concat([Buffer.from([digits.length]), digits]);
    assert.deepEqual(read("readVarUint", bytes), [bytes.length, n]);
  }
  assert.deepEqual(read("readVarUint", Buffer.from("04ffffffff", "hex")), [5, 0xffffffff]);
  for (const hex of [
    "",
    "00",
    "01",
    "020001",
    "0300ffff",
    "0400ffffff",
    "050100000000",
    "81",
    "ff",
  ]) {
    assert.equal(read("readVarUint", Buffer.from(hex, "hex")), undefined, hex);
  }
});

test(`random bytes read as the reference reads them, seed ${seed}`, () => {
  const below = random(seed);
  for (let i = 0; i < 50000; i++) {
    const bytes = Buffer.from(Array.from({ length: below(7) }, () => below(256)));
    if (bytes.length > 0 && below(2) === 0) bytes[0] = [0x81, 0x82, 0x83, 2, 3][below(5)]!;
    const length = verdict((b) => {
      const c = new Cursor(b);
      const value = c.length();
      c.take(value);
      return [encodeLength(value).length, value];
    }, bytes);
    assert.deepEqual(read("readLength", bytes), length, bytes.toString("hex"));
    const count = verdict((b) => {
      const c = new Cursor(b);
      const value = Number(c.varUint());
      return [b.length - c.rest().length, value];
    }, bytes);
    assert.deepEqual(read("readVarUint", bytes), count, bytes.toString("hex"));
  }
});

test("bytes compare equal only if all are", () => {
  for (let length = 0; length < 40; length++) {
    const a = Buffer.alloc(length, 7);
    const at = wire.putLast(a, 7);
    const other = wire.put(Buffer.concat([a, Buffer.alloc(16, 9)]));
    assert.equal(wire.call("equalBytes", at, other, length), 1);
    for (let i = 0; i < length; i++) {
      for (const bit of [1, 128]) {
        wire.memory[other + i]! ^= bit;
        assert.equal(wire.call("equalBytes", at, other, length), 0, `${i} of ${length}`);
        wire.memory[other + i]! ^= bit;
      }
    }
  }
});

test("the top bit is seen in every position and nowhere past the end (OER-19)", () => {
  for (let length = 0; length < 40; length++) {
    const at = wire.putLast(Buffer.alloc(length, 0x7f), 0xff);
    assert.equal(wire.call("isAscii", at, length), 1);
    for (let i = 0; i < length; i++) {
      wire.memory[at + i] = 0x80;
      assert.equal(wire.call("isAscii", at, length), 0, `${i} of ${length}`);
      wire.memory[at + i] = 0x7f;
    }
  }
});

test("UTF-8: all one- and two-byte inputs, lead bytes with the edges of their followers", () => {
  const compare = (bytes: Buffer): void => {
    const actual = wire.call("isUtf8", wire.putLast(bytes, 0x80), bytes.length) === 1;
    assert.equal(actual, isUtf8(bytes), bytes.toString("hex"));
  };
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
  for (let a = 0; a < 256; a++) {
    compare(Buffer.from([a]));
    for (let b = 0; b < 256; b++) compare(Buffer.from([a, b]));
    if (a < 0xc0) continue;
    for (const b of edges) {
      for (const c of edges) {
        compare(Buffer.from([a, b, c]));
        for (const d of edges) compare(Buffer.from([a, b, c, d]));
      }
    }
  }
});
