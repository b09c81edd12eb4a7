// The compiled core, bare: its exports, its memory, and where in it everything lies. Tests that
// look inside use this; everything else uses host/core.ts.
import { readFileSync } from "node:fs";
import { Descriptor, OutputRecord, type OutputKind } from "../../../host/abi.js";

type Verb = (...args: number[]) => number;

/** What the core said, with its bytes copied. */
export interface Said {
  kind: OutputKind;
  account: number;
  source: number;
  packetType: number;
  requestId: number;
  bytes: Buffer;
  amount: bigint;
}

const EMPTY = Buffer.alloc(0);
const modules = new Map<string, WebAssembly.Module>();

/** A build's module, compiled once. */
export function load(profile: string): WebAssembly.Module {
  let module = modules.get(profile);
  if (!module) {
    const url = new URL(`../../../build/${profile}.wasm`, import.meta.url);
    module = new WebAssembly.Module(readFileSync(url));
    modules.set(profile, module);
  }
  return module;
}

/** Low and high word of a time or another number of up to 53 bits. */
export function halves(n: number): [number, number] {
  return [(n % 2 ** 32) | 0, Math.floor(n / 2 ** 32) | 0];
}

/** A module's exports. */
type Exports = Record<string, Verb> & { memory: WebAssembly.Memory };

export class Machine {
  readonly verbs: Record<string, Verb>;
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  readonly longs: BigUint64Array;
  readonly view: DataView;
  /** The descriptor's words. */
  readonly about: Uint32Array;
  readonly input: number;

  /** `running`: exports of a core that runs already, to look into; otherwise a new one. */
  constructor(
    readonly profile: string,
    seed = 1,
    running?: Record<string, unknown>,
  ) {
    const exports = (running ?? new WebAssembly.Instance(load(profile), {}).exports) as Exports;
    const buffer = exports.memory.buffer;
    this.verbs = exports;
    this.bytes = Buffer.from(buffer);
    this.words = new Uint32Array(buffer);
    this.longs = new BigUint64Array(buffer);
    this.view = new DataView(buffer);
    this.about = new Uint32Array(buffer, exports.describe!(), Descriptor.Count);
    this.input = this.about[Descriptor.InputAddress]!;
    if (!running) this.call("init", seed, 0);
  }

  get(word: Descriptor): number {
    return this.about[word]!;
  }

  call(verb: string, ...args: number[]): number {
    return this.verbs[verb]!(...args);
  }

  /** Puts bytes into the input; returns their number. */
  put(bytes: Uint8Array): number {
    this.bytes.set(bytes, this.input);
    return bytes.length;
  }

  u32(at: number): number {
    return this.words[at >> 2]!;
  }

  u64(at: number): bigint {
    return this.longs[at >> 3]!;
  }

  /** Signed 128-bit. */
  wide(at: number): bigint {
    return (BigInt.asIntN(64, this.longs[(at >> 3) + 1]!) << 64n) | this.longs[at >> 3]!;
  }

  /** Takes everything the core has to say. */
  drain(): Said[] {
    const said: Said[] = [];
    for (let o = this.verbs.poll!(); o !== 0; o = this.verbs.poll!()) {
      const at = this.u32(o + OutputRecord.address);
      const length = this.u32(o + OutputRecord.length);
      const first = this.u32(o);
      const second = this.u32(o + 4);
      said.push({
        kind: first & 0xffff,
        account: first >>> 16,
        source: second & 0xffff,
        packetType: second >>> 16,
        requestId: this.u32(o + OutputRecord.requestId),
        bytes: length ? Buffer.from(this.bytes.subarray(at, at + length)) : EMPTY,
        amount: this.u64(o + OutputRecord.amount),
      });
    }
    return said;
  }

  account(index: number): number {
    return this.about[Descriptor.AccountsAddress]! + index * this.about[Descriptor.AccountStride]!;
  }

  asset(index: number): number {
    return this.about[Descriptor.AssetsAddress]! + index * this.about[Descriptor.AssetStride]!;
  }

  meter(index: number): number {
    return this.about[Descriptor.MetersAddress]! + index * this.about[Descriptor.MeterStride]!;
  }

  flight(slot: number): number {
    return this.about[Descriptor.FlightsAddress]! + slot * this.about[Descriptor.FlightStride]!;
  }

  counter(index: number): number {
    return this.u32(this.about[Descriptor.CountersAddress]! + index * 8);
  }
}
