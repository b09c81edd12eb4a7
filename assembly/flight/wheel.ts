// Expiry: a timing wheel of WHEEL buckets, 1 << WHEEL_SHIFT milliseconds each. No hold is longer
// than one turn (HOLD_MAX_MS), so a bucket only ever holds packets of one turn. The wheel decides
// when to look, never whether a packet has expired: that is an exact comparison with its deadline.
import { FLIGHTS, WHEEL, WHEEL_SHIFT } from "../config";
import { WHEEL_BITS, WHEEL_HEADS } from "../layout";
import { NONE, state } from "../state";
import { flight } from "./table";

const BUCKET_MASK: u64 = WHEEL - 1;
/** A bucket longer than this is not searched for its earliest deadline. */
const SEARCH_MAX: u32 = 64;

// @ts-ignore: decorator
@inline
function head(bucket: u32): usize {
  return WHEEL_HEADS + ((<usize>bucket) << 2);
}

// @ts-ignore: decorator
@inline
function bits(bucket: u32): usize {
  return WHEEL_BITS + <usize>((bucket >> 6) << 3);
}

export function initWheel(nowMs: u64): void {
  // Every head NONE, which is all ones.
  memory.fill(WHEEL_HEADS, 0xff, WHEEL * 4);
  memory.fill(WHEEL_BITS, 0, ((WHEEL + 63) >> 6) * 8);
  state().wheelCursor = nowMs >> WHEEL_SHIFT;
}

export function schedule(slot: u32): void {
  const f = flight(slot);
  const bucket = <u32>((f.deadlineMs >> WHEEL_SHIFT) & BUCKET_MASK);
  const first = load<u32>(head(bucket));
  f.wheelNext = first;
  f.wheelPrevious = NONE;
  if (first != NONE) flight(first).wheelPrevious = slot;
  else store<u64>(bits(bucket), load<u64>(bits(bucket)) | ((<u64>1) << (bucket & 63)));
  store<u32>(head(bucket), slot);
}

export function unschedule(slot: u32): void {
  const f = flight(slot);
  const next = f.wheelNext;
  const previous = f.wheelPrevious;
  if (next != NONE) flight(next).wheelPrevious = previous;
  if (previous != NONE) {
    flight(previous).wheelNext = next;
    return;
  }
  const bucket = <u32>((f.deadlineMs >> WHEEL_SHIFT) & BUCKET_MASK);
  store<u32>(head(bucket), next);
  if (next == NONE) {
    store<u64>(bits(bucket), load<u64>(bits(bucket)) & ~((<u64>1) << (bucket & 63)));
  }
}

/** First bucket at or after `position` that holds anything; NONE when the wheel is empty. */
function nextBucket(position: u64): u32 {
  const start = <u32>(position & BUCKET_MASK);
  let word = load<u64>(bits(start)) & (u64.MAX_VALUE << (start & 63));
  let base = start & ~63;
  for (let i: u32 = 0; i <= (WHEEL + 63) >> 6; ++i) {
    if (word) return base + <u32>ctz<u64>(word);
    base = (base + 64) & (WHEEL - 1) & ~63;
    word = load<u64>(bits(base));
  }
  return NONE;
}

/** Position of the first bucket that holds anything, or `target` + 1 when that is later. */
function nextPosition(position: u64, target: u64): u64 {
  const bucket = nextBucket(position);
  if (bucket == NONE) return target + 1;
  const found = position + ((<u64>bucket - position) & BUCKET_MASK);
  return found > target ? target + 1 : found;
}

/** Moves the cursor to now when nothing before now is left: keeps it within a turn of new holds. */
export function advance(nowMs: u64): void {
  const target = nowMs >> WHEEL_SHIFT;
  const position = state().wheelCursor;
  if (position < target && nextPosition(position, target - 1) >= target)
    state().wheelCursor = target;
}

/**
 * A packet whose deadline has passed, or NONE. Visits each bucket at most once; buckets of the past
 * hold due packets only (or, after a long pause, also some of the coming turn), and the bucket that
 * time is in now is searched to a bound.
 */
export function nextDue(nowMs: u64): u32 {
  const target = nowMs >> WHEEL_SHIFT;
  let position = state().wheelCursor;
  if (target > position && target - position > BUCKET_MASK) position = target - BUCKET_MASK;
  for (let i: u32 = 0; i < WHEEL; ++i) {
    position = nextPosition(position, target);
    if (position > target) break;
    const limit = position == target ? SEARCH_MAX : FLIGHTS;
    let slot = load<u32>(head(<u32>(position & BUCKET_MASK)));
    for (let j: u32 = 0; j < limit && slot != NONE; ++j) {
      if (flight(slot).deadlineMs <= nowMs) {
        state().wheelCursor = position;
        return slot;
      }
      slot = flight(slot).wheelNext;
    }
    position += 1;
  }
  state().wheelCursor = target;
  return NONE;
}

/**
 * Milliseconds until `tick` has something to expire; NONE when nothing is in flight. Never early by
 * more than a bucket; a crowded bucket is reported at its end.
 */
export function untilDue(nowMs: u64): u32 {
  const start = state().wheelCursor;
  let position = start;
  let earliest = u64.MAX_VALUE;
  for (let i: u32 = 0; i < WHEEL; ++i) {
    const bucket = nextBucket(position);
    if (bucket == NONE) return NONE;
    position += (<u64>bucket - position) & BUCKET_MASK;
    // After a pause without a tick a bucket may hold packets of the next turn: the search goes on
    // until no bucket to come can hold an earlier one.
    if (position - start > BUCKET_MASK || earliest >> WHEEL_SHIFT < position) break;
    const deadline = earliestOf(bucket, position);
    if (deadline < earliest) earliest = deadline;
    position += 1;
  }
  return earliest <= nowMs ? 0 : <u32>(earliest - nowMs);
}

/** Earliest deadline in a bucket; the end of its time when it is too crowded to be searched. */
function earliestOf(bucket: u32, position: u64): u64 {
  let earliest = u64.MAX_VALUE;
  let slot = load<u32>(head(bucket));
  for (let i: u32 = 0; i < SEARCH_MAX && slot != NONE; ++i) {
    const deadline = flight(slot).deadlineMs;
    if (deadline < earliest) earliest = deadline;
    slot = flight(slot).wheelNext;
  }
  return slot == NONE ? earliest : ((position + 1) << WHEEL_SHIFT) - 1;
}
