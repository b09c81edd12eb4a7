// Exports the hashes for unit tests.
import { crc32c as crc32cOf } from "../../assembly/hash/crc32c";
import * as sha256 from "../../assembly/hash/sha256";

const BUFFER: usize = memory.data(65536, 16);

/** 64 KiB of scratch for inputs and outputs. */
export function buffer(): usize {
  return BUFFER;
}
export function stateSize(): u32 {
  return sha256.SHA256_SIZE;
}

export function verify32(preimage: usize, condition: usize): bool {
  return sha256.verify32(preimage, condition);
}
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
  return sha256.verify32x4(p0, p1, p2, p3, c0, c1, c2, c3);
}
export function digest32(p: usize, out: usize): void {
  sha256.digest32(p, out);
}
export function digest(p: usize, n: usize, out: usize): void {
  sha256.digest(p, n, out);
}
export function start(s: usize): void {
  sha256.start(changetype<sha256.Sha256>(s));
}
export function update(s: usize, p: usize, n: usize): void {
  sha256.update(changetype<sha256.Sha256>(s), p, n);
}
export function finish(s: usize, out: usize): void {
  sha256.finish(changetype<sha256.Sha256>(s), out);
}
export function equal32(a: usize, b: usize): bool {
  return sha256.equal32(a, b);
}
export function equal(a: usize, b: usize, n: usize): bool {
  return sha256.equal(a, b, n);
}
export function crc32c(p: usize, n: usize, crc: u32): u32 {
  return crc32cOf(p, n, crc);
}

/** `count` checks of the 32 bytes at `p` against those at `p + 32`: for timing. */
export function verifyMany(p: usize, count: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; ++i) sum += u32(sha256.verify32(p, p + 32));
  return sum;
}
/** `count` checks of four times the 32 bytes at `p` against those at `p + 32`: for timing. */
export function verifyLanesMany(p: usize, count: u32): u32 {
  const c = p + 32;
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; ++i) sum += sha256.verify32x4(p, p, p, p, c, c, c, c);
  return sum;
}
