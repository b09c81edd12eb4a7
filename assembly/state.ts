// The node's own state: time, mode, own address, policy. One record at STATE.
import { Counter } from "./abi";
import { digest32 } from "./hash/sha256";
import { COUNTERS, STATE, STATE_SIZE } from "./layout";


@unmanaged
export class State {
  /** Monotonic milliseconds; never goes back, whatever the host says. */
  nowMs: u64;
  /** Wall clock = nowMs + wallOffsetMs. */
  wallOffsetMs: i64;
  /** Only ever hashed: nothing a peer sees can be computed from anything else it sees. */
  seed: u64;
  eventSequence: u64;
  recordSequence: u64;
  mode: u32;
  minMessageWindowMs: u32;
  maxHoldTimeMs: u32;
  loopMax: u32;
  evidenceMs: u32;
  /** Account of the default route; 0xffffffff when there is none. */
  defaultAccount: u32;
  ownLength: u32;
  ownScheme: u32;
  commitCursor: u32;
  /** 1 once `init` has run in this memory. */
  used: u32;
  /** Position of the expiry wheel: every bucket before it is empty. */
  wheelCursor: u64;
  /** Mask keys of WebSocket frames given out so far. */
  maskKeys: u64;
  /** Key of the hashes of routes and of the loop breaker. */
  hashKey: u64;
  /** Accounts that `tick` has still to look at for settlements not yet said. */
  settleLeft: u32;
  reserved: u32;
  /** The mask keys of which `maskKeys` tells how many are used up: 8 a hash. */
  maskPool0: u64;
  maskPool1: u64;
  maskPool2: u64;
  maskPool3: u64;
}

/** Own address: up to 1023 bytes and slack behind it. */
export const OWN_ADDRESS: usize = STATE + offsetof<State>();
export const NONE: u32 = 0xffffffff;

if (offsetof<State>() + 1024 > STATE_SIZE) ERROR("own address must fit the state region");

// @ts-ignore: decorator
@inline
export function state(): State {
  return changetype<State>(STATE);
}

/** What is derived from the seed. */
export const enum Secret {
  /** The key of the hashes of routes and of the loop breaker; first generations of request ids. */
  Keys = 1,
  /** Mask keys of WebSocket frames. */
  MaskKeys = 2,
}

const PREIMAGE: usize = memory.data(32, 8);

/** Writes SHA-256 of the seed, a number and what it is for, 32 bytes, to `out`. */
export function derive(secret: Secret, n: u64, out: usize): void {
  store<u64>(PREIMAGE, state().seed);
  store<u64>(PREIMAGE, n, 8);
  store<u8>(PREIMAGE, secret, 16);
  digest32(PREIMAGE, out);
}

// @ts-ignore: decorator
@inline
export function count(counter: Counter): void {
  const p = COUNTERS + ((<usize>counter) << 3);
  store<u64>(p, load<u64>(p) + 1);
}

// @ts-ignore: decorator
@inline
export function highWater(counter: Counter, value: u64): void {
  const p = COUNTERS + ((<usize>counter) << 3);
  if (value > load<u64>(p)) store<u64>(p, value);
}

// @ts-ignore: decorator
@inline
export function wallMs(): i64 {
  return <i64>state().nowMs + state().wallOffsetMs;
}

/** Takes the host's monotonic time; a step back is counted and otherwise ignored. */
// @ts-ignore: decorator
@inline
export function setNow(lo: u32, hi: u32): void {
  const now = ((<u64>hi) << 32) | (<u64>lo);
  const s = state();
  if (now >= s.nowMs) s.nowMs = now;
  else count(Counter.ClockSteps);
}
