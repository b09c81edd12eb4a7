// Exports the wire layer for unit tests. 64-bit values cross as BigInt; records are read in memory.
import * as address from "../../assembly/wire/address";
import * as btp from "../../assembly/wire/btp";
import * as ildcp from "../../assembly/wire/ildcp";
import * as ilp from "../../assembly/wire/ilp";
import * as oer from "../../assembly/wire/oer";
import * as time from "../../assembly/wire/time";

const BUFFER: usize = memory.data(262144, 16);
const VIEW: usize = memory.data(256, 16);

/** 256 KiB of scratch for inputs and outputs. */
export function buffer(): usize {
  return BUFFER;
}
/** Where the record of the latest check is. */
export function view(): usize {
  return VIEW;
}
export function end(): usize {
  return __heap_base;
}

export function lengthSize(n: u32): u32 {
  return oer.lengthSize(n);
}
export function writeLength(p: usize, n: u32): u32 {
  return oer.writeLength(p, n);
}
export function readLength(p: usize, end: usize): u64 {
  return oer.readLength(p, end);
}
export function readVarUint(p: usize, end: usize): u64 {
  return oer.readVarUint(p, end);
}
export function isMalformedLength(p: usize, end: usize): bool {
  return oer.isMalformedLength(p, end);
}
export function equalBytes(a: usize, b: usize, length: u32): bool {
  return oer.equalBytes(a, b, length);
}
export function isAscii(p: usize, length: u32): bool {
  return oer.isAscii(p, length);
}
export function isUtf8(p: usize, length: u32): bool {
  return oer.isUtf8(p, length);
}
export function readIntegers(p: usize): u64 {
  return oer.readU64(p) ^ ((<u64>oer.readU32(p)) << 16) ^ (<u64>oer.readU16(p));
}
export function writeIntegers(p: usize, value: u64): void {
  oer.writeU64(p, value);
  oer.writeU32(p + 8, <u32>value);
  oer.writeU16(p + 12, <u16>value);
}

export function parseTimestamp(p: usize): i64 {
  return time.parseTimestamp(p);
}
export function writeTimestamp(p: usize, ms: i64): void {
  time.writeTimestamp(p, ms);
}
export function writeIso(p: usize, ms: i64): u32 {
  return time.writeIso(p, ms);
}
export function writeGeneralizedTime(p: usize, ms: i64): u32 {
  return time.writeGeneralizedTime(p, ms);
}
export function checkGeneralizedTime(p: usize, length: u32): bool {
  return time.checkGeneralizedTime(p, length);
}

export function checkAddress(p: usize, length: u32): bool {
  return address.checkAddress(p, length);
}
export function checkPrefix(p: usize, length: u32): bool {
  return address.checkPrefix(p, length);
}
export function scheme(p: usize, length: u32): i32 {
  return address.scheme(p, length);
}
export function matchesPrefix(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  return address.matchesPrefix(a, aLength, b, bLength);
}

export function check(p: usize, length: u32): i32 {
  return ilp.check(p, length, changetype<ilp.PacketView>(VIEW));
}
/** Checks the packet `count` times: for timing. */
export function checkMany(p: usize, length: u32, count: u32): i32 {
  let sum: i32 = 0;
  for (let i: u32 = 0; i < count; ++i) {
    sum += ilp.check(p, length, changetype<ilp.PacketView>(VIEW));
  }
  return sum;
}
export function setAmount(content: usize, amount: u64): void {
  ilp.setAmount(content, amount);
}
export function setExpiresAt(content: usize, ms: i64): void {
  ilp.setExpiresAt(content, ms);
}
export function condition(content: usize): usize {
  return ilp.condition(content);
}
export function fulfillment(content: usize): usize {
  return ilp.fulfillment(content);
}
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
  return ilp.writePrepare(
    out,
    amount,
    expiresAtMs,
    condition,
    destination,
    destinationLength,
    data,
    dataLength,
  );
}
export function writeFulfill(out: usize, fulfillment: usize, data: usize, dataLength: u32): u32 {
  return ilp.writeFulfill(out, fulfillment, data, dataLength);
}
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
  return ilp.writeReject(
    out,
    code,
    triggeredBy,
    triggeredByLength,
    message,
    messageLength,
    data,
    dataLength,
  );
}

export function checkFrame(p: usize, length: u32): i32 {
  return btp.checkFrame(p, length, changetype<btp.FrameView>(VIEW));
}
export function findProtocol(name: usize, nameLength: u32): u32 {
  const out = changetype<btp.ProtocolView>(VIEW + 128);
  const found = btp.findProtocol(changetype<btp.FrameView>(VIEW), name, nameLength, out);
  return found ? <u32>(VIEW + 128) : 0;
}
export function headerSize(packetLength: u32): u32 {
  return btp.headerSize(packetLength);
}
export function writeHeader(packet: usize, packetLength: u32, type: u32, requestId: u32): usize {
  return btp.writeHeader(packet, packetLength, type, requestId);
}
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
  return btp.writeError(out, requestId, code, name, nameLength, timeMs, data, dataLength);
}
export function writeEmptyResponse(out: usize, requestId: u32): u32 {
  return btp.writeEmptyResponse(out, requestId);
}

export function isRequest(): bool {
  return ildcp.isRequest(changetype<ilp.PacketView>(VIEW));
}
export function checkRequest(): i32 {
  return ildcp.checkRequest(changetype<ilp.PacketView>(VIEW));
}
export function writeResponse(
  out: usize,
  address: usize,
  addressLength: u32,
  scale: u32,
  code: usize,
  codeLength: u32,
): u32 {
  return ildcp.writeResponse(out, address, addressLength, scale, code, codeLength);
}
export function checkResponse(data: usize, dataLength: u32): i32 {
  return ildcp.checkResponse(data, dataLength, changetype<ildcp.ResponseView>(VIEW));
}
export function isPeerFulfillment(p: usize): bool {
  return ildcp.isPeerFulfillment(p);
}
