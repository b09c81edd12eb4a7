// Virtual time: one heap of events for the whole world, in microseconds, and a clock for each node
// that runs fast or slow, steps, and dies with the node's process.
import type { Cancel, Clock } from "../../host/clock.js";

/** Wall-clock time at which every simulation begins. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

export const MS = 1000;
export const SECOND = 1000 * MS;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

interface Event {
  at: number;
  sequence: number;
  run: (() => void) | null;
}

/** Events in order of time, those of one microsecond in order of asking. */
export class Scheduler {
  /** Microseconds since the beginning. */
  now = 0;
  events = 0;
  #heap: Event[] = [];
  #soon: (() => void)[] = [];
  #sequence = 0;

  /** Calls `run` at a time, at the earliest now. */
  at(time: number, run: () => void): Cancel {
    const event: Event = { at: Math.max(time, this.now), sequence: this.#sequence++, run };
    this.#push(event);
    return () => (event.run = null);
  }

  after(delay: number, run: () => void): Cancel {
    return this.at(this.now + delay, run);
  }

  /** Calls `run` before the next event. */
  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Runs what `soon` was asked for. */
  settle(): void {
    for (let i = 0; i < this.#soon.length; i++) this.#soon[i]!();
    this.#soon.length = 0;
  }

  /** Runs the next event and what it asks for soon; false when nothing is left before `end`. */
  step(end: number): boolean {
    for (let first = this.#heap[0]; first; first = this.#heap[0]) {
      if (first.at > end) break;
      this.#pop();
      const { run } = first;
      if (!run) continue;
      first.run = null;
      this.now = first.at;
      this.events++;
      run();
      if (this.#soon.length) this.settle();
      return true;
    }
    this.now = Math.max(this.now, end);
    return false;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up]!;
      if (parent.at < event.at || (parent.at === event.at && parent.sequence < event.sequence)) {
        break;
      }
      heap[i] = parent;
      i = up;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const size = heap.length;
    if (size === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

/** The clocks of one process of one node. */
export class NodeClock implements Clock {
  /** Parts per million by which this clock runs fast. */
  readonly driftPpm: number;
  /** The process has not ended. */
  isAlive = true;
  /** Called around everything this clock calls. */
  around: (run: () => void) => void = (run) => run();
  /** Added to the wall clock: what its owner, or time itself, has got wrong. */
  wallErrorMs = 0;
  /** Added to the monotonic clock; only a planted bug changes it. */
  nowErrorMs = 0;
  /** Timers that are set. */
  timers = 0;
  readonly #scheduler: Scheduler;
  readonly #startedAt: number;
  readonly #base: number;

  /** `wallErrorMs`: how far the wall clock is off to begin with. */
  constructor(scheduler: Scheduler, driftPpm: number, wallErrorMs: number) {
    this.#scheduler = scheduler;
    this.driftPpm = driftPpm;
    this.wallErrorMs = wallErrorMs;
    this.#startedAt = scheduler.now;
    this.#base = EPOCH_MS + scheduler.now / MS;
  }

  #elapsedMs(): number {
    return ((this.#scheduler.now - this.#startedAt) / MS) * (1 + this.driftPpm / 1e6);
  }

  nowMs(): number {
    return Math.floor(this.#base + this.#elapsedMs()) + this.nowErrorMs;
  }

  wallMs(): number {
    return Math.floor(this.#base + this.#elapsedMs() + this.wallErrorMs);
  }

  after(ms: number, then: () => void): Cancel {
    const delay = Math.ceil((Math.max(ms, 0.001) * MS) / (1 + this.driftPpm / 1e6));
    let isSet = true;
    const end = (): void => {
      if (isSet) this.timers--;
      isSet = false;
    };
    this.timers++;
    const cancel = this.#scheduler.after(delay, () => {
      end();
      if (this.isAlive) this.around(then);
    });
    return () => {
      end();
      cancel();
    };
  }

  soon(then: () => void): void {
    this.#scheduler.soon(() => {
      if (this.isAlive) this.around(then);
    });
  }
}
