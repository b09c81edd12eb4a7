// Longest prefix on segment boundaries: ADR-05, ADR-06, D11, ATK-13, and every length there can be.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DONE, NO_ROUTE, Table, modelLookup } from "./harness.js";

const builds = (profile: string) => [
  new Table({ profile, seed: 11n }),
  new Table({ profile, seed: 11n, simd: true }),
];

test("a prefix ends at a segment: test.a takes test.a and test.a.b, not test.ab", () => {
  for (const table of builds("test")) {
    table.set("test.a", 1);
    table.set("g", 2);
    table.set("g.al", 3);
    for (const [address, account] of [
      ["test.a", 1],
      ["test.a.b", 1],
      ["test.ab", NO_ROUTE],
      ["test.ab.a", NO_ROUTE],
      ["test", NO_ROUTE],
      ["test.", NO_ROUTE],
      ["atest.a", NO_ROUTE],
      ["TEST.a", NO_ROUTE],
      ["g", 2],
      ["g.alice", 2],
      ["g.al", 3],
      ["g.al.ice", 3],
      ["g.a", 2],
      ["ga", NO_ROUTE],
      ["gg.al", NO_ROUTE],
      ["", NO_ROUTE],
    ] as const) {
      assert.equal(table.lookup(address), account, address);
    }
  }
});

test("the longest of nested prefixes wins, and the next longest when it is removed", () => {
  const nested = ["g", "g.us", "g.us.bank", "g.us.bank.alice", "g.us.bank.alice.phone"];
  for (const table of builds("test")) {
    for (const [i, prefix] of nested.entries()) assert.equal(table.set(prefix, i), DONE);
    for (let i = nested.length - 1; i >= 0; i--) {
      assert.equal(table.match("g.us.bank.alice.phone.~x"), nested[i]);
      assert.equal(table.match(`${nested[i]}x`), i === 0 ? null : nested[i - 1]);
      table.delete(nested[i]);
    }
    assert.equal(table.match("g.us.bank.alice.phone.~x"), null);
  }
});

test("what lies behind an address does not matter", () => {
  for (const table of builds("test")) {
    table.set("g.us", 1);
    table.set("g.us.bank", 2);
    for (const junk of [
      ".bank",
      "bank",
      "",
      "................",
      "\0\0\0\0\0\0\0\0",
      "ÿ".repeat(16),
    ]) {
      assert.equal(table.lookup("g.us", 0, junk), 1);
      assert.equal(table.lookup("g.us.", 0, junk), 1);
      assert.equal(table.lookup("g.u", 0, junk), NO_ROUTE);
      assert.equal(table.lookup("g.us.ban", 0, junk), 1);
    }
  }
});

test("every length from 1 to 1023, alone: the prefix, below it and beside it", () => {
  for (const table of builds("gateway")) {
    for (let length = 1; length <= 1023; length++) {
      const prefix = "abcdefghijklmnopqrstuvwxyz".repeat(40).slice(0, length);
      assert.equal(table.set(prefix, length), DONE);
      assert.equal(table.find(prefix), length);
      assert.equal(table.lookup(prefix), length, `length ${length}`);
      assert.equal(table.lookup(`${prefix}.`), length, `length ${length}`);
      assert.equal(table.lookup(`${prefix}.x.y`), length, `length ${length}`);
      assert.equal(table.lookup(`${prefix}x`), NO_ROUTE, `length ${length}`);
      assert.equal(table.lookup(prefix.slice(0, -1)), NO_ROUTE, `length ${length}`);
      assert.equal(table.delete(prefix), DONE);
    }
    table.check(new Map());
  }
});

test("512 nested prefixes: each cut of a 1023-byte address, from the longest down", () => {
  const address = "a.".repeat(511) + "a";
  for (const table of builds("gateway")) {
    const routes = new Map<string, number>();
    for (let length = 1; length <= 1023; length += 2) {
      assert.equal(table.set(address.slice(0, length), length), DONE);
      routes.set(address.slice(0, length), length);
    }
    table.check(routes);
    for (let length = 1023; length >= 1; length -= 2) {
      assert.equal(table.lookup(address), length);
      assert.equal(table.lookup(address.slice(0, length)), length);
      assert.equal(
        table.lookup(`${address.slice(0, length)}a`),
        length > 1 ? length - 2 : NO_ROUTE,
      );
      table.delete(address.slice(0, length));
    }
    assert.equal(table.lookup(address), NO_ROUTE);
  }
});

test("all short strings of a letter and periods, as prefix and as address", () => {
  const strings = [""];
  for (const text of strings) if (text.length < 5) strings.push(`${text}a`, `${text}.`);
  for (const table of builds("test")) {
    for (const prefix of strings.slice(1)) {
      table.set(prefix, 7);
      const routes = new Map([[prefix, 7]]);
      for (const address of strings) {
        const expected = modelLookup(routes, address);
        assert.equal(table.lookup(address), expected, `${prefix} and ${address}`);
      }
      table.delete(prefix);
    }
  }
});
