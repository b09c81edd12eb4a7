// Drives the core and the model through the same random steps and compares them after each.
// Settings are drawn from small sets, so that with capacities of 2 to 4 every limit is met often.
import {
  AccountRecord as A,
  AccountSettingsRecord as R,
  AssetSettingsRecord,
  Descriptor,
  LinkKind,
  PolicySettingsRecord,
  RateSettingsRecord,
  RecordRecord,
  Relation,
  Status,
} from "../../../host/abi.js";
import { codeWord } from "../../../host/core.js";
import { foldRate, type Settings } from "./books.js";
import * as codec from "./codec.js";
import type { FrameParcel, Parcel } from "./codec.js";
import { Difference, compareBooks, compareOutputs, compareState } from "./compare.js";
import {
  excessGrown,
  excesses,
  mapOf,
  pendingBalance,
  violation,
  type Map as MemoryMap,
} from "./invariants.js";
import { Machine, halves, type Said } from "./machine.js";
import { Model, type Capacities } from "./model.js";
import type { Random } from "./random.js";
import { accountRecord } from "./record.js";
// @ts-expect-error plain JavaScript
import { profiles } from "../../../assembly/tools/profiles.mjs";

function sizeOf(profile: string): Capacities {
  const c = (profiles as Record<string, { capacities: Record<string, number> }>)[profile]!
    .capacities;
  return {
    accounts: c.CFG_ACCOUNTS!,
    assets: c.CFG_ASSETS!,
    flights: c.CFG_FLIGHTS!,
    wheel: c.CFG_WHEEL!,
    wheelShift: c.CFG_WHEEL_SHIFT!,
    outputs: c.CFG_OUTPUTS!,
    records: c.CFG_RECORDS!,
    routes: (c.CFG_ROUTES! / 4) * 3,
    // A record has a header and whole units of 16 bytes.
    prefixMax: Math.min(1023, c.CFG_ROUTE_POOL! - 4),
    packet: c.CFG_PACKET!,
  };
}

const WALL_MS = Date.UTC(2026, 10, 23, 12);
const YEAR_9999_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const PREIMAGES = Array.from({ length: 6 }, (_, i) => Buffer.alloc(32, i));
const CONDITIONS = PREIMAGES.map((preimage) => codec.sha256(preimage));
const EMPTY_CONDITION = codec.sha256(Buffer.alloc(0));
const LONG = "test.a." + "x".repeat(1016);
const OWNS = ["test.n", "test.node.me", "g.n", "private.n"];
const DESTINATIONS = [
  "test.n",
  "test.n.x",
  "test.a",
  "test.a.b",
  "test.a.b.c",
  "test.ab",
  "test.node.me.z",
  "test1.q",
  "g.n.1",
  "g.al",
  "g.alice",
  "private.n.2",
  "self.x",
  "local.x",
  "example.y",
  "peer.config",
  "peer.config",
  "peer.route.control",
  "peer.route.update",
  "peer.settle",
  "peer.xyz",
  LONG,
];
const PREFIXES = [
  "test",
  "test.a",
  "test.a.b",
  "test.ab",
  "g",
  "g.al",
  "private",
  "test1",
  LONG,
  "peer",
  "self",
];
const U64 = 2n ** 64n - 1n;
const LIMIT = 2n ** 120n;
const MOST_DATA = Buffer.alloc(32_767, 7);
/** A legal Reject as large as the test build takes, and one that is not. */
const LONGEST_REJECT = codec.reject("F99", "test." + "f".repeat(1018), "m".repeat(8191), MOST_DATA);
const TOO_LARGE_REJECT = codec.reject("F99", "test.far", "€".repeat(8191), MOST_DATA);
const AMOUNTS = [
  0n,
  1n,
  2n,
  5n,
  10n,
  99n,
  100n,
  101n,
  1000n,
  2n ** 32n,
  2n ** 53n + 1n,
  2n ** 63n,
  U64 - 1n,
  U64,
];
const EXPIRIES = [-1, 0, 1, 999, 1000, 1999, 2000, 2001, 5000, 31000];
const FAILURES = ["F00", "F01", "T00", "T01", "T03", "T02", "R00"];
const CODES = ["F02", "T04", "F99", "R01", "X42"];

export interface DriverOptions {
  profile?: string;
  /** A changed model: the comparison must notice. */
  model?: typeof Model;
}

/** One life of a core, from init. */
export class Driver {
  readonly machine: Machine;
  readonly model: Model;
  readonly map: MemoryMap;
  /** Receives every committed record. */
  readonly twin: Machine;
  /** What the latest step was, for the message of a failure. */
  step = "";
  #input: Uint8Array | undefined;
  steps = 0;
  forwards = 0;
  #nowMs = 0;
  #wallMs = WALL_MS;
  #excesses: bigint[];
  #books = Buffer.alloc(0);
  #moves = -1;
  #ids: number[] = [];

  constructor(
    readonly random: Random,
    options: DriverOptions = {},
    machines?: { machine: Machine; twin: Machine },
  ) {
    const { profile = "test" } = options;
    const size = sizeOf(profile);
    this.machine = machines?.machine ?? new Machine(profile);
    this.twin = machines?.twin ?? new Machine(profile);
    const seed = random.word();
    this.machine.call("init", seed | 0, 0);
    this.twin.call("init", seed | 0, 0);
    this.model = new (options.model ?? Model)(size, seed);
    this.map = mapOf(this.machine, size.wheel, size.wheelShift);
    this.#excesses = excesses(this.machine);
    this.#setUp();
  }

  // ---- running

  /** Takes n random steps. Throws a Difference that names the step. */
  run(n: number): void {
    for (let i = 0; i < n; i++) {
      try {
        this.take();
      } catch (error) {
        const input = this.#input ? ` ${Buffer.from(this.#input).toString("hex")}` : "";
        const at = `step ${this.steps} (${this.step}${input})`;
        throw new Difference(`${at}: ${(error as Error).message}`, { cause: error });
      }
    }
  }

  take(): void {
    this.steps += 1;
    const n = this.random.below(1000);
    if (n < 420) this.#prepare();
    else if (n < 740) this.#answer();
    else if (n < 830) this.#time();
    else if (n < 860) this.#direct();
    else if (n < 940) this.#configure();
    else if (n < 970) this.#junk();
    else this.#journal();
  }

  /** Compares a verb's status and everything after it. `packets`: no setter, so limits bind. */
  #verify(verb: string, core: number, model: number, packets: boolean, input?: Uint8Array): void {
    this.step = verb;
    this.#input = input;
    if (core !== model) throw new Difference(`status: core ${core}, model ${model}`);
    const said = this.machine.drain();
    const expected = this.model.said;
    this.model.said = [];
    compareOutputs(said, expected);
    this.#checkForwards(said);
    compareState(this.machine, this.model);
    this.#checkBooks(packets);
    this.#checkDeadline();
    if (this.model.journal.length && this.random.chance(60)) this.#takeTrail();
  }

  /** Everything that depends on the books alone, unless neither side's books changed. */
  #checkBooks(packets: boolean): void {
    const { machine, model } = this;
    const books = machine.bytes.subarray(
      machine.get(Descriptor.BooksStart),
      machine.get(Descriptor.BooksEnd),
    );
    const moves = model.moves + model.flights.moves;
    if (moves === this.#moves && books.equals(this.#books)) return;
    this.#moves = moves;
    this.#books = Buffer.from(books);
    compareBooks(machine, model);
    const wrong = violation(machine, this.map);
    if (wrong) throw new Difference(wrong);
    const after = excesses(machine);
    const grown = packets ? excessGrown(this.#excesses, after) : undefined;
    if (grown) throw new Difference(grown);
    this.#excesses = after;
  }

  #checkForwards(said: Said[]): void {
    for (const s of said) {
      if (s.packetType !== 12) continue;
      this.forwards += 1;
      this.#ids.push(s.requestId);
      if (this.#ids.length > 12) this.#ids.shift();
    }
  }

  #checkDeadline(): void {
    const core = this.machine.call("deadline", ...halves(this.#nowMs)) >>> 0;
    const model = this.model.deadline(this.#nowMs);
    const expected = model === Infinity ? 0xffffffff : model;
    if (core !== expected) throw new Difference(`deadline: core ${core}, model ${expected}`);
  }

  // ---- settings

  #setUp(): void {
    const { random } = this;
    for (let i = 0; i < 2 + random.below(2); i++) this.#setAsset(i);
    for (let i = 0; i < 3 + random.below(2); i++) this.#setAccount(i, random.below(2));
    for (let from = 0; from < 2; from++) {
      for (let to = 0; to < 2; to++) this.#setRate(from, to);
    }
    this.#setAddress(random.chance(95) ? OWNS[0]! : random.pick(OWNS));
    for (const prefix of ["test.a", "test.a.b"]) this.#setRoute(prefix, random.below(4));
    for (let i = 0; i < 2; i++) this.#setRoute(random.pick(PREFIXES), this.#pickAccount());
    for (let i = 0; i < 4; i++) this.#linkUp(i);
    if (random.chance(95)) this.#clock();
  }

  #pickAccount(): number {
    return this.random.chance(97) ? this.random.below(4) : this.random.pick([4, 5, -1, 65535]);
  }

  /** Mostly one whose link is up. */
  #pickLinked(): number {
    const linked = this.model.accounts.flatMap((a, i) => (a.open && a.linked ? [i] : []));
    return linked.length && this.random.chance(94) ? this.random.pick(linked) : this.#pickAccount();
  }

  #amount(): bigint {
    const { random } = this;
    return random.chance(25) ? random.pick(AMOUNTS) : BigInt(random.below(120));
  }

  #limit(chance: number, value: bigint): bigint {
    return this.random.chance(chance) ? value : U64;
  }

  #settings(asset: number): Settings {
    const { random } = this;
    const wide = (chance: number, sign: bigint): bigint =>
      sign * (random.chance(chance) ? random.pick([0n, 50n, 1000n, 1000n, 2n ** 65n]) : LIMIT);
    const rated = random.chance(15);
    const bounded = random.chance(15);
    return {
      relation: random.pick([Relation.Peer, Relation.Child, Relation.Child, Relation.Parent]),
      options: random.chance(95) ? random.pick([0, 0, 64, 64, 32, 96]) : random.pick([8, 16]),
      asset,
      name: random.pick(["alice", "bob", "carol", "n".repeat(32)]),
      segment: random.pick(["", "kid", "s".repeat(32)]),
      balanceMin: wide(25, -1n),
      balanceMax: wide(25, 1n),
      settleThreshold: random.pick([-100n, -10n, 0n, 10n]),
      settleTo: random.pick([0n, 0n, -5n, 2n ** 70n]),
      packetMaxIn: this.#limit(15, random.pick([0n, 100n, 1000n, 2n ** 53n])),
      packetMaxOut: this.#limit(15, random.pick([0n, 100n, 1000n, 2n ** 53n])),
      pendingMax: this.#limit(15, random.pick([0n, 100n, 150n, 1000n])),
      riskMax: this.#limit(25, random.pick([0n, 100n, 250n, U64 - 1n])),
      throughputIn: bounded ? random.pick([0n, 120n, 7n, U64]) : 0n,
      throughputOut: bounded ? random.pick([0n, 120n, 7n, U64]) : 0n,
      throughputPeriodMs: random.pick([1, 7, 1000, 4294967295]),
      rateCount: rated ? random.pick([1, 3, 60]) : 0,
      ratePeriodMs: random.pick([7, 1000, 60000]),
      rateCapacity: random.pick([1, 2, 10]),
      flightsMax: random.chance(80) ? 4 : random.below(4),
    };
  }

  #writeSettings(s: Settings): void {
    const { input, view } = this.machine;
    const wide = (at: number, value: bigint): void => {
      view.setBigUint64(input + at, BigInt.asUintN(64, value), true);
      view.setBigInt64(input + at + 8, value >> 64n, true);
    };
    view.setUint8(input + R.relation, s.relation);
    view.setUint8(input + R.options, s.options);
    view.setUint16(input + R.asset, s.asset, true);
    view.setUint16(input + R.nameLength, s.name.length, true);
    view.setUint16(input + R.segmentLength, s.segment.length, true);
    wide(R.balanceMinLo, s.balanceMin);
    wide(R.balanceMaxLo, s.balanceMax);
    wide(R.settleThresholdLo, s.settleThreshold);
    wide(R.settleToLo, s.settleTo);
    for (const key of [
      "packetMaxIn",
      "packetMaxOut",
      "pendingMax",
      "riskMax",
      "throughputIn",
      "throughputOut",
    ] as const) {
      view.setBigUint64(input + R[key], s[key], true);
    }
    for (const key of [
      "throughputPeriodMs",
      "rateCount",
      "ratePeriodMs",
      "rateCapacity",
      "flightsMax",
    ] as const) {
      view.setUint32(input + R[key], s[key], true);
    }
    this.machine.bytes.write(s.name + s.segment, input + R.SIZE, "latin1");
  }

  #setAccount(index: number, asset: number): void {
    const s = this.#settings(asset);
    this.#writeSettings(s);
    const core = this.machine.call("setAccount", index);
    const model = this.model.setAccount(index >>> 0, s);
    const { bytes, input } = this.machine;
    const settings = bytes.subarray(input, input + R.SIZE);
    this.#verify(`setAccount ${index}`, core, model, false, settings);
  }

  #setAsset(index: number): void {
    const { machine, random } = this;
    const code = random.pick(["XRP", "USD", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"]);
    const scale = random.pick([0, 9, 255]);
    machine.bytes[machine.input + AssetSettingsRecord.scale] = scale;
    machine.bytes[machine.input + AssetSettingsRecord.codeLength] = code.length;
    machine.bytes.write(code, machine.input + AssetSettingsRecord.SIZE, "latin1");
    const core = machine.call("setAsset", index);
    this.#verify(`setAsset ${index}`, core, this.model.setAsset(index, code, scale), false);
  }

  #setRate(from: number, to: number): void {
    const { machine, random } = this;
    const numbers = [1n, 2n, 3n, 10n, 997n, 2n ** 40n, 2n ** 63n + 5n, U64];
    const plain = random.chance(60);
    const [n, d] = plain ? [1n, 1n] : [random.pick(numbers), random.pick(numbers)];
    const odd = random.pick([2_000_000, 2_000_000, 999_999_999, 1_000_000_000]);
    const spread = random.chance(70) ? 0 : odd;
    const removes = random.chance(5);
    const rate = removes ? null : foldRate(n, d, spread);
    const { input, view } = machine;
    view.setBigUint64(input + RateSettingsRecord.numerator, removes ? 0n : n, true);
    view.setBigUint64(input + RateSettingsRecord.denominator, removes ? 0n : d, true);
    view.setUint32(input + RateSettingsRecord.spreadPpb, spread, true);
    const core = machine.call("setRateOf", from, to);
    const bad = !removes && !rate;
    let model = this.model.setRate(
      from,
      to,
      bad ? (this.model.rates.get(`${from} ${to}`) ?? null) : rate,
    );
    if (bad && model === 0) model = -5;
    this.#verify(`setRate ${from} ${to} ${n}/${d} ${spread}`, core, model, false);
  }

  #setAddress(address: string): void {
    const length = this.machine.put(Buffer.from(address));
    const core = this.machine.call("setAddress", length);
    this.#verify(`setAddress ${address}`, core, this.model.setAddress(address), false);
  }

  #setRoute(prefix: string, index: number): void {
    const length = this.machine.put(Buffer.from(prefix));
    const core = this.machine.call("setRoute", length, index);
    const model = this.model.setRoute(prefix, index);
    this.#verify(`setRoute ${prefix} ${index}`, core, model, false);
  }

  #linkUp(index: number): void {
    const kind = this.random.pick([LinkKind.Raw, LinkKind.Btp]);
    const core = this.machine.call("linkUp", index, kind);
    this.#verify(`linkUp ${index} ${kind}`, core, this.model.linkUp(index, kind), false);
  }

  #policy(): void {
    const { machine, random } = this;
    const values = [
      random.pick([0, 1, 1000, 1000, 5000, 40000]),
      random.pick([1, 1000, 30000, 30000, 49152, 49153]),
      random.pick([0, 1, 2, 3, 64, 65]),
      random.pick([0, 1000, 60000]),
    ] as const;
    for (const [i, value] of values.entries()) {
      machine.view.setUint32(
        machine.input + PolicySettingsRecord.minMessageWindowMs + 4 * i,
        value,
        true,
      );
    }
    const core = machine.call("setPolicy");
    this.#verify(`setPolicy ${values.join()}`, core, this.model.setPolicy(...values), false);
  }

  #configure(): void {
    const { machine, model, random } = this;
    const index = this.#pickAccount();
    const none = (): void => {
      const to = random.chance(50) ? index : -1;
      const core = machine.call("setDefaultRoute", to);
      const known = to === -1 || model.isAccount(to);
      if (known) model.defaultAccount = to === -1 ? null : to;
      this.#verify(`setDefaultRoute ${to}`, core, known ? 0 : -3, false);
    };
    const removal = (): void => {
      const prefix = random.pick(PREFIXES);
      const core = machine.call("deleteRoute", machine.put(Buffer.from(prefix)));
      this.#verify(`deleteRoute ${prefix}`, core, model.deleteRoute(prefix), false);
    };
    const flags = (): void => {
      const bits = (): number => random.pick([0, 4, 8, 16, 32, 64, 124, 1, 512]);
      const [set, clear] = [bits(), random.chance(70) ? 28 : bits()];
      const core = machine.call("setFlags", index, set, clear);
      this.#verify(
        `setFlags ${index} ${set} ${clear}`,
        core,
        model.setFlags(index, set, clear),
        false,
      );
    };
    const close = (): void => {
      const core = machine.call("closeAccount", index);
      this.#verify(`closeAccount ${index}`, core, model.closeAccount(index), false);
    };
    const down = (): void => {
      const core = machine.call("linkDown", index);
      this.#verify(`linkDown ${index}`, core, model.linkDown(index), false);
    };
    random.pick([
      none,
      removal,
      flags,
      flags,
      close,
      down,
      down,
      () => this.#linkUp(index),
      () => this.#linkUp(index),
      () => this.#linkUp(index),
      () => this.#linkUp(index),
      () => this.#setAccount(index, random.below(3)),
      () => this.#setAccount(index, model.accounts[index]?.s?.asset ?? 0),
      () => this.#setAccount(index, model.accounts[index]?.s?.asset ?? 0),
      () => this.#setAsset(random.below(4)),
      () => this.#setRate(random.below(3), random.below(3)),
      () => this.#setRate(random.below(2), random.below(2)),
      () => this.#setRoute(random.pick(PREFIXES), index),
      () => this.#setRoute(random.pick(["test.a", "test.a.b"]), index),
      () => this.#setAddress(random.pick(random.chance(80) ? [OWNS[0]!, OWNS[1]!] : OWNS)),
      () => this.#policy(),
      () => this.#mode(),
      () => this.#mode(),
      () => this.#settle(index),
      () => this.#restore(index),
      () => this.#endClaim(),
      () => this.#endClaim(),
      () => this.#durable(),
    ])();
  }

  #mode(): void {
    const { model, random } = this;
    const draining = random.chance(5);
    const trail = random.chance(40);
    const bits = (draining ? 1 : 0) | (trail ? 4 : 0);
    const core = this.machine.call("setMode", bits, ~bits & 5);
    model.draining = draining;
    model.trail = trail;
    this.#verify(`setMode ${bits}`, core, 0, false);
  }

  #settle(index: number): void {
    const { machine, model, random } = this;
    const amount = this.#amount();
    const paid = random.chance(50);
    machine.view.setBigUint64(machine.input, amount, true);
    const core = machine.call("bookSettlement", index, paid ? 1 : 0);
    const expected = model.bookSettlement(index, paid, amount);
    this.#verify(`bookSettlement ${index} ${paid} ${amount}`, core, expected, false);
  }

  /** Replays a commit record with the account's own sums and new claims. */
  #restore(index: number): void {
    const { machine, model, random } = this;
    const { accounts } = model;
    const a = accounts[index] ?? { debits: 0n, credits: 0n };
    const amount = (): bigint => (random.chance(40) ? 0n : this.#amount());
    const claims: [bigint, bigint] = [amount(), amount()];
    const bytes = accountRecord(index & 0xffff, [a.debits, a.credits], claims);
    const status = model.restore(index & 0xffff, [a.debits, a.credits], claims);
    const core = machine.call("replay", machine.put(bytes) / bytes.length);
    const expected = status === Status.Ok ? 1 : status;
    this.#verify(`restore ${index} ${claims.join()}`, core, expected, false, bytes);
  }

  /** Posts or voids a part of a claim, or more than there is. */
  #endClaim(): void {
    const { machine, model, random } = this;
    const open = model.accounts.flatMap((a, i) => (a.claimDebits || a.claimCredits ? [i] : []));
    const index = open.length && random.chance(90) ? random.pick(open) : this.#pickAccount();
    const side = random.chance(97) ? random.below(2) : random.pick([2, -1]);
    const a = model.accounts[index];
    const claim = (side === 0 ? a?.claimDebits : a?.claimCredits) ?? 0n;
    const amount = random.pick([claim, claim, claim / 2n, claim < U64 ? claim + 1n : claim]);
    const posts = random.chance(50);
    const verb = posts ? "postClaim" : "voidClaim";
    machine.view.setBigUint64(machine.input, amount, true);
    const core = machine.call(verb, index, side);
    const expected = model.endClaim(index, side >>> 0, amount, posts);
    this.#verify(`${verb} ${index} ${side} ${amount}`, core, expected, false);
  }

  // ---- time

  #clock(): void {
    const core = this.machine.call("clock", ...halves(this.#nowMs), ...halves(this.#wallMs));
    this.model.clock(this.#nowMs, this.#wallMs);
    this.#verify(`clock ${this.#nowMs} ${this.#wallMs}`, core, 0, true);
  }

  /** Mostly a little forward; now and then a long pause, or the host's clock going back. */
  #advance(): number {
    const { random } = this;
    const n = random.below(100);
    const ms = n < 60 ? random.below(5) : n < 75 ? random.below(2000) : 0;
    this.#nowMs += ms;
    this.#wallMs += ms;
    return n === 99 ? Math.max(0, this.#nowMs - random.below(5000)) : this.#nowMs;
  }

  #time(): void {
    const { random } = this;
    const n = random.below(100);
    if (n < 12) {
      this.#wallMs += random.pick([3_600_000, -3_600_000, 100, -100, 1001]);
      this.#clock();
      return;
    }
    const small = [0, 1, 100, 1000, 1000, 4000];
    const ms = random.pick(random.chance(60) ? small : [8000, 16384, 30000, 40000, 70000, 300_000]);
    this.#nowMs += ms;
    this.#wallMs += ms;
    if (random.chance(30)) return;
    const core = this.machine.call("tick", ...halves(this.#nowMs));
    this.#verify(`tick ${this.#nowMs}`, core, this.model.tick(this.#nowMs), true);
  }

  // ---- packets

  #parcel(): Parcel {
    const { random } = this;
    const expiries = random.chance(97) ? EXPIRIES : [YEAR_9999_MS - this.model.wallMs];
    const expiresAtMs = this.model.wallMs + (random.chance(80) ? 60000 : random.pick(expiries));
    const common = random.chance(40) ? CONDITIONS[0]! : random.pick(CONDITIONS);
    const condition = random.chance(95) ? common : EMPTY_CONDITION;
    const destination = random.chance(70)
      ? random.pick(["test.a", "test.a.x", "test.a.b.c", "test.a.b", "test.n.x"])
      : random.pick(DESTINATIONS);
    const amount = destination.startsWith("peer.") && random.chance(70) ? 0n : this.#amount();
    const data = random.chance(85) ? undefined : Buffer.alloc(random.pick([1, 127, 128, 300]), 7);
    const peer = destination.startsWith("peer.") && random.chance(80);
    const settles = destination === "peer.settle" && random.chance(50);
    const known = settles ? EMPTY_CONDITION : codec.PEER_CONDITION;
    const bound = peer ? known : condition;
    return codec.prepare(amount, expiresAtMs, bound, destination, data);
  }

  /** Sometimes damages bytes; then they are read anew. */
  #damage(parcel: Parcel): Parcel {
    const { random } = this;
    if (random.chance(95)) return parcel;
    let bytes = Buffer.from(parcel.bytes);
    const n = random.below(4);
    if (n === 0) bytes = bytes.subarray(0, random.below(bytes.length));
    else if (n === 1)
      bytes = Buffer.concat([bytes, Buffer.alloc(random.below(9), random.below(256))]);
    else bytes[random.below(bytes.length)] = random.below(256);
    return codec.parse(bytes);
  }

  #prepare(): void {
    const { random } = this;
    const index = this.#pickLinked();
    const parcel = this.#damage(this.#parcel());
    const id = random.pick([random.word(), random.below(4)]);
    const explained = random.chance(5);
    if (explained) this.#explain(index, parcel);
    const nowMs = this.#advance();
    if (this.model.accounts[index]?.kind === LinkKind.Btp) this.#frame(index, 6, id, parcel, nowMs);
    else {
      const length = this.machine.put(parcel.bytes);
      const core = this.machine.call("request", index, id | 0, length, ...halves(nowMs));
      const model = this.model.request(index, id, parcel, nowMs);
      this.#verify(`request ${index} ${id} ${nowMs}`, core, model, true, parcel.bytes);
    }
  }

  /** What explain says is what the model decides, and nothing changes. */
  #explain(index: number, parcel: Parcel): void {
    const { machine, model } = this;
    const length = machine.put(parcel.bytes);
    const before = Buffer.from(this.#snapshot());
    const size = machine.call("explain", index, length);
    if (!before.equals(this.#snapshot())) throw new Difference("explain changed something");
    if (!model.isAccount(index)) {
      if (size !== -1) throw new Difference(`explain of no account: ${size}`);
      return;
    }
    const { packet } = parcel;
    if (packet?.type !== 12) {
      if (size !== -7) throw new Difference(`explain of no Prepare: ${size}`);
      return;
    }
    const a = model.accounts[index]!;
    const throttled = a.packets !== null && a.packets.level(model.nowMs) < 1n;
    const v = model.judge(index, packet, throttled);
    const passes = v.rule === "Forwarded" || v.rule === "IldcpAnswered";
    const expected = passes ? Buffer.alloc(0) : model.rejectOf(v, packet);
    const verdict = machine.get(Descriptor.VerdictAddress);
    const at = machine.u32(verdict + 92);
    const core = size > 0 ? machine.bytes.subarray(at, at + size) : Buffer.alloc(0);
    if (size < 0 || !core.equals(expected)) throw new Difference(`explain: ${size}, ${v.rule}`);
    if (machine.u64(verdict + 24) !== v.amountOut) throw new Difference(`explain: amount out`);
  }

  #snapshot(): Buffer {
    const { machine } = this;
    const from = machine.get(Descriptor.SnapshotStart);
    return machine.bytes.subarray(from, machine.get(Descriptor.SnapshotEnd));
  }

  #frame(index: number, type: number, id: number, parcel: Parcel, nowMs: number): void {
    let input: FrameParcel = codec.wrap(type, id, parcel);
    if (this.random.chance(4)) {
      const bytes = Buffer.from(input.bytes);
      bytes[this.random.below(Math.min(bytes.length, 20))] = this.random.below(256);
      input = codec.parseFrame(bytes);
    }
    this.#sendFrame(index, input, nowMs);
  }

  #sendFrame(index: number, input: FrameParcel, nowMs: number): void {
    const length = this.machine.put(input.bytes);
    const core = this.machine.call("frame", index, length, ...halves(nowMs));
    const model = this.model.frame(index, input, nowMs);
    this.#verify(`frame ${index} ${nowMs}`, core, model, true, input.bytes);
  }

  #reply(condition: Buffer): Parcel {
    const { random } = this;
    const n = random.below(100);
    const which = CONDITIONS.findIndex((c) => c.equals(condition));
    const right = PREIMAGES[Math.max(which, 0)]!;
    const data = random.chance(80) ? undefined : Buffer.alloc(random.pick([1, 200]), 3);
    if (n < 62) return codec.fulfill(right, data);
    if (n < 72) return codec.fulfill(Buffer.alloc(32, random.below(256)), data);
    if (n < 92) {
      if (random.chance(1)) return random.pick([LONGEST_REJECT, TOO_LARGE_REJECT]);
      return codec.reject(random.pick(CODES), "test.far", "no € today", data);
    }
    if (n < 96) return this.#parcel();
    return codec.parse(Buffer.alloc(random.below(3), 12));
  }

  /** Answers something that is in flight, was in flight, or never was. */
  #answer(): void {
    const { model, random } = this;
    const used = model.flights.slots.map((_, slot) => slot);
    const held = used.filter((slot) => model.flights.slots[slot]!.state === "held");
    const from = held.length && random.chance(90) ? held : used;
    let id = random.word();
    if (from.length && random.chance(88)) id = model.flights.idOf(random.pick(from));
    else if (this.#ids.length && random.chance(80)) id = random.pick(this.#ids);
    const slot = model.flights.find(id);
    const flight = slot === undefined ? undefined : model.flights.slots[slot]!.flight;
    const index = flight && random.chance(93) ? flight.next : this.#pickLinked();
    const parcel = this.#damage(this.#reply(flight?.condition ?? CONDITIONS[0]!));
    const nowMs = this.#advance();
    if (model.accounts[index]?.kind === LinkKind.Btp) {
      if (random.chance(92)) this.#frame(index, 1, id, parcel, nowMs);
      else this.#oddAnswer(index, id, nowMs);
    } else if (random.chance(92)) {
      const length = this.machine.put(parcel.bytes);
      const core = this.machine.call("reply", index, id | 0, length, ...halves(nowMs));
      const expected = model.reply(index, id, parcel, nowMs);
      this.#verify(`reply ${index} ${id} ${nowMs}`, core, expected, true, parcel.bytes);
    } else {
      const code = random.pick(FAILURES);
      const core = this.machine.call("fail", index, id | 0, codeWord(code), ...halves(nowMs));
      const expected = model.fail(index, id, code, nowMs);
      this.#verify(`fail ${index} ${id} ${code}`, core, expected, true);
    }
  }

  /** BTP Error, empty Response, Transfer, Message without a packet. */
  #oddAnswer(index: number, id: number, nowMs: number): void {
    const { random } = this;
    const error = Buffer.from(
      "4630300454657374133230323631313233313230303030 2e3030305a00".replace(" ", ""),
      "hex",
    );
    const bodies: [type: number, body: Buffer][] = [
      [2, Buffer.concat([error, Buffer.of(1, 0)])],
      [1, Buffer.of(1, 0)],
      [7, Buffer.concat([Buffer.alloc(8, 1), Buffer.of(1, 0)])],
      [6, Buffer.of(1, 1, 1, 0x78, 0, 1, 0x79)],
      [3, Buffer.of(1, 0)],
    ];
    const [type, body] = random.pick(bodies);
    const head = Buffer.alloc(6);
    head[0] = type;
    head.writeUInt32BE(id >>> 0, 1);
    head[5] = body.length;
    this.#sendFrame(index, codec.parseFrame(Buffer.concat([head, body])), nowMs);
  }

  #direct(): void {
    const { random } = this;
    const index = this.#pickAccount();
    const parcel = random.chance(80)
      ? codec.prepare(
          0n,
          this.model.wallMs + (random.chance(80) ? 60000 : random.pick(EXPIRIES)),
          random.chance(95) ? codec.PEER_CONDITION : EMPTY_CONDITION,
          random.pick(["peer.config", "peer.route.control", "peer.settle"]),
        )
      : this.#damage(this.#parcel());
    const id = random.word();
    const nowMs = this.#advance();
    const length = this.machine.put(parcel.bytes);
    const core = this.machine.call("direct", index, id | 0, length, ...halves(nowMs));
    this.#verify(
      `direct ${index} ${nowMs}`,
      core,
      this.model.direct(index, id, parcel, nowMs),
      true,
    );
  }

  /** Verbs on the wrong kind of link, with lengths and kinds that are none. */
  #junk(): void {
    const { machine, random } = this;
    const index = this.#pickAccount();
    const now = halves(this.#nowMs);
    const long = machine.get(Descriptor.InputBytes) + 1;
    const calls: [string, number[], number | undefined][] = [
      ["request", [index, 1, long, ...now], -1],
      ["frame", [index, -1, ...now], -1],
      ["direct", [index, 1, 0x7fffffff, ...now], -1],
      ["linkUp", [index, 99], this.model.isAccount(index) ? -1 : -3],
      ["setRoute", [0, 0], this.model.isAccount(0) ? -4 : -3],
      ["setAddress", [1024], -4],
      ["setMode", [2, 0], -1],
      ["setMode", [0, 16], -1],
      ["setAccount", [65536], -2],
      ["replay", [long], -1],
      ["bookSettlement", [index, 2], this.model.isAccount(index) ? -1 : -3],
    ];
    const [verb, args, status] = random.pick(calls);
    this.#verify(`${verb} ${args.join()}`, machine.call(verb, ...args), status!, true);
  }

  // ---- journal

  /** The host takes the waiting records: they are the trail the model expects. */
  #takeTrail(): void {
    const { machine, model } = this;
    if (model.taken) return;
    const count = machine.call("takeRecords");
    if (count !== model.journal.length) {
      throw new Difference(`records: core ${count}, model ${model.journal.length}`);
    }
    for (const [i, entry] of model.journal.entries()) {
      const at = machine.get(Descriptor.RecordsAddress) + i * 64;
      const equal =
        machine.bytes[at] === entry.kind &&
        machine.view.getUint16(at + RecordRecord.index, true) === entry.index &&
        machine.u64(at + RecordRecord.a) === entry.a &&
        machine.u64(at + RecordRecord.b) === entry.b;
      if (!equal) throw new Difference(`record ${i} is not kind ${entry.kind} of ${entry.index}`);
    }
    model.taken = true;
  }

  /** Commits everything, replays it into the twin: the same sums, and what is pending as claims. */
  #journal(): void {
    const { machine, model, twin } = this;
    this.step = "commit";
    this.#takeTrail();
    for (let more = 1, turns = 0; more === 1; turns++) {
      if (turns > 8) throw new Difference("commit does not end");
      more = machine.call("commit");
      const count = machine.call("takeRecords");
      const from = machine.get(Descriptor.RecordsAddress);
      const n = twin.put(machine.bytes.subarray(from, from + count * 64)) / 64;
      if (twin.call("replay", n) !== n) throw new Difference("a commit record was refused");
    }
    for (const a of model.accounts) a.commit();
    for (const a of model.assets) a.dirty = false;
    model.journal = [];
    model.taken = true;
    this.#compareTwin();
    this.#verify("commit", 0, 0, true);
    if (this.random.chance(50)) this.#durable();
  }

  /** The latest commit has reached the disk, and whatever came after it has not. */
  #durable(): void {
    this.model.durable();
    this.#verify("durable", this.machine.call("durable"), 0, true);
  }

  #compareTwin(): void {
    const { machine, twin } = this;
    const wrong = pendingBalance(twin, this.map);
    if (wrong) throw new Difference(`replay: ${wrong}`);
    for (let i = 0; i < this.model.accounts.length; i++) {
      const from = machine.account(i) + 32;
      if (
        machine.bytes.compare(
          twin.bytes,
          twin.account(i) + 32,
          twin.account(i) + 80,
          from,
          from + 48,
        )
      ) {
        throw new Difference(`replay: account ${i} differs`);
      }
      const claims = twin.account(i) + A.claimDebits;
      if (twin.bytes.compare(twin.bytes, claims, claims + 16, claims - 16, claims)) {
        throw new Difference(`replay: what was pending of account ${i} is not its claims`);
      }
    }
    for (let i = 0; i < this.model.assets.length; i++) {
      for (const [start, size] of [
        [8, 32],
        [72, 32],
      ] as const) {
        const from = machine.asset(i) + start;
        const to = twin.asset(i) + start;
        if (machine.bytes.compare(twin.bytes, to, to + size, from, from + size)) {
          throw new Difference(`replay: asset ${i} differs`);
        }
      }
    }
  }
}

/** Runs lives of `steps` steps each, from consecutive seeds, until `total` steps are done. */
export function drive(
  seed: number,
  total: number,
  steps: number,
  make: (seed: number) => Driver,
): { steps: number; forwards: number } {
  let done = 0;
  let forwards = 0;
  for (let life = 0; done < total; life++) {
    const own = (seed + life) >>> 0;
    let driver: Driver | undefined;
    try {
      driver = make(own);
      driver.run(Math.min(steps, total - done));
    } catch (error) {
      throw new Error(`FERRULE_SEED=${own}: ${(error as Error).message}`, { cause: error });
    }
    done += steps;
    forwards += driver.forwards;
  }
  return { steps: done, forwards };
}
