// Replay: commit records back into the ledger. Sums are absolute, so applying a record twice, or
// only the newest of each account, gives the same ledger.
import { RecordKind, Status } from "../abi";
import { ACCOUNTS, ASSETS, INPUT_SIZE } from "../config";
import { INPUT, RECORD_STRIDE } from "../layout";
import { Account, account } from "../ledger/account";
import { Asset, asset } from "../ledger/asset";
import { state } from "../state";
import { Record, isSealed } from "./record";

/**
 * Applies `n` commit records in the input, in order.
 * @returns the number applied, BadArgument when they do not fit the input, or BadRecord at the
 * first whose checksum, kind or index is wrong (those before it are applied).
 */
export function replay(n: u32): i32 {
  if (n > INPUT_SIZE / RECORD_STRIDE) return Status.BadArgument;
  for (let i: u32 = 0; i < n; ++i) {
    const r = changetype<Record>(INPUT + <usize>(i * RECORD_STRIDE));
    if (!isSealed(r) || !apply(r)) return Status.BadRecord;
    if (r.sequence > state().recordSequence) state().recordSequence = r.sequence;
  }
  return n;
}

function apply(r: Record): bool {
  const index = <u32>r.index;
  switch (<u32>r.kind) {
    case RecordKind.Account:
      if (index >= ACCOUNTS) return false;
      copySums(changetype<usize>(account(index)) + offsetof<Account>("debitsLo"), r);
      return true;
    case RecordKind.Income:
      if (index >= ASSETS) return false;
      copySums(changetype<usize>(asset(index)) + offsetof<Asset>("incomeDebitsLo"), r);
      return true;
    case RecordKind.Settlement:
      if (index >= ASSETS) return false;
      copySums(changetype<usize>(asset(index)) + offsetof<Asset>("settledDebitsLo"), r);
      return true;
    default:
      return false;
  }
}

/** Debits and credits; holds are not sums and are not restored. */
function copySums(to: usize, r: Record): void {
  store<u64>(to, r.a);
  store<u64>(to, r.b, 8);
  store<u64>(to, r.c, 16);
  store<u64>(to, r.d, 24);
}
