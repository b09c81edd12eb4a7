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
  VALUE_AT_RISK,
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

/** Are `length` bytes the same in both places? */
export function isSame(p: usize, q: usize, length: usize): bool {
  return memory.compare(p, q, length) == 0;
}

/** Are the `length` bytes at p exactly this text? */
function matches(p: usize, length: u32, text: usize): bool {
  return length == <u32>load<u8>(text) && isSame(p, text + 1, length);
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

/** What each rule's message begins with, in the order of `Rule`; 0: it refuses nothing. */
const OPENINGS: usize = memory.data<usize>([
  0,
  INVALID_PACKET,
  INVALID_TYPE,
  NODE_DRAINING,
  CLOCK_UNSET,
  ACCOUNT_FROZEN,
  RATE_LIMIT,
  AMOUNT_MAXIMUM,
  THROUGHPUT,
  BALANCE_MAXIMUM,
  FLIGHT_COUNT,
  FLIGHT_AMOUNT,
  PEER_PROTOCOL,
  PEER_CONDITION,
  NO_ROUTE, // Scheme
  NO_ROUTE,
  REFLECTION,
  LINK_DOWN, // NextFrozen
  LINK_DOWN,
  LINK_BUSY,
  NO_RATE,
  AMOUNT_MAXIMUM, // RateOverflow
  ROUNDS_TO_ZERO,
  EXPIRED,
  EXPIRES_SOON,
  AMOUNT_MAXIMUM, // MaxPacketAmountOut
  THROUGHPUT, // ThroughputOut
  BALANCE_MINIMUM,
  FLIGHT_COUNT, // NextInFlightCount
  FLIGHT_AMOUNT, // NextInFlightAmount
  LOOP,
  TABLE_FULL,
  TIMEOUT,
  WRONG_FULFILLMENT,
  0, // PeerRejected
  INVALID_REPLY,
  LINK_FAILED,
  ILDCP_REFUSED,
  0, // IldcpAnswered
  VALUE_AT_RISK,
]);

function putPath(p: usize, v: Verdict, view: PacketView, between: usize): usize {
  p = put(putName(p, v.account), between);
  return putBytes(p, view.destination, view.destinationLength);
}

/** Writes the message of a refusal at MESSAGE. @returns its length in bytes, at most 8191. */
export function writeMessage(v: Verdict, view: PacketView): u32 {
  const rule = v.rule;
  let p = put(TEXT, load<usize>(OPENINGS + <usize>rule * sizeof<usize>()));
  switch (rule) {
    case Rule.UnexpectedType:
      p = putDecimal(p, view.type);
      break;
    case Rule.MaxPacketAmount:
    case Rule.MaxPacketAmountOut:
    case Rule.RateOverflow:
      p = putDecimal(put(putDecimal(p, v.maximum), AMOUNT_ACTUAL), v.amountIn);
      break;
    case Rule.Scheme:
    case Rule.NoRoute:
    case Rule.Loop:
      p = putPath(p, v, view, DESTINATION);
      break;
    case Rule.Reflection:
      p = putPath(p, v, view, DESTINATION_ACCOUNT);
      break;
    case Rule.NextFrozen:
    case Rule.LinkDown:
    case Rule.LinkBusy:
    case Rule.NoRate:
      p = putName(p, v.next);
      break;
    case Rule.ExpiresSoon:
      p = put(putTime(p, <i64>v.valueLo), REQUIRED_EXPIRY);
      p = putTime(put(putTime(p, <i64>v.limitLo), CURRENT_TIME), wallMs());
      break;
    case Rule.Expired:
      p = putTime(put(putTime(p, <i64>v.valueLo), CURRENT_TIME), wallMs());
      break;
    default:
  }
  return <u32>(p - TEXT);
}
