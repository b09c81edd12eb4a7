// Longest matching prefix on segment boundaries (ADR-06, D11, ATK-13): prefix P matches address D
// if D = P or D starts with P + ".", so `test.a` never takes `test.ab`.
//
// An address can be cut before each of its periods and at its end. From the longest cut to the
// shortest, those whose length some route has are searched. Bound, for any address of 1023 bytes
// and any table: 16 chunks of 64 bytes, 128 words hashed forward and 128 backward, at most 512 cuts
// (no empty segments), each a search of at most 64 slots; a record's bytes are compared only if its
// tag is equal. The dearest address found, 502 segments with a route of every odd length, takes
// 4 us in V8 (test/route/bench.ts). Changes nothing, and the scalar and SIMD builds agree.
import { ROUTES } from "../layout";
import { LENGTHS_OFFSET } from "./record";
import { NO_ROUTE, recordOf, routeAccount, routeTable } from "./table";
import { chunkTermOf, partOf, termOf, termsOf } from "./tag";

const PERIODS: u64 = 0x2e2e2e2e2e2e2e2e;
const LOW_BITS: u64 = 0x7f7f7f7f7f7f7f7f;

/** Bit i is set if byte i of the word is a period; exact for every byte value. */
// @ts-ignore: decorator
@inline
function wordPeriods(word: u64): u64 {
  const x = word ^ PERIODS;
  const zeros = ~(((x & LOW_BITS) + LOW_BITS) | x | LOW_BITS);
  return ((zeros >> 7) * 0x0102040810204080) >> 56;
}

/** Bit i is set if byte i at `p` is a period, i < length (1-64); reads up to 15 bytes on. */
// @ts-ignore: decorator
@inline
function periodsOf(p: usize, length: u32): u64 {
  let bits: u64 = 0;
  if (ASC_FEATURE_SIMD) {
    const period = i8x16.splat(0x2e);
    for (let i: u32 = 0; i < length; i += 16) {
      const found = i8x16.eq(v128.load(p + <usize>i, 0, 1), period);
      bits |= (<u64>(<u32>i8x16.bitmask(found))) << (<u64>i);
    }
  } else {
    for (let i: u32 = 0; i < length; i += 8) {
      bits |= wordPeriods(load<u64>(p + <usize>i, 0, 1)) << (<u64>i);
    }
  }
  return length < 64 ? bits & (((<u64>1) << (<u64>length)) - 1) : bits;
}

/** Bit i is set if the chunk at `p` can be cut before its byte i; `left` bytes are left. */
// @ts-ignore: decorator
@inline
function cutsOf(p: usize, left: u32): u64 {
  if (left >= 64) return periodsOf(p, 64);
  return (left ? periodsOf(p, left) : 0) | ((<u64>1) << (<u64>left));
}

/** Searches the cuts of one chunk, the longest first. `base`: the tag's part of earlier chunks. */
// @ts-ignore: decorator
@inline
function chunkMatch(p: usize, chunk: u32, cuts: u64, base: u64): usize {
  const start = p + ((<usize>chunk) << 6);
  let rest = cuts;
  let words = (63 - <u32>clz<u64>(rest)) >> 3;
  let sum = base + termsOf(start, words);
  while (rest) {
    const cut = 63 - <u32>clz<u64>(rest);
    rest ^= (<u64>1) << (<u64>cut);
    while (words > cut >> 3) {
      --words;
      sum -= termOf(load<u64>(start + ((<usize>words) << 3), 0, 1), words);
    }
    const part = partOf(start + ((<usize>words) << 3), cut & 7);
    const record = recordOf(<u32>((sum + termOf(part, words)) >> 32), p, (chunk << 6) + cut);
    if (record) return record;
  }
  return 0;
}

/** Searches the chunks from `top` down, for addresses and routes of more than one chunk. */
function chunksMatch(p: usize, length: u32, top: u32): usize {
  let base: u64 = 0;
  for (let c: u32 = 0; c < top; ++c) base += chunkTermOf(p + ((<usize>c) << 6), c);
  for (let c = top + 1; c-- > 0;) {
    const offset = c << 6;
    const lengths = load<u64>(ROUTES + LENGTHS_OFFSET + ((<usize>c) << 3));
    const cuts = lengths ? cutsOf(p + <usize>offset, length - offset) & lengths : 0;
    if (cuts) {
      const record = chunkMatch(p, c, cuts, base);
      if (record) return record;
    }
    if (c) base -= chunkTermOf(p + <usize>(offset - 64), c - 1);
  }
  return 0;
}

/**
 * Record of the longest prefix that matches the address, or 0. Any `length` is safe; up to 15 bytes
 * past the address are read and do not matter.
 */
export function routeMatch(p: usize, length: u32): usize {
  // Nothing behind the longest route matters. If that cuts the address off, its end there is no
  // cut, but no route has that length either.
  const longest = routeTable().longest;
  const used = length <= longest ? length : longest + 1;
  const top = (length <= longest ? length : longest) >> 6;
  if (top) return chunksMatch(p, used, top);
  const cuts = cutsOf(p, used) & load<u64>(ROUTES + LENGTHS_OFFSET);
  return cuts ? chunkMatch(p, 0, cuts, 0) : 0;
}

/** Account of the longest prefix that matches the address, or NO_ROUTE. */
export function routeLookup(p: usize, length: u32): u32 {
  const record = routeMatch(p, length);
  return record ? routeAccount(record) : NO_ROUTE;
}
