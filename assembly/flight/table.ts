// Packets in flight. A slot per packet; the outgoing request id is generation << bits | slot, so a
// reply finds its slot without a search and an id from an earlier use of the slot matches nothing.
// Ended slots are reused last-in first-out, except expired ones: those wait in a queue for as long
// as evidence is kept, so that a late Fulfill can still be recognised and recorded.
import { Counter, FlightState } from "../abi";
import { FLIGHTS } from "../config";
import { FLIGHT_RECORDS, FLIGHT_STRIDE, FLIGHT_TABLE, FLIGHT_TABLE_SIZE } from "../layout";
import { NONE, highWater, state } from "../state";

const SLOT_MASK: u32 = FLIGHTS - 1;
const SLOT_BITS: u32 = 31 - clz<u32>(FLIGHTS);


@unmanaged
export class Flight {
  condition0: u64;
  condition1: u64;
  condition2: u64;
  condition3: u64;
  amountIn: u64;
  amountOut: u64;
  /** Monotonic: a reply counts while nowMs < deadlineMs. */
  deadlineMs: u64;
  /** Request id of the Prepare on its incoming link. */
  requestId: u32;
  destinationMark: u32;
  inAccount: u16;
  outAccount: u16;
  session: u16;
  state: u8;
  /** 1: the loop breaker counts it. */
  watched: u8;
  generation: u32;
  wheelNext: u32;
  wheelPrevious: u32;
  loopNext: u32;
  /** Next slot of the free list or the evidence queue. */
  next: u32;
  /** Low bits of the monotonic time of the hold, then of its end. */
  atMs: u32;
}

if (offsetof<Flight>() != FLIGHT_STRIDE) ERROR("flight record");


@unmanaged
export class FlightTable {
  held: u32;
  /** Slots never used so far start here. */
  fresh: u32;
  /** Most recently ended slot. */
  free: u32;
  evidenceFirst: u32;
  evidenceLast: u32;
  generationSeed: u32;
}

if (offsetof<FlightTable>() > FLIGHT_TABLE_SIZE) ERROR("flight table record");

// @ts-ignore: decorator
@inline
function flightTable(): FlightTable {
  return changetype<FlightTable>(FLIGHT_TABLE);
}

// @ts-ignore: decorator
@inline
export function flight(slot: u32): Flight {
  return changetype<Flight>(FLIGHT_RECORDS + <usize>(slot * FLIGHT_STRIDE));
}

// @ts-ignore: decorator
@inline
export function requestIdOf(slot: u32): u32 {
  return (flight(slot).generation << SLOT_BITS) | slot;
}

// @ts-ignore: decorator
@inline
export function slotOf(requestId: u32): u32 {
  return requestId & SLOT_MASK;
}

export function initFlights(seed: u32): void {
  const t = flightTable();
  t.held = 0;
  t.fresh = 0;
  t.free = NONE;
  t.evidenceFirst = NONE;
  t.evidenceLast = NONE;
  t.generationSeed = seed;
}

/**
 * Takes a slot and gives it a new generation.
 * @returns NONE when every slot is held.
 */
export function takeSlot(): u32 {
  const t = flightTable();
  let slot = t.free;
  if (slot != NONE) {
    t.free = flight(slot).next;
  } else if (evidenceRipe(t)) {
    slot = dropEvidence(t);
  } else if (t.fresh < FLIGHTS) {
    slot = t.fresh;
    t.fresh = slot + 1;
    // Ids of an earlier life of this node must not match.
    flight(slot).generation = t.generationSeed + slot * 0x9e3779b9;
  } else if (t.evidenceFirst != NONE) {
    slot = dropEvidence(t);
  } else {
    return NONE;
  }
  const f = flight(slot);
  f.generation = (f.generation + 1) & (u32.MAX_VALUE >> SLOT_BITS);
  f.state = <u8>FlightState.Held;
  t.held += 1;
  highWater(Counter.FlightsMax, t.held);
  return slot;
}

// @ts-ignore: decorator
@inline
function evidenceRipe(t: FlightTable): bool {
  const first = t.evidenceFirst;
  if (first == NONE) return false;
  return <u32>state().nowMs - flight(first).atMs > state().evidenceMs;
}

function dropEvidence(t: FlightTable): u32 {
  const slot = t.evidenceFirst;
  t.evidenceFirst = flight(slot).next;
  if (t.evidenceFirst == NONE) t.evidenceLast = NONE;
  return slot;
}

/** Is every slot held? Whatever is not can be taken. */
// @ts-ignore: decorator
@inline
export function isTableFull(): bool {
  return flightTable().held == FLIGHTS;
}

/** Ends a slot; its outcome stays readable until the slot is taken again. */
export function endSlot(slot: u32, outcome: FlightState): void {
  const t = flightTable();
  const f = flight(slot);
  f.state = <u8>outcome;
  f.atMs = <u32>state().nowMs;
  t.held -= 1;
  if (outcome != FlightState.Expired) {
    f.next = t.free;
    t.free = slot;
    return;
  }
  f.next = NONE;
  if (t.evidenceLast == NONE) t.evidenceFirst = slot;
  else flight(t.evidenceLast).next = slot;
  t.evidenceLast = slot;
}
