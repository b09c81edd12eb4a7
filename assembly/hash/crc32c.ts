// CRC32C, the Castagnoli checksum (RFC 3720, B.4), for journal records, snapshots, serial frames.
// It finds accidents, not forgeries. One table of 1 KiB, or of 64 bytes in builds made for size.
import { byteTable, nibbleTable } from "./crc32c-table";

// @ts-ignore: decorator
@inline
function shiftNibble(crc: u32): u32 {
  return (crc >> 4) ^ load<u32>(nibbleTable() + ((<usize>(crc & 15)) << 2));
}

// @ts-ignore: decorator
@inline
function shiftByte(crc: u32): u32 {
  if (CFG_SHA_LOOP) return shiftNibble(shiftNibble(crc));
  return (crc >> 8) ^ load<u32>(byteTable() + ((<usize>(crc & 255)) << 2));
}

/**
 * CRC32C of `n` bytes at `p`. With `crc` the result for earlier bytes, the result for all of them:
 * crc32c(b, nb, crc32c(a, na)) = crc32c(ab, na + nb).
 */
export function crc32c(p: usize, n: usize, crc: u32 = 0): u32 {
  const end = p + n;
  let rest = ~crc;
  for (; p < end; ++p) rest = shiftByte(rest ^ load<u8>(p));
  return ~rest;
}
