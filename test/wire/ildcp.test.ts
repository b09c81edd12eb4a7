// ILDCP (RFC 31; CFG-01..06, CFG-10): what is a request, and responses of every size.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  ADDRESS,
  decode,
  encode,
  encodeVar,
  timestampText,
  type Prepare,
} from "../support/reference/ilp.js";
import { builds } from "./harness.js";

const [, wire] = builds[0]!;
const zeros = Buffer.alloc(32);
const ms = Date.parse("2026-11-23T19:09:53.123Z");
const request: Prepare = {
  type: 12,
  amount: 0n,
  expiresAt: timestampText(ms),
  expiresAtMs: ms,
  condition: createHash("sha256").update(zeros).digest(),
  destination: "peer.config",
  data: Buffer.alloc(0),
};

function judge(packet: Prepare): [boolean, number] {
  assert.equal(wire.check(encode(packet), 0x61), 0);
  return [wire.call("isRequest") === 1, wire.call("checkRequest")];
}

test("a request is a Prepare to exactly peer.config", () => {
  assert.deepEqual(judge(request), [true, 0]);
  const others = [
    "peer.confih",
    "peer.confi",
    "peer.config.a",
    "peer.Config",
    "peer.settle",
    "g.config12",
  ];
  for (const destination of others) {
    assert.ok(ADDRESS.test(destination));
    assert.equal(judge({ ...request, destination })[0], false, destination);
  }
});

test("a request with money or another condition is refused (CFG-01, CFG-04)", () => {
  for (const amount of [1n, 2n ** 32n, 2n ** 63n]) {
    assert.deepEqual(judge({ ...request, amount }), [true, -1]);
  }
  for (let bit = 0; bit < 256; bit++) {
    const condition = Buffer.from(request.condition);
    condition[bit >> 3]! ^= 1 << (bit & 7);
    assert.deepEqual(judge({ ...request, condition }), [true, -2]);
  }
  assert.deepEqual(judge({ ...request, data: Buffer.from("later fields") }), [true, 0]);
});

test("the peer fulfillment is 32 zero bytes and nothing else (CFG-06)", () => {
  const at = wire.putLast(Buffer.alloc(32), 0xff);
  assert.equal(wire.call("isPeerFulfillment", at), 1);
  for (let bit = 0; bit < 256; bit++) {
    wire.memory[at + (bit >> 3)] = 1 << (bit & 7);
    assert.equal(wire.call("isPeerFulfillment", at), 0);
    wire.memory[at + (bit >> 3)] = 0;
  }
});

test("responses of every size are written whole, and read back (CFG-02)", () => {
  for (let n = 3; n <= 1023; n++) {
    const address = Buffer.from("g." + "c".repeat(n - 2));
    const code = Buffer.from("é".repeat(n % 128));
    const out = wire.buffer + 16384;
    wire.memory.fill(0xa5, out, out + 2048);
    const [a, c] = [wire.put(address), wire.put(code, 8192)];
    const size = wire.call("writeResponse", out, a, n, n % 256, c, code.length);
    const bytes = wire.bytes(out, size);
    assert.equal(wire.memory[out + size], 0xa5);
    const data = Buffer.concat([encodeVar(address), Buffer.from([n % 256]), encodeVar(code)]);
    assert.ok(bytes.equals(encode({ type: 13, fulfillment: zeros, data })));
    assert.deepEqual(decode(bytes).packet.data, data);
    assert.equal(wire.checkResponse(data, 0x80), 0);
    assert.deepEqual(wire.response(), { address: address.toString(), scale: n % 256, code });
  }
});

test("every IldcpFault of a response is reached by an input that has exactly that fault", () => {
  const response = (address: string, code: Buffer): Buffer =>
    Buffer.concat([encodeVar(Buffer.from(address, "latin1")), Buffer.from([9]), encodeVar(code)]);
  const good = response("g.a", Buffer.from("XRP"));
  assert.equal(wire.checkResponse(good), 0);
  assert.equal(wire.checkResponse(Buffer.concat([good, Buffer.from("more")])), 0);
  for (let n = 0; n < good.length; n++) assert.equal(wire.checkResponse(good.subarray(0, n)), -3);
  assert.equal(wire.checkResponse(response("g", Buffer.from("XRP"))), -4);
  assert.equal(wire.checkResponse(response("g.a", Buffer.from([0xff, 0xfe]))), -5);
});
