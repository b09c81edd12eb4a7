// The wire layer and the JavaScript libraries that peers run, side by side: `ilp-packet`,
// `btp-packet`, `ilp-protocol-ildcp`, `oer-utils`. Where they differ, the RFC sides with the core;
// every difference is listed here and in README.md, and a new one, or one gone, is a failure.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as Btp from "btp-packet";
import * as Ilp from "ilp-packet";
import * as Ildcp from "ilp-protocol-ildcp";
import { Reader, Writer } from "oer-utils";
import { decode, encode, timestampText, type Packet } from "../support/reference/ilp.js";
import { BAD_LENGTH, builds, random, seed, vectors, type Vector } from "./harness.js";

const [, wire] = builds[1]!;

/** Result of a library call, or undefined when it throws. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/** ilp-packet takes what the RFCs forbid; status is the core's Fault. */
const ilpLaxer: Record<string, [number, string]> = {
  "V-ENV-25": [-3, "length of 5 bytes with leading zeros (a 32-bit shift wraps)"],
  "V-TS-02": [-5, "month 13"],
  "V-TS-03": [-5, "month 00"],
  "V-TS-04": [-5, "day 00"],
  "V-TS-05": [-5, "day 32"],
  "V-TS-09": [-5, "29 February 2100"],
  "V-TS-11": [-5, "31 April"],
  "V-TS-12": [-5, "24:00:00"],
  "V-TS-13": [-5, "24:00:00.001"],
  "V-TS-14": [-5, "hour 25"],
  "V-TS-15": [-5, "minute 60"],
  "V-TS-16": [-5, "second 60 at a leap second"],
  "V-TS-17": [-5, "second 60 elsewhere"],
  "V-TS-22": [-5, '"1e2" read as a number'],
  "V-TS-23": [-5, '"0x9" read as a number'],
  "V-TS-26": [-5, "decimal point"],
  "V-TS-27": [-5, "minus sign"],
  "V-TS-28": [-5, "seventeen spaces"],
  "V-TS-37": [-5, "month and day 00"],
  "V-ADR-21": [-6, "letter with the top bit set"],
  "V-DAT-03": [-7, "data of 32769 bytes"],
  "V-DAT-04": [-7, "data of 65536 bytes"],
  "V-DAT-11": [-3, "data length of 5 bytes with leading zeros"],
  "V-REJ-14": [-9, "message of 8192 bytes"],
  "V-REJ-18": [-7, "Reject data of 32768 bytes"],
  "V-REJ-22": [-10, "triggeredBy with the top bit set"],
};
/** ilp-packet refuses what the RFCs allow. */
const ilpStricter: Record<string, string> = { "V-TS-31": "the instant 1970-01-01T00:00:00.000Z" };
/** Both accept, but ilp-packet reads another instant. */
const ilpMisread: Record<string, string> = {
  "V-TS-33": "year 0001 read as 1901",
  "V-TS-34": "year 0000 read as 1900",
  "V-TS-35": "year 0099 read as 1999",
};

/** Both accepted: every field must agree, but for the instants named in `ilpMisread`. */
function sameFields(
  ours: Packet,
  theirs: ReturnType<typeof Ilp.deserializeIlpPacket>["data"],
): boolean {
  const data = theirs as unknown as Record<string, string & Buffer & Date>;
  assert.ok(ours.data.equals(data.data!));
  if (ours.type === 13) return ours.fulfillment.equals(data.fulfillment!);
  if (ours.type === 14) {
    assert.equal(data.code, ours.code.toString("latin1"));
    assert.equal(data.triggeredBy, ours.triggeredBy);
    return data.message === ours.message.toString("utf8");
  }
  assert.equal(data.amount, ours.amount.toString());
  assert.equal(data.destination, ours.destination);
  assert.ok(ours.condition.equals(data.executionCondition!));
  return data.expiresAt!.getTime() === ours.expiresAtMs;
}

function packetDifference(bytes: Buffer): string {
  const status = wire.check(bytes);
  const theirs = attempt(() => Ilp.deserializeIlpPacket(bytes));
  if (status !== 0) return theirs === undefined ? "none" : `laxer ${status}`;
  if (theirs === undefined) return "stricter";
  return sameFields(wire.packet().packet, theirs.data) ? "none" : "misread";
}

test("ilp-packet on every vector: exactly the listed differences", () => {
  const differs: Record<string, string> = {};
  for (const v of vectors("ilp/")) {
    const difference = packetDifference(v.bytes);
    if (difference !== "none") differs[v.id] = difference;
  }
  const laxer = Object.entries(ilpLaxer).map(([id, [status]]) => [id, `laxer ${status}`]);
  const stricter = Object.keys(ilpStricter).map((id) => [id, "stricter"]);
  const misread = Object.keys(ilpMisread).map((id) => [id, "misread"]);
  assert.deepEqual(differs, Object.fromEntries([...laxer, ...stricter, ...misread]));
});

test(`ilp-packet on random packets: same bytes written, same fields read, seed ${seed}`, () => {
  const below = random(seed);
  const bytes = (n: number): Buffer => Buffer.from(Array.from({ length: n }, () => below(256)));
  for (let i = 0; i < 6000; i++) {
    const address = "test." + "x".repeat(1 + below(below(4) === 0 ? 1018 : 60));
    const data = bytes(below(4) === 0 ? below(400) : below(40));
    const ms = Date.parse("1971-01-01T00:00:00Z") + below(2 ** 31) * 100;
    const [amount, condition, code] = [bytes(8).readBigUInt64BE(), bytes(32), "T04"];
    const packets: [Packet, Buffer][] = [
      [
        {
          type: 12,
          amount,
          expiresAt: timestampText(ms),
          expiresAtMs: ms,
          condition,
          destination: address,
          data,
        },
        Ilp.serializeIlpPrepare({
          amount: amount.toString(),
          expiresAt: new Date(ms),
          executionCondition: condition,
          destination: address,
          data,
        }),
      ],
      [
        { type: 13, fulfillment: condition, data },
        Ilp.serializeIlpFulfill({ fulfillment: condition, data }),
      ],
      [
        {
          type: 14,
          code: Buffer.from(code),
          triggeredBy: address,
          message: Buffer.from("é"),
          data,
        },
        Ilp.serializeIlpReject({ code, triggeredBy: address, message: "é", data }),
      ],
    ];
    const [packet, theirs] = packets[i % 3]!;
    assert.ok(encode(packet).equals(theirs));
    assert.equal(packetDifference(theirs), "none");
  }
});

test(`ilp-packet on mutated packets: differences of the listed kinds only, seed ${seed}`, () => {
  const below = random(seed);
  const sources = vectors("ilp/").filter((v) => v.bytes.length > 2 && v.bytes.length < 2000);
  // Where the library is laxer the core names one of these; -1, -2, -4 would be a difference of
  // framing, of which the only known one is a length of 4 or more bytes (Fault.Length).
  const laxer = new Set([-3, -5, -6, -7, -8, -9, -10].map((status) => `laxer ${status}`));
  for (let i = 0; i < 30000; i++) {
    const v = sources[below(sources.length)]!;
    const bytes = Buffer.from(v.bytes);
    for (let n = 1 + below(2); n > 0; n--) bytes[below(bytes.length)] = below(256);
    const difference = packetDifference(bytes);
    if (difference === "none" || laxer.has(difference)) continue;
    // Years below 0100, the epoch itself, or a message that is not UTF-8.
    const { packet } = decode(bytes);
    const old =
      packet.type === 12 && (packet.expiresAtMs === 0 || packet.expiresAt.startsWith("00"));
    assert.ok(old, `${difference}: ${bytes.toString("hex")}`);
  }
});

/** btp-packet takes what RFC 23 and RFC 30 forbid; status is the core's BtpFault. */
const btpLaxer: Record<string, [number, string]> = {
  "V-BTP-18": [-6, "name whose top bit is masked away"],
  "V-BTP-19": [-6, "name in UTF-8"],
  "V-BTP-22": [-7, "duplicate sub-protocol names"],
  "V-BTP-30": [-8, "Error in month 13 (an invalid Date)"],
  "V-BTP-33": [-9, "Error data of 8193 bytes"],
};
/** Both accept, but btp-packet reads an invalid Date. */
const btpMisread = ["V-BTP-26", "V-BTP-29"];

function compareBtp(v: Vector): string {
  const status = wire.checkFrame(v.bytes);
  const theirs = attempt(() => Btp.deserialize(v.bytes));
  if (status !== 0) return theirs === undefined ? "none" : `laxer ${status}`;
  if (theirs === undefined) return "stricter";
  const f = wire.frame();
  assert.equal(f.requestId, theirs.requestId);
  const list = theirs.data.protocolData;
  assert.equal(f.protocolCount, list.length);
  for (const item of list) {
    const found = wire.protocol(Buffer.from(item.protocolName))!;
    assert.equal(found.contentType, item.contentType);
    assert.ok(wire.bytes(found.data!, found.dataLength!).equals(item.data));
  }
  if ("amount" in theirs.data) assert.equal(f.amount.toString(), theirs.data.amount);
  if (!("triggeredAt" in theirs.data)) return "none";
  return Number.isNaN(new Date(theirs.data.triggeredAt).getTime()) ? "misread" : "none";
}

test("btp-packet on every vector: exactly the listed differences", () => {
  const differs: Record<string, string> = {};
  for (const v of vectors("btp")) {
    const difference = compareBtp(v);
    if (difference !== "none") differs[v.id] = difference;
  }
  const laxer = Object.entries(btpLaxer).map(([id, [status]]) => [id, `laxer ${status}`]);
  const misread = btpMisread.map((id) => [id, "misread"]);
  assert.deepEqual(differs, Object.fromEntries([...laxer, ...misread]));
});

test("btp-packet reads what the core writes, and the core what btp-packet writes", () => {
  const packet = Buffer.from("0e06463032000000", "hex");
  const out = wire.buffer + 1024;
  for (const type of [Btp.TYPE_MESSAGE, Btp.TYPE_RESPONSE] as const) {
    const protocolData = [{ protocolName: "ilp", contentType: 0, data: packet }];
    const at = wire.call("writeHeader", wire.put(packet, 1024), packet.length, type, 77);
    const frame = wire.bytes(at, out + packet.length - at);
    assert.deepEqual(frame, Btp.serialize({ type, requestId: 77, data: { protocolData } }));
  }
  const size = wire.call("writeEmptyResponse", out, 5);
  assert.deepEqual(wire.bytes(out, size), Btp.serializeResponse(5, []));
  const time = "2026-11-23T19:08:53.120Z";
  const error = { code: "F00", name: "NotAcceptedError", triggeredAt: new Date(time), data: "no" };
  const theirs = Btp.serializeError(error as never, 9, []);
  const name = wire.put(Buffer.from(error.name));
  const data = wire.put(Buffer.from("no"), 100);
  const ms = BigInt(Date.parse(time));
  const written = wire.call("writeError", out, 9, 0x303046, name, 16, ms, data, 2);
  assert.deepEqual(wire.bytes(out, written), theirs);
});

test("ilp-protocol-ildcp: same responses, each reads the other", () => {
  for (const [address, scale, code] of [
    ["g.a", 0, ""],
    ["test.x.y", 9, "XRP"],
    ["g.z", 255, "€"],
  ] as const) {
    const theirs = Ildcp.serializeIldcpResponse({
      clientAddress: address,
      assetScale: scale,
      assetCode: code,
    });
    const bytes = Buffer.from(code);
    const out = wire.buffer + 4096;
    const [a, c] = [wire.put(Buffer.from(address)), wire.put(bytes, 2000)];
    const size = wire.call("writeResponse", out, a, address.length, scale, c, bytes.length);
    assert.deepEqual(wire.bytes(out, size), theirs);
    assert.equal(wire.checkResponse(decode(theirs).packet.data), 0);
    assert.deepEqual(wire.response(), { address, scale, code: bytes });
  }
});

test("ilp-protocol-ildcp on every vector: laxer on an address with the top bit set only", () => {
  const differs: Record<string, number> = {};
  for (const v of vectors("ildcp")) {
    const status = wire.checkResponse(v.bytes);
    const fulfillment = Buffer.alloc(32);
    const reply = encode({ type: 13, fulfillment, data: v.bytes });
    const theirs = attempt(() => Ildcp.deserializeIldcpResponse(reply));
    if ((status === 0) !== (theirs !== undefined)) differs[v.id] = status;
  }
  assert.deepEqual(differs, { "V-ILD-09": -4 });
});

test(`ilp-protocol-ildcp: its requests are requests`, () => {
  const request = Ildcp.serializeIldcpRequest({ expiresAt: new Date(2 ** 40) });
  assert.equal(wire.check(request), 0);
  assert.equal(wire.call("isRequest"), 1);
  assert.equal(wire.call("checkRequest"), 0);
});

test(`oer-utils: lengths are written alike and read alike up to 3 bytes, seed ${seed}`, () => {
  const below = random(seed);
  for (let n = 0; n < 70000; n += 1 + below(300)) {
    const writer = new Writer();
    writer.writeVarOctetString(Buffer.alloc(n));
    const theirs = writer.getBuffer();
    const size = wire.call("writeLength", wire.buffer, n);
    assert.ok(wire.bytes(wire.buffer, size).equals(theirs.subarray(0, theirs.length - n)));
  }
  for (let i = 0; i < 30000; i++) {
    const bytes = Buffer.alloc(1 + below(300));
    for (let k = 0; k < 10 && k < bytes.length; k++) bytes[k] = below(3) === 0 ? 0 : below(256);
    if (below(2) === 0) bytes[0] = 0x80 + below(10);
    const theirs = attempt(() => Reader.from(bytes).readVarOctetString().length);
    const at = wire.putLast(bytes, 0xff);
    const result = wire.w.readLength(at as never, (at + bytes.length) as never) as bigint;
    const ours = result === BAD_LENGTH ? undefined : Number(result & 0xffffffffn);
    if (ours !== theirs) assert.ok(bytes[0]! > 0x83 && ours === undefined, bytes.toString("hex"));
  }
});
