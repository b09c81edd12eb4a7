// What the core has to say: a ring of output records and an arena for the bytes it composes. Both
// are empty when a mutation begins (the host drains after each), so a mutation can never overwrite
// anything; verbs that may produce more than fits stop early and say so.
import { Counter, Output, OutputKind, Status } from "./abi";
import { ARENA_SIZE, COMPOSE_ROOM, HEADROOM, OUTPUTS_PER_PACKET, OUTPUT_COUNT } from "./config";
import { ARENA, CHANNEL, CHANNEL_SIZE, INPUT, OUTPUTS, OUTPUT_STRIDE } from "./layout";
import { highWater } from "./state";


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
  /** First input byte that headers may overwrite: nothing before it is needed any more. */
  floor: u32;
  /** Packets in the batch. */
  items: u32;
  /** After `stream`: bytes from the tail's start that bring progress, 0 when a call alone does. */
  needed: u32;
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
  c.items = 0;
  c.needed = 0;
  c.floor = <u32>(INPUT - HEADROOM);
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

/** Is there room for the outputs of `packets` packets that compose at most `bytes`? */
export function hasRoom(packets: u32, bytes: u32): bool {
  const c = channel();
  const outputs = c.written + packets * OUTPUTS_PER_PACKET <= OUTPUT_COUNT;
  return outputs && c.arenaUsed + bytes <= ARENA_SIZE;
}

/** Where the next bytes may be composed in the arena, with room for headers before them. */
export function compose(): usize {
  return ARENA + <usize>(channel().arenaUsed + COMPOSE_ROOM);
}

/** Keeps the `size` bytes written at `compose()`: what is composed next goes behind them. */
export function keep(size: u32): void {
  channel().arenaUsed += (size + COMPOSE_ROOM + 7) & ~7;
}

/** Output record `i` of those written since the mutation began. */
// @ts-ignore: decorator
@inline
export function outputAt(i: u32): Output {
  return changetype<Output>(OUTPUTS + <usize>(i * OUTPUT_STRIDE));
}

export function output(kind: OutputKind, index: u32): Output {
  const c = channel();
  const o = outputAt(c.written);
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
