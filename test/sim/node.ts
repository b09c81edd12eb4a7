// A node of the simulated network: a whole connector without sockets, on its own clock, watched at
// the boundary of its core. Its process can end and start again.
import type { Config } from "../../host/config/types.js";
import { Connector } from "../../host/connector.js";
import type { Engine } from "../../host/engine.js";
import type { Log } from "../../host/log.js";
import { CHECKERS, mapOf, type Map as CoreMap } from "../support/model/invariants.js";
import { load } from "../support/model/machine.js";
// @ts-expect-error: profiles.mjs is plain JavaScript.
import { profiles as untyped } from "../../assembly/tools/profiles.mjs";
import { FaultyDisk, type DiskOptions, type Loss } from "../support/faulty-disk.js";
import { Random } from "../support/model/random.js";
import { copyState, judgeRecovery, type Ending } from "./past.js";
import type { Port } from "./port.js";
import { NodeClock, type Scheduler } from "./scheduler.js";
import { What, type Tracer } from "./trace.js";
import { Violation } from "./violation.js";
import { Watch } from "./watch.js";

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
  /** Possible claims that a Fulfill in time has proved. */
  claimsPosted: number;
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
    await connector.start().catch((error: Error) => {
      throw new Violation("recovery", `${this.name} does not start: ${error.message}`, [
        this.index,
      ]);
    });
    this.world.plant?.core?.(this, connector);
    const { core, registry } = connector;
    const { CFG_WHEEL, CFG_WHEEL_SHIFT } = profiles[this.profile]!.capacities;
    const watch = new Watch({
      wheelShift: CFG_WHEEL_SHIFT!,
      ...{ name: this.name, index: this.index, core, profile: this.profile, config },
      ...{ entries: registry.list(), tracer: this.world.tracer, mute: this.world.mute },
      onClaim: (account, change) => this.#onClaim(account, change),
    });
    this.#checks = this.checks;
    this.#commits = this.commits;
    this.watch = watch;
    this.#followStore(connector);
    this.world.plant?.host?.(this, connector);
    this.#map = mapOf(watch.machine, CFG_WHEEL!, CFG_WHEEL_SHIFT!);
    for (const port of this.ports) port.account = registry.byId(port.id)!.index;
    this.#judge(watch);
    this.isUp = true;
    this.note(What.Start, 0, this.life);
    for (const port of this.ports) {
      if (port.wire.kind === "raw") port.linkUp();
      else port.wire.connect();
    }
  }

  /** A claim of an earlier life was posted: the books of that link come closer again. */
  #onClaim(account: number, change: bigint): void {
    this.world.faults.claimsPosted++;
    const port = this.ports.find((each) => each.account === account);
    if (port) port.wire.recovered += change;
    const hop = this.watch!.lastHop;
    if (port?.wire.isHonest) {
      const open = hop?.upEnded && !hop.upPosted && hop.downPosted > 0 && !hop.isClaimed;
      if (!hop || !open || hop.amount !== -change) {
        return this.watch!.fail("claim", `a claim of ${change} was posted without a proof`);
      }
      hop.isClaimed = true;
    }
    this.note(What.Claim, account, 0, change < 0n ? -change : change);
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

  /** The books that came back must be ones that were, with nothing durable missing. */
  #judge(watch: Watch): void {
    const { ending } = this;
    this.ending = null;
    if (!ending) return;
    const wrong = judgeRecovery(copyState(watch.sums, watch.assets), ending);
    if (wrong) watch.fail("recovery", wrong);
    for (const port of this.ports) {
      const { sums } = watch;
      const is = sums[port.account]!;
      const was = ending.live.sums[port.account] ?? { debits: 0n, credits: 0n };
      const change = is.debits - is.credits - was.debits + was.credits;
      port.wire.recovered += change;
      if (change !== 0n) this.world.faults.rollbacks++;
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
    const { past, sums, assets, atRisk } = this.watch!;
    const live = copyState(sums, assets);
    const strict = this.config.durability === "strict";
    const candidates = clean ? [live] : past.candidates;
    this.ending = { candidates, live, atRisk, strict, clean };
  }

  #leave(): void {
    for (const port of this.ports) {
      if (port.wire.kind === "btp") port.wire.break();
      port.crash();
    }
  }

  /** The process ends in order. `then` is called when it has. */
  stop(then: () => void): void {
    for (const port of this.ports) {
      if (port.wire.kind === "btp") port.wire.break();
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
