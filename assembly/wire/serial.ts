// Frames for a serial line (UART): consistent overhead byte stuffing (Cheshire and Baker 1999), so
// that 0x00 ends every frame and stands nowhere else, around
//
//   kind u8 | requestId u32 LE | payload | crc32c u32 LE, over all before it
//
// The host keeps the bytes not yet consumed and hands over `[p, end)`, the tail with what has come
// in. A damaged frame is skipped up to its 0x00 and reported; the stream goes on. After opening a
// line send one 0x00, so that noise before the first frame is a frame of its own. Both runs of 254
// bytes that end a frame, with and without a last 0x01, are read.
//
// It neither sends again nor acknowledges: a lost request expires, as on any link.
import { PACKET_SIZE } from "../config";
import { crc32c } from "../hash/crc32c";

/** First byte of a frame. */
export const enum SerialKind {
  /** No frame: only delimiters were consumed. */
  None = 0,
  /** A packet that expects a reply of the same requestId. */
  Request = 1,
  /** The reply. */
  Reply = 2,
  /** About the line itself, for the hosts; never a packet. */
  Status = 3,
}

/** Why a frame was skipped. */
export const enum SerialFault {
  None = 0,
  /** A stuffing byte points past the end of the frame. */
  Stuffing = -1,
  /** Less than a frame without payload. */
  Short = -2,
  Checksum = -3,
  /** The checksum is right, but the kind unknown. */
  Kind = -4,
  /** More than SERIAL_PAYLOAD_MAX bytes of payload, or no delimiter where one was due. */
  TooLong = -5,
}

/** The frame found by `nextSerial`: 20 bytes. */
@unmanaged
export class SerialView {
  /** A `SerialKind`. */
  kind: u32;
  requestId: u32;
  /** Address of the payload, in the given bytes. */
  payload: usize;
  /** Its bytes. */
  length: u32;
  /** Bytes consumed, after a fault too. */
  consumed: u32;
}

/** Largest payload of a frame: the largest packet of this build. */
export const SERIAL_PAYLOAD_MAX: u32 = PACKET_SIZE;

const HEADER_SIZE: u32 = 5;
const CRC_SIZE: u32 = 4;
/** Longest run without a zero that one stuffing byte covers. */
const RUN_MAX: u32 = 254;

// @ts-ignore: decorator
@inline
function stuffedMax(plain: u32): u32 {
  return plain + (plain + RUN_MAX - 1) / RUN_MAX;
}

/** Bytes a frame with `length` bytes of payload takes at most, delimiter included. */
export function serialSize(length: u32): u32 {
  return stuffedMax(HEADER_SIZE + length + CRC_SIZE) + 1;
}

/** Removes the stuffing of `[p, end)` in place; returns the plain bytes, or a fault. */
function unstuff(p: usize, end: usize): i32 {
  let from = p;
  let to = p;
  while (from < end) {
    const code = <usize>load<u8>(from);
    const run = code - 1;
    if (from + code > end) return SerialFault.Stuffing;
    memory.copy(to, from + 1, run);
    from += code;
    to += run;
    if (run < RUN_MAX && from < end) store<u8>(to++, 0);
  }
  return <i32>(to - p);
}

/** Stuffs `n` bytes at `from`, which lie at least n / 254 + 1 above `to`; returns their end. */
function stuff(to: usize, from: usize, n: u32): usize {
  const end = from + n;
  let mark = to++;
  let code: u32 = 1;
  for (; from < end; ++from) {
    const byte = load<u8>(from);
    if (byte) {
      store<u8>(to++, byte);
      code += 1;
    }
    // A run that is full at the end of the frame needs no other after it.
    if (byte == 0 || (code > RUN_MAX && from + 1 < end)) {
      store<u8>(mark, code);
      mark = to++;
      code = 1;
    }
  }
  store<u8>(mark, code);
  return to;
}

function readSerial(p: usize, end: usize, view: SerialView): i32 {
  const n = unstuff(p, end);
  if (n < 0) return n;
  if (<u32>n < HEADER_SIZE + CRC_SIZE) return SerialFault.Short;
  const length = <u32>n - HEADER_SIZE - CRC_SIZE;
  if (length > SERIAL_PAYLOAD_MAX) return SerialFault.TooLong;
  const sum = p + <usize>(HEADER_SIZE + length);
  if (crc32c(p, HEADER_SIZE + length) != load<u32>(sum, 0, 1)) return SerialFault.Checksum;
  const kind = <u32>load<u8>(p);
  if (kind == SerialKind.None || kind > <u32>SerialKind.Status) return SerialFault.Kind;
  view.kind = kind;
  view.requestId = load<u32>(p, 1, 1);
  view.payload = p + <usize>HEADER_SIZE;
  view.length = length;
  return 0;
}

/**
 * Reads the next frame from `[p, end)`, in place. Returns the bytes consumed (above 0), with the
 * frame in `view` or `SerialKind.None` after idle delimiters; 0 if more bytes are needed; or a
 * `SerialFault`: one bad frame, to be counted, behind which it goes on. `view.consumed` is right in
 * each case. The rest of a frame that was too long to wait for is one more fault.
 */
export function nextSerial(p: usize, end: usize, view: SerialView): i32 {
  view.kind = SerialKind.None;
  view.consumed = 0;
  let mark = p;
  while (mark < end && load<u8>(mark) == 0) ++mark;
  if (mark > p) {
    view.consumed = <u32>(mark - p);
    return <i32>view.consumed;
  }
  while (mark < end && load<u8>(mark)) ++mark;
  if (mark == end) {
    if (<u32>(end - p) <= serialSize(SERIAL_PAYLOAD_MAX)) return 0;
    view.consumed = <u32>(end - p);
    return SerialFault.TooLong;
  }
  view.consumed = <u32>(mark + 1 - p);
  const fault = readSerial(p, mark, view);
  return fault ? fault : <i32>view.consumed;
}

/**
 * Writes a frame at `out` (`serialSize(length)` bytes) and returns its size. `length`: at most
 * SERIAL_PAYLOAD_MAX. The payload may lie anywhere, in the room for the frame too.
 */
export function writeSerial(
  out: usize,
  kind: SerialKind,
  requestId: u32,
  payload: usize,
  length: u32,
): u32 {
  const plain = HEADER_SIZE + length + CRC_SIZE;
  // Put together at the upper end of the room, then stuffed downwards.
  const p = out + <usize>(stuffedMax(plain) - plain);
  memory.copy(p + <usize>HEADER_SIZE, payload, length);
  store<u8>(p, kind);
  store<u32>(p, requestId, 1, 1);
  store<u32>(p + <usize>(HEADER_SIZE + length), crc32c(p, HEADER_SIZE + length), 0, 1);
  const end = stuff(out, p, plain);
  store<u8>(end, 0);
  return <u32>(end - out) + 1;
}
