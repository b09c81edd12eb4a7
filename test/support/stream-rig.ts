// A core whose accounts hang on links of chosen kinds, fed as a host feeds it: bytes in chunks,
// tails kept as they lie in the input. What comes out is checked on the way (no output overlaps
// another or the tail, all of it within the arena or the bytes consumed) and brought into one form,
// so that cores whose links differ can be compared.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  AccountRecord,
  BatchItemRecord,
  Counter,
  Descriptor,
  OutputKind,
  OutputRecord,
  RecordRecord,
  StateRecord,
} from "../../host/abi.js";
import { Core, LinkKind, Relation, Status, type AccountOptions } from "../../host/core.js";
import { Machine } from "./model/machine.js";
import { decodeFrame } from "./reference/btp.js";
import { WsReader, readSerialFrame } from "./stream-wire.js";

const HEADROOM = 64;
const SLACK = 64;
const STREAM_STRIDE = 16;
/** Offset in the channel's record. */
const ARENA_USED = 8;
export const WALL_MS = Date.UTC(2026, 10, 23, 12);
export const ACCOUNTS = 4;
export const ITEM_REQUEST = 1;
export const ITEM_REPLY = 2;

export const isWebSocket = (kind: LinkKind): boolean =>
  kind === LinkKind.WsServer || kind === LinkKind.WsClient;
export const isStream = (kind: LinkKind): boolean => isWebSocket(kind) || kind === LinkKind.Serial;

/** An output, whatever the framing it left in. */
export interface Said {
  what: string;
  account: number;
  source: number;
  packetType: number;
  /** Request id, or the code of a Close. */
  id: number;
  /** The packet, or what else was carried. */
  bytes: Buffer;
  amount: bigint;
}

/** Where the bytes of one output lie. */
export interface Range {
  from: number;
  to: number;
}

/** Says which two ranges share bytes, or which lies outside all of `within`. */
export function misplaced(ranges: readonly Range[], within: readonly Range[]): string | undefined {
  const sorted = [...ranges].sort((a, b) => a.from - b.from);
  for (const [i, range] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next && next.from < range.to)
      return `[${range.from}, ${range.to}) and ${next.from} overlap`;
    if (!within.some(({ from, to }) => range.from >= from && range.to <= to)) {
      return `[${range.from}, ${range.to}) is not where outputs may be`;
    }
  }
  return undefined;
}

const modules = new Map<string, WebAssembly.Module>();

function moduleOf(profile: string): WebAssembly.Module {
  let module = modules.get(profile);
  if (!module) {
    const url = new URL(`../../build/${profile}.wasm`, import.meta.url);
    module = new WebAssembly.Module(new Uint8Array(readFileSync(url)));
    modules.set(profile, module);
  }
  return module;
}

/** A core seen as the invariants see one: its memory and where in it everything lies. */
function machineOf(core: Core, profile: string): Machine {
  const { buffer } = core.bytes;
  const exports = core.exports as unknown as Machine["verbs"];
  const about = new Uint32Array(buffer as ArrayBuffer, exports.describe!(), Descriptor.Count);
  const fields = {
    profile,
    about,
    verbs: exports,
    bytes: Buffer.from(buffer as ArrayBuffer),
    words: new Uint32Array(buffer),
    longs: new BigUint64Array(buffer),
    view: new DataView(buffer),
    input: about[Descriptor.InputAddress]!,
  };
  return Object.assign(Object.create(Machine.prototype) as Machine, fields);
}

/** A packet for a raw link. */
export interface Item {
  kind: number;
  id: number;
  packet: Buffer;
}

const pad8 = (n: number): number => (n + 7) & ~7;

/** Items as `batch` takes them; what a BatchItem leaves room for is filled with noise. */
export function layOut(items: readonly Item[]): Buffer {
  return Buffer.concat(
    items.map(({ kind, id, packet }) => {
      const bytes = Buffer.alloc(BatchItemRecord.SIZE + pad8(packet.length), 0xee);
      bytes.writeUInt32LE(kind, BatchItemRecord.kind);
      bytes.writeUInt32LE(id >>> 0, BatchItemRecord.requestId);
      bytes.writeUInt32LE(packet.length, BatchItemRecord.length);
      packet.copy(bytes, BatchItemRecord.SIZE);
      return bytes;
    }),
  );
}

export interface RigOptions {
  accounts?: Partial<AccountOptions>[];
  ownAddress?: string;
  trail?: boolean;
}

/** Account 0 is the node itself; test.a, test.b and test.c lead to 1, 2 and 3. */
export class Rig {
  readonly core: Core;
  readonly machine: Machine;
  nowMs = 1000;
  /** What the latest `stream` left, per account. */
  readonly tails: Buffer[] = [];
  readonly needed: number[] = [];
  /** Records taken so far. */
  readonly records: Buffer[] = [];
  /** Counts calls of `stream` and `batch`, and those that left something for another. */
  calls = 0;
  partial = 0;
  readonly #readers: WsReader[] = [];

  constructor(
    readonly profile: string,
    readonly kinds: LinkKind[],
    options: RigOptions = {},
  ) {
    this.core = new Core(moduleOf(profile), Buffer.from("ferrule!"));
    this.machine = machineOf(this.core, profile);
    const { core } = this;
    core.setAsset(0, "XRP", 9);
    core.setAsset(1, "USD", 2);
    core.setRate(0, 0, 1n, 1n, 0);
    core.setRate(1, 1, 1n, 1n, 0);
    core.setRate(0, 1, 3n, 2n, 1_000_000);
    core.setRate(1, 0, 2n, 3n, 1_000_000);
    for (let i = 0; i < ACCOUNTS; i++) {
      const relation = i === 0 ? Relation.Local : i === 3 ? Relation.Child : Relation.Peer;
      const name = ["local", "alice", "bob", "carol"][i]!;
      const segment = i === 3 ? "carol" : "";
      core.setAccount(i, { name, segment, relation, asset: 0, ...options.accounts?.[i] });
      this.linkUp(i);
    }
    core.setAddress(options.ownAddress ?? "test.n");
    for (const [i, letter] of ["a", "b", "c"].entries()) core.setRoute(`test.${letter}`, i + 1);
    core.clock(this.nowMs, WALL_MS + this.nowMs);
    if (options.trail) core.setMode(4);
  }

  linkUp(account: number): void {
    const kind = this.kinds[account]!;
    this.core.linkUp(account, kind);
    this.tails[account] = Buffer.alloc(0);
    this.needed[account] = 1;
    this.#readers[account] = new WsReader(kind === LinkKind.WsServer);
  }

  linkDown(account: number): void {
    this.core.linkDown(account);
  }

  /** More bytes of an account's stream. `impatient`: calls before the core needs it to. */
  feed(account: number, bytes: Uint8Array, impatient = false): Said[] {
    const said: Said[] = [];
    let at = 0;
    do {
      const room = this.core.input.length - this.tails[account]!.length;
      const chunk = bytes.subarray(at, at + room);
      at += chunk.length;
      this.tails[account] = Buffer.concat([this.tails[account]!, chunk]);
      said.push(...this.#read(account, impatient));
    } while (at < bytes.length);
    return said;
  }

  #read(account: number, impatient: boolean): Said[] {
    const said: Said[] = [];
    for (;;) {
      const tail = this.tails[account]!;
      const early = tail.length < this.needed[account]!;
      if (early && !impatient) return said;
      this.core.input.set(tail);
      const n = this.core.stream(account, tail.length, this.nowMs);
      if (n === Status.Undrained) {
        this.takeRecords();
        continue;
      }
      assert.ok(n >= 0, `stream: ${n}`);
      this.calls += 1;
      const outputs = this.drain(n);
      said.push(...outputs);
      this.tails[account] = this.keep(account, tail, n);
      this.needed[account] = this.core.streamNeeded();
      if (early) assert.deepEqual([n, outputs], [0, []], "nothing before `streamNeeded` bytes");
      if (this.needed[account]) {
        assert.ok(this.needed[account]! > this.tails[account]!.length, "needs more than it has");
        return said;
      }
      assert.ok(n > 0, "a call without progress asks for another");
      if (this.tails[account]!.length === 0) return said;
      this.partial += 1;
    }
  }

  /** The tail as it lies in the input, checked against what was handed over. */
  keep(account: number, given: Buffer, consumed: number): Buffer {
    const tail = Buffer.from(this.core.input.subarray(consumed, given.length));
    const unread = tail.subarray(Math.min(this.held(account), tail.length));
    const same = unread.equals(given.subarray(given.length - unread.length));
    assert.ok(same, "bytes not yet read were changed");
    return tail;
  }

  /** Bytes of joined fragments at the start of an account's tail. */
  held(account: number): number {
    return this.machine.u32(this.streams + account * STREAM_STRIDE + 4);
  }

  /** Address of the streams' state, which lies behind the meters. */
  get streams(): number {
    const { machine } = this;
    return (
      machine.get(Descriptor.MetersAddress) +
      machine.get(Descriptor.Accounts) * machine.get(Descriptor.MeterStride)
    );
  }

  /** One BTP frame through `frame`. */
  frame(account: number, bytes: Uint8Array): [Status, Said[]] {
    this.core.input.set(bytes);
    const call = (): number => this.core.frame(account, bytes.length, this.nowMs);
    const status = this.#withRecords(call);
    return [status, this.drain(bytes.length)];
  }

  /** Packets of a raw link through `request` and `reply`. */
  oneByOne(account: number, items: readonly Item[]): Said[] {
    return items.flatMap(({ kind, id, packet }) => {
      this.core.input.set(packet);
      const verb = kind === ITEM_REQUEST ? "request" : "reply";
      this.#withRecords(() => this.core[verb](account, id, packet.length, this.nowMs));
      return this.drain(packet.length);
    });
  }

  /** The same through `batch`. */
  batch(account: number, items: readonly Item[]): Said[] {
    const said: Said[] = [];
    let rest = layOut(items);
    while (rest.length) {
      const length = Math.min(rest.length, this.core.input.length);
      this.core.input.set(rest.subarray(0, length));
      const n = this.#withRecords(() => this.core.batch(account, length, this.nowMs));
      assert.ok(n > 0 && n <= length, `batch: ${n}`);
      this.calls += 1;
      if (n < length) this.partial += 1;
      said.push(...this.drain(n));
      const unread = this.core.input.subarray(n, length);
      assert.ok(rest.subarray(n, length).equals(unread), "items not yet read were changed");
      rest = rest.subarray(n);
    }
    return said;
  }

  #withRecords(call: () => number): number {
    const status = call();
    if (status !== Status.Undrained) return status;
    this.takeRecords();
    return call();
  }

  takeRecords(): void {
    const n = this.machine.call("takeRecords");
    const at = this.machine.get(Descriptor.RecordsAddress);
    const { bytes } = this.machine;
    this.records.push(Buffer.from(bytes.subarray(at, at + n * RecordRecord.SIZE)));
  }

  tick(): Said[] {
    const said: Said[] = [];
    for (;;) {
      const more = this.#withRecords(() => this.core.tick(this.nowMs));
      const outputs = this.drain(0);
      said.push(...outputs);
      if (more !== 1) return said;
      if (outputs.length === 0) this.takeRecords();
    }
  }

  /** Everything the core has to say. `consumed`: input bytes that outputs may lie in. */
  drain(consumed: number): Said[] {
    const { machine } = this;
    const said: Said[] = [];
    const ranges: Range[] = [];
    for (let o = machine.call("poll"); o !== 0; o = machine.call("poll")) {
      const from = machine.u32(o + OutputRecord.address);
      const length = machine.u32(o + OutputRecord.length);
      if (length) ranges.push({ from, to: from + length });
      const bytes = Buffer.from(machine.bytes.subarray(from, from + length));
      said.push(this.#readOutput(o, bytes));
    }
    const places = this.#places(consumed);
    const wrong = misplaced(ranges, places);
    assert.equal(wrong, undefined, wrong);
    const [arena] = places;
    // The channel's record follows the snapshot.
    const used = machine.u32(machine.get(Descriptor.SnapshotEnd) + ARENA_USED);
    assert.ok(used <= arena!.to - arena!.from, `${used} bytes of the arena are used`);
    assert.ok(
      said.length <= machine.get(Descriptor.Outputs),
      "more outputs than there is room for",
    );
    return said;
  }

  #places(consumed: number): Range[] {
    const { machine } = this;
    const { input } = machine;
    const outputs = machine.get(Descriptor.Outputs) * OutputRecord.SIZE;
    const arena = machine.get(Descriptor.OutputsAddress) + outputs;
    return [
      { from: arena, to: input - HEADROOM - SLACK },
      { from: input - HEADROOM, to: input + consumed },
    ];
  }

  #readOutput(o: number, bytes: Buffer): Said {
    const { machine } = this;
    const kind: OutputKind = machine.u32(o) & 0xffff;
    const said = {
      what: OutputKind[kind]!,
      account: machine.u32(o) >>> 16,
      source: machine.u32(o + 4) & 0xffff,
      packetType: machine.u32(o + 4) >>> 16,
      id: machine.u32(o + OutputRecord.requestId),
      bytes,
      amount: machine.u64(o + OutputRecord.amount),
    };
    return kind === OutputKind.Frame ? this.#unframe(said) : said;
  }

  /** Takes the framing off, and checks that it is what the record says. */
  #unframe(said: Said): Said {
    const kind = this.kinds[said.account]!;
    if (kind === LinkKind.Serial) {
      const frame = readSerialFrame(said.bytes);
      assert.ok(frame, "the core wrote a serial frame that is none");
      assert.equal(frame.requestId, said.id);
      const what = ["", "Request", "Reply"][frame.kind]!;
      return { ...said, what, bytes: frame.payload };
    }
    if (kind === LinkKind.Btp) return readBtp(said, said.bytes);
    const message = this.#readers[said.account]!.read(said.bytes);
    if (message.kind === "binary") return readBtp(said, message.data);
    return { ...said, what: `ws ${message.kind}`, id: message.code, bytes: message.data };
  }

  /** Memory that a snapshot holds. */
  get snapshot(): Buffer {
    const { machine } = this;
    const start = machine.get(Descriptor.SnapshotStart);
    return machine.bytes.subarray(start, machine.get(Descriptor.SnapshotEnd));
  }
}

function readBtp(said: Said, bytes: Buffer): Said {
  const frame = decodeFrame(bytes);
  assert.equal(frame.size, bytes.length);
  assert.equal(frame.requestId, said.id);
  const packet = frame.protocols[0]?.data;
  const what = frame.type === 6 ? "Request" : frame.type === 1 ? "Reply" : "Error";
  return { ...said, what, bytes: packet && what !== "Error" ? packet : bytes };
}

/** How two cores may differ, besides how full their outputs ever were. */
export interface Differences {
  /**
   * Links are of other kinds: the kind, the state of streams, the mask keys drawn, and when bytes
   * last came that were no whole frame.
   */
  links?: boolean;
  badFrames?: boolean;
}

/** Where the snapshots of two cores differ, as an offset from their start; -1 if nowhere. */
export function difference(a: Rig, b: Rig, allowed: Differences = {}): number {
  const { machine } = a;
  const start = machine.get(Descriptor.SnapshotStart);
  const counters = machine.get(Descriptor.CountersAddress) - start;
  const skips: Range[] = [];
  const skip = (from: number, length: number): void => void skips.push({ from, to: from + length });
  skip(counters + 8 * Counter.OutputsMax, 8);
  if (allowed.badFrames) skip(counters + 8 * Counter.BadFrames, 8);
  if (allowed.links) {
    const state = machine.get(Descriptor.StateAddress) - start;
    skip(state + StateRecord.maskKeys, 8);
    skip(state + StateRecord.maskPool0, 32);
    skip(state + StateRecord.nowMs, 8);
    skip(a.streams - start, machine.get(Descriptor.Accounts) * STREAM_STRIDE);
    for (let i = 0; i < ACCOUNTS; i++) {
      skip(machine.account(i) - start + AccountRecord.linkKind, 1);
    }
  }
  let from = 0;
  const end = a.snapshot.length;
  for (const next of [...skips.sort((x, y) => x.from - y.from), { from: end, to: end }]) {
    const left = a.snapshot.subarray(from, next.from);
    const right = b.snapshot.subarray(from, next.from);
    if (!left.equals(right)) return from + left.findIndex((byte, i) => byte !== right[i]);
    from = next.to;
  }
  return -1;
}
