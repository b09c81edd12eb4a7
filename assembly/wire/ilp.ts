// ILPv4 packets (RFC 27; ILP-01..11): checked once, strictly, then read and rewritten in place.
//
//   packet   type u8 | length | contents | ignored
//   Prepare  amount u64 | expiresAt 17 digits | condition 32 | destination var | data var | ignored
//   Fulfill  fulfillment 32 | data var | ignored
//   Reject   code 3 | triggeredBy var | message var | data var | ignored
//
// It decides what is a packet, not what to do with it: schemes, expiry and limits are the flow's.
import { checkAddress } from "./address";
import {
  BAD_LENGTH,
  isMalformedLength,
  lengthSize,
  readLength,
  readU64,
  sizeOf,
  valueOf,
  writeBytes,
  writeLength,
  writeU64,
} from "./oer";
import { BAD_TIME, TIMESTAMP_SIZE, parseTimestamp, writeTimestamp } from "./time";

/** First byte of a packet (ILP-01). */
export const enum PacketType {
  Prepare = 12,
  Fulfill = 13,
  Reject = 14,
}

/** Why bytes are not an ILP packet. */
export const enum Fault {
  None = 0,
  /** No bytes at all. */
  Empty = -1,
  /** First byte is not 12, 13 or 14. */
  Type = -2,
  /** A length not in its one canonical form, or of more than three bytes. */
  Length = -3,
  /** The envelope or a field ends after the bytes that hold it. */
  Truncated = -4,
  /** expiresAt is not 17 digits of a calendar instant. */
  Timestamp = -5,
  /** The destination is not an ILP address. */
  Address = -6,
  /** More than 32767 bytes of data. */
  DataTooLong = -7,
  /** A byte of the Reject code has its top bit set. */
  CodeNotAscii = -8,
  /** A Reject message of more than 8191 characters. */
  MessageTooLong = -9,
  /** triggeredBy is neither empty nor an ILP address. */
  TriggeredBy = -10,
}

/** Most bytes of `data` (ILP-06, D5). */
export const DATA_MAX: u32 = 32767;
/** Most characters of a Reject message (ILP-08). */
export const MESSAGE_MAX: u32 = 8191;

/** Offsets in the contents of a Prepare. */
const EXPIRES_AT: u32 = 8;
const CONDITION: u32 = EXPIRES_AT + TIMESTAMP_SIZE;
const HASH_SIZE: u32 = 32;
const DESTINATION: u32 = CONDITION + HASH_SIZE;
const CODE_SIZE: u32 = 3;

/** What `check` found. Only the fields of the packet's type are written; addresses are absolute. */
@unmanaged
export class PacketView {
  /** PacketType. */
  type: u32;
  packet: u32;
  /** Whole packet: type, length and contents, without the bytes after them. */
  size: u32;
  content: u32;
  contentEnd: u32;
  destination: u32;
  destinationLength: u32;
  data: u32;
  dataLength: u32;
  /** Three bytes of the Reject code as they stand in memory, in the low 24 bits. */
  code: u32;
  triggeredBy: u32;
  /** 0 when empty, which is accepted (ILP-09, D6). */
  triggeredByLength: u32;
  message: u32;
  messageLength: u32;
  amount: u64;
  /** Milliseconds since the Unix epoch. */
  expiresAtMs: i64;
}

/**
 * Checks `length` bytes at `p` as one ILP packet and fills `view`. Returns 0, or a negative Fault
 * and a view whose fields mean nothing. Bytes after the contents and after the last field are
 * ignored (OER-09).
 */
export function check(p: usize, length: u32, view: PacketView): i32 {
  if (length == 0) return Fault.Empty;
  const type = <u32>load<u8>(p);
  if (type < <u32>PacketType.Prepare || type > <u32>PacketType.Reject) return Fault.Type;
  const envelope = readLength(p + 1, p + length);
  if (envelope == BAD_LENGTH) return lengthFault(p + 1, p + length);
  const content = p + 1 + sizeOf(envelope);
  const end = content + valueOf(envelope);
  view.type = type;
  view.packet = <u32>p;
  view.size = <u32>(end - p);
  view.content = <u32>content;
  view.contentEnd = <u32>end;
  if (type == PacketType.Prepare) return checkPrepare(content, end, view);
  if (type == PacketType.Fulfill) return checkFulfill(content, end, view);
  return checkReject(content, end, view);
}

/**
 * Is it a packet by `check`, and no Prepare or Reject of more than `max` bytes (those behind its
 * data included)? A Fulfill is worth money at any size: see `cutFulfill`.
 */
export function isPacket(p: usize, length: u32, view: PacketView, max: u32): bool {
  if (check(p, length, view) < 0) return false;
  return view.size <= max || view.type == PacketType.Fulfill;
}

/** Which fault a refused length is. */
function lengthFault(p: usize, end: usize): i32 {
  return isMalformedLength(p, end) ? Fault.Length : Fault.Truncated;
}

/** The last known field of every packet. */
// @ts-ignore: decorator
@inline
function checkData(p: usize, end: usize, view: PacketView): i32 {
  const data = readLength(p, end);
  if (data == BAD_LENGTH) return lengthFault(p, end);
  if (valueOf(data) > DATA_MAX) return Fault.DataTooLong;
  view.data = <u32>(p + sizeOf(data));
  view.dataLength = valueOf(data);
  return Fault.None;
}

function checkPrepare(content: usize, end: usize, view: PacketView): i32 {
  if (content + DESTINATION > end) return Fault.Truncated;
  const destination = readLength(content + DESTINATION, end);
  if (destination == BAD_LENGTH) return lengthFault(content + DESTINATION, end);
  const address = content + DESTINATION + sizeOf(destination);
  const addressLength = valueOf(destination);
  const fault = checkData(address + addressLength, end, view);
  if (fault != Fault.None) return fault;
  const expiresAtMs = parseTimestamp(content + EXPIRES_AT);
  if (expiresAtMs == BAD_TIME) return Fault.Timestamp;
  if (!checkAddress(address, addressLength)) return Fault.Address;
  view.destination = <u32>address;
  view.destinationLength = addressLength;
  view.amount = readU64(content);
  view.expiresAtMs = expiresAtMs;
  return Fault.None;
}

function checkFulfill(content: usize, end: usize, view: PacketView): i32 {
  if (content + HASH_SIZE > end) return Fault.Truncated;
  return checkData(content + HASH_SIZE, end, view);
}

function checkReject(content: usize, end: usize, view: PacketView): i32 {
  if (content + CODE_SIZE > end) return Fault.Truncated;
  const code = load<u32>(content, 0, 1) & 0xffffff;
  if ((code & 0x808080) != 0) return Fault.CodeNotAscii;
  let p = content + CODE_SIZE;
  const by = readLength(p, end);
  if (by == BAD_LENGTH) return lengthFault(p, end);
  const triggeredBy = p + sizeOf(by);
  p = triggeredBy + valueOf(by);
  const text = readLength(p, end);
  if (text == BAD_LENGTH) return lengthFault(p, end);
  const message = p + sizeOf(text);
  p = message + valueOf(text);
  const fault = checkData(p, end, view);
  if (fault != Fault.None) return fault;
  if (!isMessageShort(message, valueOf(text))) return Fault.MessageTooLong;
  if (valueOf(by) > 0 && !checkAddress(triggeredBy, valueOf(by))) return Fault.TriggeredBy;
  view.code = code;
  view.triggeredBy = <u32>triggeredBy;
  view.triggeredByLength = valueOf(by);
  view.message = <u32>message;
  view.messageLength = valueOf(text);
  return Fault.None;
}

/**
 * True if a message has at most 8191 characters. A character is counted at every byte that does not
 * continue one (10xxxxxx), so bytes that are not UTF-8 have a length too: they are relayed
 * untouched (ILP-08). No message has more than four bytes per character.
 */
function isMessageShort(p: usize, length: u32): bool {
  if (length <= MESSAGE_MAX) return true;
  if (length > 4 * MESSAGE_MAX) return false;
  let continued: u32 = 0;
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) {
    const x = load<u64>(p + i, 0, 1);
    continued += <u32>popcnt<u64>(x & ~(x << 1) & 0x8080808080808080);
  }
  for (; i < length; ++i) continued += u32(((<u32>load<u8>(p + i)) & 0xc0) == 0x80);
  return length - continued <= MESSAGE_MAX;
}

/** Overwrites the amount of a checked Prepare. */
// @ts-ignore: decorator
@inline
export function setAmount(content: usize, amount: u64): void {
  writeU64(content, amount);
}

/** Overwrites the expiry of a checked Prepare; `ms` since the Unix epoch, years 0000 to 9999. */
// @ts-ignore: decorator
@inline
export function setExpiresAt(content: usize, ms: i64): void {
  writeTimestamp(content + EXPIRES_AT, ms);
}

/** Address of the 32 bytes of a checked Prepare's condition. */
// @ts-ignore: decorator
@inline
export function condition(content: usize): usize {
  return content + CONDITION;
}

/** Address of the 32 bytes of a checked Fulfill's fulfillment. */
// @ts-ignore: decorator
@inline
export function fulfillment(content: usize): usize {
  return content;
}

/** Takes a checked Fulfill's data away, in place: 35 bytes are left. */
export function cutFulfill(view: PacketView): void {
  const content = <usize>view.content;
  store<u8>(content - 2, PacketType.Fulfill);
  store<u8>(content - 1, HASH_SIZE + 1);
  store<u8>(content, 0, HASH_SIZE);
  view.packet = <u32>(content - 2);
  view.size = HASH_SIZE + 3;
}

/** Copies 32 bytes. */
// @ts-ignore: decorator
@inline
function copyHash(to: usize, from: usize): void {
  store<u64>(to, load<u64>(from, 0, 1), 0, 1);
  store<u64>(to, load<u64>(from, 8, 1), 8, 1);
  store<u64>(to, load<u64>(from, 16, 1), 16, 1);
  store<u64>(to, load<u64>(from, 24, 1), 24, 1);
}

/** Size of a variable-length field of `length` bytes. */
// @ts-ignore: decorator
@inline
function fieldSize(length: u32): u32 {
  return lengthSize(length) + length;
}

/** Writes a packet's type and length; returns the address of its contents. */
function writeEnvelope(out: usize, type: PacketType, contentLength: u32): usize {
  store<u8>(out, type);
  return out + 1 + writeLength(out + 1, contentLength);
}

/**
 * Writes a canonical Prepare at `out` and returns its size. `condition` is 32 bytes, `destination`
 * an address, `expiresAtMs` within the years 0000 to 9999, `dataLength` at most 32767. Sources must
 * not overlap the output.
 */
export function writePrepare(
  out: usize,
  amount: u64,
  expiresAtMs: i64,
  condition: usize,
  destination: usize,
  destinationLength: u32,
  data: usize,
  dataLength: u32,
): u32 {
  const length = DESTINATION + fieldSize(destinationLength) + fieldSize(dataLength);
  const content = writeEnvelope(out, PacketType.Prepare, length);
  writeU64(content, amount);
  writeTimestamp(content + EXPIRES_AT, expiresAtMs);
  copyHash(content + CONDITION, condition);
  const p = content + DESTINATION;
  writeBytes(p + writeBytes(p, destination, destinationLength), data, dataLength);
  return <u32>(content - out) + length;
}

/** Writes a canonical Fulfill at `out` and returns its size; `fulfillment` is 32 bytes. */
export function writeFulfill(out: usize, fulfillment: usize, data: usize, dataLength: u32): u32 {
  const length = HASH_SIZE + fieldSize(dataLength);
  const content = writeEnvelope(out, PacketType.Fulfill, length);
  copyHash(content, fulfillment);
  writeBytes(content + HASH_SIZE, data, dataLength);
  return <u32>(content - out) + length;
}

/**
 * Writes a canonical Reject at `out` and returns its size. `code` holds three ASCII bytes as they
 * stand in memory; give a non-empty `triggeredBy` (ILP-09), a message of at most 8191 bytes
 * (ILP-08) and data of at most 32767. Sources must not overlap the output.
 */
export function writeReject(
  out: usize,
  code: u32,
  triggeredBy: usize,
  triggeredByLength: u32,
  message: usize,
  messageLength: u32,
  data: usize,
  dataLength: u32,
): u32 {
  const fields = fieldSize(triggeredByLength) + fieldSize(messageLength) + fieldSize(dataLength);
  const length = CODE_SIZE + fields;
  const content = writeEnvelope(out, PacketType.Reject, length);
  store<u16>(content, <u16>code, 0, 1);
  store<u8>(content, code >> 16, 2);
  let p = content + CODE_SIZE;
  p += writeBytes(p, triggeredBy, triggeredByLength);
  p += writeBytes(p, message, messageLength);
  writeBytes(p, data, dataLength);
  return <u32>(content - out) + length;
}
