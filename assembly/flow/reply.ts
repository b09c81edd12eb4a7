// A Fulfill or Reject from the next hop: find its flight, and end it exactly once. Between a valid
// Fulfill and its relay upstream stands nothing that can refuse (ILP-32).
import { AccountFlag, Counter, FlightState, LinkKind, OutputKind, Rule, Status } from "../abi";
import { hasRoom, output } from "../channel";
import { ACCOUNTS, PACKET_SIZE } from "../config";
import { Flight, flight, requestIdOf, slotOf } from "../flight/table";
import { verify32 } from "../hash/sha256";
import { note } from "../insight";
import { isTrailOn, noteEnd } from "../journal/trail";
import { account } from "../ledger/account";
import { settlementDue } from "../ledger/balance";
import { meter } from "../ledger/meter";
import { send } from "../link";
import { VIEW } from "../layout";
import { count, state } from "../state";
import { PacketType, PacketView, cutFulfill, fulfillment, isPacket } from "../wire/ilp";
import { F05, R00, T00 } from "./judge";
import { postFlight, voidFlight } from "./hold";
import { answerEnded } from "./refuse";

/** Whether a Fulfill is already known to be right: a batch hashes four at a time beforehand. */
export const enum Proof {
  Unknown = 0,
  Right = 1,
  Wrong = 2,
}

/** How a reply that ends a flight is carried upstream. */
// @ts-ignore: decorator
@inline
function relay(f: Flight, view: PacketView, sameSession: bool): void {
  const index = <u32>f.inAccount;
  const a = account(index);
  const linked = (a.flags & AccountFlag.Linked) != 0 && <u32>a.linkKind != LinkKind.None;
  if (!linked || (sameSession && f.session != a.session)) {
    count(Counter.Orphans);
    return;
  }
  send(index, true, f.requestId, view.packet, view.size, f.outAccount);
}

/**
 * Says once that an account has passed its settlement threshold. `later`: setters, which have no
 * outputs, and replays leave it to the next `tick`.
 */
export function checkSettlement(index: u32, later: bool): void {
  const a = account(index);
  const flags = a.flags;
  if (!(flags & (AccountFlag.Settles | AccountFlag.SettlementSaid))) return;
  const due = flags & AccountFlag.Settles ? settlementDue(a) : 0;
  if (!due) {
    a.flags = flags & ~AccountFlag.SettlementSaid;
  } else if (!(flags & AccountFlag.SettlementSaid)) {
    a.flags = flags | AccountFlag.SettlementSaid;
    if (later) sayLater(index);
    else say(index, due);
  }
}

function say(index: u32, due: u64): void {
  meter(index).unsaid = 0;
  output(OutputKind.SettlementDue, index).amount = due;
}

/** The next `tick` says that a settlement of this account is due, if it still is. */
export function sayLater(index: u32): void {
  meter(index).unsaid = 1;
  state().settleLeft = ACCOUNTS;
}

/** Says what setters and replays left. @returns 1 when there was no room for all of it. */
export function saySettlements(): i32 {
  const s = state();
  for (; s.settleLeft; s.settleLeft -= 1) {
    if (!hasRoom(1, 0)) return 1;
    const index = s.settleLeft - 1;
    const a = account(index);
    if (meter(index).unsaid && a.flags & AccountFlag.SettlementSaid) say(index, settlementDue(a));
    meter(index).unsaid = 0;
  }
  return 0;
}

/** Ends a held flight that nobody answered in time, and says so upstream (ILP-28). */
export function expireFlight(slot: u32): void {
  const f = flight(slot);
  voidFlight(slot, FlightState.Expired);
  count(Counter.Expiries);
  meter(f.outAccount).outExpired += 1;
  answerEnded(f.inAccount, f.session, f.requestId, Rule.Timeout, R00, f.outAccount, f.amountIn);
}

/** Ends a held flight with a Reject of this node's own. */
function failFlight(slot: u32, rule: Rule, code: u32): void {
  const f = flight(slot);
  voidFlight(slot, FlightState.Voided);
  meter(f.outAccount).outRejected += 1;
  answerEnded(f.inAccount, f.session, f.requestId, rule, code, f.outAccount, f.amountIn);
}

/**
 * The held flight that a request id of this account's link names, expired first when its time is
 * up.
 * @returns the slot, or Unsolicited: then nothing is held under that id.
 */
function findHeld(index: u32, requestId: u32, view: PacketView, fulfills: bool): i32 {
  const slot = slotOf(requestId);
  const f = flight(slot);
  if (<u32>f.state == FlightState.Free || requestIdOf(slot) != requestId) {
    count(Counter.Unsolicited);
    if (fulfills && account(index).claimCredits) noteUnsolicited(index, requestId, view);
    return Status.Unsolicited;
  }
  if (<u32>f.outAccount != index) {
    count(Counter.CrossLink);
    return Status.Unsolicited;
  }
  if (<u32>f.state == FlightState.Held) {
    if (state().nowMs < f.deadlineMs) return slot;
    expireFlight(slot);
  }
  if (<u32>f.state == FlightState.Expired && fulfills) noteLate(slot, index, requestId, view);
  else count(Counter.Duplicates);
  return Status.Unsolicited;
}

/** Does the Fulfill in view open the flight's condition? */
// @ts-ignore: decorator
@inline
function isRight(f: Flight, view: PacketView, proof: Proof): bool {
  if (proof != Proof.Unknown) return proof == Proof.Right;
  return verify32(fulfillment(view.content), changetype<usize>(f));
}

/** A Fulfill after its packet had expired: nothing moves; if it is genuine it is evidence. */
function noteLate(slot: u32, index: u32, requestId: u32, view: PacketView): void {
  const f = flight(slot);
  if (!verify32(fulfillment(view.content), changetype<usize>(f))) {
    count(Counter.Duplicates);
    return;
  }
  // One claim is evidence once: the same Fulfill again is a duplicate.
  f.state = <u8>FlightState.Voided;
  if (isTrailOn()) noteEnd(slot, FlightState.Voided);
  count(Counter.LateFulfills);
  const o = output(OutputKind.LateFulfill, index);
  o.source = f.inAccount;
  o.requestId = requestId;
  o.address = view.packet;
  o.length = view.size;
  o.packetType = <u16>PacketType.Fulfill;
  o.amount = f.amountOut;
  const e = note(Rule.Timeout, f.inAccount, index, 0);
  e.requestId = requestId;
  e.amount = f.amountOut;
  e.condition = f.condition0;
}

/** A Fulfill to nothing in flight may prove a claim of an earlier life: only the host knows it. */
function noteUnsolicited(index: u32, requestId: u32, view: PacketView): void {
  const o = output(OutputKind.Unsolicited, index);
  o.requestId = requestId;
  o.address = view.packet;
  o.length = view.size;
  o.packetType = <u16>PacketType.Fulfill;
}

/** A Fulfill for a held flight: verified, posted on both sides and relayed, or refused with F05. */
function onFulfill(slot: u32, view: PacketView, proof: Proof): void {
  const f = flight(slot);
  if (!isRight(f, view, proof)) {
    count(Counter.WrongFulfillments);
    meter(f.outAccount).outWrong += 1;
    failFlight(slot, Rule.WrongFulfillment, F05);
    return;
  }
  postFlight(slot);
  count(Counter.Fulfills);
  meter(f.inAccount).inFulfilled += 1;
  meter(f.outAccount).outFulfilled += 1;
  // Nothing may refuse it any more: what no other node need take goes without its data.
  if (view.size > PACKET_SIZE) cutFulfill(view);
  relay(f, view, false);
  checkSettlement(f.inAccount, false);
  checkSettlement(f.outAccount, false);
}

/** A Reject for a held flight: both holds end and the Reject goes upstream untouched (ILP-27). */
function onReject(slot: u32, view: PacketView): void {
  const f = flight(slot);
  voidFlight(slot, FlightState.Voided);
  count(Counter.Rejects);
  meter(f.inAccount).inRejected += 1;
  meter(f.outAccount).outRejected += 1;
  const e = note(Rule.PeerRejected, f.inAccount, f.outAccount, view.code);
  e.requestId = f.requestId;
  e.amount = f.amountIn;
  relay(f, view, true);
}

/**
 * Handles a reply of `length` bytes at `packet` from an account's link. Bytes that are not a
 * Fulfill or Reject, none at all included, end the flight with T00 (BTP-11, HTTP-14).
 * @returns Ok, or Unsolicited when nothing is in flight under that id.
 */
export function onReply(
  index: u32,
  requestId: u32,
  packet: usize,
  length: u32,
  proof: Proof,
): Status {
  const view = changetype<PacketView>(VIEW);
  const valid = isPacket(packet, length, view, PACKET_SIZE);
  const fulfills = valid && view.type == PacketType.Fulfill;
  const slot = findHeld(index, requestId, view, fulfills);
  if (slot < 0) return Status.Unsolicited;
  if (fulfills) onFulfill(slot, view, proof);
  else if (valid && view.type == PacketType.Reject) onReject(slot, view);
  else failFlight(slot, Rule.InvalidReply, T00);
  return Status.Ok;
}

/** The link could not carry the request, or its peer answered outside ILP: ends the flight. */
export function onFailure(index: u32, requestId: u32, code: u32): Status {
  const slot = findHeld(index, requestId, changetype<PacketView>(VIEW), false);
  if (slot < 0) return Status.Unsolicited;
  failFlight(slot, Rule.LinkFailed, code);
  return Status.Ok;
}
