// Commit records: absolute sums of what changed since the last commit, one record per touched
// account or asset. Bytes written grow with accounts touched, not with packets; replaying any
// prefix of them gives sums that were once true.
import { RecordKind, Status } from "../abi";
import { ACCOUNTS, ASSETS, RECORD_COUNT } from "../config";
import { account } from "../ledger/account";
import { asset } from "../ledger/asset";
import { atRisk, meter } from "../ledger/meter";
import { state } from "../state";
import { append, hasRecords, seal } from "./record";

/**
 * Writes commit records for changed accounts and assets until all are written or the record region
 * is full.
 * @returns 1 when more is left: take the records and call again.
 */
export function commit(): u32 {
  const s = state();
  for (let i: u32 = 0; i < ASSETS; ++i) {
    if (!asset(i).dirty) continue;
    if (!hasRecords(2)) return 1;
    writeAsset(i);
  }
  let cursor = s.commitCursor;
  for (let i: u32 = 0; i < ACCOUNTS; ++i) {
    if (meter(cursor).dirty) {
      if (!hasRecords(1)) {
        s.commitCursor = cursor;
        return 1;
      }
      writeAccount(cursor);
    }
    cursor += 1;
    if (cursor >= ACCOUNTS) cursor = 0;
  }
  s.commitCursor = cursor;
  return 0;
}

function writeAccount(index: u32): void {
  const a = account(index);
  const r = append(RecordKind.Account, index);
  r.a = a.debitsLo;
  r.b = a.debitsHi;
  r.c = a.creditsLo;
  r.d = a.creditsHi;
  r.e = a.debitsPending;
  r.f = a.creditsPending;
  seal(r);
  const m = meter(index);
  m.dirty = 0;
  m.riskWritten = atRisk(m);
  m.riskOpen = 0;
}

/**
 * Every record that `commit` has written, all of them taken, is durable now. A host has one commit
 * under way at a time; what was posted after it stays at risk.
 */
export function durable(): Status {
  for (let i: u32 = 0; i < ACCOUNTS; ++i) meter(i).riskWritten = 0;
  return Status.Ok;
}

function writeAsset(index: u32): void {
  const a = asset(index);
  const income = append(RecordKind.Income, index);
  income.a = a.incomeDebitsLo;
  income.b = a.incomeDebitsHi;
  income.c = a.incomeCreditsLo;
  income.d = a.incomeCreditsHi;
  seal(income);
  const settlement = append(RecordKind.Settlement, index);
  settlement.a = a.settledDebitsLo;
  settlement.b = a.settledDebitsHi;
  settlement.c = a.settledCreditsLo;
  settlement.d = a.settledCreditsHi;
  seal(settlement);
  a.dirty = 0;
}

if (RECORD_COUNT < 4) ERROR("CFG_RECORDS must hold a commit of one asset and one account");
