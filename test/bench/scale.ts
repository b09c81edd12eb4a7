// `npm run bench:scale`: what more than one Ferrule process on this machine would bring. Processes
// with accounts of their own, each with its own traffic; and two that peer with each other, with
// every packet going through both, which is what a packet costs whose accounts are in different
// processes.
//   npm run bench:scale -- [--rounds N] [--packets N]
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freePorts } from "../support/peers.js";
import { BtpDriver } from "./btp-driver.js";
import { allCases } from "./cases.js";
import { Running, type Recipe } from "./contender.js";
import { MAIN, accountToml, ferrule } from "./contenders.js";
import type { Pair } from "./driver.js";
import { token } from "./names.js";
import { PoolShelf } from "./pool.js";
import { cpuUs } from "./proc.js";
import { median } from "./stats.js";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    packets: { type: "string", default: "60000" },
  },
});
const PACKETS = Number(values.packets);
const WARM_UP_ROUNDS = 2;
/** The same traffic for all: so many pairs of accounts, spread over the processes. */
const PAIRS = 6;
const IN_FLIGHT = 300;
const base = allCases(["group"]).find(({ name }) => name === "btp-0B-100")!;

interface Sample {
  perSecond: number;
  /** Of all its processes, a round trip. */
  cpuUs: number;
  /** Processors kept busy by them, and by the driver. */
  busy: number;
  driverBusy: number;
}

/** Some processes and the traffic through them. */
class Setup {
  readonly samples: Sample[] = [];

  private constructor(
    readonly title: string,
    readonly nodes: readonly Running[],
    readonly driver: BtpDriver,
  ) {}

  static async start(title: string, recipes: readonly Recipe[], pairs: Pair[]): Promise<Setup> {
    const nodes: Running[] = [];
    for (const recipe of recipes) nodes.push(await Running.start(recipe, ""));
    const driver = await BtpDriver.connect({
      wire: "ws",
      dataSize: 0,
      inFlight: IN_FLIGHT,
      pairs,
      pools: new PoolShelf(),
    });
    return new Setup(title, nodes, driver);
  }

  async round(counts: boolean): Promise<void> {
    const all = (): number => this.nodes.reduce((us, { pid }) => us + cpuUs(pid), 0);
    const before = all();
    const driverBefore = cpuUs(process.pid);
    const { ms } = await this.driver.round(PACKETS, IN_FLIGHT);
    const us = all() - before;
    const driverUs = cpuUs(process.pid) - driverBefore;
    if (!counts) return;
    this.samples.push({
      perSecond: (PACKETS / ms) * 1000,
      cpuUs: us / PACKETS,
      busy: us / ms / 1000,
      driverBusy: driverUs / ms / 1000,
    });
  }

  figure(key: keyof Sample): number {
    return median(this.samples.map((sample) => sample[key]));
  }

  async stop(): Promise<void> {
    this.driver.close();
    for (const node of this.nodes) await node.stop();
  }
}

/** Processes that know nothing of each other. */
async function apart(count: number): Promise<Setup> {
  const recipes: Recipe[] = [];
  const pairs = PAIRS / count;
  const one = { ...base, pairs, accounts: 2 * pairs };
  for (let i = 0; i < count; i++) recipes.push(await ferrule.prepare(one));
  const title = count === 1 ? "one process" : `${count} processes, accounts apart`;
  const all = recipes.flatMap((recipe) => recipe.pairs);
  return Setup.start(title, recipes, all);
}

interface Side {
  name: string;
  port: number;
  /** First letter of its own accounts, and of the other's. */
  own: string;
  peerOwns: string;
  /** How they reach each other. */
  link: string;
}

function sideRecipe({ name, port, own, peerOwns, link }: Side): Recipe {
  const ids = (letter: string): string[] =>
    Array.from({ length: PAIRS }, (_, i) => `${letter}${i}`);
  const routeTo = (id: string, peer: string): string =>
    `[[routes]]\ntargetPrefix = "test.of.${id}"\npeerId = "${peer}"`;
  const folder = mkdtempSync(join(tmpdir(), "ferrule-bench-"));
  mkdirSync(join(folder, "data"), { mode: 0o700 });
  const file = join(folder, "ferrule.toml");
  const toml = [
    `ilpAddress = "test.${name}"`,
    `dataDir = "${join(folder, "data")}"`,
    `spread = 0\n[btp]\nport = ${port}\n[http]\nenabled = false\n[admin]\nport = 0`,
    ...ids(own).map((id) => accountToml(id, `btp = { listen = true, token = "${token(id)}" }`)),
    accountToml("other", link),
    ...ids(own).map((id) => routeTo(id, id)),
    ...ids(peerOwns).map((id) => routeTo(id, "other")),
  ].join("\n");
  writeFileSync(file, toml, { mode: 0o600 });
  return {
    args: [MAIN, "start", "--config", file, "--log-level", "error"],
    ports: [port],
    pairs: [],
    wire: "ws",
    cleanUp: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Two processes that peer; packets enter at the one and leave at the other. */
async function across(): Promise<Setup> {
  const [portA, portB] = await freePorts(2);
  const listen = `btp = { listen = true, token = "${token("other")}" }`;
  const dial = `btp = { url = "btp+ws://127.0.0.1:${portB}", token = "${token("other")}" }`;
  const recipes = [
    sideRecipe({ name: "right", port: portB!, own: "b", peerOwns: "a", link: listen }),
    sideRecipe({ name: "left", port: portA!, own: "a", peerOwns: "b", link: dial }),
  ];
  const pairs = Array.from({ length: PAIRS }, (_, i) => ({
    a: { port: portA!, token: token(`a${i}`) },
    b: { port: portB!, token: token(`b${i}`) },
    prefixOf: () => `test.of.b${i}`,
  }));
  return Setup.start("2 processes, every packet through both", recipes, pairs);
}

const setups = [await apart(1), await apart(2), await apart(3), await across()];
try {
  for (let round = -WARM_UP_ROUNDS; round < Number(values.rounds); round++) {
    for (const setup of setups) await setup.round(round >= 0);
  }
} finally {
  for (const setup of setups) await setup.stop();
}
const first = setups[0]!;
const cost = first.figure("cpuUs");
const crossingCost = setups.at(-1)!.figure("cpuUs");
console.log(
  "| | round trips/s | to one | CPU µs, all processes | to one | busy: Ferrule, driver |",
);
console.log("|---|---:|---:|---:|---:|---:|");
for (const setup of setups) {
  const rate = setup.figure("perSecond");
  const us = setup.figure("cpuUs");
  const cells = [
    setup.title,
    Math.round(rate).toLocaleString("en"),
    (rate / first.figure("perSecond")).toFixed(2),
    us.toFixed(2),
    (us / cost).toFixed(2),
    `${setup.figure("busy").toFixed(2)}, ${setup.figure("driverBusy").toFixed(2)}`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
console.log("\nWith a core for each process and traffic between accounts at random, times one:");
for (const n of [2, 3, 4, 8]) {
  const crossing = (n - 1) / n;
  const mean = cost * (1 - crossing) + crossingCost * crossing;
  console.log(`  ${n} processes: ${((n * cost) / mean).toFixed(2)}`);
}
process.exit(0);
