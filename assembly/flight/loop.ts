// Loop breaker: counts packets in flight that are the same packet (condition and destination) on
// the way to the same next hop. A routing loop shows as such a packet coming round again; a bound
// on it ends the loop long before the expiry would. It lives beside the balances and never books
// anything.
import { FLIGHTS } from "../config";
import { LOOP_HEADS } from "../layout";
import { NONE, state } from "../state";
import { Flight, flight } from "./table";

/** A chain longer than this is not searched further: no policy may ask for more twins. */
export const CHAIN_MAX: u32 = 64;

// @ts-ignore: decorator
@inline
function head(condition0: u64, destinationMark: u32): usize {
  // Both are chosen by senders, hence the seed, and two rounds: one could be cancelled by choosing
  // both. With the destination in it, a chain grows by twins alone, and few of these may be in
  // flight.
  let hash = (condition0 ^ state().hashKey) * 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 32) ^ (<u64>destinationMark)) * 0x9e3779b97f4a7c15;
  return LOOP_HEADS + ((<usize>((<u32>(hash >> 32)) & (FLIGHTS - 1))) << 2);
}

export function initLoops(): void {
  // Every head NONE, which is all ones.
  memory.fill(LOOP_HEADS, 0xff, FLIGHTS * 4);
}

/** How many packets in flight to `next` have this condition and destination. */
export function countTwins(condition: usize, destinationMark: u32, next: u32): u32 {
  let twins: u32 = 0;
  let slot = load<u32>(head(load<u64>(condition, 0, 1), destinationMark));
  for (let i: u32 = 0; i < CHAIN_MAX && slot != NONE; ++i) {
    const f = flight(slot);
    if (
      f.condition0 == load<u64>(condition, 0, 1) &&
      f.condition1 == load<u64>(condition, 8, 1) &&
      f.condition2 == load<u64>(condition, 16, 1) &&
      f.condition3 == load<u64>(condition, 24, 1) &&
      f.destinationMark == destinationMark &&
      <u32>f.outAccount == next
    ) {
      twins += 1;
    }
    slot = f.loopNext;
  }
  return twins;
}

/**
 * Adds a packet in flight. Packets without money are not judged as loops and not kept here, nor are
 * any while the rule is off: nothing would bound their chain.
 */
// @ts-ignore: decorator
@inline
export function linkTwin(slot: u32): void {
  const f = flight(slot);
  const watched = f.amountIn != 0 && state().loopMax != 0;
  f.watched = u8(watched);
  if (!watched) return;
  const p = head(f.condition0, f.destinationMark);
  f.loopNext = load<u32>(p);
  store<u32>(p, slot);
}

export function unlinkTwin(slot: u32): void {
  const f = flight(slot);
  if (!f.watched) return;
  let p = head(f.condition0, f.destinationMark);
  for (let i: u32 = 0; i < FLIGHTS; ++i) {
    const at = load<u32>(p);
    if (at == NONE) return;
    if (at == slot) {
      store<u32>(p, f.loopNext);
      return;
    }
    p = changetype<usize>(flight(at)) + offsetof<Flight>("loopNext");
  }
}
