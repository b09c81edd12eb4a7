// The prefix table's limits, statuses, counters, space and order. ADR-05, ADR-06; RSK-03.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ABSENT,
  BAD,
  DONE,
  NO_ROUTE,
  POOL_FULL,
  SLOTS_FULL,
  Table,
  modelLookup,
  random,
  unitsOf,
} from "./harness.js";

test("lengths and accounts out of range are refused and change nothing", () => {
  const table = new Table();
  const before = table.state();
  const p = table.put("a".repeat(1024));
  assert.equal(table.core.routeSet(p, 0, 1), BAD);
  assert.equal(table.core.routeSet(p, 1024, 1), BAD);
  assert.equal(table.core.routeSet(p, 0xffffffff, 1), BAD);
  assert.equal(table.core.routeSet(p, 5, 65536), BAD);
  assert.equal(table.core.routeDelete(p, 0), ABSENT);
  assert.equal(table.core.routeDelete(p, 0xffffffff), ABSENT);
  assert.equal(table.core.routeDelete(p, 5), ABSENT);
  assert.equal(table.core.routeFind(p, 0), 0);
  assert.equal(table.core.routeFind(p, 1024), 0);
  assert.equal(table.core.routeLookup(p, 0) >>> 0, NO_ROUTE);
  assert.equal(table.core.routeLookup(p, 0xffffffff) >>> 0, NO_ROUTE);
  assert(table.state().equals(before));
});

for (const profile of ["test", "board"]) {
  test(`slots at n - 1, n and n + 1 (${profile})`, () => {
    const table = new Table({ profile });
    const routes = new Map<string, number>();
    const most = table.core.routesMax();
    for (let i = 0; i < most; i++) {
      assert.equal(table.set(`g.${i}`, i), DONE, `route ${i} of ${most}`);
      routes.set(`g.${i}`, i);
      table.check(routes);
    }
    assert.equal(table.set("g.x", 1), SLOTS_FULL);
    assert.equal(table.core.refusedSlots(), 1);
    table.check(routes);
    assert.equal(table.set("g.0", 77), DONE, "a replacement needs no slot");
    routes.set("g.0", 77);
    assert.equal(table.delete("g.1"), DONE);
    routes.delete("g.1");
    assert.equal(table.set("g.x", 1), DONE, "a removal makes room");
    routes.set("g.x", 1);
    table.check(routes);
    assert.equal(table.core.countPeak(), most);
  });
}

test("a refusal changes only its counter", () => {
  const table = new Table();
  const counterAt = (name: "slots" | "pool") => (name === "slots" ? 24 : 28);
  for (let i = 0; i < 6; i++) table.set(`g.${i}`, i);
  const slotsFull = table.state();
  assert.equal(table.set("g.more", 1), SLOTS_FULL);
  slotsFull.writeUInt32LE(1, counterAt("slots"));
  assert(table.state().equals(slotsFull));
  table.delete("g.5");
  const poolFull = table.state();
  assert.equal(table.set("a".repeat(1020), 1), POOL_FULL);
  poolFull.writeUInt32LE(1, counterAt("pool"));
  assert(table.state().equals(poolFull));
});

test("the pool at n - 1, n and n + 1 bytes", () => {
  const table = new Table();
  for (const length of [1019, 1020]) {
    const prefix = "a".repeat(length);
    assert.equal(table.set(prefix, length), DONE, "a record as large as the pool");
    table.check(new Map([[prefix, length]]));
    assert.equal(table.set("g", 1), POOL_FULL);
    assert.equal(table.delete(prefix), DONE);
    table.check(new Map());
  }
  assert.equal(table.set("a".repeat(1021), 1), POOL_FULL);
  assert.equal(table.core.refusedPool(), 3);
  assert.equal(table.core.poolPeak(), 1024);
  table.check(new Map());
});

test("filled and emptied in any order, the pool is one block again", () => {
  const seed = 99;
  const next = random(seed);
  for (const profile of ["test", "board", "gateway"]) {
    const table = new Table({ profile, seed: BigInt(seed) });
    for (let round = 0; round < (profile === "gateway" ? 3 : 200); round++) {
      const routes = new Map<string, number>();
      for (let i = 0; i < 300; i++) {
        const prefix = `g.${i}.${"x".repeat(next(next(8) ? 40 : 900))}z`;
        if (table.set(prefix, i) === DONE) routes.set(prefix, i);
      }
      if (round % 20 === 0) table.check(routes);
      const order = [...routes.keys()].sort(() => next(3) - 1);
      for (const prefix of order) assert.equal(table.delete(prefix), DONE, `seed ${seed}`);
      assert.equal(table.core.poolUsed(), 0);
      assert.equal(table.core.routeCount(), 0);
      const { free } = table.checkPool();
      assert.deepEqual([...free.values()], [table.core.poolUnits()], "one free block");
      assert.equal(table.core.longest(), 0);
    }
    table.check(new Map());
  }
});

test("short routes removed side by side make room for a long one", () => {
  const table = new Table({ profile: "board" });
  const routes = new Map<string, number>();
  for (let i = 0; i < 90; i++) {
    const prefix = `g.${String(i).padStart(2, "0")}${"x".repeat(20)}`;
    assert.equal(table.set(prefix, i), DONE);
    routes.set(prefix, i);
  }
  const long = "l".repeat(600);
  assert.equal(table.set(long, 1), POOL_FULL);
  for (const [prefix, i] of [...routes]) {
    if (i < 30 || i > 60) continue;
    table.delete(prefix);
    routes.delete(prefix);
  }
  assert.equal(table.set(long, 1), DONE, `${unitsOf(600)} units`);
  routes.set(long, 1);
  table.check(routes);
});

test("listing survives removals on the way", () => {
  const table = new Table({ profile: "board" });
  const routes = new Map<string, number>();
  for (let i = 0; i < 60; i++) {
    table.set(`g.${i}`, i);
    routes.set(`g.${i}`, i);
  }
  let listed = 0;
  for (let record = table.core.routeNext(0); record;) {
    const prefix = table.prefixOf(record);
    record = table.core.routeNext(record);
    listed++;
    if (listed % 3 === 0) continue;
    assert.equal(table.delete(prefix), DONE);
    routes.delete(prefix);
  }
  assert.equal(listed, 60);
  table.check(routes);
  assert.equal(table.core.routeNext(table.core.poolAddress() - 16), 0);
  assert.equal(table.core.routeNext(table.core.poolAddress() + 8), 0);
  assert.equal(table.core.routeNext(table.core.poolAddress() + table.core.poolUnits() * 16), 0);
});

test("the seed moves routes, not answers", () => {
  const tables = [1n, 2n, 0n, (1n << 64n) - 1n].map(
    (seed) => new Table({ profile: "board", seed }),
  );
  const routes = new Map<string, number>();
  for (let i = 0; i < 80; i++) routes.set(`g.${"ab"[i & 1]}.${i}`, i);
  for (const table of tables) for (const [prefix, account] of routes) table.set(prefix, account);
  const layouts = tables.map((table) => {
    table.check(routes);
    const slots = table.core.slotsAddress();
    return Buffer.from(table.bytes.subarray(slots, slots + 1024)).toString("hex");
  });
  assert.equal(new Set(layouts).size, layouts.length);
  for (let i = 0; i < 100; i++) {
    for (const address of [`g.a.${i}.x`, `g.b.${i}`, `g.a.${i}0.`]) {
      const expected = modelLookup(routes, address);
      for (const table of tables) assert.equal(table.lookup(address), expected);
    }
  }
});

test("the same seed and operations give the same memory", () => {
  const tables = [new Table({ seed: 9n }), new Table({ seed: 9n, simd: true })];
  for (const table of tables) {
    for (let i = 0; i < 50; i++) {
      table.set(`g.${i % 9}.${"y".repeat((i * 37) % 200)}x`, i);
      if (i % 3 === 2) table.delete(`g.${(i - 2) % 9}.${"y".repeat(((i - 2) * 37) % 200)}x`);
    }
  }
  assert(tables[0].state().equals(tables[1].state()));
  tables[0].init(9n);
  assert(
    tables[0].state().equals(new Table({ seed: 9n }).state()),
    "initialised anew, nothing is left",
  );
});

test("prefixes that all fall into one slot are refused beyond the reach", () => {
  const table = new Table({ profile: "board", seed: 5n });
  const routes = new Map<string, number>();
  const named = (home: number, from: number, count: number) => {
    const found: string[] = [];
    for (let i = from; found.length < count; i++) {
      const prefix = `g.${i.toString(36)}`;
      const tag = table.core.tagOf(table.put(prefix), prefix.length);
      if ((tag & 127) === home) found.push(prefix);
    }
    return found;
  };
  // Home 100: the run wraps round the end of the slots.
  const same = named(100, 0, 66);
  for (const [i, prefix] of same.slice(0, 64).entries()) {
    assert.equal(table.set(prefix, i), DONE, `route ${i}`);
    routes.set(prefix, i);
  }
  table.check(routes);
  assert.equal(table.set(same[64], 1), SLOTS_FULL, "it would lie too far");
  const [before] = named(99, 0, 1);
  assert.equal(table.set(before, 1), DONE, "takes its own slot, moves nothing");
  routes.set(before, 1);
  const [second] = named(99, 100_000, 1);
  assert.equal(table.set(second, 1), SLOTS_FULL, "it would move another too far");
  assert.equal(table.core.refusedSlots(), 2);
  table.check(routes);
  for (const [prefix, account] of routes) assert.equal(table.lookup(`${prefix}.x`), account);
  assert.equal(table.lookup(`${same[64]}.x`), NO_ROUTE);
  for (const prefix of same.slice(0, 64).filter((_, i) => i % 2)) {
    assert.equal(table.delete(prefix), DONE);
    routes.delete(prefix);
    table.check(routes);
  }
  assert.equal(table.set(second, 1), DONE);
  routes.set(second, 1);
  table.check(routes);
});

test("prefixes made to collide under a fixed multiplier get tags of their own", () => {
  // Flipping bit 6 of byte 7 ("-" and "m") and undoing it in the next word collides xor-multiply
  // hashes whatever their seed; so do words swapped in a plain sum.
  const table = new Table({ profile: "gateway", seed: 77n });
  const tags = new Set<number>();
  for (let i = 0; i < 4096; i++) {
    let prefix = "";
    for (let bit = 0; bit < 12; bit++) {
      const x = (i >> bit) & 1 ? "-" : "m";
      prefix += `aaaaaaa${x}bbb${x}ccc${x}`;
    }
    tags.add(table.core.tagOf(table.put(prefix), prefix.length));
  }
  assert(tags.size >= 4095, `${tags.size} of 4096`);
});

test("words and chunks in another order give another tag", () => {
  const table = new Table({ seed: 78n });
  const tagOf = (prefix: string) => table.core.tagOf(table.put(prefix), prefix.length) >>> 0;
  for (const size of [4, 8, 64]) {
    const parts = ["a", "b", "c", "d"].map((letter) => letter.repeat(size));
    const tags = new Set<number>();
    for (const p of parts) {
      for (const q of parts) for (const r of parts) tags.add(tagOf(`${p}${q}${r}x`));
    }
    assert.equal(tags.size, 64, `parts of ${size} bytes`);
  }
});
