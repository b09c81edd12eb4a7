// The core, for hosts: instantiates the WebAssembly module, makes typed views on its memory once
// (memory never grows) and gives its verbs names and types. No Node imports: works in browsers and
// workers. It decides nothing; every number it passes on comes from the core or goes to it.
import { instantiateSync } from "@assemblyscript/loader";
import type { ClaimSide, Counter, LinkKind, Relation } from "./abi.js";
import { Slab } from "./slab.js";
import {
  ABI_MAGIC,
  ABI_VERSION,
  AccountFlag,
  AccountRecord,
  AccountSettingsRecord,
  AssetRecord,
  AssetSettingsRecord,
  Descriptor,
  EventRecord,
  FlightRecord,
  FlightState,
  FrameViewRecord,
  MeterRecord,
  OutputKind,
  OutputRecord,
  PacketViewRecord,
  PolicySettingsRecord,
  RateSettingsRecord,
  Rule,
  StateRecord,
  Status,
  VerdictRecord,
} from "./abi.js";

export {
  AccountFlag,
  ClaimSide,
  Counter,
  LinkKind,
  OutputKind,
  Relation,
  Rule,
  Status,
} from "./abi.js";
export { writeFulfill, writePrepare, writeReject } from "./packet.js";

/** The node's own account: packets for this node come out on it, packets of its own go in on it. */
export const LOCAL_ACCOUNT = 0;
/** The high word of a time is `ms / WORD`, the low one `ms | 0`. */
const WORD = 0x100000000;
const U64_MAX = (1n << 64n) - 1n;
/** Largest balance limit: stands for "unlimited". */
const LIMIT_MAX = (1n << 120n) - 1n;

interface CoreExports {
  memory: WebAssembly.Memory;
  init(seedLo: number, seedHi: number): number;
  describe(): number;
  frame(account: number, length: number, nowLo: number, nowHi: number): number;
  stream(account: number, length: number, nowLo: number, nowHi: number): number;
  streamNeeded(): number;
  batch(account: number, length: number, nowLo: number, nowHi: number): number;
  request(account: number, id: number, length: number, nowLo: number, nowHi: number): number;
  reply(account: number, id: number, length: number, nowLo: number, nowHi: number): number;
  fail(account: number, id: number, code: number, nowLo: number, nowHi: number): number;
  direct(account: number, id: number, length: number, nowLo: number, nowHi: number): number;
  tick(nowLo: number, nowHi: number): number;
  deadline(nowLo: number, nowHi: number): number;
  clock(nowLo: number, nowHi: number, wallLo: number, wallHi: number): number;
  poll(): number;
  explain(account: number, length: number): number;
  inspectPacket(length: number): number;
  inspectFrame(length: number): number;
  commit(): number;
  durable(): number;
  takeRecords(): number;
  replay(count: number): number;
  setAsset(asset: number): number;
  setAccount(account: number): number;
  closeAccount(account: number): number;
  setRateOf(from: number, to: number): number;
  setRoute(length: number, account: number): number;
  deleteRoute(length: number): number;
  setDefaultRoute(account: number): number;
  setAddress(length: number): number;
  setPolicy(): number;
  setMode(set: number, clear: number): number;
  setFlags(account: number, set: number, clear: number): number;
  linkUp(account: number, kind: number): number;
  linkDown(account: number): number;
  bookSettlement(account: number, paid: number): number;
  postClaim(account: number, side: number): number;
  voidClaim(account: number, side: number): number;
}

/** A refusal of the core, as an error a caller can read. Hot-path verbs return a Status instead. */
export class CoreError extends Error {
  readonly status: Status;
  constructor(verb: string, status: Status) {
    super(`The core refused ${verb}: ${Status[status] ?? status}.`);
    this.name = "CoreError";
    this.status = status;
  }
}

/** Receives what the core has to say. Bytes at `address` are valid only during the call. */
export interface Sink {
  /**
   * Write these bytes to a framed link as they are. `packetType`: 12, 13 or 14, 0 when it is no
   * packet; `id`: the core's request id of a Prepare.
   */
  frame(account: number, address: number, length: number, packetType: number, id: number): void;
  /** Carry this Prepare on a raw link; answer with `reply` or `fail` and the same request id. */
  request(account: number, source: number, id: number, address: number, length: number): void;
  /** This Fulfill or Reject answers the `request` that was made with this id. */
  reply(account: number, id: number, address: number, length: number): void;
  settlementDue(account: number, amount: bigint): void;
  /**
   * A genuine Fulfill that came too late: evidence of a possible claim. Its packet is at `address`;
   * `flight(id)` still knows what it answers.
   */
  lateFulfill(
    account: number,
    source: number,
    id: number,
    amount: bigint,
    address: number,
    length: number,
  ): void;
  /** A Fulfill to nothing in flight, from an account with claims that it may prove. */
  unsolicited?(account: number, address: number, length: number): void;
  /** A stream is over or broken: close its link once what was said before is written. */
  close?(account: number, code: number): void;
}

/** What an account is; null means unlimited. Amounts are in the account's base units. */
export interface AccountOptions {
  name: string;
  /** Address segment of a child; needed for it to be told its address. */
  segment?: string;
  relation: Relation;
  asset: number;
  balanceMinimum?: bigint | null;
  balanceMaximum?: bigint | null;
  settleThreshold?: bigint | null;
  settleTo?: bigint;
  packetMaxIn?: bigint | null;
  packetMaxOut?: bigint | null;
  /** Cap on the value in flight in one direction. */
  pendingMax?: bigint | null;
  /** Cap on the incoming value a power cut could lose: `atRisk`, and what is in flight from it. */
  riskMax?: bigint | null;
  throughputIn?: bigint | null;
  throughputOut?: bigint | null;
  throughputPeriodMs?: number;
  /** Packets per period; 0 means no limit. */
  rateCount?: number;
  ratePeriodMs?: number;
  rateCapacity?: number;
  /** Cap on packets in flight in each direction. */
  flightsMax?: number;
  frozen?: boolean;
  /** May route back to itself. */
  reflect?: boolean;
}

/** An account as it stands. Positive balance: its owner owes this node. */
export interface AccountState {
  flags: number;
  relation: Relation;
  linkKind: LinkKind;
  asset: number;
  balance: bigint;
  debits: bigint;
  credits: bigint;
  /** What is on hold, possible claims included. */
  debitsPending: bigint;
  creditsPending: bigint;
  /** Possible claims: on hold in an earlier life, outcome unknown. */
  claimDebits: bigint;
  claimCredits: bigint;
  /** Incoming amount posted since the last durable commit: a power cut would lose it. */
  atRisk: bigint;
  flightsIn: number;
  flightsOut: number;
}

/** Sums of an asset's own accounts; with all accounts of the asset they add up to zero. */
export interface AssetState {
  incomeDebits: bigint;
  incomeCredits: bigint;
  settledDebits: bigint;
  settledCredits: bigint;
  incomeDebitsPending: bigint;
  incomeCreditsPending: bigint;
}

/** Per-account packet counters. */
export interface MeterState {
  inFulfilled: bigint;
  inRejected: bigint;
  outFulfilled: bigint;
  outRejected: bigint;
  outExpired: bigint;
  outWrong: bigint;
  rateLimited: bigint;
}

/** A packet in flight, or one that has ended. */
export interface Flight {
  isHeld: boolean;
  amountIn: bigint;
  amountOut: bigint;
  /** On the core's monotonic clock. */
  deadlineMs: number;
  condition: Uint8Array;
}

/** What `explain` found. */
export interface Verdict {
  forwarded: boolean;
  rule: string;
  /** Reject code, empty when forwarded. */
  code: string;
  message: string;
  next: number | null;
  amountIn: bigint;
  amountOut: bigint;
  expiresAtMs: number;
  limit: bigint;
  value: bigint;
  maximum: bigint;
}

/** One entry of the event ring. */
export interface CoreEvent {
  sequence: bigint;
  timeMs: number;
  rule: string;
  account: number;
  next: number | null;
  code: string;
  amount: bigint;
  limit: bigint;
  value: bigint;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Reject code from its three bytes in memory order. */
export function codeText(code: number): string {
  if (!code) return "";
  return String.fromCharCode(code & 0xff, (code >> 8) & 0xff, (code >> 16) & 0xff);
}

/** Three bytes in memory order from a reject code such as "T00". */
export function codeWord(code: string): number {
  return code.charCodeAt(0) | (code.charCodeAt(1) << 8) | (code.charCodeAt(2) << 16);
}

/** A running core. One mutation, then `drain`, as often as there is input. */
export class Core {
  /** All of the core's memory. */
  readonly bytes: Uint8Array;
  /** Where input is written: `core.input.set(packet)`, then a verb with its length. */
  readonly input: Uint8Array;
  readonly accountsMax: number;
  readonly assetsMax: number;
  readonly packetMax: number;
  readonly holdMaxMs: number;
  readonly flightsMax: number;
  readonly nameMax: number;
  /** The raw ABI, for embedders that drive it themselves. */
  readonly exports: Record<string, unknown>;
  readonly #words: Uint32Array;
  readonly #halves: Uint16Array;
  readonly #view: DataView;
  /** Capacities, strides and addresses: constants of the build. */
  readonly #descriptor: Uint32Array;
  readonly #exports: CoreExports;
  readonly #inputAddress: number;
  /** Journal records: small, because one that is kept keeps all that lie beside it. */
  readonly #slab = new Slab(4096);

  /**
   * Starts an empty core. `wasm`: its bytes, or the WebAssembly.Module compiled from them; an
   * `object`, because only lib "dom" has a type for that. `seed`: eight unpredictable bytes, so
   * that peers cannot foresee hash positions or request ids.
   */
  constructor(wasm: object, seed: Uint8Array) {
    // The loader's own exports count their arguments, which costs more than a call into the core.
    const instance = instantiateSync(wasm, {}).instance as { exports: object };
    this.#exports = instance.exports as CoreExports;
    this.exports = instance.exports as Record<string, unknown>;
    const buffer = this.#exports.memory.buffer;
    this.bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.#halves = new Uint16Array(buffer);
    this.#view = new DataView(buffer);
    const at = this.#exports.describe() >> 2;
    this.#descriptor = this.#words.slice(at, at + Descriptor.Count);
    if (this.#describe(Descriptor.Magic) !== ABI_MAGIC) {
      throw new Error("This WebAssembly module is not a Ferrule core.");
    }
    const version = this.#describe(Descriptor.Version);
    if (version !== ABI_VERSION) {
      throw new Error(
        `The core speaks ABI ${version}, this host ABI ${ABI_VERSION}: rebuild both.`,
      );
    }
    this.#inputAddress = this.#describe(Descriptor.InputAddress);
    const inputBytes = this.#describe(Descriptor.InputBytes);
    this.input = this.bytes.subarray(this.#inputAddress, this.#inputAddress + inputBytes);
    this.accountsMax = this.#describe(Descriptor.Accounts);
    this.assetsMax = this.#describe(Descriptor.Assets);
    this.packetMax = this.#describe(Descriptor.PacketBytes);
    this.holdMaxMs = this.#describe(Descriptor.HoldMaxMs);
    this.flightsMax = this.#describe(Descriptor.Flights);
    this.nameMax = this.#describe(Descriptor.NameBytes);
    const seedView = new DataView(seed.buffer, seed.byteOffset, 8);
    this.#check("init", this.#exports.init(seedView.getInt32(0), seedView.getInt32(4)));
  }

  #describe(index: Descriptor): number {
    return this.#descriptor[index]!;
  }

  #check(verb: string, status: number): number {
    if (status < 0) throw new CoreError(verb, status);
    return status;
  }

  // ---- packets: each of these is a mutation; `drain` afterwards

  /** One whole BTP frame is in `input`. BadFrame asks to close the link. */
  frame(account: number, length: number, nowMs: number): Status {
    return this.#exports.frame(account, length, nowMs | 0, (nowMs / WORD) | 0);
  }

  /**
   * Bytes of an account's stream (WebSocket, serial) are in `input`, the tail of the call before in
   * front. Returns bytes consumed, or a negative Status; keep the rest as it lies in `input`.
   */
  stream(account: number, length: number, nowMs: number): number {
    return this.#exports.stream(account, length, nowMs | 0, (nowMs / WORD) | 0);
  }

  /** After `stream` and `drain`: bytes the tail must reach before another call; 0: call now. */
  streamNeeded(): number {
    return this.#exports.streamNeeded();
  }

  /**
   * Packets behind BatchItem headers are in `input`. Returns bytes consumed or a negative Status.
   */
  batch(account: number, length: number, nowMs: number): number {
    return this.#exports.batch(account, length, nowMs | 0, (nowMs / WORD) | 0);
  }

  /** One Prepare from a raw link is in `input`. */
  request(account: number, id: number, length: number, nowMs: number): Status {
    return this.#exports.request(account, id, length, nowMs | 0, (nowMs / WORD) | 0);
  }

  /**
   * The reply to a request output is in `input`; length 0 or garbage counts as a failed attempt.
   */
  reply(account: number, id: number, length: number, nowMs: number): Status {
    return this.#exports.reply(account, id, length, nowMs | 0, (nowMs / WORD) | 0);
  }

  /** A request output could not be carried; `code` (F00, F01, T00, T01, T03) goes upstream. */
  fail(account: number, id: number, code: string, nowMs: number): Status {
    const word = codeWord(code);
    return this.#exports.fail(account, id, word, nowMs | 0, (nowMs / WORD) | 0);
  }

  /** Sends the amount-0 Prepare for a `peer.` address in `input` to the peer of one link. */
  direct(account: number, id: number, length: number, nowMs: number): Status {
    return this.#exports.direct(account, id, length, nowMs | 0, (nowMs / WORD) | 0);
  }

  /** Expires what is due. Returns 1 when more is due: drain and call again. */
  tick(nowMs: number): number {
    return this.#exports.tick(nowMs | 0, (nowMs / WORD) | 0);
  }

  /** Milliseconds until `tick` has work, Infinity when nothing is in flight. */
  deadline(nowMs: number): number {
    const ms = this.#exports.deadline(nowMs | 0, (nowMs / WORD) | 0) >>> 0;
    return ms === 0xffffffff ? Infinity : ms;
  }

  /** Tells which wall-clock time belongs to a monotonic one. Until then nothing is forwarded. */
  clock(nowMs: number, wallMs: number): void {
    const e = this.#exports;
    e.clock(nowMs | 0, (nowMs / WORD) | 0, wallMs | 0, (wallMs / WORD) | 0);
  }

  /** Hands everything the core has to say to `sink`, in order. The sink must not call the core. */
  drain(sink: Sink): void {
    const words = this.#words;
    const halves = this.#halves;
    for (let o = this.#exports.poll(); o !== 0; o = this.#exports.poll()) {
      const h = o >> 1;
      const w = o >> 2;
      const account = halves[h + (OutputRecord.account >> 1)]!;
      const id = words[w + (OutputRecord.requestId >> 2)]!;
      const address = words[w + (OutputRecord.address >> 2)]!;
      const length = words[w + (OutputRecord.length >> 2)]!;
      switch (halves[h] as OutputKind) {
        case OutputKind.Frame:
          sink.frame(account, address, length, halves[h + (OutputRecord.packetType >> 1)]!, id);
          break;
        case OutputKind.Request:
          sink.request(account, halves[h + (OutputRecord.source >> 1)]!, id, address, length);
          break;
        case OutputKind.Reply:
          sink.reply(account, id, address, length);
          break;
        case OutputKind.SettlementDue:
          sink.settlementDue(account, this.#u64(o + OutputRecord.amount));
          break;
        case OutputKind.LateFulfill: {
          const source = halves[h + (OutputRecord.source >> 1)]!;
          const amount = this.#u64(o + OutputRecord.amount);
          sink.lateFulfill(account, source, id, amount, address, length);
          break;
        }
        case OutputKind.Unsolicited:
          sink.unsolicited?.(account, address, length);
          break;
        case OutputKind.Close:
          sink.close?.(account, id);
          break;
        default:
          throw new Error(`The core said something this host does not know: ${halves[h]}.`);
      }
    }
  }

  // ---- settings

  /** Opens or changes an asset. */
  setAsset(asset: number, code: string, scale: number): void {
    const text = encoder.encode(code);
    this.input[AssetSettingsRecord.scale] = scale;
    this.input[AssetSettingsRecord.codeLength] = text.length;
    this.input.set(text, AssetSettingsRecord.SIZE);
    this.#check("setAsset", this.#exports.setAsset(asset));
  }

  /** Opens or changes an account; sums, packets in flight and its link stay. */
  setAccount(account: number, options: AccountOptions): void {
    const R = AccountSettingsRecord;
    const at = this.#inputAddress;
    const view = this.#view;
    const name = encoder.encode(options.name);
    const segment = encoder.encode(options.segment ?? "");
    this.input.fill(0, 0, R.SIZE);
    view.setUint8(at + R.relation, options.relation);
    const settles = options.settleThreshold !== undefined && options.settleThreshold !== null;
    view.setUint8(
      at + R.options,
      (options.frozen ? AccountFlag.Frozen : 0) |
        (options.reflect ? AccountFlag.Reflect : 0) |
        (settles ? AccountFlag.Settles : 0),
    );
    view.setUint16(at + R.asset, options.asset, true);
    view.setUint16(at + R.nameLength, name.length, true);
    view.setUint16(at + R.segmentLength, segment.length, true);
    this.#setWide(at + R.balanceMinLo, options.balanceMinimum ?? -LIMIT_MAX);
    this.#setWide(at + R.balanceMaxLo, options.balanceMaximum ?? LIMIT_MAX);
    this.#setWide(at + R.settleThresholdLo, options.settleThreshold ?? -LIMIT_MAX);
    this.#setWide(at + R.settleToLo, options.settleTo ?? 0n);
    view.setBigUint64(at + R.packetMaxIn, options.packetMaxIn ?? U64_MAX, true);
    view.setBigUint64(at + R.packetMaxOut, options.packetMaxOut ?? U64_MAX, true);
    view.setBigUint64(at + R.pendingMax, options.pendingMax ?? U64_MAX, true);
    view.setBigUint64(at + R.riskMax, options.riskMax ?? U64_MAX, true);
    view.setBigUint64(at + R.throughputIn, options.throughputIn ?? 0n, true);
    view.setBigUint64(at + R.throughputOut, options.throughputOut ?? 0n, true);
    view.setUint32(at + R.throughputPeriodMs, options.throughputPeriodMs ?? 1000, true);
    view.setUint32(at + R.rateCount, options.rateCount ?? 0, true);
    view.setUint32(at + R.ratePeriodMs, options.ratePeriodMs ?? 60000, true);
    view.setUint32(at + R.rateCapacity, options.rateCapacity ?? options.rateCount ?? 0, true);
    view.setUint32(at + R.flightsMax, options.flightsMax ?? this.flightsMax, true);
    this.input.set(name, R.SIZE);
    this.input.set(segment, R.SIZE + name.length);
    this.#check("setAccount", this.#exports.setAccount(account));
  }

  #setWide(at: number, value: bigint): void {
    this.#view.setBigUint64(at, BigInt.asUintN(64, value), true);
    this.#view.setBigInt64(at + 8, value >> 64n, true);
  }

  /** Writes the balance off, frees the index. Throws Busy with packets in flight, or claims. */
  closeAccount(account: number): void {
    this.#check("closeAccount", this.#exports.closeAccount(account));
  }

  /** One unit of `from` is numerator / denominator units of `to`, before the spread. */
  setRate(
    from: number,
    to: number,
    numerator: bigint,
    denominator: bigint,
    spreadPpb: number,
  ): void {
    const at = this.#inputAddress;
    this.#view.setBigUint64(at + RateSettingsRecord.numerator, numerator, true);
    this.#view.setBigUint64(at + RateSettingsRecord.denominator, denominator, true);
    this.#view.setUint32(at + RateSettingsRecord.spreadPpb, spreadPpb, true);
    this.#check("setRate", this.#exports.setRateOf(from, to));
  }

  setRoute(prefix: string, account: number): void {
    this.#check("setRoute", this.#exports.setRoute(this.#write(prefix), account));
  }

  deleteRoute(prefix: string): void {
    this.#check("deleteRoute", this.#exports.deleteRoute(this.#write(prefix)));
  }

  /** null: packets without a route are rejected. */
  setDefaultRoute(account: number | null): void {
    this.#check("setDefaultRoute", this.#exports.setDefaultRoute(account ?? -1));
  }

  /** Own address; the route to the local account comes with it. */
  setAddress(address: string): void {
    this.#check("setAddress", this.#exports.setAddress(this.#write(address)));
  }

  setPolicy(
    minMessageWindowMs: number,
    maxHoldTimeMs: number,
    loopMax = 2,
    evidenceMs = 60000,
  ): void {
    const at = this.#inputAddress;
    this.#view.setUint32(at + PolicySettingsRecord.minMessageWindowMs, minMessageWindowMs, true);
    this.#view.setUint32(at + PolicySettingsRecord.maxHoldTimeMs, maxHoldTimeMs, true);
    this.#view.setUint32(at + PolicySettingsRecord.loopMax, loopMax, true);
    this.#view.setUint32(at + PolicySettingsRecord.evidenceMs, evidenceMs, true);
    this.#check("setPolicy", this.#exports.setPolicy());
  }

  setMode(set: number, clear = 0): void {
    this.#check("setMode", this.#exports.setMode(set, clear));
  }

  /** Frozen, Draining, Reflect, Settles, Congested. */
  setFlags(account: number, set: number, clear = 0): void {
    this.#check("setFlags", this.#exports.setFlags(account, set, clear));
  }

  linkUp(account: number, kind: LinkKind): void {
    this.#check("linkUp", this.#exports.linkUp(account, kind));
  }

  linkDown(account: number): void {
    this.#check("linkDown", this.#exports.linkDown(account));
  }

  /** Books value that moved outside Interledger. */
  bookSettlement(account: number, paid: boolean, amount: bigint): void {
    this.#view.setBigUint64(this.#inputAddress, amount, true);
    this.#check("bookSettlement", this.#exports.bookSettlement(account, paid ? 1 : 0));
  }

  /** A part of a possible claim was right: it is posted. Throws Unbalanced when less is open. */
  postClaim(account: number, side: ClaimSide, amount: bigint): void {
    this.#view.setBigUint64(this.#inputAddress, amount, true);
    this.#check("postClaim", this.#exports.postClaim(account, side));
  }

  /** A part of a possible claim was void: it is released. Throws Unbalanced when less is open. */
  voidClaim(account: number, side: ClaimSide, amount: bigint): void {
    this.#view.setBigUint64(this.#inputAddress, amount, true);
    this.#check("voidClaim", this.#exports.voidClaim(account, side));
  }

  #write(text: string): number {
    const { written } = encoder.encodeInto(text, this.input);
    return written;
  }

  // ---- books

  /** Journal records of what changed since the last call, 64 bytes each, as copies. */
  *commit(): Generator<Uint8Array> {
    for (let more = 1; more === 1;) {
      more = this.#exports.commit();
      yield* this.takeRecords();
    }
  }

  /** Journal records that wait (the trail's, when it is on), 64 bytes each, as copies. */
  takeRecords(): Uint8Array[] {
    const count = this.#exports.takeRecords();
    if (count === 0) return [];
    const from = this.#describe(Descriptor.RecordsAddress);
    const records: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const at = this.#slab.copy(this.bytes, from + i * 64, 64);
      records.push(this.#slab.bytes.subarray(at, at + 64));
    }
    return records;
  }

  /** A packet by the core's request id, in flight or ended; null once its slot was used again. */
  flight(id: number): Flight | null {
    const R = FlightRecord;
    const slot = id & (this.flightsMax - 1);
    const at = this.#describe(Descriptor.FlightsAddress) + slot * R.SIZE;
    const bits = 31 - Math.clz32(this.flightsMax);
    const generation = this.#words[(at + R.generation) >> 2]!;
    if (((generation << bits) | slot) >>> 0 !== id >>> 0) return null;
    return {
      isHeld: this.bytes[at + R.state] === (FlightState.Held as number),
      amountIn: this.#u64(at + R.amountIn),
      amountOut: this.#u64(at + R.amountOut),
      deadlineMs: Number(this.#u64(at + R.deadlineMs)),
      condition: this.bytes.slice(at + R.condition0, at + R.condition0 + 32),
    };
  }

  /** All that `commit` has given is durable. Have one commit under way at a time. */
  durable(): void {
    this.#check("durable", this.#exports.durable());
  }

  /** Applies commit records. What they say was pending comes back as possible claims. */
  replay(records: readonly Uint8Array[]): void {
    for (const record of records) {
      this.input.set(record);
      this.#check("replay", this.#exports.replay(1));
    }
  }

  // ---- reading

  #u64(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }

  #wide(at: number): bigint {
    return (this.#view.getBigInt64(at + 8, true) << 64n) | this.#u64(at);
  }

  account(account: number): AccountState {
    const at =
      this.#describe(Descriptor.AccountsAddress) +
      account * this.#describe(Descriptor.AccountStride);
    const R = AccountRecord;
    const debits = this.#wide(at + R.debitsLo);
    const credits = this.#wide(at + R.creditsLo);
    return {
      flags: this.#view.getUint32(at + R.flags, true),
      relation: this.#view.getUint8(at + R.relation),
      linkKind: this.#view.getUint8(at + R.linkKind),
      asset: this.#view.getUint16(at + R.asset, true),
      balance: debits - credits,
      debits,
      credits,
      debitsPending: this.#u64(at + R.debitsPending),
      creditsPending: this.#u64(at + R.creditsPending),
      claimDebits: this.#u64(at + R.claimDebits),
      claimCredits: this.#u64(at + R.claimCredits),
      atRisk: this.#atRisk(account),
      flightsIn: this.#view.getUint32(at + R.flightsIn, true),
      flightsOut: this.#view.getUint32(at + R.flightsOut, true),
    };
  }

  #meterAt(account: number): number {
    return (
      this.#describe(Descriptor.MetersAddress) + account * this.#describe(Descriptor.MeterStride)
    );
  }

  #atRisk(account: number): bigint {
    const at = this.#meterAt(account);
    const sum = this.#u64(at + MeterRecord.riskOpen) + this.#u64(at + MeterRecord.riskWritten);
    return sum < U64_MAX ? sum : U64_MAX;
  }

  asset(asset: number): AssetState {
    const at =
      this.#describe(Descriptor.AssetsAddress) + asset * this.#describe(Descriptor.AssetStride);
    const R = AssetRecord;
    return {
      incomeDebits: this.#wide(at + R.incomeDebitsLo),
      incomeCredits: this.#wide(at + R.incomeCreditsLo),
      settledDebits: this.#wide(at + R.settledDebitsLo),
      settledCredits: this.#wide(at + R.settledCreditsLo),
      incomeDebitsPending: this.#wide(at + R.incomeDebitsPendingLo),
      incomeCreditsPending: this.#wide(at + R.incomeCreditsPendingLo),
    };
  }

  meter(account: number): MeterState {
    const at = this.#meterAt(account);
    const R = MeterRecord;
    return {
      inFulfilled: this.#u64(at + R.inFulfilled),
      inRejected: this.#u64(at + R.inRejected),
      outFulfilled: this.#u64(at + R.outFulfilled),
      outRejected: this.#u64(at + R.outRejected),
      outExpired: this.#u64(at + R.outExpired),
      outWrong: this.#u64(at + R.outWrong),
      rateLimited: this.#u64(at + R.rateLimited),
    };
  }

  counter(counter: Counter): bigint {
    return this.#u64(this.#describe(Descriptor.CountersAddress) + counter * 8);
  }

  /** The newest events, newest first. */
  events(count: number): CoreEvent[] {
    const capacity = this.#describe(Descriptor.Events);
    const last = this.#u64(this.#describe(Descriptor.StateAddress) + StateRecord.eventSequence);
    const events: CoreEvent[] = [];
    for (let s = last; s > 0n && events.length < Math.min(count, capacity); s--) {
      const slot = Number((s - 1n) % BigInt(capacity));
      events.push(this.#event(this.#describe(Descriptor.EventsAddress) + slot * EventRecord.SIZE));
    }
    return events;
  }

  #event(at: number): CoreEvent {
    const view = this.#view;
    const R = EventRecord;
    const next = view.getUint16(at + R.next, true);
    return {
      sequence: this.#u64(at + R.sequence),
      timeMs: Number(view.getBigInt64(at + R.timeMs, true)),
      rule: Rule[view.getUint16(at + R.rule, true)]!,
      account: view.getUint16(at + R.account, true),
      next: next === 0xffff ? null : next,
      code: codeText(view.getUint32(at + R.code, true)),
      amount: this.#u64(at + R.amount),
      limit: this.#u64(at + R.limit),
      value: this.#u64(at + R.value),
    };
  }

  /** Dry run of a Prepare from an account: what would happen and why. Changes nothing. */
  explain(account: number, packet: Uint8Array): Verdict {
    this.input.set(packet);
    const size = this.#check("explain", this.#exports.explain(account, packet.length));
    const at = this.#describe(Descriptor.VerdictAddress);
    const R = VerdictRecord;
    const view = this.#view;
    const next = view.getUint32(at + R.next, true);
    let message = "";
    if (size > 0) {
      const reject = view.getUint32(at + R.reserved, true);
      this.input.set(this.bytes.subarray(reject, reject + size));
      const packet = this.inspectPacket(size);
      if (packet?.type === "reject") message = packet.message;
    }
    return {
      forwarded: size === 0,
      rule: Rule[view.getUint32(at + R.rule, true)]!,
      code: codeText(view.getUint32(at + R.code, true)),
      message,
      next: next === 0xffff ? null : next,
      amountIn: this.#u64(at + R.amountIn),
      amountOut: this.#u64(at + R.amountOut),
      expiresAtMs: Number(view.getBigInt64(at + R.expiresAtMs, true)),
      limit: this.#wide(at + R.limitLo),
      value: this.#wide(at + R.valueLo),
      maximum: this.#u64(at + R.maximum),
    };
  }

  /** Checks the ILP packet in `input`; null when it is none (`faultOf` says why). */
  inspectPacket(length: number): InspectedPacket | null {
    if (this.#exports.inspectPacket(length) < 0) return null;
    const at = this.#describe(Descriptor.ViewAddress);
    const R = PacketViewRecord;
    const view = this.#view;
    const part = (p: number, n: number): Uint8Array => {
      const from = view.getUint32(at + p, true);
      return this.bytes.slice(from, from + view.getUint32(at + n, true));
    };
    const type = view.getUint32(at + R.type, true);
    const content = view.getUint32(at + R.content, true);
    const size = view.getUint32(at + R.size, true);
    const data = part(R.data, R.dataLength);
    if (type === 12) {
      return {
        type: "prepare",
        size,
        amount: this.#u64(at + R.amount),
        expiresAtMs: Number(view.getBigInt64(at + R.expiresAtMs, true)),
        condition: this.bytes.slice(content + 25, content + 57),
        destination: decoder.decode(part(R.destination, R.destinationLength)),
        data,
      };
    }
    if (type === 13) {
      return { type: "fulfill", size, fulfillment: this.bytes.slice(content, content + 32), data };
    }
    return {
      type: "reject",
      size,
      code: codeText(view.getUint32(at + R.code, true)),
      triggeredBy: decoder.decode(part(R.triggeredBy, R.triggeredByLength)),
      message: decoder.decode(part(R.message, R.messageLength)),
      data,
    };
  }

  /** Fault of the packet in `input`, 0 when it is valid: a `Fault` of the ABI. */
  faultOfPacket(length: number): number {
    return this.#exports.inspectPacket(length);
  }

  /** Checks the BTP frame in `input`; a negative `BtpFault` when it is none. */
  inspectFrame(length: number): InspectedFrame | number {
    const fault = this.#exports.inspectFrame(length);
    if (fault < 0) return fault;
    const at = this.#describe(Descriptor.FrameAddress);
    const R = FrameViewRecord;
    const word = (offset: number): number => this.#view.getUint32(at + offset, true);
    const part = (p: number, n: number): Uint8Array => this.bytes.slice(word(p), word(p) + word(n));
    return {
      type: word(R.type),
      requestId: word(R.requestId),
      protocols: this.#protocols(word(R.protocols), word(R.protocolCount)),
      code: codeText(word(R.code)),
      name: decoder.decode(part(R.name, R.nameLength)),
      errorData: part(R.errorData, R.errorDataLength),
      amount: this.#u64(at + R.amount),
      size: word(R.size),
    };
  }

  /** Sub-protocols of a frame the core has checked: canonical lengths, all within the frame. */
  #protocols(at: number, count: number): Protocol[] {
    const protocols: Protocol[] = [];
    let p = at;
    const part = (): Uint8Array => {
      let length = this.bytes[p++]!;
      if (length > 127) {
        let size = length & 127;
        for (length = 0; size > 0; size--) length = length * 256 + this.bytes[p++]!;
      }
      p += length;
      return this.bytes.slice(p - length, p);
    };
    for (let i = 0; i < count; i++) {
      const name = decoder.decode(part());
      const contentType = this.bytes[p++]!;
      protocols.push({ name, contentType, data: part() });
    }
    return protocols;
  }
}

/** Fields of a checked ILP packet, copied. */
export type InspectedPacket =
  | {
      type: "prepare";
      size: number;
      amount: bigint;
      expiresAtMs: number;
      condition: Uint8Array;
      destination: string;
      data: Uint8Array;
    }
  | { type: "fulfill"; size: number; fulfillment: Uint8Array; data: Uint8Array }
  | {
      type: "reject";
      size: number;
      code: string;
      triggeredBy: string;
      message: string;
      data: Uint8Array;
    };

/** One BTP sub-protocol. */
export interface Protocol {
  name: string;
  contentType: number;
  data: Uint8Array;
}

/** Fields of a checked BTP frame, copied. */
export interface InspectedFrame {
  type: number;
  requestId: number;
  protocols: Protocol[];
  /** Error only. */
  code: string;
  name: string;
  errorData: Uint8Array;
  /** Transfer only. */
  amount: bigint;
  size: number;
}
