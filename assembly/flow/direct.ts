// Requests of this node to the peer at the other end of one link: ILDCP, route exchange, settlement
// messages. They are not routed and carry no money; the reply comes back on the local link.
import { AccountFlag, Counter, LinkKind, Status, Verdict } from "../abi";
import { PACKET_SIZE } from "../config";
import { requestIdOf, takeSlot } from "../flight/table";
import { advance } from "../flight/wheel";
import { LOCAL, account, isAccount } from "../ledger/account";
import { send } from "../link";
import { VERDICT, VIEW } from "../layout";
import { count, state, wallMs } from "../state";
import { Scheme, scheme } from "../wire/address";
import { isPeerCondition } from "../wire/ildcp";
import { PacketType, PacketView, condition, isPacket } from "../wire/ilp";
import { launch } from "./hold";
import { startVerdict } from "./judge";
import { fillFlight } from "./prepare";

/**
 * Sends a Prepare for a `peer.` address, amount 0 and the peer condition, on an account's link.
 * @returns BadPacket when it is not such a Prepare or has expired, NotFound when the link is down
 * or there is no local account for the reply, Full when every slot is in flight.
 */
export function sendDirect(index: u32, requestId: u32, packet: usize, length: u32): Status {
  const s = state();
  const view = changetype<PacketView>(VIEW);
  if (!isPacket(packet, length, view, PACKET_SIZE) || view.type != PacketType.Prepare)
    return Status.BadPacket;
  const left = view.expiresAtMs - wallMs();
  const peer = scheme(view.destination, view.destinationLength) == Scheme.Peer;
  if (view.amount || !peer || left <= 0) return Status.BadPacket;
  // No other has the fulfillment that every peer protocol is answered with (D1).
  if (!isPeerCondition(condition(view.content))) return Status.BadPacket;
  const next = account(index);
  if (!isAccount(LOCAL)) return Status.NotFound;
  if (!(next.flags & AccountFlag.Linked) || <u32>next.linkKind == LinkKind.None) {
    return Status.NotFound;
  }
  advance(s.nowMs);
  const slot = takeSlot();
  if (slot == u32.MAX_VALUE) {
    count(Counter.FlightsFull);
    return Status.Full;
  }
  const v = changetype<Verdict>(VERDICT);
  startVerdict(v, LOCAL, 0);
  v.next = index;
  v.expiresAtMs = view.expiresAtMs;
  v.deadlineMs = s.nowMs + (left < <i64>s.maxHoldTimeMs ? <u64>left : <u64>s.maxHoldTimeMs);
  fillFlight(slot, v, view, requestId);
  launch(slot);
  send(index, false, requestIdOf(slot), view.packet, view.size, LOCAL);
  return Status.Ok;
}
