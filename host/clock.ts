// Two clocks: a monotonic one for deadlines, which no adjustment of the system time can move, and
// the system's wall clock, which only packets' expiries are compared with.

export interface Clock {
  /** Whole milliseconds that never go back. */
  nowMs(): number;
  /** Whole milliseconds since the Unix epoch, as the system believes now. */
  wallMs(): number;
}

/** The system's clocks. The monotonic one starts at the wall time of this call. */
export function systemClock(): Clock {
  const base = Date.now() - performance.now();
  return {
    nowMs: () => Math.floor(base + performance.now()),
    wallMs: () => Date.now(),
  };
}
