// Replays a recorded script (../README.md) on the core, in any JavaScript that has WebAssembly:
// Node, Deno, Bun, a page. `play` compares every result, output and mark; `measure` is for figures.
import { ABI_MAGIC, ABI_VERSION, Descriptor, OutputRecord } from "../../../build/host/abi.js";

const END = 0;
const OBSERVE = 0xfd;
const DRAIN = 0xfe;
const MARK = 0xff;
const PRIME = 0x100000001b3n;
const U64 = (1n << 64n) - 1n;
/** Zero words that are hashed like any others: one multiplication of a BigInt costs more. */
const SHORT_RUN = 256;

/** The run is not as recorded. */
export class Difference extends Error {}

function power(base, exponent) {
  let result = 1n;
  for (let e = exponent, b = base; e > 0; e >>>= 1, b = (b * b) & U64) {
    if (e & 1) result = (result * b) & U64;
  }
  return result;
}

/** FNV-1a of 64 bits, in halves: a BigInt for each byte would take minutes. */
class Fnv {
  #hi = 0xcbf29ce4 | 0;
  #lo = 0x84222325 | 0;

  get value() {
    return (BigInt(this.#hi >>> 0) << 32n) | BigInt(this.#lo >>> 0);
  }

  add(bytes, from, to) {
    let hi = this.#hi;
    let lo = this.#lo;
    for (let i = from; i < to; i++) {
      lo ^= bytes[i];
      const low = (lo & 0xffff) * 435; // the prime is 2^40 + 435
      const high = (lo >>> 16) * 435 + (low >>> 16);
      hi = (Math.imul(hi, 435) + (high >>> 16) + (lo << 8)) | 0;
      lo = (high << 16) | (low & 0xffff);
    }
    this.#hi = hi;
    this.#lo = lo;
  }

  /** The same for a snapshot, most of which is zero: n zeros multiply by prime^n. */
  addSparse(bytes, from, to) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    const end = to >> 2;
    let start = from >> 2;
    for (let i = start; i < end;) {
      let zeros = i;
      while (zeros < end && words[zeros] === 0) zeros++;
      if (zeros - i > SHORT_RUN) {
        this.add(bytes, start * 4, i * 4);
        const value = (this.value * power(PRIME, (zeros - i) * 4)) & U64;
        this.#hi = Number(value >> 32n) | 0;
        this.#lo = Number(value & 0xffffffffn) | 0;
        start = zeros;
      }
      i = zeros + 1;
    }
    this.add(bytes, start * 4, to);
  }
}

/** A script on a core, entry by entry. `hashed`: false compares results only. */
class Player {
  steps = 0;
  marks = 0;
  snapshot = 0n;
  outputs = new Fnv();
  hashed = true;
  #at = 0;

  constructor(module, script) {
    const { exports } = new WebAssembly.Instance(module, {});
    this.exports = exports;
    this.bytes = new Uint8Array(exports.memory.buffer);
    this.view = new DataView(exports.memory.buffer);
    this.about = new Uint32Array(exports.memory.buffer, exports.describe(), Descriptor.Count);
    if (this.about[Descriptor.Magic] !== ABI_MAGIC) throw new Error("This is not a Ferrule core.");
    this.input = this.about[Descriptor.InputAddress];
    this.script = script;
    this.words = new DataView(script.buffer, script.byteOffset, script.length);
    this.#bind();
    this.entriesAt = this.#at;
  }

  #text() {
    const length = this.script[this.#at++];
    this.#at += length;
    return String.fromCharCode(...this.script.subarray(this.#at - length, this.#at));
  }

  #bind() {
    const magic = String.fromCharCode(...this.script.subarray(0, 8));
    const versions = [this.words.getUint32(8, true), this.words.getUint32(12, true)];
    if (magic !== "FRRLCALL" || versions[0] !== 1 || versions[1] !== ABI_VERSION) {
      throw new Error(`Not a script of this version: ${magic} ${versions}.`);
    }
    this.#at = 20;
    this.#text();
    this.verbs = Array.from({ length: this.script[this.#at++] }, () => {
      const name = this.#text();
      const call = this.exports[name];
      if (!call) throw new Error(`The core has no verb ${name}.`);
      return { name, call, count: this.script[this.#at++] };
    });
  }

  rewind() {
    this.#at = this.entriesAt;
    this.steps = 0;
  }

  #u32() {
    this.#at += 4;
    return this.words.getUint32(this.#at - 4, true);
  }

  #u64() {
    this.#at += 8;
    return this.words.getBigUint64(this.#at - 8, true);
  }

  #call({ name, call, count }) {
    const { words } = this;
    const at = this.#at;
    const length = words.getUint32(at + count * 4, true);
    const from = at + count * 4 + 4;
    this.#at = from + length + 4;
    this.bytes.set(this.script.subarray(from, from + length), this.input);
    const argument = (i) => (i < count ? words.getInt32(at + i * 4, true) : 0);
    this.steps += 1;
    const result =
      call(argument(0), argument(1), argument(2), argument(3), argument(4), argument(5)) | 0;
    const recorded = words.getInt32(from + length, true);
    if (result === recorded) return;
    const args = Array.from({ length: count }, (_, i) => argument(i)).join(", ");
    throw new Difference(
      `step ${this.steps}: ${name}(${args}) returned ${result}, recorded ${recorded}`,
    );
  }

  #drain() {
    const { poll } = this.exports;
    for (let o = poll(); o !== 0; o = poll()) {
      if (!this.hashed) continue;
      const at = this.view.getUint32(o + OutputRecord.address, true);
      const length = this.view.getUint32(o + OutputRecord.length, true);
      this.outputs.add(this.bytes, o, o + OutputRecord.address);
      this.outputs.add(this.bytes, o + OutputRecord.length, o + OutputRecord.SIZE);
      this.outputs.add(this.bytes, at, at + length);
    }
  }

  #observe() {
    const word = this.script[this.#at++];
    const follow = this.script[this.#at++] === 1;
    let at = this.about[word] + this.#u32();
    const length = this.#u32();
    if (follow) at = this.view.getUint32(at, true);
    if (this.hashed) this.outputs.add(this.bytes, at, at + length);
  }

  #mark() {
    const steps = this.#u32();
    const snapshot = this.#u64();
    const outputs = this.#u64();
    this.marks += 1;
    if (!this.hashed) return;
    const { about } = this;
    const hash = new Fnv();
    hash.addSparse(this.bytes, about[Descriptor.SnapshotStart], about[Descriptor.SnapshotEnd]);
    this.snapshot = hash.value;
    const at = `mark ${this.marks}, step ${this.steps}: other`;
    if (steps !== this.steps) throw new Difference(`${at} steps`);
    if (outputs !== this.outputs.value) throw new Difference(`${at} outputs`);
    if (snapshot !== this.snapshot) throw new Difference(`${at} snapshot`);
  }

  /** Plays to the next mark. Returns false when the script has ended. */
  next() {
    for (let entry = this.script[this.#at++]; entry !== END; entry = this.script[this.#at++]) {
      if (entry === MARK) {
        this.#mark();
        return true;
      }
      if (entry === DRAIN) this.#drain();
      else if (entry === OBSERVE) this.#observe();
      else this.#call(this.verbs[entry - 1]);
    }
    return false;
  }
}

const hex = (value) => value.toString(16).padStart(16, "0");

/** Plays to the first mark at or behind step `last`. Throws a Difference. */
export function play(module, script, last = Infinity) {
  const from = performance.now();
  const player = new Player(module, script);
  while (player.steps < last && player.next());
  const { steps, marks, snapshot, outputs } = player;
  const ms = performance.now() - from;
  return { steps, marks, snapshot: hex(snapshot), outputs: hex(outputs.value), ms };
}

/** Nanoseconds that a step takes behind the first mark: the best of a second's turns. */
export function measure(module, script) {
  const player = new Player(module, script);
  player.hashed = false;
  let best = Infinity;
  for (let all = 0; all < 1000;) {
    player.rewind();
    if (!player.next()) throw new Error("The script has no mark.");
    const first = player.steps;
    const from = performance.now();
    while (player.next());
    const ms = performance.now() - from;
    all += ms;
    best = Math.min(best, (ms * 1e6) / (player.steps - first));
  }
  return { nsPerStep: best };
}
