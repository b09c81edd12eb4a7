// WebSocket frames (RFC 6455, section 5) as a stream of bytes, read, unmasked and put together
// where they lie. It keeps 16 bytes per link, no buffers. Handshake, extensions, sockets: not here.
//
// The host keeps for each link the bytes not yet consumed. When more arrive it appends them and
// hands over all of it, `[p, end)`:
//
//   repeat  n = nextFrame(state, p, end, view)
//           n > 0   `view` tells what happened; p += n, again
//           n = 0   stop; keep [p, end), the tail; `view.needed` bytes from p on bring progress
//           n < 0   stop; send Close with code -n and drop the link; every later call says the same
//
// Two rules make that enough:
// - The tail is kept as it lies in the core's memory, not as it was received: while a fragmented
//   message is under way, the tail begins with the fragments so far, unmasked and joined
//   (`state.held` bytes), and the frames not yet read follow. The rest of the tail is untouched.
// - A tail may be presented at any address, but from its first byte and in order. A tail shorter
//   than `view.needed` need not be presented.
//
// A message is `[view.payload, view.payload + view.length)` within the given bytes: read it or copy
// it before they are reused. The payload of a control frame is in a place of its own, valid until
// the next call for any link, with room for a header in front: `writeFrameHeader` turns it into a
// Pong. Control frames between fragments are reported in order. After a Close everything is
// skipped.
//
// `view.needed` is below state.messageMax + 132: that much room for one link's tail is enough. Work
// is linear in the bytes handed over, in however many fragments they are; a control frame between
// fragments moves what is held once more.
//
// Text messages are reported as such, with their UTF-8 unchecked: BTP is binary, its session
// refuses text with 1003. Whoever accepts text must check it (section 8.1). The reason of a Close
// is checked.
import { isUtf8, readU16, readU64, writeU16, writeU64 } from "./oer";

/** Which end of the link this is: clients mask, servers do not (5.1). */
export const enum WsRole {
  Server = 0,
  Client = 1,
}

/** What `nextFrame` found; the numbers are the opcodes of section 11.8. */
export const enum WsEvent {
  /** Bytes were consumed, there is nothing to act on yet. */
  Nothing = 0,
  /** A whole message, its UTF-8 unchecked. */
  Text = 1,
  /** A whole message. */
  Binary = 2,
  Close = 8,
  Ping = 9,
  Pong = 10,
}

/** Close codes of section 7.4.1; `nextFrame` returns faults negated. */
export const enum WsClose {
  Normal = 1000,
  GoingAway = 1001,
  ProtocolError = 1002,
  UnsupportedData = 1003,
  /** Never sent: stands for a Close without a code. */
  NoCode = 1005,
  InvalidData = 1007,
  PolicyViolation = 1008,
  TooBig = 1009,
  InternalError = 1011,
}

/** A link's side of the stream: 16 bytes, kept by the caller, begun with `openWs`. */
@unmanaged
export class WsState {
  /** A `WsRole`. */
  role: u8;
  /** `WsEvent` of the fragmented message under way, or 0. */
  fragmented: u8;
  /** 1 after a Close was received. */
  closed: u8;
  reserved: u8;
  /** Bytes of joined fragments at the start of the tail. */
  held: u32;
  /** Largest message accepted, bytes. */
  messageMax: u32;
  /** The fault found, a negative `WsClose`, or 0. */
  fault: i32;
}

/** What one call of `nextFrame` found: 20 bytes. */
@unmanaged
export class WsView {
  /** A `WsEvent`. */
  event: u32;
  /** Address of the message, of the control frame's payload, or of the reason of a Close. */
  payload: usize;
  /** Its bytes. */
  length: u32;
  /** Code of a Close, `WsClose.NoCode` if it has none. */
  code: u32;
  /** After 0 was returned: bytes from `p` on without which a call brings nothing. */
  needed: u32;
}

/** Bytes of a `WsState`. */
export const WS_STATE_SIZE: u32 = offsetof<WsState>();
/** Largest payload of a control frame (5.5). */
export const CONTROL_MAX: u32 = 125;
/** Largest frame that `writeClose` writes. */
export const CLOSE_SIZE: u32 = 6 + CONTROL_MAX;

const FIN: u32 = 0x80;
const RESERVED_BITS: u32 = 0x70;
const MASKED: u32 = 0x80;
const CONTROL_OPCODE: u32 = 8;

const CONTROL: usize = memory.data(<i32>(16 + CONTROL_MAX + 3), 16) + 16;

/** Begins a link. `messageMax`: bytes, below 2^31. */
export function openWs(s: WsState, role: WsRole, messageMax: u32): void {
  s.role = <u8>role;
  s.fragmented = 0;
  s.closed = 0;
  s.reserved = 0;
  s.held = 0;
  s.messageMax = messageMax;
  s.fault = 0;
}

/** Is this first pair of bytes of a frame legal here (5.2, 5.4, 5.5)? */
function isLegal(s: WsState, first: u32, second: u32): bool {
  const opcode = first & 15;
  const length = second & 127;
  if (first & RESERVED_BITS) return false;
  if (bool(second & MASKED) != (s.role == WsRole.Server)) return false;
  if (opcode >= CONTROL_OPCODE) {
    if (opcode > <u32>WsEvent.Pong || !(first & FIN) || length > CONTROL_MAX) return false;
    return opcode != WsEvent.Close || length != 1;
  }
  // A continuation needs a message under way; a new message needs that there is none.
  return opcode <= <u32>WsEvent.Binary && (opcode == 0) == (s.fragmented != 0);
}

// @ts-ignore: decorator
@inline
function lengthBytes(second: u32): u32 {
  const length = second & 127;
  return length < 126 ? 0 : length == 126 ? 2 : 8;
}

/**
 * Payload length of the frame at `p`, whose header is there and legal so far; or a fault: not the
 * shortest form (5.2), or more than `room` bytes.
 */
function payloadLength(p: usize, opcode: u32, room: u32): i32 {
  const length = (<u32>load<u8>(p, 1)) & 127;
  if (opcode >= CONTROL_OPCODE) return length;
  let value: u64 = length;
  if (length == 126) {
    value = readU16(p + 2);
    if (value < 126) return -WsClose.ProtocolError;
  } else if (length == 127) {
    value = readU64(p + 2);
    if (value < 65536 || <i64>value < 0) return -WsClose.ProtocolError;
  }
  return value > <u64>room ? -WsClose.TooBig : <i32>value;
}

/**
 * Unmasks `n` bytes from `source` to `target`, which is not above it; they may overlap (5.3).
 * `key` is the masking key as it lies in memory.
 */
export function unmask(target: usize, source: usize, n: u32, key: u32): void {
  let i: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    const keys = i32x4.splat(key);
    for (; i + 16 <= n; i += 16) {
      v128.store(target + i, v128.xor(v128.load(source + i, 0, 1), keys), 0, 1);
    }
  }
  const pair = (<u64>key) | ((<u64>key) << 32);
  for (; i + 8 <= n; i += 8) {
    store<u64>(target + i, load<u64>(source + i, 0, 1) ^ pair, 0, 1);
  }
  for (; i < n; ++i) {
    store<u8>(target + i, (<u32>load<u8>(source + i)) ^ (key >> ((i & 3) << 3)));
  }
}

/** Puts a frame's payload at `target`, at or below where it is, unmasked. */
function take(s: WsState, target: usize, payload: usize, length: u32): void {
  if (s.role == WsRole.Server) unmask(target, payload, length, load<u32>(payload - 4, 0, 1));
  else if (target != payload) memory.copy(target, payload, length);
}

/** Reports the control frame whose payload is given; false and `s.fault` for a bad Close. */
function readControl(s: WsState, opcode: u32, payload: usize, length: u32, view: WsView): bool {
  // In its own place, because the fragments before it may have to move over it.
  memory.copy(CONTROL, payload, length);
  if (s.role == WsRole.Server) unmask(CONTROL, CONTROL, length, load<u32>(payload - 4, 0, 1));
  view.event = opcode;
  view.payload = CONTROL;
  view.length = length;
  if (opcode != WsEvent.Close) return true;
  s.closed = 1;
  view.code = WsClose.NoCode;
  if (length == 0) return true;
  view.code = readU16(CONTROL);
  view.payload = CONTROL + 2;
  view.length = length - 2;
  if (!isCloseCode(view.code)) s.fault = -WsClose.ProtocolError;
  else if (!isUtf8(CONTROL + 2, length - 2)) s.fault = -WsClose.InvalidData;
  return s.fault == 0;
}

/** May this code stand in a Close (7.4, and the registry: 1012 to 1014)? */
export function isCloseCode(code: u32): bool {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

/** Moves the fragments at `[p, out)` up against `tail`; returns what that frees in front. */
function keep(s: WsState, p: usize, out: usize, tail: usize): i32 {
  const held = out - p;
  s.held = <u32>held;
  if (tail != out) memory.copy(tail - held, p, held);
  return <i32>(tail - out);
}

// @ts-ignore: decorator
@inline
function refuse(s: WsState, view: WsView, fault: i32): i32 {
  s.fault = fault;
  view.event = WsEvent.Nothing;
  return fault;
}

/**
 * Reads the next event from `[p, end)`; see the head of this file. Returns the bytes consumed
 * (above 0), 0 if more are needed, or a fault: `-WsClose.ProtocolError`, `-WsClose.TooBig` as soon
 * as a frame's length is known, or `-WsClose.InvalidData` for the reason of a Close. Reads and
 * writes within `[p, end)` only.
 */
export function nextFrame(s: WsState, p: usize, end: usize, view: WsView): i32 {
  view.event = WsEvent.Nothing;
  view.needed = 0;
  if (s.fault) return s.fault;
  if (s.closed) return <i32>(end - p);
  let out = p + <usize>s.held;
  let at = out;
  let wanted: usize = 2;
  // Each turn takes one frame of at least two bytes.
  while (at + wanted <= end) {
    const first = <u32>load<u8>(at);
    const second = <u32>load<u8>(at, 1);
    const opcode = first & 15;
    if (!isLegal(s, first, second)) return refuse(s, view, -WsClose.ProtocolError);
    wanted = 2 + lengthBytes(second);
    if (at + wanted > end) break;
    const length = payloadLength(at, opcode, s.messageMax - <u32>(out - p));
    if (length < 0) return refuse(s, view, length);
    const payload = at + wanted + (s.role == WsRole.Server ? 4 : 0);
    wanted = payload + length - at;
    if (at + wanted > end) break;
    at += wanted;
    wanted = 2;
    if (opcode >= CONTROL_OPCODE) {
      if (!readControl(s, opcode, payload, length, view)) return refuse(s, view, s.fault);
      return keep(s, p, out, at);
    }
    const kind = opcode ? opcode : <u32>s.fragmented;
    // A message in one frame stays where it is; fragments go one against the other.
    const whole = bool(first & FIN) && out == p;
    take(s, whole ? payload : out, payload, length);
    out += length;
    if (first & FIN) {
      view.event = kind;
      view.payload = whole ? payload : p;
      view.length = <u32>(out - p);
      s.fragmented = 0;
      s.held = 0;
      return <i32>(at - p);
    }
    s.fragmented = <u8>kind;
  }
  view.needed = <u32>(out - p + wanted);
  return keep(s, p, out, at);
}

/** Bytes of the header of a frame with `length` bytes of payload. */
export function frameHeaderSize(length: u32, masked: bool): u32 {
  return 2 + (length < 126 ? 0 : length < 65536 ? 2 : 8) + (masked ? 4 : 0);
}

/**
 * Writes the header of an unfragmented frame directly in front of its payload, and masks the
 * payload in place if asked to. `opcode`: a `WsEvent` other than Nothing. `maskKey`: for clients,
 * four bytes that no peer can foretell (5.3, 10.3), new for each frame. Returns the address of the
 * frame; `frameHeaderSize` bytes in front of the payload must be free.
 */
export function writeFrameHeader(
  payload: usize,
  length: u32,
  opcode: u32,
  masked: bool,
  maskKey: u32,
): usize {
  const p = payload - <usize>frameHeaderSize(length, masked);
  const flag: u32 = masked ? MASKED : 0;
  store<u8>(p, FIN | opcode);
  if (length < 126) {
    store<u8>(p, flag | length, 1);
  } else if (length < 65536) {
    store<u8>(p, flag | 126, 1);
    writeU16(p + 2, <u16>length);
  } else {
    store<u8>(p, flag | 127, 1);
    writeU64(p + 2, length);
  }
  if (masked) {
    store<u32>(payload - 4, maskKey, 0, 1);
    unmask(payload, payload, length, maskKey);
  }
  return p;
}

/**
 * Writes a Close frame at `out` (CLOSE_SIZE bytes) and returns its size. `code` is 0 for none, or
 * legal by `isCloseCode`; `reason` is UTF-8 and cut to 123 bytes at a character.
 */
export function writeClose(
  out: usize,
  code: u32,
  reason: usize,
  reasonLength: u32,
  masked: bool,
  maskKey: u32,
): u32 {
  const payload = out + <usize>frameHeaderSize(0, masked);
  let length: u32 = 0;
  if (code) {
    let n = reasonLength;
    if (n > CONTROL_MAX - 2) {
      n = CONTROL_MAX - 2;
      while (n > 0 && (load<u8>(reason + n) & 0xc0) == 0x80) --n;
    }
    memory.copy(payload + 2, reason, n);
    writeU16(payload, <u16>code);
    length = 2 + n;
  }
  writeFrameHeader(payload, length, WsEvent.Close, masked, maskKey);
  return <u32>(payload - out) + length;
}

if (WS_STATE_SIZE != 16) ERROR("WsState is 16 bytes per link");
