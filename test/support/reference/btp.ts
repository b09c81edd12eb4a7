// A second, independent reading of RFC 23: a slow, strict decoder of BTP frames, and an encoder.
import { Cursor, Refused, encodeUint, encodeVar, timestampMs } from "./ilp.js";

export interface Protocol {
  name: string;
  contentType: number;
  data: Buffer;
}
export interface Frame {
  type: number;
  requestId: number;
  amount?: bigint;
  error?: { code: string; name: string; triggeredAt: string; data: Buffer };
  protocols: Protocol[];
  /** Bytes of the frame, without what follows it. */
  size: number;
}

function ascii(bytes: Buffer): string {
  if (bytes.some((byte) => byte > 127)) throw new Refused("not ASCII");
  return bytes.toString("latin1");
}

function checkTime(text: string): void {
  const m = /^(\d{12})(\d\d)(?:\.(\d{1,3}))?Z$/s.exec(text);
  if (m === null) throw new Refused("time");
  const [, minutes, second, fraction = ""] = m;
  const leap = second === "60" && minutes!.endsWith("2359");
  timestampMs(minutes + (leap ? "59" : second!) + fraction.padEnd(3, "0"));
}

function decodeProtocols(c: Cursor): Protocol[] {
  const count = c.varUint();
  if (count > 32n) throw new Refused("too many protocols");
  const protocols: Protocol[] = [];
  for (let i = 0; i < Number(count); i++) {
    const name = ascii(c.varBytes());
    const contentType = Number(c.uint(1));
    protocols.push({ name, contentType, data: c.varBytes() });
  }
  const names = new Set(protocols.map((protocol) => protocol.name));
  if (names.size !== protocols.length) throw new Refused("duplicate");
  return protocols;
}

/** Decodes one frame or throws Refused. */
export function decodeFrame(bytes: Buffer): Frame {
  const envelope = new Cursor(bytes);
  const type = Number(envelope.uint(1));
  const requestId = Number(envelope.uint(4));
  const c = new Cursor(envelope.varBytes());
  const frame: Frame = { type, requestId, protocols: [], size: 0 };
  if (type === 2) {
    const code = ascii(c.take(3));
    const name = ascii(c.varBytes());
    const triggeredAt = c.varBytes().toString("latin1");
    const data = c.varBytes();
    checkTime(triggeredAt);
    if (data.length > 8192) throw new Refused("data too long");
    frame.error = { code, name, triggeredAt, data };
  } else if (type === 7) {
    frame.amount = c.uint(8);
  } else if (type !== 1 && type !== 6) {
    throw new Refused("type");
  }
  frame.protocols = decodeProtocols(c);
  frame.size = bytes.length - envelope.rest().length;
  return frame;
}

export function encodeProtocols(protocols: Protocol[]): Buffer {
  const items = protocols.map((protocol) => [
    encodeVar(Buffer.from(protocol.name, "latin1")),
    Buffer.from([protocol.contentType]),
    encodeVar(protocol.data),
  ]);
  return Buffer.concat([Buffer.from([1, protocols.length]), ...items.flat()]);
}

/** Encodes a frame canonically; `body` comes before the sub-protocols. */
export function encodeFrame(
  type: number,
  requestId: number,
  protocols: Protocol[],
  body: Buffer = Buffer.alloc(0),
): Buffer {
  const content = encodeVar(Buffer.concat([body, encodeProtocols(protocols)]));
  return Buffer.concat([Buffer.from([type]), encodeUint(BigInt(requestId), 4), content]);
}
