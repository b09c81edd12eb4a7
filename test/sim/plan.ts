// What a seed means: how many nodes, how they are connected, what they are configured to do, what
// goes wrong and how often. Every seed switches features on and off as a whole (a swarm), so that
// some runs are calm and long and others do one terrible thing all the time.
import type { Account, Asset, Config, ResolvedRate, StaticRoute } from "../../host/config/types.js";
import { Secret, defaultConfig } from "../../host/config/index.js";
import { Random } from "../support/model/random.js";
import type { AppTraits } from "./app.js";
import type { Side, WireKind, WireTraits } from "./net.js";
import type { Profile } from "./node.js";
import { HOUR, MINUTE, MS, SECOND } from "./scheduler.js";

export const ASSETS: Asset[] = [
  { assetCode: "XRP", assetScale: 9 },
  { assetCode: "EUR", assetScale: 6 },
  { assetCode: "USD", assetScale: 2 },
];

/** What may be on or off in a run; numbers are means, times in microseconds. 0: never. */
export interface Swarm {
  topology: "line" | "star" | "tree" | "ring" | "mesh";
  assets: number;
  /** Payments per second, all apps together. */
  load: number;
  amount: bigint;
  tightLimits: boolean;
  settlements: number;
  liars: number;
  breaks: number;
  stalls: number;
  partitions: number;
  clockSteps: number;
  drift: number;
  crashes: number;
  reconfigure: boolean;
  losePpm: number;
  duplicatePpm: number;
  slow: boolean;
  jitter: boolean;
  rawPercent: number;
  /** Of the framed wires: those that carry a stream of bytes. */
  streamPercent: number;
  /** Operators look after possible claims: mean time between two looks, microseconds. */
  operators: number;
  /** Claims become void by age: milliseconds, 0: never. What this node may owe as well? */
  claimExpiryMs: number;
  owingExpires: boolean;
  diskFaults: boolean;
  strictPercent: number;
  misroutes: boolean;
}

export interface NodePlan {
  name: string;
  profile: Profile;
  driftPpm: number;
  seed: number;
  spreadPpb: bigint;
  minMessageWindowMs: number;
  maxHoldTimeMs: number;
  strict: boolean;
  commitPeriodMs: number;
  /** Bytes: small ones turn over often. */
  journalSize: number;
  /** Wires by account id, in the order of accounts. */
  accounts: { id: string; wire: number; side: 0 | 1; child: boolean }[];
  routes: { to: number; via: string }[];
  defaultVia: string | null;
}

export interface WirePlan {
  kind: WireKind;
  asset: number;
  traits: WireTraits;
  /** Stream: the end that is the WebSocket server, and how often nodes ping; 0: never. */
  server: Side;
  pingMs: number;
  /** Node index and, at the other end, a node or an app. */
  a: number;
  b: { node: number } | { app: number };
}

export interface AppPlan {
  name: string;
  node: number;
  wire: number;
  traits: AppTraits;
  seed: number;
  liar: boolean;
}

export interface Plan {
  seed: number;
  swarm: Swarm;
  nodes: NodePlan[];
  wires: WirePlan[];
  apps: AppPlan[];
  /** How long faults and load go on. */
  duration: number;
}

function sometimes<T>(r: Random, percent: number, value: () => T, otherwise: T): T {
  return r.chance(percent) ? value() : otherwise;
}

/** `x`: for what came later, so that what a seed meant before stays. */
function planSwarm(r: Random, x: Random): Swarm {
  const between = (low: number, high: number): number => low + r.below(high - low + 1);
  return {
    topology: r.pick(["line", "star", "tree", "ring", "mesh"] as const),
    assets: between(1, 3),
    load: r.pick([2, 10, 50, 200, 1000]),
    amount: r.pick([10n, 1000n, 100_000n, 10n ** 9n, 10n ** 14n, 10n ** 18n]),
    tightLimits: r.chance(40),
    settlements: sometimes(r, 50, () => between(1, 60) * SECOND, 0),
    liars: sometimes(r, 50, () => between(1, 3), 0),
    breaks: sometimes(r, 60, () => between(2, 120) * SECOND, 0),
    stalls: sometimes(r, 40, () => between(2, 60) * SECOND, 0),
    partitions: sometimes(r, 30, () => between(20, 200) * SECOND, 0),
    clockSteps: sometimes(r, 30, () => between(5, 100) * SECOND, 0),
    drift: sometimes(r, 50, () => r.pick([50, 500, 20_000]), 0),
    crashes: sometimes(r, 60, () => between(5, 120) * SECOND, 0),
    reconfigure: r.chance(50),
    losePpm: sometimes(r, 50, () => r.pick([100, 5000, 50_000]), 0),
    duplicatePpm: sometimes(r, 40, () => r.pick([100, 5000, 50_000]), 0),
    slow: r.chance(25),
    jitter: r.chance(60),
    rawPercent: r.pick([0, 0, 25, 50, 100]),
    diskFaults: r.chance(50),
    strictPercent: r.pick([0, 0, 30, 100]),
    misroutes: r.chance(20),
    streamPercent: x.pick([0, 0, 30, 100, 100]),
    operators: sometimes(x, 60, () => x.pick([1, 5, 30]) * SECOND, 0),
    claimExpiryMs: sometimes(x, 25, () => x.pick([1000, 20_000, 60_000]), 0),
    owingExpires: x.chance(50),
  };
}

/** Edges between nodes. */
function planEdges(r: Random, topology: Swarm["topology"], nodes: number): [number, number][] {
  const edges: [number, number][] = [];
  for (let i = 1; i < nodes; i++) {
    if (topology === "line" || topology === "ring") edges.push([i - 1, i]);
    else if (topology === "star") edges.push([0, i]);
    else edges.push([r.below(i), i]);
  }
  if (topology === "ring" && nodes > 2) edges.push([nodes - 1, 0]);
  if (topology === "mesh") {
    for (let n = r.below(nodes); n > 0; n--) {
      const [a, b] = [r.below(nodes), r.below(nodes)];
      if (a !== b && !edges.some(([x, y]) => (x === a && y === b) || (x === b && y === a))) {
        edges.push([a, b]);
      }
    }
  }
  return edges;
}

function planTraits(r: Random, swarm: Swarm): WireTraits {
  const latency = r.pick([200, 2 * MS, 20 * MS, 150 * MS]) + r.below(MS);
  return {
    latency,
    jitter: swarm.jitter ? r.pick([0, MS, 50 * MS, 400 * MS]) : 0,
    bandwidth: swarm.slow && r.chance(50) ? swarm.load * r.pick([100, 300, 1000]) : 0,
    losePpm: swarm.losePpm,
    duplicatePpm: swarm.duplicatePpm,
    mark: r.pick([2000, 16_384, 1 << 20]),
  };
}

/** Next hops from every node to every other, along shortest ways chosen at random. */
function planRoutes(r: Random, edges: [number, number][], nodes: number): number[][] {
  const next: number[][] = [];
  const neighbours = Array.from({ length: nodes }, () => [] as number[]);
  for (const [a, b] of edges) {
    neighbours[a]!.push(b);
    neighbours[b]!.push(a);
  }
  for (let to = 0; to < nodes; to++) {
    const distance = new Array<number>(nodes).fill(Infinity);
    distance[to] = 0;
    const queue = [to];
    for (const at of queue) {
      for (const other of neighbours[at]!) {
        if (distance[other] !== Infinity) continue;
        distance[other] = distance[at]! + 1;
        queue.push(other);
      }
    }
    for (let from = 0; from < nodes; from++) {
      const closer = neighbours[from]!.filter((n) => distance[n]! === distance[from]! - 1);
      (next[from] ??= [])[to] = closer.length ? r.pick(closer) : -1;
    }
  }
  return next;
}

function planNode(r: Random, swarm: Swarm, index: number): NodePlan {
  const window = r.pick([1000, 1000, 200, 50, 2000]);
  return {
    name: `n${index}`,
    profile: "board",
    driftPpm: swarm.drift ? r.below(2 * swarm.drift) - swarm.drift : 0,
    seed: r.word(),
    spreadPpb: r.pick([0n, 2_000_000n, 10_000_000n, 123_456_789n]),
    minMessageWindowMs: window,
    maxHoldTimeMs: r.pick([30_000, 30_000, 10_000, Math.max(3000, window)]),
    strict: r.chance(swarm.strictPercent),
    commitPeriodMs: r.pick([50, 50, 10, 1000]),
    journalSize: r.pick([65_536, 65_536, 262_144, 1_048_576]),
    accounts: [],
    routes: [],
    defaultVia: null,
  };
}

export interface PlanOptions {
  /** 0: the seed chooses. */
  nodes: number;
  /** Virtual hours; 0: the seed chooses. */
  hours: number;
  /** Overrides, for tests. */
  swarm?: Partial<Swarm>;
  profile?: Profile;
}

const FEW_NODES = [2, 2, 3, 3, 4, 5, 6, 8, 12];

/** The plan of a seed. */
export function makePlan(seed: number, options: PlanOptions): Plan {
  const r = new Random(seed);
  const x = new Random(seed ^ 0x27d4eb2f);
  const swarm = { ...planSwarm(r, x), ...options.swarm };
  const count = options.nodes || r.pick(FEW_NODES);
  const edges = planEdges(r, swarm.topology, count);
  const nodes = Array.from({ length: count }, (_, i) => planNode(r, swarm, i));
  const wires: WirePlan[] = [];
  const add = (a: number, b: WirePlan["b"]): number => {
    const framed = x.chance(swarm.streamPercent) ? "stream" : "btp";
    const kind = r.chance(swarm.rawPercent) ? "raw" : framed;
    const asset = r.below(swarm.assets);
    const stream = { server: x.pick([0, 1] as const), pingMs: x.pick([0, 0, 5000, 30_000]) };
    return wires.push({ kind, asset, traits: planTraits(r, swarm), ...stream, a, b }) - 1;
  };
  for (const [a, b] of edges) {
    const wire = add(a, { node: b });
    nodes[a]!.accounts.push({ id: `n${b}`, wire, side: 0, child: false });
    nodes[b]!.accounts.push({ id: `n${a}`, wire, side: 1, child: false });
  }
  const apps = planApps(r, swarm, nodes, add);
  const next = planRoutes(r, edges, count);
  for (const [i, node] of nodes.entries()) planWays(r, swarm, node, next[i]!, i);
  planProfiles(r, nodes, options.profile);
  // Busy networks for a short time, quiet ones for long: many seeds rather than long runs.
  const most = Math.max(10, 8000 / swarm.load) * SECOND;
  const chosen = Math.min(most, r.pick([20 * SECOND, MINUTE, 3 * MINUTE, 10 * MINUTE]));
  const duration = options.hours ? options.hours * HOUR : chosen;
  return { seed, swarm, nodes, wires, apps, duration };
}

/** Apps: two at least, few per node. */
function planApps(
  r: Random,
  swarm: Swarm,
  nodes: NodePlan[],
  add: (a: number, b: WirePlan["b"]) => number,
): AppPlan[] {
  const apps: AppPlan[] = [];
  const honest = Math.max(2, Math.min(40, nodes.length + r.below(4)));
  const total = honest + swarm.liars;
  const burst = r.pick([1, 1, 10, 50]);
  for (let i = 0; i < total; i++) {
    // The ends first: so that payments cross the network.
    const at = i === 0 ? 0 : i === 1 ? nodes.length - 1 : r.below(nodes.length);
    const node = nodes[at]!;
    if (node.accounts.length >= 14) continue;
    const liar = i >= honest;
    const index = apps.length;
    const name = `${liar ? "liar" : "app"}${index}`;
    const wire = add(at, { app: index });
    node.accounts.push({ id: name, wire, side: 0, child: true });
    const sends = i < 2 || r.chance(60);
    const traits: AppTraits = {
      rate: sends ? swarm.load / honest : 0,
      burst,
      window: r.pick([5, 30, 200]),
      rejects: r.pick([0, 1, 10]),
      silences: r.pick([0, 0, 0.2, 5]),
      think: r.pick([0, 5 * MS, 300 * MS, 3 * SECOND]),
    };
    apps.push({ name, node: at, wire, traits, seed: r.word(), liar });
  }
  return apps;
}

function planWays(r: Random, swarm: Swarm, node: NodePlan, next: number[], index: number): void {
  const peers = node.accounts.filter((account) => !account.child);
  if (peers.length === 1 && r.chance(50)) {
    node.defaultVia = peers[0]!.id;
    return;
  }
  for (const [to, via] of next.entries()) {
    if (to === index || via < 0) continue;
    const wrong = swarm.misroutes && r.chance(15);
    node.routes.push({ to, via: wrong ? r.pick(peers).id : `n${via}` });
  }
}

/** Which build each node runs: as small as it can be, mostly. */
function planProfiles(r: Random, nodes: NodePlan[], always?: Profile): void {
  let gateways = 6;
  for (const node of nodes) {
    const { accounts, defaultVia } = node;
    const tiny = accounts.length <= 3 && defaultVia !== null;
    if (node.accounts.length > 15) throw new Error("a node has more accounts than a board holds");
    if (tiny && r.chance(40)) node.profile = "test";
    else if (gateways > 0 && r.chance(35)) node.profile = "gateway-scalar";
    if (always && (always !== "test" || tiny)) node.profile = always;
    if (node.profile === "gateway-scalar") gateways--;
    // The board keeps no trail.
    if (node.profile === "board") node.strict = false;
  }
}

// ---- configurations

/** Prices of the assets, in hundredths of the first one's base unit. */
const PRICES = [100n, 53_211n, 4_711_001n];

function planLimits(r: Random, swarm: Swarm): Partial<Account> {
  const unit = swarm.amount;
  const limit = (): bigint => unit * BigInt(r.pick([5, 50, 1000]));
  const tight = swarm.tightLimits;
  const fits = (value: bigint): bigint => (value < 1n << 62n ? value : (1n << 62n) - 1n);
  const threshold = tight && r.chance(30) ? -fits(limit() / 2n) : null;
  return {
    balance: {
      minimum: tight && r.chance(60) ? -fits(limit()) : null,
      maximum: tight && r.chance(60) ? fits(limit()) : null,
      settleThreshold: threshold,
      settleTo: 0n,
    },
    maxPacketAmount: tight && r.chance(30) ? fits(unit * 2n) : null,
    maxPacketAmountOut: tight && r.chance(30) ? fits(unit * 2n) : null,
    maxInFlightAmount: tight && r.chance(30) ? fits(limit()) : null,
    maxAtRisk: tight && r.chance(20) ? fits(limit()) : null,
    maxInFlight: tight && r.chance(30) ? r.pick([1, 5, 20]) : 10_000,
    rateLimit: {
      refillPeriodMs: 1000,
      refillCount: tight && r.chance(30) ? r.pick([5, 50]) : 1_000_000,
      capacity: tight && r.chance(30) ? 10 : 1_000_000,
    },
    throughput: {
      refillPeriodMs: 1000,
      incomingAmount: tight && r.chance(20) ? fits(limit()) : null,
      outgoingAmount: tight && r.chance(20) ? fits(limit()) : null,
    },
    frozen: tight && r.chance(2),
  };
}

/**
 * Does a node keep the trail without being strict? Of its seed alone: what else a seed of the past
 * stands for has not changed by it.
 */
function hasTrail({ seed, profile }: NodePlan): boolean {
  return profile !== "board" && new Random(seed ^ 0x7a11).chance(25);
}

/** A node's configuration; another one each time `r` is. */
export function makeConfig(plan: Plan, node: NodePlan, r: Random): Config {
  const accounts = node.accounts.map(({ id, wire, child }): Account => {
    const asset = ASSETS[plan.wires[wire]!.asset]!;
    return {
      ...asset,
      ...(planLimits(r, plan.swarm) as Account),
      id,
      relation: child ? "child" : "peer",
      ilpAddressSegment: child ? id : "",
      sendRoutes: false,
      receiveRoutes: false,
      link: { kind: "btp-listen", token: new Secret(`token of ${id}`), pingIntervalMs: 0 },
    };
  });
  const used = ASSETS.filter((asset) => accounts.some((a) => a.assetCode === asset.assetCode));
  const routes: StaticRoute[] = node.routes.map(({ to, via }) => {
    return { targetPrefix: `test.n${to}`, peerId: via };
  });
  const base = defaultConfig();
  return {
    ...base,
    ilpAddress: `test.${node.name}`,
    dataDir: "",
    durability: node.strict ? "strict" : "group",
    commitPeriodMs: node.commitPeriodMs,
    trail: node.strict || hasTrail(node),
    journalSize: node.journalSize,
    spreadPpb: node.spreadPpb,
    minMessageWindowMs: node.minMessageWindowMs,
    maxHoldTimeMs: node.maxHoldTimeMs,
    defaultRoute: node.defaultVia,
    reflectPayments: plan.swarm.misroutes,
    accounts,
    btp: { ...base.btp, enabled: false, openTokens: false, open: null },
    http: { ...base.http, enabled: false },
    admin: { ...base.admin, enabled: false },
    routes,
    rateTable: makeRates(used, r),
    claims: {
      expiryMs: plan.swarm.claimExpiryMs,
      owing: plan.swarm.owingExpires ? "void" : "keep",
    },
    warnings: [],
  };
}

function makeRates(assets: Asset[], r: Random): ResolvedRate[] {
  const rates: ResolvedRate[] = [];
  for (const from of assets) {
    for (const to of assets) {
      if (from === to) {
        rates.push({ from, to, numerator: 1n, denominator: 1n });
        continue;
      }
      const price = (asset: Asset): bigint => PRICES[ASSETS.indexOf(asset)]!;
      const swing = BigInt(990 + r.below(21));
      const [numerator, denominator] = [price(from) * swing, price(to) * 1000n];
      rates.push({ from, to, numerator, denominator });
    }
  }
  return rates;
}
