// Frames and packets as the simulator writes and reads them: fast where bytes are as everybody
// writes them, by the strict reference decoders where they are not.
import { createHash } from "node:crypto";
import { decodeFrame } from "../support/reference/btp.js";
import { decode, timestampMs, timestampText, verdict } from "../support/reference/ilp.js";

export const PREPARE = 12;
export const FULFILL = 13;
export const REJECT = 14;
export const RESPONSE = 1;
export const ERROR = 2;
export const MESSAGE = 6;

/** What a packet is: 0 when the bytes are not one. Offsets are into `bytes`. */
export interface Packet {
  type: number;
  bytes: Buffer;
  /** Where the packet begins and ends in `bytes`. */
  start: number;
  end: number;
  /** Where its contents begin. */
  content: number;
}

/** What a frame is; `packet` is null when it carries none. */
export interface Frame {
  type: number;
  id: number;
  packet: Packet | null;
}

export const NO_PACKET: Packet = {
  type: 0,
  bytes: Buffer.alloc(0),
  start: 0,
  end: 0,
  content: 0,
};

/** Size of the length prefix at `at` plus where it ends, or -1. */
function skipLength(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  return first < 128 ? at + 1 : at + 1 + (first & 127);
}

function readLength(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  if (first < 128) return first;
  if (first === 0x81) return bytes[at + 1]!;
  if (first === 0x82) return (bytes[at + 1]! << 8) | bytes[at + 2]!;
  if (first === 0x83) return (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  return -1;
}

/** A packet somebody trusted has written. */
export function viewPacket(bytes: Buffer, start: number, end: number): Packet {
  const content = skipLength(bytes, start + 1);
  return { type: bytes[start]!, bytes, start, end, content };
}

/** A frame of one `ilp` sub-protocol that somebody trusted has written. */
export function viewFrame(bytes: Buffer): Frame {
  const type = bytes[0]!;
  const id = bytes.readUInt32BE(1);
  let at = skipLength(bytes, 5);
  if (type === ERROR || bytes[at] !== 1 || bytes[at + 1] !== 1) return { type, id, packet: null };
  at += 2;
  if (bytes[at] !== 3 || bytes.readUIntBE(at + 1, 3) !== 0x696c70) {
    return { type, id, packet: null };
  }
  const length = readLength(bytes, at + 5);
  const start = skipLength(bytes, at + 5);
  return { type, id, packet: viewPacket(bytes, start, start + length) };
}

/** A packet anybody has written: null when it is none. */
export function readPacket(bytes: Buffer): Packet | null {
  const found = verdict(decode, bytes);
  if (!found) return null;
  const end = bytes.length - found.outer.length;
  return viewPacket(bytes, 0, end);
}

/** A frame anybody has written: null when it is none. */
export function readFrame(bytes: Buffer): Frame | null {
  const found = verdict(decodeFrame, bytes);
  if (!found) return null;
  const primary = found.protocols[0];
  if (primary?.name !== "ilp" || primary.contentType !== 0) {
    return { type: found.type, id: found.requestId, packet: null };
  }
  // No packet in the sub-protocol: still a request or a reply, of garbage.
  const packet = readPacket(Buffer.from(primary.data)) ?? NO_PACKET;
  return { type: found.type, id: found.requestId, packet };
}

// ---- fields

export function amountOf(p: Packet): bigint {
  return p.bytes.readBigUInt64BE(p.content);
}

/** Minutes that were met lately, by their 12 digits, and the other way round. */
const minutes = new Map<string, number>();
const minuteTexts = new Map<number, string>();

/** Expiry of a Prepare, wall-clock milliseconds. */
export function expiryOf(p: Packet): number {
  const at = p.content + 8;
  const text = p.bytes.toString("latin1", at, at + 12);
  let ms = minutes.get(text);
  if (ms === undefined) {
    if (minutes.size > 5000) minutes.clear();
    ms = timestampMs(`${text}00000`);
    minutes.set(text, ms);
  }
  let rest = 0;
  for (let i = at + 12; i < at + 17; i++) rest = rest * 10 + p.bytes[i]! - 48;
  return ms + rest;
}

function writeTime(to: Buffer, at: number, ms: number): void {
  const rest = ms % 60_000;
  const minute = ms - rest;
  let text = minuteTexts.get(minute);
  if (text === undefined) {
    if (minuteTexts.size > 5000) minuteTexts.clear();
    text = timestampText(minute).slice(0, 12);
    minuteTexts.set(minute, text);
  }
  to.write(text, at, 12, "latin1");
  for (let i = at + 16, n = rest; i >= at + 12; i--, n = Math.floor(n / 10)) to[i] = 48 + (n % 10);
}

export function conditionOf(p: Packet): Buffer {
  return p.bytes.subarray(p.content + 25, p.content + 57);
}

export function destinationOf(p: Packet): string {
  const at = p.content + 57;
  const length = readLength(p.bytes, at);
  const start = skipLength(p.bytes, at);
  return p.bytes.toString("latin1", start, start + length);
}

/** Data of a Prepare. */
export function dataOf(p: Packet): Buffer {
  const at = p.content + 57;
  const data = skipLength(p.bytes, at) + readLength(p.bytes, at);
  const start = skipLength(p.bytes, data);
  return p.bytes.subarray(start, start + readLength(p.bytes, data));
}

export function fulfillmentOf(p: Packet): Buffer {
  return p.bytes.subarray(p.content, p.content + 32);
}

export function codeOf(p: Packet): string {
  return p.bytes.toString("latin1", p.content, p.content + 3);
}

/** Are two packets the same from `from` bytes into their contents to the end? */
export function sameTail(a: Packet, b: Packet, from: number): boolean {
  return (
    a.bytes.compare(b.bytes, b.content + from, b.end, a.content + from, a.end) === 0 &&
    a.end - a.content === b.end - b.content
  );
}

// ---- writing

function lengthSize(n: number): number {
  return n < 128 ? 1 : n < 256 ? 2 : n < 65536 ? 3 : 4;
}

function writeLength(to: Buffer, at: number, n: number): number {
  if (n < 128) {
    to[at] = n;
    return at + 1;
  }
  const size = lengthSize(n) - 1;
  to[at] = 0x80 | size;
  to.writeUIntBE(n, at + 1, size);
  return at + 1 + size;
}

const FRAME_HEAD = Buffer.from([1, 1, 3, 0x69, 0x6c, 0x70, 0]);

/** A Response or Message around a packet. */
export function wrap(type: number, id: number, packet: Buffer): Buffer {
  const body = FRAME_HEAD.length + lengthSize(packet.length) + packet.length;
  const bytes = Buffer.allocUnsafe(5 + lengthSize(body) + body);
  bytes[0] = type;
  bytes.writeUInt32BE(id >>> 0, 1);
  let at = writeLength(bytes, 5, body);
  FRAME_HEAD.copy(bytes, at);
  at = writeLength(bytes, at + FRAME_HEAD.length, packet.length);
  packet.copy(bytes, at);
  return bytes;
}

export function writePrepare(
  amount: bigint,
  expiresAtMs: number,
  condition: Buffer,
  destination: string,
  data: Buffer,
): Buffer {
  const d = destination.length;
  const contents = 57 + lengthSize(d) + d + lengthSize(data.length) + data.length;
  const bytes = Buffer.allocUnsafe(1 + lengthSize(contents) + contents);
  bytes[0] = PREPARE;
  let at = writeLength(bytes, 1, contents);
  bytes.writeBigUInt64BE(amount, at);
  writeTime(bytes, at + 8, expiresAtMs);
  condition.copy(bytes, at + 25);
  at = writeLength(bytes, at + 57, d);
  bytes.write(destination, at, d, "latin1");
  at = writeLength(bytes, at + d, data.length);
  data.copy(bytes, at);
  return bytes;
}

const NO_DATA = Buffer.alloc(0);

export function writeFulfill(fulfillment: Buffer, data = NO_DATA): Buffer {
  const contents = 32 + lengthSize(data.length) + data.length;
  const bytes = Buffer.allocUnsafe(1 + lengthSize(contents) + contents);
  bytes[0] = FULFILL;
  let at = writeLength(bytes, 1, contents);
  fulfillment.copy(bytes, at);
  at = writeLength(bytes, at + 32, data.length);
  data.copy(bytes, at);
  return bytes;
}

export function writeReject(code: string, by: string, message: string): Buffer {
  const contents = 3 + lengthSize(by.length) + by.length + lengthSize(message.length);
  const size = contents + message.length + 1;
  const bytes = Buffer.allocUnsafe(1 + lengthSize(size) + size);
  bytes[0] = REJECT;
  let at = writeLength(bytes, 1, size);
  at += bytes.write(code, at, 3, "latin1");
  at = writeLength(bytes, at, by.length);
  at += bytes.write(by, at, "latin1");
  at = writeLength(bytes, at, message.length);
  at += bytes.write(message, at, "latin1");
  bytes[at] = 0;
  return bytes;
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** Preimages and their conditions, made once per process; the same in every run. */
const POOL = 8192;
const pool: [preimage: Buffer, condition: Buffer][] = [];

/** Preimage and condition number `n`; they come round again after 8192. */
export function secret(n: number): [preimage: Buffer, condition: Buffer] {
  if (pool.length === 0) {
    for (let i = 0; i < POOL; i++) {
      const preimage = sha256(Buffer.from(`preimage ${i}`));
      pool.push([preimage, sha256(preimage)]);
    }
  }
  return pool[n % POOL]!;
}
