// Every sentence and name the core can write: reject messages (ilp-connector's texts where it has
// them, peers.md 2.5) and protocol names. The only file with string literals; they are UTF-16 in
// the data segment and all ASCII.
import { Rule, Verdict } from "./abi";
import { account, accountName } from "./ledger/account";
import { PacketView } from "./wire/ilp";
import { writeIso } from "./wire/time";
import { wallMs } from "./state";

/** Longest message: a name, a destination of 1023 bytes and the words around them. */
const TEXT_SIZE: u32 = 1408;
const TEXT: usize = memory.data(TEXT_SIZE + 64, 8);
const DIGITS: usize = memory.data(24, 8);

/** Where `writeMessage` leaves its text. */
export const MESSAGE: usize = TEXT;

// ---- builders: each returns the address after what it wrote

function put(p: usize, text: string): usize {
  const from = changetype<usize>(text);
  const length = text.length;
  for (let i = 0; i < length; ++i) store<u8>(p + i, load<u16>(from + ((<usize>i) << 1)));
  return p + length;
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

/** Are the `length` bytes at p exactly this ASCII text? */
function matches(p: usize, length: u32, text: string): bool {
  if (length != <u32>text.length) return false;
  const from = changetype<usize>(text);
  for (let i: u32 = 0; i < length; ++i) {
    if (<u16>load<u8>(p + i) != load<u16>(from + ((<usize>i) << 1))) return false;
  }
  return true;
}

// ---- names

/** peer.route.control or peer.route.update. */
export function isRouteAddress(p: usize, length: u32): bool {
  return matches(p, length, "peer.route.control") || matches(p, length, "peer.route.update");
}

export function isSettleAddress(p: usize, length: u32): bool {
  return matches(p, length, "peer.settle");
}

/** triggeredBy while this node has no address of its own yet (ILP-09 wants a valid one). */
export function writeUnknownAddress(p: usize): u32 {
  return <u32>(put(p, "self.ferrule") - p);
}

/** Name of BTP error F00, for frames this node does not take (BTP-12). */
export function writeNotAccepted(p: usize): u32 {
  return <u32>(put(p, "NotAcceptedError") - p);
}

// ---- reject messages

/**
 * Messages about the account the packet came from. @returns 0 when the rule is not one of these.
 */
function writeSourceMessage(v: Verdict, view: PacketView): usize {
  switch (v.rule) {
    case Rule.InvalidPacket:
      return put(TEXT, "invalid packet.");
    case Rule.UnexpectedType:
      return putDecimal(put(TEXT, "invalid packet type received. type="), view.type);
    case Rule.NodeDraining:
      return put(TEXT, "connector is shutting down.");
    case Rule.ClockUnset:
      return put(TEXT, "connector does not know the time yet.");
    case Rule.AccountFrozen:
      return put(TEXT, "account is frozen.");
    case Rule.RateLimit:
      return put(TEXT, "too many requests, throttling.");
    case Rule.ThroughputIn:
    case Rule.ThroughputOut:
      return put(TEXT, "exceeded money bandwidth, throttling.");
    case Rule.BalanceMaximum:
      return put(TEXT, "exceeded maximum balance.");
    case Rule.InFlightCount:
    case Rule.NextInFlightCount:
      return put(TEXT, "too many packets in flight, throttling.");
    case Rule.InFlightAmount:
    case Rule.NextInFlightAmount:
      return put(TEXT, "too much value in flight, throttling.");
    case Rule.MaxPacketAmount:
    case Rule.MaxPacketAmountOut:
    case Rule.RateOverflow:
      return writeAmountMessage(v);
    default:
      return 0;
  }
}

function writeAmountMessage(v: Verdict): usize {
  const p = putDecimal(put(TEXT, "packet size too large. maxAmount="), v.maximum);
  return putDecimal(put(p, " actualAmount="), v.amountIn);
}

/** Messages about where the packet wants to go. */
function writeRouteMessage(v: Verdict, view: PacketView): usize {
  switch (v.rule) {
    case Rule.PeerProtocol:
      return put(TEXT, "unknown peer protocol.");
    case Rule.PeerCondition:
      return put(TEXT, "condition must be peer protocol condition.");
    case Rule.IldcpRefused:
      return put(TEXT, "configuration is only given to child accounts.");
    case Rule.Scheme:
    case Rule.NoRoute:
      return writePath(put(TEXT, "no route found. source="), v, view, true);
    case Rule.Loop:
      return writePath(put(TEXT, "routing loop. source="), v, view, true);
    case Rule.Reflection:
      return writePath(
        put(TEXT, "refusing to route payments back to sender. sourceAccount="),
        v,
        view,
        false,
      );
    case Rule.NextFrozen:
    case Rule.LinkDown:
      return putName(put(TEXT, "no connection to account. account="), v.next);
    case Rule.LinkBusy:
      return putName(put(TEXT, "connection is congested. account="), v.next);
    case Rule.NoRate:
      return putName(put(TEXT, "no rate available. account="), v.next);
    case Rule.RoundsToZero:
      return put(TEXT, "amount is too small to be converted.");
    case Rule.BalanceMinimum:
      return put(TEXT, "exceeded minimum balance.");
    default:
      return 0;
  }
}

function writePath(p: usize, v: Verdict, view: PacketView, short: bool): usize {
  p = putName(p, v.account);
  p = short ? put(p, " destination=") : put(p, " destinationAccount=");
  return putBytes(p, view.destination, view.destinationLength);
}

/** Messages about time, capacity and replies. */
function writeFlightMessage(v: Verdict): usize {
  let p: usize;
  switch (v.rule) {
    case Rule.Expired:
      p = put(TEXT, "source transfer has already expired. sourceExpiry=");
      p = put(putTime(p, <i64>v.valueLo), " currentTime=");
      return putTime(p, wallMs());
    case Rule.ExpiresSoon:
      p = put(TEXT, "source transfer expires too soon to complete payment. actualSourceExpiry=");
      p = put(putTime(p, <i64>v.valueLo), " requiredSourceExpiry=");
      p = put(putTime(p, <i64>v.limitLo), " currentTime=");
      return putTime(p, wallMs());
    case Rule.TableFull:
      return put(TEXT, "connector is busy, throttling.");
    case Rule.Timeout:
      return put(TEXT, "packet expired.");
    case Rule.WrongFulfillment:
      return put(TEXT, "fulfillment did not match expected value.");
    case Rule.InvalidReply:
      return put(TEXT, "next hop's answer is not a reply.");
    case Rule.LinkFailed:
      return put(TEXT, "failed to send packet.");
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
