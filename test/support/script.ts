// The file of a recorded run: calls, their bytes and what must come of them, readable by any
// language in a page of code. Format: boards/runtimes/README.md. Writer, reader and the hash of its
// marks.

export const SCRIPT_MAGIC = "FRRLCALL";
export const SCRIPT_VERSION = 1;

/** First byte of an entry; 1 to 0xfc are calls of the verb with that number. */
export const Entry = { End: 0, Observe: 0xfd, Drain: 0xfe, Mark: 0xff } as const;

const PRIME = 0x100000001b3n;
const U64 = 2n ** 64n - 1n;
/** Words of zeros that are hashed like any others: a multiplication of 64 bits costs more. */
const SHORT_RUN = 256;

function power(base: bigint, exponent: number): bigint {
  let result = 1n;
  for (let e = exponent, b = base; e > 0; e = Math.floor(e / 2), b = (b * b) & U64) {
    if (e % 2) result = (result * b) & U64;
  }
  return result;
}

/** FNV-1a of 64 bits. A run of zero bytes is one multiplication: most of a snapshot is zero. */
export class Fnv {
  #hi = 0xcbf29ce4 | 0;
  #lo = 0x84222325 | 0;

  get value(): bigint {
    return (BigInt(this.#hi >>> 0) << 32n) | BigInt(this.#lo >>> 0);
  }

  copy(): Fnv {
    const copy = new Fnv();
    copy.#hi = this.#hi;
    copy.#lo = this.#lo;
    return copy;
  }

  /** Adds the bytes in [from, to). */
  add(bytes: Uint8Array, from = 0, to = bytes.length): this {
    let hi = this.#hi;
    let lo = this.#lo;
    for (let i = from; i < to; i++) {
      lo ^= bytes[i]!;
      // times 2^40 + 435, in halves of 16 bits
      const low = (lo & 0xffff) * 435;
      const high = (lo >>> 16) * 435 + (low >>> 16);
      hi = (Math.imul(hi, 435) + (high >>> 16) + (lo << 8)) | 0;
      lo = (high << 16) | (low & 0xffff);
    }
    this.#hi = hi;
    this.#lo = lo;
    return this;
  }

  #addZeros(count: number): void {
    const value = (this.value * power(PRIME, count)) & U64;
    this.#hi = Number(value >> 32n) | 0;
    this.#lo = Number(value & 0xffffffffn) | 0;
  }

  /** The same as `add` for large regions that start and end at multiples of 4. */
  addSparse(bytes: Uint8Array, from: number, to: number): this {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    const end = to >> 2;
    let start = from >> 2;
    for (let i = start; i < end;) {
      let zeros = i;
      while (zeros < end && words[zeros] === 0) zeros++;
      if (zeros - i > SHORT_RUN) {
        this.add(bytes, start * 4, i * 4);
        this.#addZeros((zeros - i) * 4);
        start = zeros;
      }
      i = zeros + 1;
    }
    if (start < end) this.add(bytes, start * 4, end * 4);
    return this;
  }
}

/** A verb as the file names it: an export that takes and returns 32-bit integers. */
export interface Verb {
  name: string;
  argumentCount: number;
}

/** Memory that a call left something in, from a descriptor word. */
export interface Observation {
  /** Index of the descriptor word that holds the base address. */
  word: number;
  offset: number;
  length: number;
  /** The bytes are at the address in the 32-bit word at base + offset. */
  follow?: boolean;
}

/** Writes a script to memory. */
export class ScriptWriter {
  readonly #parts: Buffer[] = [];
  #part = Buffer.alloc(1 << 20);
  #used = 0;

  constructor(abiVersion: number, seed: number, build: string, verbs: readonly Verb[]) {
    this.#bytes(Buffer.from(SCRIPT_MAGIC, "latin1"));
    for (const word of [SCRIPT_VERSION, abiVersion, seed]) this.#u32(word);
    this.#text(build);
    this.#u8(verbs.length);
    for (const { name, argumentCount } of verbs) {
      this.#text(name);
      this.#u8(argumentCount);
    }
  }

  #room(size: number): void {
    if (this.#used + size <= this.#part.length) return;
    this.#parts.push(this.#part.subarray(0, this.#used));
    this.#part = Buffer.alloc(Math.max(1 << 20, size));
    this.#used = 0;
  }

  #u8(value: number): void {
    this.#room(1);
    this.#part[this.#used++] = value;
  }

  #u32(value: number): void {
    this.#room(4);
    this.#used = this.#part.writeUInt32LE(value >>> 0, this.#used);
  }

  #u64(value: bigint): void {
    this.#room(8);
    this.#used = this.#part.writeBigUInt64LE(value, this.#used);
  }

  #bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#part.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #text(text: string): void {
    this.#u8(text.length);
    this.#bytes(Buffer.from(text, "latin1"));
  }

  /** `verb`: index among the header's verbs. */
  call(verb: number, args: readonly number[], input: Uint8Array, result: number): void {
    this.#u8(verb + 1);
    for (const argument of args) this.#u32(argument);
    this.#u32(input.length);
    this.#bytes(input);
    this.#u32(result);
  }

  drain(): void {
    this.#u8(Entry.Drain);
  }

  observe({ word, offset, length, follow }: Observation): void {
    this.#u8(Entry.Observe);
    this.#u8(word);
    this.#u8(follow ? 1 : 0);
    this.#u32(offset);
    this.#u32(length);
  }

  mark(steps: number, snapshot: bigint, outputs: bigint): void {
    this.#u8(Entry.Mark);
    this.#u32(steps);
    this.#u64(snapshot);
    this.#u64(outputs);
  }

  /** Ends the script and returns all of it. */
  end(): Buffer {
    this.#u8(Entry.End);
    return Buffer.concat([...this.#parts, this.#part.subarray(0, this.#used)]);
  }
}

/** A script's header, and where its entries begin. */
export interface ScriptHeader {
  abiVersion: number;
  seed: number;
  build: string;
  verbs: Verb[];
  entriesAt: number;
}

/** Throws when the bytes are no script of this version. */
export function readHeader(script: Buffer): ScriptHeader {
  const magic = script.toString("latin1", 0, 8);
  const version = script.readUInt32LE(8);
  if (magic !== SCRIPT_MAGIC || version !== SCRIPT_VERSION) {
    throw new Error(`Not a script of version ${SCRIPT_VERSION}: ${magic} ${version}.`);
  }
  let at = 20;
  const text = (): string => {
    const length = script[at]!;
    at += 1 + length;
    return script.toString("latin1", at - length, at);
  };
  const build = text();
  const count = script[at++]!;
  const verbs = Array.from({ length: count }, () => {
    return { name: text(), argumentCount: script[at++]! };
  });
  const abiVersion = script.readUInt32LE(12);
  return { abiVersion, seed: script.readUInt32LE(16), build, verbs, entriesAt: at };
}
