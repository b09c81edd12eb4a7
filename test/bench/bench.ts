// `npm run bench`: Ferrule, ilp-connector and bare relays side by side, end to end over loopback.
// Writes results.md, results.json and results.svg into this folder.
//   npm run bench -- [--quick] [--only <regexp>] [--rounds N] [--round-ms N]
//                    [--pin <cpus of the driver>:<cpus of the contenders>] [--dry]
import { writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseConfig } from "../../host/config/index.js";
import { allCases, type Case, type Durability } from "./cases.js";
import { Running, type Pins } from "./contender.js";
import { ABSENT, CONTENDERS } from "./contenders.js";
import { weighInstalls } from "./install.js";
import { versions } from "./interledger-rs/contender.js";
import { describeMachine } from "./machine.js";
import { writePlot } from "./plot.js";
import { short, writeReport, type Report } from "./report.js";
import { runCase, type Plan, type Result } from "./run.js";
import type { Start } from "./targets.js";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    rounds: { type: "string" },
    "round-ms": { type: "string" },
    pin: { type: "string", default: ":" },
    dry: { type: "boolean", default: false },
  },
});

const PLOTTED = "btp-0B-100";
const STARTS = values.dry ? 0 : values.quick ? 3 : 9;

function readPins(): Pins {
  const [driver = "", contender = ""] = values.pin.split(":");
  if (driver) {
    execFileSync("taskset", ["-a", "-p", "-c", driver, String(process.pid)], { stdio: "ignore" });
  }
  return { driver, contender };
}

const plan: Plan = {
  rounds: Number(values.rounds ?? (values.quick ? 5 : 15)),
  roundMs: Number(values["round-ms"] ?? (values.quick ? 150 : 400)),
  pins: readPins(),
};

/** Durability modes that the configuration knows. */
function durabilityModes(): Durability[] {
  const modes: Durability[] = ["none", "group", "strict"];
  return modes.filter((mode) => {
    try {
      const toml = `ilpAddress = "test.x"\ndataDir = "/nowhere"\ndurability = "${mode}"`;
      parseConfig(toml, "bench.toml");
      return true;
    } catch {
      return false;
    }
  });
}

/** Starts everyone with an empty store, in turn, and stops them again. */
async function measureStarts(): Promise<Start[]> {
  const starts: Start[] = CONTENDERS.map(({ name }) => ({ contender: name, ms: [] }));
  for (let i = 0; i < STARTS; i++) {
    for (const [index, contender] of CONTENDERS.entries()) {
      const one = everything.find((candidate) => contender.supports(candidate));
      if (!one) continue;
      const running = await Running.start(await contender.prepare(one), plan.pins.contender);
      starts[index]!.ms.push(running.startMs);
      await running.stop();
    }
  }
  return starts.filter(({ ms }) => ms.length > 0);
}

function tell(one: Case, results: readonly Result[]): void {
  console.log(one.title);
  for (const { contender, cpuUs, perSecond, p99Ms } of results) {
    const cells = [
      `${short(cpuUs.median).padStart(7)} µs`,
      `${short(perSecond.median).padStart(9)}/s`,
      `p99 ${short(p99Ms.median)} ms`,
    ];
    console.log(`  ${contender.padEnd(14)} ${cells.join("  ")}`);
  }
}

const everything = allCases(durabilityModes());
const cases = everything.filter(
  ({ name, quick }) => new RegExp(values.only).test(name) && (quick || !values.quick),
);
const machine = describeMachine();
const report: Report = {
  command: [
    "npm run bench",
    ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : []),
  ].join(" "),
  machine: { ...machine, versions: { ...machine.versions, ...versions() } },
  rounds: plan.rounds,
  roundMs: plan.roundMs,
  results: [],
  starts: await measureStarts(),
  installs: weighInstalls(),
  absent: [...ABSENT],
};
for (const sentence of ABSENT) console.log(sentence);
for (const one of cases) {
  const base = everything.find(({ name }) => name === one.base);
  const results = await runCase(one, CONTENDERS, plan, base, (sentence) => {
    report.absent.push(sentence);
    console.log(sentence);
  });
  report.results.push(...results);
  tell(one, results);
}
if (!values.dry) {
  const put = (name: string, text: string): void =>
    writeFileSync(fileURLToPath(new URL(name, import.meta.url)), text);
  put("results.md", writeReport(report, cases, CONTENDERS));
  put("results.json", JSON.stringify(report, null, 2) + "\n");
  const plotted = cases.find(({ name }) => name === PLOTTED);
  const plot = plotted && writePlot(report, plotted, CONTENDERS);
  if (plot) put("results.svg", plot);
  console.log("Written: test/bench/results.md, results.json, results.svg");
}
process.exit(0);
