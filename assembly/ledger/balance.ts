// Double entry. Every movement has two sides in one asset: the account and the node's own side
// (income for packets, settlement for value that moved outside), so that per asset, pending and
// posted separately, all debits equal all credits after every call.
import { AccountFlag } from "../abi";
import { Account, account } from "./account";
import { Asset, asset } from "./asset";
import { meter } from "./meter";
import { addWide, greater, moveWide, subtractWide } from "./wide";

// @ts-ignore: decorator
@inline
function at(a: Account, field: usize): usize {
  return changetype<usize>(a) + field;
}

// @ts-ignore: decorator
@inline
function own(a: Asset, field: usize): usize {
  return changetype<usize>(a) + field;
}

/** Marks an account's sums, and the own side of its asset, as changed since the last commit. */
// @ts-ignore: decorator
@inline
export function touch(index: u32): void {
  meter(index).dirty = 1;
  asset(account(index).asset).dirty = 1;
}

/**
 * Would holding `amount` from this account push what its owner may come to owe over the maximum?
 * Stores the worst case (signed 128-bit) at `worst`.
 */
// @ts-ignore: decorator
@inline
export function exceedsMaximum(a: Account, amount: u64, worst: usize): bool {
  const pending = a.debitsPending;
  let lo = a.debitsLo - a.creditsLo;
  let hi = a.debitsHi - a.creditsHi - u64(a.debitsLo < a.creditsLo);
  lo += pending;
  hi += u64(lo < pending);
  lo += amount;
  hi += u64(lo < amount);
  store<u64>(worst, lo);
  store<u64>(worst, hi, 8);
  return greater(lo, hi, a.balanceMaxLo, a.balanceMaxHi);
}

/**
 * Would promising `amount` to this account push what this node may come to owe under the minimum?
 * Stores the worst case (signed 128-bit) at `worst`.
 */
// @ts-ignore: decorator
@inline
export function exceedsMinimum(a: Account, amount: u64, worst: usize): bool {
  const pending = a.creditsPending;
  let lo = a.debitsLo - a.creditsLo;
  let hi = a.debitsHi - a.creditsHi - u64(a.debitsLo < a.creditsLo);
  hi -= u64(lo < pending);
  lo -= pending;
  hi -= u64(lo < amount);
  lo -= amount;
  store<u64>(worst, lo);
  store<u64>(worst, hi, 8);
  return greater(a.balanceMinLo, a.balanceMinHi, lo, hi);
}

/** Puts a packet on hold on both sides. The caller has checked every limit. */
export function hold(source: Account, amountIn: u64, next: Account, amountOut: u64): void {
  source.debitsPending += amountIn;
  source.flightsIn += 1;
  next.creditsPending += amountOut;
  next.flightsOut += 1;
  addWide(own(asset(source.asset), offsetof<Asset>("incomeCreditsPendingLo")), amountIn);
  addWide(own(asset(next.asset), offsetof<Asset>("incomeDebitsPendingLo")), amountOut);
}

/** Ends a hold without moving anything: rejected, expired, or fulfilled wrongly. */
export function release(source: Account, amountIn: u64, next: Account, amountOut: u64): void {
  source.debitsPending -= amountIn;
  source.flightsIn -= 1;
  next.creditsPending -= amountOut;
  next.flightsOut -= 1;
  subtractWide(own(asset(source.asset), offsetof<Asset>("incomeCreditsPendingLo")), amountIn);
  subtractWide(own(asset(next.asset), offsetof<Asset>("incomeDebitsPendingLo")), amountOut);
}

/**
 * Ends a hold by posting it: the source owes amountIn more, this node owes next amountOut more.
 * The caller touches both.
 */
export function post(source: Account, amountIn: u64, next: Account, amountOut: u64): void {
  release(source, amountIn, next, amountOut);
  book(source, amountIn, next, amountOut);
}

/** The source owes amountIn more, this node owes next amountOut more. */
function book(source: Account, amountIn: u64, next: Account, amountOut: u64): void {
  addWide(at(source, offsetof<Account>("debitsLo")), amountIn);
  addWide(own(asset(source.asset), offsetof<Asset>("incomeCreditsLo")), amountIn);
  addWide(at(next, offsetof<Account>("creditsLo")), amountOut);
  addWide(own(asset(next.asset), offsetof<Asset>("incomeDebitsLo")), amountOut);
}

/**
 * Sets an account's possible claims: they are part of what is pending, on both sides, like holds,
 * but belong to no packet in flight.
 */
export function setClaims(a: Account, debits: u64, credits: u64): void {
  const contra = asset(a.asset);
  const coming = own(contra, offsetof<Asset>("incomeCreditsPendingLo"));
  const going = own(contra, offsetof<Asset>("incomeDebitsPendingLo"));
  a.debitsPending += debits - a.claimDebits;
  a.creditsPending += credits - a.claimCredits;
  subtractWide(coming, a.claimDebits);
  subtractWide(going, a.claimCredits);
  addWide(coming, debits);
  addWide(going, credits);
  a.claimDebits = debits;
  a.claimCredits = credits;
}

/**
 * Ends a part of an account's claims: its packets were fulfilled (`posts`) or were not.
 * @returns false when that is more than the open claim; nothing has changed then.
 */
export function endClaim(index: u32, debits: u64, credits: u64, posts: bool): bool {
  const a = account(index);
  if (debits > a.claimDebits || credits > a.claimCredits) return false;
  setClaims(a, a.claimDebits - debits, a.claimCredits - credits);
  if (posts) book(a, debits, a, credits);
  touch(index);
  return true;
}

/** Books value that moved outside Interledger: paid to the account's owner, or received. */
export function settle(index: u32, paid: bool, amount: u64): void {
  const a = account(index);
  const contra = asset(a.asset);
  if (paid) {
    addWide(at(a, offsetof<Account>("debitsLo")), amount);
    addWide(own(contra, offsetof<Asset>("settledCreditsLo")), amount);
    // What was due has been acted on; what is left of it is due anew.
    a.flags &= ~AccountFlag.SettlementSaid;
  } else {
    addWide(at(a, offsetof<Account>("creditsLo")), amount);
    addWide(own(contra, offsetof<Asset>("settledDebitsLo")), amount);
  }
  touch(index);
}

/**
 * Closes an account: its remaining balance is written off against income, so that the books of the
 * asset still add up when the record is used for somebody else.
 */
export function writeOff(index: u32): void {
  const a = account(index);
  const contra = asset(a.asset);
  // What the owner owed becomes income's own debit, what was owed to it becomes income's credit.
  moveWide(at(a, offsetof<Account>("debitsLo")), own(contra, offsetof<Asset>("incomeDebitsLo")));
  moveWide(at(a, offsetof<Account>("creditsLo")), own(contra, offsetof<Asset>("incomeCreditsLo")));
  touch(index);
}

/** Amount that brings the account to settleTo when it has passed its threshold; 0 otherwise. */
export function settlementDue(a: Account): u64 {
  const lo = a.debitsLo - a.creditsLo;
  const hi = a.debitsHi - a.creditsHi - u64(a.debitsLo < a.creditsLo);
  if (!greater(a.settleThresholdLo, a.settleThresholdHi, lo, hi)) return 0;
  if (!greater(a.settleToLo, a.settleToHi, lo, hi)) return 0;
  const dueHi = a.settleToHi - hi - u64(a.settleToLo < lo);
  return dueHi ? u64.MAX_VALUE : a.settleToLo - lo;
}
