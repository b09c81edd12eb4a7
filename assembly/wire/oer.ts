// Canonical OER (RFC 30; OER-01..12, OER-19): big-endian integers, length determinants, counts, and
// the byte comparisons every format here shares. Readers are strict: one encoding per value.
// It knows no message: which lengths are legal is decided where the field is.
//
// All pointers may be unaligned. Readers may look at up to 16 bytes past `end`, and never use them.

/** What `readLength` and `readVarUint` return for anything they refuse. */
export const BAD_LENGTH: u64 = u64.MAX_VALUE;

// @ts-ignore: decorator
@inline
export function readU16(p: usize): u16 {
  return bswap<u16>(load<u16>(p, 0, 1));
}

// @ts-ignore: decorator
@inline
export function readU32(p: usize): u32 {
  return bswap<u32>(load<u32>(p, 0, 1));
}

// @ts-ignore: decorator
@inline
export function readU64(p: usize): u64 {
  return bswap<u64>(load<u64>(p, 0, 1));
}

// @ts-ignore: decorator
@inline
export function writeU16(p: usize, value: u16): void {
  store<u16>(p, bswap<u16>(value), 0, 1);
}

// @ts-ignore: decorator
@inline
export function writeU32(p: usize, value: u32): void {
  store<u32>(p, bswap<u32>(value), 0, 1);
}

// @ts-ignore: decorator
@inline
export function writeU64(p: usize, value: u64): void {
  store<u64>(p, bswap<u64>(value), 0, 1);
}

/** Bytes of the length determinant for `n` (below 2^24): 1, 2, 3 or 4 (OER-03). */
// @ts-ignore: decorator
@inline
export function lengthSize(n: u32): u32 {
  return 1 + u32(n > 127) + u32(n > 255) + u32(n > 65535);
}

/** Writes the shortest length determinant for `n` (below 2^24); returns its size (OER-03). */
export function writeLength(p: usize, n: u32): u32 {
  if (n < 128) {
    store<u8>(p, n);
    return 1;
  }
  if (n < 256) {
    store<u8>(p, 0x81);
    store<u8>(p, n, 1);
    return 2;
  }
  if (n < 65536) {
    store<u8>(p, 0x82);
    writeU16(p + 1, <u16>n);
    return 3;
  }
  writeU32(p, 0x83000000 | n);
  return 4;
}

/**
 * Reads a length determinant at `p` (at most `end`) whose contents must also end by `end`.
 * Returns `size << 32 | value`, or `BAD_LENGTH` if it is not the shortest form, has more than three
 * length bytes, or does not fit (OER-02..08).
 */
// @ts-ignore: decorator
@inline
export function readLength(p: usize, end: usize): u64 {
  const first = <u32>load<u8>(p);
  if (first > 127) return readLongLength(p, end);
  return p + 1 + first <= end ? ((<u64>1) << 32) | first : BAD_LENGTH;
}

function readLongLength(p: usize, end: usize): u64 {
  const word = readU32(p);
  const form = word >> 24;
  let size: u32, value: u32, least: u32;
  if (form == 0x81) {
    size = 2;
    value = (word >> 16) & 0xff;
    least = 128;
  } else if (form == 0x82) {
    size = 3;
    value = (word >> 8) & 0xffff;
    least = 256;
  } else if (form == 0x83) {
    size = 4;
    value = word & 0xffffff;
    least = 65536;
  } else {
    return BAD_LENGTH;
  }
  if (value < least || p + size + value > end) return BAD_LENGTH;
  return ((<u64>size) << 32) | value;
}

/**
 * True if the refused length at `p` is itself wrong (not canonical, too many bytes), false if the
 * bytes merely end too early. For naming a fault; meaningful only after `BAD_LENGTH`.
 */
export function isMalformedLength(p: usize, end: usize): bool {
  if (p >= end) return false;
  const word = readU32(p);
  const form = word >> 24;
  if (form < 128) return false;
  if (form < 0x81 || form > 0x83) return true;
  const size = form - 0x80;
  if (p + 1 + size > end) return false;
  const value = (word & 0xffffff) >> ((3 - size) << 3);
  return value < 128 || (size > 1 && value >> ((size - 1) << 3) == 0);
}

/**
 * Reads a variable-length unsigned integer of at most four bytes, such as a count (OER-11, OER-12).
 * Returns `size << 32 | value`, size including the length byte, or `BAD_LENGTH` if it is empty, has
 * a leading zero byte (the value 0 is `01 00`), is wider than 32 bits, or does not fit.
 */
export function readVarUint(p: usize, end: usize): u64 {
  if (p >= end) return BAD_LENGTH;
  const size = <u32>load<u8>(p);
  if (size - 1 > 3 || p + 1 + size > end) return BAD_LENGTH;
  const value = readU32(p + 1) >> ((4 - size) << 3);
  if (size > 1 && load<u8>(p, 1) == 0) return BAD_LENGTH;
  return ((<u64>(size + 1)) << 32) | value;
}

/** The value of a result of `readLength` or `readVarUint`. */
// @ts-ignore: decorator
@inline
export function valueOf(length: u64): u32 {
  return <u32>length;
}

/** The size in bytes of the determinant that gave a result of `readLength` or `readVarUint`. */
// @ts-ignore: decorator
@inline
export function sizeOf(length: u64): u32 {
  return <u32>(length >> 32);
}

/** Writes a length determinant and `length` bytes from `source`; returns the bytes written. */
export function writeBytes(p: usize, source: usize, length: u32): u32 {
  const size = writeLength(p, length);
  memory.copy(p + size, source, length);
  return size + length;
}

/** True if `length` bytes at `a` and `b` are equal. Not constant-time. */
export function equalBytes(a: usize, b: usize, length: u32): bool {
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) {
    if (load<u64>(a + i, 0, 1) != load<u64>(b + i, 0, 1)) return false;
  }
  const rest = (length - i) << 3;
  if (rest == 0) return true;
  return (load<u64>(a + i, 0, 1) ^ load<u64>(b + i, 0, 1)) << (64 - <u64>rest) == 0;
}

/** True if none of `length` bytes has its top bit set (IA5String, OER-19, BTP-17). */
export function isAscii(p: usize, length: u32): bool {
  const top: u64 = 0x8080808080808080;
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) {
    if (load<u64>(p + i, 0, 1) & top) return false;
  }
  const rest = (length - i) << 3;
  return rest == 0 || (load<u64>(p + i, 0, 1) & top) << (64 - <u64>rest) == 0;
}

// @ts-ignore: decorator
@inline
function isContinuation(byte: u32): bool {
  return (byte & 0xc0) == 0x80;
}

/** Bytes of the well-formed UTF-8 character at `p`, of `left` bytes left; 0 if there is none. */
function utf8Size(p: usize, left: u32): u32 {
  const first = <u32>load<u8>(p);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const second = <u32>load<u8>(p, 1);
  if (left < 2 || !isContinuation(second)) return 0;
  if (first < 0xe0) return 2;
  if (left < 3 || !isContinuation(load<u8>(p, 2))) return 0;
  // Overlong forms, surrogates and values past U+10FFFF show in the second byte.
  if (first == 0xe0 && second < 0xa0) return 0;
  if (first == 0xed && second > 0x9f) return 0;
  if (first < 0xf0) return 3;
  if (left < 4 || !isContinuation(load<u8>(p, 3))) return 0;
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second > 0x8f) return 0;
  return 4;
}

/** True if `length` bytes are well-formed UTF-8 (OER-19). */
export function isUtf8(p: usize, length: u32): bool {
  let i: u32 = 0;
  while (i < length) {
    const size = utf8Size(p + i, length - i);
    if (size == 0) return false;
    i += size;
  }
  return true;
}
