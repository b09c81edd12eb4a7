// ILP addresses (RFC 15; ADR-01..06): grammar, schemes and prefixes on raw bytes. What may be done
// with a scheme (ADR-08..11) is decided by the flow; addresses are never rewritten here.
//
// Readers may look at up to 16 bytes past the end of the address, and never use them.
import { equalBytes } from "./oer";

/** Longest address, bytes (ADR-02). */
export const ADDRESS_MAX: u32 = 1023;

/** Allocation scheme: the first segment of an address. */
export const enum Scheme {
  None = 0,
  G,
  Private,
  Example,
  Peer,
  Self,
  Local,
  Test,
  Test1,
  Test2,
  Test3,
}

const TOP: u64 = 0x8080808080808080;
const LOW: u64 = 0x7f7f7f7f7f7f7f7f;
const DOT: u32 = 0x2e;

/** The byte `c` in all eight lanes. */
// @ts-ignore: decorator
@inline
function lanes(c: u64): u64 {
  return c * 0x0101010101010101;
}

/** Top bit of each lane set where the lane (below 0x80) lies within low..high. */
// @ts-ignore: decorator
@inline
function within(x: u64, low: u64, high: u64): u64 {
  return (x + lanes(0x80 - low)) & ~(x + lanes(0x7f - high));
}

/** Top bit of each lane set where the lane (below 0x80) equals c; other bits are noise. */
// @ts-ignore: decorator
@inline
function equal(x: u64, c: u64): u64 {
  return ~((x ^ lanes(c)) + LOW);
}

/**
 * Allowed characters only, no empty segment; `length` at least 1. Eight bytes at a time; what is
 * wrong is gathered and looked at once, because a good address is the rule.
 */
function checkSegments(p: usize, length: u32): bool {
  let before: u64 = 0x80;
  let bad: u64 = 0;
  for (let i: u32 = 0; i < length; i += 8) {
    let x = load<u64>(p + i, 0, 1);
    const left = length - i;
    if (left < 8) {
      // Bytes past the end count as letters.
      const bits = (<u64>left) << 3;
      const past = u64.MAX_VALUE << bits;
      x = (x & ~past) | (lanes(0x61) & past);
    }
    const low = x & LOW;
    const dots = equal(low, DOT);
    let good = within(low | lanes(0x20), 0x61, 0x7a) | within(low, 0x30, 0x39) | dots;
    // Most words have none of these.
    if ((good & TOP) != TOP) good |= equal(low, 0x2d) | equal(low, 0x5f) | equal(low, 0x7e);
    bad |= ~good | x | (dots & ((dots << 8) | before));
    before = dots >> 56;
  }
  return (bad & TOP) == 0 && <u32>load<u8>(p + length - 1) != DOT;
}

/** Lanes of zero where the byte may not stand in an address: a class per high nibble. */
// @ts-ignore: decorator
@inline
function classes(x: v128): v128 {
  // Bit 0: 2D 2E; bit 1: 30..39; bit 2: 41..4F 61..6F; bit 3: 50..5A 5F; bit 4: 70..7A 7E.
  const byLow = i8x16(26, 30, 30, 30, 30, 30, 30, 30, 30, 30, 28, 4, 4, 5, 21, 12);
  const byHigh = i8x16(0, 0, 1, 2, 4, 8, 4, 16, 0, 0, 0, 0, 0, 0, 0, 0);
  const low = i8x16.swizzle(byLow, v128.and(x, i8x16.splat(15)));
  return v128.and(low, i8x16.swizzle(byHigh, i8x16.shr_u(x, 4)));
}

/** The same as `checkSegments`, sixteen bytes at a time. */
function checkSegmentsSimd(p: usize, length: u32): bool {
  let before: u32 = 1;
  let i: u32 = 0;
  for (; i + 16 <= length; i += 16) {
    const x = v128.load(p + i, 0, 1);
    const dots = <u32>i8x16.bitmask(i8x16.eq(x, i8x16.splat(<i8>DOT)));
    if (!i8x16.all_true(classes(x)) || (dots & ((dots << 1) | before)) != 0) return false;
    before = dots >> 15;
  }
  const rest = length - i;
  if (rest != 0) {
    const x = v128.load(p + i, 0, 1);
    const mask = ((<u32>1) << rest) - 1;
    const bad = (<u32>i8x16.bitmask(i8x16.eq(classes(x), i8x16.splat(0)))) & mask;
    const dots = (<u32>i8x16.bitmask(i8x16.eq(x, i8x16.splat(<i8>DOT)))) & mask;
    if ((bad | (dots & ((dots << 1) | before))) != 0) return false;
    before = dots >> (rest - 1);
  }
  return before == 0;
}

/** Bytes before the first period, at most `length`; 8 if there is no period in the first 8. */
// @ts-ignore: decorator
@inline
function firstSegment(word: u64, length: u32): u32 {
  const differs = (((word ^ lanes(DOT)) & LOW) + LOW) | (word ^ lanes(DOT));
  return min(<u32>(ctz<u64>(~differs & TOP) >> 3), length);
}

/** The scheme that eight bytes start with, given how many of them are the first segment. */
function schemeOf(word: u64, size: u32): Scheme {
  if (size - 1 > 6) return Scheme.None;
  // The size stands in the top byte, so that a NUL is not taken for the end of the segment.
  const head = (word & (((<u64>1) << ((<u64>size) << 3)) - 1)) | ((<u64>size) << 56);
  if (head == 0x0100000000000067) return Scheme.G;
  if (head == 0x0400000074736574) return Scheme.Test;
  if (head == 0x0400000072656570) return Scheme.Peer;
  if (head == 0x0765746176697270) return Scheme.Private;
  if (head == 0x0500006c61636f6c) return Scheme.Local;
  if (head == 0x04000000666c6573) return Scheme.Self;
  if (head == 0x07656c706d617865) return Scheme.Example;
  if (head == 0x0500003174736574) return Scheme.Test1;
  if (head == 0x0500003274736574) return Scheme.Test2;
  if (head == 0x0500003374736574) return Scheme.Test3;
  return Scheme.None;
}

/** The scheme of an address or prefix, `None` if its first segment is no scheme. Case matters. */
export function scheme(p: usize, length: u32): Scheme {
  const word = load<u64>(p, 0, 1);
  return schemeOf(word, firstSegment(word, length));
}

/** True if the bytes are an ILP address: scheme and one segment or more, 3 to 1023 bytes. */
export function checkAddress(p: usize, length: u32): bool {
  if (length - 3 > ADDRESS_MAX - 3) return false;
  const word = load<u64>(p, 0, 1);
  const size = firstSegment(word, length);
  if (size == length || schemeOf(word, size) == Scheme.None) return false;
  if (ASC_FEATURE_SIMD) return checkSegmentsSimd(p, length);
  return checkSegments(p, length);
}

/** True if the bytes may be a route's prefix: a bare scheme or an address (ADR-05). */
export function checkPrefix(p: usize, length: u32): bool {
  if (length - 1 > 6) return checkAddress(p, length);
  const word = load<u64>(p, 0, 1);
  const size = firstSegment(word, length);
  return size == length ? schemeOf(word, size) != Scheme.None : checkAddress(p, length);
}

/** True if the prefix is the address or its leading whole segments (ADR-06). */
export function matchesPrefix(prefix: usize, prefixLength: u32, address: usize, length: u32): bool {
  if (prefixLength > length) return false;
  if (prefixLength < length && load<u8>(address + prefixLength) != DOT) return false;
  return equalBytes(prefix, address, prefixLength);
}
