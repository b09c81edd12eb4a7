// The recordings that every runtime replays, made from fixed seeds into build/conformance/:
//   node --import tsx test/runtimes/record.ts          records, and compares with what is committed
//   node --import tsx test/runtimes/record.ts --write  and writes boards/runtimes/expected.json and
//                                                      sample.script: after a change of the core
// File format: boards/runtimes/README.md.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Descriptor } from "../../host/abi.js";
import { Random } from "../support/model/random.js";
import { Player, Recorder, Runtime } from "../support/player.js";
import { Traffic, type TrafficOptions } from "../support/traffic.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const FOLDER = `${root}build/conformance/`;
const EXPECTED = `${root}boards/runtimes/expected.json`;
const SAMPLE = `${root}boards/runtimes/sample.script`;
const HINT = "node --import tsx test/runtimes/record.ts --write";

interface Plan {
  /** The core it is recorded on; others of the same layout must do the same. */
  core: "gateway-scalar" | "board";
  packets: number;
  traffic: TrafficOptions;
  /** Steps between marks; 1000 when it is not said. */
  markEvery?: number;
}

const GATEWAY = { accounts: 150, assets: 6, routes: 4000 };
const BOARD = { accounts: 12, assets: 3, routes: 40 };
const PLANS = {
  /** 100,000 mixed packets. */
  gateway: { core: "gateway-scalar", packets: 100_000, traffic: GATEWAY },
  board: { core: "board", packets: 25_000, traffic: BOARD },
  /** Small enough to be kept and to be linked into firmware. */
  sample: {
    core: "board",
    packets: 150,
    traffic: { accounts: 6, assets: 3, routes: 12 },
    markEvery: 25,
  },
  /** Prepares and Fulfills only: what is measured. */
  "gateway-pairs": {
    core: "gateway-scalar",
    packets: 5000,
    traffic: { ...GATEWAY, routes: 1000, plain: true },
  },
  "board-pairs": { core: "board", packets: 2000, traffic: { ...BOARD, plain: true } },
} satisfies Record<string, Plan>;

export type ScriptName = keyof typeof PLANS;

/** State at a mark, as 16 hexadecimal digits each. */
export interface Mark {
  steps: number;
  snapshot: string;
  outputs: string;
}

export interface Recording {
  name: ScriptName;
  path: string;
  script: Buffer;
  marks: Mark[];
}

const SEED = 20261126;
const hex = (value: bigint): string => value.toString(16).padStart(16, "0");

/** Bytes with verdicts: every vector, whatever it is a vector of. */
function readVectors(): Buffer[] {
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(`${root}test/vectors/${name}.json`, "utf8"));
  const golden = read("golden") as Record<"packets" | "frames", { hex: string }[]>;
  const hostile = read("ilp-adversarial") as {
    vectors: { hex?: string; parts?: [string, number][] }[];
  };
  return [
    ...[...golden.packets, ...golden.frames].map((g) => Buffer.from(g.hex, "hex")),
    ...hostile.vectors.map(({ hex: text = "", parts = [[text, 1]] }) =>
      Buffer.concat(parts.map(([part, n]) => Buffer.from(part.repeat(n), "hex"))),
    ),
  ];
}

/** Has the core inspect every vector, and judge it as a Prepare of the local account. */
function playVectors(recorder: Recorder): void {
  const room = recorder.runtime.get(Descriptor.InputBytes);
  for (const bytes of readVectors().filter(({ length }) => length <= room)) {
    recorder.call("inspectPacket", [bytes.length], bytes);
    recorder.call("inspectFrame", [bytes.length], bytes);
    recorder.call("explain", [0, bytes.length], bytes);
    recorder.call("request", [0, recorder.steps, bytes.length], bytes);
    recorder.drain();
  }
}

function record(name: ScriptName): Buffer {
  const plan: Plan = PLANS[name];
  const wasm = readFileSync(`${root}build/${plan.core}.wasm`);
  const recorder = new Recorder(new Runtime(new WebAssembly.Module(wasm)), plan.core, SEED);
  const traffic = new Traffic(recorder, new Random(SEED), plan.traffic);
  if (name === "gateway" || name === "board") playVectors(recorder);
  recorder.call("takeRecords", []);
  recorder.mark();
  traffic.run(plan.packets, plan.markEvery);
  return recorder.end();
}

/** What another instance makes of it, mark by mark. */
function marksOf(script: Buffer, core: string): Mark[] {
  const module = new WebAssembly.Module(readFileSync(`${root}build/${core}.wasm`));
  const player = new Player(script, new Runtime(module));
  const marks: Mark[] = [];
  while (player.next()) {
    const [snapshot, outputs] = [player.runtime.hashSnapshot(), player.outputs];
    marks.push({ steps: player.steps, snapshot: hex(snapshot), outputs: hex(outputs) });
  }
  return marks;
}

/** Records everything. The files of those that need not be are left as they are. */
export function recordAll(): Record<ScriptName, Recording> {
  mkdirSync(FOLDER, { recursive: true });
  const entries = (Object.keys(PLANS) as ScriptName[]).map((name) => {
    const script = record(name);
    const path = `${FOLDER}${name}.script`;
    writeFileSync(path, script);
    return [name, { name, path, script, marks: marksOf(script, PLANS[name].core) }] as const;
  });
  return Object.fromEntries(entries) as Record<ScriptName, Recording>;
}

/** What is committed of the recordings: the state each of them ends in. */
function summarize(recordings: Record<ScriptName, Recording>): string {
  const finals = Object.values(recordings).map(({ name, marks, script }) => {
    return [name, { bytes: script.length, marks: marks.length, ...marks.at(-1)! }];
  });
  return `${JSON.stringify(Object.fromEntries(finals), null, 2)}\n`;
}

/** Throws when the recordings are not those whose end is committed. */
export function checkCommitted(recordings: Record<ScriptName, Recording>): void {
  const expected = existsSync(EXPECTED) ? readFileSync(EXPECTED, "utf8") : "";
  const sample = existsSync(SAMPLE) ? readFileSync(SAMPLE) : Buffer.alloc(0);
  if (expected === summarize(recordings) && sample.equals(recordings.sample.script)) return;
  throw new Error(
    "The recordings do not end as boards/runtimes/expected.json and sample.script say. If the " +
      `core or its test traffic was changed on purpose, write them anew and commit them: ${HINT}`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const recordings = recordAll();
  if (process.argv.includes("--write")) {
    writeFileSync(EXPECTED, summarize(recordings));
    writeFileSync(SAMPLE, recordings.sample.script);
  }
  checkCommitted(recordings);
  for (const { name, script, marks } of Object.values(recordings)) {
    const { steps, snapshot, outputs } = marks.at(-1)!;
    console.log(`${name}: ${script.length} bytes, ${steps} steps, ${snapshot} ${outputs}`);
  }
}
