// Every sentence and name the core can write: reject messages (ilp-connector's texts where it has
// them, peers.md 2.5) and protocol names. The words themselves are in texts.ts.
import { Rule, Verdict } from "./abi";
import { account, accountName } from "./ledger/account";
import { PacketView } from "./wire/ilp";
import { writeIso } from "./wire/time";
import { wallMs } from "./state";
import {
  ACCOUNT_FROZEN,
  AMOUNT_ACTUAL,
  AMOUNT_MAXIMUM,
  BALANCE_MAXIMUM,
  BALANCE_MINIMUM,
  CLOCK_UNSET,
  CURRENT_TIME,
  DESTINATION,
  DESTINATION_ACCOUNT,
  EXPIRED,
  EXPIRES_SOON,
  FLIGHT_AMOUNT,
  FLIGHT_COUNT,
  ILDCP_REFUSED,
  INVALID_PACKET,
  INVALID_REPLY,
  INVALID_TYPE,
  LINK_BUSY,
  LINK_DOWN,
  LINK_FAILED,
  LOOP,
  NODE_DRAINING,
  NOT_ACCEPTED,
  NO_RATE,
  NO_ROUTE,
  PEER_CONDITION,
  PEER_PROTOCOL,
  PEER_ROUTE_CONTROL,
  PEER_ROUTE_UPDATE,
  PEER_SETTLE,
  RATE_LIMIT,
  REFLECTION,
  REQUIRED_EXPIRY,
  ROUNDS_TO_ZERO,
  TABLE_FULL,
  THROUGHPUT,
  TIMEOUT,
  UNKNOWN_ADDRESS,
  WRONG_FULFILLMENT,
} from "./texts";

/** Longest message: a name, a destination of 1023 bytes and the words around them. */
const TEXT_SIZE: u32 = 1408;
const TEXT: usize = memory.data(TEXT_SIZE + 64, 8);
const DIGITS: usize = memory.data(24, 8);

/** Where `writeMessage` leaves its text. */
export const MESSAGE: usize = TEXT;

// ---- builders: each returns the address after what it wrote

function put(p: usize, text: usize): usize {
  return putBytes(p, text + 1, load<u8>(text));
}

function putBytes(p: usize, from: usize, length: u32): usize {
  memory.copy(p, from, length);
  return p + length;
}

function putDecimal(p: usize, value: u64): usize {
  let at = DIGITS + 24;
  do {
    at -= 1;
    store<u8>(at, 0x30 + <u8>(value % 10));
    value /= 10;
  } while (value);
  return putBytes(p, at, <u32>(DIGITS + 24 - at));
}

function putTime(p: usize, ms: i64): usize {
  return p + writeIso(p, ms);
}

function putName(p: usize, index: u32): usize {
  return putBytes(p, accountName(index), account(index).nameLength);
}

/** Are the `length` bytes at p exactly this text? */
function matches(p: usize, length: u32, text: usize): bool {
  return length == <u32>load<u8>(text) && memory.compare(p, text + 1, length) == 0;
}

// ---- names

/** peer.route.control or peer.route.update. */
export function isRouteAddress(p: usize, length: u32): bool {
  return matches(p, length, PEER_ROUTE_CONTROL) || matches(p, length, PEER_ROUTE_UPDATE);
}

export function isSettleAddress(p: usize, length: u32): bool {
  return matches(p, length, PEER_SETTLE);
}

/** triggeredBy while this node has no address of its own yet (ILP-09 wants a valid one). */
export function writeUnknownAddress(p: usize): u32 {
  return <u32>(put(p, UNKNOWN_ADDRESS) - p);
}

/** Name of BTP error F00, for frames this node does not take (BTP-12). */
export function writeNotAccepted(p: usize): u32 {
  return <u32>(put(p, NOT_ACCEPTED) - p);
}

// ---- reject messages

/**
 * Messages about the account the packet came from. @returns 0 when the rule is not one of these.
 */
function writeSourceMessage(v: Verdict, view: PacketView): usize {
  switch (v.rule) {
    case Rule.InvalidPacket:
      return put(TEXT, INVALID_PACKET);
    case Rule.UnexpectedType:
      return putDecimal(put(TEXT, INVALID_TYPE), view.type);
    case Rule.NodeDraining:
      return put(TEXT, NODE_DRAINING);
    case Rule.ClockUnset:
      return put(TEXT, CLOCK_UNSET);
    case Rule.AccountFrozen:
      return put(TEXT, ACCOUNT_FROZEN);
    case Rule.RateLimit:
      return put(TEXT, RATE_LIMIT);
    case Rule.ThroughputIn:
    case Rule.ThroughputOut:
      return put(TEXT, THROUGHPUT);
    case Rule.BalanceMaximum:
      return put(TEXT, BALANCE_MAXIMUM);
    case Rule.InFlightCount:
    case Rule.NextInFlightCount:
      return put(TEXT, FLIGHT_COUNT);
    case Rule.InFlightAmount:
    case Rule.NextInFlightAmount:
      return put(TEXT, FLIGHT_AMOUNT);
    case Rule.MaxPacketAmount:
    case Rule.MaxPacketAmountOut:
    case Rule.RateOverflow:
      return writeAmountMessage(v);
    default:
      return 0;
  }
}

function writeAmountMessage(v: Verdict): usize {
  const p = putDecimal(put(TEXT, AMOUNT_MAXIMUM), v.maximum);
  return putDecimal(put(p, AMOUNT_ACTUAL), v.amountIn);
}

/** Messages about where the packet wants to go. */
function writeRouteMessage(v: Verdict, view: PacketView): usize {
  switch (v.rule) {
    case Rule.PeerProtocol:
      return put(TEXT, PEER_PROTOCOL);
    case Rule.PeerCondition:
      return put(TEXT, PEER_CONDITION);
    case Rule.IldcpRefused:
      return put(TEXT, ILDCP_REFUSED);
    case Rule.Scheme:
    case Rule.NoRoute:
      return writePath(put(TEXT, NO_ROUTE), v, view, true);
    case Rule.Loop:
      return writePath(put(TEXT, LOOP), v, view, true);
    case Rule.Reflection:
      return writePath(put(TEXT, REFLECTION), v, view, false);
    case Rule.NextFrozen:
    case Rule.LinkDown:
      return putName(put(TEXT, LINK_DOWN), v.next);
    case Rule.LinkBusy:
      return putName(put(TEXT, LINK_BUSY), v.next);
    case Rule.NoRate:
      return putName(put(TEXT, NO_RATE), v.next);
    case Rule.RoundsToZero:
      return put(TEXT, ROUNDS_TO_ZERO);
    case Rule.BalanceMinimum:
      return put(TEXT, BALANCE_MINIMUM);
    default:
      return 0;
  }
}

function writePath(p: usize, v: Verdict, view: PacketView, short: bool): usize {
  p = putName(p, v.account);
  p = short ? put(p, DESTINATION) : put(p, DESTINATION_ACCOUNT);
  return putBytes(p, view.destination, view.destinationLength);
}

/** Messages about time, capacity and replies. */
function writeFlightMessage(v: Verdict): usize {
  let p: usize;
  switch (v.rule) {
    case Rule.Expired:
      p = put(TEXT, EXPIRED);
      p = put(putTime(p, <i64>v.valueLo), CURRENT_TIME);
      return putTime(p, wallMs());
    case Rule.ExpiresSoon:
      p = put(TEXT, EXPIRES_SOON);
      p = put(putTime(p, <i64>v.valueLo), REQUIRED_EXPIRY);
      p = put(putTime(p, <i64>v.limitLo), CURRENT_TIME);
      return putTime(p, wallMs());
    case Rule.TableFull:
      return put(TEXT, TABLE_FULL);
    case Rule.Timeout:
      return put(TEXT, TIMEOUT);
    case Rule.WrongFulfillment:
      return put(TEXT, WRONG_FULFILLMENT);
    case Rule.InvalidReply:
      return put(TEXT, INVALID_REPLY);
    case Rule.LinkFailed:
      return put(TEXT, LINK_FAILED);
    default:
      return TEXT;
  }
}

/** Writes the message of a refusal at MESSAGE. @returns its length in bytes, at most 8191. */
export function writeMessage(v: Verdict, view: PacketView): u32 {
  let end = writeSourceMessage(v, view);
  if (!end) end = writeRouteMessage(v, view);
  if (!end) end = writeFlightMessage(v);
  return <u32>(end - TEXT);
}
