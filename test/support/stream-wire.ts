// What travels on byte streams, written and read apart from the core: WebSocket frames by the npm
// package ws, serial frames from the paper on byte stuffing. Used on both sides of a link.
import { Peer, frame as wsFrame } from "../framing/peer.js";
import type { Random } from "./model/random.js";

/** Most bytes of a BTP frame taken from a WebSocket link: a packet and 1024 more. */
export const MESSAGE_MAX = 41997 + 1024;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let i = 0; i < 8; i++) rest = (rest >>> 1) ^ (rest & 1 ? 0x82f63b78 : 0);
  return rest >>> 0;
});

function crc32c(bytes: Buffer): number {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = (rest >>> 8) ^ CRC_TABLE[(rest ^ byte) & 255]!;
  return ~rest >>> 0;
}

/** A serial frame with its delimiter. `kind`: 1 request, 2 reply, 3 status. */
export function serialFrame(kind: number, requestId: number, payload: Uint8Array): Buffer {
  const plain = Buffer.alloc(5 + payload.length + 4);
  plain[0] = kind;
  plain.writeUInt32LE(requestId >>> 0, 1);
  plain.set(payload, 5);
  plain.writeUInt32LE(crc32c(plain.subarray(0, -4)), plain.length - 4);
  const out: number[] = [];
  let run: number[] = [];
  for (const byte of plain) {
    if (byte) run.push(byte);
    if (byte && run.length < 254) continue;
    out.push(run.length + 1, ...run);
    run = [];
    if (byte) continue;
  }
  return Buffer.from([...out, run.length + 1, ...run, 0]);
}

/** The frame in `bytes`, which end with its delimiter; null when it is damaged. */
export function readSerialFrame(
  bytes: Buffer,
): { kind: number; requestId: number; payload: Buffer } | null {
  const plain: number[] = [];
  for (let at = 0; at < bytes.length - 1;) {
    const code = bytes[at]!;
    if (code === 0 || at + code > bytes.length - 1) return null;
    plain.push(...bytes.subarray(at + 1, at + code));
    at += code;
    if (code < 255 && at < bytes.length - 1) plain.push(0);
  }
  const all = Buffer.from(plain);
  if (bytes.at(-1) !== 0 || all.length < 9) return null;
  if (crc32c(all.subarray(0, -4)) !== all.readUInt32LE(all.length - 4)) return null;
  return { kind: all[0]!, requestId: all.readUInt32LE(1), payload: all.subarray(5, -4) };
}

export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 };

/** Writes frames as the peer of a link does: masked when the core is the server. */
export class WsWriter {
  constructor(
    readonly random: Random,
    readonly masked: boolean,
  ) {}

  frame(opcode: number, data: Buffer, fin = true): Buffer {
    if (!this.masked) return wsFrame(opcode, data, fin);
    const mask = Buffer.alloc(4);
    if (this.random.chance(90)) mask.writeUInt32LE(this.random.word());
    return wsFrame(opcode, data, fin, mask);
  }

  /** A Ping or Pong nobody asked for. */
  control(): Buffer {
    const { random } = this;
    const data = Buffer.alloc(
      random.chance(80) ? random.below(9) : random.below(126),
      random.word(),
    );
    return this.frame(random.chance(50) ? Opcode.Ping : Opcode.Pong, data);
  }

  /** One message, whole or in fragments with control frames between. */
  message(data: Buffer, fragments: boolean): Buffer {
    const { random } = this;
    if (!fragments) return this.frame(Opcode.Binary, data);
    const frames: Buffer[] = [];
    let at = 0;
    let opcode = Opcode.Binary;
    while (random.chance(75) && frames.length < 12) {
      const n = random.below(Math.min(data.length - at, random.chance(50) ? 20 : 40000) + 1);
      frames.push(this.frame(opcode, data.subarray(at, at + n), false));
      opcode = Opcode.Continuation;
      at += n;
      if (random.chance(30)) frames.push(this.control());
    }
    frames.push(this.frame(opcode, data.subarray(at)));
    return Buffer.concat(frames);
  }
}

/** What a peer that uses ws makes of the bytes that the core writes to it. */
export class WsReader {
  readonly #peer: Peer;

  constructor(coreIsServer: boolean) {
    this.#peer = new Peer(coreIsServer ? "client" : "server", 1 << 20);
  }

  /** One whole frame: what was said and its payload. Throws for bytes that ws does not accept. */
  read(bytes: Buffer): { kind: string; code: number; data: Buffer } {
    const events = this.#peer.feed(bytes);
    const event = events[0];
    if (events.length !== 1 || !event || event.kind === "fault") {
      throw new Error(`ws made ${JSON.stringify(events)} of ${bytes.toString("hex")}`);
    }
    const code = event.kind === "close" ? event.code : 0;
    return { kind: event.kind, code, data: Buffer.from(event.data, "hex") };
  }
}
