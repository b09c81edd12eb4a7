// A Prepare: check its bytes, judge it, hold on both sides, rewrite it in place, send it on.
import { Counter, Rule, Verdict } from "../abi";
import { compose, keep } from "../channel";
import { PACKET_SIZE } from "../config";
import { flight, requestIdOf, takeSlot } from "../flight/table";
import { advance } from "../flight/wheel";
import { account, accountSegment } from "../ledger/account";
import { asset, assetCode } from "../ledger/asset";
import { send } from "../link";
import { meter, takeIn, takeOut, takePacketToken } from "../ledger/meter";
import { VERDICT, VIEW } from "../layout";
import { OWN_ADDRESS, count, state } from "../state";
import { writeResponse } from "../wire/ildcp";
import { PacketType, PacketView, condition, isPacket, setAmount, setExpiresAt } from "../wire/ilp";
import { launch } from "./hold";
import { F01, destinationMark, judge, refuse, startVerdict } from "./judge";
import { answerReject } from "./refuse";

/** Handles a request of `length` bytes at `packet` from an account's link. */
export function onRequest(index: u32, requestId: u32, packet: usize, length: u32): void {
  count(Counter.Prepares);
  const v = changetype<Verdict>(VERDICT);
  const view = changetype<PacketView>(VIEW);
  const a = account(index);
  const m = meter(index);
  // Every request costs a token, also one that is refused: that is what throttles a flood.
  const throttled = !takePacketToken(m, a, state().nowMs);
  const valid = isPacket(packet, length, view, PACKET_SIZE);
  if (!valid || view.type != PacketType.Prepare) {
    startVerdict(v, index, 0);
    refuse(v, valid ? Rule.UnexpectedType : Rule.InvalidPacket, F01);
    answerReject(v, requestId);
    return;
  }
  if (throttled) m.rateLimited += 1;
  if (!judge(v, index, view, throttled)) {
    answerReject(v, requestId);
  } else if (v.rule == <u32>Rule.IldcpAnswered) {
    answerIldcp(v, requestId);
  } else {
    forward(v, view, requestId);
  }
}

/** Acts on a verdict that lets the packet pass. */
function forward(v: Verdict, view: PacketView, requestId: u32): void {
  const s = state();
  advance(s.nowMs);
  const slot = takeSlot();
  takeIn(meter(v.account), account(v.account), s.nowMs, v.amountIn);
  takeOut(meter(v.next), account(v.next), s.nowMs, v.amountOut);
  fillFlight(slot, v, view, requestId);
  launch(slot);
  setAmount(view.content, v.amountOut);
  setExpiresAt(view.content, v.expiresAtMs);
  count(Counter.Forwards);
  send(v.next, false, requestIdOf(slot), view.packet, view.size, v.account);
}

/** Writes what the slot must remember to settle with both sides. */
export function fillFlight(slot: u32, v: Verdict, view: PacketView, requestId: u32): void {
  const f = flight(slot);
  const c = condition(view.content);
  f.condition0 = load<u64>(c, 0, 1);
  f.condition1 = load<u64>(c, 8, 1);
  f.condition2 = load<u64>(c, 16, 1);
  f.condition3 = load<u64>(c, 24, 1);
  f.amountIn = v.amountIn;
  f.amountOut = v.amountOut;
  f.deadlineMs = v.deadlineMs;
  f.requestId = requestId;
  f.destinationMark = destinationMark(view);
  f.inAccount = <u16>v.account;
  f.outAccount = <u16>v.next;
  f.session = account(v.account).session;
  f.atMs = <u32>state().nowMs;
}

/** ILDCP: tells a child its address and asset (CFG-02). Nothing is held, nothing moves. */
function answerIldcp(v: Verdict, requestId: u32): void {
  const a = account(v.account);
  const own = state().ownLength;
  memory.copy(CHILD, OWN_ADDRESS, own);
  store<u8>(CHILD + own, 0x2e);
  memory.copy(CHILD + own + 1, accountSegment(v.account), a.segmentLength);
  const length = own + 1 + a.segmentLength;
  const packet = compose();
  const unit = asset(a.asset);
  const size = writeResponse(
    packet,
    CHILD,
    length,
    unit.scale,
    assetCode(a.asset),
    unit.codeLength,
  );
  keep(size);
  send(v.account, true, requestId, packet, size, v.account);
  count(Counter.IldcpAnswers);
}

/** Child address under construction. */
const CHILD: usize = memory.data(1024 + 64, 8);
