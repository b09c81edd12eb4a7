// Commit records made by hand, as a journal of another life would bring them.
import { RecordKind, RecordRecord as R } from "../../../host/abi.js";
import { crc32c } from "../framing.js";

type Pair = [debits: bigint, credits: bigint];

/** A sealed Account record: absolute sums, and what was pending. */
export function accountRecord(index: number, sums: Pair, pending: Pair): Buffer {
  const bytes = Buffer.alloc(R.SIZE);
  bytes[R.kind] = RecordKind.Account;
  bytes.writeUInt16LE(index, R.index);
  for (const [i, sum] of sums.entries()) {
    bytes.writeBigUInt64LE(BigInt.asUintN(64, sum), R.a + 16 * i);
    bytes.writeBigUInt64LE(sum >> 64n, R.b + 16 * i);
  }
  bytes.writeBigUInt64LE(pending[0], R.e);
  bytes.writeBigUInt64LE(pending[1], R.f);
  bytes.writeUInt32LE(crc32c(bytes), R.crc);
  return bytes;
}
