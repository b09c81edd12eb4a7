// ILDCP (RFC 31; CFG-01..06, CFG-10): a child asks its parent for its address, asset scale and
// asset code. Also what all peer protocols share: a condition whose fulfillment everybody knows.
//
//   request    Prepare to `peer.config`, amount 0, the peer condition
//   response   Fulfill of 32 zero bytes; data: address var | scale u8 | code var UTF-8 | ignored
//
// Who may ask (CFG-09), and whether the request has expired (CFG-05), is for the flow.
import { checkAddress } from "./address";
import { PacketType, PacketView, condition } from "./ilp";
import {
  BAD_LENGTH,
  equalBytes,
  isUtf8,
  lengthSize,
  readLength,
  sizeOf,
  valueOf,
  writeBytes,
  writeLength,
} from "./oer";

/** SHA-256 of 32 zero bytes: the condition of peer protocol requests. */
export const PEER_CONDITION: usize = memory.data<u8>([
  0x66, 0x68, 0x7a, 0xad, 0xf8, 0x62, 0xbd, 0x77, 0x6c, 0x8f, 0xc1, 0x8b, 0x8e, 0x9f, 0x8e, 0x20,
  0x08, 0x97, 0x14, 0x85, 0x6e, 0xe2, 0x33, 0xb3, 0x90, 0x2a, 0x59, 0x1d, 0x0d, 0x5f, 0x29, 0x25,
]);
/** SHA-256 of nothing: what RFC 38 prints as the condition of settlement messages (D1). */
const EMPTY_CONDITION: usize = memory.data<u8>([
  0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
  0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);
/** The fulfillment of PEER_CONDITION. */
export const PEER_FULFILLMENT: usize = memory.data(32, 8);

/** "peer.config" */
const DESTINATION: usize = memory.data<u8>([
  0x70, 0x65, 0x65, 0x72, 0x2e, 0x63, 0x6f, 0x6e, 0x66, 0x69, 0x67,
]);
const DESTINATION_LENGTH: u32 = 11;

/** Why an ILDCP request or response is refused. */
export const enum IldcpFault {
  None = 0,
  /** The request carries money. */
  Amount = -1,
  /** The request's condition is not the peer condition. */
  Condition = -2,
  /** A field of the response is missing, cut short or not canonical. */
  Truncated = -3,
  /** The address in the response is not one. */
  Address = -4,
  /** The asset code is not UTF-8. */
  Code = -5,
}

/** What `checkResponse` found; addresses are absolute. */
@unmanaged
export class ResponseView {
  address: u32;
  addressLength: u32;
  scale: u32;
  code: u32;
  codeLength: u32;
}

/** True if 32 bytes are the peer condition. */
export function isPeerCondition(p: usize): bool {
  return equalBytes(p, PEER_CONDITION, 32);
}

/**
 * Settlement messages (SET-11) come with either of two conditions (D1). The one of RFC 38 has no
 * fulfillment of 32 bytes: the peer condition takes its place, in the packet, so that the answer of
 * 32 zero bytes is right for whoever checks it. Returns false for any other condition.
 */
export function acceptSettleCondition(p: usize): bool {
  if (equalBytes(p, EMPTY_CONDITION, 32)) memory.copy(p, PEER_CONDITION, 32);
  return isPeerCondition(p);
}

/** True if 32 bytes are the peer fulfillment, which is all zeros. */
export function isPeerFulfillment(p: usize): bool {
  return equalBytes(p, PEER_FULFILLMENT, 32);
}

/** True if a checked Prepare is for `peer.config`. */
export function isRequest(view: PacketView): bool {
  if (view.destinationLength != DESTINATION_LENGTH) return false;
  return equalBytes(view.destination, DESTINATION, DESTINATION_LENGTH);
}

/**
 * Checks a Prepare for which `isRequest` holds: no money (CFG-01) and the peer condition (CFG-04).
 * Data is ignored, as every known parent does. Returns 0 or a negative IldcpFault.
 */
export function checkRequest(view: PacketView): i32 {
  if (view.amount != 0) return IldcpFault.Amount;
  if (!isPeerCondition(condition(view.content))) return IldcpFault.Condition;
  return IldcpFault.None;
}

/**
 * Writes the response, a whole Fulfill, and returns its size. The address is a valid one of at most
 * 1023 bytes, the code UTF-8 of at most 255 bytes, `scale` at most 255.
 */
export function writeResponse(
  out: usize,
  address: usize,
  addressLength: u32,
  scale: u32,
  code: usize,
  codeLength: u32,
): u32 {
  const coded = lengthSize(codeLength) + codeLength;
  const length = lengthSize(addressLength) + addressLength + 1 + coded;
  store<u8>(out, PacketType.Fulfill);
  let p = out + 1 + writeLength(out + 1, 32 + lengthSize(length) + length);
  memory.copy(p, PEER_FULFILLMENT, 32);
  p += 32;
  p += writeLength(p, length);
  p += writeBytes(p, address, addressLength);
  store<u8>(p, scale);
  p += 1 + writeBytes(p + 1, code, codeLength);
  return <u32>(p - out);
}

/**
 * Checks the data of a response and fills `view`. Returns 0 or a negative IldcpFault; bytes after
 * the code are ignored (CFG-10). The fulfillment is checked with `isPeerFulfillment`.
 */
export function checkResponse(data: usize, dataLength: u32, view: ResponseView): i32 {
  const end = data + dataLength;
  const address = readLength(data, end);
  if (address == BAD_LENGTH) return IldcpFault.Truncated;
  const scale = data + sizeOf(address) + valueOf(address);
  if (scale >= end) return IldcpFault.Truncated;
  const code = readLength(scale + 1, end);
  if (code == BAD_LENGTH) return IldcpFault.Truncated;
  view.address = <u32>(data + sizeOf(address));
  view.addressLength = valueOf(address);
  view.scale = load<u8>(scale);
  view.code = <u32>(scale + 1 + sizeOf(code));
  view.codeLength = valueOf(code);
  if (!checkAddress(view.address, view.addressLength)) return IldcpFault.Address;
  if (!isUtf8(view.code, view.codeLength)) return IldcpFault.Code;
  return IldcpFault.None;
}
