// Replay: journal records back into the core. Commit records hold absolute sums, so applying one
// twice, or only the newest of each account, gives the same ledger; what was on hold comes back as
// possible claims. The trail and the commands are
// replayed in order from the snapshot they began at, and give the same books byte for byte.
import { AccountFlag, FlightState, Mode, RecordKind, Status, Verb } from "./abi";
import { ACCOUNTS, ASSETS, INPUT_SIZE, TRAIL } from "./config";
import { flight, requestIdOf, slotOf, takeSlot } from "./flight/table";
import { advance } from "./flight/wheel";
import { launch, postFlight, voidFlight } from "./flow/hold";
import { checkSettlement, sayLater } from "./flow/reply";
import { PAYLOAD, commandRecords } from "./journal/command";
import { Record, isSealed } from "./journal/record";
import { INPUT, RECORD_STRIDE } from "./layout";
import { Account, account, isAccount } from "./ledger/account";
import { Asset, asset } from "./ledger/asset";
import { setClaims } from "./ledger/balance";
import { meter } from "./ledger/meter";
import { exceedsU64 } from "./ledger/wide";
import {
  bookSettlement,
  closeAccount,
  postClaim,
  deleteRoute,
  linkDown,
  linkUp,
  setAccount,
  setAddress,
  setAsset,
  setDefaultRoute,
  setFlags,
  setPolicy,
  setRateOf,
  setRoute,
  voidClaim,
} from "./setup";
import { state } from "./state";

// @ts-ignore: decorator
@inline
function recordIn(i: u32): Record {
  return changetype<Record>(INPUT + <usize>(i * RECORD_STRIDE));
}

/**
 * Applies `n` records in the input, in order. A Hold and its condition, and a command and its
 * parameters, must be in the same call.
 * @returns the number applied, BadArgument when they do not fit the input, or BadRecord at the
 * first whose checksum, kind or contents do not follow (those before it are applied).
 */
export function replay(n: u32): i32 {
  if (n > INPUT_SIZE / RECORD_STRIDE) return Status.BadArgument;
  const s = state();
  s.mode |= Mode.Replaying;
  let i: u32 = 0;
  while (i < n) {
    const r = recordIn(i);
    const sequence = r.sequence;
    const used = isSealed(r) ? apply(i, n) : 0;
    if (!used) break;
    if (sequence > s.recordSequence) s.recordSequence = sequence + used - 1;
    i += used;
  }
  s.mode &= ~Mode.Replaying;
  // Nobody knows whether what was said in an earlier life was heard.
  for (let j: u32 = 0; j < ACCOUNTS; ++j) {
    if (account(j).flags & AccountFlag.SettlementSaid) sayLater(j);
  }
  return i == n ? n : Status.BadRecord;
}

/** Applies record `i` and those that belong to it. @returns how many, 0 when it cannot be. */
function apply(i: u32, n: u32): u32 {
  const r = recordIn(i);
  switch (<u32>r.kind) {
    case RecordKind.Account:
    case RecordKind.Income:
    case RecordKind.Settlement:
      return u32(applySums(r));
    case RecordKind.Command:
      return TRAIL ? applyCommand(i, n) : 0;
    case RecordKind.Hold:
      return TRAIL && i + 1 < n && applyHold(r, recordIn(i + 1)) ? 2 : 0;
    case RecordKind.Post:
    case RecordKind.Void:
    case RecordKind.Expire:
      return TRAIL ? u32(applyEnd(r)) : 0;
    default:
      return 0;
  }
}

function applySums(r: Record): bool {
  const index = <u32>r.index;
  if (<u32>r.kind == RecordKind.Account) {
    if (index >= ACCOUNTS) return false;
    const a = account(index);
    // What is on hold in this life stays; with it the claims must still fit.
    const fits =
      !exceedsU64(a.debitsPending - a.claimDebits, r.e) &&
      !exceedsU64(a.creditsPending - a.claimCredits, r.f);
    if (!fits) return false;
    copySums(changetype<usize>(a) + offsetof<Account>("debitsLo"), r);
    setClaims(a, r.e, r.f);
    meter(index).dirty = 1;
    checkSettlement(index, true);
    return true;
  }
  if (index >= ASSETS) return false;
  const at = changetype<usize>(asset(index));
  if (<u32>r.kind == RecordKind.Income) copySums(at + offsetof<Asset>("incomeDebitsLo"), r);
  else copySums(at + offsetof<Asset>("settledDebitsLo"), r);
  return true;
}

/** Debits and credits. */
function copySums(to: usize, r: Record): void {
  store<u64>(to, r.a);
  store<u64>(to, r.b, 8);
  store<u64>(to, r.c, 16);
  store<u64>(to, r.d, 24);
}

function applyHold(r: Record, next: Record): bool {
  const id = <u32>(r.e >> 32);
  const inAccount = <u32>r.index;
  const outAccount = (<u32>r.e) & 0xffff;
  if (!isSealed(next) || <u32>next.kind != RecordKind.HoldCondition || <u32>next.e != id) {
    return false;
  }
  if (!isAccount(inAccount) || !isAccount(outAccount) || r.f < state().nowMs) return false;
  state().nowMs = r.f;
  advance(r.f);
  const slot = takeSlot();
  if (slot == u32.MAX_VALUE || requestIdOf(slot) != id) return false;
  const f = flight(slot);
  f.condition0 = next.a;
  f.condition1 = next.b;
  f.condition2 = next.c;
  f.condition3 = next.d;
  f.amountIn = r.a;
  f.amountOut = r.b;
  f.deadlineMs = r.c;
  f.requestId = <u32>r.d;
  f.destinationMark = <u32>(r.d >> 32);
  f.inAccount = <u16>inAccount;
  f.outAccount = <u16>outAccount;
  f.session = <u16>(r.e >> 16);
  f.atMs = <u32>r.f;
  launch(slot);
  return true;
}

function applyEnd(r: Record): bool {
  const id = <u32>(r.e >> 32);
  const slot = slotOf(id);
  const f = flight(slot);
  if (requestIdOf(slot) != id) return false;
  if (<u32>f.state == FlightState.Expired && <u32>r.kind == RecordKind.Void) {
    // A late Fulfill has been used as evidence.
    f.state = <u8>FlightState.Voided;
    return true;
  }
  if (<u32>f.state != FlightState.Held) return false;
  if (f.amountIn != r.a || f.amountOut != r.b || r.f < state().nowMs) return false;
  state().nowMs = r.f;
  if (<u32>r.kind == RecordKind.Post) {
    postFlight(slot);
    checkSettlement(f.inAccount, true);
    checkSettlement(f.outAccount, true);
  } else if (<u32>r.kind == RecordKind.Void) {
    voidFlight(slot, FlightState.Voided);
  } else {
    voidFlight(slot, FlightState.Expired);
  }
  return true;
}

/**
 * Calls a setter again. Its parameters are put together at the start of the input, over records
 * that have been applied: 48 bytes of each 64 never reach those that have not.
 */
function applyCommand(i: u32, n: u32): u32 {
  const r = recordIn(i);
  const verb = <u32>r.index;
  const a = <u32>r.a;
  const b = <u32>(r.a >> 32);
  const length = <u32>r.b;
  const nowMs = r.f;
  if (r.b > <u64>INPUT_SIZE) return 0;
  const used = commandRecords(length);
  if (i + used > n) return 0;
  for (let part: u32 = 1; part < used; ++part) {
    const from = recordIn(i + part);
    if (!isSealed(from) || <u32>from.kind != RecordKind.Parameters) return 0;
  }
  for (let part: u32 = 1; part < used; ++part) {
    const from = changetype<usize>(recordIn(i + part)) + offsetof<Record>("a");
    memory.copy(INPUT + <usize>((part - 1) * PAYLOAD), from, PAYLOAD);
  }
  if (nowMs > state().nowMs) state().nowMs = nowMs;
  return call(verb, a, b) == Status.Ok ? used : 0;
}

function call(verb: u32, a: u32, b: u32): Status {
  switch (verb) {
    case Verb.AssetSet:
      return setAsset(a);
    case Verb.AccountSet:
      return setAccount(a);
    case Verb.AccountClose:
      return closeAccount(a);
    case Verb.RateSet:
      return setRateOf(a, b);
    case Verb.RouteSet:
      return setRoute(a, b);
    case Verb.RouteDelete:
      return deleteRoute(a);
    case Verb.AddressSet:
      return setAddress(a);
    case Verb.PolicySet:
      return setPolicy();
    case Verb.DefaultRoute:
      return setDefaultRoute(a);
    case Verb.AccountFlags:
      return setFlags(a, b & 0xffff, b >> 16);
    case Verb.Settle:
      return bookSettlement(a, b);
    case Verb.LinkUp:
      return linkUp(a, b);
    case Verb.LinkDown:
      return linkDown(a);
    case Verb.ClaimPost:
      return postClaim(a, b);
    case Verb.ClaimVoid:
      return voidClaim(a, b);
    default:
      return Status.BadRecord;
  }
}
