// Every vector, its truncations and single-bit flips, in both builds, against column `core` and
// against the reference decoders (ILP-01..11, OER-02..19, ADR-01..04, BTP-09..17, CFG-10).
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeFrame, type Frame } from "../support/reference/btp.js";
import { decode, decodeIldcp, encode, verdict } from "../support/reference/ilp.js";
import { builds, vectors, type Vector, type Wire } from "./harness.js";

/** Compares one build with the reference on one input; returns whether it was accepted. */
function comparePacket(wire: Wire, bytes: Buffer, filling: number): boolean {
  const status = wire.check(bytes, filling);
  const expected = verdict(decode, bytes);
  assert.equal(status === 0, expected !== undefined, `status ${status}`);
  assert.ok(status <= 0 && status >= -10);
  if (expected === undefined) return false;
  const actual = wire.packet();
  assert.deepEqual(actual.packet, expected.packet);
  assert.equal(actual.size, bytes.length - expected.outer.length);
  assert.equal(actual.contentEnd - actual.end, expected.inner.length);
  assert.deepEqual(encode(actual.packet, expected.inner), bytes.subarray(0, actual.size));
  return true;
}

function compareFrame(wire: Wire, bytes: Buffer, filling: number): boolean {
  const status = wire.checkFrame(bytes, filling);
  const expected = verdict(decodeFrame, bytes);
  assert.equal(status === 0, expected !== undefined, `status ${status}`);
  assert.ok(status <= 0 && status >= -9);
  if (expected !== undefined) matchFrame(wire, expected);
  return expected !== undefined;
}

function matchFrame(wire: Wire, expected: Frame): void {
  const f = wire.frame();
  const primary = expected.protocols[0];
  assert.equal(f.type, expected.type);
  assert.equal(f.requestId, expected.requestId);
  assert.equal(f.size, expected.size);
  assert.equal(f.protocolCount, expected.protocols.length);
  assert.equal(f.amount, expected.amount ?? 0n);
  const name = wire.bytes(f.primary!, f.primaryLength!).toString("latin1");
  assert.equal(name, primary?.name ?? "");
  assert.equal(f.primaryType, primary?.contentType ?? 0);
  const hasIlp = primary?.name === "ilp" && primary.contentType === 0;
  assert.equal(f.ilp !== 0, hasIlp);
  if (hasIlp) assert.deepEqual(wire.bytes(f.ilp!, f.ilpLength!), primary.data);
  if (expected.error !== undefined) {
    const code = Buffer.from([f.code!, f.code! >> 8, f.code! >> 16]).toString("latin1");
    assert.equal(code, expected.error.code);
    assert.equal(wire.bytes(f.name!, f.nameLength!).toString("latin1"), expected.error.name);
    assert.deepEqual(wire.bytes(f.errorData!, f.errorDataLength!), expected.error.data);
  }
  for (const protocol of expected.protocols) {
    const found = wire.protocol(Buffer.from(protocol.name, "latin1"));
    assert.ok(found);
    assert.equal(found.contentType, protocol.contentType);
    assert.deepEqual(wire.bytes(found.data!, found.dataLength!), protocol.data);
  }
  assert.equal(wire.protocol(Buffer.from("not there")), undefined);
}

function compareResponse(wire: Wire, bytes: Buffer, filling: number): boolean {
  const status = wire.checkResponse(bytes, filling);
  const expected = verdict(decodeIldcp, bytes);
  assert.equal(status === 0, expected !== undefined, `status ${status}`);
  if (expected !== undefined) assert.deepEqual(wire.response(), expected);
  return expected !== undefined;
}

type Compare = (wire: Wire, bytes: Buffer, filling: number) => boolean;
const groups: [string, Compare, number][] = [
  ["ilp/", comparePacket, 111],
  ["btp", compareFrame, 27],
  ["ildcp", compareResponse, 6],
];

/** Protocol rules that the codec alone meets in part: V-BTP-22 it refuses, V-BTP-23 it cannot. */
const sessionRules: Record<string, boolean> = { "V-BTP-22": false, "V-BTP-23": true };

function expectation(v: Vector): boolean {
  if (v.core === "session-error") return sessionRules[v.id]!;
  assert.ok(v.core === "ACC" || v.core === "REJ", `${v.id}: unknown verdict ${v.core}`);
  return v.core === "ACC";
}

function describe(v: Vector, change: string): (error: unknown) => never {
  return (error) => {
    throw new Error(`${v.id} (${v.description}), ${change}`, { cause: error });
  };
}

function attempt(v: Vector, change: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    describe(v, change)(error);
  }
}

/** Positions to cut or flip: all of a small input; of a large one its ends and a stride. */
function positions(length: number): number[] {
  const all = Array.from({ length }, (_, i) => i);
  return length <= 512 ? all : all.filter((i) => i < 80 || i >= length - 24 || i % 4099 === 0);
}

for (const [group, compare, count] of groups) {
  for (const [name, wire] of builds) {
    test(`${group}: every vector has the verdict of column core (${name})`, () => {
      const list = vectors(group);
      assert.equal(list.length, count);
      for (const v of list) {
        for (const filling of [0, 0x2e, 0x61, 0xff]) {
          attempt(v, `surrounded by ${filling}`, () =>
            assert.equal(compare(wire, v.bytes, filling), expectation(v)),
          );
        }
      }
    });

    test(`${group}: truncations and single-bit flips agree with the reference (${name})`, () => {
      for (const v of vectors(group)) {
        for (const at of positions(v.bytes.length)) {
          attempt(v, `cut at ${at}`, () => compare(wire, v.bytes.subarray(0, at), 0));
          for (let bit = 0; bit < 8; bit++) {
            const bytes = Buffer.from(v.bytes);
            bytes[at]! ^= 1 << bit;
            attempt(v, `bit ${bit} of byte ${at} flipped`, () => compare(wire, bytes, 0));
          }
        }
      }
    });
  }
}

test("a check writes its record and nothing else", () => {
  for (const [, wire] of builds) {
    const view = wire.call("view");
    const checks: [string, Vector[]][] = [
      ["check", vectors("ilp/")],
      ["checkFrame", vectors("btp")],
      ["checkResponse", vectors("ildcp")],
    ];
    for (const [verb, list] of checks) {
      for (const v of list) {
        const at = wire.put(v.bytes, 64);
        // Once to settle the day caches, then compared: they are the only memory of the wire layer.
        wire.call(verb, at, v.bytes.length);
        const before = Buffer.from(wire.memory.subarray(0, wire.call("end")));
        wire.call(verb, at, v.bytes.length);
        const after = Buffer.from(wire.memory.subarray(0, wire.call("end")));
        before.fill(0, view, view + 128);
        after.fill(0, view, view + 128);
        assert.ok(before.equals(after), v.id);
      }
    }
  }
});

test("fields that a frame does not have are zero", () => {
  const [, wire] = builds[0]!;
  const error = vectors("btp").find((v) => v.id === "V-BTP-25")!;
  wire.checkFrame(error.bytes);
  const message = vectors("btp").find((v) => v.id === "V-BTP-20")!;
  assert.equal(wire.checkFrame(message.bytes), 0);
  const f = wire.frame();
  assert.deepEqual([f.code, f.name, f.nameLength, f.errorData, f.errorDataLength], [0, 0, 0, 0, 0]);
  assert.equal(f.ilp, 0);
});
