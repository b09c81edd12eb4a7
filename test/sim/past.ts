// What a node's books were at each commit, and which of these are known to be on the disk: after a
// crash the books must be as they were at one of them, none older than the newest durable one.
import type { AssetSums, Sums } from "./watch.js";

/** Value at risk: stands for this and anything larger. */
export const RISK_MAX = (1n << 64n) - 1n;

/** The books at a commit; accounts by index. */
export interface State {
  sums: Sums[];
  assets: AssetSums[];
}

/** How a process ended. */
export interface Ending {
  /** States that may come back, the oldest first: the newest durable one and those after it. */
  candidates: State[];
  /** The books as they were at the end. */
  live: State;
  /** Value per account that the core said a cut would lose; null when it does not know. */
  atRisk: bigint[] | null;
  strict: boolean;
  /** It ended in order: nothing may be lost. */
  clean: boolean;
}

export function copyState(sums: Sums[], assets: AssetSums[]): State {
  return { sums: sums.map((s) => ({ ...s })), assets: assets.map((a) => ({ ...a })) };
}

export class Past {
  /** States from the newest durable one on. */
  #states: State[] = [];
  /** Number of the first of them. */
  #first = 0;
  commits = 0;

  constructor(start: State) {
    this.#states.push(start);
  }

  /** Number of the next commit. */
  get next(): number {
    return this.#first + this.#states.length;
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

/** What is wrong with the books that came back; null when nothing is. */
export function judgeRecovery(now: State, ending: Ending): string | null {
  const { candidates, live, atRisk, strict, clean } = ending;
  const found = candidates.findLast((state) => isState(now.sums, state));
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
