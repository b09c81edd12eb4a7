// Packets and frames for the model: written fast, because a run writes millions, and read by the
// strict reference decoders wherever bytes were damaged.
import { createHash } from "node:crypto";
import { decodeFrame, type Frame } from "../reference/btp.js";
import { decode, timestampText, verdict, type Packet } from "../reference/ilp.js";

/** Bytes and what they are: null when they are no ILP packet. */
export interface Parcel {
  bytes: Buffer;
  packet: Packet | null;
  /** Bytes of the packet, without what follows it. */
  size: number;
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** SHA-256 of 32 zero bytes. */
export const PEER_CONDITION = sha256(Buffer.alloc(32));
const EMPTY = Buffer.alloc(0);

function lengthBytes(n: number): Buffer {
  if (n < 128) return Buffer.of(n);
  if (n < 256) return Buffer.of(0x81, n);
  if (n < 65536) return Buffer.of(0x82, n >> 8, n & 255);
  return Buffer.of(0x83, n >> 16, (n >> 8) & 255, n & 255);
}

function field(bytes: Buffer): Buffer {
  return Buffer.concat([lengthBytes(bytes.length), bytes]);
}

function envelope(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type), lengthBytes(content.length), content]);
}

const stamps = new Map<number, string>();

/** 17 digits of an instant; the latest few are remembered. */
export function stamp(ms: number): string {
  let text = stamps.get(ms);
  if (text === undefined) {
    if (stamps.size > 5000) stamps.clear();
    text = timestampText(ms);
    stamps.set(ms, text);
  }
  return text;
}

/** Offset of the contents of a packet. */
export function contentAt(bytes: Buffer): number {
  const first = bytes[1]!;
  return first < 128 ? 2 : 2 + (first & 127);
}

export function prepare(
  amount: bigint,
  expiresAtMs: number,
  condition: Buffer,
  destination: string,
  data = EMPTY,
): Parcel {
  const head = Buffer.alloc(57);
  head.writeBigUInt64BE(amount);
  const expiresAt = stamp(expiresAtMs);
  head.write(expiresAt, 8, "latin1");
  condition.copy(head, 25);
  const content = Buffer.concat([head, field(Buffer.from(destination, "latin1")), field(data)]);
  const bytes = envelope(12, content);
  const packet: Packet = {
    type: 12,
    amount,
    expiresAt,
    expiresAtMs,
    condition,
    destination,
    data,
  };
  return { bytes, packet, size: bytes.length };
}

export function fulfill(fulfillment: Buffer, data = EMPTY): Parcel {
  const bytes = envelope(13, Buffer.concat([fulfillment, field(data)]));
  return { bytes, packet: { type: 13, fulfillment, data }, size: bytes.length };
}

export function reject(code: string, triggeredBy: string, message: string, data = EMPTY): Parcel {
  const by = Buffer.from(triggeredBy, "latin1");
  const text = Buffer.from(message, "utf8");
  const parts = [Buffer.from(code, "latin1"), field(by), field(text), field(data)];
  const bytes = envelope(14, Buffer.concat(parts));
  const packet: Packet = {
    type: 14,
    code: Buffer.from(code, "latin1"),
    triggeredBy,
    message: text,
    data,
  };
  return { bytes, packet, size: bytes.length };
}

/** Reads bytes of unknown worth. */
export function parse(bytes: Buffer): Parcel {
  const found = verdict(decode, bytes);
  if (!found) return { bytes, packet: null, size: bytes.length };
  return { bytes, packet: found.packet, size: bytes.length - found.outer.length };
}

/** A Response (1) or Message (6) that carries one packet. */
export function frame(type: number, requestId: number, packet: Buffer): Buffer {
  const head = Buffer.of(type, 0, 0, 0, 0);
  head.writeUInt32BE(requestId, 1);
  const inner = [Buffer.of(1, 1, 3, 0x69, 0x6c, 0x70, 0), lengthBytes(packet.length), packet];
  const length = inner.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([head, lengthBytes(length), ...inner]);
}

/** What a link's bytes are: null when they are no frame. */
export interface FrameParcel {
  bytes: Buffer;
  frame: Frame | null;
  /** The packet in the primary sub-protocol `ilp`, if that is what the frame starts with. */
  parcel: Parcel | null;
}

export function parseFrame(bytes: Buffer): FrameParcel {
  const found = verdict(decodeFrame, bytes);
  if (!found) return { bytes, frame: null, parcel: null };
  const primary = found.protocols[0];
  const carries = primary?.name === "ilp" && primary.contentType === 0;
  return { bytes, frame: found, parcel: carries ? parse(primary.data) : null };
}

/** A frame around a packet that is already known, without reading it again. */
export function wrap(type: number, requestId: number, parcel: Parcel): FrameParcel {
  const bytes = frame(type, requestId, parcel.bytes);
  return { bytes, frame: { type, requestId, protocols: [], size: bytes.length }, parcel };
}
