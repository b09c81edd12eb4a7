// Route table, exported for its tests and its benchmark.
import { ROUTES, ROUTE_POOL, ROUTE_SLOTS } from "../../assembly/layout";
import { routeLookup, routeMatch } from "../../assembly/route/lookup";
import {
  FREE_OFFSET,
  KEYS_OFFSET,
  LENGTHS_OFFSET,
  POOL_UNITS,
  ROUTES_MAX,
  ROUTES_SIZE,
} from "../../assembly/route/record";
import {
  routeAccount,
  routeCount,
  routeDelete,
  routeFind,
  routeInit,
  routeLength,
  routeNext,
  routePrefix,
  routeSet,
  routeTable,
  slotMask,
} from "../../assembly/route/table";
import { tagOf } from "../../assembly/route/tag";

const SCRATCH: usize = memory.data(2048, 64);
const ADDRESSES: usize = memory.data(1048576, 64);

export {
  routeAccount,
  routeCount,
  routeDelete,
  routeFind,
  routeInit,
  routeLength,
  routeLookup,
  routeMatch,
  routeNext,
  routePrefix,
  routeSet,
  slotMask,
  tagOf,
};

/** Where tests put prefixes and addresses: 2048 bytes. */
export function scratch(): usize {
  return SCRATCH;
}

/** Addresses for `lookupMany`: 128 bytes each, the first two their length. */
export function addresses(): usize {
  return ADDRESSES;
}

export function lookupMany(rounds: u32, mask: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < rounds; ++i) {
    const p = ADDRESSES + ((<usize>(i & mask)) << 7);
    sum += routeLookup(p + 2, <u32>load<u16>(p));
  }
  return sum;
}

export function lookupScratch(rounds: u32, length: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < rounds; ++i) sum += routeLookup(SCRATCH, length);
  return sum;
}

export function headAddress(): usize {
  return ROUTES;
}
export function lengthsAddress(): usize {
  return ROUTES + LENGTHS_OFFSET;
}
export function freeAddress(): usize {
  return ROUTES + FREE_OFFSET;
}
export function keysAddress(): usize {
  return ROUTES + KEYS_OFFSET;
}
export function slotsAddress(): usize {
  return ROUTE_SLOTS;
}
export function poolAddress(): usize {
  return ROUTE_POOL;
}
export function headSize(): u32 {
  return ROUTES_SIZE;
}
export function slotCount(): u32 {
  return CFG_ROUTES;
}
export function poolUnits(): u32 {
  return POOL_UNITS;
}
export function routesMax(): u32 {
  return ROUTES_MAX;
}
export function countPeak(): u32 {
  return routeTable().countPeak;
}
export function poolUsed(): u32 {
  return routeTable().poolUsed;
}
export function poolPeak(): u32 {
  return routeTable().poolPeak;
}
export function refusedSlots(): u32 {
  return routeTable().refusedSlots;
}
export function refusedPool(): u32 {
  return routeTable().refusedPool;
}
export function longest(): u32 {
  return routeTable().longest;
}
