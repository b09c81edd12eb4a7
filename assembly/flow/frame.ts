// BTP frames of an authenticated link: requests in, replies in, everything else answered as RFC 23
// asks. Authentication itself is the host's: it happens before a link is up.
import { Counter, OutputKind, Status } from "../abi";
import { compose, keep, output } from "../channel";
import { FRAME } from "../layout";
import { count, wallMs } from "../state";
import { writeNotAccepted } from "../text";
import { BtpType, FrameView, checkFrame, writeError } from "../wire/btp";
import { F00, T00 } from "./judge";
import { onRequest } from "./prepare";
import { onFailure, onReply } from "./reply";

const NAME: usize = memory.data(32, 8);

/**
 * Handles one whole BTP frame.
 * @returns BadFrame when the bytes are not one: the host closes the link (BTP-08).
 */
export function onFrame(index: u32, p: usize, length: u32): Status {
  const view = changetype<FrameView>(FRAME);
  if (checkFrame(p, length, view) < 0) {
    count(Counter.BadFrames);
    return Status.BadFrame;
  }
  switch (view.type) {
    case BtpType.Message:
      if (view.ilp) onRequest(index, view.requestId, view.ilp, view.ilpLength);
      else answerNotAccepted(index, view.requestId);
      return Status.Ok;
    case BtpType.Response:
      // A Response without a packet is a failed attempt (BTP-11); an unknown id is ignored
      // (BTP-07).
      onReply(index, view.requestId, view.ilp, view.ilpLength);
      return Status.Ok;
    case BtpType.Error:
      onFailure(index, view.requestId, T00);
      return Status.Ok;
    default:
      // Transfer: this node books no value on a peer's word.
      answerNotAccepted(index, view.requestId);
      return Status.Ok;
  }
}

/** BTP Error F00, for requests that are valid but not taken here. */
function answerNotAccepted(index: u32, requestId: u32): void {
  const out = compose();
  const size = writeError(out, requestId, F00, NAME, writeNotAccepted(NAME), wallMs(), 0, 0);
  const o = output(OutputKind.Frame, index);
  o.address = <u32>out;
  o.length = size;
  o.requestId = requestId;
  keep(size);
}
