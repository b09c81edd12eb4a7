// The slots in use double with the routes (gateway capacities): every doubling, what forces one,
// where it ends, and `routeInit` after use. ADR-05, ADR-06; RSK-03.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DONE, NO_ROUTE, POOL_FULL, SLOTS_FULL, Table, modelLookup, random } from "./harness.js";

const FIRST = 64;
const SEED = 20261123n;

const slotsOf = (table: Table): number => table.core.slotMask() + 1;
const prefixOf = (i: number): string => `g.${(i % 97).toString(36)}.${i}`;
const builds = (seed = SEED) =>
  [false, true].map((simd) => new Table({ profile: "gateway", seed, simd }));

/** Asserts that routes [from, to) are found, below and exactly, and nothing beside them. */
function checkLookups(table: Table, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const prefix = prefixOf(i);
    assert.equal(table.find(prefix), i & 0xffff, prefix);
    assert.equal(table.lookup(`${prefix}.~ipr.x`), i & 0xffff, prefix);
    assert.equal(table.lookup(`${prefix}x`), NO_ROUTE, prefix);
  }
}

test("every doubling: lookups right before and after it, and on the way down again", () => {
  const [scalar, simd] = builds();
  const most = scalar.core.routesMax();
  const largest = scalar.core.slotCount();
  const sizes: number[] = [];
  for (let i = 0; i < most; i++) {
    const slots = slotsOf(scalar);
    const due = i === (slots / 4) * 3 && slots < largest;
    const from = Math.max(0, i - 2000);
    if (due) checkLookups(scalar, from, i);
    assert.equal(scalar.set(prefixOf(i), i & 0xffff), DONE);
    assert.equal(simd.set(prefixOf(i), i & 0xffff), DONE);
    assert.equal(slotsOf(scalar), due ? slots * 2 : slots, `slots with ${i + 1} routes`);
    if (!due) continue;
    sizes.push(slots);
    for (const table of [scalar, simd]) checkLookups(table, from, i + 1);
    checkLookups(scalar, 0, Math.min(500, i));
    if (slots > 8192) continue;
    const routes = new Map(Array.from({ length: i + 1 }, (_, k) => [prefixOf(k), k & 0xffff]));
    scalar.check(routes);
    assert(scalar.state().equals(simd.state()), `SIMD memory differs after ${slots} slots`);
  }
  assert.deepEqual(
    sizes,
    Array.from({ length: 12 }, (_, k) => FIRST << k),
  );
  assert.equal(slotsOf(scalar), largest);
  assert(scalar.state().equals(simd.state()), "SIMD memory differs when full");
  checkFull(scalar, most);
  for (let i = most - 1; i >= 0; i--) {
    assert.equal(scalar.delete(prefixOf(i)), DONE, prefixOf(i));
    if (i >= FIRST && (i & (i - 1)) === 0) {
      checkLookups(scalar, Math.max(0, i - 500), i);
      assert.equal(scalar.find(prefixOf(i)), NO_ROUTE);
      if (i <= 8192) {
        scalar.check(new Map(Array.from({ length: i }, (_, k) => [prefixOf(k), k & 0xffff])));
      }
    }
  }
  scalar.check(new Map());
  assert.equal(slotsOf(scalar), largest, "slots in use do not shrink");
});

/** A full table refuses one more and changes only its counter; one removal makes room for one. */
function checkFull(table: Table, most: number): void {
  const before = table.state();
  assert.equal(table.set("g.more", 1), SLOTS_FULL, "route n + 1");
  before.writeUInt32LE(1, 24);
  assert(table.state().equals(before), "a refusal changes only its counter");
  assert.equal(table.set(prefixOf(7), 7), DONE, "a replacement needs no slot");
  assert.equal(table.delete(prefixOf(most - 1)), DONE);
  assert.equal(table.set("g.more", 1), DONE);
  assert.equal(table.set(prefixOf(most - 1), 1), SLOTS_FULL);
  assert.equal(table.delete("g.more"), DONE);
  assert.equal(table.set(prefixOf(most - 1), (most - 1) & 0xffff), DONE);
}

test("a replacement and a removal at the edge double nothing", () => {
  for (const table of builds()) {
    for (let i = 0; i < 48; i++) assert.equal(table.set(prefixOf(i), i), DONE);
    assert.equal(table.set(prefixOf(5), 5), DONE);
    assert.equal(table.delete(prefixOf(6)), DONE);
    assert.equal(table.set(prefixOf(6), 6), DONE);
    assert.equal(slotsOf(table), FIRST);
    assert.equal(table.set(prefixOf(48), 48), DONE);
    assert.equal(slotsOf(table), 2 * FIRST);
    checkLookups(table, 0, 49);
  }
});

/** Prefixes whose tags agree with `home` in the lowest `bits` bits. */
function named(table: Table, bits: number, home: number, count: number): string[] {
  const found: string[] = [];
  for (let i = 0; found.length < count; i++) {
    const prefix = `h.${i.toString(36)}`;
    const tag = table.core.tagOf(table.put(prefix), prefix.length);
    if ((tag & ((1 << bits) - 1)) === home) found.push(prefix);
  }
  return found;
}

test("a route that would lie beyond the reach doubles the slots instead", () => {
  // 65 routes that share a slot in 256, 512 and 1024 slots: only the 65th lies too far.
  for (const table of builds()) {
    const routes = new Map<string, number>();
    const add = (prefix: string): void => {
      assert.equal(table.set(prefix, routes.size), DONE, prefix);
      routes.set(prefix, routes.size);
    };
    const [same, others] = [named(table, 10, 1000, 65), named(table, 5, 0, 40)];
    for (const prefix of others) add(prefix);
    for (const prefix of same.slice(0, 64)) add(prefix);
    assert.equal(slotsOf(table), 256, "104 routes need 256 slots for their number");
    table.check(routes);
    add(same[64]);
    assert(slotsOf(table) >= 2048, `${slotsOf(table)} slots`);
    table.check(routes);
    for (const [prefix, account] of routes) assert.equal(table.lookup(`${prefix}.x`), account);
    assert.equal(table.core.refusedSlots(), 0);
  }
});

test("refused by reach only when all slots are in use, and the routes there are stay right", () => {
  const table = new Table({ profile: "gateway", seed: SEED });
  const bits = Math.log2(table.core.slotCount());
  const same = named(table, bits, 262_100, 66);
  const routes = new Map<string, number>();
  for (const [i, prefix] of same.slice(0, 64).entries()) {
    assert.equal(table.set(prefix, i), DONE);
    routes.set(prefix, i);
  }
  assert.equal(slotsOf(table), 128);
  for (const prefix of same.slice(64)) assert.equal(table.set(prefix, 1), SLOTS_FULL);
  assert.equal(table.core.refusedSlots(), 2);
  assert.equal(slotsOf(table), table.core.slotCount(), "in vain, and only once");
  table.check(routes);
  for (const [prefix, account] of routes) assert.equal(table.lookup(`${prefix}.x`), account);
  assert.equal(table.delete(same[0]), DONE);
  routes.delete(same[0]);
  assert.equal(table.set(same[64], 64), DONE);
  routes.set(same[64], 64);
  table.check(routes);
});

test("random additions and removals across the first doublings, both builds, init between", () => {
  const next = random(Number(SEED));
  const [scalar, simd] = builds();
  for (let round = 0; round < 12; round++) {
    for (const table of [scalar, simd]) table.init(SEED + BigInt(round));
    const routes = new Map<string, number>();
    const range = 100 + next(1200);
    for (let step = 0; step < 4000; step++) {
      const prefix = prefixOf(next(range));
      const note = `seed ${SEED}, round ${round}, step ${step}`;
      if (next(3)) {
        for (const table of [scalar, simd]) assert.equal(table.set(prefix, step), DONE, note);
        routes.set(prefix, step);
      } else {
        const there = routes.delete(prefix);
        for (const table of [scalar, simd]) assert.equal(table.delete(prefix) === DONE, there);
      }
      const address = `${prefixOf(next(range))}.x`;
      for (const table of [scalar, simd]) {
        assert.equal(table.lookup(address), modelLookup(routes, address), note);
      }
    }
    scalar.check(routes);
    assert(scalar.state().equals(simd.state()), `SIMD memory differs in round ${round}`);
  }
});

test("initialised after use, memory is that of a fresh table, byte for byte", () => {
  const next = random(5);
  for (const profile of ["test", "board", "gateway"]) {
    const fresh = new Table({ profile, seed: 9n }).state();
    const table = new Table({ profile, seed: 9n });
    const end = table.core.poolAddress() + table.core.poolUnits() * 16;
    const behind = table.bytes.slice(end, end + 64);
    const most = profile === "gateway" ? 30_000 : 200;
    for (let round = 0; round < 8; round++) {
      table.init(BigInt(round));
      const added: string[] = [];
      for (let i = 0; i < most; i++) {
        const prefix = `g.${i}.${"x".repeat(next(next(8) ? 30 : 900))}z`;
        if (table.set(prefix, i) === DONE) added.push(prefix);
        if (added.length && next(4) === 0) {
          const at = next(added.length);
          table.delete(added[at]);
          added[at] = added[added.length - 1];
          added.pop();
        }
      }
      if (round & 1) for (const prefix of added) table.delete(prefix);
      table.init(9n);
      assert(table.state().equals(fresh), `${profile}, round ${round}`);
    }
    assert.deepEqual(table.bytes.slice(end, end + 64), behind, "nothing behind the pool");
  }
});

test("a pool used to its last byte is cleared to its last byte and no further", () => {
  const table = new Table({ seed: 9n });
  const fresh = table.state();
  for (const lengths of [[1020], [492, 508], [508, 492], [12, 1004], [1004, 12]]) {
    for (const [i, length] of lengths.entries()) {
      assert.equal(table.set("ab"[i].repeat(length), i), DONE, `length ${length} of ${lengths}`);
    }
    table.init(9n);
    assert(table.state().equals(fresh), `${lengths}`);
    assert.equal(table.set("a".repeat(1021), 1), POOL_FULL);
    table.init(9n);
  }
});

test("init writes the head and what was used, nothing else: zeros are not written again", () => {
  // What is not zero afterwards cannot tell what was cleared; marks that survive can.
  const table = new Table({ profile: "gateway", seed: 9n });
  const { core, bytes } = table;
  const [slots, pool] = [core.slotsAddress(), core.poolAddress()];
  const marks = [slots + FIRST * 8, slots + 1_000_000, pool + 16, pool + core.poolUnits() * 8];
  for (const p of marks) bytes[p] = 0xa5;
  table.init(9n);
  for (const p of marks) assert.equal(bytes[p], 0xa5, `byte ${p} was written`);
});
