// Route table: its records and where they lie. No code that acts on them, and no imports, so that
// the memory map can ask for sizes.
//
//   ROUTES       RouteTable │ hash keys │ lengths present, 1 bit each │ free lists │ [counts]
//   ROUTE_SLOTS  {tag u32, reference u32} each: the tag is the hash, the reference finds the
//                record; the first RouteTable.mask + 1 are in use, the others zero
//   ROUTE_POOL   blocks of 16-byte units without gaps: a route's record, or free space
//
// A reference is the offset of a block in the pool, plus 1; 0 is none.

/** Longest prefix: the longest ILP address (ADR-02). */
export const PREFIX_MAX: u32 = 1023;
/** Farthest a route lies from the slot its tag names: the bound on every probe. */
export const REACH: u32 = CFG_ROUTES < 64 ? CFG_ROUTES : 64;
/** Whether the slots in use double with the routes: few routes then share few cache lines. */
export const GROWS: bool = CFG_ROUTES > 1024;
/** Slots in use at first: a power of two, at least REACH. */
export const SLOTS_START: u32 = GROWS ? 64 : CFG_ROUTES;
/** Routes the table takes: 3/4 of its slots. */
export const ROUTES_MAX: u32 = (CFG_ROUTES >> 2) * 3;
/** Bytes in front of a record's prefix. */
export const RECORD_HEADER: u32 = 4;
/** Bytes of a pool unit, and its exponent. */
export const UNIT: u32 = 16;
export const UNIT_BITS: u32 = 4;
/** Units of the largest record: (4 + 1023) / 16, rounded up. Larger free blocks share one list. */
export const UNITS_MAX: u32 = 65;
export const POOL_UNITS: u32 = CFG_ROUTE_POOL >> UNIT_BITS;
/** Tables this small look for other routes of a length instead of counting them: 4 KiB less. */
export const COUNTED: bool = CFG_ROUTES > 1024;


@unmanaged
export class RouteTable {
  /** Seed of the hash: peers choose prefixes, they must not choose where these lie. */
  seed: u64;
  count: u32;
  /** Most routes there have been since the table was emptied by `routeInit`. */
  countPeak: u32;
  /** Bytes of the pool in use, and the most there have been. */
  poolUsed: u32;
  poolPeak: u32;
  /** Routes refused since `routeInit`: no slot, or no space in the pool. */
  refusedSlots: u32;
  refusedPool: u32;
  /** Longest prefix present; 0 when there is none. */
  longest: u32;
  /** Slots in use, minus 1. 0 before the first `routeInit`. */
  mask: u32;
  /** Bytes of the pool ever written, from its start; of those behind, all but the last 4 are 0. */
  poolTouched: u32;
  reserved: u32;
}


@unmanaged
export class RouteSlot {
  tag: u32;
  /** Reference of the record; 0 when the slot is empty. */
  reference: u32;
}

/** A route in the pool; its prefix follows. */
@unmanaged
export class RouteRecord {
  /** Bits 0-9: prefix length in bytes, never 0. Bit 10: the block before this one is free. */
  head: u16;
  /** Account index. */
  account: u16;
}

/** Free space in the pool. Its last four bytes repeat its number of units. */
@unmanaged
export class FreeBlock {
  /** Units << 11; bits 0-10 are 0. */
  head: u32;
  next: u32;
  previous: u32;
}

export const HEAD_LENGTH: u32 = 1023;
export const HEAD_BEFORE_FREE: u32 = 1024;
export const HEAD_UNITS_SHIFT: u32 = 11;

export const KEYS_OFFSET: u32 = 48;
export const LENGTHS_OFFSET: u32 = KEYS_OFFSET + 16 * 8;
export const FREE_OFFSET: u32 = LENGTHS_OFFSET + 128;
export const COUNTS_OFFSET: u32 = FREE_OFFSET + UNITS_MAX * 4;
/** Bytes at ROUTES. */
export const ROUTES_SIZE: u32 = COUNTS_OFFSET + (COUNTED ? 1024 * 4 : 0);

if (offsetof<RouteTable>() != KEYS_OFFSET) ERROR("route table record");
if (offsetof<RouteSlot>() != 8) ERROR("route slot record");
if (offsetof<RouteRecord>() != RECORD_HEADER) ERROR("route record");
if (offsetof<FreeBlock>() + 4 != UNIT) ERROR("a free block and its footer fill one unit");
if (CFG_ROUTES < 4) ERROR("CFG_ROUTES must be at least 4");
if ((CFG_ROUTES & (CFG_ROUTES - 1)) != 0) ERROR("CFG_ROUTES must be a power of two");
if (POOL_UNITS < 1) ERROR("CFG_ROUTE_POOL must hold a unit");
if (POOL_UNITS >= 1 << 21) ERROR("CFG_ROUTE_POOL must be less than 32 MiB");
