// Route table under test: its compiled probe, a naive model, and a check of every invariant of its
// memory. Strings are latin1: one character, one byte.
import assert from "node:assert/strict";
import { probe } from "../support/probe.js";

export const NO_ROUTE = 0xffffffff;
export const DONE = 0;
export const SLOTS_FULL = -1;
export const POOL_FULL = -2;
export const BAD = -3;
export const ABSENT = -4;

/** Units of 16 bytes that the record of a prefix takes. */
export const unitsOf = (length: number): number => (4 + length + 15) >> 4;

type Numbers = Record<string, (...values: number[]) => number>;

/** Longest match as it is written: D = P or D starts with P + ".". */
export function modelLookup(routes: Map<string, number>, address: string): number {
  for (let prefix = address; ;) {
    const account = routes.get(prefix);
    if (account !== undefined) return account;
    const period = prefix.lastIndexOf(".");
    if (period < 0) return NO_ROUTE;
    prefix = prefix.slice(0, period);
  }
}

/** A seeded generator of integers below n (xorshift32). */
export function random(seed: number): (n: number) => number {
  let state = seed | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

export interface TableOptions {
  profile?: string;
  simd?: boolean;
  seed?: bigint;
}

export class Table {
  readonly core: Numbers;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly scratch: number;

  constructor({ profile = "test", simd = false, seed = 1n }: TableOptions = {}) {
    const exports = probe("route", { profile, simd, pages: profile === "gateway" ? 300 : 24 });
    this.core = exports as unknown as Numbers;
    const memory = exports.memory as WebAssembly.Memory;
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.scratch = this.core.scratch();
    this.init(seed);
  }

  init(seed: bigint): void {
    (this.core.routeInit as unknown as (seed: bigint) => void)(seed);
  }

  /** Writes a string at an offset of 0-7 with `junk` behind it; returns its address. */
  put(text: string, offset = 0, junk = ".a.b.c.d.e.f.g.h"): number {
    const p = this.scratch + offset;
    this.bytes.set(Buffer.from(text + junk, "latin1"), p);
    return p;
  }

  set(prefix: string, account: number, offset = 0): number {
    return this.core.routeSet(this.put(prefix, offset), prefix.length, account);
  }

  delete(prefix: string, offset = 0): number {
    return this.core.routeDelete(this.put(prefix, offset), prefix.length);
  }

  find(prefix: string): number {
    const record = this.core.routeFind(this.put(prefix), prefix.length);
    return record ? this.core.routeAccount(record) : NO_ROUTE;
  }

  lookup(address: string, offset = 0, junk?: string): number {
    return this.core.routeLookup(this.put(address, offset, junk), address.length) >>> 0;
  }

  /** The prefix that matches, or null. */
  match(address: string): string | null {
    const record = this.core.routeMatch(this.put(address), address.length);
    return record ? this.prefixOf(record) : null;
  }

  prefixOf(record: number): string {
    const p = this.core.routePrefix(record);
    return Buffer.from(this.bytes.subarray(p, p + this.core.routeLength(record))).toString(
      "latin1",
    );
  }

  list(): Map<string, number> {
    const routes = new Map<string, number>();
    for (let record = this.core.routeNext(0); record; record = this.core.routeNext(record)) {
      const prefix = this.prefixOf(record);
      assert(!routes.has(prefix), `listed twice: ${prefix}`);
      routes.set(prefix, this.core.routeAccount(record));
    }
    return routes;
  }

  /** Everything the table remembers. */
  state(): Buffer {
    const { core } = this;
    const part = (p: number, size: number) => Buffer.from(this.bytes.subarray(p, p + size));
    return Buffer.concat([
      part(core.headAddress(), core.headSize()),
      part(core.slotsAddress(), core.slotCount() * 8),
      part(core.poolAddress(), core.poolUnits() * 16),
    ]);
  }

  /** Units of the largest free block. */
  largestFree(): number {
    return Math.max(0, ...this.checkPool().free.values());
  }

  /** Asserts that slots, pool, free lists, lengths and counters agree, also with the model. */
  check(routes: Map<string, number>): void {
    const { records, used } = this.checkPool();
    assert.equal(this.core.poolUsed(), used * 16, "bytes in use");
    assert.equal(this.core.routeCount(), routes.size, "count");
    assert.deepEqual(this.list(), routes, "listing");
    this.checkSlots(records);
    this.checkLengths(routes);
  }

  private checkSlots(records: Set<number>): void {
    const slots = this.core.slotsAddress();
    const size = this.core.slotMask() + 1;
    const tagAt = (i: number) => this.view.getUint32(slots + (i % size) * 8, true);
    const referenceAt = (i: number) => this.view.getUint32(slots + (i % size) * 8 + 4, true);
    const distance = (i: number) => ((i % size) - tagAt(i)) & (size - 1);
    const seen = new Set<number>();
    const unused = this.bytes.subarray(slots + size * 8, slots + this.core.slotCount() * 8);
    assert(
      unused.every((byte) => byte === 0),
      "slots not in use are zero",
    );
    for (let i = 0; i < size; i++) {
      if (!referenceAt(i)) {
        assert.equal(tagAt(i), 0, "an empty slot is zero");
        continue;
      }
      const record = this.core.poolAddress() + referenceAt(i) - 1;
      assert(records.has(record) && !seen.has(record), `slot ${i} names a record of its own`);
      seen.add(record);
      const length = this.core.routeLength(record);
      assert.equal(this.core.tagOf(this.core.routePrefix(record), length) >>> 0, tagAt(i), "tag");
      assert(distance(i) < 64, "within reach");
      const before = i + size - 1;
      const most = referenceAt(before) ? distance(before) + 1 : 0;
      assert(distance(i) <= most, `slot ${i} could lie nearer to its own`);
    }
    assert.equal(seen.size, records.size, "every record has a slot");
  }

  private checkLengths(routes: Map<string, number>): void {
    const present = new Set([...routes.keys()].map((prefix) => prefix.length));
    const lengths = this.core.lengthsAddress();
    for (let length = 0; length < 1024; length++) {
      const bit = (this.bytes[lengths + (length >> 3)] >> (length & 7)) & 1;
      assert.equal(bit === 1, present.has(length), `length ${length}`);
    }
    assert.equal(this.core.longest(), Math.max(0, ...present), "longest");
  }

  /** Walks the pool: blocks without gaps, flags, footers and free lists right. */
  checkPool(): { records: Set<number>; free: Map<number, number>; used: number } {
    const pool = this.core.poolAddress();
    const end = pool + this.core.poolUnits() * 16;
    const records = new Set<number>();
    const free = new Map<number, number>();
    let used = 0;
    let afterFree = false;
    for (let block = pool; block < end;) {
      const head = this.view.getUint32(block, true);
      const length = head & 1023;
      assert.equal((head >> 10) & 1, Number(afterFree), "flag of a free block before");
      const units = length ? unitsOf(length) : head >>> 11;
      assert(units > 0, "a block has a size");
      if (length) {
        records.add(block);
        used += units;
      } else {
        assert(!afterFree, "free neighbours are one block");
        free.set(block, units);
        assert.equal(this.view.getUint32(block + units * 16 - 4, true), units, "footer");
      }
      afterFree = !length;
      block += units * 16;
      assert(block <= end, "blocks end with the pool");
    }
    this.checkFreeLists(free);
    return { records, free, used };
  }

  private checkFreeLists(free: Map<number, number>): void {
    const pool = this.core.poolAddress();
    const listed = new Set<number>();
    for (let list = 1; list <= 65; list++) {
      let previous = 0;
      let reference = this.view.getUint32(this.core.freeAddress() + (list - 1) * 4, true);
      while (reference) {
        const block = pool + reference - 1;
        const units = free.get(block);
        assert(units !== undefined && !listed.has(block), "a free list holds free blocks, once");
        assert.equal(Math.min(units, 65), list, "in the list of its size");
        assert.equal(this.view.getUint32(block + 8, true), previous, "link back");
        listed.add(block);
        previous = reference;
        reference = this.view.getUint32(block + 4, true);
      }
    }
    assert.equal(listed.size, free.size, "every free block is in a list");
  }
}
