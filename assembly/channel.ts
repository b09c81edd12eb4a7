// What the core has to say: a ring of output records and an arena for the bytes it composes. Both
// are empty when a mutation begins (the host drains after each), so a mutation can never overwrite
// anything; verbs that may produce more than fits stop early and say so.
import { Counter, LinkKind, Output, OutputKind, Status } from "./abi";
import { ARENA_SIZE, OUTPUTS_PER_PACKET, OUTPUT_COUNT, REJECT_SIZE } from "./config";
import { ARENA, CHANNEL, CHANNEL_SIZE, OUTPUTS, OUTPUT_STRIDE } from "./layout";
import { account } from "./ledger/account";
import { highWater } from "./state";
import { BtpType, headerSize, writeHeader } from "./wire/btp";


@unmanaged
export class Channel {
  /** Output records written since the last begin. */
  written: u32;
  /** Output records polled. */
  polled: u32;
  arenaUsed: u32;
  /** Journal records waiting in the record region. */
  records: u32;
  /** The host has taken the waiting records. */
  recordsTaken: u32;
}

if (offsetof<Channel>() > CHANNEL_SIZE) ERROR("channel record");
if (offsetof<Output>() != OUTPUT_STRIDE) ERROR("output record");

// @ts-ignore: decorator
@inline
export function channel(): Channel {
  return changetype<Channel>(CHANNEL);
}

/** Starts a mutation. @returns Undrained when outputs of the one before were not polled. */
export function begin(): Status {
  const c = channel();
  if (c.polled < c.written) return Status.Undrained;
  c.written = 0;
  c.polled = 0;
  c.arenaUsed = 0;
  return Status.Ok;
}

/** Next output record's address, 0 when there is none. */
export function poll(): usize {
  const c = channel();
  if (c.polled >= c.written) return 0;
  const p = OUTPUTS + <usize>(c.polled * OUTPUT_STRIDE);
  c.polled += 1;
  return p;
}

/** Is there room for everything one more packet can cause? */
export function hasRoom(): bool {
  const c = channel();
  return c.written + OUTPUTS_PER_PACKET <= OUTPUT_COUNT && c.arenaUsed + REJECT_SIZE <= ARENA_SIZE;
}

/** Space in the arena for a packet of at most `size` bytes, with room for headers before it. */
export function compose(): usize {
  return ARENA + <usize>channel().arenaUsed + 32;
}

/** Keeps the `size` bytes written at `compose()`. */
export function keep(size: u32): void {
  channel().arenaUsed += (size + 32 + 7) & ~7;
}

export function output(kind: OutputKind, index: u32): Output {
  const c = channel();
  const o = changetype<Output>(OUTPUTS + <usize>(c.written * OUTPUT_STRIDE));
  c.written += 1;
  highWater(Counter.OutputsMax, c.written);
  o.kind = <u16>kind;
  o.account = <u16>index;
  o.source = 0;
  o.packetType = 0;
  o.requestId = 0;
  o.address = 0;
  o.length = 0;
  o.reserved = 0;
  o.amount = 0;
  return o;
}

/**
 * Sends an ILP packet on an account's link. The link's header is written in front of the packet:
 * the bytes there belong to the frame the packet came in, to the headroom or to the arena.
 */
export function send(
  index: u32,
  isReply: bool,
  requestId: u32,
  packet: usize,
  length: u32,
  source: u32,
): void {
  let o: Output;
  if (<u32>account(index).linkKind == LinkKind.Btp) {
    const type = isReply ? BtpType.Response : BtpType.Message;
    o = output(OutputKind.Frame, index);
    o.address = <u32>writeHeader(packet, length, type, requestId);
    o.length = length + headerSize(length);
  } else {
    o = output(isReply ? OutputKind.Reply : OutputKind.Request, index);
    o.address = <u32>packet;
    o.length = length;
  }
  o.requestId = requestId;
  o.source = <u16>source;
  o.packetType = load<u8>(packet);
}
