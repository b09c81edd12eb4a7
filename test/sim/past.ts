// What a node's books were at each commit, and which of these are known to be on the disk: after a
// crash the books must be as they were at one of them, none older than the newest durable one.
import type { OpenClaim } from "./claims.js";
import type { AssetSums, Flight, Sums } from "./watch.js";

/** Value at risk: stands for this and anything larger. */
export const RISK_MAX = (1n << 64n) - 1n;

/** The books at a commit; accounts by index. */
export interface State {
  sums: Sums[];
  assets: AssetSums[];
  /** Packets that were on hold, and claims that were open. */
  held: Flight[];
  claims: OpenClaim[];
  /** The node's wall clock. */
  wallMs: number;
}

/** A packet that was booked at one end, or at both. */
export interface Booking {
  flight: Flight;
  /** Towards the next hop, and towards the one before. */
  out: boolean;
  in: boolean;
  /** Number of the commit that has it. */
  commit: number;
}

/** How a process ended. */
export interface Ending {
  /** States that may come back, the oldest first: the newest durable one and those after it. */
  candidates: State[];
  /** Number of the commit that the first of them is. */
  first: number;
  /** What was booked since then. */
  bookings: Booking[];
  /** The books as they were at the end. */
  live: State;
  /** Value per account that the core said a cut would lose; null when it does not know. */
  atRisk: bigint[] | null;
  strict: boolean;
  /** It ended in order: nothing may be lost. */
  clean: boolean;
}

export function copyState(
  sums: Sums[],
  assets: AssetSums[],
  held: Iterable<Flight>,
  claims: OpenClaim[],
  wallMs: number,
): State {
  return {
    wallMs,
    sums: sums.map((s) => ({ ...s })),
    assets: assets.map((a) => ({ ...a })),
    held: [...held],
    claims: claims.filter(({ owed, owing }) => owed || owing).map((claim) => ({ ...claim })),
  };
}

export class Past {
  /** States from the newest durable one on. */
  #states: State[] = [];
  /** Number of the first of them. */
  #first = 0;
  #bookings: Booking[] = [];
  commits = 0;

  constructor(start: State) {
    this.#states.push(start);
  }

  /** Number of the next commit. */
  get next(): number {
    return this.#first + this.#states.length;
  }

  get first(): number {
    return this.#first;
  }

  get bookings(): Booking[] {
    return this.#bookings;
  }

  /** What the books were when this life began. */
  begin(state: State): void {
    this.#states[0] = state;
  }

  book(flight: Flight, ends: { out: boolean; in: boolean }): void {
    this.#bookings.push({ flight, ...ends, commit: this.next });
  }

  commit(state: State): void {
    this.commits++;
    this.#states.push(state);
  }

  /** Every commit so far is on the disk. */
  durable(upTo: number): void {
    while (this.#first < upTo && this.#states.length > 1) {
      this.#states.shift();
      this.#first++;
    }
    const isLate = ({ commit }: Booking): boolean => commit > this.#first;
    const from = this.#bookings.findIndex(isLate);
    this.#bookings = from < 0 ? [] : this.#bookings.slice(from);
  }

  /** Is the commit with this number on the disk? */
  isDurable(number: number): boolean {
    return number <= this.#first;
  }

  get candidates(): State[] {
    return [...this.#states];
  }
}

/** Are these the books of a state, with what was pending then as claims now? */
function isState(now: Sums[], state: State): boolean {
  return now.every((is, i) => {
    const was = state.sums[i];
    if (!was) return is.debits === 0n && is.credits === 0n && is.claimDebits === 0n;
    return (
      is.debits === was.debits &&
      is.credits === was.credits &&
      is.claimDebits === was.debitsPending &&
      is.claimCredits === was.creditsPending
    );
  });
}

/**
 * Which commit came back: the newest with these books; of several with the same books one that has
 * these packets on hold, by their conditions. -1 when none has.
 */
export function findState(now: State, { candidates }: Ending, conditions: string[]): number {
  const same: number[] = [];
  for (const [i, state] of candidates.entries()) if (isState(now.sums, state)) same.push(i);
  if (same.length < 2 || conditions.length === 0) return same.at(-1) ?? -1;
  const has = (i: number): boolean => {
    const { held, claims } = candidates[i]!;
    const flights = [...held, ...claims.map(({ flight }) => flight)];
    const known = new Set(flights.map(({ condition }) => condition.toString("hex")));
    return conditions.every((condition) => known.has(condition));
  };
  return same.findLast(has) ?? same.at(-1)!;
}

/** Wall-clock time of the oldest commit with these books: those after it had nothing to write. */
export function oldestLike(now: Sums[], { candidates }: Ending): number {
  return Math.min(...candidates.filter((s) => isState(now, s)).map(({ wallMs }) => wallMs));
}

/** What is wrong with the books that came back; null when nothing is. */
export function judgeRecovery(now: State, ending: Ending, found: State | null): string | null {
  const { candidates, live, atRisk, strict, clean } = ending;
  const show = (s: State): string =>
    s.sums.map((x, i) => `${i}: ${Object.values(x).join(" ")}`).join("; ");
  if (!found) {
    const oldest = show(candidates[0]!);
    return `the books are none of ${candidates.length} states: ${show(now)} | ${oldest}`;
  }
  for (const [i, was] of live.sums.entries()) {
    const lost = was.debits - found.sums[i]!.debits;
    const owed = was.credits - found.sums[i]!.credits;
    if (clean && (lost !== 0n || owed !== 0n)) return `a node that stopped in order lost ${lost}`;
    // A settlement that was booked may be lost too, but is no packet's.
    const settled = was.settled - found.sums[i]!.settled;
    const packets = lost - (settled > 0n ? settled : 0n);
    if (strict && packets > found.sums[i]!.debitsPending) {
      return `account ${i} lost ${packets}, more than its claims`;
    }
    if (atRisk && atRisk[i]! < RISK_MAX && packets > atRisk[i]!) {
      return `account ${i} lost ${packets}, but ${atRisk[i]} was said to be at risk`;
    }
  }
  return null;
}
