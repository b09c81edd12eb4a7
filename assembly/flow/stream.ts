// Byte streams: the frames that a chunk holds whole are read and unmasked where they lie, their
// packets are worked on together, and the rest is the tail that the host keeps and hands over again
// with what comes next.
import { Counter, LinkKind, Status } from "../abi";
import { channel } from "../channel";
import { WEBSOCKET } from "../config";
import { account } from "../ledger/account";
import { closeStream, sendControl, streamOf } from "../link";
import { count } from "../state";
import { SerialKind, SerialView, nextSerial } from "../wire/serial";
import { WsClose, WsEvent, WsView, nextFrame } from "../wire/ws";
import { ItemKind, canTake, runBatch, take } from "./batch";
import { takeFrame } from "./frame";

const WS_VIEW: usize = memory.data(32, 8);
const SERIAL_VIEW: usize = memory.data(32, 8);

/**
 * Reads `[p, end)` of an account's byte stream.
 * @returns bytes consumed; what is left lies behind them, in the input, for the host to keep. When
 * `streamNeeded` says 0 there is more to do with what is left; drain, then call again.
 */
export function onStream(index: u32, p: usize, end: usize): i32 {
  const kind = <u32>account(index).linkKind;
  if (kind == LinkKind.Serial) return onSerial(index, p, end);
  if (WEBSOCKET) return onWebSocket(index, p, end);
  return Status.BadArgument;
}

function onWebSocket(index: u32, p: usize, end: usize): i32 {
  const s = streamOf(index);
  const view = changetype<WsView>(WS_VIEW);
  let at = p;
  let needed: u32 = 0;
  while (at < end && canTake()) {
    const consumed = nextFrame(s, at, end, view);
    if (consumed < 0) {
      count(Counter.BadFrames);
      runBatch(index);
      closeStream(index, <u32>-consumed);
      return <i32>(end - p);
    }
    if (consumed == 0) {
      needed = view.needed;
      break;
    }
    channel().floor = <u32>at;
    at += consumed;
    if (!onEvent(index, view)) return <i32>(end - p);
  }
  runBatch(index);
  channel().needed = at < end ? needed : 1;
  return <i32>(at - p);
}

/** Acts on what a frame was. @returns false when the link is over. */
function onEvent(index: u32, view: WsView): bool {
  let code: u32 = 0;
  switch (view.event) {
    case WsEvent.Nothing:
    case WsEvent.Pong:
      return true;
    case WsEvent.Ping:
      sendControl(index, WsEvent.Pong, view.payload, view.length);
      return true;
    case WsEvent.Binary:
      if (takeFrame(index, view.payload, view.length) == Status.Ok) return true;
      code = WsClose.ProtocolError;
      break;
    case WsEvent.Close:
      code = view.code == WsClose.NoCode ? 0 : view.code;
      break;
    default:
      // Text: BTP is binary (BTP-08).
      code = WsClose.UnsupportedData;
  }
  runBatch(index);
  closeStream(index, code);
  return false;
}

function onSerial(index: u32, p: usize, end: usize): i32 {
  const view = changetype<SerialView>(SERIAL_VIEW);
  let at = p;
  let needed: u32 = 0;
  while (at < end && canTake()) {
    const consumed = nextSerial(at, end, view);
    if (consumed == 0) {
      needed = <u32>(end - at) + 1;
      break;
    }
    // A damaged frame is skipped: the next delimiter starts afresh.
    if (consumed < 0) count(Counter.BadFrames);
    channel().floor = <u32>at;
    at += view.consumed;
    if (view.kind == <u32>SerialKind.Request) {
      take(ItemKind.Request, view.requestId, view.payload, view.length);
    } else if (view.kind == <u32>SerialKind.Reply) {
      take(ItemKind.Reply, view.requestId, view.payload, view.length);
    }
  }
  runBatch(index);
  channel().needed = at < end ? needed : 1;
  return <i32>(at - p);
}
