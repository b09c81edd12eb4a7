// Judging a Prepare: every rule, in the order of the money rules, writing nothing but the
// verdict (and, in a settlement message, the condition that can be fulfilled: D1).
//
//   node · account and its limits · where to · link · rate · expiry · next account's limits · loop
//   · room in the flight table
//
// `prepare` acts on the verdict, `explain` only shows it.
import { AccountFlag, LinkKind, Mode, Relation, Rule, Verdict } from "../abi";
import { ADDRESS_SIZE, FLIGHTS } from "../config";
import { countTwins } from "../flight/loop";
import { isTableFull } from "../flight/table";
import { LOCAL, Account, account } from "../ledger/account";
import { exceedsMaximum, exceedsMinimum } from "../ledger/balance";
import { Meter, atRisk, availableIn, availableOut, meter } from "../ledger/meter";
import { addClamped, exceedsU64 } from "../ledger/wide";
import { convert, inverseMaximum, rateOf } from "../ledger/rate";
import { routeMatch } from "../route/lookup";
import { routeAccount } from "../route/table";
import { NONE, State, state, wallMs } from "../state";
import { isRouteAddress, isSettleAddress } from "../text";
import { Scheme, scheme } from "../wire/address";
import { acceptSettleCondition, isPeerCondition, isRequest } from "../wire/ildcp";
import { PacketView, condition } from "../wire/ilp";

/** Reject codes (RFC 27), three bytes in memory order. */
export const F00: u32 = 0x303046;
export const F01: u32 = 0x313046;
export const F02: u32 = 0x323046;
export const F05: u32 = 0x353046;
export const F08: u32 = 0x383046;
export const R00: u32 = 0x303052;
export const R01: u32 = 0x313052;
export const R02: u32 = 0x323052;
export const T00: u32 = 0x303054;
export const T01: u32 = 0x313054;
export const T03: u32 = 0x333054;
export const T04: u32 = 0x343054;
export const T05: u32 = 0x353054;

/** Records the rule that refused. @returns false, for `return refuse(…)`. */
export function refuse(v: Verdict, rule: Rule, code: u32): bool {
  v.rule = rule;
  v.code = code;
  return false;
}

/** Records the limit (not negative, 64 bits) and the value that met it. */
function measure(v: Verdict, limit: u64, value: u64): void {
  v.limitLo = limit;
  v.limitHi = 0;
  v.valueLo = value;
  v.valueHi = 0;
}

export function startVerdict(v: Verdict, index: u32, amount: u64): void {
  v.rule = Rule.Forwarded;
  v.code = 0;
  v.account = index;
  v.next = 0xffff;
  v.amountIn = amount;
  v.amountOut = 0;
  v.expiresAtMs = 0;
  v.deadlineMs = 0;
  v.maximum = 0;
  v.route = 0;
  measure(v, 0, 0);
}

/** Address of the verdict's 128-bit value. */
// @ts-ignore: decorator
@inline
function valueAt(v: Verdict): usize {
  return changetype<usize>(v) + offsetof<Verdict>("valueLo");
}

/**
 * Judges a checked Prepare from an account; `throttled` says that there was no packet token for it.
 * @returns true when it may be forwarded (or, for `peer.config`, answered); the verdict says how,
 * or which rule refused it.
 */
export function judge(v: Verdict, index: u32, view: PacketView, throttled: bool): bool {
  startVerdict(v, index, view.amount);
  const a = account(index);
  if (!judgeNode(v) || !judgeSource(v, a, meter(index), throttled)) return false;
  const to = scheme(view.destination, view.destinationLength);
  const peer = to == Scheme.Peer;
  if (peer) {
    if (!judgePeerProtocol(v, a, view)) return false;
    if (v.rule == <u32>Rule.IldcpAnswered) return true;
  } else if (!judgeRoute(v, a, view, to)) {
    return false;
  }
  const next = account(v.next);
  return (
    judgeLink(v, next) &&
    (peer || judgeRate(v, a, next)) &&
    judgeExpiry(v, view.expiresAtMs) &&
    judgeNext(v, next, meter(v.next)) &&
    judgeLoop(v, view) &&
    judgeTable(v)
  );
}

function judgeNode(v: Verdict): bool {
  const mode = state().mode;
  if (mode & Mode.Draining) return refuse(v, Rule.NodeDraining, T03);
  if (!(mode & Mode.ClockSet)) return refuse(v, Rule.ClockUnset, T03);
  return true;
}

/** The account the packet came from, and what it may still do. */
function judgeSource(v: Verdict, a: Account, m: Meter, throttled: bool): bool {
  const nowMs = state().nowMs;
  const amount = v.amountIn;
  if (a.flags & (AccountFlag.Frozen | AccountFlag.Draining)) {
    return refuse(v, Rule.AccountFrozen, T03);
  }
  if (throttled) {
    measure(v, a.rateCount, 0);
    return refuse(v, Rule.RateLimit, T05);
  }
  if (amount > a.packetMaxIn) {
    measure(v, a.packetMaxIn, amount);
    v.maximum = a.packetMaxIn;
    return refuse(v, Rule.MaxPacketAmount, F08);
  }
  if (!fitsThroughput(v, Rule.ThroughputIn, amount, availableIn(m, a, nowMs))) return false;
  if (exceedsMaximum(a, amount, valueAt(v)) && amount) {
    v.limitLo = a.balanceMaxLo;
    v.limitHi = a.balanceMaxHi;
    return refuse(v, Rule.BalanceMaximum, T04);
  }
  const pending = a.debitsPending;
  const held = pending - a.claimDebits;
  if (!fitsInFlight(v, Rule.InFlightCount, a, a.flightsIn, amount, pending, held)) return false;
  if (!fitsRisk(v, a, m, amount, held)) return false;
  measure(v, 0, 0);
  return true;
}

function fitsThroughput(v: Verdict, rule: Rule, amount: u64, available: u64): bool {
  if (amount <= available) return true;
  measure(v, available, amount);
  return refuse(v, rule, T04);
}

/**
 * In flight in one direction: how many packets, and how much value. `rule` is that of the count,
 * the next that of the value. Claims do not count (a restart would otherwise jam an account), but
 * with them the sum must still fit u64.
 */
function fitsInFlight(
  v: Verdict,
  rule: Rule,
  a: Account,
  flights: u32,
  amount: u64,
  pending: u64,
  held: u64,
): bool {
  if (flights >= a.flightsMax) {
    measure(v, a.flightsMax, flights);
    return refuse(v, rule, T03);
  }
  const max = a.pendingMax;
  if (held <= max && amount <= max - held && !exceedsU64(pending, amount)) return true;
  measure(v, max, held);
  return refuse(v, rule + 1, T04);
}

/** What a power cut could lose: posted since the last durable commit, in flight, this packet. */
// @ts-ignore: decorator
@inline
function fitsRisk(v: Verdict, a: Account, m: Meter, amount: u64, held: u64): bool {
  const max = a.riskMax;
  if (max == u64.MAX_VALUE || !amount) return true;
  const risk = addClamped(atRisk(m), held);
  if (risk <= max && amount <= max - risk) return true;
  measure(v, max, risk);
  return refuse(v, Rule.ValueAtRisk, T04);
}

/** `peer.` is for this node alone (ADR-08): answered here or by the host's handlers. */
function judgePeerProtocol(v: Verdict, a: Account, view: PacketView): bool {
  if (isRequest(view)) {
    const own = state().ownLength;
    // A child's address must still be one (ADR-13).
    const fits = own + 1 + a.segmentLength <= ADDRESS_SIZE;
    if (<u32>a.relation != Relation.Child || !own || !a.segmentLength || !fits) {
      return refuse(v, Rule.IldcpRefused, F00);
    }
    if (!isPeerCondition(condition(view.content)) || view.amount) {
      return refuse(v, Rule.PeerCondition, F01);
    }
    if (view.expiresAtMs <= wallMs()) return refuseExpired(v, view.expiresAtMs);
    v.rule = Rule.IldcpAnswered;
    return true;
  }
  const route = isRouteAddress(view.destination, view.destinationLength);
  if (!route && !isSettleAddress(view.destination, view.destinationLength)) {
    return refuse(v, Rule.PeerProtocol, F01);
  }
  const c = condition(view.content);
  const fits = route ? isPeerCondition(c) : acceptSettleCondition(c);
  if (view.amount || !fits) return refuse(v, Rule.PeerCondition, F01);
  v.next = LOCAL;
  return true;
}

/** May this network's node carry packets for that scheme (ADR-09 to ADR-11)? */
function carries(own: u32, scheme: u32): bool {
  const test = scheme >= <u32>Scheme.Test && scheme <= <u32>Scheme.Test3;
  if (test) return own >= <u32>Scheme.Test && own <= <u32>Scheme.Test3;
  return scheme == own;
}

function judgeRoute(v: Verdict, a: Account, view: PacketView, to: Scheme): bool {
  const s = state();
  const p = <usize>view.destination;
  const length = view.destinationLength;
  if (!carries(s.ownScheme, to)) return refuse(v, Rule.Scheme, F02);
  const record = routeMatch(p, length);
  if (record) {
    v.route = <u32>record;
    v.next = routeAccount(record);
  } else {
    if (s.defaultAccount == NONE) return refuse(v, Rule.NoRoute, F02);
    v.next = s.defaultAccount;
  }
  if (v.next == v.account && !(a.flags & AccountFlag.Reflect)) {
    return refuse(v, Rule.Reflection, F02);
  }
  return true;
}

function judgeLink(v: Verdict, next: Account): bool {
  const flags = next.flags;
  if (!(flags & AccountFlag.Open)) return refuse(v, Rule.NoRoute, F02);
  if (flags & AccountFlag.Frozen) return refuse(v, Rule.NextFrozen, T01);
  if (!(flags & AccountFlag.Linked) || <u32>next.linkKind == LinkKind.None) {
    return refuse(v, Rule.LinkDown, T01);
  }
  if (flags & AccountFlag.Congested) return refuse(v, Rule.LinkBusy, T03);
  return true;
}

function judgeRate(v: Verdict, a: Account, next: Account): bool {
  const rate = rateOf(a.asset, next.asset);
  if (!rate.denominator) return refuse(v, Rule.NoRate, T00);
  const out = changetype<usize>(v) + offsetof<Verdict>("amountOut");
  const fits = convert(rate, v.amountIn, out);
  if (!fits || v.amountOut > next.packetMaxOut) {
    const outMax = fits ? next.packetMaxOut : u64.MAX_VALUE;
    const inMax = inverseMaximum(rate, next.packetMaxOut);
    v.maximum = inMax < a.packetMaxIn ? inMax : a.packetMaxIn;
    measure(v, outMax, v.amountOut);
    return refuse(v, fits ? Rule.MaxPacketAmountOut : Rule.RateOverflow, F08);
  }
  // ILP-14: zero passes, but not what becomes zero.
  if (!v.amountOut && v.amountIn) return refuse(v, Rule.RoundsToZero, R01);
  return true;
}

function refuseExpired(v: Verdict, expiresAtMs: i64): bool {
  measure(v, <u64>wallMs(), <u64>expiresAtMs);
  return refuse(v, Rule.Expired, R02);
}

/**
 * Outgoing expiry = min(incoming - window, now + longest hold), at least a window from now
 * (ILP-23, ILP-24). Kept as a deadline on the monotonic clock, so that wall clock steps cannot
 * shorten or stretch a hold.
 */
function judgeExpiry(v: Verdict, expiresAtMs: i64): bool {
  const s: State = state();
  const wall = wallMs();
  const left = expiresAtMs - wall;
  if (left <= 0) return refuseExpired(v, expiresAtMs);
  const window = <i64>s.minMessageWindowMs;
  let hold = left - window;
  if (hold > <i64>s.maxHoldTimeMs) hold = <i64>s.maxHoldTimeMs;
  if (hold < window || hold <= 0) {
    measure(v, <u64>(wall + 2 * window), <u64>expiresAtMs);
    return refuse(v, Rule.ExpiresSoon, R02);
  }
  v.expiresAtMs = wall + hold;
  v.deadlineMs = s.nowMs + <u64>hold;
  return true;
}

/** The account the packet would go to, and what this node may still promise it. */
function judgeNext(v: Verdict, next: Account, m: Meter): bool {
  const amount = v.amountOut;
  const available = availableOut(m, next, state().nowMs);
  if (!fitsThroughput(v, Rule.ThroughputOut, amount, available)) return false;
  if (exceedsMinimum(next, amount, valueAt(v)) && amount) {
    v.limitLo = next.balanceMinLo;
    v.limitHi = next.balanceMinHi;
    return refuse(v, Rule.BalanceMinimum, T04);
  }
  const pending = next.creditsPending;
  const held = pending - next.claimCredits;
  return fitsInFlight(v, Rule.NextInFlightCount, next, next.flightsOut, amount, pending, held);
}

/**
 * What the loop breaker tells destinations apart by, with the condition: the length and the last
 * eight bytes (an address is never the first thing in a packet, so they can be read).
 */
// @ts-ignore: decorator
@inline
export function destinationMark(view: PacketView): u32 {
  const end = <usize>(view.destination + view.destinationLength);
  const word = load<u64>(end - 8, 0, 1) * 0x9e3779b97f4a7c15;
  return (<u32>(word >> 32)) ^ view.destinationLength;
}

/** Is there a slot for one packet more? Last, so that a full table hides no other refusal. */
function judgeTable(v: Verdict): bool {
  if (!isTableFull()) return true;
  measure(v, FLIGHTS, FLIGHTS);
  return refuse(v, Rule.TableFull, T03);
}

function judgeLoop(v: Verdict, view: PacketView): bool {
  const limit = state().loopMax;
  // Peer protocol requests share one condition and one destination.
  if (!limit || !view.amount) return true;
  const twins = countTwins(condition(view.content), destinationMark(view), v.next);
  if (twins < limit) return true;
  measure(v, limit, twins);
  return refuse(v, Rule.Loop, F02);
}
