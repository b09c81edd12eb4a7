// The builds of the hashes behind one interface.
import { createHash } from "node:crypto";
import { probe, type ProbeOptions } from "../support/probe.js";

type Call = (...args: number[]) => number;

/** One build of assembly/hash, with 64 KiB of scratch. */
export class Hash {
  readonly memory: Buffer;
  readonly buffer: number;
  readonly #exports: Record<string, Call>;

  constructor(options: ProbeOptions) {
    const exports = probe("hash", options);
    this.#exports = exports as unknown as Record<string, Call>;
    this.memory = Buffer.from((exports.memory as WebAssembly.Memory).buffer);
    this.buffer = this.call("buffer");
  }

  call(name: string, ...args: number[]): number {
    return this.#exports[name]!(...args);
  }

  /** Puts bytes at an offset of the scratch; returns their address. */
  put(bytes: Uint8Array, offset = 0): number {
    this.memory.set(bytes, this.buffer + offset);
    return this.buffer + offset;
  }

  bytes(at: number, length: number): Buffer {
    return Buffer.from(this.memory.subarray(at, at + length));
  }

  crc32c(bytes: Uint8Array, crc = 0, offset = 0): number {
    return this.call("crc32c", this.put(bytes, offset), bytes.length, crc) >>> 0;
  }

  /** One-shot digest of bytes at an offset. */
  digest(bytes: Uint8Array, offset = 0): Buffer {
    const out = this.buffer + 60_000;
    this.call("digest", this.put(bytes, offset), bytes.length, out);
    return this.bytes(out, 32);
  }

  /** Digest of pieces, each put at an odd place of its own. */
  digestPieces(pieces: Uint8Array[]): Buffer {
    const state = this.buffer + 50_000;
    const out = this.buffer + 60_001;
    this.call("start", state);
    for (const piece of pieces) this.call("update", state, this.put(piece, 3), piece.length);
    this.call("finish", state, out);
    return this.bytes(out, 32);
  }
}

export const builds: [string, Hash][] = [
  ["unrolled", new Hash({})],
  ["simd", new Hash({ simd: true })],
  ["looped", new Hash({ profile: "board", pages: 4 })],
];

export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
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

export function randomBytes(pick: (n: number) => number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => pick(256)));
}

/** The seed of this run: FERRULE_SEED, or a new one. */
export const seed = Number(process.env.FERRULE_SEED ?? Date.now() % 2 ** 31);
