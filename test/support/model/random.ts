// Random choices from a printed seed: the same seed gives the same run.

/** A seeded generator (mulberry32) with the choices tests make. */
export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number of 32 bits. */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number below n. */
  below(n: number): number {
    return Math.floor((this.word() / 2 ** 32) * n);
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  u64(): bigint {
    return (BigInt(this.word()) << 32n) | BigInt(this.word());
  }
}

/** The seed of this run: FERRULE_SEED, or a new one. */
export const SEED = Number(process.env.FERRULE_SEED ?? Date.now() % 2 ** 31);
