// Addresses and prefixes (ADR-01..06) against a regular expression, in both builds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ADDRESS, PREFIX } from "../support/reference/ilp.js";
import { builds, random, seed, vectors } from "./harness.js";

const SCHEMES = [
  "g",
  "private",
  "example",
  "peer",
  "self",
  "local",
  "test",
  "test1",
  "test2",
  "test3",
];
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~-";

function compare(bytes: Buffer, filling: number): void {
  const text = bytes.toString("latin1");
  for (const [name, wire] of builds) {
    const at = wire.putLast(bytes, filling);
    const address = wire.call("checkAddress", at, bytes.length) === 1;
    if (address !== ADDRESS.test(text)) assert.fail(`${name}: address ${JSON.stringify(text)}`);
    const prefix = wire.call("checkPrefix", at, bytes.length) === 1;
    if (prefix !== PREFIX.test(text)) assert.fail(`${name}: prefix ${JSON.stringify(text)}`);
    const scheme = SCHEMES.indexOf(text.split(".", 1)[0]!) + 1;
    if (wire.call("scheme", at, bytes.length) !== scheme) {
      assert.fail(`${name}: scheme of ${JSON.stringify(text)}`);
    }
  }
}

test("every byte value at every position of addresses of many lengths", () => {
  for (const length of [3, 7, 8, 9, 10, 15, 16, 17, 18, 23, 24, 25, 31, 32, 33, 34, 48, 70]) {
    const base = Buffer.from("g." + "abc.defghijk~Z_9-".repeat(9).slice(0, length - 3) + "x");
    for (let at = 0; at < length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const bytes = Buffer.from(base);
        bytes[at] = byte;
        compare(bytes, 0x2e);
      }
    }
  }
});

test("every length from 0 to 1100, whole and with a period at each end (ADR-02, ADR-04)", () => {
  for (let length = 0; length <= 1100; length++) {
    const text = ("test." + "a".repeat(1100)).slice(0, length);
    compare(Buffer.from(text), 0x61);
    if (length > 0) compare(Buffer.from(text.slice(0, -1) + "."), 0x61);
    if (length > 0) compare(Buffer.from("." + text.slice(1)), 0x2e);
    compare(Buffer.from(("g" + ".a".repeat(600)).slice(0, length)), 0x61);
  }
});

test("schemes and what looks like one (ADR-01, ADR-03)", () => {
  const stems = [...SCHEMES, ...SCHEMES.map((s) => s.toUpperCase())];
  const marks = [
    "",
    ".",
    ".a",
    "..a",
    ".a.",
    ".a.b",
    "x",
    "x.a",
    "1.a",
    "0.a",
    "4",
    " .a",
    "\0",
    "\0.a",
  ];
  const others = [
    "",
    ".",
    "a",
    "a.b",
    "test4",
    "test0",
    "test11",
    "gg",
    "tes",
    "privat",
    "privatex",
  ];
  for (const stem of [...stems, ...others]) {
    for (const mark of marks) {
      for (const filling of [0, 0x2e, 0x61, 0xff])
        compare(Buffer.from(stem + mark, "latin1"), filling);
    }
  }
});

test(`random addresses, right and nearly right, seed ${seed}`, () => {
  const below = random(seed);
  const pick = <T>(list: ArrayLike<T>): T => list[below(list.length)]!;
  for (let i = 0; i < 40000; i++) {
    let text: string = pick(SCHEMES);
    const longest = pick([3, 20, 60]);
    for (let n = below(8); n > 0; n--) {
      text += "." + Array.from({ length: 1 + below(longest) }, () => pick(LETTERS)).join("");
    }
    const bytes = Buffer.from(text);
    for (let n = below(3); n > 0 && bytes.length > 0; n--) {
      const at = below(bytes.length);
      bytes[at] = pick([0x2e, 0x2e, 0x61, below(256), bytes[at]! ^ (1 << below(8))]);
    }
    compare(bytes, below(256));
  }
});

test("prefixes match whole segments only (ADR-06)", () => {
  const [, wire] = builds[0]!;
  const matches = (prefix: string, address: string): boolean => {
    const p = wire.put(Buffer.from(prefix), 4096);
    const a = wire.putLast(Buffer.from(address), 0x2e);
    return wire.call("matchesPrefix", p, prefix.length, a, address.length) === 1;
  };
  assert.ok(!matches("test.a", "test.ab"));
  assert.ok(!matches("g.al", "g.alice"));
  const below = random(seed);
  for (let i = 0; i < 20000; i++) {
    const word = (): string => Array.from({ length: 1 + below(5) }, () => "ab"[below(2)]).join("");
    const a = ["g", ...Array.from({ length: below(6) }, word)].join(".");
    const cut = a.slice(0, 1 + below(a.length));
    for (const p of [cut, ["g", word()].join("."), a, a + ".a", a + "a"]) {
      assert.equal(matches(p, a), p === a || a.startsWith(p + "."), `${p} for ${a} (seed ${seed})`);
    }
  }
});

test("address vectors through checkAddress alone", () => {
  // The destination of a Prepare whose outer length is one byte starts at 60.
  const list = vectors("ilp/address").filter((v) => v.bytes[1]! < 128 && v.bytes[59]! < 128);
  assert.ok(list.length > 12);
  for (const v of list.filter((v) => v.id !== "V-ADR-32")) {
    const address = v.bytes.subarray(60, 60 + v.bytes[59]!);
    for (const [name, wire] of builds) {
      const at = wire.putLast(Buffer.from(address));
      const ok = wire.call("checkAddress", at, address.length) === 1;
      assert.equal(ok, v.core === "ACC", `${v.id} ${name}`);
    }
  }
});
