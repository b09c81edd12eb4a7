// Hash of a prefix: multilinear over 32-bit halves of 8-byte words with secret keys (Lemire, Kaser:
// "Strongly universal string hashing is fast", 2014, variant HM). With independent keys, prefixes
// chosen without knowing them share a tag with a chance of about 2^-31, whatever they are; here the
// keys come from one 64-bit seed. It is a sum, so the lookup steps back from cut to cut by
// subtracting words, and remembers nothing.
//
// A prefix is chunks of 64 bytes, each of 8 words; its last word is partial, perhaps empty:
//   term(word, i) = (key[2i] + low half) * (key[2i + 1] + high half)
//   chunk(c)      = chunkKey(c) * upper half of the sum of its 8 terms
//   tag           = upper half of the sum of whole chunks and of the terms of the words after them
import { ROUTES } from "../layout";
import { KEYS_OFFSET, RouteTable } from "./record";

const KEYS: usize = ROUTES + KEYS_OFFSET;

/** SplitMix64: the n-th number of the sequence that `seed` starts. */
function splitMix(seed: u64, n: u32): u64 {
  let z = seed + <u64>(n + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/** Derives the keys of the words from the seed. */
export function keysInit(seed: u64): void {
  for (let i: u32 = 0; i < 16; ++i) store<u64>(KEYS + ((<usize>i) << 3), splitMix(seed, i));
}

/** Part of the tag that word `index` (0-7) of a chunk adds. */
// @ts-ignore: decorator
@inline
export function termOf(word: u64, index: u32): u64 {
  const keys = KEYS + ((<usize>index) << 4);
  return (load<u64>(keys) + (word & 0xffffffff)) * (load<u64>(keys, 8) + (word >> 32));
}

/** Sum of the terms of the first `words` words of the chunk at `p`. */
// @ts-ignore: decorator
@inline
export function termsOf(p: usize, words: u32): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < words; ++i) sum += termOf(load<u64>(p + ((<usize>i) << 3), 0, 1), i);
  return sum;
}

/** Part of the tag that the whole chunk number `chunk` (0-14) at `p` adds. */
export function chunkTermOf(p: usize, chunk: u32): u64 {
  const key = splitMix(changetype<RouteTable>(ROUTES).seed, 16 + chunk);
  return key * (termsOf(p, 8) >> 32);
}

/** The `count` (0-7) lowest bytes of the word at `p`; reads up to 8 bytes past them. */
// @ts-ignore: decorator
@inline
export function partOf(p: usize, count: u32): u64 {
  return load<u64>(p, 0, 1) & (((<u64>1) << ((<u64>count) << 3)) - 1);
}

/** Tag of the prefix of `length` bytes at `p`; reads up to 8 bytes past it, which do not matter. */
export function tagOf(p: usize, length: u32): u32 {
  const chunks = length >> 6;
  let sum: u64 = 0;
  for (let c: u32 = 0; c < chunks; ++c) sum += chunkTermOf(p + ((<usize>c) << 6), c);
  const last = p + ((<usize>chunks) << 6);
  const words = (length & 63) >> 3;
  sum += termsOf(last, words);
  sum += termOf(partOf(last + ((<usize>words) << 3), length & 7), words);
  return <u32>(sum >> 32);
}
