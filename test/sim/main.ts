// `npm run sim -- --seed N --nodes K --hours H`: one seed, or random ones for some seconds of wall
// time, and a report, also when it is interrupted. `--past` begins with every seed that has ever
// failed.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { PLANTS } from "./plants.js";
import { Report } from "./report.js";
import { run, type RunOptions } from "./run.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    nodes: { type: "string", default: "0" },
    hours: { type: "string", default: "0" },
    seconds: { type: "string", default: "60" },
    plant: { type: "string" },
    trace: { type: "boolean", default: false },
    past: { type: "boolean", default: false },
  },
});

/** A whole or fractional number from the command line; ends the program when it is none. */
function numberOf(name: "seed" | "nodes" | "hours" | "seconds", most: number): number {
  const value = Number(values[name]);
  if (value >= 0 && value <= most) return value;
  console.error(`--${name} must be a number from 0 to ${most}, not ${values[name]}.`);
  process.exit(2);
}

if (values.plant && !PLANTS[values.plant]) {
  console.error(`There is no planted bug ${values.plant}: ${Object.keys(PLANTS).join(", ")}.`);
  process.exit(2);
}

const options = {
  nodes: numberOf("nodes", 50),
  hours: numberOf("hours", 1e6),
  plant: values.plant,
};
const trace = values.trace ? (line: string): void => console.log(line) : undefined;
const report = new Report((line) => console.log(line));

let current: RunOptions | null = null;

async function runOne(one: RunOptions): Promise<void> {
  current = one;
  report.add(await run(one), one);
  current = null;
}

/** Whoever interrupts a long run wants to know what it has found so far. */
function interrupt(): void {
  if (current) console.log(`seed ${current.seed}: interrupted`);
  report.end();
  process.exit(130);
}

process.on("SIGINT", interrupt);
process.on("SIGTERM", interrupt);

if (values.seed !== undefined) {
  await runOne({ ...options, seed: numberOf("seed", 2 ** 32), trace });
} else {
  if (values.past) {
    const url = new URL("seeds.json", import.meta.url);
    const seeds = JSON.parse(readFileSync(url, "utf8")) as (RunOptions & { found: string })[];
    for (const { seed, nodes = 0, hours = 0 } of seeds) await runOne({ seed, nodes, hours });
  }
  const until = performance.now() + numberOf("seconds", 1e7) * 1000;
  while (performance.now() < until) {
    await runOne({ ...options, seed: Math.floor(Math.random() * 2 ** 31) });
  }
}
report.end();
process.exitCode = report.failures.length > 0 ? 1 : 0;
