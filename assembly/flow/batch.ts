// Packets that came in together. Two passes: the first only hashes, four Fulfills at a time, and
// changes nothing; the second works on every packet strictly in order. So a batch does exactly what
// its packets would do one by one.
import { BatchItem, FlightState, Status } from "../abi";
import { channel, hasRoom } from "../channel";
import { BATCH_MAX, COMPOSE_ROOM, PACKET_ROOM, REJECT_SIZE } from "../config";
import { flight, requestIdOf, slotOf } from "../flight/table";
import { hasRecords } from "../journal/record";
import { verify32x4 } from "../hash/sha256";
import { ITEMS, ITEM_STRIDE } from "../layout";
import { T00 } from "./judge";
import { PacketType } from "../wire/ilp";
import { onRequest } from "./prepare";
import { Proof, onFailure, onReply } from "./reply";

/** What a packet of the batch is to its link. */
export const enum ItemKind {
  None = 0,
  Request = 1,
  Reply = 2,
  /** The peer answered a request with something that is not an ILP packet. */
  Failure = 3,
}


@unmanaged
export class Item {
  kind: u32;
  requestId: u32;
  packet: u32;
  length: u32;
  /** Input before this byte may still be needed; headers must not reach below it. */
  floor: u32;
  /** Proof: what the first pass found. */
  proof: u32;
}

if (offsetof<Item>() != ITEM_STRIDE) ERROR("batch item");

// @ts-ignore: decorator
@inline
function item(i: u32): Item {
  return changetype<Item>(ITEMS + <usize>(i * ITEM_STRIDE));
}

/**
 * Is there room for one more packet after those already in the batch, whatever they cause? Each may
 * need a Reject or a copy of itself; what is not read yet is as large as can be.
 */
export function canTake(): bool {
  const n = channel().items;
  if (n == BATCH_MAX || !hasRecords(2 * n + 2)) return false;
  // One packet's worth more: a stream may have to say goodbye.
  return hasRoom(n + 2, bytesNeeded(n) + REJECT_SIZE + PACKET_ROOM + COMPOSE_ROOM);
}

function bytesNeeded(n: u32): u32 {
  let bytes: u32 = 0;
  for (let i: u32 = 0; i < n; ++i) bytes += REJECT_SIZE + copySize(item(i).length);
  return bytes;
}

/** Arena that a packet may take in another framing, with the room before it. */
// @ts-ignore: decorator
@inline
function copySize(length: u32): u32 {
  return length + (length >> 7) + 128;
}

export function take(kind: ItemKind, requestId: u32, packet: usize, length: u32): void {
  const c = channel();
  const t = item(c.items);
  c.items += 1;
  t.kind = kind;
  t.requestId = requestId;
  t.packet = <u32>packet;
  t.length = length;
  t.floor = c.floor;
  t.proof = Proof.Unknown;
}

/** The 32 bytes of a Fulfill for a held flight of this account, 0 for anything else. */
function candidate(index: u32, t: Item): usize {
  const p = <usize>t.packet;
  if (t.kind != ItemKind.Reply || t.length < 35 || load<u8>(p) != PacketType.Fulfill) return 0;
  const slot = slotOf(t.requestId);
  const f = flight(slot);
  if (<u32>f.state != FlightState.Held || <u32>f.outAccount != index) return 0;
  if (requestIdOf(slot) != t.requestId) return 0;
  // Contents begin behind one to three length bytes; whether they are right is checked later.
  const first = <u32>load<u8>(p, 1);
  return p + 2 + (first < 0x80 ? 0 : first & 3);
}

// @ts-ignore: decorator
@inline
function conditionOf(i: u32): usize {
  return changetype<usize>(flight(slotOf(item(i).requestId)));
}

/** First pass: proves Fulfills, four at a time. Fewer than three are left for the second pass. */
function prove(index: u32): void {
  const n = channel().items;
  let count: u32 = 0;
  let i0: u32 = 0;
  let i1: u32 = 0;
  let i2: u32 = 0;
  let p0: usize = 0;
  let p1: usize = 0;
  let p2: usize = 0;
  for (let i: u32 = 0; i < n; ++i) {
    const p = candidate(index, item(i));
    if (!p) continue;
    if (count == 0) {
      i0 = i;
      p0 = p;
    } else if (count == 1) {
      i1 = i;
      p1 = p;
    } else if (count == 2) {
      i2 = i;
      p2 = p;
    } else {
      proveFour(i0, i1, i2, i, p0, p1, p2, p);
    }
    count = (count + 1) & 3;
  }
  if (count == 3) proveFour(i0, i1, i2, i2, p0, p1, p2, p2);
}

function proveFour(
  i0: u32,
  i1: u32,
  i2: u32,
  i3: u32,
  p0: usize,
  p1: usize,
  p2: usize,
  p3: usize,
): void {
  const c0 = conditionOf(i0);
  const c1 = conditionOf(i1);
  const c2 = conditionOf(i2);
  const right = verify32x4(p0, p1, p2, p3, c0, c1, c2, conditionOf(i3));
  item(i0).proof = right & 1 ? Proof.Right : Proof.Wrong;
  item(i1).proof = right & 2 ? Proof.Right : Proof.Wrong;
  item(i2).proof = right & 4 ? Proof.Right : Proof.Wrong;
  item(i3).proof = right & 8 ? Proof.Right : Proof.Wrong;
}

/** Works on the batch, in order. */
export function runBatch(index: u32): void {
  if (ASC_FEATURE_SIMD) prove(index);
  const c = channel();
  const n = c.items;
  for (let i: u32 = 0; i < n; ++i) {
    const t = item(i);
    c.floor = t.floor;
    if (t.kind == ItemKind.Request) onRequest(index, t.requestId, t.packet, t.length);
    else if (t.kind == ItemKind.Reply) onReply(index, t.requestId, t.packet, t.length, t.proof);
    else onFailure(index, t.requestId, T00);
  }
  c.items = 0;
}

/**
 * Takes packets laid out as BatchItem headers and padded packets in `[p, end)`, and works on them.
 * @returns bytes consumed: less than given when outputs must be drained first, or BadPacket when
 * the first header is not one.
 */
export function onBatch(index: u32, p: usize, end: usize): i32 {
  let at = p;
  while (at + offsetof<BatchItem>() <= end && canTake()) {
    const header = changetype<BatchItem>(at);
    const packet = at + offsetof<BatchItem>();
    const reply = header.kind == <u32>ItemKind.Reply;
    if (!reply && header.kind != <u32>ItemKind.Request) break;
    if (header.length > <u32>(end - packet)) break;
    channel().floor = <u32>at;
    const kind = reply ? ItemKind.Reply : ItemKind.Request;
    take(kind, header.requestId, packet, header.length);
    at = packet + ((header.length + 7) & ~7);
  }
  runBatch(index);
  if (at > end) at = end;
  return at == p && end > p ? Status.BadPacket : <i32>(at - p);
}
