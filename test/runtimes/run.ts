// One conformance run for all runtimes: `npm run test:runtimes`, or with parts of ids after `--`.
// Each replays the recordings (boards/runtimes/README.md) on the core it is given, must end in the
// same hashes, must see three planted differences, and is measured. What this machine cannot run is
// named with what installs it; with CI set that is a failure. The table goes to standard output and
// to build/runtimes/table.md.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Player, Runtime } from "../support/player.js";
import { readHeader } from "../support/script.js";
import { Chromium, type Outcome } from "./chromium.js";
import { RUNTIMES, isThere, must, root, type CoreName, type RuntimeUnderTest } from "./list.js";
import { checkCommitted, recordAll, type Recording, type ScriptName } from "./record.js";

/** Longest time of one run of a player: a hang must not look like a slow machine. */
const LIMIT_MS = 300_000;

/** What a player prints when all is as recorded. */
interface Played {
  steps: number;
  marks: number;
  snapshot: string;
  outputs: string;
  ms: number;
  peakKiB: number;
}

interface Row {
  name: string;
  version: string;
  replayed: string;
  pair: string;
  peakKiB: number;
  seconds: number;
}

/** Plays `script` on `core`, with the arguments of a mode behind. */
type Play = (core: CoreName, script: string, ...mode: string[]) => Promise<Outcome>;

function play(runtime: RuntimeUnderTest): Play {
  return (core, script, ...mode) => {
    const { command, args } = runtime.start(core);
    const child = spawn(command, [...args, script, ...mode], { timeout: LIMIT_MS, cwd: root });
    let said = "";
    child.stdout.on("data", (text: Buffer) => (said += text.toString()));
    child.stderr.on("data", (text: Buffer) => (said += text.toString()));
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (status) => resolve({ status: status ?? -1, said: said.trim() }));
    });
  };
}

/** The sample with one bit wrong: in a call's result, and in each hash of its first mark. */
function plantDifferences({ script }: Recording, folder: string): Map<string, string> {
  const { entriesAt, verbs } = readHeader(script);
  const verb = verbs[script[entriesAt]! - 1]!;
  const inputAt = entriesAt + 1 + verb.argumentCount * 4 + 4;
  const result = inputAt + script.readUInt32LE(inputAt - 4);
  const module = new WebAssembly.Module(readFileSync(`${root}build/board.wasm`));
  const { at } = new Player(script, new Runtime(module)).play(true, 1);
  const places = { result, snapshot: at - 16, outputs: at - 8 };
  const paths = Object.entries(places).map(([what, place]): [string, string] => {
    const wrong = Buffer.from(script);
    wrong[place]! ^= 1;
    const path = `${folder}wrong-${what}.script`;
    writeFileSync(path, wrong);
    return [what, path];
  });
  return new Map(paths);
}

const SEEN: Record<string, RegExp> = {
  result: /^step 1: init\(.*\) returned 0, recorded 1$/,
  snapshot: /^mark 1, step \d+: other snapshot$/,
  outputs: /^mark 1, step \d+: other outputs$/,
};

class Failure extends Error {}

/** Throws unless the run is as recorded, in the player's own words and in its hashes. */
function check(outcome: Outcome, { name, marks }: Recording, limit = Infinity): Played {
  if (outcome.status !== 0) throw new Failure(`${name}: status ${outcome.status}, ${outcome.said}`);
  const played = JSON.parse(outcome.said) as Played;
  const last = marks.find(({ steps }) => steps >= limit) ?? marks.at(-1)!;
  for (const key of ["steps", "snapshot", "outputs"] as const) {
    if (played[key] === last[key]) continue;
    throw new Failure(`${name}: ${key} ${played[key]} at the end, recorded ${last[key]}`);
  }
  if (played.marks !== marks.indexOf(last) + 1) throw new Failure(`${name}: ${played.marks} marks`);
  return played;
}

type Recordings = Record<ScriptName, Recording>;

/** What a Prepare and its Fulfill take, with its unit. */
async function measurePair(
  core: "board" | "gateway-scalar",
  run: Play,
  recordings: Recordings,
): Promise<string> {
  const script = core === "board" ? "board-pairs" : "gateway-pairs";
  const timed = await run(core, recordings[script].path, "--time");
  if (timed.status !== 0) throw new Failure(`--time: ${timed.said}`);
  const { nsPerStep, instructionsPerStep } = JSON.parse(timed.said) as {
    nsPerStep?: number;
    instructionsPerStep?: number;
  };
  if (instructionsPerStep !== undefined) {
    return `${Math.round(instructionsPerStep * 2)} instructions`;
  }
  if (!(nsPerStep! > 0)) throw new Failure(`--time: ${timed.said}`);
  return `${Math.round(nsPerStep! * 2)}`;
}

/** Everything one runtime has to show. */
async function examine(
  runtime: Pick<RuntimeUnderTest, "name" | "simd" | "small" | "limit">,
  run: Play,
  recordings: Recordings,
  planted: Map<string, string>,
): Promise<Omit<Row, "version" | "seconds">> {
  const { limit } = runtime;
  const mode = limit === undefined ? [] : ["--steps", String(limit)];
  const sample = check(await run("board", recordings.sample.path), recordings.sample);
  for (const [what, path] of planted) {
    const { status, said } = await run("board", path);
    if (status === 1 && SEEN[what]!.test(said)) continue;
    throw new Failure(`did not see a wrong ${what}: status ${status}, ${said}`);
  }
  const board = check(await run("board", recordings.board.path, ...mode), recordings.board, limit);
  const { gateway } = recordings;
  let { steps } = board;
  if (!runtime.small) {
    ({ steps } = check(await run("gateway-scalar", gateway.path, ...mode), gateway, limit));
  }
  if (runtime.simd) check(await run("gateway", gateway.path, ...mode), gateway, limit);
  return {
    name: runtime.name,
    replayed: limit === undefined ? "all" : `first ${steps}`,
    pair: await measurePair(runtime.small ? "board" : "gateway-scalar", run, recordings),
    peakKiB: sample.peakKiB,
  };
}

function renderTable(rows: Row[]): string {
  const head = "| runtime | version | steps replayed | ns per pair | peak memory, MB | seconds |\n";
  const lines = rows.map(({ name, version, replayed, pair, peakKiB, seconds }) => {
    const memory = peakKiB ? (peakKiB / 1024).toFixed(1) : "";
    return `| ${[name, version, replayed, pair, memory, seconds.toFixed(0)].join(" | ")} |\n`;
  });
  return `${head}|---|---|---|---:|---:|---:|\n${lines.join("")}`;
}

/** Builds the player of a runtime, once for all that share it. */
function prepare({ make }: RuntimeUnderTest, made: Map<() => void, unknown>): void {
  if (!make) return;
  if (!made.has(make)) {
    const from = performance.now();
    let fault: unknown;
    try {
      make();
    } catch (error) {
      fault = error;
    }
    made.set(make, fault);
    console.log(`  built in ${((performance.now() - from) / 1000).toFixed(1)} s`);
  }
  const fault = made.get(make);
  if (fault) throw fault as Error;
}

/** Runs one runtime. @returns what is wrong, undefined when nothing is. */
async function tryOne(
  runtime: RuntimeUnderTest,
  recordings: Recordings,
  planted: Map<string, string>,
  made: Map<() => void, unknown>,
  rows: Row[],
): Promise<string | undefined> {
  const from = performance.now();
  const chromium = runtime.id === "chromium" ? new Chromium() : undefined;
  try {
    prepare(runtime, made);
    const version = runtime.version();
    await chromium?.start();
    const run: Play = chromium ? (...a) => chromium.play(...a) : play(runtime);
    const found = await examine(runtime, run, recordings, planted);
    const seconds = (performance.now() - from) / 1000;
    rows.push({ ...found, version, seconds });
    const unit = found.pair.includes(" ") ? "" : " ns";
    console.log(`  the same: ${found.replayed} steps, ${found.pair}${unit} per pair`);
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.log(`  FAILED: ${error.message}`);
    return error.message;
  } finally {
    await chromium?.stop();
  }
}

const CHROMIUM: RuntimeUnderTest = {
  ...{ id: "chromium", name: "Chromium, headless (a page)", simd: true, needs: ["chromium"] },
  install: "apt-get install --no-install-recommends chromium",
  version: () => /[\d.]+/.exec(must("chromium", ["--version"]))![0],
  start: () => ({ command: "chromium", args: [] }),
};

async function main(parts: string[]): Promise<number> {
  const started = performance.now();
  const folder = `${root}build/runtimes/`;
  mkdirSync(folder, { recursive: true });
  const recordings = recordAll();
  checkCommitted(recordings);
  const { steps } = recordings.gateway.marks.at(-1)!;
  console.log(`recorded ${steps} steps in ${Math.round(performance.now() - started)} ms`);
  const planted = plantDifferences(recordings.sample, folder);
  const all = [...RUNTIMES.slice(0, 4), CHROMIUM, ...RUNTIMES.slice(4)];
  const chosen = all.filter(({ id }) => !parts.length || parts.some((part) => id.includes(part)));
  const made = new Map<() => void, unknown>();
  const rows: Row[] = [];
  const failed: string[] = [];
  const absent: string[] = [];
  for (const runtime of chosen) {
    console.log(`${runtime.id}: ${runtime.name}`);
    const missing = runtime.needs.filter((program) => !isThere(program));
    if (missing.length > 0) {
      absent.push(`${runtime.id}: no ${missing.join(", ")}. ${runtime.install}`);
      console.log("  NOT RUN");
    } else if ((await tryOne(runtime, recordings, planted, made, rows)) !== undefined) {
      failed.push(runtime.id);
    }
  }
  const table = renderTable(rows);
  writeFileSync(`${folder}table.md`, table);
  console.log(`\n${table}\n${rows.length} runtimes end in the same hashes.`);
  for (const line of absent) console.log(`NOT RUN: ${line}`);
  if (failed.length > 0) console.log(`FAILED: ${failed.join(", ")}`);
  if (chosen.length === 0) console.log(`No runtime has such an id: ${parts.join(", ")}`);
  const skipped = absent.length > 0 && Boolean(process.env.CI);
  if (skipped) console.log("With CI set nothing may be left out.");
  return failed.length > 0 || skipped || chosen.length === 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
