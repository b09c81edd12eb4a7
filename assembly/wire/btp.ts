// BTP 2.0 frames (RFC 23; BTP-06, BTP-09..18): checked once, then read; headers written in front of
// a packet where it lies.
//
//   frame         type u8 | requestId u32 | length | body | ignored
//   Response 1, Message 6: protocols       Transfer 7: amount u64 | protocols
//   Error 2       code 3 | name var | triggeredAt var | data var | protocols
//   protocols     count | { name var | contentType u8 | data var } ... | ignored
//
// It keeps no session: authentication, matching of ids and time limits are done elsewhere.
import {
  BAD_LENGTH,
  equalBytes,
  isAscii,
  isMalformedLength,
  lengthSize,
  readLength,
  readU32,
  readU64,
  readVarUint,
  sizeOf,
  valueOf,
  writeBytes,
  writeLength,
  writeU16,
  writeU32,
} from "./oer";
import { GENERALIZED_TIME_SIZE, checkGeneralizedTime, writeGeneralizedTime } from "./time";

/** First byte of a frame; 3, 4 and 5 are retired. */
export const enum BtpType {
  Response = 1,
  Error = 2,
  Message = 6,
  Transfer = 7,
}

/** Why bytes are not a BTP frame. */
export const enum BtpFault {
  None = 0,
  /** Not 1, 2, 6 or 7. */
  Type = -1,
  /** A length not in its one canonical form, or of more than three bytes. */
  Length = -2,
  /** The frame or a field ends after the bytes that hold it. */
  Truncated = -3,
  /** A count of sub-protocols that is not canonical. */
  Count = -4,
  /** More sub-protocols than PROTOCOLS_MAX. */
  TooManyProtocols = -5,
  /** A sub-protocol name, Error code or Error name with a byte that is not ASCII (BTP-17). */
  NotAscii = -6,
  /** Two sub-protocols of one name (BTP-09). */
  Duplicate = -7,
  /** triggeredAt is not a GeneralizedTime. */
  Timestamp = -8,
  /** More than 8192 bytes of Error data. */
  DataTooLong = -9,
}

/** Most sub-protocols in one frame: auth needs three, no known peer sends more than five. */
export const PROTOCOLS_MAX: u32 = 32;
/** Most bytes of an Error's data. */
export const ERROR_DATA_MAX: u32 = 8192;

/** Bytes before the length: type and request id. */
const ID_SIZE: u32 = 5;
/** Bytes of one sub-protocol `ilp` before its length: count, name, content type. */
const ILP_SIZE: u32 = 7;
const CODE_SIZE: u32 = 3;
/** Count 1, then the name of three bytes up to its first letter, as they stand in memory. */
const ILP_HEAD: u32 = 0x69030101;
/** "lp" and content type 0. */
const ILP_TAIL: u32 = 0x00706c;
/** "ilp" */
const ILP_NAME: u32 = 0x706c69;

/** What `checkFrame` found. Fields of other types are 0; addresses are absolute. */
@unmanaged
export class FrameView {
  /** BtpType. */
  type: u32;
  requestId: u32;
  /** First sub-protocol. */
  protocols: u32;
  protocolCount: u32;
  /** The ILP packet: data of the primary sub-protocol if it is `ilp` of type 0 (BTP-10), else 0. */
  ilp: u32;
  ilpLength: u32;
  /** Name and content type of the primary (first) sub-protocol; 0 if there is none. */
  primary: u32;
  primaryLength: u32;
  primaryType: u32;
  /** Error: three bytes as they stand in memory. */
  code: u32;
  /** Error: its name. */
  name: u32;
  nameLength: u32;
  errorData: u32;
  errorDataLength: u32;
  /** Whole frame, without the bytes after it. */
  size: u32;
  reserved: u32;
  /** Transfer: its amount. */
  amount: u64;
}

/** One sub-protocol. */
@unmanaged
export class ProtocolView {
  name: u32;
  nameLength: u32;
  contentType: u32;
  data: u32;
  dataLength: u32;
}

/**
 * Checks `length` bytes at `p` as one BTP frame and fills `view`. Returns 0, or a negative BtpFault
 * and a view whose fields mean nothing. Bytes after the frame and after the last sub-protocol are
 * ignored. Work is bounded by PROTOCOLS_MAX.
 */
export function checkFrame(p: usize, length: u32, view: FrameView): i32 {
  if (length < ID_SIZE) return BtpFault.Truncated;
  const type = <u32>load<u8>(p);
  const body = readLength(p + ID_SIZE, p + length);
  if (body == BAD_LENGTH) return lengthFault(p + ID_SIZE, p + length);
  memory.fill(changetype<usize>(view), 0, offsetof<FrameView>());
  let q = p + ID_SIZE + sizeOf(body);
  const end = q + valueOf(body);
  view.type = type;
  view.requestId = readU32(p + 1);
  view.size = <u32>(end - p);
  if (type == BtpType.Error) {
    const fault = checkError(q, end, view);
    if (fault != BtpFault.None) return fault;
    q = view.protocols;
  } else if (type == BtpType.Transfer) {
    if (q + 8 > end) return BtpFault.Truncated;
    view.amount = readU64(q);
    q += 8;
  } else if (type != BtpType.Message && type != BtpType.Response) {
    return BtpFault.Type;
  }
  return checkProtocols(q, end, view);
}

/** Which fault a refused length is. */
function lengthFault(p: usize, end: usize): i32 {
  return isMalformedLength(p, end) ? BtpFault.Length : BtpFault.Truncated;
}

/** The fields of an Error; leaves the address after them in `view.protocols`. */
function checkError(body: usize, end: usize, view: FrameView): i32 {
  if (body + CODE_SIZE > end) return BtpFault.Truncated;
  view.code = load<u32>(body, 0, 1) & 0xffffff;
  let p = body + CODE_SIZE;
  const name = readLength(p, end);
  if (name == BAD_LENGTH) return lengthFault(p, end);
  view.name = <u32>(p + sizeOf(name));
  view.nameLength = valueOf(name);
  p += sizeOf(name) + valueOf(name);
  const time = readLength(p, end);
  if (time == BAD_LENGTH) return lengthFault(p, end);
  const triggeredAt = p + sizeOf(time);
  p = triggeredAt + valueOf(time);
  const data = readLength(p, end);
  if (data == BAD_LENGTH) return lengthFault(p, end);
  view.errorData = <u32>(p + sizeOf(data));
  view.errorDataLength = valueOf(data);
  view.protocols = view.errorData + view.errorDataLength;
  if (!isAscii(body, CODE_SIZE) || !isAscii(view.name, view.nameLength)) return BtpFault.NotAscii;
  if (!checkGeneralizedTime(triggeredAt, valueOf(time))) return BtpFault.Timestamp;
  if (view.errorDataLength > ERROR_DATA_MAX) return BtpFault.DataTooLong;
  return BtpFault.None;
}

function checkProtocols(list: usize, end: usize, view: FrameView): i32 {
  const count = readVarUint(list, end);
  if (count == BAD_LENGTH) return BtpFault.Count;
  if (valueOf(count) > PROTOCOLS_MAX) return BtpFault.TooManyProtocols;
  const first = list + sizeOf(count);
  view.protocols = <u32>first;
  view.protocolCount = valueOf(count);
  let p = first;
  for (let i: u32 = 0; i < valueOf(count); ++i) {
    const name = readLength(p, end);
    if (name == BAD_LENGTH) return lengthFault(p, end);
    const type = p + sizeOf(name) + valueOf(name);
    if (type >= end) return BtpFault.Truncated;
    const data = readLength(type + 1, end);
    if (data == BAD_LENGTH) return lengthFault(type + 1, end);
    if (!isAscii(p + sizeOf(name), valueOf(name))) return BtpFault.NotAscii;
    if (i == 0) setPrimary(p + sizeOf(name), valueOf(name), type, data, view);
    else if (isNamedBefore(first, p, valueOf(name))) return BtpFault.Duplicate;
    p = type + 1 + sizeOf(data) + valueOf(data);
  }
  return BtpFault.None;
}

// @ts-ignore: decorator
@inline
function setPrimary(name: usize, nameLength: u32, type: usize, data: u64, view: FrameView): void {
  view.primary = <u32>name;
  view.primaryLength = nameLength;
  view.primaryType = load<u8>(type);
  // Name and content type 0 are four bytes in a row.
  if (nameLength != 3 || load<u32>(name, 0, 1) != ILP_NAME) return;
  view.ilp = <u32>(type + 1 + sizeOf(data));
  view.ilpLength = valueOf(data);
}

/** True if the checked sub-protocols from `first` up to the one at `entry` include its name. */
function isNamedBefore(first: usize, entry: usize, nameLength: u32): bool {
  const name = entry + lengthSize(nameLength);
  let p = first;
  while (p < entry) {
    const other = readLength(p, entry);
    const otherName = p + sizeOf(other);
    if (valueOf(other) == nameLength && equalBytes(otherName, name, nameLength)) return true;
    const type = otherName + valueOf(other);
    const data = readLength(type + 1, entry);
    p = type + 1 + sizeOf(data) + valueOf(data);
  }
  return false;
}

/** Finds a sub-protocol of a checked frame by its name, compared byte by byte (BTP-17). */
export function findProtocol(
  view: FrameView,
  name: usize,
  nameLength: u32,
  out: ProtocolView,
): bool {
  const end = usize.MAX_VALUE;
  let p = <usize>view.protocols;
  for (let i: u32 = 0; i < view.protocolCount; ++i) {
    const length = readLength(p, end);
    const type = p + sizeOf(length) + valueOf(length);
    const data = readLength(type + 1, end);
    if (valueOf(length) == nameLength && equalBytes(p + sizeOf(length), name, nameLength)) {
      out.name = <u32>(p + sizeOf(length));
      out.nameLength = nameLength;
      out.contentType = load<u8>(type);
      out.data = <u32>(type + 1 + sizeOf(data));
      out.dataLength = valueOf(data);
      return true;
    }
    p = type + 1 + sizeOf(data) + valueOf(data);
  }
  return false;
}

/** Bytes of the header of a frame that carries a packet of `packetLength` bytes; at most 20. */
// @ts-ignore: decorator
@inline
export function headerSize(packetLength: u32): u32 {
  const inner = ILP_SIZE + lengthSize(packetLength);
  return ID_SIZE + lengthSize(inner + packetLength) + inner;
}

/**
 * Writes, directly in front of `packet`, the header that makes it a frame with the one sub-protocol
 * `ilp`. Returns the frame's address; its size is `headerSize(packetLength) + packetLength`.
 */
export function writeHeader(packet: usize, packetLength: u32, type: u32, requestId: u32): usize {
  const frame = packet - headerSize(packetLength);
  store<u8>(frame, type);
  writeU32(frame + 1, requestId);
  let p = frame + ID_SIZE;
  p += writeLength(p, ILP_SIZE + lengthSize(packetLength) + packetLength);
  store<u32>(p, ILP_HEAD, 0, 1);
  store<u16>(p, <u16>ILP_TAIL, 4, 1);
  store<u8>(p, ILP_TAIL >> 16, 6);
  writeLength(p + ILP_SIZE, packetLength);
  return frame;
}

/**
 * Writes an Error without sub-protocols and returns its size. `code` holds three ASCII bytes as
 * they stand in memory, `timeMs` is since the Unix epoch, within the years 0000 to 9999, the name
 * is ASCII, `dataLength` at most 8192.
 */
export function writeError(
  out: usize,
  requestId: u32,
  code: u32,
  name: usize,
  nameLength: u32,
  timeMs: i64,
  data: usize,
  dataLength: u32,
): u32 {
  const named = CODE_SIZE + lengthSize(nameLength) + nameLength;
  const body = named + 1 + GENERALIZED_TIME_SIZE + lengthSize(dataLength) + dataLength + 2;
  store<u8>(out, BtpType.Error);
  writeU32(out + 1, requestId);
  let p = out + ID_SIZE + writeLength(out + ID_SIZE, body);
  store<u16>(p, <u16>code, 0, 1);
  store<u8>(p, code >> 16, 2);
  p += CODE_SIZE;
  p += writeBytes(p, name, nameLength);
  store<u8>(p, GENERALIZED_TIME_SIZE);
  p += 1 + writeGeneralizedTime(p + 1, timeMs);
  p += writeBytes(p, data, dataLength);
  writeU16(p, 0x0100);
  return <u32>(p + 2 - out);
}

/** Writes a Response without sub-protocols and returns its size, 8 bytes. */
export function writeEmptyResponse(out: usize, requestId: u32): u32 {
  store<u8>(out, BtpType.Response);
  writeU32(out + 1, requestId);
  store<u8>(out, 2, ID_SIZE);
  writeU16(out + ID_SIZE + 1, 0x0100);
  return ID_SIZE + 3;
}
