// BTP frames of an authenticated link: packets are put into the batch, everything else is answered
// as RFC 23 asks. Authentication itself is the host's: it happens before a link is up.
import { Counter, Status } from "../abi";
import { compose, keep } from "../channel";
import { FRAME } from "../layout";
import { sendFrame } from "../link";
import { count, wallMs } from "../state";
import { writeNotAccepted } from "../text";
import { BtpType, FrameView, checkFrame, writeError } from "../wire/btp";
import { ItemKind, runBatch, take } from "./batch";
import { F00 } from "./judge";

const NAME: usize = memory.data(32, 8);

/**
 * Sorts one BTP frame into the batch.
 * @returns BadFrame when the bytes are not one: the link must be closed (BTP-08).
 */
export function takeFrame(index: u32, p: usize, length: u32): Status {
  const view = changetype<FrameView>(FRAME);
  if (checkFrame(p, length, view) < 0) {
    count(Counter.BadFrames);
    return Status.BadFrame;
  }
  switch (view.type) {
    case BtpType.Message:
      if (view.ilp) take(ItemKind.Request, view.requestId, view.ilp, view.ilpLength);
      else answerNotAccepted(index, view.requestId);
      return Status.Ok;
    case BtpType.Response:
      // A Response without a packet is a failed attempt (BTP-11); an unknown id is ignored
      // (BTP-07).
      take(ItemKind.Reply, view.requestId, view.ilp, view.ilpLength);
      return Status.Ok;
    case BtpType.Error:
      take(ItemKind.Failure, view.requestId, 0, 0);
      return Status.Ok;
    default:
      // Transfer: this node books no value on a peer's word.
      answerNotAccepted(index, view.requestId);
      return Status.Ok;
  }
}

/** Handles one whole BTP frame. @returns BadFrame when the bytes are not one. */
export function onFrame(index: u32, p: usize, length: u32): Status {
  const status = takeFrame(index, p, length);
  if (status == Status.Ok) runBatch(index);
  return status;
}

/** BTP Error F00, for requests that are valid but not taken here. */
function answerNotAccepted(index: u32, requestId: u32): void {
  const out = compose();
  const size = writeError(out, requestId, F00, NAME, writeNotAccepted(NAME), wallMs(), 0, 0);
  keep(size);
  sendFrame(index, out, size, requestId);
}
