// Two clocks: a monotonic one for deadlines, which no adjustment of the system time can move, and
// the system's wall clock, which only packets' expiries are compared with. Whoever waits waits by
// this clock too, so that a simulation can move all of it by hand.

/** Takes back what was asked of `after`; harmless once it has happened. */
export type Cancel = () => void;

export interface Clock {
  /** Whole milliseconds that never go back. */
  nowMs(): number;
  /** Whole milliseconds since the Unix epoch, as the system believes now. */
  wallMs(): number;
  /**
   * Calls `then` once, `ms` from now at the earliest. `background`: a process with nothing else to
   * wait for may end before that.
   */
  after(ms: number, then: () => void, background?: boolean): Cancel;
  /** Calls `then` when what runs now has ended, before anything that comes in later. */
  soon(then: () => void): void;
}

/** The system's clocks. The monotonic one starts at the wall time of this call. */
export function systemClock(): Clock {
  const base = Date.now() - performance.now();
  return {
    nowMs: () => Math.floor(base + performance.now()),
    wallMs: () => Date.now(),
    after: (ms, then, background = false) => {
      const timer = setTimeout(then, ms);
      if (background) timer.unref();
      return () => clearTimeout(timer);
    },
    soon: (then) => queueMicrotask(then),
  };
}
