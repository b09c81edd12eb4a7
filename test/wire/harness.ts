// The wire layer's two builds behind a small interface, and what the tests of this folder share:
// vectors, seeds, hostile surroundings.
import { readFileSync } from "node:fs";
import type { Packet } from "../support/reference/ilp.js";
import { probe } from "../support/probe.js";

type Exports = Record<string, (...args: never[]) => number> & {
  parseTimestamp(p: number): bigint;
  readLength(p: number, end: number): bigint;
  readVarUint(p: number, end: number): bigint;
  readIntegers(p: number): bigint;
};
type Call = (...args: (number | bigint)[]) => number;

export const BAD_TIME = -(2n ** 63n);
export const BAD_LENGTH = -1n;
/** Bytes past the end of an input that the wire layer may read. */
export const READ_PAST = 16;

/** Record layouts of ilp.ts, btp.ts and ildcp.ts: names of the u32 fields in order. */
const PACKET =
  "type packet size content contentEnd destination destinationLength data dataLength code " +
  "triggeredBy triggeredByLength message messageLength";
const FRAME =
  "type requestId protocols protocolCount ilp ilpLength primary primaryLength primaryType code " +
  "name nameLength errorData errorDataLength size reserved";
const PROTOCOL = "name nameLength contentType data dataLength";
const RESPONSE = "address addressLength scale code codeLength";
export type Fields = Record<string, number>;

/** One build of the wire layer. Inputs are put where at most 16 bytes follow them. */
export class Wire {
  readonly w: Exports;
  readonly memory: Buffer;
  readonly words: DataView;
  /** Start of 256 KiB of scratch. */
  readonly buffer: number;

  constructor(readonly simd: boolean) {
    const exports = probe("wire", { simd }) as unknown as Exports;
    this.w = exports;
    const memory = (exports as unknown as { memory: WebAssembly.Memory }).memory;
    this.memory = Buffer.from(memory.buffer);
    this.words = new DataView(memory.buffer);
    this.buffer = this.call("buffer");
  }

  call(name: string, ...args: (number | bigint)[]): number {
    return (this.w[name] as unknown as Call)(...args);
  }

  /** Puts bytes so that memory ends 16 bytes after them: reading further traps. */
  putLast(bytes: Buffer, filling = 0): number {
    const at = this.memory.length - READ_PAST - bytes.length;
    this.memory.fill(filling, at - 32);
    bytes.copy(this.memory, at);
    return at;
  }

  /** Puts bytes at an offset of the scratch buffer; returns their address. */
  put(bytes: Buffer, offset = 0): number {
    bytes.copy(this.memory, this.buffer + offset);
    return this.buffer + offset;
  }

  bytes(at: number, length: number): Buffer {
    return Buffer.from(this.memory.subarray(at, at + length));
  }

  fields(names: string, at = this.call("view")): Fields {
    const entries = names
      .split(" ")
      .map((name, i) => [name, this.words.getUint32(at + 4 * i, true)]);
    return Object.fromEntries(entries) as Fields;
  }

  /** Checks a packet. */
  check(bytes: Buffer, filling = 0): number {
    return this.call("check", this.putLast(bytes, filling), bytes.length);
  }

  /** The packet that the latest successful `check` saw, in the reference's terms. */
  packet(): { packet: Packet; size: number; contentEnd: number; end: number } {
    const f = this.fields(PACKET);
    const at = this.call("view");
    const data = this.bytes(f.data!, f.dataLength!);
    const rest = { size: f.size!, contentEnd: f.contentEnd!, end: f.data! + f.dataLength! };
    const content = f.content!;
    if (f.type === 13) {
      const fulfillment = this.bytes(this.call("fulfillment", content), 32);
      return { packet: { type: 13, fulfillment, data }, ...rest };
    }
    if (f.type === 14) {
      const code = Buffer.from([f.code!, f.code! >> 8, f.code! >> 16]);
      const triggeredBy = this.bytes(f.triggeredBy!, f.triggeredByLength!).toString("latin1");
      const message = this.bytes(f.message!, f.messageLength!);
      return { packet: { type: 14, code, triggeredBy, message, data }, ...rest };
    }
    const packet: Packet = {
      type: 12,
      amount: this.words.getBigUint64(at + 56, true),
      expiresAt: this.bytes(content + 8, 17).toString("latin1"),
      expiresAtMs: Number(this.words.getBigInt64(at + 64, true)),
      condition: this.bytes(this.call("condition", content), 32),
      destination: this.bytes(f.destination!, f.destinationLength!).toString("latin1"),
      data,
    };
    return { packet, ...rest };
  }

  checkFrame(bytes: Buffer, filling = 0): number {
    return this.call("checkFrame", this.putLast(bytes, filling), bytes.length);
  }

  frame(): Fields & { amount: bigint } {
    const amount = this.words.getBigUint64(this.call("view") + 64, true);
    return { ...this.fields(FRAME), amount } as Fields & { amount: bigint };
  }

  /** Finds a sub-protocol of the latest checked frame. */
  protocol(name: Buffer): Fields | undefined {
    const at = this.call("findProtocol", this.put(name), name.length);
    return at === 0 ? undefined : this.fields(PROTOCOL, at);
  }

  checkResponse(bytes: Buffer, filling = 0): number {
    return this.call("checkResponse", this.putLast(bytes, filling), bytes.length);
  }

  response(): { address: string; scale: number; code: Buffer } {
    const f = this.fields(RESPONSE);
    const address = this.bytes(f.address!, f.addressLength!).toString("latin1");
    return { address, scale: f.scale!, code: this.bytes(f.code!, f.codeLength!) };
  }
}

export const builds: [string, Wire][] = [
  ["scalar", new Wire(false)],
  ["simd", new Wire(true)],
];

export interface Vector {
  id: string;
  group: string;
  description: string;
  core: string;
  bytes: Buffer;
  verdicts: Record<string, string>;
}

/** The vectors whose group starts with one of the given names. */
export function vectors(...groups: string[]): Vector[] {
  const path = new URL("../vectors/ilp-adversarial.json", import.meta.url);
  const file = JSON.parse(readFileSync(path, "utf8")) as { vectors: Record<string, unknown>[] };
  return file.vectors
    .map((v) => {
      const parts = (v.parts ?? [[v.hex, 1]]) as [string, number][];
      const bytes = Buffer.concat(parts.map(([hex, n]) => Buffer.from(hex.repeat(n), "hex")));
      const verdicts = v as Record<string, string>;
      return { ...(v as unknown as Vector), bytes, verdicts };
    })
    .filter((v) => groups.some((group) => v.group.startsWith(group)));
}

/** A seeded generator (mulberry32): whole numbers below n. Print the seed with every failure. */
export function random(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/** The seed of this run: FERRULE_SEED, or a new one. */
export const seed = Number(process.env.FERRULE_SEED ?? Date.now() % 2 ** 31);
