// Putting packets on links: each link kind's framing around the same packet bytes. Headers are
// written in front of the packet where it lies, over bytes of its own frame; where there is no room
// for that, or the framing is not a header, the packet is composed anew in the arena.
import { LinkKind, OutputKind } from "./abi";
import { channel, compose, keep, output, outputAt } from "./channel";
import { HEADROOM, PACKET_SIZE, WEBSOCKET } from "./config";
import { ARENA, INPUT, STREAMS, STREAM_STRIDE } from "./layout";
import { account } from "./ledger/account";
import { Secret, State, derive, state } from "./state";
import { BtpType, headerSize, writeHeader } from "./wire/btp";
import { SerialKind, writeSerial } from "./wire/serial";
import {
  WsEvent,
  WsRole,
  WsState,
  frameHeaderSize,
  openWs,
  writeClose,
  writeFrameHeader,
} from "./wire/ws";

/** Bytes around a packet in a WebSocket message: a BTP header and what follows its packet. */
const BTP_ROOM: u32 = 1024;

if (offsetof<WsState>() != STREAM_STRIDE) ERROR("stream state");

// @ts-ignore: decorator
@inline
export function streamOf(index: u32): WsState {
  return changetype<WsState>(STREAMS + <usize>(index * STREAM_STRIDE));
}

// @ts-ignore: decorator
@inline
export function isWebSocket(kind: u32): bool {
  return WEBSOCKET && (kind == LinkKind.WsServer || kind == LinkKind.WsClient);
}

/** May this build carry that kind of link? */
export function isLinkKind(kind: u32): bool {
  if (kind == LinkKind.WsServer || kind == LinkKind.WsClient) return WEBSOCKET;
  return kind != LinkKind.None && kind <= <u32>LinkKind.Serial;
}

/** Forgets what an account's stream had begun: a new link starts from nothing. */
export function openStream(index: u32, kind: u32): void {
  if (!WEBSOCKET) return;
  const role = kind == LinkKind.WsClient ? WsRole.Client : WsRole.Server;
  openWs(streamOf(index), role, PACKET_SIZE + BTP_ROOM);
}

/**
 * Mask key for a client's frame (RFC 6455 5.3): from SHA-256, so that earlier ones do not tell it
 * (10.3). It keeps peers from choosing bytes on the wire; it hides nothing.
 */
function maskKey(): u32 {
  const s = state();
  const pool = changetype<usize>(s) + offsetof<State>("maskPool0");
  const i = s.maskKeys & 7;
  if (!i) derive(Secret.MaskKeys, s.maskKeys, pool);
  s.maskKeys += 1;
  return load<u32>(pool + <usize>(i << 2));
}

/** Moves bytes to the arena when headers in front of them would overwrite what is still needed. */
function withRoom(p: usize, length: u32, headers: u32): usize {
  const input = p >= INPUT - HEADROOM;
  const floor = input ? <usize>channel().floor : ARENA;
  if (p - headers >= floor) return p;
  const copy = compose();
  memory.copy(copy, p, length);
  keep(length);
  return copy;
}

/** Hands a whole BTP frame to an account's link; there is room for a WebSocket header before it. */
export function sendFrame(index: u32, frame: usize, length: u32, requestId: u32): void {
  const kind = <u32>account(index).linkKind;
  let p = frame;
  let size = length;
  if (isWebSocket(kind)) {
    const masked = kind == LinkKind.WsClient;
    p = writeFrameHeader(frame, length, WsEvent.Binary, masked, masked ? maskKey() : 0);
    size += frameHeaderSize(length, masked);
  }
  const o = output(OutputKind.Frame, index);
  o.address = <u32>p;
  o.length = size;
  o.requestId = requestId;
}

/** Sends a control frame of a WebSocket link; the payload is copied. */
export function sendControl(index: u32, event: WsEvent, payload: usize, length: u32): void {
  const masked = <u32>account(index).linkKind == LinkKind.WsClient;
  const copy = compose();
  memory.copy(copy, payload, length);
  keep(length);
  const o = output(OutputKind.Frame, index);
  o.address = <u32>writeFrameHeader(copy, length, event, masked, masked ? maskKey() : 0);
  o.length = length + frameHeaderSize(length, masked);
}

/**
 * Says goodbye with a close code (0: none), once, and asks the host to close the link. Nothing that
 * still comes on it is read, until the next link is up.
 */
export function closeStream(index: u32, code: u32): void {
  const s = streamOf(index);
  s.closed = 1;
  s.fault = 0;
  channel().needed = 1;
  const masked = <u32>account(index).linkKind == LinkKind.WsClient;
  const out = compose();
  const size = writeClose(out, code, 0, 0, masked, masked ? maskKey() : 0);
  keep(size);
  const o = output(OutputKind.Frame, index);
  o.address = <u32>out;
  o.length = size;
  output(OutputKind.Close, index).requestId = code;
}

/** Sends an ILP packet on an account's link, as a request or as the reply to `requestId`. */
export function send(
  index: u32,
  isReply: bool,
  requestId: u32,
  packet: usize,
  length: u32,
  source: u32,
): void {
  const kind = <u32>account(index).linkKind;
  const packetType = load<u8>(packet);
  const written = channel().written;
  if (kind == LinkKind.Btp || isWebSocket(kind)) {
    const framed = length + headerSize(length);
    const masked = kind == LinkKind.WsClient;
    const outer = isWebSocket(kind) ? frameHeaderSize(framed, masked) : 0;
    const p = withRoom(packet, length, framed - length + outer);
    const type = isReply ? BtpType.Response : BtpType.Message;
    sendFrame(index, writeHeader(p, length, type, requestId), framed, requestId);
  } else {
    const o = output(isReply ? OutputKind.Reply : OutputKind.Request, index);
    o.address = <u32>packet;
    o.length = length;
    o.requestId = requestId;
    if (kind == LinkKind.Serial) {
      const out = compose();
      const type = isReply ? SerialKind.Reply : SerialKind.Request;
      o.kind = <u16>OutputKind.Frame;
      o.length = writeSerial(out, type, requestId, packet, length);
      o.address = <u32>out;
      keep(o.length);
    }
  }
  const o = outputAt(written);
  o.source = <u16>source;
  o.packetType = packetType;
}
