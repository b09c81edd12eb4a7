// What the runs add up to.
import type { Result, RunOptions } from "./run.js";

type Counts = Record<string, number>;

function add(to: Counts, from: object): void {
  for (const [key, value] of Object.entries(from)) {
    if (typeof value === "number") to[key] = (to[key] ?? 0) + value;
  }
}

function show(counts: Counts): string {
  const entries = Object.entries(counts).filter(([, n]) => n > 0);
  return entries.map(([key, n]) => `${key} ${n}`).join(", ") || "none";
}

export class Report {
  readonly failures: string[] = [];
  readonly #print: (line: string) => void;
  readonly #started = performance.now();
  readonly #outcomes: Counts = {};
  readonly #codes: Counts = {};
  readonly #lies: Counts = {};
  readonly #faults: Counts = {};
  readonly #net: Counts = {};
  #runs = 0;
  #virtual = 0;
  #checks = 0;
  #differences = 0;
  #commits = 0;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** Prints one run and adds it to the sum. */
  add(result: Result, { nodes, hours }: RunOptions): void {
    const { world, seed, plan, violation, trace } = result;
    const { outcomes, net } = world;
    this.#runs++;
    this.#virtual += result.virtualSeconds;
    this.#checks += world.totalChecks;
    this.#differences += world.differences;
    this.#commits += world.commits;
    add(this.#outcomes, outcomes);
    add(this.#codes, Object.fromEntries(outcomes.codes));
    add(this.#lies, Object.fromEntries(outcomes.lies));
    add(this.#faults, world.faults);
    add(this.#net, net);
    const { topology } = plan.swarm;
    this.#print(
      `seed ${seed}: ${topology} of ${plan.nodes.length} nodes and ${plan.apps.length} apps, ` +
        `${result.virtualSeconds.toFixed(0)} s in ${result.wallSeconds.toFixed(2)} s, ` +
        `${outcomes.sent} payments, ${net.messages} messages, hash ${result.hash}`,
    );
    if (!violation) return;
    for (const line of trace) this.#print(line);
    const more = (nodes ? ` --nodes ${nodes}` : "") + (hours ? ` --hours ${hours}` : "");
    const failure = `FAILED ${violation.message}\n  again: npm run sim -- --seed ${seed}${more}`;
    this.#print(failure);
    this.failures.push(failure);
  }

  end(): void {
    const wall = (performance.now() - this.#started) / 1000;
    const { user, system } = process.cpuUsage();
    const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
    const print = this.#print;
    print("");
    print(`runs         ${this.#runs}, failed ${this.failures.length}`);
    print(
      `time         ${(this.#virtual / 3600).toFixed(2)} simulated hours in ${wall.toFixed(0)} s ` +
        `(${((user + system) / 1e6).toFixed(0)} s of CPU), ` +
        `${(this.#virtual / wall).toFixed(0)} simulated seconds per second`,
    );
    const messages = this.#net.messages ?? 0;
    print(`messages     ${messages}, ${Math.round(messages / wall)} per second`);
    print(`payments     ${show(this.#outcomes)}`);
    print(`rejects      ${show(this.#codes)}`);
    print(`network      ${show(this.#net)}`);
    print(`faults       ${show(this.#faults)}`);
    print(`lies         ${show(this.#lies)}`);
    print(`commits      ${this.#commits}`);
    print(`differences  ${this.#differences} packets booked at one end only, each with its reason`);
    print(`checks       ${this.#checks}`);
    print(`memory       ${rss} MiB resident`);
    for (const failure of this.failures) print(failure);
  }
}
