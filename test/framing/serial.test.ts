// Serial frames: every length, every flipped bit, noise, cuts; against stuffing and a checksum
// written separately.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Framing, type Pick, builds as gateways, random, randomBytes, seed } from "./harness.js";

const FAULTS = { stuffing: -1, short: -2, checksum: -3, kind: -4, tooLong: -5 };
const builds: [string, Framing][] = [
  ...gateways,
  ["board", new Framing({ profile: "board", pages: 8 })],
];

interface Frame {
  kind: number;
  id: number;
  data: Buffer;
}

/** CRC32C, one bit at a time. */
function crc32c(bytes: Buffer): number {
  let rest = 0xffffffff;
  for (const byte of bytes) {
    rest ^= byte;
    for (let i = 0; i < 8; i++) rest = (rest >>> 1) ^ (rest & 1 ? 0x82f63b78 : 0);
  }
  return ~rest >>> 0;
}

/** Stuffing as its paper describes it: split at zeros, each piece in runs of at most 254. */
function stuff(plain: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let at = 0; at <= plain.length; at++) {
    if (at < plain.length && plain[at] !== 0) continue;
    let piece = plain.subarray(from, at);
    from = at + 1;
    while (piece.length > 254 || (piece.length === 254 && at < plain.length)) {
      pieces.push(Buffer.from([255]), piece.subarray(0, 254));
      piece = piece.subarray(254);
    }
    pieces.push(Buffer.from([piece.length + 1]), piece);
  }
  return Buffer.concat(pieces);
}

function plainOf({ kind, id, data }: Frame): Buffer {
  const head = Buffer.alloc(5);
  head[0] = kind;
  head.writeUInt32LE(id, 1);
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32c(Buffer.concat([head, data])));
  return Buffer.concat([head, data, sum]);
}

const encode = (frame: Frame): Buffer => Buffer.concat([stuff(plainOf(frame)), Buffer.from([0])]);

/** A line as a host keeps it: frames and faults found so far. */
class Line {
  readonly frames: Frame[] = [];
  readonly faults: number[] = [];
  #tail: Buffer = Buffer.alloc(0);

  constructor(readonly core: Framing) {}

  feed(chunk: Uint8Array): this {
    const { core } = this;
    let p = core.putLast(Buffer.concat([this.#tail, chunk]));
    core.memory.fill(0x5a, p - 64, p);
    const first = p;
    const end = core.memory.length;
    for (;;) {
      const n = core.call("nextSerial", p, end);
      if (n === 0) break;
      const consumed = core.field(4);
      assert.ok(consumed > 0 && consumed <= end - p);
      if (n < 0) this.faults.push(n);
      else assert.equal(n, consumed);
      if (n > 0 && core.field(0) !== 0) {
        const [kind, id, payload, length] = [0, 1, 2, 3].map((i) => core.field(i));
        assert.ok(payload! >= p && payload! + length! <= p + consumed);
        this.frames.push({ kind: kind!, id: id!, data: core.bytes(payload!, length!) });
      }
      p += consumed;
    }
    assert.equal(core.field(4), 0, "nothing consumed with 0");
    assert.ok(core.bytes(first - 64, 64).equals(Buffer.alloc(64, 0x5a)));
    this.#tail = core.bytes(p, end - p);
    return this;
  }
}

function write(core: Framing, { kind, id, data }: Frame): Buffer {
  const size = core.call("serialSize", data.length);
  const out = core.buffer + 100_000;
  core.memory.fill(0x33, out - 16, out + size + 16);
  const n = core.call("writeSerial", out, kind, id, core.put(data), data.length);
  assert.ok(n <= size);
  assert.ok(core.bytes(out - 16, 16).equals(Buffer.alloc(16, 0x33)));
  assert.ok(core.bytes(out + size, 16).equals(Buffer.alloc(16, 0x33)));
  return core.bytes(out, n);
}

/** Data with as many zeros, or as few, as make stuffing hard. */
function hardData(pick: Pick, length: number): Buffer {
  const data = randomBytes(pick, length);
  const style = pick(4);
  if (style === 0) data.fill(0);
  if (style === 1) for (let i = 0; i < length; i++) if (pick(3)) data[i] = 0;
  if (style === 2) for (let i = 0; i < length; i++) data[i] ||= 1;
  return data;
}

function randomFrame(pick: Pick, most: number): Frame {
  const id = pick(3) ? pick(2 ** 32) : pick(256);
  return { kind: 1 + pick(3), id, data: hardData(pick, pick(most + 1)) };
}

for (const [build, core] of builds) {
  test(`${build}: lengths 0..1000 there and back, zeros and none (seed ${seed})`, () => {
    const pick = random(seed);
    for (let length = 0; length <= 1000; length++) {
      for (const data of [Buffer.alloc(length), Buffer.alloc(length, 1), hardData(pick, length)]) {
        const frame = { kind: 1 + pick(3), id: pick(2 ** 32), data };
        const bytes = write(core, frame);
        assert.deepEqual(bytes, encode(frame), `${length} bytes`);
        assert.equal(bytes.indexOf(0), bytes.length - 1, "one delimiter, at the end");
        const line = new Line(core).feed(bytes);
        assert.deepEqual(line.frames, [frame]);
        assert.deepEqual(line.faults, []);
      }
    }
  });

  test(`${build}: the worst frame takes exactly serialSize, the largest payload fits`, () => {
    const most = core.call("serialPayloadMax");
    for (const length of [0, 1, 244, 245, 246, 499, 500, most - 1, most]) {
      const plain = plainOf({ kind: 1, id: 0x01010101, data: Buffer.alloc(length, 1) });
      // A checksum without zeros, as the worst case has it, is not needed: zeros never add bytes.
      const size = core.call("serialSize", length);
      assert.ok(stuff(plain).length + 1 <= size);
      assert.equal(stuff(Buffer.alloc(plain.length, 1)).length + 1, size);
    }
    const frame = { kind: 2, id: 7, data: Buffer.alloc(most, 0xab) };
    assert.deepEqual(new Line(core).feed(write(core, frame)).frames, [frame]);
  });

  test(`${build}: the payload may lie within the room of the frame (seed ${seed})`, () => {
    const pick = random(seed ^ 3);
    for (let i = 0; i < 300; i++) {
      const frame = randomFrame(pick, 600);
      const out = core.buffer + 1000;
      const payload = core.put(frame.data, 1000 + pick(20));
      const n = core.call("writeSerial", out, frame.kind, frame.id, payload, frame.data.length);
      assert.deepEqual(core.bytes(out, n), encode(frame));
    }
  });

  test(`${build}: every single flipped bit is detected, and the next frame arrives`, () => {
    const pick = random(seed ^ 1);
    const after = { kind: 2, id: 99, data: Buffer.from("after") };
    for (const length of [0, 1, 5, 40, 253, 300]) {
      const frame = { ...randomFrame(pick, 0), data: hardData(pick, length) };
      const bytes = encode(frame);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const bad = Buffer.from(bytes);
        bad[bit >> 3]! ^= 1 << (bit & 7);
        const line = new Line(core).feed(Buffer.concat([bad, encode(after), encode(after)]));
        const what = `seed ${seed}, ${length} bytes, bit ${bit}`;
        assert.ok(line.faults.length > 0, what);
        // A damaged delimiter takes the next frame with it, never the one after.
        const left = bit >> 3 === bytes.length - 1 ? [after] : [after, after];
        assert.deepEqual(line.frames, left, what);
      }
    }
  });

  test(`${build}: truncated frames and lost bytes are skipped (seed ${seed})`, () => {
    const pick = random(seed ^ 2);
    const after = { kind: 1, id: 5, data: Buffer.from([0, 0, 1]) };
    for (let i = 0; i < 300; i++) {
      const bytes = encode(randomFrame(pick, 60));
      const cut = 1 + pick(bytes.length - 2);
      const lost = Buffer.concat([bytes.subarray(0, cut), Buffer.from([0]), encode(after)]);
      const hole = Buffer.concat([bytes.subarray(0, cut - 1), bytes.subarray(cut), encode(after)]);
      for (const stream of [lost, hole]) {
        const line = new Line(core).feed(stream);
        assert.equal(line.faults.length, 1, stream.toString("hex"));
        assert.deepEqual(line.frames, [after], stream.toString("hex"));
      }
    }
  });

  test(`${build}: noise between frames, random chunks, byte by byte (seed ${seed})`, () => {
    for (let i = 0; i < 60; i++) {
      const pick = random(seed + 31 * i);
      const frames: Frame[] = [];
      const parts: Buffer[] = [];
      let noises = 0;
      for (let j = 0; j <= pick(8); j++) {
        const noise = randomBytes(pick, pick(20)).map((byte) => byte || 1);
        if (noise.length > 0 && pick(2)) {
          parts.push(Buffer.concat([noise, Buffer.from([0])]));
          noises += 1;
        }
        parts.push(Buffer.alloc(pick(3)));
        const frame = randomFrame(pick, 300);
        frames.push(frame);
        parts.push(encode(frame));
      }
      const stream = Buffer.concat(parts);
      for (const most of [1, 40, stream.length]) {
        const line = new Line(core);
        for (let at = 0; at < stream.length;) {
          const n = most === 1 ? 1 : 1 + pick(most);
          line.feed(stream.subarray(at, at + n));
          at += n;
        }
        assert.deepEqual(line.frames, frames, `seed ${seed}, case ${i}`);
        assert.equal(line.faults.length, noises, `seed ${seed}, case ${i}`);
      }
    }
  });

  test(`${build}: nothing random passes as a frame (seed ${seed})`, () => {
    const pick = random(seed ^ 4);
    const line = new Line(core);
    for (let i = 0; i < 2000; i++) line.feed(randomBytes(pick, pick(60)).map((b) => b >> pick(5)));
    assert.deepEqual(line.frames, []);
    assert.ok(line.faults.length > 1000);
  });

  test(`${build}: each fault has its cause`, () => {
    const only = (stream: Buffer): number => {
      const line = new Line(core).feed(stream);
      assert.deepEqual(line.frames, []);
      assert.equal(line.faults.length, 1);
      return line.faults[0]!;
    };
    const sealed = (plain: Buffer): Buffer => {
      const sum = Buffer.alloc(4);
      sum.writeUInt32LE(crc32c(plain));
      return Buffer.concat([stuff(Buffer.concat([plain, sum])), Buffer.from([0])]);
    };
    assert.equal(only(Buffer.from([9, 1, 0])), FAULTS.stuffing);
    assert.equal(only(Buffer.from([1, 0])), FAULTS.short);
    assert.equal(only(sealed(Buffer.from([1, 2, 3, 4]))), FAULTS.short);
    assert.equal(only(sealed(Buffer.from([0, 2, 3, 4, 5]))), FAULTS.kind);
    assert.equal(only(sealed(Buffer.from([4, 2, 3, 4, 5]))), FAULTS.kind);
    assert.equal(only(Buffer.from([10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0])), FAULTS.checksum);
    const most = core.call("serialPayloadMax");
    assert.equal(only(encode({ kind: 1, id: 1, data: Buffer.alloc(most + 1, 3) })), FAULTS.tooLong);
  });

  test(`${build}: a line that never ends a frame takes bounded room, then goes on`, () => {
    const most = core.call("serialSize", core.call("serialPayloadMax"));
    const line = new Line(core);
    for (let i = 0; i < most; i += 1000) line.feed(Buffer.alloc(Math.min(1000, most - i), 7));
    assert.deepEqual(line.faults, []);
    line.feed(Buffer.from([7]));
    assert.deepEqual(line.faults, [FAULTS.tooLong]);
    const frame = { kind: 1, id: 1, data: Buffer.from("x") };
    line.feed(Buffer.concat([Buffer.from([7, 7, 0]), encode(frame)]));
    assert.deepEqual(line.frames, [frame]);
  });

  test(`${build}: a full last run may have a last 01 or not`, () => {
    // 245 bytes of payload and 9 around them are one full run, if the checksum has no zero.
    let id = 0x01010101;
    const make = (): Frame => ({ kind: 1, id, data: Buffer.alloc(245, 0xcc) });
    while (plainOf(make()).includes(0)) id += 0x01010101;
    const bytes = encode(make());
    assert.equal(bytes.length, 256);
    const other = Buffer.concat([bytes.subarray(0, 255), Buffer.from([1, 0])]);
    assert.deepEqual(new Line(core).feed(other).frames, [make()]);
    assert.deepEqual(new Line(core).feed(bytes).frames, [make()]);
  });
}
