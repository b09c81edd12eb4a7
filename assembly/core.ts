// The verbs: what a host may ask of the core. Every mutation starts with `begin`, works on bytes in
// the input buffer, and leaves outputs to be polled. Times are monotonic milliseconds, as two
// words.
import { AccountFlag, LinkKind, Rule, Status, Verdict, ABI_MAGIC, ABI_VERSION } from "./abi";
import { begin, channel, compose, hasRoom } from "./channel";
import {
  ACCOUNTS,
  ASSETS,
  EVENT_COUNT,
  FLIGHTS,
  HOLD_MAX_MS,
  INPUT_SIZE,
  NAME_SIZE,
  OUTPUT_COUNT,
  PACKET_SIZE,
  RECORD_COUNT,
  REJECT_SIZE,
  ROUTE_CAPACITY,
} from "./config";
import { initLoops } from "./flight/loop";
import { initFlights } from "./flight/table";
import { initWheel, nextDue, untilDue } from "./flight/wheel";
import { onFrame } from "./flow/frame";
import { sendDirect } from "./flow/direct";
import { F00, F01, T00, T01, T03, judge, refuse, startVerdict } from "./flow/judge";
import { composeReject } from "./flow/refuse";
import { onRequest } from "./flow/prepare";
import { Proof, expireFlight, onFailure, onReply, saySettlements } from "./flow/reply";
import { onBatch } from "./flow/batch";
import { onStream } from "./flow/stream";
import { isWebSocket } from "./link";
import { hasRecords } from "./journal/record";
import {
  ACCOUNT_RECORDS,
  ACCOUNT_STRIDE,
  ASSET_RECORDS,
  ASSET_STRIDE,
  BOOKS,
  CHANNEL,
  CHANNEL_SIZE,
  COUNTERS,
  EVENTS,
  EVENT_STRIDE,
  FLIGHT_RECORDS,
  FLIGHT_STRIDE,
  FRAME,
  INPUT,
  MEMORY_END,
  METERS,
  METER_STRIDE,
  NAMES,
  OUTPUTS,
  RATES,
  RECORDS,
  SNAPSHOT_END,
  STATE,
  VERDICT,
  VIEW,
} from "./layout";
import { account, isAccount } from "./ledger/account";
import { hasPacketToken, meter } from "./ledger/meter";
import { routeInit } from "./route/table";
import { NONE, Secret, derive, setNow, state } from "./state";
import { isInput, setClock } from "./setup";
import { FrameView, checkFrame } from "./wire/btp";
import { PacketType, PacketView, check, isPacket } from "./wire/ilp";

/** Defaults an operator knows (ilp-connector's). */
const MIN_MESSAGE_WINDOW_MS: u32 = 1000;
const MAX_HOLD_TIME_MS: u32 = 30000;
const LOOP_MAX: u32 = 2;
const EVIDENCE_MS: u32 = 60000;
/** Packets one `tick` may expire. */
const TICK_MAX: u32 = 64;

/** 9999-12-31T23:59:59.999Z */
const WALL_MAX_MS: u64 = 253402300799999;

/** Constants of the build, one word each, in the order of `Descriptor`. */
const DESCRIPTOR: usize = memory.data<usize>([
  ABI_MAGIC,
  ABI_VERSION,
  ACCOUNTS,
  ASSETS,
  FLIGHTS,
  ROUTE_CAPACITY,
  NAME_SIZE,
  EVENT_COUNT,
  OUTPUT_COUNT,
  INPUT_SIZE,
  RECORD_COUNT,
  PACKET_SIZE,
  STATE,
  ACCOUNT_RECORDS,
  NAMES,
  METERS,
  ASSET_RECORDS,
  RATES,
  FLIGHT_RECORDS,
  COUNTERS,
  EVENTS,
  OUTPUTS,
  INPUT,
  RECORDS,
  VERDICT,
  VIEW,
  FRAME,
  STATE,
  SNAPSHOT_END,
  MEMORY_END,
  ACCOUNT_STRIDE,
  METER_STRIDE,
  ASSET_STRIDE,
  FLIGHT_STRIDE,
  EVENT_STRIDE,
  HOLD_MAX_MS,
  BOOKS,
  SNAPSHOT_END,
  ASC_FEATURE_SIMD ? 1 : 0,
]);

/**
 * Empties the node and seeds what peers must not predict: the route hash, the loop breaker's hash,
 * the first request ids and mask keys. Settings and links come after.
 */
export function init(seedLo: u32, seedHi: u32): i32 {
  const s = state();
  // Fresh memory is zero: clearing it again would only make all of it resident.
  if (s.used) memory.fill(STATE, 0, SNAPSHOT_END - STATE);
  s.used = 1;
  s.seed = ((<u64>seedHi) << 32) | (<u64>seedLo);
  s.minMessageWindowMs = MIN_MESSAGE_WINDOW_MS;
  s.maxHoldTimeMs = MAX_HOLD_TIME_MS;
  s.loopMax = LOOP_MAX;
  s.evidenceMs = EVIDENCE_MS;
  s.defaultAccount = NONE;
  derive(Secret.Keys, 0, DERIVED);
  s.hashKey = load<u64>(DERIVED);
  routeInit(s.hashKey);
  initFlights(load<u32>(DERIVED, 8));
  initWheel(0);
  initLoops();
  // What an earlier life still had to say, and its records, are gone with it.
  memory.fill(CHANNEL, 0, CHANNEL_SIZE);
  return Status.Ok;
}

const DERIVED: usize = memory.data(32, 8);

/** Where the descriptor is: capacities, strides and addresses. */
export function describe(): usize {
  return DESCRIPTOR;
}

/** Starts a mutation on an open, linked account. */
function enter(index: u32, length: u32, kind: u32, nowLo: u32, nowHi: u32): Status {
  if (!isAccount(index) || !isInput(length)) return Status.BadArgument;
  if (<u32>account(index).linkKind != kind) return Status.BadArgument;
  if (!(account(index).flags & AccountFlag.Linked)) return Status.NotFound;
  const status = begin();
  if (status < 0) return status;
  setNow(nowLo, nowHi);
  return hasRecords(2) ? Status.Ok : Status.Undrained;
}

/** One whole BTP frame from an account's link is in the input. */
export function frame(index: u32, length: u32, nowLo: u32, nowHi: u32): i32 {
  const status = enter(index, length, LinkKind.Btp, nowLo, nowHi);
  return status < 0 ? status : onFrame(index, INPUT, length);
}

/**
 * Bytes of an account's stream are in the input, with the tail of the call before in front of them.
 * @returns bytes consumed, or a negative status that consumed nothing. Keep what is left as it lies
 * in the input, and call again with more behind it: see `streamNeeded`.
 */
export function stream(index: u32, length: u32, nowLo: u32, nowHi: u32): i32 {
  if (!isAccount(index)) return Status.BadArgument;
  const kind = <u32>account(index).linkKind;
  if (!isWebSocket(kind) && kind != LinkKind.Serial) return Status.BadArgument;
  const status = enter(index, length, kind, nowLo, nowHi);
  return status < 0 ? status : onStream(index, INPUT, INPUT + length);
}

/**
 * After a `stream` that did not refuse: bytes, counted from the start of the tail, without which
 * another call brings nothing; 0 when the tail alone is enough (drain, then call again).
 */
export function streamNeeded(): u32 {
  return channel().needed;
}

/**
 * Packets of a raw link are in the input, each behind a BatchItem header and padded to 8 bytes.
 * @returns bytes consumed: call again with the rest after draining. BadPacket: not a header.
 */
export function batch(index: u32, length: u32, nowLo: u32, nowHi: u32): i32 {
  const status = enter(index, length, LinkKind.Raw, nowLo, nowHi);
  return status < 0 ? status : onBatch(index, INPUT, INPUT + length);
}

/** One Prepare from a raw link is in the input; the answer carries the same request id. */
export function request(index: u32, id: u32, length: u32, nowLo: u32, nowHi: u32): i32 {
  const status = enter(index, length, LinkKind.Raw, nowLo, nowHi);
  if (status < 0) return status;
  onRequest(index, id, INPUT, length);
  return Status.Ok;
}

/** The reply to a Request output of a raw link is in the input. */
export function reply(index: u32, id: u32, length: u32, nowLo: u32, nowHi: u32): i32 {
  const status = enter(index, length, LinkKind.Raw, nowLo, nowHi);
  return status < 0 ? status : onReply(index, id, INPUT, length, Proof.Unknown);
}

/**
 * A Request output of a raw link could not be carried; code: F00, F01, T00, T01 or T03, as in
 * memory.
 */
export function fail(index: u32, id: u32, code: u32, nowLo: u32, nowHi: u32): i32 {
  if (code != F00 && code != F01 && code != T00 && code != T01 && code != T03) {
    return Status.BadArgument;
  }
  const status = enter(index, 0, LinkKind.Raw, nowLo, nowHi);
  return status < 0 ? status : onFailure(index, id, code);
}

/** Sends the Prepare in the input to the peer of one link; see flow/direct.ts. */
export function direct(index: u32, id: u32, length: u32, nowLo: u32, nowHi: u32): i32 {
  if (!isAccount(index) || !isInput(length)) return Status.BadArgument;
  const status = begin();
  if (status < 0) return status;
  setNow(nowLo, nowHi);
  if (!hasRecords(2)) return Status.Undrained;
  return sendDirect(index, id, INPUT, length);
}

/**
 * Time has passed: expires what is due. Also says which settlements setters and replays found due.
 * @returns 1 when more is due (poll, then call again), 0 when nothing is.
 */
export function tick(nowLo: u32, nowHi: u32): i32 {
  const status = begin();
  if (status < 0) return status;
  setNow(nowLo, nowHi);
  for (let i: u32 = 0; i < TICK_MAX; ++i) {
    if (!hasRoom(1, 2 * REJECT_SIZE) || !hasRecords(1)) return 1;
    const slot = nextDue(state().nowMs);
    if (slot == NONE) return saySettlements();
    expireFlight(slot);
  }
  return 1;
}

/** Milliseconds from `now` until `tick` has work; 0xffffffff when there is none to come. */
export function deadline(nowLo: u32, nowHi: u32): u32 {
  if (state().settleLeft) return 0;
  return untilDue(((<u64>nowHi) << 32) | (<u64>nowLo));
}

/**
 * Wall-clock time now: monotonic and wall milliseconds belong together.
 * @returns BadArgument for a wall clock before 1970 or after 9999: no packet can carry such a time.
 */
export function clock(nowLo: u32, nowHi: u32, wallLo: u32, wallHi: u32): i32 {
  const wallMs = ((<u64>wallHi) << 32) | (<u64>wallLo);
  if (wallMs > WALL_MAX_MS) return Status.BadArgument;
  setNow(nowLo, nowHi);
  return setClock(<i64>wallMs);
}

/**
 * Says what would happen to the Prepare in the input if it came from this account now, and changes
 * nothing: the verdict is at the verdict address, and for a refusal the Reject it would be answered
 * with is composed in the arena.
 * @returns the length of that Reject (its address is in the verdict's `reserved`), 0 when the
 * packet would be forwarded, negative when it is not a Prepare.
 */
export function explain(index: u32, length: u32): i32 {
  if (!isAccount(index) || !isInput(length)) return Status.BadArgument;
  const view = changetype<PacketView>(VIEW);
  const v = changetype<Verdict>(VERDICT);
  if (!isPacket(INPUT, length, view, PACKET_SIZE) || view.type != PacketType.Prepare) {
    startVerdict(v, index, 0);
    refuse(v, Rule.InvalidPacket, F01);
    return Status.BadPacket;
  }
  const status = begin();
  if (status < 0) return status;
  const a = account(index);
  const throttled = !hasPacketToken(meter(index), a, state().nowMs);
  if (judge(v, index, view, throttled)) return 0;
  const size = composeReject(v, view);
  v.reserved = <u32>compose();
  return size;
}

/** Checks an ILP packet in the input and fills the packet view. @returns 0 or a negative fault. */
export function inspectPacket(length: u32): i32 {
  if (!isInput(length)) return Status.BadArgument;
  return check(INPUT, length, changetype<PacketView>(VIEW));
}

/** Checks a BTP frame in the input and fills the frame view. @returns 0 or a negative fault. */
export function inspectFrame(length: u32): i32 {
  if (!isInput(length)) return Status.BadArgument;
  return checkFrame(INPUT, length, changetype<FrameView>(FRAME));
}
