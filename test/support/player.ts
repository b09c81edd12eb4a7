// Records runs of the core to a script, and plays scripts in V8: every result, every output and
// every mark must be what was recorded. Players in C and other languages: boards/runtimes.
import { ABI_VERSION, Descriptor, OutputRecord } from "../../host/abi.js";
import { Entry, Fnv, ScriptWriter, readHeader } from "./script.js";
import type { Observation, ScriptHeader, Verb } from "./script.js";

type Call = (...args: number[]) => number;

/** An output as traffic needs it; its bytes are in the hash only. */
export interface Said {
  kind: number;
  account: number;
  packetType: number;
  requestId: number;
}

/** A bare instance of the core. */
export class Runtime {
  readonly exports: Record<string, Call>;
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly about: Uint32Array;
  readonly input: number;

  constructor(module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module, {});
    this.exports = exports as unknown as Record<string, Call>;
    this.memory = exports.memory as WebAssembly.Memory;
    this.bytes = new Uint8Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
    this.about = new Uint32Array(this.memory.buffer, this.exports.describe!(), Descriptor.Count);
    this.input = this.get(Descriptor.InputAddress);
  }

  get(word: Descriptor): number {
    return this.about[word]!;
  }

  counter(index: number): number {
    const at = this.get(Descriptor.CountersAddress) + index * 8;
    return Number(this.view.getBigUint64(at, true));
  }

  /** Hash of everything a snapshot holds. */
  hashSnapshot(): bigint {
    const from = this.get(Descriptor.SnapshotStart);
    return new Fnv().addSparse(this.bytes, from, this.get(Descriptor.SnapshotEnd)).value;
  }

  /** Polls until nothing is left. Of an output record everything but its address is hashed. */
  drain(hash: Fnv | undefined, said?: Said[]): void {
    const poll = this.exports.poll!;
    for (let o = poll(); o !== 0; o = poll()) {
      const { view } = this;
      if (hash) {
        const at = view.getUint32(o + OutputRecord.address, true);
        const length = view.getUint32(o + OutputRecord.length, true);
        hash.add(this.bytes, o, o + OutputRecord.address);
        hash.add(this.bytes, o + OutputRecord.length, o + OutputRecord.SIZE);
        hash.add(this.bytes, at, at + length);
      }
      said?.push({
        kind: view.getUint16(o + OutputRecord.kind, true),
        account: view.getUint16(o + OutputRecord.account, true),
        packetType: view.getUint16(o + OutputRecord.packetType, true),
        requestId: view.getUint32(o + OutputRecord.requestId, true),
      });
    }
  }

  observe({ word, offset, length, follow }: Observation, hash: Fnv): void {
    const base = this.about[word]! + offset;
    const at = follow ? this.view.getUint32(base, true) : base;
    hash.add(this.bytes, at, at + length);
  }

  /** A copy of the snapshot region. */
  snapshot(): Uint8Array {
    const from = this.get(Descriptor.SnapshotStart);
    return this.bytes.slice(from, this.get(Descriptor.SnapshotEnd));
  }

  restore(snapshot: Uint8Array): void {
    this.bytes.set(snapshot, this.get(Descriptor.SnapshotStart));
  }
}

/** The verbs of a module, from its exports: everything but `memory` and `poll`. */
export function listVerbs(runtime: Runtime): Verb[] {
  return Object.entries(runtime.exports)
    .filter(([name, value]) => typeof value === "function" && name !== "poll")
    .map(([name, value]) => ({ name, argumentCount: value.length }));
}

const NOTHING = new Uint8Array(0);

/** Drives a core and writes down what it did. */
export class Recorder {
  readonly verbs: Verb[];
  /** Calls made, by verb. */
  readonly calls = new Map<string, number>();
  marks = 0;
  steps = 0;
  readonly #numbers: Map<string, number>;
  readonly #writer: ScriptWriter;
  readonly #outputs = new Fnv();

  constructor(
    readonly runtime: Runtime,
    build: string,
    seed: number,
  ) {
    this.verbs = listVerbs(runtime);
    this.#numbers = new Map(this.verbs.map(({ name }, i) => [name, i]));
    this.#writer = new ScriptWriter(ABI_VERSION, seed, build, this.verbs);
  }

  has(verb: string): boolean {
    return this.#numbers.has(verb);
  }

  /** Calls a verb with `input` in the input buffer. Arguments that are missing are 0. */
  call(verb: string, args: readonly number[], input: Uint8Array = NOTHING): number {
    const number = this.#numbers.get(verb);
    if (number === undefined) throw new Error(`The core has no verb ${verb}.`);
    const { argumentCount } = this.verbs[number]!;
    const all = Array.from({ length: argumentCount }, (_, i) => args[i] ?? 0);
    this.runtime.bytes.set(input, this.runtime.input);
    const result = this.runtime.exports[verb]!(...all) | 0;
    this.#writer.call(number, all, input, result);
    this.calls.set(verb, (this.calls.get(verb) ?? 0) + 1);
    this.steps += 1;
    return result;
  }

  drain(): Said[] {
    const said: Said[] = [];
    this.#writer.drain();
    this.runtime.drain(this.#outputs, said);
    return said;
  }

  observe(observation: Observation): void {
    this.#writer.observe(observation);
    this.runtime.observe(observation, this.#outputs);
  }

  /** Outputs must be polled and records taken: at a mark, the snapshot is all there is. */
  mark(): void {
    this.marks += 1;
    this.#writer.mark(this.steps, this.runtime.hashSnapshot(), this.#outputs.value);
  }

  end(): Buffer {
    return this.#writer.end();
  }
}

/** Where two runs are no longer the same. */
export class Difference extends Error {}

/** Plays a script on a core, mark by mark. */
export class Player {
  readonly header: ScriptHeader;
  readonly #calls: Call[];
  readonly #counts: number[];
  readonly #view: DataView;
  #at: number;
  #outputs = new Fnv();
  marks = 0;
  steps = 0;

  /** `from`: another player, at a mark: this one goes on from there. */
  constructor(
    readonly script: Buffer,
    readonly runtime: Runtime,
    from?: Player,
  ) {
    this.header = readHeader(script);
    this.#view = new DataView(script.buffer, script.byteOffset, script.length);
    this.#at = from ? from.#at : this.header.entriesAt;
    if (from) {
      this.#outputs = from.#outputs.copy();
      this.marks = from.marks;
      this.steps = from.steps;
    }
    this.#calls = this.header.verbs.map(({ name }) => {
      const verb = runtime.exports[name];
      if (!verb) throw new Error(`The core has no verb ${name}: the script is of another version.`);
      return verb;
    });
    this.#counts = this.header.verbs.map((verb) => verb.argumentCount);
  }

  /** Hash of all that was drained and observed. */
  get outputs(): bigint {
    return this.#outputs.value;
  }

  /** Offset of the next entry in the script. */
  get at(): number {
    return this.#at;
  }

  #u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  #call(verb: number): void {
    const view = this.#view;
    const count = this.#counts[verb]!;
    const at = this.#at;
    const length = view.getUint32(at + count * 4, true);
    const from = at + count * 4 + 4;
    this.#at = from + length + 4;
    this.runtime.bytes.set(this.script.subarray(from, from + length), this.runtime.input);
    const argument = (i: number): number => (i < count ? view.getInt32(at + i * 4, true) : 0);
    const call = this.#calls[verb]!;
    this.steps += 1;
    // A verb ignores arguments it does not have.
    const result =
      call(argument(0), argument(1), argument(2), argument(3), argument(4), argument(5)) | 0;
    const recorded = view.getInt32(from + length, true);
    if (result === recorded) return;
    const { name } = this.header.verbs[verb]!;
    const args = Array.from({ length: count }, (_, i) => argument(i)).join(", ");
    throw new Difference(
      `step ${this.steps}: ${name}(${args}) returned ${result}, recorded ${recorded}`,
    );
  }

  #observe(hash: Fnv | undefined): void {
    const word = this.#view.getUint8(this.#at);
    const follow = this.#view.getUint8(this.#at + 1) === 1;
    this.#at += 2;
    const offset = this.#u32();
    const length = this.#u32();
    if (hash) this.runtime.observe({ word, offset, length, follow }, hash);
  }

  #mark(hashed: boolean): void {
    const steps = this.#u32();
    const snapshot = this.#view.getBigUint64(this.#at, true);
    const outputs = this.#view.getBigUint64(this.#at + 8, true);
    this.#at += 16;
    this.marks += 1;
    if (steps !== this.steps) throw new Error(`The script miscounts its steps: ${steps}.`);
    if (!hashed) return;
    const at = `mark ${this.marks}, step ${steps}`;
    if (outputs !== this.#outputs.value) throw new Difference(`${at}: other outputs`);
    if (snapshot !== this.runtime.hashSnapshot()) throw new Difference(`${at}: other snapshot`);
  }

  /**
   * Plays up to and including the next mark. Throws a Difference at the first call or mark that is
   * not as recorded. `hashed`: false only calls, to measure.
   * @returns false when the script has ended.
   */
  next(hashed = true): boolean {
    const hash = hashed ? this.#outputs : undefined;
    for (let entry = this.script[this.#at++]!; ; entry = this.script[this.#at++]!) {
      if (entry === Entry.End) return false;
      if (entry === Entry.Mark) {
        this.#mark(hashed);
        return true;
      }
      if (entry === Entry.Drain) this.runtime.drain(hash);
      else if (entry === Entry.Observe) this.#observe(hash);
      else this.#call(entry - 1);
    }
  }

  /** Plays to the end, or to mark `last`. */
  play(hashed = true, last = Infinity): this {
    while (this.marks < last && this.next(hashed));
    return this;
  }
}
