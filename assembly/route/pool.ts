// Space for route records: 16-byte units, one free list per size, split on allocation and merged
// with both neighbours on release. Every operation is bounded (65 lists), nothing moves, and an
// empty pool is one free block again, so no order of additions and removals leaks. Space can be in
// pieces too small for a long prefix while the sum would do: then the pool counts as full for that
// prefix.
import { ROUTES, ROUTE_POOL } from "../layout";
import {
  FREE_OFFSET,
  FreeBlock,
  HEAD_BEFORE_FREE,
  HEAD_LENGTH,
  HEAD_UNITS_SHIFT,
  POOL_UNITS,
  RECORD_HEADER,
  RouteRecord,
  RouteTable,
  UNIT,
  UNITS_MAX,
  UNIT_BITS,
} from "./record";

const POOL_END: usize = ROUTE_POOL + ((<usize>POOL_UNITS) << UNIT_BITS);

/** Units that a record takes whose prefix has `length` bytes. */
// @ts-ignore: decorator
@inline
export function unitsOf(length: u32): u32 {
  return (RECORD_HEADER + length + 15) >> UNIT_BITS;
}

// @ts-ignore: decorator
@inline
export function blockAt(reference: u32): usize {
  return ROUTE_POOL + <usize>(reference - 1);
}

// @ts-ignore: decorator
@inline
export function referenceOf(block: usize): u32 {
  return <u32>(block - ROUTE_POOL) + 1;
}

// @ts-ignore: decorator
@inline
export function isFree(block: usize): bool {
  return (load<u32>(block) & HEAD_LENGTH) == 0;
}

/** The block after a record or a free block; 0 after the last. */
export function blockAfter(block: usize): usize {
  const head = load<u32>(block);
  const length = head & HEAD_LENGTH;
  const units = length ? unitsOf(length) : head >> HEAD_UNITS_SHIFT;
  const after = block + ((<usize>units) << UNIT_BITS);
  return after < POOL_END ? after : 0;
}

// @ts-ignore: decorator
@inline
function listOf(units: u32): usize {
  const list = units < UNITS_MAX ? units : UNITS_MAX;
  return ROUTES + FREE_OFFSET + ((<usize>list - 1) << 2);
}

function markBeforeFree(block: usize, free: bool): void {
  if (block >= POOL_END) return;
  const head = <u32>load<u16>(block);
  store<u16>(block, free ? head | HEAD_BEFORE_FREE : head & ~HEAD_BEFORE_FREE);
}

/** Makes [block, block + units) free space; the block before it must be in use. */
function link(block: usize, units: u32): void {
  const list = listOf(units);
  const first = load<u32>(list);
  const free = changetype<FreeBlock>(block);
  free.head = units << HEAD_UNITS_SHIFT;
  free.next = first;
  free.previous = 0;
  if (first) changetype<FreeBlock>(blockAt(first)).previous = referenceOf(block);
  store<u32>(list, referenceOf(block));
  const end = block + ((<usize>units) << UNIT_BITS);
  store<u32>(end - 4, units);
  markBeforeFree(end, true);
}

function unlink(block: usize): u32 {
  const free = changetype<FreeBlock>(block);
  const units = free.head >> HEAD_UNITS_SHIFT;
  if (free.previous) changetype<FreeBlock>(blockAt(free.previous)).next = free.next;
  else store<u32>(listOf(units), free.next);
  if (free.next) changetype<FreeBlock>(blockAt(free.next)).previous = free.previous;
  return units;
}

/** Makes the whole pool, of which `touched` bytes were written, a free block. Lists must be 0. */
export function poolInit(touched: u32): void {
  memory.fill(ROUTE_POOL, 0, <usize>touched);
  link(ROUTE_POOL, POOL_UNITS);
}

/** A block for a record of `units` units, its head still to be written; 0 when there is none. */
export function poolTake(units: u32): usize {
  for (let size = units; size <= UNITS_MAX; ++size) {
    const first = load<u32>(listOf(size));
    if (!first) continue;
    const block = blockAt(first);
    const rest = unlink(block) - units;
    const end = block + ((<usize>units) << UNIT_BITS);
    if (rest) link(end, rest);
    else markBeforeFree(end, false);
    // What `link` wrote at `end` is in its first unit.
    const touched = <u32>(end - ROUTE_POOL) + (rest ? UNIT : 0);
    const table = changetype<RouteTable>(ROUTES);
    if (touched > table.poolTouched) table.poolTouched = touched;
    return block;
  }
  return 0;
}

/** Gives a record's block back and merges it with free neighbours. */
export function poolGive(block: usize): void {
  const head = <u32>changetype<RouteRecord>(block).head;
  let units = unitsOf(head & HEAD_LENGTH);
  let start = block;
  const after = block + ((<usize>units) << UNIT_BITS);
  if (after < POOL_END && isFree(after)) units += unlink(after);
  if (head & HEAD_BEFORE_FREE) {
    start -= (<usize>load<u32>(block - 4)) << UNIT_BITS;
    units += unlink(start);
  }
  link(start, units);
}
