// Journal records: 64 bytes each, little-endian, a CRC32C over the whole with its own field zero.
//
//   kind u8 | flags u8 | index u16 | crc u32 | sequence u64 | a u64 | b | c | d | e | f
import { RecordKind } from "../abi";
import { channel } from "../channel";
import { RECORD_COUNT } from "../config";
import { crc32c } from "../hash/crc32c";
import { RECORDS, RECORD_STRIDE } from "../layout";
import { state } from "../state";


@unmanaged
export class Record {
  kind: u8;
  flags: u8;
  index: u16;
  crc: u32;
  sequence: u64;
  a: u64;
  b: u64;
  c: u64;
  d: u64;
  e: u64;
  f: u64;
}

if (offsetof<Record>() != RECORD_STRIDE) ERROR("journal record");

// @ts-ignore: decorator
@inline
function recordAt(index: u32): Record {
  return changetype<Record>(RECORDS + <usize>(index * RECORD_STRIDE));
}

/** Is there room for `n` more records? Records the host has taken make room. */
export function hasRecords(n: u32): bool {
  const c = channel();
  if (c.recordsTaken) {
    c.records = 0;
    c.recordsTaken = 0;
  }
  return c.records + n <= RECORD_COUNT;
}

/** Next free record, numbered and otherwise zero; the caller made sure there is room. */
export function append(kind: RecordKind, index: u32): Record {
  const c = channel();
  const r = recordAt(c.records);
  c.records += 1;
  memory.fill(changetype<usize>(r), 0, RECORD_STRIDE);
  const s = state();
  s.recordSequence += 1;
  r.kind = <u8>kind;
  r.index = <u16>index;
  r.sequence = s.recordSequence;
  return r;
}

/** Seals a finished record with its checksum. */
export function seal(r: Record): void {
  r.crc = 0;
  r.crc = crc32c(changetype<usize>(r), RECORD_STRIDE);
}

/** Is the record's checksum right? */
export function isSealed(r: Record): bool {
  const crc = r.crc;
  r.crc = 0;
  const right = crc32c(changetype<usize>(r), RECORD_STRIDE) == crc;
  r.crc = crc;
  return right;
}

/** Hands the waiting records to the host. @returns how many there are at RECORDS. */
export function takeRecords(): u32 {
  const c = channel();
  if (c.recordsTaken) return 0;
  c.recordsTaken = 1;
  return c.records;
}
