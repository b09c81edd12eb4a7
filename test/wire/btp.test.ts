// BTP frames beyond the vectors (BTP-07..18): faults one by one, bounds, headers, random frames.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeFrame,
  encodeFrame,
  encodeProtocols,
  type Protocol,
} from "../support/reference/btp.js";
import { encodeUint, encodeVar, verdict } from "../support/reference/ilp.js";
import { builds, random, seed } from "./harness.js";

const [, wire] = builds[0]!;
const protocol = (name: string, contentType = 0, data = ""): Protocol => {
  return { name, contentType, data: Buffer.from(data) };
};
const numbered = (count: number): Protocol[] =>
  Array.from({ length: count }, (_, i) => protocol(`p${i}`));

function errorBody(time: string, data = "", code = "F00", name = "NotAcceptedError"): Buffer {
  const fields = [name, time, data].map((text) => encodeVar(Buffer.from(text, "latin1")));
  return Buffer.concat([Buffer.from(code, "latin1"), ...fields]);
}

test("every BtpFault is reached by an input that has exactly that fault", () => {
  const time = "20171224161432Z";
  const good = encodeFrame(6, 1, [protocol("ilp", 0, "x")]);
  const count = (bytes: number[]): Buffer => {
    const head = Buffer.from([6, 0, 0, 0, 1]);
    return Buffer.concat([head, encodeVar(Buffer.from([...bytes, 0, 0, 0]))]);
  };
  const twice = [protocol("ilp"), protocol("x"), protocol("ilp", 1, "y")];
  const faults: [string, number, Buffer][] = [
    ["none", 0, good],
    ["Type", -1, encodeFrame(3, 1, [])],
    ["Length", -2, Buffer.concat([good.subarray(0, 5), Buffer.from([0x81]), good.subarray(5)])],
    ["Truncated", -3, good.subarray(0, -1)],
    ["Truncated", -3, Buffer.alloc(0)],
    ["Count", -4, count([0])],
    ["Count", -4, count([2, 0, 1])],
    ["TooManyProtocols", -5, encodeFrame(6, 1, numbered(33))],
    ["NotAscii", -6, encodeFrame(6, 1, [protocol("il\xf0")])],
    ["NotAscii", -6, encodeFrame(2, 1, [], errorBody(time, "", "F\xb00"))],
    ["NotAscii", -6, encodeFrame(2, 1, [], errorBody(time, "", "F00", "Na\xefve"))],
    ["Duplicate", -7, encodeFrame(6, 1, twice)],
    ["Timestamp", -8, encodeFrame(2, 1, [], errorBody("20171324161432Z"))],
    ["DataTooLong", -9, encodeFrame(2, 1, [], errorBody(time, "d".repeat(8193)))],
    ["none", 0, encodeFrame(2, 1, [], errorBody(time, "d".repeat(8192)))],
  ];
  for (const [name, status, bytes] of faults) assert.equal(wire.checkFrame(bytes), status, name);
});

test("0 to 32 sub-protocols are accepted and each is found", () => {
  for (let n = 0; n <= 32; n++) {
    assert.equal(wire.checkFrame(encodeFrame(6, 7, numbered(n))), 0);
    assert.equal(wire.frame().protocolCount, n);
    for (let i = 0; i < n; i++) assert.ok(wire.protocol(Buffer.from(`p${i}`)));
    assert.equal(wire.protocol(Buffer.from(`p${n}`)), undefined);
  }
});

test("a duplicate is seen in every pair of positions (BTP-09)", () => {
  for (let a = 0; a < 32; a++) {
    for (let b = a + 1; b < 32; b++) {
      const list = numbered(32);
      list[b]!.name = list[a]!.name;
      assert.equal(wire.checkFrame(encodeFrame(6, 7, list)), -7);
    }
  }
});

test("the ILP packet is the primary sub-protocol ilp of type 0, and no other (BTP-10)", () => {
  const ilp = (list: Protocol[]): string | undefined => {
    assert.equal(wire.checkFrame(encodeFrame(6, 7, list)), 0);
    const f = wire.frame();
    return f.ilp === 0 ? undefined : wire.bytes(f.ilp!, f.ilpLength!).toString();
  };
  assert.equal(ilp([protocol("ilp", 0, "abc")]), "abc");
  assert.equal(ilp([protocol("ilp", 0, "")]), "");
  assert.equal(ilp([protocol("ilp", 0, "abc"), protocol("x", 2, "{}")]), "abc");
  assert.equal(ilp([protocol("ilp", 1, "abc")]), undefined);
  assert.equal(ilp([protocol("x"), protocol("ilp", 0, "abc")]), undefined);
  assert.equal(ilp([protocol("ilpx", 0, "abc")]), undefined);
  assert.equal(ilp([protocol("il", 0, "abc")]), undefined);
  assert.equal(ilp([]), undefined);
});

test("headers in front of packets of every size to 1000 and around the length forms", () => {
  const sizes = [
    ...Array.from({ length: 1000 }, (_, i) => i),
    ...[32806, 33857, 41997, 65500, 65526, 65527, 65528, 65535, 65536, 65537, 66571],
  ];
  for (const [name, build] of builds) {
    for (const n of sizes) {
      const packet = Buffer.alloc(n, 0x61);
      const at = build.put(packet, 64);
      build.memory.fill(0xa5, at - 64, at);
      const type = n % 2 === 0 ? 1 : 6;
      const expected = encodeFrame(type, 0xfedcba98, [
        { name: "ilp", contentType: 0, data: packet },
      ]);
      const frame = build.call("writeHeader", at, n, type, 0xfedcba98);
      assert.equal(at - frame, build.call("headerSize", n), name);
      assert.ok(at - frame <= 20);
      assert.ok(build.bytes(frame, expected.length).equals(expected), `${name} ${n}`);
      assert.ok(build.bytes(at - 64, 64 - (at - frame)).every((byte) => byte === 0xa5));
    }
  }
  assert.equal(wire.call("headerSize", 41997), 18);
});

test("errors are written for every size of data, with three fraction digits (BTP-15)", () => {
  const ms = Date.parse("2026-11-23T19:08:53.000Z");
  for (const n of [0, 1, 80, 127, 128, 200, 255, 256, 8191, 8192]) {
    const data = Buffer.alloc(n, 0x64);
    const out = wire.buffer + 65536;
    const at = [wire.put(Buffer.from("T00")), wire.put(data, 64)] as const;
    wire.memory.fill(0xa5, out, out + n + 128);
    const size = wire.call("writeError", out, 9, 0x303054, at[0], 3, BigInt(ms), at[1], n);
    const body = errorBody("20261123190853.000Z", data.toString(), "T00", "T00");
    assert.ok(wire.bytes(out, size).equals(encodeFrame(2, 9, [], body)));
    assert.equal(wire.memory[out + size], 0xa5);
  }
});

test(`random frames and their mutations agree with the reference, seed ${seed}`, () => {
  const below = random(seed);
  const names = ["ilp", "auth", "auth_token", "x", "", "ilp", "custom", "a".repeat(130)];
  for (let i = 0; i < 20000; i++) {
    const list = Array.from({ length: below(5) }, () =>
      protocol(names[below(names.length)]!, below(4), "d".repeat(below(3) * 70)),
    );
    const type = [1, 2, 6, 7, 8][below(5)]!;
    let body = Buffer.alloc(0);
    if (type === 2) body = Buffer.from(errorBody("20161231235960.8Z"));
    if (type === 7) body = encodeUint(BigInt(below(2 ** 32)) << 30n, 8) as Buffer<ArrayBuffer>;
    const bytes = Buffer.concat([
      encodeFrame(type, below(2 ** 32), list, body),
      Buffer.alloc(below(3)),
    ]);
    for (let n = below(3); n > 0; n--) bytes[below(bytes.length)] = below(256);
    const expected = verdict(decodeFrame, bytes);
    const status = wire.checkFrame(bytes, 0x80);
    assert.equal(status === 0, expected !== undefined, bytes.toString("hex"));
    if (expected === undefined) continue;
    const f = wire.frame();
    assert.equal(f.amount, expected.amount ?? 0n);
    assert.equal(f.requestId, expected.requestId);
    assert.equal(f.size, expected.size);
    if (expected.protocols.length === 0) continue;
    const size = encodeProtocols(expected.protocols).length - 2;
    const found = wire.bytes(f.protocols!, size);
    assert.ok(found.equals(encodeProtocols(expected.protocols).subarray(2)));
  }
});
