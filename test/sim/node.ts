// A node of the simulated network: a whole connector without sockets, on its own clock, watched at
// the boundary of its core. Its process can end and start again.
import type { Config } from "../../host/config/types.js";
import { Connector } from "../../host/connector.js";
import { ClaimSide as CoreSide, type Core } from "../../host/core.js";
import type { Engine } from "../../host/engine.js";
import type { Log } from "../../host/log.js";
import { CHECKERS, mapOf, type Map as CoreMap } from "../support/model/invariants.js";
import { load } from "../support/model/machine.js";
// @ts-expect-error: profiles.mjs is plain JavaScript.
import { profiles as untyped } from "../../assembly/tools/profiles.mjs";
import { FaultyDisk, type DiskOptions, type Loss } from "../support/faulty-disk.js";
import { Random } from "../support/model/random.js";
import {
  SIDES,
  amountOf,
  claimsOf,
  hopOf,
  sumOf,
  type ClaimSide,
  type OpenClaim,
  type Resolution,
} from "./claims.js";
import { findExcess } from "./memory.js";
import { copyState, findState, judgeRecovery, oldestLike, type Ending } from "./past.js";
import type { Port } from "./port.js";
import { NodeClock, type Scheduler } from "./scheduler.js";
import { What, type Tracer } from "./trace.js";
import { Violation } from "./violation.js";
import { Watch, type Sums } from "./watch.js";

const profiles = untyped as Record<string, { capacities: Record<string, number> }>;

export type Profile = "board" | "gateway-scalar" | "test";

/** What a planted bug may change before a node is watched, and after. */
export interface Plant {
  /** The core misbehaves: called before the watch is put around it. */
  core?(node: SimNode, connector: Connector): void;
  /** The host misbehaves. */
  host?(node: SimNode, connector: Connector): void;
  /** The store misbehaves: called before the connector starts. */
  store?(node: SimNode, connector: Connector): void;
}

/** What went wrong, by kind. */
export interface Faults {
  clockSteps: number;
  crashes: number;
  stops: number;
  reconfigurations: number;
  settlements: number;
  diskErrors: number;
  /** Books of a link that went back to an earlier state. */
  rollbacks: number;
  tornJournals: number;
  /** Possible claims that a Fulfill in time has proved, that operators and age have ended. */
  claimsPosted: number;
  claimsResolved: number;
  claimsExpired: number;
}

/** Claims that a process voided while it started. */
interface EarlyVoid {
  account: number;
  side: CoreSide;
  amount: bigint;
}

function followEarlyVoids(core: Core): EarlyVoid[] {
  const early: EarlyVoid[] = [];
  const voidClaim = core.voidClaim.bind(core);
  core.voidClaim = (account, side, amount) => {
    voidClaim(account, side, amount);
    early.push({ account, side, amount });
  };
  return early;
}

export interface NodeWorld {
  readonly scheduler: Scheduler;
  readonly tracer: Tracer;
  readonly plant: Plant | null;
  /** Checkers that stay silent. */
  readonly mute: readonly string[];
  readonly isCalm: boolean;
  readonly faults: Faults;
  onSettlementDue(node: SimNode, id: string, amount: bigint): void;
  onDiskFailure(node: SimNode, error: Error): void;
}

export class SimNode {
  readonly ports: Port[] = [];
  /** Counts the processes this node has had. */
  life = 0;
  isUp = false;
  config!: Config;
  connector: Connector | null = null;
  clock!: NodeClock;
  watch: Watch | null = null;
  wallErrorMs = 0;
  disk: FaultyDisk;
  /** Called a moment after the disk's next write or sync has begun. */
  whenWriting: (() => void) | null = null;
  /** How the last process ended. */
  ending: Ending | null = null;
  /** Possible claims that this life began with. */
  claimsAtStart = 0;
  /** What an operator is telling the node. */
  resolution: Resolution | null = null;
  #checks = 0;
  #commits = 0;
  readonly #random: Random;
  #map: CoreMap | null = null;

  constructor(
    readonly world: NodeWorld,
    readonly index: number,
    readonly name: string,
    readonly profile: Profile,
    readonly driftPpm: number,
    readonly seed: number,
    readonly diskFaults: boolean,
  ) {
    this.#random = new Random(seed);
    this.disk = new FaultyDisk(this.#diskOptions());
  }

  #diskOptions(): DiskOptions {
    const random = this.#random;
    const slow = random.pick([1, 1, 20]);
    return {
      later: (ms, then) => void this.world.scheduler.after(Math.ceil(ms * 1000), then),
      random: () => random.word() / 2 ** 32,
      writeMs: () => 0.1 + random.below(10 * slow) / 10,
      syncMs: () => 0.5 + random.below(60 * slow) / 10,
      onPoint: ({ kind }) => {
        if (this.whenWriting && kind !== "create") {
          this.world.scheduler.after(random.below(3000), this.whenWriting);
          this.whenWriting = null;
        }
        if (!this.diskFaults || this.world.isCalm || kind === "create") return null;
        if (random.below(3000) > 0) return null;
        this.world.faults.diskErrors++;
        return random.pick(["error", "full"] as const);
      },
    };
  }

  /** Calls watched in all lives. */
  get checks(): number {
    return this.#checks + (this.watch?.checks ?? 0);
  }

  get commits(): number {
    return this.#commits + (this.watch?.past.commits ?? 0);
  }

  get engine(): Engine {
    return this.connector!.engine;
  }

  note(what: What, account = 0, id = 0, amount = 0n, text = ""): void {
    this.world.tracer.note(this.index, what, account, id, null, amount, text);
  }

  /** Starts a process with the configuration. */
  async start(): Promise<void> {
    this.life++;
    this.clock = new NodeClock(this.world.scheduler, this.driftPpm, this.wallErrorMs);
    const seed = Buffer.alloc(8);
    // As a node draws them: request ids of two lives must not be neighbours.
    seed.writeUInt32BE(this.#random.word());
    seed.writeUInt32BE(this.#random.word(), 4);
    const { config, clock } = this;
    const wasm = load(this.profile);
    const connector = new Connector(config, {
      ...{ clock, wasm, seed, log: this.#log, disk: this.disk },
      onFailure: (error) => this.world.onDiskFailure(this, error),
    });
    this.connector = connector;
    this.world.plant?.store?.(this, connector);
    const early = followEarlyVoids(connector.core);
    await connector.start().catch((error: Error) => {
      throw new Violation("recovery", `${this.name} does not start: ${error.message}`, [
        this.index,
      ]);
    });
    const tooOld = early.splice(0);
    this.world.plant?.core?.(this, connector);
    const { core, registry } = connector;
    const { CFG_WHEEL, CFG_WHEEL_SHIFT } = profiles[this.profile]!.capacities;
    const watch = new Watch({
      wheelShift: CFG_WHEEL_SHIFT!,
      ...{ name: this.name, index: this.index, core, profile: this.profile, config },
      ...{ entries: registry.list(), tracer: this.world.tracer, mute: this.world.mute },
      wallMs: () => clock.wallMs(),
      onClaim: (...claim) => this.#onClaim(...claim),
    });
    this.#checks = this.checks;
    this.#commits = this.commits;
    this.watch = watch;
    this.#followStore(connector);
    this.#followClaims(connector);
    this.world.plant?.host?.(this, connector);
    this.#map = mapOf(watch.machine, CFG_WHEEL!, CFG_WHEEL_SHIFT!);
    for (const port of this.ports) port.account = registry.byId(port.id)!.index;
    this.#judge(watch, tooOld);
    this.isUp = true;
    this.note(What.Start, 0, this.life);
    for (const port of this.ports) {
      if (port.wire.kind === "raw") port.linkUp();
      else port.wire.connect();
    }
  }

  /** A part of the claims has ended: by an operator's word, a Fulfill in time, or age. */
  #onClaim(account: number, side: ClaimSide, amount: bigint, posts: boolean): void {
    const { resolution, world } = this;
    this.resolution = null;
    let ended: OpenClaim[];
    if (resolution) {
      ended = this.#byWord(resolution, { account, side, amount, posts });
      world.faults.claimsResolved++;
    } else if (posts) {
      ended = [this.#byFulfill(account, side, amount)];
      world.faults.claimsPosted++;
    } else {
      ended = this.#byAge(account, side, amount);
      world.faults.claimsExpired++;
    }
    for (const claim of ended) this.endClaim(claim, side, posts);
    this.note(What.Claim, account, 0, amount, `${side} ${posts ? "posted" : "void"}`);
  }

  /** A side of a claim is no longer open. */
  endClaim(claim: OpenClaim, side: ClaimSide, posts: boolean): void {
    claim[side] = false;
    const { flight } = claim;
    const hop = hopOf(claim, side);
    if (!posts) return;
    this.watch!.past.book(flight, { out: side === "owing", in: side === "owed" });
    if (hop?.upBooked && side === "owing" && hop.wire.isHonest) {
      this.watch!.fail("claim", `packet ${hop.id} is booked twice`, hop.payment);
    }
    if (side === "owing") hop?.bookUp(true);
    else hop?.bookDown(true);
  }

  #byWord(said: Resolution, done: Omit<Resolution, "claims">): OpenClaim[] {
    const { account, side, amount, posts } = done;
    const same = said.account === account && said.side === side && said.posts === posts;
    if (same && said.amount === amount) return said.claims;
    const show = (r: typeof done): string => {
      return `${r.posts ? "post" : "void"} ${r.amount} ${r.side} of ${r.account}`;
    };
    return this.watch!.fail("claim", `the operator said ${show(said)}, it was ${show(done)}`);
  }

  /** The next hop has shown in time that it took the packet. */
  #byFulfill(account: number, side: ClaimSide, amount: bigint): OpenClaim {
    const watch = this.watch!;
    const { lastHop: hop } = watch;
    const port = this.ports.find((each) => each.account === account);
    const open = claimsOf(watch.claims, account, side);
    if (port?.wire.isHonest) {
      const proved = hop?.upEnded && !hop.upBooked && hop.downPosted > 0;
      if (!proved || side !== "owing" || hop.amount !== amount) {
        return watch.fail("claim", `a claim of ${amount} was posted without a proof`);
      }
    }
    const same = (claim: OpenClaim): boolean => hopOf(claim, side) === hop;
    const like = (claim: OpenClaim): boolean => amountOf(claim, side) === amount;
    const found = open.find(same) ?? open.find(like);
    return found ?? watch.fail("claim", `a claim of ${amount} was posted that is not open`);
  }

  /** The policy voids all that is open on a side of an account once the newest is old enough. */
  #byAge(account: number, side: ClaimSide, amount: bigint): OpenClaim[] {
    const watch = this.watch!;
    const { expiryMs, owing } = this.config.claims;
    const open = claimsOf(watch.claims, account, side);
    const wallMs = this.clock.wallMs();
    const isDue = open.every(({ sinceMs }) => wallMs >= sinceMs + expiryMs);
    const isPolicy = expiryMs > 0 && (side === "owed" || owing === "void");
    if (isPolicy && isDue && sumOf(open, side) === amount) return open;
    const young = open.filter(({ sinceMs }) => wallMs < sinceMs + expiryMs).length;
    const text = `${amount} ${side} became void, of ${sumOf(open, side)} with ${young} too young`;
    return watch.fail("claim", text);
  }

  /** The Fulfill that may prove a claim is looked at once the core has been drained. */
  #followClaims({ claims }: Connector): void {
    const unsolicited = claims.unsolicited.bind(claims);
    claims.unsolicited = (account, packet) => {
      this.watch!.lastHop = this.watch!.unsolicited.shift() ?? null;
      unsolicited(account, packet);
    };
  }

  /** Learns from the store when a commit has become durable. */
  #followStore({ books }: Connector): void {
    const store = books.store!;
    const { past } = this.watch!;
    const append = store.append.bind(store);
    store.append = (records, stamp, done) => {
      const covered = past.next - 1;
      append(records, stamp, (error) => {
        if (!error) past.durable(covered);
        done(error);
      });
    };
  }

  /**
   * The books that came back must be ones that were, with nothing durable missing. `early`: claims
   * that were too old already when the process began.
   */
  #judge(watch: Watch, early: EarlyVoid[]): void {
    const { ending } = this;
    this.ending = null;
    if (!ending) return;
    const now = watch.state();
    for (const { account, side, amount } of early) {
      const sums = now.sums[account]!;
      if (side === CoreSide.Debits) {
        sums.claimDebits += amount;
        sums.debitsPending += amount;
      } else {
        sums.claimCredits += amount;
        sums.creditsPending += amount;
      }
    }
    const conditions = this.connector!.claims.list().flatMap(({ packets }) =>
      packets.map(({ condition }) => Buffer.from(condition).toString("hex")),
    );
    const at = findState(now, ending, conditions);
    const found = ending.candidates[at] ?? null;
    const wrong = judgeRecovery(now, ending, found);
    if (wrong) watch.fail("recovery", wrong);
    this.#comeBack(watch, ending, at, now.sums);
    watch.past.begin(copyState(now.sums, now.assets, [], watch.claims, now.wallMs));
    for (const { account, side, amount } of early) {
      this.#onClaim(account, side === CoreSide.Debits ? "owed" : "owing", amount, false);
    }
  }

  /** What was on hold is a claim now; what was booked since then is not. */
  #comeBack(watch: Watch, ending: Ending, at: number, now: Sums[]): void {
    const { sums, held, claims } = ending.candidates[at]!;
    const sinceMs = oldestLike(now, ending);
    const fresh = held.map((flight) => ({ flight, owed: true, owing: true, sinceMs }));
    watch.claims = [...claims.map((claim) => ({ ...claim })), ...fresh];
    // Operators end sums: which packets of them the host still lists is its guess.
    const isOpen = claims.some(({ owed, owing }) => owed || owing);
    this.claimsAtStart = fresh.length + (isOpen ? this.claimsAtStart : 0);
    for (const claim of watch.claims) {
      for (const side of SIDES) {
        const hop = claim[side] ? hopOf(claim, side) : null;
        if (hop) hop.isSettled = false;
      }
    }
    const open = new Map(watch.claims.map((claim) => [claim.flight, claim]));
    const bookings = ending.clean ? [] : ending.bookings;
    for (const { flight, out, in: isIn, commit } of bookings) {
      if (commit <= ending.first + at) continue;
      const claim = open.get(flight);
      this.world.faults.rollbacks++;
      if (out && flight.outHop) {
        flight.outHop.bookUp(false);
        flight.outHop.isForgotten ||= !claim?.owing;
      }
      if (isIn && flight.inHop) {
        flight.inHop.bookDown(false);
        flight.inHop.isForgotten ||= !claim?.owed;
      }
    }
    for (const port of this.ports) {
      const { paid, received } = sums[port.account]!;
      const live = ending.live.sums[port.account]!;
      port.wire.recovered += paid - live.paid - received + live.received;
    }
  }

  /** The process ends at once; `loss`: the power went, and what became of unsynced writes. */
  crash(loss: Loss | "killed"): void {
    const watch = this.watch!;
    this.isUp = false;
    this.clock.isAlive = false;
    this.note(What.Crash, 0, this.life, 0n, loss);
    this.#end(false);
    this.disk.cutNow();
    const options = this.#diskOptions();
    const { disk } = this;
    this.disk = loss === "killed" ? disk.afterKill(options) : disk.afterCut(loss, options);
    watch.abandon();
    this.#leave();
  }

  #end(clean: boolean): void {
    const { past, atRisk } = this.watch!;
    const { first, bookings } = past;
    const live = this.watch!.state();
    const strict = this.config.durability === "strict";
    const candidates = clean ? [live] : past.candidates;
    // What comes back is as old as what was written last.
    if (clean) live.wallMs = Math.min(...past.candidates.map(({ wallMs }) => wallMs));
    this.ending = { candidates, first, bookings, live, atRisk, strict, clean };
  }

  #leave(): void {
    for (const port of this.ports) {
      if (port.wire.isFramed) port.wire.break();
      port.crash();
    }
  }

  /** The process ends in order. `then` is called when it has. */
  stop(then: () => void): void {
    for (const port of this.ports) {
      if (port.wire.isFramed) port.wire.break();
      else port.linkDown();
    }
    this.isUp = false;
    this.note(What.Stop, 0, this.life);
    const { life, watch } = this;
    void this.connector!.stop().then(() => {
      if (this.life !== life) return;
      this.#end(this.connector!.books.failure === null);
      this.clock.isAlive = false;
      watch!.abandon();
      this.#leave();
      this.disk = this.disk.afterKill(this.#diskOptions());
      then();
    });
  }

  /** Moves the wall clock. */
  stepWall(ms: number): void {
    this.wallErrorMs = ms;
    this.clock.wallErrorMs = ms;
    this.note(What.Fault, 0, 0, 0n, `wall clock off by ${ms} ms`);
  }

  // ---- checks

  /** The invariants of the core's memory, and the shadow's books to the last bit. */
  checkCore(): void {
    const watch = this.watch!;
    for (const [name, checker] of Object.entries(CHECKERS)) {
      const wrong = checker(watch.machine, this.#map!);
      if (wrong) watch.fail(name, wrong);
    }
    watch.compareAll();
  }

  /** What the host keeps. `isCalm`: nothing is in flight any more. */
  checkMemory(isCalm: boolean): void {
    const excess = findExcess(this, isCalm);
    if (excess) this.watch!.fail("memory", excess);
  }

  /** Adds the sums of every account to the hash of the run. */
  mixState(): void {
    if (!this.watch) return;
    for (const { debits, credits } of this.watch.sums) {
      this.world.tracer.mix(Number(BigInt.asUintN(32, debits)));
      this.world.tracer.mix(Number(BigInt.asUintN(32, credits)));
    }
  }

  get #log(): Log {
    const warn = (message: string, fields: Record<string, unknown> = {}): void => {
      if (message.startsWith("the journal was torn")) this.world.faults.tornJournals++;
      if (!message.startsWith("settlement due")) return;
      const { account, amount } = fields as { account: string; amount: bigint };
      // The core is being drained: settled once that is done.
      this.world.scheduler.soon(() => this.world.onSettlementDue(this, account, amount));
    };
    return { debug() {}, info() {}, warn, error() {} };
  }
}
