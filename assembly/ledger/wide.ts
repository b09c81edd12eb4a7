// 128-bit integers as two u64 halves in memory, low half first. Sums of u64 amounts never overflow
// 128 bits, so additions need no check. Comparisons are signed.

// @ts-ignore: decorator
@inline
export function addWide(p: usize, value: u64): void {
  const lo = load<u64>(p) + value;
  store<u64>(p, lo);
  store<u64>(p, load<u64>(p, 8) + u64(lo < value), 8);
}

// @ts-ignore: decorator
@inline
export function subtractWide(p: usize, value: u64): void {
  const lo = load<u64>(p);
  store<u64>(p, lo - value);
  store<u64>(p, load<u64>(p, 8) - u64(lo < value), 8);
}

/** Is a + b more than 64 bits hold? */
// @ts-ignore: decorator
@inline
export function exceedsU64(a: u64, b: u64): bool {
  return a + b < a;
}

/** a + b, at most the largest u64. */
// @ts-ignore: decorator
@inline
export function addClamped(a: u64, b: u64): u64 {
  return exceedsU64(a, b) ? u64.MAX_VALUE : a + b;
}

/** Adds the 128-bit value at `from` to the one at `to` and leaves zero behind. */
export function moveWide(from: usize, to: usize): void {
  const lo = load<u64>(from);
  addWide(to, lo);
  store<u64>(to, load<u64>(to, 8) + load<u64>(from, 8), 8);
  store<u64>(from, 0);
  store<u64>(from, 0, 8);
}

/** Is a > b, as signed 128-bit? */
// @ts-ignore: decorator
@inline
export function greater(aLo: u64, aHi: u64, bLo: u64, bHi: u64): bool {
  return aHi == bHi ? aLo > bLo : <i64>aHi > <i64>bHi;
}

/** High 64 bits of a × b. */
// @ts-ignore: decorator
@inline
export function multiplyHigh(a: u64, b: u64): u64 {
  const al = a & 0xffffffff;
  const ah = a >> 32;
  const bl = b & 0xffffffff;
  const bh = b >> 32;
  const m = ah * bl + ((al * bl) >> 32);
  return ah * bh + (m >> 32) + ((al * bh + (m & 0xffffffff)) >> 32);
}

/**
 * (hi:lo) / divisor for hi < divisor: Knuth's algorithm D in base 2^32 (Hacker's Delight, divlu).
 * The correction loops run at most twice.
 */
function divideWide(hi: u64, lo: u64, divisor: u64): u64 {
  const shift = clz<u64>(divisor);
  const d = divisor << shift;
  const dh = d >> 32;
  const dl = d & 0xffffffff;
  const nh = (hi << shift) | (shift ? lo >> (64 - shift) : 0);
  const nl = lo << shift;
  let q1 = nh / dh;
  let r = nh - q1 * dh;
  while (q1 >> 32 || q1 * dl > ((r << 32) | (nl >> 32))) {
    q1 -= 1;
    r += dh;
    if (r >> 32) break;
  }
  const rest = (nh << 32) + (nl >> 32) - q1 * d;
  let q0 = rest / dh;
  r = rest - q0 * dh;
  while (q0 >> 32 || q0 * dl > ((r << 32) | (nl & 0xffffffff))) {
    q0 -= 1;
    r += dh;
    if (r >> 32) break;
  }
  return (q1 << 32) + q0;
}

/** floor((a × b + c) / divisor), clamped to the largest u64. divisor > 0. */
export function multiplyDivide(a: u64, b: u64, c: u64, divisor: u64): u64 {
  let lo = a * b;
  let hi = multiplyHigh(a, b);
  lo += c;
  hi += u64(lo < c);
  if (hi >= divisor) return u64.MAX_VALUE;
  return hi == 0 ? lo / divisor : divideWide(hi, lo, divisor);
}
