// Exports the framings for unit tests.
import * as serial from "../../assembly/wire/serial";
import * as ws from "../../assembly/wire/ws";

const BUFFER: usize = memory.data(262144, 16);
const VIEW: usize = memory.data(32, 16);
const STATE: usize = memory.data(32, 16);

/** 256 KiB of scratch for inputs and outputs. */
export function buffer(): usize {
  return BUFFER;
}
/** Where the record of the latest call is. */
export function view(): usize {
  return VIEW;
}
/** A link's state. */
export function state(): usize {
  return STATE;
}
export function stateSize(): u32 {
  return ws.WS_STATE_SIZE;
}

export function openWs(s: usize, role: i32, messageMax: u32): void {
  ws.openWs(changetype<ws.WsState>(s), <ws.WsRole>role, messageMax);
}
export function nextFrame(s: usize, p: usize, end: usize): i32 {
  return ws.nextFrame(changetype<ws.WsState>(s), p, end, changetype<ws.WsView>(VIEW));
}
export function unmask(target: usize, source: usize, n: u32, key: u32): void {
  ws.unmask(target, source, n, key);
}
export function isCloseCode(code: u32): bool {
  return ws.isCloseCode(code);
}
export function frameHeaderSize(length: u32, masked: bool): u32 {
  return ws.frameHeaderSize(length, masked);
}
export function writeFrameHeader(
  payload: usize,
  length: u32,
  opcode: u32,
  masked: bool,
  maskKey: u32,
): usize {
  return ws.writeFrameHeader(payload, length, opcode, masked, maskKey);
}
export function writeClose(
  out: usize,
  code: u32,
  reason: usize,
  reasonLength: u32,
  masked: bool,
  maskKey: u32,
): u32 {
  return ws.writeClose(out, code, reason, reasonLength, masked, maskKey);
}

export function nextSerial(p: usize, end: usize): i32 {
  return serial.nextSerial(p, end, changetype<serial.SerialView>(VIEW));
}
export function writeSerial(
  out: usize,
  kind: i32,
  requestId: u32,
  payload: usize,
  length: u32,
): u32 {
  return serial.writeSerial(out, <serial.SerialKind>kind, requestId, payload, length);
}
export function serialSize(length: u32): u32 {
  return serial.serialSize(length);
}
export function serialPayloadMax(): u32 {
  return serial.SERIAL_PAYLOAD_MAX;
}
