// The core as the specification describes it (RFC 27, RFC 32, the rules' order in
// assembly/README.md), in unlimited integers and plain objects. It makes the same outputs, byte for
// byte, and the same statuses; what it does not have is memory, hashes, wheels and chains.
import { LinkKind, OutputKind, RecordKind, Relation, Status } from "../../../host/abi.js";
import { encodeFrame } from "../reference/btp.js";
import { U64, Account, Asset, carries, clamp, largestIn, longestMatch } from "./books.js";
import type { Rate, Settings } from "./books.js";
import { PEER_CONDITION, contentAt, frame, fulfill, reject, sha256, stamp } from "./codec.js";
import type { FrameParcel, Parcel } from "./codec.js";
import { Flights, type Flight, type Outcome } from "./flights.js";
import type { Said } from "./machine.js";
import { REJECTS } from "./texts.js";

type Prepare = Extract<NonNullable<Parcel["packet"]>, { type: 12 }>;

export interface Capacities {
  accounts: number;
  assets: number;
  flights: number;
  wheel: number;
  wheelShift: number;
  outputs: number;
  records: number;
  routes: number;
  prefixMax: number;
  /** Largest packet, bytes. */
  packet: number;
}

/** What was decided about a Prepare. */
export interface Verdict {
  rule: string;
  source: number;
  next: number;
  amountIn: bigint;
  amountOut: bigint;
  expiresAtMs: number;
  deadlineMs: number;
  maximum: bigint;
  limit: bigint;
  value: bigint;
}

/** The latest entry of the event ring. */
export interface Noted {
  rule: string;
  account: number;
  next: number;
  code: string;
  requestId: number;
  amount: bigint;
  limit: bigint;
  value: bigint;
}

export interface JournalEntry {
  kind: RecordKind;
  index: number;
  a: bigint;
  b: bigint;
}

const NONE = 0xffff;
const COUNTERS =
  "Prepares Forwards Fulfills Rejects Refusals Expiries Unsolicited Duplicates LateFulfills " +
  "WrongFulfillments BadFrames Orphans IldcpAnswers LoopBreaks FlightsFull CrossLink FlightsMax " +
  "OutputsMax Events ClockSteps";
/** What RFC 38 prints as the condition of settlement messages. */
const EMPTY_CONDITION = sha256(Buffer.alloc(0));
const NO_BYTES = Buffer.alloc(0);

export class Model {
  readonly accounts: Account[];
  readonly assets: Asset[];
  readonly rates = new Map<string, Rate>();
  readonly routes = new Map<string, number>();
  readonly counters: Record<string, number> = Object.fromEntries(
    COUNTERS.split(" ").map((name) => [name, 0]),
  );
  readonly flights: Flights;
  defaultAccount: number | null = null;
  own = "";
  nowMs = 0;
  wallOffsetMs = 0;
  clockSet = false;
  draining = false;
  trail = false;
  minWindowMs = 1000;
  maxHoldMs = 30000;
  loopMax = 2;
  evidenceMs = 60000;
  said: Said[] = [];
  noted: Noted | null = null;
  journal: JournalEntry[] = [];
  taken = false;
  /** Grows whenever a sum may have changed. */
  moves = 0;
  /** Settlements that the next tick says. */
  readonly unsaid = new Set<number>();
  /** Accounts that tick has still to look at for these. */
  settleLeft = 0;

  constructor(
    readonly size: Capacities,
    seed: number,
  ) {
    this.accounts = Array.from({ length: size.accounts }, () => new Account());
    this.assets = Array.from({ length: size.assets }, () => new Asset());
    // The core's own derivation: the number is in the ids it gives out.
    const preimage = Buffer.alloc(32);
    preimage.writeUInt32LE(seed);
    preimage[16] = 1;
    const generation = sha256(preimage).readUInt32LE(8);
    this.flights = new Flights(size.flights, generation, size.wheel, size.wheelShift);
  }

  get wallMs(): number {
    return this.nowMs + this.wallOffsetMs;
  }

  // ---- what every verb does first

  protected count(counter: string): void {
    this.counters[counter]! += 1;
  }

  setNow(nowMs: number): void {
    if (nowMs >= this.nowMs) this.nowMs = nowMs;
    else this.count("ClockSteps");
  }

  /** Room for n journal records; those the host has taken make room. */
  hasRecords(n: number): boolean {
    if (this.taken) {
      this.journal = [];
      this.taken = false;
    }
    return this.journal.length + n <= this.size.records;
  }

  isAccount(index: number): boolean {
    return this.accounts[index]?.open === true;
  }

  enter(index: number, kind: LinkKind, nowMs: number): Status {
    if (!this.isAccount(index)) return Status.BadArgument;
    const a = this.accounts[index]!;
    if (a.kind !== kind) return Status.BadArgument;
    if (!a.linked) return Status.NotFound;
    this.setNow(nowMs);
    return this.hasRecords(2) ? Status.Ok : Status.Undrained;
  }

  // ---- speaking

  protected say(kind: OutputKind, account: number, rest: Partial<Said>): void {
    const none = { source: 0, packetType: 0, requestId: 0, bytes: NO_BYTES, amount: 0n };
    this.said.push({ kind, account, ...none, ...rest });
    this.counters.OutputsMax = Math.max(this.counters.OutputsMax!, this.said.length);
  }

  protected send(
    index: number,
    isReply: boolean,
    requestId: number,
    packet: Buffer,
    source: number,
  ): void {
    const packetType = packet[0]!;
    if (this.accounts[index]!.kind === LinkKind.Btp) {
      const bytes = frame(isReply ? 1 : 6, requestId, packet);
      this.say(OutputKind.Frame, index, { source, packetType, requestId, bytes });
    } else {
      const kind = isReply ? OutputKind.Reply : OutputKind.Request;
      this.say(kind, index, { source, packetType, requestId, bytes: packet });
    }
  }

  protected note(rule: string, account: number, next: number, rest: Partial<Noted> = {}): void {
    this.count("Events");
    const none = { code: "", requestId: 0, amount: 0n, limit: 0n, value: 0n };
    this.noted = { rule, account, next, ...none, ...rest };
  }

  /** The Reject that a verdict asks for. */
  rejectOf(v: Verdict, packet: Parcel["packet"], code?: string): Buffer {
    const [usual, message] = REJECTS[v.rule]!;
    const prepare = packet?.type === 12 ? packet : null;
    const text = message({
      source: this.accounts[v.source]!.s.name,
      next: this.accounts[v.next]?.s?.name ?? "",
      destination: prepare?.destination ?? "",
      type: packet?.type ?? 0,
      maximum: v.maximum,
      amount: v.amountIn,
      expiresAtMs: prepare?.expiresAtMs ?? 0,
      requiredMs: this.wallMs + 2 * this.minWindowMs,
      wallMs: this.wallMs,
    });
    const data = Buffer.alloc(usual === "F08" ? 16 : 0);
    if (usual === "F08") {
      data.writeBigUInt64BE(v.amountIn);
      data.writeBigUInt64BE(v.maximum, 8);
    }
    return reject(code ?? usual, this.own || "self.ferrule", text, data).bytes;
  }

  // ---- judging

  protected holds(): readonly Flight[] {
    return this.flights.held();
  }

  /** In flight from an account. */
  heldIn(index: number): bigint {
    return this.holds().reduce((sum, f) => (f.source === index ? sum + f.amountIn : sum), 0n);
  }

  /** In flight to an account. */
  heldOut(index: number): bigint {
    return this.holds().reduce((sum, f) => (f.next === index ? sum + f.amountOut : sum), 0n);
  }

  /** With its claims. */
  pendingIn(index: number): bigint {
    return this.heldIn(index) + this.accounts[index]!.claimDebits;
  }

  pendingOut(index: number): bigint {
    return this.heldOut(index) + this.accounts[index]!.claimCredits;
  }

  startVerdict(source: number, amountIn: bigint): Verdict {
    const zero = { amountOut: 0n, expiresAtMs: 0, deadlineMs: 0 };
    const none = { maximum: 0n, limit: 0n, value: 0n };
    return { rule: "Forwarded", source, next: NONE, amountIn, ...zero, ...none };
  }

  /** The rules in their order; the first that refuses names the verdict. */
  judge(source: number, p: Prepare, throttled: boolean): Verdict {
    const v = this.startVerdict(source, p.amount);
    const rules = [
      () => this.judgeNode(),
      () => this.judgeSource(v, throttled),
      () => this.judgeWhere(v, p),
      () => this.judgeLink(v),
      () => this.judgeRate(v, p),
      () => this.judgeExpiry(v, p),
      () => this.judgeNext(v),
      () => this.judgeLoop(v, p),
      () => this.judgeTable(v),
    ];
    for (const rule of rules) {
      const refusal = rule();
      if (!refusal) continue;
      v.rule = refusal;
      break;
    }
    return v;
  }

  protected measure(v: Verdict, limit: bigint, value: bigint): void {
    v.limit = limit;
    v.value = value;
  }

  protected judgeNode(): string {
    if (this.draining) return "NodeDraining";
    return this.clockSet ? "" : "ClockUnset";
  }

  protected judgeSource(v: Verdict, throttled: boolean): string {
    const a = this.accounts[v.source]!;
    const { s } = a;
    const amount = v.amountIn;
    const inFlight = this.holds().filter((f) => f.source === v.source).length;
    const held = this.heldIn(v.source);
    const pending = this.pendingIn(v.source);
    const available = a.valueIn ? a.valueIn.level(this.nowMs) : U64;
    const worst = a.balance + pending + amount;
    if (a.frozen || a.draining) return "AccountFrozen";
    this.measure(v, BigInt(s.rateCount), 0n);
    if (throttled) return "RateLimit";
    this.measure(v, s.packetMaxIn, amount);
    if (amount > s.packetMaxIn) {
      v.maximum = s.packetMaxIn;
      return "MaxPacketAmount";
    }
    this.measure(v, available, amount);
    if (amount > available) return "ThroughputIn";
    this.measure(v, s.balanceMax, worst);
    if (amount && worst > s.balanceMax) return "BalanceMaximum";
    this.measure(v, BigInt(s.flightsMax), BigInt(inFlight));
    if (inFlight >= s.flightsMax) return "InFlightCount";
    this.measure(v, s.pendingMax, held);
    if (held + amount > s.pendingMax || pending + amount > U64) return "InFlightAmount";
    if (this.exceedsRisk(v, held)) return "ValueAtRisk";
    this.measure(v, 0n, 0n);
    return "";
  }

  /** Would a power cut lose too much? Packets without money and accounts without a limit pass. */
  protected exceedsRisk(v: Verdict, held: bigint): boolean {
    const a = this.accounts[v.source]!;
    if (!v.amountIn || a.s.riskMax === U64) return false;
    this.measure(v, a.s.riskMax, clamp(a.atRisk + held));
    return a.atRisk + held + v.amountIn > a.s.riskMax;
  }

  protected judgeWhere(v: Verdict, p: Prepare): string {
    if (p.destination.startsWith("peer.")) return this.judgePeer(v, p);
    const a = this.accounts[v.source]!;
    if (!carries(this.own, p.destination)) return "Scheme";
    const next = longestMatch(this.routes, p.destination) ?? this.defaultAccount;
    if (next === null) return "NoRoute";
    v.next = next;
    return next === v.source && !a.reflect ? "Reflection" : "";
  }

  protected judgePeer(v: Verdict, p: Prepare): string {
    const a = this.accounts[v.source]!;
    const conditioned = p.condition.equals(PEER_CONDITION);
    if (p.destination === "peer.config") {
      const length = this.own.length + 1 + a.s.segment.length;
      if (a.s.relation !== Relation.Child || !this.own || !a.s.segment) return "IldcpRefused";
      if (length > 1023) return "IldcpRefused";
      if (!conditioned || p.amount) return "PeerCondition";
      if (p.expiresAtMs > this.wallMs) return "IldcpAnswered";
      this.measure(v, BigInt(this.wallMs), BigInt(p.expiresAtMs));
      return "Expired";
    }
    const route = ["peer.route.control", "peer.route.update"].includes(p.destination);
    if (!route && p.destination !== "peer.settle") return "PeerProtocol";
    const settles = !route && (conditioned || p.condition.equals(EMPTY_CONDITION));
    if (p.amount || !(settles || conditioned)) return "PeerCondition";
    v.next = 0;
    return "";
  }

  protected judgeLink(v: Verdict): string {
    const next = this.accounts[v.next]!;
    if (!next.open) return "NoRoute";
    if (next.frozen) return "NextFrozen";
    if (!next.linked) return "LinkDown";
    return next.congested ? "LinkBusy" : "";
  }

  /** floor(amount × rate), exactly. */
  protected convert(rate: Rate, amount: bigint): bigint {
    return (amount * rate.n) / rate.d;
  }

  protected judgeRate(v: Verdict, p: Prepare): string {
    if (p.destination.startsWith("peer.")) return "";
    const a = this.accounts[v.source]!;
    const next = this.accounts[v.next]!;
    const rate = this.rates.get(`${a.s.asset} ${next.s.asset}`);
    if (!rate) return "NoRate";
    const amount = this.convert(rate, v.amountIn);
    const largest = largestIn(rate, next.s.packetMaxOut);
    const maximum = largest < a.s.packetMaxIn ? largest : a.s.packetMaxIn;
    if (amount > U64) {
      v.maximum = maximum;
      this.measure(v, U64, 0n);
      return "RateOverflow";
    }
    v.amountOut = amount;
    if (amount > next.s.packetMaxOut) {
      v.maximum = maximum;
      this.measure(v, next.s.packetMaxOut, amount);
      return "MaxPacketAmountOut";
    }
    return v.amountIn && !amount ? "RoundsToZero" : "";
  }

  protected judgeExpiry(v: Verdict, p: Prepare): string {
    const left = p.expiresAtMs - this.wallMs;
    if (left <= 0) {
      this.measure(v, BigInt(this.wallMs), BigInt(p.expiresAtMs));
      return "Expired";
    }
    const hold = Math.min(left - this.minWindowMs, this.maxHoldMs);
    if (hold < this.minWindowMs) {
      this.measure(v, BigInt(this.wallMs + 2 * this.minWindowMs), BigInt(p.expiresAtMs));
      return "ExpiresSoon";
    }
    v.expiresAtMs = this.wallMs + hold;
    v.deadlineMs = this.nowMs + hold;
    return "";
  }

  protected judgeNext(v: Verdict): string {
    const next = this.accounts[v.next]!;
    const { s } = next;
    const amount = v.amountOut;
    const inFlight = this.holds().filter((f) => f.next === v.next).length;
    const held = this.heldOut(v.next);
    const pending = this.pendingOut(v.next);
    const available = next.valueOut ? next.valueOut.level(this.nowMs) : U64;
    const worst = next.balance - pending - amount;
    this.measure(v, available, amount);
    if (amount > available) return "ThroughputOut";
    this.measure(v, s.balanceMin, worst);
    if (amount && worst < s.balanceMin) return "BalanceMinimum";
    this.measure(v, BigInt(s.flightsMax), BigInt(inFlight));
    if (inFlight >= s.flightsMax) return "NextInFlightCount";
    this.measure(v, s.pendingMax, held);
    const fits = held + amount <= s.pendingMax && pending + amount <= U64;
    return fits ? "" : "NextInFlightAmount";
  }

  protected judgeTable(v: Verdict): string {
    if (this.holds().length < this.size.flights) return "";
    this.measure(v, BigInt(this.size.flights), BigInt(this.size.flights));
    return "TableFull";
  }

  protected judgeLoop(v: Verdict, p: Prepare): string {
    if (!this.loopMax || !p.amount) return "";
    const twins = this.holds().filter(
      (f) =>
        f.watched &&
        f.next === v.next &&
        f.destination === p.destination &&
        f.condition.equals(p.condition),
    ).length;
    if (twins < this.loopMax) return "";
    this.measure(v, BigInt(this.loopMax), BigInt(twins));
    return "Loop";
  }

  // ---- Prepares

  private answerReject(v: Verdict, requestId: number, packet: Parcel["packet"]): void {
    const code = REJECTS[v.rule]![0];
    this.send(v.source, true, requestId, this.rejectOf(v, packet), v.source);
    this.count("Refusals");
    if (v.rule === "Loop") this.count("LoopBreaks");
    if (v.rule === "TableFull") this.count("FlightsFull");
    this.accounts[v.source]!.meters.inRejected! += 1;
    this.note(v.rule, v.source, v.next, {
      code,
      requestId,
      amount: v.amountIn,
      limit: BigInt.asUintN(64, v.limit),
      value: BigInt.asUintN(64, v.value),
    });
  }

  /** What is in the bytes; a Prepare or Reject that is too large is nothing. */
  packetIn(parcel: Parcel | null): Parcel["packet"] {
    const packet = parcel?.packet ?? null;
    return packet && packet.type !== 13 && parcel!.size > this.size.packet ? null : packet;
  }

  onRequest(index: number, requestId: number, parcel: Parcel): void {
    this.count("Prepares");
    const a = this.accounts[index]!;
    const throttled = a.packets !== null && a.packets.level(this.nowMs) < 1n;
    if (!throttled) a.packets?.take(1n, this.nowMs);
    const packet = this.packetIn(parcel);
    if (packet?.type !== 12) {
      const v = this.startVerdict(index, 0n);
      v.rule = packet ? "UnexpectedType" : "InvalidPacket";
      this.answerReject(v, requestId, packet);
      return;
    }
    if (throttled) a.meters.rateLimited! += 1;
    const v = this.judge(index, packet, throttled);
    if (v.rule === "Forwarded") this.forward(v, packet, parcel, requestId);
    else if (v.rule === "IldcpAnswered") this.answerIldcp(index, requestId);
    else this.answerReject(v, requestId, packet);
  }

  protected forward(v: Verdict, packet: Prepare, parcel: Parcel, requestId: number): void {
    // Either condition of a settlement message stands for the peer condition.
    const condition = packet.destination === "peer.settle" ? PEER_CONDITION : packet.condition;
    const slot = this.hold(v, { ...packet, condition }, requestId)!;
    this.accounts[v.source]!.valueIn?.take(v.amountIn, this.nowMs);
    this.accounts[v.next]!.valueOut?.take(v.amountOut, this.nowMs);
    const bytes = Buffer.from(parcel.bytes.subarray(0, parcel.size));
    const content = contentAt(bytes);
    bytes.writeBigUInt64BE(v.amountOut, content);
    bytes.write(stamp(v.expiresAtMs), content + 8, "latin1");
    condition.copy(bytes, content + 25);
    this.count("Forwards");
    this.send(v.next, false, this.flights.idOf(slot), bytes, v.source);
  }

  /** Puts a packet into a slot, with its records in the trail. */
  protected hold(v: Verdict, packet: Prepare, requestId: number): number | undefined {
    const flight: Flight = {
      condition: packet.condition,
      destination: packet.destination,
      amountIn: v.amountIn,
      amountOut: v.amountOut,
      deadlineMs: v.deadlineMs,
      requestId,
      source: v.source,
      next: v.next,
      watched: this.loopMax > 0 && v.amountIn > 0n,
      session: this.accounts[v.source]!.session,
    };
    const slot = this.flights.take(flight, this.nowMs, this.evidenceMs);
    if (slot === undefined) return undefined;
    this.counters.FlightsMax = this.flights.heldMax;
    this.accounts[v.source]!.dirty = this.accounts[v.next]!.dirty = true;
    if (this.trail) {
      const first = flight.condition.readBigUInt64LE(0);
      const second = flight.condition.readBigUInt64LE(8);
      this.append(RecordKind.Hold, v.source, v.amountIn, v.amountOut);
      this.append(RecordKind.HoldCondition, v.next, first, second);
    }
    return slot;
  }

  append(kind: RecordKind, index: number, a: bigint, b: bigint): void {
    this.journal.push({ kind, index, a, b });
  }

  private answerIldcp(index: number, requestId: number): void {
    const { s } = this.accounts[index]!;
    const asset = this.assets[s.asset]!;
    const address = Buffer.from(`${this.own}.${s.segment}`, "latin1");
    const code = Buffer.from(asset.code, "utf8");
    const n = address.length;
    const length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255];
    const tail = Buffer.of(asset.scale, code.length);
    const data = Buffer.concat([Buffer.from(length), address, tail, code]);
    this.send(index, true, requestId, fulfill(Buffer.alloc(32), data).bytes, index);
    this.count("IldcpAnswers");
  }

  // ---- replies

  /** Ends a hold; only `posted` moves money. */
  protected end(slot: number, outcome: Exclude<Outcome, "free" | "held">): Flight {
    const { flight } = this.flights.slots[slot]!;
    this.flights.end(slot, outcome, this.nowMs);
    this.accounts[flight.source]!.dirty = this.accounts[flight.next]!.dirty = true;
    if (this.trail) {
      const kinds = {
        posted: RecordKind.Post,
        voided: RecordKind.Void,
        expired: RecordKind.Expire,
      };
      this.append(kinds[outcome], flight.source, flight.amountIn, flight.amountOut);
    }
    return flight;
  }

  /** Tells the source that its packet failed here, if its link is still the same. */
  private answerEnded(f: Flight, rule: string, code: string): void {
    const a = this.accounts[f.source]!;
    a.meters.inRejected! += 1;
    const { requestId } = f;
    this.note(rule, f.source, f.next, { code, requestId, amount: f.amountIn });
    if (!a.linked || a.session !== f.session) {
      this.count("Orphans");
      return;
    }
    const v = { ...this.startVerdict(f.source, f.amountIn), rule, next: f.next };
    this.send(f.source, true, requestId, this.rejectOf(v, null, code), f.next);
  }

  expire(slot: number): void {
    const f = this.end(slot, "expired");
    this.count("Expiries");
    this.accounts[f.next]!.meters.outExpired! += 1;
    this.answerEnded(f, "Timeout", "R00");
  }

  private failFlight(slot: number, rule: string, code: string): void {
    const f = this.end(slot, "voided");
    this.accounts[f.next]!.meters.outRejected! += 1;
    this.answerEnded(f, rule, code);
  }

  /** Is the reply to this held flight still in time? */
  protected inTime(f: Flight): boolean {
    return this.nowMs < f.deadlineMs;
  }

  protected matches(parcel: Parcel, f: Flight): boolean {
    const { packet } = parcel;
    return packet?.type === 13 && sha256(packet.fulfillment).equals(f.condition);
  }

  /** May this link answer that flight? */
  protected ownsFlight(index: number, f: Flight): boolean {
    return f.next === index;
  }

  private findHeld(index: number, requestId: number, parcel: Parcel | null): number | undefined {
    const slot = this.flights.find(requestId);
    if (slot === undefined) {
      this.count("Unsolicited");
      this.noteUnsolicited(index, requestId, parcel);
      return undefined;
    }
    const s = this.flights.slots[slot]!;
    if (!this.ownsFlight(index, s.flight)) {
      this.count("CrossLink");
      return undefined;
    }
    if (s.state === "held") {
      if (this.inTime(s.flight)) return slot;
      this.expire(slot);
    }
    const fulfills = parcel?.packet?.type === 13;
    if (fulfills && this.isEvidence(slot, parcel)) this.noteLate(slot, index, requestId, parcel);
    else this.count("Duplicates");
    return undefined;
  }

  /** A Fulfill that may prove a claim of an earlier life is passed on. */
  private noteUnsolicited(index: number, requestId: number, parcel: Parcel | null): void {
    if (parcel?.packet?.type !== 13 || this.accounts[index]!.claimCredits === 0n) return;
    const bytes = parcel.bytes.subarray(0, parcel.size);
    this.say(OutputKind.Unsolicited, index, { packetType: 13, requestId, bytes });
  }

  /** Is this Fulfill a genuine one for a packet that expired? */
  protected isEvidence(slot: number, parcel: Parcel): boolean {
    const s = this.flights.slots[slot]!;
    return s.state === "expired" && this.matches(parcel, s.flight);
  }

  private noteLate(slot: number, index: number, requestId: number, parcel: Parcel): void {
    const { flight } = this.flights.slots[slot]!;
    const { source, amountOut: amount } = flight;
    const bytes = parcel.bytes.subarray(0, parcel.size);
    // One claim is evidence once: what comes again is a duplicate.
    this.flights.slots[slot]!.state = "voided";
    if (this.trail) this.append(RecordKind.Void, source, flight.amountIn, amount);
    this.count("LateFulfills");
    this.say(OutputKind.LateFulfill, index, { source, packetType: 13, requestId, bytes, amount });
    this.note("Timeout", source, index, { requestId, amount });
  }

  onReply(index: number, requestId: number, parcel: Parcel | null): Status {
    const slot = this.findHeld(index, requestId, parcel);
    if (slot === undefined) return Status.Unsolicited;
    const type = this.packetIn(parcel)?.type;
    if (type === 13) this.onFulfill(slot, parcel!);
    else if (type === 14) this.onReject(slot, parcel!);
    else this.failFlight(slot, "InvalidReply", "T00");
    return Status.Ok;
  }

  onFailure(index: number, requestId: number, code: string): Status {
    const slot = this.findHeld(index, requestId, null);
    if (slot === undefined) return Status.Unsolicited;
    this.failFlight(slot, "LinkFailed", code);
    return Status.Ok;
  }

  private onFulfill(slot: number, parcel: Parcel): void {
    const { flight: f } = this.flights.slots[slot]!;
    const next = this.accounts[f.next]!;
    if (!this.matches(parcel, f)) {
      this.count("WrongFulfillments");
      next.meters.outWrong! += 1;
      this.failFlight(slot, "WrongFulfillment", "F05");
      return;
    }
    this.end(slot, "posted");
    this.post(f);
    this.count("Fulfills");
    this.accounts[f.source]!.meters.inFulfilled! += 1;
    next.meters.outFulfilled! += 1;
    this.relay(f, parcel, false);
    this.checkSettlement(f.source);
    this.checkSettlement(f.next);
  }

  /** Books a fulfilled packet: both accounts, and both assets' income. */
  protected post(f: Flight): void {
    this.moves += 1;
    const source = this.accounts[f.source]!;
    const next = this.accounts[f.next]!;
    source.debits += f.amountIn;
    source.riskOpen = clamp(source.riskOpen + f.amountIn);
    this.assets[source.s.asset]!.incomeCredits += f.amountIn;
    next.credits += f.amountOut;
    this.assets[next.s.asset]!.incomeDebits += f.amountOut;
    for (const a of [source, next]) {
      a.dirty = true;
      this.assets[a.s.asset]!.dirty = true;
    }
  }

  private onReject(slot: number, parcel: Parcel): void {
    const f = this.end(slot, "voided");
    this.count("Rejects");
    this.accounts[f.source]!.meters.inRejected! += 1;
    this.accounts[f.next]!.meters.outRejected! += 1;
    const packet = parcel.packet as Extract<Parcel["packet"], { type: 14 }>;
    const code = packet.code.toString("latin1");
    const { requestId, amountIn: amount } = f;
    this.note("PeerRejected", f.source, f.next, { code, requestId, amount });
    this.relay(f, parcel, true);
  }

  private relay(f: Flight, parcel: Parcel, sameSession: boolean): void {
    const a = this.accounts[f.source]!;
    if (!a.linked || (sameSession && a.session !== f.session)) {
      this.count("Orphans");
      return;
    }
    let bytes = parcel.bytes.subarray(0, parcel.size);
    if (parcel.packet?.type === 13 && parcel.size > this.size.packet) {
      bytes = fulfill(parcel.packet.fulfillment).bytes;
    }
    this.send(f.source, true, f.requestId, bytes, f.next);
  }

  /** Says a settlement when its threshold is passed; `later`: the next tick does. */
  protected checkSettlement(index: number, later = false): void {
    const a = this.accounts[index]!;
    const due = a.settles && a.s.settleThreshold > a.balance && a.s.settleTo > a.balance;
    if (due && !a.said) {
      if (later) this.sayLater(index);
      else this.saySettlement(index);
    }
    a.said = due;
  }

  private saySettlement(index: number): void {
    const a = this.accounts[index]!;
    this.unsaid.delete(index);
    this.say(OutputKind.SettlementDue, index, { amount: clamp(a.s.settleTo - a.balance) });
  }

  protected sayLater(index: number): void {
    this.unsaid.add(index);
    this.settleLeft = this.size.accounts;
  }

  /** Room for the outputs of one packet more. */
  private hasRoom(): boolean {
    return this.said.length + 3 <= this.size.outputs;
  }

  private saySettlements(): number {
    for (; this.settleLeft > 0; this.settleLeft--) {
      if (!this.hasRoom()) return 1;
      const index = this.settleLeft - 1;
      if (this.unsaid.has(index) && this.accounts[index]!.said) this.saySettlement(index);
      this.unsaid.delete(index);
    }
    return 0;
  }

  /** What every replay ends with: nobody knows what of an earlier life was heard. */
  protected sayAgain(): void {
    for (const [i, a] of this.accounts.entries()) if (a.said) this.sayLater(i);
  }

  // ---- verbs

  request(index: number, id: number, parcel: Parcel, nowMs: number): Status {
    const status = this.enter(index, LinkKind.Raw, nowMs);
    if (status === Status.Ok) this.onRequest(index, id, parcel);
    return status;
  }

  reply(index: number, id: number, parcel: Parcel, nowMs: number): Status {
    const status = this.enter(index, LinkKind.Raw, nowMs);
    return status === Status.Ok ? this.onReply(index, id, parcel) : status;
  }

  fail(index: number, id: number, code: string, nowMs: number): Status {
    if (!["F00", "F01", "T00", "T01", "T03"].includes(code)) return Status.BadArgument;
    const status = this.enter(index, LinkKind.Raw, nowMs);
    return status === Status.Ok ? this.onFailure(index, id, code) : status;
  }

  frame(index: number, input: FrameParcel, nowMs: number): Status {
    const status = this.enter(index, LinkKind.Btp, nowMs);
    if (status !== Status.Ok) return status;
    const { frame: f, parcel } = input;
    if (!f) {
      this.count("BadFrames");
      return Status.BadFrame;
    }
    if (f.type === 6 && parcel) this.onRequest(index, f.requestId, parcel);
    else if (f.type === 1) this.onReply(index, f.requestId, parcel);
    else if (f.type === 2) this.onFailure(index, f.requestId, "T00");
    else this.answerNotAccepted(index, f.requestId);
    return Status.Ok;
  }

  private answerNotAccepted(index: number, requestId: number): void {
    const name = Buffer.from("\x10NotAcceptedError", "latin1");
    const iso = new Date(this.wallMs).toISOString().replace(/[-T:]/g, "");
    const body = Buffer.concat([Buffer.from("F00"), name, Buffer.from(`\x13${iso}\0`, "latin1")]);
    const bytes = encodeFrame(2, requestId, [], body);
    this.say(OutputKind.Frame, index, { requestId, bytes });
  }

  direct(index: number, id: number, parcel: Parcel, nowMs: number): Status {
    if (!this.isAccount(index)) return Status.BadArgument;
    this.setNow(nowMs);
    if (!this.hasRecords(2)) return Status.Undrained;
    const packet = this.packetIn(parcel);
    if (packet?.type !== 12) return Status.BadPacket;
    const left = packet.expiresAtMs - this.wallMs;
    if (packet.amount || !packet.destination.startsWith("peer.") || left <= 0) {
      return Status.BadPacket;
    }
    if (!packet.condition.equals(PEER_CONDITION)) return Status.BadPacket;
    if (!this.isAccount(0) || !this.accounts[index]!.linked) return Status.NotFound;
    const v = this.startVerdict(0, 0n);
    v.next = index;
    v.deadlineMs = this.nowMs + Math.min(left, this.maxHoldMs);
    const slot = this.hold(v, packet, id);
    if (slot === undefined) {
      this.count("FlightsFull");
      return Status.Full;
    }
    this.send(index, false, this.flights.idOf(slot), parcel.bytes.subarray(0, parcel.size), 0);
    return Status.Ok;
  }

  tick(nowMs: number): number {
    this.setNow(nowMs);
    for (;;) {
      if (!this.hasRoom() || !this.hasRecords(1)) return 1;
      const [slot] = this.flights.due(this.nowMs);
      if (slot === undefined) return this.saySettlements();
      this.expire(slot);
    }
  }

  /** Milliseconds until tick has work, Infinity when there is none to come. */
  deadline(nowMs: number): number {
    if (this.settleLeft) return 0;
    return Math.max(0, this.flights.earliest() - nowMs);
  }

  clock(nowMs: number, wallMs: number): void {
    this.setNow(nowMs);
    const offset = wallMs - this.nowMs;
    if (this.clockSet && Math.abs(offset - this.wallOffsetMs) > 1000) this.count("ClockSteps");
    this.wallOffsetMs = offset;
    this.clockSet = true;
  }

  // ---- setters

  setAsset(index: number, code: string, scale: number): Status {
    if (index >= this.size.assets) return Status.Full;
    const asset = this.assets[index]!;
    const same = asset.code === code && asset.scale === scale;
    const used = this.accounts.some((a) => a.open && a.s.asset === index);
    // Claims may have been replayed for an account that is not open.
    const claims = this.accounts.some(
      (a) => (a.s?.asset ?? 0) === index && (a.claimDebits > 0n || a.claimCredits > 0n),
    );
    const busy = used || claims || asset.hasSums;
    if (asset.open && busy && !same) return Status.Busy;
    if (!same) {
      for (const key of this.rates.keys()) {
        if (key.split(" ").includes(`${index}`)) this.rates.delete(key);
      }
    }
    asset.open = true;
    asset.code = code;
    asset.scale = scale;
    return Status.Ok;
  }

  inFlight(index: number): boolean {
    return this.holds().some((f) => f.source === index || f.next === index);
  }

  setAccount(index: number, s: Settings): Status {
    if (index >= this.size.accounts) return Status.Full;
    if (!this.assets[s.asset]?.open) return Status.NotFound;
    const a = this.accounts[index]!;
    const changes = a.open && a.s.asset !== s.asset;
    const sums = a.debits || a.credits || a.claimDebits || a.claimCredits;
    if (changes && (sums || this.inFlight(index))) return Status.Busy;
    this.moves += 1;
    a.set(s, this.nowMs);
    this.assets[s.asset]!.dirty = true;
    this.checkSettlement(index, true);
    return Status.Ok;
  }

  closeAccount(index: number): Status {
    if (index === 0 || !this.isAccount(index)) return Status.NotFound;
    const a = this.accounts[index]!;
    if (this.inFlight(index) || a.claimDebits || a.claimCredits) return Status.Busy;
    this.moves += 1;
    const asset = this.assets[a.s.asset]!;
    asset.incomeDebits += a.debits;
    asset.incomeCredits += a.credits;
    asset.dirty = true;
    a.debits = a.credits = 0n;
    a.open = a.linked = a.congested = a.frozen = a.draining = a.reflect = a.settles = false;
    a.said = false;
    a.dirty = true;
    a.kind = LinkKind.None;
    a.session += 1;
    if (this.defaultAccount === index) this.defaultAccount = null;
    return Status.Ok;
  }

  setRate(from: number, to: number, rate: Rate | null): Status {
    const open = (index: number): boolean => this.assets[index]?.open === true;
    if (!open(from) || !open(to)) return Status.NotFound;
    if (rate) this.rates.set(`${from} ${to}`, rate);
    else this.rates.delete(`${from} ${to}`);
    return Status.Ok;
  }

  setRoute(prefix: string, index: number): Status {
    if (!this.isAccount(index)) return Status.NotFound;
    if (!this.routes.has(prefix)) {
      if (this.routes.size >= this.size.routes) return Status.Full;
      if (prefix.length > this.size.prefixMax) return Status.Full;
    }
    this.routes.set(prefix, index);
    return Status.Ok;
  }

  deleteRoute(prefix: string): Status {
    return this.routes.delete(prefix) ? Status.Ok : Status.NotFound;
  }

  setAddress(address: string): Status {
    const had = this.own !== "" && this.routes.delete(this.own);
    if (!this.routes.has(address) && this.routes.size >= this.size.routes) {
      if (had) this.routes.set(this.own, 0);
      return Status.Full;
    }
    this.routes.set(address, 0);
    this.own = address;
    return Status.Ok;
  }

  setPolicy(minWindowMs: number, maxHoldMs: number, loopMax: number, evidenceMs: number): Status {
    const longest = (this.size.wheel - 1) * 2 ** this.size.wheelShift;
    if (minWindowMs < 1 || loopMax > 64 || maxHoldMs > longest || minWindowMs > maxHoldMs) {
      return Status.BadArgument;
    }
    Object.assign(this, { minWindowMs, maxHoldMs, loopMax, evidenceMs });
    return Status.Ok;
  }

  setFlags(index: number, set: number, clear: number): Status {
    if (!this.isAccount(index)) return Status.NotFound;
    if ((set | clear) & ~0x7c) return Status.BadArgument;
    const a = this.accounts[index]!;
    const bit = (mask: number, was: boolean): boolean =>
      (set & mask) !== 0 || (was && (clear & mask) === 0);
    a.congested = bit(4, a.congested);
    a.frozen = bit(8, a.frozen);
    a.draining = bit(16, a.draining);
    a.reflect = bit(32, a.reflect);
    a.settles = bit(64, a.settles);
    this.checkSettlement(index, true);
    return Status.Ok;
  }

  linkUp(index: number, kind: LinkKind): Status {
    if (!this.isAccount(index)) return Status.NotFound;
    const a = this.accounts[index]!;
    a.session += 1;
    a.kind = kind;
    a.linked = true;
    a.congested = false;
    return Status.Ok;
  }

  linkDown(index: number): Status {
    if (!this.isAccount(index)) return Status.NotFound;
    this.accounts[index]!.linked = this.accounts[index]!.congested = false;
    return Status.Ok;
  }

  bookSettlement(index: number, paid: boolean, amount: bigint): Status {
    if (!this.isAccount(index)) return Status.NotFound;
    this.moves += 1;
    const a = this.accounts[index]!;
    const asset = this.assets[a.s.asset]!;
    if (paid) {
      a.debits += amount;
      asset.settledCredits += amount;
      a.said = false;
    } else {
      a.credits += amount;
      asset.settledDebits += amount;
    }
    a.dirty = asset.dirty = true;
    this.checkSettlement(index, true);
    return Status.Ok;
  }

  /** Replays an account's commit record: `sums` is debits and credits. */
  restore(index: number, sums: [bigint, bigint], claims: [bigint, bigint]): Status {
    const a = this.accounts[index];
    const fits =
      a && this.heldIn(index) + claims[0] <= U64 && this.heldOut(index) + claims[1] <= U64;
    if (fits) {
      this.moves += 1;
      [a.debits, a.credits] = sums;
      [a.claimDebits, a.claimCredits] = claims;
      a.dirty = true;
      this.checkSettlement(index, true);
    }
    this.sayAgain();
    return fits ? Status.Ok : Status.BadRecord;
  }

  /** Ends a part of a claim; only `posts` moves money. */
  endClaim(index: number, side: number, amount: bigint, posts: boolean): Status {
    if (!this.isAccount(index)) return Status.NotFound;
    const a = this.accounts[index]!;
    const asset = this.assets[a.s.asset]!;
    if (side > 1) return Status.BadArgument;
    if (amount > (side === 0 ? a.claimDebits : a.claimCredits)) return Status.Unbalanced;
    this.moves += 1;
    if (side === 0) a.claimDebits -= amount;
    else a.claimCredits -= amount;
    if (posts && side === 0) {
      a.debits += amount;
      asset.incomeCredits += amount;
    } else if (posts) {
      a.credits += amount;
      asset.incomeDebits += amount;
    }
    a.dirty = asset.dirty = true;
    if (posts) this.checkSettlement(index);
    return Status.Ok;
  }

  /** What was committed is durable. */
  durable(): void {
    for (const a of this.accounts) a.riskWritten = 0n;
  }
}
