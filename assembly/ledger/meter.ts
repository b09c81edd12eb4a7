// Limits per time and counters of an account. Token buckets are exact integers: a refill never
// loses a fraction and a steady load gets exactly its rate (the defect of buckets that floor each
// refill).
import { METERS, METER_STRIDE } from "../layout";
import { Account } from "./account";
import { addClamped, multiplyDivide } from "./wide";


@unmanaged
export class Meter {
  /** Packet tokens, in units of 1 / ratePeriodMs of a packet. */
  rateLevel: u64;
  rateAtMs: u64;
  throughputInLevel: u64;
  throughputInRest: u64;
  throughputInAtMs: u64;
  throughputOutLevel: u64;
  throughputOutRest: u64;
  throughputOutAtMs: u64;
  inFulfilled: u64;
  inRejected: u64;
  outFulfilled: u64;
  outRejected: u64;
  outExpired: u64;
  outWrong: u64;
  rateLimited: u64;
  /** 1: the account's sums or holds changed since the last commit. */
  dirty: u32;
  /** 1: the next `tick` says that a settlement of the account is due, if it still is. */
  unsaid: u32;
  /** Incoming amount posted and in no commit record yet; the largest u64 stands for more. */
  riskOpen: u64;
  /** Incoming amount in commit records that are not known to be durable. */
  riskWritten: u64;
}

if (offsetof<Meter>() != METER_STRIDE) ERROR("meter record");

// @ts-ignore: decorator
@inline
export function meter(index: u32): Meter {
  return changetype<Meter>(METERS + <usize>(index * METER_STRIDE));
}

/** Incoming amount that a power cut now would lose: posted since the last durable commit. */
// @ts-ignore: decorator
@inline
export function atRisk(m: Meter): u64 {
  return addClamped(m.riskOpen, m.riskWritten);
}

/** Packet tokens at `nowMs`, in units of 1 / ratePeriodMs. */
function packetLevel(m: Meter, a: Account, nowMs: u64): u64 {
  const full = <u64>a.rateCapacity * <u64>a.ratePeriodMs;
  const elapsed = nowMs - m.rateAtMs;
  if (elapsed > u32.MAX_VALUE) return full;
  const gained = elapsed * <u64>a.rateCount;
  const level = m.rateLevel + gained;
  return level < gained || level > full ? full : level;
}

/** Would a packet pass the rate limit? */
export function hasPacketToken(m: Meter, a: Account, nowMs: u64): bool {
  return a.rateCount == 0 || packetLevel(m, a, nowMs) >= <u64>a.ratePeriodMs;
}

/** Takes one packet token; false when there is none, and then nothing is taken. */
export function takePacketToken(m: Meter, a: Account, nowMs: u64): bool {
  if (a.rateCount == 0) return true;
  const level = packetLevel(m, a, nowMs);
  m.rateAtMs = nowMs;
  const taken = level >= <u64>a.ratePeriodMs;
  m.rateLevel = taken ? level - <u64>a.ratePeriodMs : level;
  return taken;
}

/** A throughput bucket: three words at `p` (level, rest, time). Full holds one period's amount. */
function bucketLevel(p: usize, amount: u64, periodMs: u32, nowMs: u64, restOut: usize): u64 {
  const elapsed = nowMs - load<u64>(p, 16);
  const level = load<u64>(p);
  const rest = load<u64>(p, 8);
  // Most packets come within the millisecond of the one before.
  store<u64>(restOut, elapsed ? 0 : rest);
  if (!elapsed) return level;
  if (elapsed >= <u64>periodMs) return amount;
  const gained = multiplyDivide(elapsed, amount, rest, periodMs);
  if (gained >= amount - level) return amount;
  store<u64>(restOut, elapsed * amount + rest - gained * <u64>periodMs);
  return level + gained;
}

const REST: usize = memory.data(8, 8);

// @ts-ignore: decorator
@inline
function inBucket(m: Meter): usize {
  return changetype<usize>(m) + offsetof<Meter>("throughputInLevel");
}

// @ts-ignore: decorator
@inline
function outBucket(m: Meter): usize {
  return changetype<usize>(m) + offsetof<Meter>("throughputOutLevel");
}

/** Units that may still come in from this account now; u64.MAX without a limit. */
export function availableIn(m: Meter, a: Account, nowMs: u64): u64 {
  if (!a.throughputIn) return u64.MAX_VALUE;
  return bucketLevel(inBucket(m), a.throughputIn, a.throughputPeriodMs, nowMs, REST);
}

/** Units that may still go out to this account now; u64.MAX without a limit. */
export function availableOut(m: Meter, a: Account, nowMs: u64): u64 {
  if (!a.throughputOut) return u64.MAX_VALUE;
  return bucketLevel(outBucket(m), a.throughputOut, a.throughputPeriodMs, nowMs, REST);
}

function takeBucket(p: usize, limit: u64, periodMs: u32, nowMs: u64, amount: u64): void {
  const level = bucketLevel(p, limit, periodMs, nowMs, REST);
  store<u64>(p, level - amount);
  store<u64>(p, load<u64>(REST), 8);
  store<u64>(p, nowMs, 16);
}

/** Takes `amount`, which `availableIn` has said is there. */
// @ts-ignore: decorator
@inline
export function takeIn(m: Meter, a: Account, nowMs: u64, amount: u64): void {
  if (a.throughputIn) takeBucket(inBucket(m), a.throughputIn, a.throughputPeriodMs, nowMs, amount);
}

/** Takes `amount`, which `availableOut` has said is there. */
// @ts-ignore: decorator
@inline
export function takeOut(m: Meter, a: Account, nowMs: u64, amount: u64): void {
  if (a.throughputOut) {
    takeBucket(outBucket(m), a.throughputOut, a.throughputPeriodMs, nowMs, amount);
  }
}

/** Fills the buckets: a new account, or limits that changed, start with a full allowance. */
export function fillMeter(m: Meter, a: Account, nowMs: u64): void {
  m.rateLevel = <u64>a.rateCapacity * <u64>a.ratePeriodMs;
  m.rateAtMs = nowMs;
  m.throughputInLevel = a.throughputIn;
  m.throughputInRest = 0;
  m.throughputInAtMs = nowMs;
  m.throughputOutLevel = a.throughputOut;
  m.throughputOutRest = 0;
  m.throughputOutAtMs = nowMs;
}
