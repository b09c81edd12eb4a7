// A second, independent reading of RFC 27, 30, 15 and 31: a slow, strict decoder and encoder over
// Buffers, BigInt, regular expressions and Date. The core is compared with it; it shares no code
// with the core and none with any library.

export class Refused extends Error {}

export interface Prepare {
  type: 12;
  amount: bigint;
  expiresAt: string;
  expiresAtMs: number;
  condition: Buffer;
  destination: string;
  data: Buffer;
}
export interface Fulfill {
  type: 13;
  fulfillment: Buffer;
  data: Buffer;
}
export interface Reject {
  type: 14;
  code: Buffer;
  triggeredBy: string;
  message: Buffer;
  data: Buffer;
}
export type Packet = Prepare | Fulfill | Reject;
/** A packet and what lay after its last field, inside and outside the envelope. */
export interface Decoded {
  packet: Packet;
  inner: Buffer;
  outer: Buffer;
}

const SCHEMES = "g|private|example|peer|self|local|test[123]?";
export const ADDRESS = new RegExp(`^(?=.{3,1023}$)(${SCHEMES})(\\.[A-Za-z0-9_~-]+)+$`, "s");
export const PREFIX = new RegExp(`^(?=.{1,1023}$)(${SCHEMES})(\\.[A-Za-z0-9_~-]+)*$`, "s");

/** Reads fields from a Buffer, front to back; anything not in its one form is refused. */
export class Cursor {
  constructor(
    readonly bytes: Buffer,
    private at = 0,
  ) {}

  take(n: number): Buffer {
    if (n > this.bytes.length - this.at) throw new Refused(`wants ${n} bytes, fewer are left`);
    this.at += n;
    return this.bytes.subarray(this.at - n, this.at);
  }

  uint(n: number): bigint {
    return BigInt("0x" + this.take(n).toString("hex"));
  }

  length(): number {
    const first = Number(this.uint(1));
    if (first < 128) return first;
    const size = first - 128;
    if (size < 1 || size > 3) throw new Refused(`${size} length bytes`);
    const value = Number(this.uint(size));
    if (encodeLength(value).length !== 1 + size) throw new Refused("length not canonical");
    return value;
  }

  varBytes(): Buffer {
    return this.take(this.length());
  }

  varUint(): bigint {
    const size = this.length();
    if (size < 1 || size > 4) throw new Refused(`integer of ${size} bytes`);
    const value = this.uint(size);
    if (value.toString(16).length <= 2 * (size - 1) && size > 1) throw new Refused("leading zero");
    return value;
  }

  rest(): Buffer {
    return this.take(this.bytes.length - this.at);
  }
}

export function encodeLength(n: number): Buffer {
  if (n < 128) return Buffer.from([n]);
  let hex = n.toString(16);
  if (hex.length % 2 === 1) hex = "0" + hex;
  return Buffer.from((128 + hex.length / 2).toString(16) + hex, "hex");
}

export function encodeVar(bytes: Buffer): Buffer {
  return Buffer.concat([encodeLength(bytes.length), bytes]);
}

export function encodeUint(value: bigint, size: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * size, "0"), "hex");
}

/** Milliseconds of 17 digits, by way of Date, which is asked to write the same digits again. */
export function timestampMs(text: string): number {
  const m = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/s.exec(text);
  if (m === null) throw new Refused("not 17 digits");
  const date = new Date(0);
  const [year, month, day, hour, minute, second, ms] = m.slice(1).map(Number);
  date.setUTCFullYear(year!, month! - 1, day);
  date.setUTCHours(hour!, minute, second, ms);
  if (timestampText(date.getTime()) !== text) throw new Refused("not in the calendar");
  return date.getTime();
}

export function timestampText(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:.TZ]/g, "");
}

/** One byte, one character: no byte is lost or masked. */
function latin(bytes: Buffer): string {
  return bytes.toString("latin1");
}

function decodeData(c: Cursor): Buffer {
  const data = c.varBytes();
  if (data.length > 32767) throw new Refused("data too long");
  return data;
}

function decodePrepare(c: Cursor): Prepare {
  const amount = c.uint(8);
  const expiresAt = latin(c.take(17));
  const condition = c.take(32);
  const destination = latin(c.varBytes());
  const data = decodeData(c);
  const expiresAtMs = timestampMs(expiresAt);
  if (!ADDRESS.test(destination)) throw new Refused("destination");
  return { type: 12, amount, expiresAt, expiresAtMs, condition, destination, data };
}

/** Characters of a message: UTF-8 where it is, else bytes that start something. */
function characters(message: Buffer): number {
  return message.filter((byte) => byte < 0x80 || byte > 0xbf).length;
}

function decodeReject(c: Cursor): Reject {
  const code = c.take(3);
  if (code.some((byte) => byte > 127)) throw new Refused("code");
  const triggeredBy = latin(c.varBytes());
  const message = c.varBytes();
  const data = decodeData(c);
  if (triggeredBy !== "" && !ADDRESS.test(triggeredBy)) throw new Refused("triggeredBy");
  if (characters(message) > 8191 || message.length > 4 * 8191) throw new Refused("message");
  return { type: 14, code, triggeredBy, message, data };
}

/** Decodes one packet or throws Refused. */
export function decode(bytes: Buffer): Decoded {
  const envelope = new Cursor(bytes);
  const type = Number(envelope.uint(1));
  if (type < 12 || type > 14) throw new Refused("type");
  const c = new Cursor(envelope.varBytes());
  let packet: Packet;
  if (type === 12) packet = decodePrepare(c);
  else if (type === 13) packet = { type: 13, fulfillment: c.take(32), data: decodeData(c) };
  else packet = decodeReject(c);
  return { packet, inner: c.rest(), outer: envelope.rest() };
}

/** Encodes a packet canonically, with given bytes after its last field. */
export function encode(packet: Packet, inner: Buffer = Buffer.alloc(0)): Buffer {
  let fields: Buffer[];
  if (packet.type === 12) {
    const { amount, expiresAt, condition, destination } = packet;
    const to = encodeVar(Buffer.from(destination, "latin1"));
    fields = [encodeUint(amount, 8), Buffer.from(expiresAt, "latin1"), condition, to];
  } else if (packet.type === 13) {
    fields = [packet.fulfillment];
  } else {
    const by = Buffer.from(packet.triggeredBy, "latin1");
    fields = [packet.code, encodeVar(by), encodeVar(packet.message)];
  }
  const content = Buffer.concat([...fields, encodeVar(packet.data), inner]);
  return Buffer.concat([Buffer.from([packet.type]), encodeVar(content)]);
}

export interface IldcpResponse {
  address: string;
  scale: number;
  code: Buffer;
}

/** Decodes the data of an ILDCP response (RFC 31) or throws Refused. */
export function decodeIldcp(bytes: Buffer): IldcpResponse {
  const c = new Cursor(bytes);
  const address = latin(c.varBytes());
  const scale = Number(c.uint(1));
  const code = c.varBytes();
  if (!ADDRESS.test(address)) throw new Refused("address");
  if (!isUtf8(code)) throw new Refused("code");
  return { address, scale, code };
}

export function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** What a decoder says about bytes: its result, or undefined when it refuses them. */
export function verdict<T>(decoder: (bytes: Buffer) => T, bytes: Buffer): T | undefined {
  try {
    return decoder(bytes);
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}
