// Setters: accounts, assets, rates, routes, own address, policy. Each reads its parameters from the
// input buffer, checks all of them, then changes everything or nothing.
import {
  AccountFlag,
  AccountSettings,
  AssetSettings,
  ClaimSide,
  Counter,
  LinkKind,
  Mode,
  PolicySettings,
  RateSettings,
  Relation,
  Status,
  Verb,
} from "./abi";
import {
  ACCOUNTS,
  ADDRESS_SIZE,
  ASSETS,
  ASSET_CODE_SIZE,
  HOLD_MAX_MS,
  INPUT_SIZE,
  NAME_SIZE,
  TRAIL,
} from "./config";
import { begin } from "./channel";
import { checkSettlement } from "./flow/reply";
import { CHAIN_MAX } from "./flight/loop";
import { canNote, noteCommand } from "./journal/command";
import { INPUT } from "./layout";
import { LOCAL, Account, account, accountName, accountSegment, isAccount } from "./ledger/account";
import { asset, assetCode, hasSums, isAsset } from "./ledger/asset";
import { endClaim, setClaims, settle, touch, writeOff } from "./ledger/balance";
import { Meter, fillMeter, meter } from "./ledger/meter";
import { forgetRates, rateOf, setRate } from "./ledger/rate";
import { routeDelete, routeSet } from "./route/table";
import { isLinkKind, openStream } from "./link";
import { NONE, OWN_ADDRESS, count, state } from "./state";
import { isSame } from "./text";
import { checkAddress, checkPrefix, scheme } from "./wire/address";

/** Bits of AccountSettings.options, as AccountFlag. */
const SETTING_FLAGS: u32 =
  AccountFlag.Frozen | AccountFlag.Draining | AccountFlag.Reflect | AccountFlag.Settles;

/**
 * Opens or changes an asset: AssetSettings and its code in the input.
 * A change of code or scale forgets its rates: they were another asset's.
 * @returns Busy when code or scale would change and accounts use it or it has sums: income,
 * settlements, or claims that no open account holds.
 */
export function setAsset(index: u32): Status {
  const size: u32 =
    offsetof<AssetSettings>() + load<u8>(INPUT, offsetof<AssetSettings>("codeLength"));
  if (!canNote(size)) return Status.Undrained;
  return noteCommand(applySetAsset(index), Verb.AssetSet, index, 0, size);
}

function applySetAsset(index: u32): Status {
  const from = changetype<AssetSettings>(INPUT);
  if (index >= ASSETS) return Status.Full;
  const length = <u32>from.codeLength;
  if (!length || length > ASSET_CODE_SIZE) return Status.BadArgument;
  const a = asset(index);
  const code = INPUT + offsetof<AssetSettings>();
  const same = <u32>a.codeLength == length && isSame(assetCode(index), code, length);
  if (a.open && (!same || a.scale != from.scale)) {
    if (a.accounts || hasSums(a)) return Status.Busy;
    forgetRates(index);
  }
  a.open = 1;
  a.scale = from.scale;
  a.codeLength = from.codeLength;
  memory.fill(assetCode(index), 0, ASSET_CODE_SIZE);
  memory.copy(assetCode(index), code, length);
  return Status.Ok;
}

/** Bytes of the account settings in the input, names included. */
function accountParameters(): u32 {
  const s = changetype<AccountSettings>(INPUT);
  const size: u32 = offsetof<AccountSettings>() + s.nameLength + s.segmentLength;
  return size > INPUT_SIZE ? 0 : size;
}

function checkAccountSettings(s: AccountSettings): bool {
  const names = <u32>s.nameLength > 0 && <u32>s.nameLength <= NAME_SIZE;
  const segment = <u32>s.segmentLength <= NAME_SIZE;
  const relation = <u32>s.relation <= <u32>Relation.Child;
  const rate = s.rateCount == 0 || (s.ratePeriodMs > 0 && s.rateCapacity > 0);
  const throughput = (s.throughputIn == 0 && s.throughputOut == 0) || s.throughputPeriodMs > 0;
  const options = ((<u32>s.options) & ~SETTING_FLAGS) == 0;
  return names && segment && relation && rate && throughput && options;
}

/**
 * Opens or changes an account: AccountSettings, then its name, then its address segment. Sums,
 * packets in flight and the link stay; token buckets are filled when their limits changed.
 * @returns Busy when its asset would change while it has sums or packets in flight.
 */
export function setAccount(index: u32): Status {
  const size: u32 = accountParameters();
  if (!canNote(size)) return Status.Undrained;
  return noteCommand(applySetAccount(index), Verb.AccountSet, index, 0, size);
}

function applySetAccount(index: u32): Status {
  const s = changetype<AccountSettings>(INPUT);
  if (index >= ACCOUNTS) return Status.Full;
  if (!checkAccountSettings(s)) return Status.BadArgument;
  if (!isAsset(s.asset)) return Status.NotFound;
  const a = account(index);
  const open = (a.flags & AccountFlag.Open) != 0;
  if (open && a.asset != s.asset) {
    const sums = a.debitsLo | a.debitsHi | a.creditsLo | a.creditsHi;
    if (sums || a.claimDebits || a.claimCredits || a.flightsIn || a.flightsOut) return Status.Busy;
    asset(a.asset).accounts -= 1;
  }
  if (!open || a.asset != s.asset) asset(s.asset).accounts += 1;
  const refill = !open || limitsDiffer(a, s);
  const m = meter(index);
  if (!open) memory.fill(changetype<usize>(m), 0, offsetof<Meter>());
  // Claims may have been replayed before the account was opened, in another asset's name.
  const debits = a.claimDebits;
  const credits = a.claimCredits;
  setClaims(a, 0, 0);
  copySettings(a, s);
  setClaims(a, debits, credits);
  const text = INPUT + offsetof<AccountSettings>();
  memory.copy(accountName(index), text, s.nameLength);
  memory.copy(accountSegment(index), text + s.nameLength, s.segmentLength);
  if (refill) fillMeter(m, a, state().nowMs);
  touch(index);
  checkSettlement(index, true);
  return Status.Ok;
}

/**
 * Limits stand in the same order and width in the settings and in the account: copied as a block.
 */
const LIMITS: usize = offsetof<Account>("balanceMinLo");
const LIMITS_SIZE: usize = offsetof<Account>() - LIMITS;
const SETTING_LIMITS: usize = offsetof<AccountSettings>("balanceMinLo");
/** The token buckets' part of them. */
const BUCKETS: usize = offsetof<Account>("throughputIn");
const BUCKETS_SIZE: usize = offsetof<Account>() - BUCKETS;
const SETTING_BUCKETS: usize = offsetof<AccountSettings>("throughputIn");

if (BUCKETS - LIMITS != SETTING_BUCKETS - SETTING_LIMITS) ERROR("limits must stand in one order");
if (offsetof<AccountSettings>("flightsMax") - SETTING_LIMITS != LIMITS_SIZE) ERROR("limits differ");

function limitsDiffer(a: Account, s: AccountSettings): bool {
  const from = changetype<usize>(s) + SETTING_BUCKETS;
  return !isSame(changetype<usize>(a) + BUCKETS, from, BUCKETS_SIZE);
}

function copySettings(a: Account, s: AccountSettings): void {
  a.flags = (a.flags & ~SETTING_FLAGS) | AccountFlag.Open | (<u32>s.options);
  a.relation = s.relation;
  a.asset = s.asset;
  a.nameLength = s.nameLength;
  a.segmentLength = s.segmentLength;
  a.flightsMax = s.flightsMax;
  memory.copy(changetype<usize>(a) + LIMITS, changetype<usize>(s) + SETTING_LIMITS, LIMITS_SIZE);
}

/**
 * Closes an account. Its balance is written off against the asset's income; the index may then be
 * used for another account. Routes to it are the host's to delete first.
 * @returns Busy while packets are in flight from it or to it, or claims are open.
 */
export function closeAccount(index: u32): Status {
  if (!canNote(0)) return Status.Undrained;
  return noteCommand(applyCloseAccount(index), Verb.AccountClose, index, 0, 0);
}

function applyCloseAccount(index: u32): Status {
  if (index == LOCAL || !isAccount(index)) return Status.NotFound;
  const a = account(index);
  if (a.flightsIn || a.flightsOut || a.claimDebits || a.claimCredits) return Status.Busy;
  writeOff(index);
  asset(a.asset).accounts -= 1;
  a.flags = 0;
  a.linkKind = <u8>LinkKind.None;
  a.session += 1;
  if (state().defaultAccount == index) state().defaultAccount = NONE;
  return Status.Ok;
}

/**
 * Sets the rate between two assets: RateSettings in the input. Numerator and denominator 0 remove
 * it.
 */
export function setRateOf(from: u32, to: u32): Status {
  const size: u32 = offsetof<RateSettings>();
  if (!canNote(size)) return Status.Undrained;
  return noteCommand(applySetRateOf(from, to), Verb.RateSet, from, to, size);
}

function applySetRateOf(from: u32, to: u32): Status {
  if (!isAsset(from) || !isAsset(to)) return Status.NotFound;
  const settings = changetype<RateSettings>(INPUT);
  const rate = rateOf(from, to);
  if (settings.numerator == 0 && settings.denominator == 0) {
    rate.numerator = 0;
    rate.denominator = 0;
    return Status.Ok;
  }
  return setRate(rate, settings);
}

/** Adds or replaces a route: the prefix in the input (ADR-05). */
export function setRoute(length: u32, index: u32): Status {
  const size: u32 = length;
  if (!canNote(size)) return Status.Undrained;
  return noteCommand(applySetRoute(length, index), Verb.RouteSet, length, index, size);
}

function applySetRoute(length: u32, index: u32): Status {
  if (!isAccount(index)) return Status.NotFound;
  if (length > ADDRESS_SIZE || !checkPrefix(INPUT, length)) return Status.BadAddress;
  return routeSet(INPUT, length, index) == 0 ? Status.Ok : Status.Full;
}

/** Removes the route of exactly the prefix in the input. */
export function deleteRoute(length: u32): Status {
  const size: u32 = length;
  if (!canNote(size)) return Status.Undrained;
  return noteCommand(applyDeleteRoute(length), Verb.RouteDelete, length, 0, size);
}

function applyDeleteRoute(length: u32): Status {
  if (length > ADDRESS_SIZE || !checkPrefix(INPUT, length)) return Status.BadAddress;
  return routeDelete(INPUT, length) == 0 ? Status.Ok : Status.NotFound;
}

/** Account that packets without a route go to; 0xffffffff for none. */
export function setDefaultRoute(index: u32): Status {
  if (!canNote(0)) return Status.Undrained;
  return noteCommand(applySetDefaultRoute(index), Verb.DefaultRoute, index, 0, 0);
}

function applySetDefaultRoute(index: u32): Status {
  if (index != NONE && !isAccount(index)) return Status.NotFound;
  state().defaultAccount = index;
  return Status.Ok;
}

/** Sets the node's own address (in the input) and routes it to the local account (ADR-12). */
export function setAddress(length: u32): Status {
  const size: u32 = length;
  if (!canNote(size)) return Status.Undrained;
  return noteCommand(applySetAddress(length), Verb.AddressSet, length, 0, size);
}

function applySetAddress(length: u32): Status {
  const s = state();
  if (length > ADDRESS_SIZE || !checkAddress(INPUT, length)) return Status.BadAddress;
  if (s.ownLength) routeDelete(OWN_ADDRESS, s.ownLength);
  if (routeSet(INPUT, length, LOCAL) != 0) {
    if (s.ownLength) routeSet(OWN_ADDRESS, s.ownLength, LOCAL);
    return Status.Full;
  }
  memory.copy(OWN_ADDRESS, INPUT, length);
  s.ownLength = length;
  s.ownScheme = scheme(INPUT, length);
  return Status.Ok;
}

/** Sets expiry windows and the loop bound: PolicySettings in the input. */
export function setPolicy(): Status {
  const size: u32 = offsetof<PolicySettings>();
  if (!canNote(size)) return Status.Undrained;
  return noteCommand(applySetPolicy(), Verb.PolicySet, 0, 0, size);
}

function applySetPolicy(): Status {
  const p = changetype<PolicySettings>(INPUT);
  if (p.maxHoldTimeMs > HOLD_MAX_MS) return Status.BadArgument;
  // Without a window a packet would leave with the expiry it came with (ILP-23).
  if (p.minMessageWindowMs == 0) return Status.BadArgument;
  if (p.minMessageWindowMs > p.maxHoldTimeMs) return Status.BadArgument;
  if (p.loopMax > CHAIN_MAX) return Status.BadArgument;
  const s = state();
  s.minMessageWindowMs = p.minMessageWindowMs;
  s.maxHoldTimeMs = p.maxHoldTimeMs;
  s.loopMax = p.loopMax;
  s.evidenceMs = p.evidenceMs;
  return Status.Ok;
}

/** Sets and clears Mode bits. @returns BadArgument for others, and for those of no such build. */
export function setMode(set: u32, clear: u32): Status {
  const all: u32 = Mode.Draining | (TRAIL ? Mode.Trail | Mode.Commands : 0);
  if ((set | clear) & ~all) return Status.BadArgument;
  const s = state();
  s.mode = (s.mode & ~clear) | set;
  return Status.Ok;
}

/** Sets and clears AccountFlag bits that are settings, and Congested. */
export function setFlags(index: u32, set: u32, clear: u32): Status {
  if (!canNote(0)) return Status.Undrained;
  return noteCommand(
    applySetFlags(index, set, clear),
    Verb.AccountFlags,
    index,
    set | (clear << 16),
    0,
  );
}

function applySetFlags(index: u32, set: u32, clear: u32): Status {
  if (!isAccount(index)) return Status.NotFound;
  if ((set | clear) & ~(SETTING_FLAGS | AccountFlag.Congested)) return Status.BadArgument;
  const a = account(index);
  a.flags = (a.flags & ~clear) | set;
  checkSettlement(index, true);
  return Status.Ok;
}

/** A link can carry packets from now on. A new session: replies to the one before stay unsent. */
export function linkUp(index: u32, kind: u32): Status {
  if (!canNote(0)) return Status.Undrained;
  return noteCommand(applyLinkUp(index, kind), Verb.LinkUp, index, kind, 0);
}

function applyLinkUp(index: u32, kind: u32): Status {
  if (!isAccount(index)) return Status.NotFound;
  if (!isLinkKind(kind)) return Status.BadArgument;
  const a = account(index);
  a.session += 1;
  a.linkKind = <u8>kind;
  openStream(index, kind);
  a.flags = (a.flags | AccountFlag.Linked) & ~AccountFlag.Congested;
  return Status.Ok;
}

/**
 * The link is gone. Packets in flight on it end by their expiry, or by replies on the next link.
 */
export function linkDown(index: u32): Status {
  if (!canNote(0)) return Status.Undrained;
  return noteCommand(applyLinkDown(index), Verb.LinkDown, index, 0, 0);
}

function applyLinkDown(index: u32): Status {
  if (!isAccount(index)) return Status.NotFound;
  account(index).flags &= ~(AccountFlag.Linked | AccountFlag.Congested);
  return Status.Ok;
}

/**
 * Books a settlement; the amount (u64, little-endian) is in the input. paid: 1 paid, 0 received.
 */
export function bookSettlement(index: u32, paid: u32): Status {
  const size: u32 = 8;
  if (!canNote(size)) return Status.Undrained;
  return noteCommand(applyBookSettlement(index, paid), Verb.Settle, index, paid, size);
}

function applyBookSettlement(index: u32, paid: u32): Status {
  if (!isAccount(index)) return Status.NotFound;
  if (paid > 1) return Status.BadArgument;
  settle(index, paid == 1, load<u64>(INPUT));
  checkSettlement(index, true);
  return Status.Ok;
}

/**
 * A part of a possible claim was right: its packets had been fulfilled. The amount (u64,
 * little-endian) is in the input; side: a ClaimSide.
 * @returns Unbalanced when the open claim is smaller.
 */
export function postClaim(index: u32, side: u32): Status {
  const status = begin();
  if (status < 0) return status;
  if (!canNote(8)) return Status.Undrained;
  const done = applyEndClaim(index, side, true);
  if (done == Status.Ok) checkSettlement(index, (state().mode & Mode.Replaying) != 0);
  return noteCommand(done, Verb.ClaimPost, index, side, 8);
}

/** A part of a possible claim was void; arguments and refusals are those of `postClaim`. */
export function voidClaim(index: u32, side: u32): Status {
  if (!canNote(8)) return Status.Undrained;
  return noteCommand(applyEndClaim(index, side, false), Verb.ClaimVoid, index, side, 8);
}

function applyEndClaim(index: u32, side: u32, posts: bool): Status {
  if (!isAccount(index)) return Status.NotFound;
  if (side > <u32>ClaimSide.Credits) return Status.BadArgument;
  const amount = load<u64>(INPUT);
  const debits = side == <u32>ClaimSide.Debits ? amount : 0;
  return endClaim(index, debits, amount - debits, posts) ? Status.Ok : Status.Unbalanced;
}

/** Tells the wall clock that belongs to a monotonic time, both in milliseconds. */
export function setClock(wallMs: i64): Status {
  const s = state();
  const offset = wallMs - <i64>s.nowMs;
  const step = offset - s.wallOffsetMs;
  if (s.mode & Mode.ClockSet && (step > 1000 || step < -1000)) count(Counter.ClockSteps);
  s.wallOffsetMs = offset;
  s.mode |= Mode.ClockSet;
  return Status.Ok;
}

/** Can `length` bytes be in the input? */
// @ts-ignore: decorator
@inline
export function isInput(length: u32): bool {
  return length <= INPUT_SIZE;
}
