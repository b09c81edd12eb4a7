// Golden bytes: what is written equals them, what is read from them equals their fields; packets of
// every size around the length forms; rewriting in place (ILP-02..06, ILP-22, RFC 27 size table).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  decode,
  encode,
  timestampText,
  type Packet,
  type Prepare,
} from "../support/reference/ilp.js";
import { builds, random, seed, vectors, type Wire } from "./harness.js";

interface GoldenPacket {
  name: string;
  hex: string;
  amount?: string;
  expiresAt?: string;
  condition?: string;
  destination?: string;
  fulfillment?: string;
  code?: string;
  triggeredBy?: string;
  message?: string;
  data: string;
}
interface GoldenFrame {
  name: string;
  hex: string;
  type: number;
  requestId: number;
  packet?: string;
  code?: string;
  errorName?: string;
  triggeredAt?: string;
  data?: string;
}
const path = new URL("../vectors/golden.json", import.meta.url);
const golden = JSON.parse(readFileSync(path, "utf8")) as {
  packets: GoldenPacket[];
  frames: GoldenFrame[];
};
const hex = (text: string): Buffer => Buffer.from(text, "hex");

function packetOf(g: GoldenPacket): Packet {
  const data = hex(g.data);
  if (g.fulfillment !== undefined) return { type: 13, fulfillment: hex(g.fulfillment), data };
  if (g.code !== undefined) {
    const [code, message] = [Buffer.from(g.code), Buffer.from(g.message!)];
    return { type: 14, code, triggeredBy: g.triggeredBy!, message, data };
  }
  const expiresAtMs = Date.parse(g.expiresAt!);
  return {
    type: 12,
    amount: BigInt(g.amount!),
    expiresAt: timestampText(expiresAtMs),
    expiresAtMs,
    condition: hex(g.condition!),
    destination: g.destination!,
    data,
  };
}

const codeWord = (code: Buffer): number => code.readUIntLE(0, 3);

/** Has the core write a packet, between canaries that must survive. */
function write(wire: Wire, packet: Packet): Buffer {
  const out = wire.buffer + 131072 + 3;
  let next = 0;
  const put = (bytes: Buffer): number => wire.put(bytes, (next += 40000) - 40000);
  const data = put(packet.data);
  const size = encode(packet).length;
  wire.memory.fill(0xa5, out - 16, out + size + 16);
  let written: number;
  if (packet.type === 12) {
    const destination = put(Buffer.from(packet.destination));
    const { amount, expiresAtMs } = packet;
    const ms = BigInt(expiresAtMs);
    const lengths = [packet.destination.length, data, packet.data.length] as const;
    const condition = put(packet.condition);
    written = wire.call("writePrepare", out, amount, ms, condition, destination, ...lengths);
  } else if (packet.type === 13) {
    const fulfillment = put(packet.fulfillment);
    written = wire.call("writeFulfill", out, fulfillment, data, packet.data.length);
  } else {
    const { code, triggeredBy, message } = packet;
    const by = put(Buffer.from(triggeredBy));
    const texts = [by, triggeredBy.length, put(message), message.length] as const;
    written = wire.call("writeReject", out, codeWord(code), ...texts, data, packet.data.length);
  }
  assert.equal(written, size);
  const canary = Buffer.alloc(16, 0xa5);
  assert.deepEqual(wire.bytes(out - 16, 16), canary);
  assert.deepEqual(wire.bytes(out + size, 16), canary);
  return wire.bytes(out, written);
}

for (const [name, wire] of builds) {
  test(`golden packets are read and written (${name})`, () => {
    for (const g of golden.packets) {
      const packet = packetOf(g);
      assert.equal(encode(packet).toString("hex"), g.hex, g.name);
      assert.equal(wire.check(hex(g.hex)), 0, g.name);
      assert.deepEqual(wire.packet().packet, packet, g.name);
      assert.equal(write(wire, packet).toString("hex"), g.hex, g.name);
    }
  });

  test(`golden frames are read and written (${name})`, () => {
    for (const g of golden.frames) {
      const bytes = hex(g.hex);
      assert.equal(wire.checkFrame(bytes), 0, g.name);
      const f = wire.frame();
      assert.deepEqual([f.type, f.requestId, f.size], [g.type, g.requestId, bytes.length]);
      const out = wire.buffer + 4096;
      let at = out;
      let size: number;
      if (g.packet !== undefined) {
        const packet = hex(g.packet);
        assert.deepEqual(wire.bytes(f.ilp!, f.ilpLength!), packet);
        at = wire.call("writeHeader", wire.put(packet, 4096), packet.length, g.type, g.requestId);
        size = wire.call("headerSize", packet.length) + packet.length;
        assert.equal(at + size, out + packet.length);
      } else if (g.code !== undefined) {
        const [text, data] = [Buffer.from(g.errorName!), hex(g.data!)];
        const ms = BigInt(Date.parse(g.triggeredAt!));
        const code = codeWord(Buffer.from(g.code));
        const named = [g.requestId, code, wire.put(text), text.length, ms] as const;
        size = wire.call("writeError", out, ...named, wire.put(data, 512), data.length);
      } else {
        size = wire.call("writeEmptyResponse", out, g.requestId);
      }
      assert.equal(wire.bytes(at, size).toString("hex"), g.hex, g.name);
    }
  });

  test(`random packets of every kind and size are written and read, seed ${seed} (${name})`, () => {
    const below = random(seed);
    const size = (max: number): number => {
      const edges = [0, 1, 5, 62, 126, 127, 128, 129, 255, 256, 257, 300, 8191, 32767];
      return Math.min(max, edges[below(edges.length)]! + below(2));
    };
    const bytes = (n: number): Buffer => Buffer.from(Array.from({ length: n }, () => below(256)));
    const base = { data: Buffer.alloc(0) };
    for (let i = 0; i < 600; i++) {
      const address = "test." + "x".repeat(Math.max(1, size(1018)));
      const data = below(2) === 0 ? base.data : bytes(size(32767));
      const expiresAtMs = below(2 ** 31) * 1000 + below(1000);
      const expiresAt = timestampText(expiresAtMs);
      const amount = bytes(8).readBigUInt64BE();
      const condition = bytes(32);
      const triggeredBy = below(4) === 0 ? "" : address;
      const code = Buffer.from("T04");
      const message = Buffer.alloc(size(8191), "m");
      const packets: Packet[] = [
        { type: 12, amount, expiresAt, expiresAtMs, condition, destination: address, data },
        { type: 13, fulfillment: condition, data },
        { type: 14, code, triggeredBy, message, data },
      ];
      const packet = packets[i % 3]!;
      const expected = encode(packet);
      assert.ok(write(wire, packet).equals(expected));
      assert.equal(wire.check(expected), 0);
      assert.deepEqual(wire.packet().packet, packet);
    }
  });

  test(`rewriting amount and expiry changes only those bytes (ILP-22) (${name})`, () => {
    for (const v of vectors("ilp/").filter((v) => v.core === "ACC" && v.bytes[0] === 12)) {
      const at = wire.putLast(v.bytes, 0xa5);
      const before = wire.bytes(at - 32, v.bytes.length + 48);
      assert.equal(wire.call("check", at, v.bytes.length), 0);
      const content = wire.fields("type packet size content").content!;
      wire.call("setAmount", content, 0x8000000000000001n);
      wire.call("setExpiresAt", content, BigInt(Date.parse("2031-02-03T04:05:06.789Z")));
      const after = wire.bytes(at - 32, v.bytes.length + 48);
      const { packet } = decode(wire.bytes(at, v.bytes.length)) as { packet: Prepare };
      assert.equal(packet.amount, 0x8000000000000001n);
      assert.equal(packet.expiresAt, "20310203040506789");
      const start = 32 + content - at;
      before.copy(after, start, start, start + 25);
      assert.deepEqual(after, before);
    }
  });
}

test("every Fault is reached by an input that has exactly that fault", () => {
  const [, wire] = builds[0]!;
  const condition = Buffer.alloc(32);
  const ms = Date.parse("2030-01-01T00:00:00Z");
  const base = { amount: 1n, expiresAt: timestampText(ms), expiresAtMs: ms, condition };
  const prepare = (more: object): Buffer =>
    encode({ type: 12, ...base, destination: "g.a", data: Buffer.alloc(0), ...more });
  const reject = (more: object): Buffer => {
    const texts = { code: Buffer.from("F00"), triggeredBy: "g.a", message: Buffer.alloc(0) };
    return encode({ type: 14, ...texts, data: Buffer.alloc(0), ...more });
  };
  const good = prepare({});
  const faults: [string, number, Buffer][] = [
    ["Empty", -1, Buffer.alloc(0)],
    ["Type", -2, Buffer.concat([Buffer.from([11]), good.subarray(1)])],
    ["Length", -3, Buffer.concat([Buffer.from([12, 0x81]), good.subarray(1)])],
    ["Truncated", -4, good.subarray(0, -1)],
    ["Timestamp", -5, prepare({ expiresAt: "20300230000000000" })],
    ["Address", -6, prepare({ destination: "g." })],
    ["DataTooLong", -7, prepare({ data: Buffer.alloc(32768) })],
    ["CodeNotAscii", -8, reject({ code: Buffer.from([0x46, 0xb0, 0x30]) })],
    ["MessageTooLong", -9, reject({ message: Buffer.alloc(8192, "m") })],
    ["MessageTooLong", -9, reject({ message: Buffer.alloc(32765, 0x80) })],
    ["TriggeredBy", -10, reject({ triggeredBy: "g" })],
  ];
  for (const [name, status, bytes] of faults) assert.equal(wire.check(bytes), status, name);
});

test("messages are measured in characters (ILP-08)", () => {
  const [, wire] = builds[0]!;
  for (const character of ["m", "é", "€", "😀"]) {
    for (const [count, status] of [
      [8190, 0],
      [8191, 0],
      [8192, -9],
    ] as const) {
      const message = Buffer.from(character.repeat(count));
      const packet: Packet = {
        type: 14,
        code: Buffer.from("F00"),
        triggeredBy: "",
        message,
        data: Buffer.alloc(0),
      };
      assert.equal(wire.check(encode(packet), 0x80), status, `${count} of ${character}`);
    }
  }
});

test("sizes of the RFC 27 table", () => {
  const [, wire] = builds[0]!;
  const data = Buffer.alloc(32767);
  const address = "g." + "x".repeat(1021);
  const prepare = decode(hex(golden.packets[3]!.hex)).packet as Prepare;
  assert.equal(hex(golden.packets[3]!.hex).length, 64);
  assert.equal(hex(golden.packets[5]!.hex).length, 35);
  assert.equal(hex(golden.packets[7]!.hex).length, 8);
  assert.equal(write(wire, { ...prepare, destination: address, data }).length, 33857);
  assert.equal(write(wire, { type: 13, fulfillment: Buffer.alloc(32), data }).length, 32806);
  const reject = { code: Buffer.from("F00"), triggeredBy: address, data } as const;
  const ascii = write(wire, { type: 14, ...reject, message: Buffer.alloc(8191, "m") });
  assert.equal(ascii.length, 41997);
  const wide = encode({ type: 14, ...reject, message: Buffer.from("😀".repeat(8191)) });
  assert.equal(wide.length, 66571);
  assert.equal(wire.check(wide), 0);
});
