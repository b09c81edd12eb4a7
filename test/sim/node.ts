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
import type { Port } from "./port.js";
import { NodeClock, type Scheduler } from "./scheduler.js";
import { What, type Tracer } from "./trace.js";
import { Watch } from "./watch.js";

const profiles = untyped as Record<string, { capacities: Record<string, number> }>;

export type Profile = "board" | "gateway-scalar" | "test";

/** What a planted bug may change before a node is watched, and after. */
export interface Plant {
  /** The core misbehaves: called before the watch is put around it. */
  core?(node: SimNode, connector: Connector): void;
  /** The host misbehaves. */
  host?(node: SimNode, connector: Connector): void;
}

export interface NodeWorld {
  readonly scheduler: Scheduler;
  readonly tracer: Tracer;
  readonly plant: Plant | null;
  /** Checkers that stay silent. */
  readonly mute: readonly string[];
  onSettlementDue(node: SimNode, id: string, amount: bigint): void;
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
  #map: CoreMap | null = null;

  constructor(
    readonly world: NodeWorld,
    readonly index: number,
    readonly name: string,
    readonly profile: Profile,
    readonly driftPpm: number,
    readonly seed: number,
  ) {}

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
    seed.writeUInt32BE(this.seed >>> 0);
    seed.writeUInt32BE(this.life, 4);
    const { config, clock } = this;
    const wasm = load(this.profile);
    const connector = new Connector(config, { clock, wasm, seed, log: this.#log });
    this.connector = connector;
    await connector.start();
    this.world.plant?.core?.(this, connector);
    const { core, registry } = connector;
    this.watch = new Watch({
      ...{ name: this.name, index: this.index, core, profile: this.profile, config },
      ...{ entries: registry.list(), tracer: this.world.tracer, mute: this.world.mute },
    });
    this.world.plant?.host?.(this, connector);
    const { CFG_WHEEL, CFG_WHEEL_SHIFT } = profiles[this.profile]!.capacities;
    this.#map = mapOf(this.watch.machine, CFG_WHEEL!, CFG_WHEEL_SHIFT!);
    for (const port of this.ports) port.account = registry.byId(port.id)!.index;
    this.isUp = true;
    this.note(What.Start, 0, this.life);
    for (const port of this.ports) {
      if (port.wire.kind === "raw") port.linkUp();
      else port.wire.connect();
    }
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
      if (!message.startsWith("settlement due")) return;
      const { account, amount } = fields as { account: string; amount: bigint };
      // The core is being drained: settled once that is done.
      this.world.scheduler.soon(() => this.world.onSettlementDue(this, account, amount));
    };
    return { debug() {}, info() {}, warn, error() {} };
  }
}
