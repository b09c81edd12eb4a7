// SHA-256 (FIPS 180-4): the check of a fulfillment (ILP-25), and the general hash, streaming.
//
// `verify32` is the hot path and has three bodies: looped (CFG_SHA_LOOP, smallest), unrolled, and
// four at a time with SIMD. All comparisons take the same time whatever the bytes are.
// Pointers may be unaligned. Nothing here reads outside the given bytes. Scratch is private and
// holds nothing between two calls. Not HMAC.
import { H0, H1, H2, H3, H4, H5, H6, H7, roundConstants } from "./sha256-constants";
import { verifyLanes } from "./sha256-simd";
import { verifyUnrolled } from "./sha256-unrolled";

/** A hash under way, in memory the caller gives. */
@unmanaged
export class Sha256 {
  h0: u32;
  h1: u32;
  h2: u32;
  h3: u32;
  h4: u32;
  h5: u32;
  h6: u32;
  h7: u32;
  /** Bytes hashed so far. */
  length: u64;
  block0: u64;
  block1: u64;
  block2: u64;
  block3: u64;
  block4: u64;
  block5: u64;
  block6: u64;
  block7: u64;
}

/** Bytes of a `Sha256`. */
export const SHA256_SIZE: u32 = offsetof<Sha256>();
const BLOCK_SIZE: usize = 64;
const BLOCK: usize = offsetof<Sha256>("block0");

const W: usize = memory.data(256, 16);
const SINGLE: usize = memory.data(128, 16);
const DIGEST: usize = memory.data(32, 16);

// @ts-ignore: decorator
@inline
function schedule(i: usize, ago: usize): u32 {
  return load<u32>(W + i - (ago << 2));
}

// @ts-ignore: decorator
@inline
function add(h: usize, word: usize, value: u32): void {
  store<u32>(h + (word << 2), load<u32>(h + (word << 2), 0, 1) + value, 0, 1);
}

/** Adds one block of 64 bytes to the eight words at `h` (6.2.2). */
function compress(h: usize, block: usize): void {
  for (let i: usize = 0; i < 64; i += 4) {
    store<u32>(W + i, bswap<u32>(load<u32>(block + i, 0, 1)));
  }
  for (let i: usize = 64; i < 256; i += 4) {
    const x = schedule(i, 15);
    const y = schedule(i, 2);
    const s0 = rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
    const s1 = rotr<u32>(y, 17) ^ rotr<u32>(y, 19) ^ (y >> 10);
    store<u32>(W + i, schedule(i, 16) + s0 + schedule(i, 7) + s1);
  }
  let a = load<u32>(h, 0, 1);
  let b = load<u32>(h, 4, 1);
  let c = load<u32>(h, 8, 1);
  let d = load<u32>(h, 12, 1);
  let e = load<u32>(h, 16, 1);
  let f = load<u32>(h, 20, 1);
  let g = load<u32>(h, 24, 1);
  let last = load<u32>(h, 28, 1);
  const k = roundConstants();
  for (let i: usize = 0; i < 256; i += 4) {
    const s1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const t1 = last + s1 + (g ^ (e & (f ^ g))) + load<u32>(k + i) + load<u32>(W + i);
    const s0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const t2 = s0 + ((a & b) | (c & (a | b)));
    last = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  add(h, 0, a);
  add(h, 1, b);
  add(h, 2, c);
  add(h, 3, d);
  add(h, 4, e);
  add(h, 5, f);
  add(h, 6, g);
  add(h, 7, last);
}

/** Writes the initial value (5.3.3) to the eight words at `h`. */
function reset(h: usize): void {
  store<u32>(h, H0, 0, 1);
  store<u32>(h, H1, 4, 1);
  store<u32>(h, H2, 8, 1);
  store<u32>(h, H3, 12, 1);
  store<u32>(h, H4, 16, 1);
  store<u32>(h, H5, 20, 1);
  store<u32>(h, H6, 24, 1);
  store<u32>(h, H7, 28, 1);
}

/** Writes eight words as the 32 bytes of a digest. */
function emit(h: usize, out: usize): void {
  for (let i: usize = 0; i < 32; i += 4) {
    store<u32>(out + i, bswap<u32>(load<u32>(h + i, 0, 1)), 0, 1);
  }
}

/** Writes SHA-256 of the 32 bytes at `p` to the 32 bytes at `out`, which may overlap them. */
export function digest32(p: usize, out: usize): void {
  memory.copy(SINGLE, p, 32);
  memory.fill(SINGLE + 32, 0, 32);
  store<u8>(SINGLE, 0x80, 32);
  store<u8>(SINGLE, 1, 62);
  reset(DIGEST);
  compress(DIGEST, SINGLE);
  emit(DIGEST, out);
}

function verifyLooped(preimage: usize, condition: usize): bool {
  digest32(preimage, DIGEST);
  return equal32(DIGEST, condition);
}

/** Is SHA-256 of the 32 bytes at `preimage` the 32 bytes at `condition` (ILP-25)? Constant time. */
// @ts-ignore: decorator
@inline
export function verify32(preimage: usize, condition: usize): bool {
  if (CFG_SHA_LOOP) return verifyLooped(preimage, condition);
  return verifyUnrolled(preimage, condition);
}

/**
 * Four times `verify32`: bit i of the result is the answer for p`i` and c`i`. Costs about two
 * `verify32` with SIMD, so it pays for three or four; repeat a pair to fill it up.
 */
export function verify32x4(
  p0: usize,
  p1: usize,
  p2: usize,
  p3: usize,
  c0: usize,
  c1: usize,
  c2: usize,
  c3: usize,
): u32 {
  if (ASC_FEATURE_SIMD && !CFG_SHA_LOOP) return verifyLanes(p0, p1, p2, p3, c0, c1, c2, c3);
  return (
    u32(verify32(p0, c0)) |
    (u32(verify32(p1, c1)) << 1) |
    (u32(verify32(p2, c2)) << 2) |
    (u32(verify32(p3, c3)) << 3)
  );
}

/** Begins a hash. */
export function start(s: Sha256): void {
  reset(changetype<usize>(s));
  s.length = 0;
}

/** Adds `n` bytes, in pieces of any size. */
export function update(s: Sha256, p: usize, n: usize): void {
  const block = changetype<usize>(s) + BLOCK;
  const held = (<usize>s.length) & (BLOCK_SIZE - 1);
  const end = p + n;
  s.length += n;
  if (held) {
    const room = BLOCK_SIZE - held;
    const part = n < room ? n : room;
    memory.copy(block + held, p, part);
    if (part < room) return;
    compress(changetype<usize>(s), block);
    p += part;
  }
  for (; end - p >= BLOCK_SIZE; p += BLOCK_SIZE) compress(changetype<usize>(s), p);
  memory.copy(block, p, end - p);
}

/** Writes the digest to the 32 bytes at `out`; `s` must be started again before its next use. */
export function finish(s: Sha256, out: usize): void {
  const block = changetype<usize>(s) + BLOCK;
  const held = (<usize>s.length) & (BLOCK_SIZE - 1);
  store<u8>(block + held, 0x80);
  memory.fill(block + held + 1, 0, BLOCK_SIZE - 1 - held);
  // The length takes the last eight bytes: without room for them there is one block more.
  if (held >= BLOCK_SIZE - 8) {
    compress(changetype<usize>(s), block);
    memory.fill(block, 0, BLOCK_SIZE);
  }
  store<u64>(block, bswap<u64>(s.length << 3), BLOCK_SIZE - 8, 1);
  compress(changetype<usize>(s), block);
  emit(changetype<usize>(s), out);
}

/** Writes SHA-256 of `n` bytes at `p` to the 32 bytes at `out`, which may overlap them. */
export function digest(p: usize, n: usize, out: usize): void {
  const s = changetype<Sha256>(SINGLE);
  start(s);
  update(s, p, n);
  finish(s, out);
}

/** Are the 32 bytes at `a` and at `b` the same? Constant time. */
export function equal32(a: usize, b: usize): bool {
  const low = (load<u64>(a, 0, 1) ^ load<u64>(b, 0, 1)) | (load<u64>(a, 8, 1) ^ load<u64>(b, 8, 1));
  const high =
    (load<u64>(a, 16, 1) ^ load<u64>(b, 16, 1)) | (load<u64>(a, 24, 1) ^ load<u64>(b, 24, 1));
  return (low | high) == 0;
}

/** Are the `n` bytes at `a` and at `b` the same? The time depends on `n` only. */
export function equal(a: usize, b: usize, n: usize): bool {
  let bad: u64 = 0;
  let i: usize = 0;
  for (; i + 8 <= n; i += 8) bad |= load<u64>(a + i, 0, 1) ^ load<u64>(b + i, 0, 1);
  for (; i < n; ++i) bad |= <u64>(load<u8>(a + i) ^ load<u8>(b + i));
  return bad == 0;
}

if (SHA256_SIZE > 128) ERROR("digest() keeps its state in SINGLE");
