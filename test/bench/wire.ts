// The two framings the driver speaks, read and written without an object per frame: WebSocket (RFC
// 6455, as a client) and a four-byte length in front of each message.
import { randomBytes } from "node:crypto";

/** A message is `[start, end)` of `bytes`, valid during the call. */
export type OnMessage = (bytes: Buffer, start: number, end: number) => void;

export interface Wire {
  /** Bytes in front of a payload of this length, as the driver sends it. */
  headSize(length: number): number;
  /** Writes the head at `at`, and masks the payload behind it if the framing asks for that. */
  seal(bytes: Buffer, at: number, length: number): void;
  /** XORs into a payload that is sealed already: what `mask[offset & 3]` is for. */
  readonly mask: Uint8Array;
  /** Reads what the other side sends; returns a function that takes chunks. */
  reader(onMessage: OnMessage, onPing: (payload: Buffer) => void): (chunk: Buffer) => void;
}

const BINARY = 0x82;
export const PONG = 0x8a;
const PING_OPCODE = 9;
const BINARY_OPCODE = 2;

/** Client frames. One random mask for all: contenders have to unmask, the driver never again. */
export class WebSocketWire implements Wire {
  readonly mask: Uint8Array = randomBytes(4);

  headSize(length: number): number {
    return 6 + (length < 126 ? 0 : length < 65536 ? 2 : 8);
  }

  seal(bytes: Buffer, at: number, length: number, first = BINARY): void {
    bytes[at] = first;
    let p = at + 2;
    if (length < 126) bytes[at + 1] = 0x80 | length;
    else if (length < 65536) {
      bytes[at + 1] = 0x80 | 126;
      p = bytes.writeUInt16BE(length, p);
    } else {
      bytes[at + 1] = 0x80 | 127;
      p = bytes.writeBigUInt64BE(BigInt(length), p);
    }
    bytes.set(this.mask, p);
    p += 4;
    for (let i = 0; i < length; i++) bytes[p + i]! ^= this.mask[i & 3]!;
  }

  reader(onMessage: OnMessage, onPing: (payload: Buffer) => void): (chunk: Buffer) => void {
    return keepTail((bytes) => {
      let at = 0;
      for (;;) {
        const head = at + 2;
        if (head > bytes.length) return at;
        const short = bytes[at + 1]!;
        let start = head;
        let length = short;
        if (short === 126) {
          if (head + 2 > bytes.length) return at;
          length = bytes.readUInt16BE(head);
          start += 2;
        } else if (short === 127) {
          if (head + 8 > bytes.length) return at;
          length = Number(bytes.readBigUInt64BE(head));
          start += 8;
        }
        const end = start + length;
        if (end > bytes.length) return at;
        const opcode = bytes[at]! & 15;
        if (opcode === BINARY_OPCODE) onMessage(bytes, start, end);
        else if (opcode === PING_OPCODE) onPing(bytes.subarray(start, end));
        else throw new Error(`The contender sent a WebSocket frame with opcode ${opcode}.`);
        at = end;
      }
    });
  }
}

export class LengthWire implements Wire {
  readonly mask = new Uint8Array(4);

  headSize(): number {
    return 4;
  }

  seal(bytes: Buffer, at: number, length: number): void {
    bytes.writeUInt32BE(length, at);
  }

  reader(onMessage: OnMessage): (chunk: Buffer) => void {
    return keepTail((bytes) => {
      let at = 0;
      while (at + 4 <= bytes.length) {
        const end = at + 4 + bytes.readUInt32BE(at);
        if (end > bytes.length) break;
        onMessage(bytes, at + 4, end);
        at = end;
      }
      return at;
    });
  }
}

/** Calls `read` with what is there so far, and keeps what it did not consume. */
function keepTail(read: (bytes: Buffer) => number): (chunk: Buffer) => void {
  let tail: Buffer | null = null;
  return (chunk) => {
    const bytes = tail ? Buffer.concat([tail, chunk]) : chunk;
    const consumed = read(bytes);
    tail = consumed < bytes.length ? bytes.subarray(consumed) : null;
  };
}
