// Accounts: what one peer, child or parent owes and is owed, and its limits. Sign as ilp-connector:
// balance = debits - credits, positive when the account's owner owes this node.
import { AccountFlag } from "../abi";
import { ACCOUNTS, NAME_SIZE } from "../config";
import { ACCOUNT_RECORDS, ACCOUNT_STRIDE, NAMES } from "../layout";

/** The node itself: its local link sends and receives like any peer. */
export const LOCAL: u32 = 0;


@unmanaged
export class Account {
  flags: u32;
  relation: u8;
  linkKind: u8;
  asset: u16;
  /** Counts the links this account has had: a reply belongs to the session of its request. */
  session: u16;
  nameLength: u16;
  segmentLength: u16;
  reserved0: u16;
  flightsIn: u32;
  flightsOut: u32;
  flightsMax: u32;
  reserved1: u32;
  debitsLo: u64;
  debitsHi: u64;
  creditsLo: u64;
  creditsHi: u64;
  /** Incoming packets on hold, and claims: becomes debits when they are fulfilled. */
  debitsPending: u64;
  /** Outgoing packets on hold, and claims: becomes credits when they are fulfilled. */
  creditsPending: u64;
  /** The part of debitsPending that was on hold in an earlier life, outcome unknown. */
  claimDebits: u64;
  /** The part of creditsPending that was on hold in an earlier life, outcome unknown. */
  claimCredits: u64;
  balanceMinLo: u64;
  balanceMinHi: u64;
  balanceMaxLo: u64;
  balanceMaxHi: u64;
  settleThresholdLo: u64;
  settleThresholdHi: u64;
  settleToLo: u64;
  settleToHi: u64;
  packetMaxIn: u64;
  packetMaxOut: u64;
  pendingMax: u64;
  riskMax: u64;
  throughputIn: u64;
  throughputOut: u64;
  throughputPeriodMs: u32;
  rateCount: u32;
  ratePeriodMs: u32;
  rateCapacity: u32;
}

if (offsetof<Account>() > ACCOUNT_STRIDE) ERROR("account record");

// @ts-ignore: decorator
@inline
export function account(index: u32): Account {
  return changetype<Account>(ACCOUNT_RECORDS + <usize>(index * ACCOUNT_STRIDE));
}

export function isAccount(index: u32): bool {
  return index < ACCOUNTS && (account(index).flags & AccountFlag.Open) != 0;
}

/** Account id, as operators and reject texts show it. */
// @ts-ignore: decorator
@inline
export function accountName(index: u32): usize {
  return NAMES + <usize>(index * NAME_SIZE * 2);
}

/** Address segment of a child account (ADR-13). */
// @ts-ignore: decorator
@inline
export function accountSegment(index: u32): usize {
  return NAMES + <usize>(index * NAME_SIZE * 2 + NAME_SIZE);
}
