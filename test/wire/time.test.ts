// Timestamps, exhaustively (OER-13..18, D3): every day of the years 0000 to 9999, every value of
// every field.
import assert from "node:assert/strict";
import { test } from "node:test";
import { timestampMs, timestampText, verdict } from "../support/reference/ilp.js";
import { BAD_TIME, Wire, builds, random, seed } from "./harness.js";

const [, wire] = builds[0]!;
const DAY_MS = 86400000;
const FIRST_MS = timestampMs("00000101000000000");
const LAST_MS = timestampMs("99991231235959999");

function parse(text: string | Buffer): bigint {
  const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
  return wire.w.parseTimestamp(wire.putLast(bytes, 0x30) as never) as bigint;
}

function write(ms: number): string {
  wire.call("writeTimestamp", wire.buffer, BigInt(ms));
  return wire.bytes(wire.buffer, 17).toString("latin1");
}

test("every day of the years 0000 to 9999 follows the day before and is written back", () => {
  const lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  const at = wire.put(Buffer.from("00000101000000000"));
  const out = wire.buffer + 64;
  let day = FIRST_MS / DAY_MS;
  for (let year = 0; year < 10000; year++) {
    const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
    for (let month = 1; month <= 12; month++) {
      const count = lengths[month - 1]! + (leap && month === 2 ? 1 : 0);
      const prefix = String(year).padStart(4, "0") + String(month).padStart(2, "0");
      for (let date = 0; date <= 32; date++) {
        wire.memory.write(prefix + String(date).padStart(2, "0"), at, "latin1");
        const ms = wire.w.parseTimestamp(at as never) as bigint;
        if (date === 0 || date > count) {
          if (ms !== BAD_TIME) assert.fail(`accepts ${prefix} day ${date}`);
          continue;
        }
        if (ms !== BigInt(day * DAY_MS)) assert.fail(`${prefix} day ${date} is ${ms}`);
        wire.call("writeTimestamp", out, ms);
        if (wire.memory.compare(wire.memory, at, at + 17, out, out + 17) !== 0) {
          assert.fail(`${prefix} day ${date} is written ${wire.bytes(out, 17)}`);
        }
        day++;
      }
    }
  }
  assert.equal(day, Math.floor(LAST_MS / DAY_MS) + 1);
});

test("every value 00 to 99 of month, day, hour, minute and second", () => {
  const base = "20240115123456789";
  const ranges: [string, number, number, number][] = [
    ["month", 4, 1, 12],
    ["day", 6, 1, 31],
    ["hour", 8, 0, 23],
    ["minute", 10, 0, 59],
    ["second", 12, 0, 59],
  ];
  for (const [name, at, first, last] of ranges) {
    for (let value = 0; value < 100; value++) {
      const text = base.slice(0, at) + String(value).padStart(2, "0") + base.slice(at + 2);
      const expected = value >= first && value <= last ? BigInt(timestampMs(text)) : BAD_TIME;
      assert.equal(parse(text), expected, `${name} ${value}`);
    }
  }
});

test("every byte value in every position: digits only", () => {
  const base = Buffer.from("20240115123456789");
  for (let at = 0; at < 17; at++) {
    for (let byte = 0; byte < 256; byte++) {
      const bytes = Buffer.from(base);
      bytes[at] = byte;
      const expected = verdict((b) => BigInt(timestampMs(b.toString("latin1"))), bytes);
      assert.equal(parse(bytes), expected ?? BAD_TIME, `byte ${byte} at ${at}`);
    }
  }
});

test("a fresh core accepts no zeros in place of a date", () => {
  // The day cache starts as zeros, which must mean a real day and nothing else.
  for (const [text, expected] of [
    ["\0".repeat(8) + "000000000", BAD_TIME],
    ["19700101000000000", 0n],
    ["\0".repeat(17), BAD_TIME],
  ] as const) {
    const fresh = new Wire(false);
    const at = fresh.putLast(Buffer.from(text, "latin1"));
    assert.equal(fresh.w.parseTimestamp(at as never) as bigint, expected);
  }
});

test("a refused date does not disturb the cached one", () => {
  assert.equal(parse("20240115000000001"), BigInt(timestampMs("20240115000000001")));
  assert.equal(parse("20240132000000001"), BAD_TIME);
  assert.equal(parse("20240115000000002"), BigInt(timestampMs("20240115000000002")));
  assert.equal(parse("20240132000000001"), BAD_TIME);
});

test("every millisecond of a second, every second of a day, both sides of midnight", () => {
  const start = timestampMs("20240229000000000");
  for (let i = 0; i < 1000; i++) assert.equal(write(start + i), timestampText(start + i));
  for (let i = 0; i < 86400; i++) {
    const text = write(start + i * 1000 + 999);
    assert.equal(parse(text), BigInt(start + i * 1000 + 999));
    if (i % 61 === 0) assert.equal(text, timestampText(start + i * 1000 + 999));
  }
  for (const ms of [-1, 0, 1, -DAY_MS, -DAY_MS - 1, DAY_MS - 1, DAY_MS, FIRST_MS, LAST_MS]) {
    assert.equal(write(ms), timestampText(ms));
    assert.equal(parse(timestampText(ms)), BigInt(ms));
  }
});

test(`random instants in all three forms, seed ${seed}`, () => {
  const below = random(seed);
  for (let i = 0; i < 30000; i++) {
    const day = FIRST_MS + below((LAST_MS + 1 - FIRST_MS) / DAY_MS) * DAY_MS;
    const ms = day + below(DAY_MS);
    const text = timestampText(ms);
    assert.equal(write(ms), text);
    assert.equal(parse(text), BigInt(ms));
    assert.equal(wire.call("writeIso", wire.buffer, BigInt(ms)), 24);
    assert.equal(wire.bytes(wire.buffer, 24).toString(), new Date(ms).toISOString());
    assert.equal(wire.call("writeGeneralizedTime", wire.buffer, BigInt(ms)), 19);
    const general = `${text.slice(0, 14)}.${text.slice(14)}Z`;
    assert.equal(wire.bytes(wire.buffer, 19).toString(), general);
    assert.equal(wire.call("checkGeneralizedTime", wire.buffer, 19), 1);
  }
});

test("GeneralizedTime: the forms of RFC 30 and of btp-packet, nothing else (OER-18, D9)", () => {
  const check = (text: string): boolean => {
    const bytes = Buffer.from(text, "latin1");
    return wire.call("checkGeneralizedTime", wire.putLast(bytes, 0x5a), bytes.length) === 1;
  };
  const good = [
    "20171224161432Z",
    "20171224161432.2Z",
    "20171224161432.27Z",
    "20171224161432.279Z",
    "20171224161432.000Z",
    "20171224161432.0Z",
    "20171224161432.270Z",
    "20161231235960Z",
    "20161231235960.852Z",
    "20160229000000Z",
  ];
  const bad = [
    "",
    "Z",
    "20171224161432",
    "20171224161432.Z",
    "20171224161432.2791Z",
    "20171224161432,279Z",
    "20171224161432.279",
    "20171224161432.279+0000",
    "20171224161432.279z",
    "20171324161432Z",
    "20171232161432Z",
    "20170229161432Z",
    "20171224241432Z",
    "20171224166032Z",
    "20171224161461Z",
    "20171224161460Z",
    "20171224235961Z",
    "2017122416143Z",
    "20171224161432 Z",
    "20171224161432.2 Z",
    "20171224161432.-1Z",
    "x0171224161432Z",
    "20171224161432.279ZZ",
    "20171224 61432Z",
  ];
  for (const text of good) assert.ok(check(text), text);
  for (const text of bad) assert.ok(!check(text), text);
});
