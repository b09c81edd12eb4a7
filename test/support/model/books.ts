// The model's books: accounts, assets, exact rates, token buckets, routes. Unlimited integers, no
// tables, no indices into memory: what the core is compared with must not share its tricks.
export const U64 = 2n ** 64n - 1n;
/** At most U64. */
export const clamp = (n: bigint): bigint => (n < U64 ? n : U64);
const PPB = 1_000_000_000n;

export interface Settings {
  relation: number;
  options: number;
  asset: number;
  name: string;
  segment: string;
  balanceMin: bigint;
  balanceMax: bigint;
  settleThreshold: bigint;
  settleTo: bigint;
  packetMaxIn: bigint;
  packetMaxOut: bigint;
  pendingMax: bigint;
  riskMax: bigint;
  throughputIn: bigint;
  throughputOut: bigint;
  throughputPeriodMs: number;
  rateCount: number;
  ratePeriodMs: number;
  rateCapacity: number;
  flightsMax: number;
}

/** `size` at most, `gain` more each period: exact, in units of 1 / period. */
export class Bucket {
  #fill: bigint;
  readonly #period: bigint;

  constructor(
    readonly size: bigint,
    readonly gain: bigint,
    periodMs: number,
    private atMs: number,
  ) {
    this.#period = BigInt(periodMs);
    this.#fill = size * this.#period;
  }

  /** Whole units there are. */
  level(nowMs: number): bigint {
    return this.#at(nowMs) / this.#period;
  }

  take(amount: bigint, nowMs: number): void {
    this.#fill = this.#at(nowMs) - amount * this.#period;
    this.atMs = nowMs;
  }

  #at(nowMs: number): bigint {
    const fill = this.#fill + BigInt(nowMs - this.atMs) * this.gain;
    const full = this.size * this.#period;
    return fill < full ? fill : full;
  }
}

const METERS =
  "inFulfilled inRejected outFulfilled outRejected outExpired outWrong rateLimited".split(" ");

export class Account {
  open = false;
  linked = false;
  congested = false;
  frozen = false;
  draining = false;
  reflect = false;
  settles = false;
  said = false;
  dirty = false;
  kind = 0;
  session = 0;
  debits = 0n;
  credits = 0n;
  /** Possible claims: part of what is pending, of no packet in flight. */
  claimDebits = 0n;
  claimCredits = 0n;
  /** Posted and in no commit record; in one that is not known to be durable. At most U64. */
  riskOpen = 0n;
  riskWritten = 0n;
  s!: Settings;
  packets: Bucket | null = null;
  valueIn: Bucket | null = null;
  valueOut: Bucket | null = null;
  meters = Object.fromEntries(METERS.map((name) => [name, 0]));

  get balance(): bigint {
    return this.debits - this.credits;
  }

  /** What a power cut would lose. */
  get atRisk(): bigint {
    return clamp(this.riskOpen + this.riskWritten);
  }

  /** A commit record of this account was written. */
  commit(): void {
    if (!this.dirty) return;
    this.riskWritten = this.atRisk;
    this.riskOpen = 0n;
    this.dirty = false;
  }

  /** Takes new settings; limits per time start full when they changed. */
  set(s: Settings, nowMs: number): void {
    const limits = (x: Settings): string =>
      [
        x.rateCount,
        x.ratePeriodMs,
        x.rateCapacity,
        x.throughputIn,
        x.throughputOut,
        x.throughputPeriodMs,
      ].join();
    const refill = !this.open || limits(this.s) !== limits(s);
    if (!this.open) this.riskOpen = this.riskWritten = 0n;
    if (!this.open) this.meters = Object.fromEntries(METERS.map((name) => [name, 0]));
    this.open = true;
    this.dirty = true;
    this.s = s;
    this.frozen = (s.options & 8) !== 0;
    this.draining = (s.options & 16) !== 0;
    this.reflect = (s.options & 32) !== 0;
    this.settles = (s.options & 64) !== 0;
    if (refill) this.#fill(s, nowMs);
  }

  #fill(s: Settings, nowMs: number): void {
    const value = (limit: bigint): Bucket | null =>
      limit ? new Bucket(limit, limit, s.throughputPeriodMs, nowMs) : null;
    this.valueIn = value(s.throughputIn);
    this.valueOut = value(s.throughputOut);
    this.packets = s.rateCount
      ? new Bucket(BigInt(s.rateCapacity), BigInt(s.rateCount), s.ratePeriodMs, nowMs)
      : null;
  }

  /** AccountFlag bits. */
  flags(): number {
    const bits = [
      this.open,
      this.linked,
      this.congested,
      this.frozen,
      this.draining,
      this.reflect,
      this.settles,
      this.said,
    ];
    return bits.reduce((sum, bit, i) => sum + (bit ? 2 ** i : 0), 0);
  }
}

export class Asset {
  open = false;
  code = "";
  scale = 0;
  dirty = false;
  incomeDebits = 0n;
  incomeCredits = 0n;
  settledDebits = 0n;
  settledCredits = 0n;

  /** Has anything ever been booked in it? */
  get hasSums(): boolean {
    const { incomeDebits, incomeCredits, settledDebits, settledCredits } = this;
    return (incomeDebits | incomeCredits | settledDebits | settledCredits) !== 0n;
  }
}

function gcd(a: bigint, b: bigint): bigint {
  return b ? gcd(b, a % b) : a;
}

export interface Rate {
  n: bigint;
  d: bigint;
}

/** The fraction with the spread in it, in lowest terms; null when the core may refuse it. */
export function foldRate(numerator: bigint, denominator: bigint, spreadPpb: number): Rate | null {
  if (!numerator || !denominator || BigInt(spreadPpb) >= PPB) return null;
  const n = numerator * (PPB - BigInt(spreadPpb));
  const d = denominator * PPB;
  const g = gcd(n, d);
  if (n / g > U64 || d / g > U64 / 3n) return null;
  return { n: n / g, d: d / g };
}

/** Largest amount that converts to at most `max`, or all of u64. */
export function largestIn(rate: Rate, max: bigint): bigint {
  const amount = ((max + 1n) * rate.d - 1n) / rate.n;
  return amount < U64 ? amount : U64;
}

/** Longest prefix on segment boundaries: segments are cut off until something is found. */
export function longestMatch(routes: Map<string, number>, destination: string): number | undefined {
  for (let prefix = destination; ;) {
    const found = routes.get(prefix);
    if (found !== undefined) return found;
    const dot = prefix.lastIndexOf(".");
    if (dot < 0) return undefined;
    prefix = prefix.slice(0, dot);
  }
}

const TESTS = ["test", "test1", "test2", "test3"];

/** Does a node with this own address carry packets to that one (ADR-09..11)? */
export function carries(own: string, destination: string): boolean {
  const mine = own.split(".")[0]!;
  const scheme = destination.split(".")[0]!;
  if (!mine) return false;
  return TESTS.includes(scheme) ? TESTS.includes(mine) : scheme === mine;
}
