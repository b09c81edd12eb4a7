// The shadow of one node: it sees every byte that enters and leaves the core, knows by the rules
// alone what each call may do, and keeps its own books. It never decides whether a packet is taken
// (that is the node's business); it decides whether what the node did with it was right.
import { createHash } from "node:crypto";
import {
  AccountFlag,
  AccountRecord as A,
  AssetRecord as S,
  ClaimSide,
  Descriptor,
  FlightRecord,
  FlightState,
  StateRecord,
  Status,
} from "../../host/abi.js";
import type { Account, Config } from "../../host/config/types.js";
import type { Core, Sink } from "../../host/core.js";
import { LOCAL_ACCOUNT, LinkKind } from "../../host/core.js";
import type { AccountEntry } from "../../host/registry.js";
import { Machine } from "../support/model/machine.js";
import * as wire from "./bytes.js";
import type { Frame, Packet } from "./bytes.js";
import { Cause, type Hop } from "./hop.js";
import type { Payment } from "./payment.js";
import { readWhole, type Arrival } from "./stream.js";
import { What, type Tracer } from "./trace.js";
import type { OpenClaim } from "./claims.js";
import { Past, RISK_MAX, copyState, type State } from "./past.js";
import { Violation } from "./violation.js";

const PPB = 1_000_000_000n;
/** How long an ended packet is remembered: longer than the core does. */
const MEMORY_MS = 90_000;
/** Packets of a bucket of the expiry wheel that the core looks at in one go. */
const SEARCH_MAX = 64;
/** The engine looks at expiring packets at least this often. */
const TICK_SLACK_MS = 250;

export interface Flight {
  outId: number;
  outAccount: number;
  inAccount: number;
  inId: number;
  amountIn: bigint;
  amountOut: bigint;
  /** On the core's monotonic clock. */
  deadlineMs: number;
  condition: Buffer;
  session: number;
  inHop: Hop | null;
  outHop: Hop | null;
  payment: Payment | null;
  state: "held" | "posted" | "voided" | "expired";
  endedMs: number;
  /** Number of the commit that has its hold. */
  commit: number;
}

export interface Sums {
  debits: bigint;
  credits: bigint;
  debitsPending: bigint;
  creditsPending: bigint;
  /** Of the pendings: possible claims of an earlier life. */
  claimDebits: bigint;
  claimCredits: bigint;
  flightsIn: number;
  flightsOut: number;
  /** Not packets' part of the debits in this life; the core keeps no such sum. */
  settled: bigint;
  /** Settlements of this life. */
  paid: bigint;
  received: bigint;
}

export interface AssetSums {
  incomeDebits: bigint;
  incomeCredits: bigint;
  settledDebits: bigint;
  settledCredits: bigint;
}

interface Limits {
  minimum: bigint | null;
  maximum: bigint | null;
  packetMaxIn: bigint | null;
  packetMaxOut: bigint | null;
  pendingMax: bigint | null;
  riskMax: bigint | null;
  flightsMax: number;
  frozen: boolean;
  reflect: boolean;
}

/** What a link brings in: the packet it is about, and whether its bytes are as everybody's. */
export interface Incoming {
  hop: Hop | null;
  payment: Payment | null;
  trusted: boolean;
}

const NOTHING: Incoming = { hop: null, payment: null, trusted: false };

/** What has come on a stream, and how far the core has read. */
interface Inbox {
  isClient: boolean;
  /** Bytes that have come, and that the core has used up. */
  arrived: number;
  consumed: number;
  arrivals: { arrival: Arrival; incoming: Incoming; frame: Frame | null }[];
  /** The core has to say goodbye. */
  isOver: boolean;
  hasClosed: boolean;
}

/** A packet that the core was given, or time: a call of its own, or one of many in a stream. */
interface Call {
  verb: "frame" | "stream" | "request" | "reply" | "fail" | "tick" | "direct";
  account: number;
  id: number;
  nowMs: number;
  /** What came in; null for ticks, failures and frames without a packet. */
  packet: Packet | null;
  /** This call hands in a Prepare, or what should be one. */
  asks: boolean;
  hop: Hop | null;
  payment: Payment | null;
  /** The packet in flight that a reply is for. */
  flight: Flight | null;
  /** A Fulfill that opens the condition of `flight`. */
  right: boolean;
  /** Of a stream: a reply. */
  isReply: boolean;
  /** It was said to be for nothing in flight. */
  isUnsolicited: boolean;
  /** Answers and forwards so far. */
  outcomes: number;
  relayed: boolean;
  late: number;
  lateDue: boolean;
  status: number;
}

export interface WatchOptions {
  name: string;
  index: number;
  core: Core;
  profile: string;
  /** Width of a bucket of the expiry wheel: 1 << this, milliseconds. */
  wheelShift: number;
  config: Config;
  entries: AccountEntry[];
  tracer: Tracer;
  /** Checkers that stay silent. */
  mute: readonly string[];
  wallMs(): number;
  /** A part of an account's possible claims has ended: posted, or void. */
  onClaim(account: number, side: "owed" | "owing", amount: bigint, posts: boolean): void;
}

export class Watch {
  readonly machine: Machine;
  /** By outgoing request id, ended ones for a while. */
  readonly flights = new Map<number, Flight>();
  readonly heldFlights = new Set<Flight>();
  /** Possible claims of earlier lives. */
  claims: OpenClaim[] = [];
  readonly sums: Sums[] = [];
  readonly assets: AssetSums[] = [];
  readonly past: Past;
  /** Per account: posted and in no commit, in a commit that is not durable. */
  readonly #risks: { open: bigint; written: bigint }[] = [];
  /** The host tells the core what is durable: then the core's own figure is checked. */
  #knowsRisk = false;
  /** What the next call brings in, as its link has it. */
  next: Incoming = NOTHING;
  /** The reply that is being written belongs to this packet. */
  replying: Hop | null = null;
  /** The packet that the last call was about. */
  lastHop: Hop | null = null;
  checks = 0;
  lateFulfills = 0;
  readonly #o: WatchOptions;
  readonly #limits: Limits[] = [];
  readonly #linked: boolean[] = [];
  readonly #session: number[] = [];
  readonly #assetOf: number[] = [];
  readonly #rates = new Map<number, [bigint, bigint]>();
  readonly #ended: Flight[] = [];
  #endedHead = 0;
  /** No held packet is due before this. */
  #earliestMs = Infinity;
  #call: Call | null = null;
  /** Streams, by account; null for other links. */
  readonly #inboxes: (Inbox | null)[] = [];
  /** A call of `stream`: packets whose turn has not come, Pings that have no answer yet. */
  readonly #queue: Call[] = [];
  readonly #pings: Buffer[] = [];
  #isStreaming = false;
  #streamed = 0;
  /** Packets that a late Fulfill of the stream may be evidence for, and slots used since. */
  readonly #touched = new Set<number>();
  readonly #evidence = new Set<Flight>();
  readonly #usedSlots = new Set<number>();
  /** Packets that unsolicited Fulfills were about, until the host has looked at these. */
  readonly unsolicited: (Hop | null)[] = [];
  #lastNowMs = 0;
  #memoryBytes: number;

  constructor(options: WatchOptions) {
    this.#o = options;
    const { core, profile, config } = options;
    this.machine = new Machine(profile, 0, core.exports);
    this.#memoryBytes = core.bytes.length;
    for (const entry of options.entries) this.#open(entry, config);
    this.#readRates(config, options.entries);
    this.adopt();
    this.past = new Past(this.state());
    this.#wrap();
    this.#wrapBooks();
  }

  #open(entry: AccountEntry, config: Config): void {
    const { index } = entry;
    const account: Account | null = entry.config;
    this.#limits[index] = {
      minimum: account?.balance.minimum ?? null,
      maximum: account?.balance.maximum ?? null,
      packetMaxIn: account?.maxPacketAmount ?? null,
      packetMaxOut: account?.maxPacketAmountOut ?? null,
      pendingMax: account?.maxInFlightAmount ?? null,
      riskMax: account?.maxAtRisk ?? null,
      flightsMax: account?.maxInFlight ?? Infinity,
      frozen: account?.frozen ?? false,
      reflect: index === LOCAL_ACCOUNT || config.reflectPayments,
    };
    this.#linked[index] = this.#flag(index, AccountFlag.Linked);
    this.#session[index] = 0;
    this.#assetOf[index] = this.machine.view.getUint16(this.machine.account(index) + A.asset, true);
  }

  #readRates(config: Config, entries: AccountEntry[]): void {
    const keep = PPB - config.spreadPpb;
    const assets = new Map<string, number>();
    for (const { index, assetCode, assetScale } of entries) {
      const asset = this.#assetOf[index]!;
      assets.set(`${assetCode} ${assetScale}`, asset);
      this.#rates.set(asset * 256 + asset, [keep, PPB]);
    }
    for (const { from, to, numerator, denominator } of config.rateTable) {
      const a = assets.get(`${from.assetCode} ${from.assetScale}`);
      const b = assets.get(`${to.assetCode} ${to.assetScale}`);
      if (a === undefined || b === undefined) continue;
      this.#rates.set(a * 256 + b, [numerator * keep, denominator * PPB]);
    }
  }

  /** The books as they are now. */
  state(): State {
    const { sums, assets, heldFlights, claims } = this;
    return copyState(sums, assets, heldFlights, claims, this.#o.wallMs());
  }

  /** Takes the core's sums as true: after a start, once they have been compared with the past. */
  adopt(): void {
    for (const { index } of this.#o.entries) {
      this.sums[index] = this.coreSums(index);
      this.#risks[index] = { open: 0n, written: 0n };
    }
    const m = this.machine;
    for (let i = 0; i < m.get(Descriptor.Assets); i++) this.assets[i] = this.coreAsset(i);
  }

  coreSums(index: number): Sums {
    const m = this.machine;
    const at = m.account(index);
    return {
      debits: m.wide(at + A.debitsLo),
      credits: m.wide(at + A.creditsLo),
      debitsPending: m.u64(at + A.debitsPending),
      creditsPending: m.u64(at + A.creditsPending),
      claimDebits: m.u64(at + A.claimDebits),
      claimCredits: m.u64(at + A.claimCredits),
      flightsIn: m.u32(at + A.flightsIn),
      flightsOut: m.u32(at + A.flightsOut),
      settled: 0n,
      paid: 0n,
      received: 0n,
    };
  }

  coreAsset(index: number): AssetSums {
    const m = this.machine;
    const at = m.asset(index);
    return {
      incomeDebits: m.wide(at + S.incomeDebitsLo),
      incomeCredits: m.wide(at + S.incomeCreditsLo),
      settledDebits: m.wide(at + S.settledDebitsLo),
      settledCredits: m.wide(at + S.settledCreditsLo),
    };
  }

  #flag(index: number, flag: AccountFlag): boolean {
    return (this.machine.u32(this.machine.account(index) + A.flags) & flag) !== 0;
  }

  /** This node's book of an account: positive when its owner owes. */
  balance(index: number): bigint {
    const { debits, credits } = this.coreSums(index);
    return debits - credits;
  }

  fail(checker: string, what: string, payment: Payment | null = null): never {
    throw new Violation(checker, `${this.#o.name}: ${what}`, [this.#o.index], payment);
  }

  // ---- around the core's verbs

  /** Puts itself around the verbs that the engine calls. */
  #wrap(): void {
    const { core } = this.#o;
    const { frame, request, reply, fail, direct, tick, drain } = bind(core);
    const { linkUp, linkDown, clock, stream } = bind(core);
    core.frame = (account, length, nowMs) => {
      const bytes = Buffer.from(core.input.subarray(0, length));
      this.#beginFrame(account, bytes, nowMs);
      return this.#status(frame(account, length, nowMs));
    };
    core.stream = (account, length, nowMs) => {
      this.#beginStream(account, nowMs);
      const consumed = stream(account, length, nowMs);
      this.#readStream(account, consumed, nowMs);
      return consumed;
    };
    core.request = (account, id, length, nowMs) => {
      this.#beginRequest(account, id, this.#input(length), nowMs);
      return this.#status(request(account, id, length, nowMs));
    };
    core.reply = (account, id, length, nowMs) => {
      this.#beginReply("reply", account, id, this.#input(length), nowMs);
      return this.#status(reply(account, id, length, nowMs));
    };
    core.fail = (account, id, code, nowMs) => {
      this.#beginReply("fail", account, id, null, nowMs);
      return this.#status(fail(account, id, code, nowMs));
    };
    core.direct = (account, id, length, nowMs) => {
      this.#beginRequest(LOCAL_ACCOUNT, id, this.#input(length), nowMs);
      this.#call!.verb = "direct";
      return this.#status(direct(account, id, length, nowMs));
    };
    core.tick = (nowMs) => {
      this.#begin("tick", 0, 0, nowMs);
      return this.#status(tick(nowMs));
    };
    core.drain = (sink) => {
      this.#sink = sink;
      if (this.#isStreaming) this.#turn();
      drain(this.#watched);
      this.#finish();
    };
    core.linkUp = (account, kind) => {
      linkUp(account, kind);
      const isClient = kind === LinkKind.WsClient;
      const fresh = { arrived: 0, consumed: 0, arrivals: [], isOver: false, hasClosed: false };
      const isStream = isClient || kind === LinkKind.WsServer;
      this.#inboxes[account] = isStream ? { isClient, ...fresh } : null;
      this.#linked[account] = true;
      this.#session[account]!++;
    };
    core.linkDown = (account) => {
      linkDown(account);
      this.#inboxes[account] = null;
      this.#linked[account] = false;
    };
    core.clock = (nowMs, wallMs) => {
      this.#time(nowMs);
      clock(nowMs, wallMs);
    };
  }

  #input(length: number): Packet | null {
    const bytes = Buffer.from(this.#o.core.input.subarray(0, length));
    if (this.next.trusted) return this.#fit(wire.viewPacket(bytes, 0, length));
    return this.#fit(wire.readPacket(bytes));
  }

  /** And around those that the bookkeeper calls. */
  #wrapBooks(): void {
    const { core } = this.#o;
    const { commit, durable, postClaim, voidClaim } = bind(core);
    core.commit = () => {
      this.past.commit(this.state());
      for (const risk of this.#risks) {
        if (!risk) continue;
        risk.written += risk.open;
        risk.open = 0n;
      }
      return commit();
    };
    core.durable = () => {
      durable();
      this.#knowsRisk = true;
      for (const { index } of this.#o.entries) this.#risks[index]!.written = 0n;
    };
    core.postClaim = (account, side, amount) => {
      postClaim(account, side, amount);
      this.#endClaim(account, side, amount, true);
    };
    core.voidClaim = (account, side, amount) => {
      voidClaim(account, side, amount);
      this.#endClaim(account, side, amount, false);
    };
  }

  /** A packet larger than this build takes is none to it. */
  #fit(packet: Packet | null): Packet | null {
    if (!packet || packet.end - packet.start <= this.#o.core.packetMax) return packet;
    return wire.NO_PACKET;
  }

  #time(nowMs: number): void {
    if (nowMs < this.#lastNowMs) this.fail("clock", `time went back by ${this.#lastNowMs - nowMs}`);
    this.#lastNowMs = nowMs;
  }

  #begin(verb: Call["verb"], account: number, id: number, nowMs: number): Call {
    this.#checkDrained(verb);
    this.#time(nowMs);
    const call = makeCall(verb, account, id, nowMs, this.next);
    this.next = NOTHING;
    this.#call = call;
    return call;
  }

  #checkDrained(verb: string): void {
    const before = this.#call ?? this.#queue[0];
    if (before) this.fail("drain", `${verb} before the outputs of ${before.verb} are taken`);
  }

  #status<T extends number>(status: T): T {
    this.#call!.status = status;
    return status;
  }

  #beginFrame(account: number, bytes: Buffer, nowMs: number): void {
    const frame = this.next.trusted ? wire.viewFrame(bytes) : wire.readFrame(bytes);
    if (frame?.type === wire.RESPONSE || frame?.type === wire.ERROR) {
      this.#beginReply("frame", account, frame.id, this.#fit(frame.packet), nowMs);
      return;
    }
    const call = this.#begin("frame", account, frame?.id ?? 0, nowMs);
    this.#askWith(call, frame);
  }

  #askWith(call: Call, frame: Frame | null): void {
    if (frame?.type !== wire.MESSAGE || !frame.packet) return;
    call.asks = true;
    call.packet = this.#fit(frame.packet);
  }

  #beginRequest(account: number, id: number, packet: Packet | null, nowMs: number): void {
    const call = this.#begin("request", account, id, nowMs);
    call.asks = true;
    call.packet = packet ?? wire.NO_PACKET;
  }

  #beginReply(
    verb: Call["verb"],
    account: number,
    id: number,
    packet: Packet | null,
    nowMs: number,
  ): void {
    const call = this.#begin(verb, account, id, nowMs);
    call.packet = packet;
    if (this.#aim(call)) call.lateDue = call.right && this.#isEvidence(call.flight!, nowMs);
  }

  /** Finds the packet in flight that a reply is for. */
  #aim(call: Call): boolean {
    const { packet, id, account } = call;
    const flight = this.flights.get(id);
    if (flight?.outAccount !== account) return false;
    call.flight = flight;
    call.payment = flight.payment;
    call.right = packet?.type === wire.FULFILL && opens(flight, wire.fulfillmentOf(packet));
    return true;
  }

  // ---- streams: many packets in one call, in order

  /** Bytes of a stream are about to be handed over; `begun`: what begins in them. */
  expect(
    account: number,
    length: number,
    begun: readonly Arrival[],
    incomingOf: (hop: Hop | null) => Incoming,
  ): void {
    const inbox = this.#inboxes[account]!;
    inbox.arrived += length;
    for (const arrival of begun) {
      const { mark, message } = arrival;
      const incoming = incomingOf(message.hop);
      const read = incoming.trusted ? wire.viewFrame : wire.readFrame;
      const frame = mark.kind === "frame" ? read(mark.data) : null;
      inbox.arrivals.push({ arrival, incoming, frame });
    }
  }

  /** What has come whole is taken: the host keeps nothing back, the core waits for nothing more. */
  checkTaken(account: number): void {
    const { arrivals, arrived } = this.#inboxes[account]!;
    const first = arrivals[0]?.arrival;
    // A fault is seen when enough of it has come.
    if (!first || first.mark.kind === "bad" || first.whole > arrived) return;
    const text = `a ${first.mark.kind} that has come whole was not read`;
    this.fail("stream", text, first.message.hop?.payment);
  }

  /** Before the core reads: which late Fulfills it still knows the packets of. */
  #beginStream(account: number, nowMs: number): void {
    this.#checkDrained("stream");
    this.#time(nowMs);
    this.#evidence.clear();
    this.#usedSlots.clear();
    this.#isStreaming = true;
    for (const { frame } of this.#inboxes[account]!.arrivals) {
      if (frame?.type !== wire.RESPONSE || frame.packet?.type !== wire.FULFILL) continue;
      const flight = this.flights.get(frame.id);
      if (!flight || (flight.state === "held" && nowMs < flight.deadlineMs)) continue;
      if (this.#isEvidence(flight, nowMs)) this.#evidence.add(flight);
    }
  }

  /** The core has read: what it has acted on is worked on as its outputs are taken. */
  #readStream(account: number, consumed: number, nowMs: number): void {
    const inbox = this.#inboxes[account]!;
    if (consumed < 0) this.fail("stream", `the core refused bytes: ${consumed}`);
    inbox.consumed += consumed;
    if (inbox.consumed > inbox.arrived) this.fail("stream", "the core read what had not come");
    this.#streamed = account;
    for (let next = inbox.arrivals[0]; next; next = inbox.arrivals[0]) {
      const { arrival, incoming, frame } = next;
      if (arrival.end > inbox.consumed) break;
      inbox.arrivals.shift();
      if (inbox.isOver) continue;
      const { kind, data } = arrival.mark;
      arrival.message.isTaken = true;
      if (kind === "ping") this.#pings.push(data);
      else if (kind === "frame" && frame) {
        this.#queue.push(this.#callOf(account, frame, nowMs, incoming));
      } else if (kind !== "pong") inbox.isOver = true;
    }
  }

  #callOf(account: number, frame: Frame, nowMs: number, incoming: Incoming): Call {
    const call = makeCall("stream", account, frame.id, nowMs, incoming);
    if (frame.type === wire.MESSAGE) this.#askWith(call, frame);
    else call.packet = this.#fit(frame.packet);
    call.isReply = frame.type === wire.RESPONSE || frame.type === wire.ERROR;
    return call;
  }

  /** The next packet of a stream. */
  #turn(): void {
    const call = this.#queue.shift() ?? null;
    this.#call = call;
    if (!call?.isReply || !this.#aim(call)) return;
    const flight = call.flight!;
    // Known before this call, not forgotten for another packet since, and evidence only once.
    const slot = flight.outId & (this.machine.get(Descriptor.Flights) - 1);
    const known = this.#evidence.has(flight) && !this.#usedSlots.has(slot);
    call.lateDue = call.right && known;
    if (call.lateDue) this.#evidence.delete(flight);
  }

  /** Goes on to the packet of a stream that an output is about, if there is one. */
  #seek(isAbout: (call: Call) => boolean): void {
    if (!this.#isStreaming || !this.#call || isAbout(this.#call)) return;
    const at = this.#queue.findIndex(isAbout);
    for (let i = 0; i <= at; i++) {
      this.#finishCall(this.#call);
      this.#turn();
    }
  }

  /** The flight that a reply is or will be for. */
  #flightOf({ flight, isReply, id, account }: Call): Flight | null {
    if (flight || !isReply) return flight;
    const found = this.flights.get(id);
    return found?.outAccount === account ? found : null;
  }

  #seekPacket(account: number, id: number, out: Packet, isRequest: boolean): void {
    // The first reply ends its packet, whatever it says.
    const ended = new Set<Flight>();
    this.#seek((call) => {
      if (call.asks) {
        if (call.outcomes > 0) return false;
        const { packet } = call;
        if (!isRequest) return call.account === account && call.id === id;
        return packet?.type === wire.PREPARE && wire.sameTail(packet, out, 25);
      }
      const f = isRequest ? null : this.#flightOf(call);
      if (f?.state !== "held" || ended.has(f)) return false;
      ended.add(f);
      const isFor = f.inAccount === account && f.inId === id;
      return !call.relayed && isFor && this.#isRelayed(call, f);
    });
  }

  /** A reply to a packet in flight goes upstream: a Reject to the link that asked only. */
  #isRelayed({ packet, nowMs }: Call, f: Flight): boolean {
    if (!this.#linked[f.inAccount]) return false;
    if (f.session === this.#session[f.inAccount]) return true;
    const isInTime = nowMs < f.deadlineMs && packet?.type === wire.FULFILL;
    return isInTime && opens(f, wire.fulfillmentOf(packet));
  }

  /** What a stream's core writes: the frame inside, null for a control frame. */
  #unwrap(account: number, bytes: Buffer): Buffer | null {
    const inbox = this.#inboxes[account];
    if (!inbox) return bytes;
    const mark = readWhole(bytes, inbox.isClient);
    if (typeof mark === "string") this.fail("stream", `a frame left: ${mark}`);
    const { kind, data } = mark;
    if (kind === "frame") return data;
    if (kind === "pong") {
      if (this.#pings.shift()?.equals(data)) return null;
      this.fail("stream", "a Pong answers no Ping");
    }
    if (kind !== "close" || !this.#isStreaming || this.#streamed !== account) {
      this.fail("stream", `a ${kind} left unasked`);
    }
    return null;
  }

  /** The core ends a stream: because its peer has, or has sent what is none. */
  #onClose(account: number, code: number): void {
    const inbox = this.#inboxes[account];
    if (!inbox) this.fail("stream", "the core ended what is no stream");
    const [first] = inbox.arrivals;
    // A fault is seen as soon as enough of it has come.
    if (first?.arrival.mark.kind === "bad" && first.arrival.end <= inbox.arrived) {
      inbox.isOver = true;
    }
    if (!inbox.isOver) this.fail("stream", `the core ended a good stream with ${code}`);
    inbox.hasClosed = true;
  }

  #finishStream(account: number): void {
    const inbox = this.#inboxes[account];
    if (this.#pings.length > 0) this.fail("stream", `${this.#pings.length} Pings had no answer`);
    if (inbox?.isOver && !inbox.hasClosed) {
      this.fail("stream", "the core reads on after a Close or a fault");
    }
    this.#isStreaming = false;
  }

  /** What the core's slot for this packet says; Free when it is another's by now. */
  #slotState(flight: Flight): FlightState {
    const m = this.machine;
    const slots = m.get(Descriptor.Flights);
    const at = m.flight(flight.outId & (slots - 1));
    const generation = flight.outId >>> Math.log2(slots);
    if (m.u32(at + FlightRecord.generation) !== generation) return FlightState.Free;
    return m.bytes[at + FlightRecord.state]!;
  }

  /** The core still remembers this packet as expired, or is about to expire it. */
  #isEvidence(flight: Flight, nowMs: number): boolean {
    const state = this.#slotState(flight);
    if (state === FlightState.Expired) return true;
    return state === FlightState.Held && nowMs >= flight.deadlineMs;
  }

  // ---- what comes out

  #sink!: Sink;

  readonly #watched: Sink = {
    frame: (account, address, length, packetType, id) => {
      const { bytes } = this.#o.core;
      const out = this.#unwrap(account, Buffer.from(bytes.subarray(address, address + length)));
      const frame = out && wire.viewFrame(out);
      if (frame?.packet)
        this.#onPacket(account, frame.id, frame.packet, frame.type === wire.MESSAGE);
      this.#sink.frame(account, address, length, packetType, id);
      this.replying = null;
    },
    request: (account, source, id, address, length) => {
      this.#onPacket(account, id, this.#output(address, length), true);
      this.#sink.request(account, source, id, address, length);
    },
    reply: (account, id, address, length) => {
      this.#onPacket(account, id, this.#output(address, length), false);
      this.#sink.reply(account, id, address, length);
      this.replying = null;
    },
    settlementDue: (account, amount) => this.#sink.settlementDue(account, amount),
    lateFulfill: (...said) => {
      const [account, source, id, amount] = said;
      this.#onLate(account, source, id, amount);
      this.#sink.lateFulfill(...said);
    },
    unsolicited: (account, address, length) => {
      this.#onUnsolicited(this.#output(address, length));
      this.#sink.unsolicited?.(account, address, length);
    },
    close: (account, code) => {
      this.#onClose(account, code);
      this.#sink.close?.(account, code);
    },
  };

  #output(address: number, length: number): Packet {
    const bytes = Buffer.from(this.#o.core.bytes.subarray(address, address + length));
    return wire.viewPacket(bytes, 0, length);
  }

  #onPacket(account: number, id: number, packet: Packet, isRequest: boolean): void {
    this.#seekPacket(account, id, packet, isRequest);
    const call = this.#call;
    if (!call) this.fail("drain", "an output outside any call");
    if (isRequest) this.#onForward(call, account, id, packet);
    else this.#onAnswer(call, account, id, packet);
  }

  /** A Prepare leaves: it must be the one that came in, changed as it may be and not further. */
  #onForward(call: Call, account: number, id: number, out: Packet): void {
    const { packet } = call;
    if (!call.asks || call.outcomes++ > 0 || packet?.type !== wire.PREPARE) {
      this.fail("outcome", `a Prepare left on ${account} though none came in`, call.payment);
    }
    if (out.type !== wire.PREPARE || !wire.sameTail(packet, out, 25)) {
      this.fail("identical", "a Prepare left with other bytes than it came with", call.payment);
    }
    const direct = call.verb === "direct";
    const source = call.account;
    if (account === source && !direct && !this.#limits[source]!.reflect) {
      this.fail("reflection", `a Prepare went back to ${source}`, call.payment);
    }
    const flight: Flight = {
      outId: id,
      outAccount: account,
      inAccount: source,
      inId: call.id,
      amountIn: wire.amountOf(packet),
      amountOut: wire.amountOf(out),
      deadlineMs: this.#deadline(call, packet, out),
      condition: wire.conditionOf(packet),
      session: this.#session[source]!,
      inHop: call.hop,
      outHop: null,
      payment: call.payment,
      state: "held",
      endedMs: 0,
      commit: this.past.next,
    };
    if (!direct) this.#checkAmount(flight);
    this.#hold(flight);
    if (!direct) this.#checkLimits(flight);
    call.flight = flight;
    if (this.#isStreaming) this.#usedSlots.add(id & (this.machine.get(Descriptor.Flights) - 1));
    this.#o.tracer.note(this.#o.index, What.Forward, account, id, flight.payment, flight.amountOut);
  }

  /** Outgoing expiry: before the incoming one by a window, in the future, not beyond a hold. */
  #deadline(call: Call, packet: Packet, out: Packet): number {
    const { minMessageWindowMs, maxHoldTimeMs } = this.#o.config;
    const offsetAt = this.machine.get(Descriptor.StateAddress) + StateRecord.wallOffsetMs;
    const offset = Number(BigInt.asIntN(64, this.machine.u64(offsetAt)));
    const before = wire.expiryOf(packet);
    const after = wire.expiryOf(out);
    const wall = call.nowMs + offset;
    const window = call.verb === "direct" ? 0 : minMessageWindowMs;
    const good =
      after <= before - window && after >= wall + window && after <= wall + maxHoldTimeMs;
    if (!good) {
      const text = `came with ${before - wall} ms left and went with ${after - wall} ms`;
      this.fail("expiry", text, call.payment);
    }
    return after - offset;
  }

  #checkAmount(f: Flight): void {
    const key = this.#assetOf[f.inAccount]! * 256 + this.#assetOf[f.outAccount]!;
    const peer = f.amountIn === 0n;
    const rate = this.#rates.get(key);
    if (!rate && !peer) this.fail("exchange", "forwarded without a rate", f.payment);
    const exact = peer ? 0n : (f.amountIn * rate![0]) / rate![1];
    if (f.amountOut !== exact || (f.amountIn > 0n && f.amountOut === 0n)) {
      const text = `${f.amountIn} became ${f.amountOut}, not ${exact}`;
      this.fail("exchange", text, f.payment);
    }
  }

  #checkLimits(f: Flight): void {
    const from = this.sums[f.inAccount]!;
    const to = this.sums[f.outAccount]!;
    const a = this.#limits[f.inAccount]!;
    const b = this.#limits[f.outAccount]!;
    const over = (limit: bigint | null, value: bigint): boolean => limit !== null && value > limit;
    const owed = from.debits - from.credits + from.debitsPending;
    const owing = to.credits - to.debits + to.creditsPending;
    const wrong =
      (f.amountIn > 0n && over(a.maximum, owed)) ||
      (f.amountOut > 0n && over(b.minimum === null ? null : -b.minimum, owing)) ||
      over(a.packetMaxIn, f.amountIn) ||
      over(b.packetMaxOut, f.amountOut) ||
      over(a.pendingMax, from.debitsPending - from.claimDebits) ||
      over(b.pendingMax, to.creditsPending - to.claimCredits) ||
      over(
        this.#knowsRisk ? a.riskMax : null,
        this.#atRisk(f.inAccount) + from.debitsPending - from.claimDebits,
      ) ||
      from.flightsIn > a.flightsMax ||
      to.flightsOut > b.flightsMax;
    if (wrong || a.frozen || b.frozen) {
      const way = `${f.amountIn} from ${f.inAccount} to ${f.outAccount}`;
      const text = `${way}: owed ${owed}, owing ${owing}`;
      this.fail("limits", text, f.payment);
    }
  }

  #onAnswer(call: Call, account: number, id: number, out: Packet): void {
    if (call.asks && call.account === account && call.id === id && call.outcomes === 0) {
      call.outcomes++;
      this.replying = call.hop;
      if (out.type === wire.FULFILL && !isPeerRequest(call.packet)) {
        this.fail("told", "a Prepare was answered by a Fulfill at once", call.payment);
      }
      const code = out.type === wire.REJECT ? wire.codeOf(out) : "";
      this.#o.tracer.note(this.#o.index, What.Refuse, account, id, call.payment, 0n, code);
      return;
    }
    const { flight } = call;
    if (flight && !call.asks && flight.inAccount === account && flight.inId === id) {
      if (!call.relayed && flight.state === "held") {
        call.relayed = true;
        this.#onRelay(call, flight, out);
        return;
      }
    }
    this.#onTimeout(call, account, id, out);
  }

  /** The reply to a packet in flight goes upstream. */
  #onRelay(call: Call, flight: Flight, out: Packet): void {
    const { packet } = call;
    this.replying = flight.inHop;
    const inTime = call.nowMs < flight.deadlineMs;
    if (out.type === wire.FULFILL) {
      if (!call.right)
        this.fail("proof", "a Fulfill went upstream without a proof", flight.payment);
      if (!inTime)
        this.fail("late", "a Fulfill went upstream after its packet's end", flight.payment);
    }
    const asItCame = inTime && packet !== null && (call.right || packet.type === wire.REJECT);
    if (asItCame && !(out.type === packet.type && wire.sameTail(packet, out, 0))) {
      this.fail("relay", "a reply went upstream with other bytes", flight.payment);
    }
    if (!asItCame && out.type === wire.REJECT) this.#checkOwnReject(call, flight, out);
  }

  /** A Reject of this node's own ends a packet in flight: with the code of its reason. */
  #checkOwnReject(call: Call, flight: Flight, out: Packet): void {
    let code = "T00";
    if (call.nowMs >= flight.deadlineMs) code = "R00";
    else if (call.packet?.type === wire.FULFILL) code = "F05";
    else if (call.verb === "fail") return;
    if (wire.codeOf(out) !== code) {
      this.fail("relay", `${wire.codeOf(out)} went upstream, not ${code}`, flight.payment);
    }
  }

  /** Nothing but the timeout of a packet in flight may be said unasked. */
  #onTimeout(call: Call, account: number, id: number, out: Packet): void {
    const code = out.type === wire.REJECT ? wire.codeOf(out) : "";
    for (const f of this.heldFlights) {
      if (f.inAccount !== account || f.inId !== id) continue;
      if (f.deadlineMs > call.nowMs) continue;
      if (code !== "R00")
        this.fail("told", "a packet that expired was not answered R00", f.payment);
      this.replying = f.inHop;
      this.#end(f, "expired", call.nowMs);
      return;
    }
    this.fail("told", `an answer ${code} to ${id} of ${account} that nobody waits for`);
  }

  #onLate(account: number, source: number, id: number, amount: bigint): void {
    this.#seek((each) => {
      const flight = this.#flightOf(each);
      if (flight?.outId !== id || each.late > 0) return false;
      if (each === this.#call) return each.lateDue;
      const { packet } = each;
      if (packet?.type !== wire.FULFILL || !this.#evidence.has(flight)) return false;
      return opens(flight, wire.fulfillmentOf(packet));
    });
    const call = this.#call!;
    const f = call.flight;
    const good = f && call.right && f.outId === id && f.outAccount === account;
    if (!good || f.inAccount !== source || f.amountOut !== amount || call.late++ > 0) {
      this.fail("evidence", `evidence of a late Fulfill that did not come (${id} of ${account})`);
    }
    this.lateFulfills++;
  }

  #atRisk(index: number): bigint {
    const { open, written } = this.#risks[index]!;
    const sum = open + written;
    return sum < RISK_MAX ? sum : RISK_MAX;
  }

  /** What the core says a cut would lose, per account; null when its host does not use that. */
  get atRisk(): bigint[] | null {
    if (!this.#knowsRisk) return null;
    const risks: bigint[] = [];
    for (const { index } of this.#o.entries) risks[index] = this.#o.core.account(index).atRisk;
    return risks;
  }

  /** The process is gone: what it held has no end here. */
  abandon(): void {
    for (const f of this.heldFlights) {
      for (const hop of [f.outHop, f.inHop]) if (hop) hop.causes |= Cause.Crash;
      f.outHop?.endUp(false);
      f.inHop?.endDown(false);
    }
    this.heldFlights.clear();
  }

  /** A Fulfill to nothing in flight: it may prove a claim, but not twice. */
  #onUnsolicited(out: Packet): void {
    const isFulfill = (each: Call): boolean => {
      const { packet } = each;
      if (each.asks || each.isUnsolicited || packet?.type !== wire.FULFILL) return false;
      return this.#flightOf(each)?.state !== "held" && wire.sameTail(packet, out, 0);
    };
    this.#seek(isFulfill);
    const call = this.#call;
    if (!call || !isFulfill(call)) {
      this.fail("told", "an unsolicited Fulfill that did not come", call?.payment);
    }
    call.isUnsolicited = true;
    this.unsolicited.push(call.hop);
  }

  // ---- the end of a call

  #finish(): void {
    if (this.#isStreaming) {
      const account = this.#streamed;
      for (; this.#call; this.#turn()) this.#finishCall(this.#call);
      this.#finishStream(account);
      this.#touched.add(account);
    } else if (this.#call) {
      const call = this.#call;
      this.#call = null;
      this.#finishCall(call);
    } else return;
    for (const index of this.#touched) this.#compare(index);
    this.#touched.clear();
    if (this.#o.core.bytes.length !== this.#memoryBytes) this.fail("memory", "memory grew");
    this.#forget(this.#lastNowMs);
  }

  #finishCall(call: Call): void {
    if (call.asks) this.#finishRequest(call);
    else if (call.verb === "tick") this.#finishTick(call);
    else if (call.flight) this.#finishReply(call, call.flight);
    // Later than anybody remembers.
    else if (call.hop?.upEnded) call.hop.causes |= Cause.Late;
    if (call.flight) {
      this.#touched.add(call.flight.inAccount);
      this.#touched.add(call.flight.outAccount);
    } else if (call.verb !== "tick") this.#touched.add(call.account);
    this.checks++;
  }

  /** Every request that the core takes is forwarded or answered in the same call. */
  #finishRequest(call: Call): void {
    if (call.outcomes === 1) return;
    const gone = call.status === Status.BadFrame || call.status === Status.NotFound;
    const refused = call.verb === "direct" && call.status < 0;
    if (gone || refused) return;
    this.fail("outcome", `a request had ${call.outcomes} outcomes (${call.status})`, call.payment);
  }

  #finishReply(call: Call, f: Flight): void {
    const { right } = call;
    const upstream = this.#linked[f.inAccount]!;
    const same = f.session === this.#session[f.inAccount];
    if (call.lateDue !== call.late > 0) {
      this.fail("evidence", `a late Fulfill left ${call.late} pieces of evidence`, f.payment);
    }
    if (f.state !== "held") {
      if (right && f.state === "expired") this.#markLate(f);
      return;
    }
    if (call.status < 0 && call.status !== Status.Unsolicited) return;
    if (call.nowMs >= f.deadlineMs) {
      this.#end(f, "expired", call.nowMs);
      if (right) this.#markLate(f);
      return;
    }
    const due = upstream && (right || same);
    if (call.relayed !== due) {
      this.fail("relay", `a reply was ${due ? "not " : ""}relayed`, f.payment);
    }
    if (!call.relayed && f.inHop && right) f.inHop.causes |= Cause.Lost;
    this.#end(f, right ? "posted" : "voided", call.nowMs);
  }

  #markLate(f: Flight): void {
    if (f.outHop) f.outHop.causes |= Cause.Late;
  }

  /** After a tick that says it is done, nothing that is due is held. */
  #finishTick(call: Call): void {
    if (this.#o.mute.includes("deadline")) return;
    if (call.status === 1 || call.nowMs < this.#earliestMs) return;
    let earliest = Infinity;
    for (const f of this.heldFlights) {
      if (f.deadlineMs > call.nowMs) {
        earliest = Math.min(earliest, f.deadlineMs);
        continue;
      }
      // A crowded bucket of the wheel is not searched to its end before its time is over.
      const bucketMs = 1 << this.#o.wheelShift;
      const crowded = this.heldFlights.size > SEARCH_MAX;
      const inBucket = Math.floor(f.deadlineMs / bucketMs) === Math.floor(call.nowMs / bucketMs);
      if (crowded && inBucket && this.#slotState(f) === FlightState.Held) {
        earliest = Math.min(earliest, f.deadlineMs);
        continue;
      }
      const told = this.#linked[f.inAccount] && f.session === this.#session[f.inAccount];
      const held = this.#slotState(f) === FlightState.Held;
      if (told || held)
        this.fail("deadline", `packet ${f.outId} expired without an answer`, f.payment);
      this.#end(f, "expired", call.nowMs);
    }
    this.#earliestMs = earliest;
  }

  // ---- the shadow's books

  #hold(f: Flight): void {
    const before = this.flights.get(f.outId);
    if (before?.state === "held") this.fail("holds", `request id ${f.outId} is used twice`);
    this.flights.set(f.outId, f);
    this.heldFlights.add(f);
    this.#earliestMs = Math.min(this.#earliestMs, f.deadlineMs);
    const from = this.sums[f.inAccount]!;
    const to = this.sums[f.outAccount]!;
    from.debitsPending += f.amountIn;
    from.flightsIn++;
    to.creditsPending += f.amountOut;
    to.flightsOut++;
    if (f.inHop) f.inHop.downOpen++;
  }

  #end(f: Flight, state: "posted" | "voided" | "expired", nowMs: number): void {
    f.state = state;
    f.endedMs = nowMs;
    this.heldFlights.delete(f);
    const from = this.sums[f.inAccount]!;
    const to = this.sums[f.outAccount]!;
    from.debitsPending -= f.amountIn;
    from.flightsIn--;
    to.creditsPending -= f.amountOut;
    to.flightsOut--;
    const posted = state === "posted";
    if (posted) {
      this.past.book(f, { out: true, in: true });
      from.debits += f.amountIn;
      this.#risks[f.inAccount]!.open += f.amountIn;
      to.credits += f.amountOut;
      this.assets[this.#assetOf[f.inAccount]!]!.incomeCredits += f.amountIn;
      this.assets[this.#assetOf[f.outAccount]!]!.incomeDebits += f.amountOut;
    }
    f.outHop?.endUp(posted);
    f.inHop?.endDown(posted);
    this.#ended.push(f);
    const what = posted ? What.Post : state === "voided" ? What.Void : What.Expire;
    this.#o.tracer.note(this.#o.index, what, f.outAccount, f.outId, f.payment, f.amountIn);
  }

  /** A settlement that the node was told to book. */
  settle(index: number, paid: boolean, amount: bigint): void {
    const sums = this.sums[index]!;
    const asset = this.assets[this.#assetOf[index]!]!;
    if (paid) {
      sums.debits += amount;
      sums.settled += amount;
      sums.paid += amount;
      asset.settledCredits += amount;
    } else {
      sums.credits += amount;
      sums.received += amount;
      asset.settledDebits += amount;
    }
    this.#compare(index);
  }

  /** A part of a possible claim has ended: it was right, or void. */
  #endClaim(index: number, side: ClaimSide, amount: bigint, posts: boolean): void {
    const sums = this.sums[index]!;
    const asset = this.assets[this.#assetOf[index]!]!;
    if (side === ClaimSide.Debits) {
      sums.claimDebits -= amount;
      sums.debitsPending -= amount;
      if (posts) {
        sums.debits += amount;
        sums.settled += amount;
        asset.incomeCredits += amount;
      }
    } else {
      sums.claimCredits -= amount;
      sums.creditsPending -= amount;
      if (posts) {
        sums.credits += amount;
        asset.incomeDebits += amount;
      }
    }
    this.#compare(index);
    this.#o.onClaim(index, side === ClaimSide.Debits ? "owed" : "owing", amount, posts);
  }

  #compare(index: number): void {
    const shadow = this.sums[index];
    if (!shadow) return;
    const m = this.machine;
    const at = m.account(index);
    const same =
      m.longs[(at + A.debitsLo) >> 3] === BigInt.asUintN(64, shadow.debits) &&
      m.longs[(at + A.creditsLo) >> 3] === BigInt.asUintN(64, shadow.credits) &&
      m.longs[(at + A.debitsPending) >> 3] === shadow.debitsPending &&
      m.longs[(at + A.creditsPending) >> 3] === shadow.creditsPending &&
      m.u32(at + A.flightsIn) === shadow.flightsIn &&
      m.u32(at + A.flightsOut) === shadow.flightsOut;
    if (same) return;
    const show = (s: Sums): string => Object.values(s).join(" ");
    const text = `account ${index} holds ${show(this.coreSums(index))}, not ${show(shadow)}`;
    this.fail("books", text);
  }

  /** All sums, all bits, and the assets' own. */
  compareAll(): void {
    for (const { index } of this.#o.entries) {
      const core = this.coreSums(index);
      const shadow = this.sums[index]!;
      if (core.debits !== shadow.debits || core.credits !== shadow.credits) {
        this.fail("books", `account ${index} differs beyond 64 bits`);
      }
      this.#compare(index);
    }
    if (this.#knowsRisk) {
      for (const { index } of this.#o.entries) {
        const said = this.#o.core.account(index).atRisk;
        const due = this.#atRisk(index);
        if (said !== due) this.fail("risk", `account ${index} has ${due} at risk, not ${said}`);
      }
    }
    for (const [i, shadow] of this.assets.entries()) {
      const core = this.coreAsset(i);
      for (const key of Object.keys(shadow) as (keyof AssetSums)[]) {
        if (core[key] === shadow[key]) continue;
        this.fail("income", `asset ${i}: ${key} is ${core[key]}, not ${shadow[key]}`);
      }
    }
  }

  /** Nothing is held beyond its deadline by more than the engine may sleep. */
  checkDeadlines(nowMs: number): void {
    if (this.#o.mute.includes("deadline")) return;
    if (nowMs - TICK_SLACK_MS < this.#earliestMs) return;
    for (const f of this.heldFlights) {
      if (nowMs - f.deadlineMs > TICK_SLACK_MS) {
        this.fail("deadline", `packet ${f.outId} is held beyond its deadline`, f.payment);
      }
    }
  }

  #forget(nowMs: number): void {
    const queue = this.#ended;
    let f = queue[this.#endedHead];
    while (f && nowMs - f.endedMs > MEMORY_MS) {
      // The core keeps evidence for as long as nobody needs the slot.
      if (f.state === "expired" && this.#isEvidence(f, nowMs)) {
        f.endedMs = nowMs;
        queue.push(f);
      } else if (this.flights.get(f.outId) === f) this.flights.delete(f.outId);
      f = queue[++this.#endedHead];
    }
    if (this.#endedHead > 1024 && this.#endedHead * 2 > queue.length) {
      queue.splice(0, this.#endedHead);
      this.#endedHead = 0;
    }
  }
}

/** A core's verbs as they are before anything is put around them. */
function bind(core: Core): Core {
  return new Proxy(core, {
    get: (target, key) => {
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function opens(flight: Flight, fulfillment: Buffer): boolean {
  const { payment, condition } = flight;
  if (payment?.condition.equals(condition)) return payment.preimage.equals(fulfillment);
  return createHash("sha256").update(fulfillment).digest().equals(condition);
}

/** A request that the core itself answers: ILDCP. */
function isPeerRequest(packet: Packet | null): boolean {
  if (packet?.type !== wire.PREPARE || wire.amountOf(packet) !== 0n) return false;
  return wire.destinationOf(packet) === "peer.config";
}

function makeCall(
  verb: Call["verb"],
  account: number,
  id: number,
  nowMs: number,
  { hop, payment }: Incoming,
): Call {
  return {
    verb,
    account,
    id,
    nowMs,
    packet: null,
    asks: false,
    hop,
    payment,
    flight: null,
    right: false,
    isReply: false,
    isUnsolicited: false,
    outcomes: 0,
    relayed: false,
    late: 0,
    lateDue: false,
    status: 0,
  };
}
