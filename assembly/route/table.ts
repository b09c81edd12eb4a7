// The prefix table: routes added, replaced and removed at any time, in fixed memory. Exact search;
// the longest match is in lookup.ts. Does not check a prefix's grammar (ADR-02..05): the caller
// has.
//
// Open addressing, Robin Hood order: routes lie in the order of the slots their tags name, so a
// search ends at the first route that is nearer to its own slot than the search is. Removal shifts
// the rest back: no tombstones. No route lies farther than REACH slots from its own; an addition
// that would break this is refused as if the slots were full. At a load of 3/4 and a seed nobody
// guesses that does not happen (distances fall off by e^-0.6 per slot); what it buys is that no set
// of prefixes, guessed seed or not, makes a search longer than 64 slots.
//
// Large tables start with few slots and double them, up to CFG_ROUTES, whenever a new route would
// leave less than a quarter of them empty or finds no place within reach: 1,000 routes then lie in
// 16 KiB, not spread over 2 MiB. Doubling hashes every route anew: a cost of adding routes, never
// of a packet (3 ms in V8 for the last, of 98,304 routes). Slots do not shrink before `routeInit`.
import { ROUTES, ROUTE_POOL, ROUTE_SLOTS } from "../layout";
import {
  blockAfter,
  blockAt,
  isFree,
  poolGive,
  poolInit,
  poolTake,
  referenceOf,
  unitsOf,
} from "./pool";
import {
  COUNTED,
  COUNTS_OFFSET,
  GROWS,
  HEAD_LENGTH,
  LENGTHS_OFFSET,
  POOL_UNITS,
  PREFIX_MAX,
  REACH,
  RECORD_HEADER,
  ROUTES_MAX,
  ROUTES_SIZE,
  SLOTS_START,
  RouteRecord,
  RouteSlot,
  RouteTable,
  UNIT,
  UNIT_BITS,
} from "./record";
import { keysInit, tagOf } from "./tag";

/** Account of an address that no route matches. */
export const NO_ROUTE: u32 = 0xffffffff;
/** Status of `routeSet` and `routeDelete`. */
export const ROUTE_DONE: i32 = 0;
export const ROUTE_SLOTS_FULL: i32 = -1;
export const ROUTE_POOL_FULL: i32 = -2;
export const ROUTE_BAD: i32 = -3;
export const ROUTE_ABSENT: i32 = -4;

const SLOTS: u32 = CFG_ROUTES;
const NO_SLOT: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
export function routeTable(): RouteTable {
  return changetype<RouteTable>(ROUTES);
}

/** Prefix length of a record, bytes. */
// @ts-ignore: decorator
@inline
export function routeLength(record: usize): u32 {
  return (<u32>changetype<RouteRecord>(record).head) & HEAD_LENGTH;
}

/** Account index of a record. */
// @ts-ignore: decorator
@inline
export function routeAccount(record: usize): u32 {
  return <u32>changetype<RouteRecord>(record).account;
}

/** Address of a record's prefix. */
// @ts-ignore: decorator
@inline
export function routePrefix(record: usize): usize {
  return record + RECORD_HEADER;
}

/** Number of routes. */
export function routeCount(): u32 {
  return routeTable().count;
}

// @ts-ignore: decorator
@inline
function slotAt(index: u32): RouteSlot {
  return changetype<RouteSlot>(ROUTE_SLOTS + ((<usize>index) << 3));
}

/** Slots in use, minus 1. */
// @ts-ignore: decorator
@inline
export function slotMask(): u32 {
  return GROWS ? routeTable().mask : SLOTS - 1;
}

/** How far slot `index` is from the slot that its tag names. */
// @ts-ignore: decorator
@inline
function distanceOf(index: u32, tag: u32, mask: u32): u32 {
  return (index - tag) & mask;
}

/** Whether `length` bytes are equal. Reads 8 bytes at each address even if fewer count. */
// @ts-ignore: decorator
@inline
function equals(a: usize, b: usize, length: u32): bool {
  if (length < 8) {
    const ignored = 64 - ((<u64>length) << 3);
    return (load<u64>(a, 0, 1) ^ load<u64>(b, 0, 1)) << ignored == 0;
  }
  const last = <usize>length - 8;
  for (let i: usize = 0; i < last; i += 8) {
    if (load<u64>(a + i, 0, 1) != load<u64>(b + i, 0, 1)) return false;
  }
  return load<u64>(a + last, 0, 1) == load<u64>(b + last, 0, 1);
}

/** Slot of the route with this prefix, or NO_SLOT. */
function slotOf(tag: u32, p: usize, length: u32): u32 {
  const mask = slotMask();
  // Step over the route's own slot without a branch if another lies there: nobody can predict that.
  // A step too far is harmless: where the search should have ended, and from there to the next
  // empty slot, every route is nearer to its own slot than the search is.
  let distance: u32 = u32(slotAt(tag & mask).tag != tag);
  for (; distance < REACH; ++distance) {
    const index = (tag + distance) & mask;
    const slot = slotAt(index);
    const reference = slot.reference;
    if (!reference || distanceOf(index, slot.tag, mask) < distance) return NO_SLOT;
    if (slot.tag == tag) {
      const record = blockAt(reference);
      if (routeLength(record) == length && equals(p, routePrefix(record), length)) return index;
    }
  }
  return NO_SLOT;
}

/** Record of the route whose prefix is exactly these bytes, given their tag; 0 when absent. */
export function recordOf(tag: u32, p: usize, length: u32): usize {
  const index = slotOf(tag, p, length);
  return index == NO_SLOT ? 0 : blockAt(slotAt(index).reference);
}

/** Where a new route goes; NO_SLOT when it, or one it moves on, would lie too far. */
function placeOf(tag: u32): u32 {
  const mask = slotMask();
  let index = tag & mask;
  let distance: u32 = 0;
  while (distance < REACH) {
    const slot = slotAt(index);
    if (!slot.reference || distanceOf(index, slot.tag, mask) < distance) break;
    index = (index + 1) & mask;
    ++distance;
  }
  if (distance == REACH) return NO_SLOT;
  let moved = index;
  for (let i: u32 = 0; i < SLOTS; ++i) {
    const slot = slotAt(moved);
    if (!slot.reference) break;
    if (distanceOf(moved, slot.tag, mask) + 1 >= REACH) return NO_SLOT;
    moved = (moved + 1) & mask;
  }
  return index;
}

/** Puts a route into the slot that `placeOf` found and moves those from there one on. */
function slotInsert(index: u32, tag: u32, reference: u32): void {
  const mask = slotMask();
  let next = (<u64>tag) | ((<u64>reference) << 32);
  let slot = index;
  for (let i: u32 = 0; i < SLOTS; ++i) {
    const p = changetype<usize>(slotAt(slot));
    const moved = load<u64>(p);
    store<u64>(p, next);
    if (!moved) return;
    next = moved;
    slot = (slot + 1) & mask;
  }
}

/** Empties a slot; routes behind it that are not in their own slot move one back. */
function slotRemove(index: u32): void {
  const mask = slotMask();
  let hole = index;
  for (let i: u32 = 0; i < SLOTS; ++i) {
    const next = (hole + 1) & mask;
    const slot = slotAt(next);
    if (!slot.reference || distanceOf(next, slot.tag, mask) == 0) break;
    store<u64>(changetype<usize>(slotAt(hole)), load<u64>(changetype<usize>(slot)));
    hole = next;
  }
  store<u64>(changetype<usize>(slotAt(hole)), 0);
}

/**
 * Doubles the slots. Every route finds a place: doubling splits the routes of each slot in two, and
 * a quarter of the slots or more were empty, so none comes to lie farther from its own.
 */
function grow(): void {
  const table = routeTable();
  memory.fill(ROUTE_SLOTS, 0, (<usize>table.mask + 1) << 3);
  table.mask = (table.mask << 1) | 1;
  let record = routeNext(0);
  for (let i: u32 = 0; i < ROUTES_MAX && record; ++i) {
    const tag = tagOf(routePrefix(record), routeLength(record));
    slotInsert(placeOf(tag), tag, referenceOf(record));
    record = routeNext(record);
  }
}

/** Where one more route goes, after as much growth as that takes; NO_SLOT when it cannot be had. */
function placeFor(tag: u32): u32 {
  const table = routeTable();
  if (!GROWS) return table.count < ROUTES_MAX ? placeOf(tag) : NO_SLOT;
  if (table.count >= ROUTES_MAX) return NO_SLOT;
  for (let size = table.mask + 1; size < SLOTS; size <<= 1) {
    const place = table.count < (size >> 2) * 3 ? placeOf(tag) : NO_SLOT;
    if (place != NO_SLOT) return place;
    grow();
  }
  return placeOf(tag);
}

// @ts-ignore: decorator
@inline
function lengthsOf(length: u32): usize {
  return ROUTES + LENGTHS_OFFSET + (((<usize>length) >> 6) << 3);
}

// @ts-ignore: decorator
@inline
function countOf(length: u32): usize {
  return ROUTES + COUNTS_OFFSET + ((<usize>length) << 2);
}

function lengthAdd(length: u32): void {
  if (COUNTED) store<u32>(countOf(length), load<u32>(countOf(length)) + 1);
  const word = lengthsOf(length);
  store<u64>(word, load<u64>(word) | ((<u64>1) << ((<u64>length) & 63)));
  if (length > routeTable().longest) routeTable().longest = length;
}

/** Whether a route of this length is left, after one was removed. */
function lengthRemains(length: u32): bool {
  if (COUNTED) {
    const left = load<u32>(countOf(length)) - 1;
    store<u32>(countOf(length), left);
    return left != 0;
  }
  for (let i: u32 = 0; i < SLOTS; ++i) {
    const reference = slotAt(i).reference;
    if (reference && routeLength(blockAt(reference)) == length) return true;
  }
  return false;
}

function lengthDrop(length: u32): void {
  if (lengthRemains(length)) return;
  const word = lengthsOf(length);
  store<u64>(word, load<u64>(word) & ~((<u64>1) << ((<u64>length) & 63)));
  if (length != routeTable().longest) return;
  let longest: u32 = 0;
  for (let chunk: i32 = <i32>(length >> 6); chunk >= 0; --chunk) {
    const bits = load<u64>(lengthsOf((<u32>chunk) << 6));
    if (!bits) continue;
    longest = ((<u32>chunk) << 6) + 63 - <u32>clz<u64>(bits);
    break;
  }
  routeTable().longest = longest;
}

/**
 * Empties the table and sets the seed of its hash. Must come before any other call; memory must be
 * zero before the first one. Clears what was used since the last one, to the bytes of a first one.
 */
export function routeInit(seed: u64): void {
  const table = routeTable();
  // Only what was written: clearing memory that is still zero would make it resident.
  memory.fill(ROUTE_SLOTS, 0, (<usize>table.mask + 1) << 3);
  const touched = table.poolTouched;
  memory.fill(ROUTES, 0, <usize>ROUTES_SIZE);
  table.mask = SLOTS_START - 1;
  table.seed = seed;
  keysInit(seed);
  poolInit(touched);
}

/** Record of the route whose prefix is exactly these bytes; 0 when there is none. */
export function routeFind(p: usize, length: u32): usize {
  if (length == 0 || length > PREFIX_MAX) return 0;
  return recordOf(tagOf(p, length), p, length);
}

/**
 * Adds the route of a prefix (1-1023 bytes) to an account (0-65535), or gives the one there is to
 * that account. A refusal changes nothing but its counter and, at most, the number of slots in use:
 * ROUTE_BAD for a length or account out of range, ROUTE_SLOTS_FULL, ROUTE_POOL_FULL.
 */
export function routeSet(p: usize, length: u32, account: u32): i32 {
  if (length == 0 || length > PREFIX_MAX || account > 0xffff) return ROUTE_BAD;
  const table = routeTable();
  const tag = tagOf(p, length);
  const found = recordOf(tag, p, length);
  if (found) {
    changetype<RouteRecord>(found).account = <u16>account;
    return ROUTE_DONE;
  }
  const place = placeFor(tag);
  if (place == NO_SLOT) {
    table.refusedSlots += 1;
    return ROUTE_SLOTS_FULL;
  }
  const block = poolTake(unitsOf(length));
  if (!block) {
    table.refusedPool += 1;
    return ROUTE_POOL_FULL;
  }
  const record = changetype<RouteRecord>(block);
  record.head = <u16>length;
  record.account = <u16>account;
  memory.copy(routePrefix(block), p, <usize>length);
  slotInsert(place, tag, referenceOf(block));
  lengthAdd(length);
  table.count += 1;
  table.poolUsed += unitsOf(length) << UNIT_BITS;
  if (table.count > table.countPeak) table.countPeak = table.count;
  if (table.poolUsed > table.poolPeak) table.poolPeak = table.poolUsed;
  return ROUTE_DONE;
}

/** Removes the route of a prefix; ROUTE_ABSENT when there is none. */
export function routeDelete(p: usize, length: u32): i32 {
  if (length == 0 || length > PREFIX_MAX) return ROUTE_ABSENT;
  const index = slotOf(tagOf(p, length), p, length);
  if (index == NO_SLOT) return ROUTE_ABSENT;
  const block = blockAt(slotAt(index).reference);
  slotRemove(index);
  poolGive(block);
  lengthDrop(length);
  const table = routeTable();
  table.count -= 1;
  table.poolUsed -= unitsOf(length) << UNIT_BITS;
  return ROUTE_DONE;
}

/**
 * The record after `record` in the order of the pool, or the first after 0; 0 at the end. Other
 * routes may come and go between two calls, `record` itself may not: ask for the next before
 * removing it.
 */
export function routeNext(record: usize): usize {
  let block = ROUTE_POOL;
  if (record) {
    const offset = record - ROUTE_POOL;
    if (offset >= (<usize>POOL_UNITS) << UNIT_BITS || offset & (UNIT - 1)) return 0;
    block = blockAfter(record);
  }
  // Free blocks are merged: at most one lies between two records.
  if (block && isFree(block)) block = blockAfter(block);
  return block;
}
