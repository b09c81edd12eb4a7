// The simulated network as a whole: builds what a seed has planned, lets it run and go wrong, calms
// it, and checks it all the time.
import { Random } from "../support/model/random.js";
import { App, type AppWorld, type Outcomes } from "./app.js";
import * as wire from "./bytes.js";
import { type Hop } from "./hop.js";
import { Liar } from "./liar.js";
import { Wire, type NetCounts, type NetWorld } from "./net.js";
import { SimNode, type Faults, type NodeWorld, type Plant } from "./node.js";
import { Operators } from "./operators.js";
import type { Payment } from "./payment.js";
import { makeConfig, type AppPlan, type NodePlan, type Plan, type WirePlan } from "./plan.js";
import { Port } from "./port.js";
import { EPOCH_MS, MS, SECOND, Scheduler } from "./scheduler.js";
import { Tracer, What } from "./trace.js";
import { Violation } from "./violation.js";

/** What becomes of unsynced writes; "killed": the process ended, the power stayed. */
const LOSSES = [
  "lost",
  "kept",
  "torn",
  "reordered",
  "flipped",
  "mixed",
  "mixed",
  "killed",
] as const;
const CHECK_PERIOD = 500 * MS;
/** Events between two turns of the real event loop. */
const BREATH = 8192;
/** A core's memory is looked through every so many checks: a gateway's takes a millisecond. */
const CORE_CHECKS = { board: 1, test: 1, "gateway-scalar": 100 } as const;
/** After the faults: the longest hold, what senders wait, links that come back, settlements. */
const CALM = 75 * SECOND;

export class World implements NetWorld, NodeWorld, AppWorld {
  readonly scheduler = new Scheduler();
  readonly tracer = new Tracer(this.scheduler);
  readonly net: NetCounts = {
    ...{ messages: 0, chunks: 0, cuts: 0, tears: 0, lost: 0, duplicated: 0 },
    ...{ breaks: 0, stalls: 0, partitions: 0, congestions: 0 },
  };
  readonly outcomes: Outcomes = {
    ...{ sent: 0, fulfilled: 0, rejected: 0, unknown: 0, late: 0 },
    codes: new Map(),
    lies: new Map(),
  };
  readonly faults: Faults = {
    ...{ clockSteps: 0, crashes: 0, stops: 0, reconfigurations: 0, settlements: 0 },
    ...{ diskErrors: 0, rollbacks: 0, tornJournals: 0, claimsPosted: 0 },
    ...{ claimsResolved: 0, claimsExpired: 0 },
  };
  readonly payments = new Map<number, Payment>();
  readonly nodes: SimNode[] = [];
  readonly wires: Wire[] = [];
  readonly apps: App[] = [];
  readonly wireRandom: Random;
  isCalm = false;
  checks = 0;
  /** Packets of which the two ends of a wire think differently, for good reasons. */
  differences = 0;
  readonly #operators: Operators;
  readonly #random: Random;
  readonly #configRandom: Random;
  #nextPayment = 1;
  #checkRound = 0;
  /** Something that the loop must wait for before it goes on. */
  readonly #pending: Promise<void>[] = [];
  #stopping = 0;

  constructor(
    readonly plan: Plan,
    readonly plant: Plant | null = null,
    /** Checkers that stay silent. */
    readonly mute: readonly string[] = [],
  ) {
    this.#random = new Random(plan.seed ^ 0x5bd1e995);
    this.#configRandom = new Random(plan.seed ^ 0x2545f491);
    this.wireRandom = new Random(plan.seed ^ 0x9e3779b9);
    this.#operators = new Operators(this, plan.seed);
    for (const [i, node] of plan.nodes.entries()) this.#addNode(node, i);
    for (const [i, each] of plan.wires.entries()) this.#addWire(each, i);
    for (const [i, app] of plan.apps.entries()) this.#addApp(app, i);
    this.#introduceLiars();
  }

  /** Calls that a shadow has followed, and looks at cores and books. */
  get totalChecks(): number {
    return this.nodes.reduce((sum, node) => sum + node.checks, this.checks);
  }

  get commits(): number {
    return this.nodes.reduce((sum, node) => sum + node.commits, 0);
  }

  // ---- building

  #addNode(plan: NodePlan, index: number): void {
    const { name, profile, driftPpm, seed } = plan;
    const { swarm } = this.plan;
    const node = new SimNode(this, index, name, profile, driftPpm, seed, swarm.diskFaults);
    node.config = makeConfig(this.plan, plan, this.#configRandom);
    this.tracer.names[index] = name;
    this.nodes.push(node);
  }

  #addWire(plan: WirePlan, index: number): void {
    const { kind, asset, traits, server } = plan;
    const each = new Wire(this, index, kind, asset, { ...traits }, server);
    this.wires.push(each);
    const attach = (nodeIndex: number, side: 0 | 1): void => {
      const { accounts } = this.plan.nodes[nodeIndex]!;
      const { id } = accounts.find((a) => a.wire === index && a.side === side)!;
      const port = new Port(this.nodes[nodeIndex]!, each, side, id);
      port.timeoutMs = this.#random.pick([30_000, 30_000, 2000]);
      port.pingMs = plan.pingMs;
      this.nodes[nodeIndex]!.ports.push(port);
      each.ends[side] = port;
    };
    attach(plan.a, 0);
    if ("node" in plan.b) attach(plan.b.node, 1);
  }

  #addApp(plan: AppPlan, i: number): void {
    const index = this.nodes.length + i;
    const Kind = plan.liar ? Liar : App;
    const app = new Kind(this, index, plan.name, plan.traits, plan.seed);
    app.wire = this.wires[plan.wire]!;
    app.side = 1;
    app.wire.ends[1] = app;
    app.address = `test.${this.plan.nodes[plan.node]!.name}.${plan.name}`;
    this.tracer.names[index] = plan.name;
    this.apps.push(app);
  }

  #introduceLiars(): void {
    const liars = this.apps.filter((app) => app instanceof Liar);
    for (const [i, liar] of liars.entries()) {
      liar.accomplice = liars[(i + 1) % liars.length]!;
      liar.mischief = this.#random.pick([0.2, 1, 5]);
    }
  }

  newPayment(sender: App): Payment | null {
    const random = sender.random;
    const receiver = random.pick(this.apps);
    if (receiver === sender) return null;
    const id = this.#nextPayment++;
    const unit = this.plan.swarm.amount;
    const amount = 1n + (unit * BigInt(random.below(1000))) / 500n;
    const [preimage, condition] = wire.secret(id);
    const data = Buffer.allocUnsafe(4 + random.below(random.chance(5) ? 1500 : 60));
    data.fill(id & 255);
    data.writeUInt32BE(id);
    const wallMs = EPOCH_MS + Math.floor(this.scheduler.now / MS);
    const life = this.isCalm ? 40_000 : random.pick([30_000, 30_000, 10_000, 5000, 60_000]);
    const payment: Payment = {
      ...{ id, sender, receiver, amount, preimage, condition, data },
      minimum: random.chance(3) ? amount * 2n : 0n,
      destination: `${receiver.address}.${id}`,
      expiresAtMs: wallMs + life,
      sentAt: this.scheduler.now,
      ...{ released: 0, outcome: "open", code: "" },
    };
    this.payments.set(id, payment);
    return payment;
  }

  onSettlementDue(node: SimNode, id: string, amount: bigint): void {
    const port = node.ports.find((each) => each.id === id);
    if (port) this.#pay(port, amount);
  }

  onHopClosed(hop: Hop): void {
    const posted = hop.downPosted - (hop.upPosted ? 1 : 0);
    if (posted === 0) return;
    this.differences++;
    const { wire: on, payment } = hop;
    const [a, b] = on.ends;
    const text = `packet ${hop.id} between ${a.name} and ${b.name}`;
    const nodes = this.#nodesOf(on);
    if (!hop.causes) {
      throw new Violation(
        "lost",
        `${text} is booked at one end only, for no reason`,
        nodes,
        payment,
      );
    }
  }

  #nodesOf(on: Wire): number[] {
    return on.ends.map((end) => (end instanceof Port ? end.node.index : (end as App).index));
  }

  // ---- running

  /** The whole run: trouble, then calm, then the last checks. Throws a Violation. */
  async run(): Promise<void> {
    for (const node of this.nodes) await node.start();
    for (const each of this.wires) if (each.kind === "raw") each.isUp = true;
    for (const app of this.apps) app.start();
    this.#scheduleFaults();
    this.#scheduleChecks();
    await this.#runUntil(this.plan.duration);
    this.#calmDown();
    await this.#runUntil(this.scheduler.now + CALM);
    this.#checkEnd();
  }

  async #runUntil(end: number): Promise<void> {
    while (this.scheduler.step(end)) {
      // A start happens in no time; a stop takes its time, and its promises their turns.
      for (let pending = this.#pending.shift(); pending; pending = this.#pending.shift()) {
        await pending;
        this.scheduler.settle();
      }
      for (let i = 0; this.#stopping > 0 && i < 8; i++) await Promise.resolve();
      // Signals are heard in between.
      if (this.scheduler.events % BREATH === 0) await new Promise((turn) => setImmediate(turn));
    }
  }

  /** Faults end; what is broken comes back. */
  #calmDown(): void {
    this.isCalm = true;
    this.tracer.note(0, What.Fault, 0, 0, null, 0n, "calm");
    for (const node of this.nodes) if (node.isUp) node.stepWall(0);
    for (const each of this.wires) {
      each.calm();
    }
  }

  // ---- faults

  /** Does something again and again, `mean` apart on average; 0: never. */
  #often(mean: number, act: () => void): void {
    if (mean === 0) return;
    const pause = -Math.log((this.#random.below(1e6) + 1) / 1e6) * mean;
    this.scheduler.after(Math.ceil(pause), () => {
      if (this.isCalm) return;
      act();
      this.#often(mean, act);
    });
  }

  #scheduleFaults(): void {
    const { swarm } = this.plan;
    const r = this.#random;
    const anyWire = (): Wire => r.pick(this.wires);
    this.#often(swarm.breaks, () => anyWire().break());
    this.#often(swarm.stalls, () => {
      anyWire().stall(this.scheduler.now + r.below(r.pick([SECOND, 10 * SECOND, 60 * SECOND])));
    });
    this.#often(swarm.partitions, () => this.#partition());
    this.#often(swarm.clockSteps, () => this.#stepClock());
    this.#often(swarm.crashes, () => this.#crash());
    this.#often(swarm.settlements, () => this.#settleSome());
    if (swarm.operators > 0) this.#operators.start(swarm.operators);
  }

  /** Cuts some nodes off from the others. */
  #partition(): void {
    const r = this.#random;
    const group = new Set(this.nodes.filter(() => r.chance(50)));
    const cut = this.wires.filter(({ ends: [a, b] }) => {
      return a instanceof Port && b instanceof Port && group.has(a.node) !== group.has(b.node);
    });
    this.tracer.note(0, What.Fault, 0, cut.length, null, 0n, "partition");
    for (const each of cut) each.partition();
    this.scheduler.after(r.below(r.pick([2 * SECOND, 40 * SECOND])), () => {
      for (const each of cut) each.heal();
    });
  }

  #stepClock(): void {
    const r = this.#random;
    const node = r.pick(this.nodes);
    if (!node.isUp) return;
    const size = r.pick([50, 900, 1500, 20_000, 3_600_000]);
    this.faults.clockSteps++;
    node.stepWall(r.chance(40) ? 0 : r.below(2 * size) - size);
  }

  // ---- ends and starts of processes

  #crash(): void {
    const r = this.#random;
    const node = r.pick(this.nodes);
    if (!node.isUp) return;
    if (r.chance(15)) return this.#stop(node);
    const { life } = node;
    const crash = (): void => {
      if (!node.isUp || node.life !== life || this.isCalm) return;
      this.faults.crashes++;
      node.crash(r.pick(LOSSES));
      this.#restart(node);
    };
    // Half of them while the disk is being written to.
    if (r.chance(50)) node.whenWriting = crash;
    else crash();
  }

  #stop(node: SimNode): void {
    this.faults.stops++;
    this.#stopping++;
    node.stop(() => {
      this.#stopping--;
      this.#restart(node);
    });
  }

  /** A supervisor starts the node again, perhaps with another configuration. */
  #restart(node: SimNode): void {
    const r = this.#random;
    const pause = r.pick([10 * MS, SECOND, 10 * SECOND]) * (1 + r.below(3));
    this.scheduler.after(Math.min(pause, this.isCalm ? SECOND : pause), () => {
      if (this.plan.swarm.reconfigure && r.chance(50)) {
        this.faults.reconfigurations++;
        const plan = this.plan.nodes[node.index]!;
        plan.strict = plan.profile !== "board" && r.chance(this.plan.swarm.strictPercent);
        plan.spreadPpb = r.pick([0n, 2_000_000n, 10_000_000n]);
        plan.commitPeriodMs = r.pick([50, 10, 1000]);
        node.config = makeConfig(this.plan, plan, this.#configRandom);
      }
      if (this.isCalm) node.wallErrorMs = 0;
      this.#pending.push(node.start());
    });
  }

  /** The store has failed: the node ends, and its supervisor starts it again. */
  onDiskFailure(node: SimNode, error: Error): void {
    node.note(What.Fault, 0, 0, 0n, error.message);
    const { life } = node;
    this.scheduler.after(this.#random.pick([0, SECOND, 20 * SECOND]), () => {
      if (!node.isUp || node.life !== life) return;
      node.crash("killed");
      this.#restart(node);
    });
  }

  // ---- settlement

  #settleSome(): void {
    const node = this.#random.pick(this.nodes);
    if (!node.isUp) return;
    const port = this.#random.pick(node.ports);
    const owed = -port.book();
    if (owed > 0n) this.#pay(port, (owed * BigInt(1 + this.#random.below(100))) / 100n);
  }

  /** A node pays a peer: booked at once here, there when it arrives. */
  #pay(port: Port, amount: bigint): void {
    if (amount <= 0n || !port.node.isUp || amount >= 1n << 63n) return;
    this.faults.settlements++;
    const { node, account } = port;
    const on = port.wire;
    node.connector!.core.bookSettlement(account, true, amount);
    node.connector!.books.changed();
    node.watch!.settle(account, true, amount);
    node.note(What.Settle, account, 0, amount, "paid");
    on.settling += amount;
    this.#book(on, port.side ^ 1, amount);
  }

  /** The payment arrives, later; a node that is down books it when it is up again. */
  #book(on: Wire, side: number, amount: bigint): void {
    const delay = this.isCalm ? SECOND : this.#random.below(20 * SECOND);
    this.scheduler.after(delay, () => {
      const end = on.ends[side]!;
      if (!end.isReady) return this.#book(on, side, amount);
      on.settling -= amount;
      if (end instanceof App) {
        end.balance -= amount;
        return;
      }
      const { node, account } = end as Port;
      node.connector!.core.bookSettlement(account, false, amount);
      // Whoever books may forget to say so: an orderly stop must not.
      if (this.#random.chance(50)) node.connector!.books.changed();
      node.watch!.settle(account, false, amount);
      node.note(What.Settle, account, 0, amount, "received");
    });
  }

  // ---- checks

  #scheduleChecks(): void {
    const again = (): void => {
      this.#checkAll(false);
      this.scheduler.after(CHECK_PERIOD, again);
    };
    this.scheduler.after(CHECK_PERIOD, again);
  }

  #checkAll(thoroughly: boolean): void {
    this.#checkRound++;
    for (const node of this.nodes) {
      if (!node.isUp) continue;
      node.watch!.checkDeadlines(node.clock.nowMs());
      node.checkMemory(false);
      const period = CORE_CHECKS[node.profile];
      if (!thoroughly && (this.#checkRound + node.index) % period !== 0) continue;
      node.checkCore();
      this.checks++;
    }
    for (const each of this.wires) this.#checkWire(each);
    this.#forgetPayments();
  }

  /** The two books of a wire agree, but for what is known to stand between them. */
  #checkWire(on: Wire): void {
    const [a, b] = on.ends;
    if (!on.isHonest || !a.isReady || !b.isReady) return;
    const sum = a.book() + b.book();
    const due = on.booked + on.settling + on.recovered;
    this.checks++;
    if (sum === due) return;
    const text = `${a.name} and ${b.name} differ by ${sum}, explained are ${due}`;
    throw new Violation("conservation", text, this.#nodesOf(on));
  }

  #forgetPayments(): void {
    const wallMs = EPOCH_MS + this.scheduler.now / MS;
    for (const [id, { expiresAtMs, outcome }] of this.payments) {
      if (outcome === "open" || expiresAtMs > wallMs - 120_000) break;
      this.payments.delete(id);
    }
  }

  /** After the calm: everything has been resolved. */
  #checkEnd(): void {
    this.#checkAll(true);
    const wrong = (what: string, nodes: number[] = []): never => {
      throw new Violation("liveness", what, nodes);
    };
    for (const node of this.nodes) {
      if (!node.isUp) wrong(`${node.name} is down`, [node.index]);
      const held = node.watch!.heldFlights.size;
      if (held > 0) wrong(`${node.name} still holds ${held} packets`, [node.index]);
      node.checkMemory(true);
    }
    for (const app of this.apps) {
      if (app.waiting > 0) wrong(`${app.name} waits for ${app.waiting} replies`, [app.index]);
    }
    for (const each of this.wires) {
      const nodes = this.#nodesOf(each);
      const name = each.ends.map((end) => end.name).join(" and ");
      if (each.waiting > 0) wrong(`${each.waiting} messages wait between ${name}`, nodes);
      if (!each.isHonest) continue;
      if (each.openHops > 0) wrong(`${each.openHops} packets between ${name} have no end`, nodes);
      if (each.settling !== 0n) wrong(`a settlement between ${name} has not arrived`, nodes);
      if (each.difference !== each.explained) wrong(`${name} differ without a reason`, nodes);
    }
    if (this.plan.swarm.operators > 0) this.#operators.checkEnd();
  }
}
