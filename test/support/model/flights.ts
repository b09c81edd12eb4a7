// The model's packets in flight: which slot a packet takes, what its outgoing request id is, and in
// which order packets that are due end. An array of slots, a list of free ones, a list of evidence.
export type Outcome = "free" | "held" | "posted" | "voided" | "expired";

export interface Flight {
  condition: Buffer;
  destination: string;
  amountIn: bigint;
  amountOut: bigint;
  deadlineMs: number;
  requestId: number;
  source: number;
  next: number;
  /** Does the loop breaker count it? */
  watched: boolean;
  session: number;
}

interface Slot {
  state: Outcome;
  generation: number;
  endedMs: number;
  heldSince: number;
  flight: Flight;
}

export class Flights {
  readonly slots: Slot[] = [];
  /** Slots that ended other than by expiry, the latest last. */
  readonly free: number[] = [];
  /** Expired slots, the oldest first. */
  readonly evidence: number[] = [];
  heldMax = 0;
  /** Grows with every hold and every end. */
  moves = 0;
  #held: Flight[] | undefined;
  #sequence = 0;
  readonly #bits: number;

  constructor(
    readonly capacity: number,
    private readonly seed: number,
    private readonly wheel: number,
    private readonly shift: number,
  ) {
    this.#bits = Math.log2(capacity);
  }

  idOf(slot: number): number {
    return ((this.slots[slot]!.generation << this.#bits) | slot) >>> 0;
  }

  /** Packets in flight. */
  held(): readonly Flight[] {
    this.#held ??= this.slots.flatMap((slot) => (slot.state === "held" ? [slot.flight] : []));
    return this.#held;
  }

  /** The slot whose id this is, whatever has become of it. */
  find(id: number): number | undefined {
    const slot = id & (this.capacity - 1);
    return slot < this.slots.length && this.idOf(slot) === id >>> 0 ? slot : undefined;
  }

  /** Free slots first, then evidence that is old enough, then new slots, then any evidence. */
  #choose(nowMs: number, evidenceMs: number): number | undefined {
    if (this.free.length) return this.free.pop();
    const oldest = this.evidence[0];
    if (oldest !== undefined && nowMs - this.slots[oldest]!.endedMs > evidenceMs) {
      return this.evidence.shift();
    }
    const fresh = this.slots.length;
    if (fresh < this.capacity) {
      const generation = (this.seed + Math.imul(fresh, 0x9e3779b9)) >>> 0;
      const none = { endedMs: 0, heldSince: 0, flight: null as unknown as Flight };
      this.slots.push({ state: "free", generation, ...none });
      return fresh;
    }
    return this.evidence.shift();
  }

  take(flight: Flight, nowMs: number, evidenceMs: number): number | undefined {
    const slot = this.#choose(nowMs, evidenceMs);
    if (slot === undefined) return undefined;
    this.#held = undefined;
    this.moves += 1;
    const s = this.slots[slot]!;
    s.generation = ((s.generation + 1) & (0xffffffff >>> this.#bits)) >>> 0;
    s.state = "held";
    s.flight = flight;
    s.heldSince = ++this.#sequence;
    this.heldMax = Math.max(this.heldMax, this.held().length);
    return slot;
  }

  end(slot: number, outcome: "posted" | "voided" | "expired", nowMs: number): void {
    this.#held = undefined;
    this.moves += 1;
    const s = this.slots[slot]!;
    s.state = outcome;
    s.endedMs = nowMs;
    if (outcome === "expired") this.evidence.push(slot);
    else this.free.push(slot);
  }

  /** Held slots that are due, as the wheel meets them: bucket by bucket, newest hold first. */
  due(nowMs: number): number[] {
    const target = Math.floor(nowMs / 2 ** this.shift);
    const start = target - this.wheel + 1;
    const place = (slot: number): number => {
      const position = Math.floor(this.slots[slot]!.flight.deadlineMs / 2 ** this.shift);
      if (position >= start) return position;
      return start + ((((position - start) % this.wheel) + this.wheel) % this.wheel);
    };
    return this.slots
      .map((_, slot) => slot)
      .filter((slot) => {
        const s = this.slots[slot]!;
        return s.state === "held" && s.flight.deadlineMs <= nowMs;
      })
      .sort((a, b) => place(a) - place(b) || this.slots[b]!.heldSince - this.slots[a]!.heldSince);
  }

  /** Earliest deadline of all held packets. */
  earliest(): number {
    return Math.min(Infinity, ...this.held().map((flight) => flight.deadlineMs));
  }
}
