// `npm run bench:instructions`: instructions a packet takes in the core as C by wasm2c and gcc, the
// scalar core on this computer (callgrind) and the board's on a Cortex-M3 (QEMU). Counts do not
// depend on what else the machine does, so a change beyond three percent of instructions.json is a
// change of the code: an error, or `--update`.
//   node --import tsx test/bench/instructions.ts [--update]
// They depend on the compiler: with another than the recorded one nothing is compared, which is an
// error where CI is set.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { countBoard, countNative, countPico, run, type Counts } from "./count.js";

const RECORDED = fileURLToPath(new URL("instructions.json", import.meta.url));
const TOLERANCE = 0.03;

interface Part extends Counts {
  compiler: string;
  wasm2c: string;
}

interface Target {
  title: string;
  /** Programs, and the Debian packages that bring them. */
  tools: Record<string, string>;
  gcc: string;
  count: (folder: string) => Counts;
}

const BOARD_TOOLS = {
  wasm2c: "wabt",
  "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
  "qemu-system-arm": "qemu-system-arm",
};

const TARGETS: Record<string, Target> = {
  scalar: {
    title: "gateway-scalar.wasm on this computer",
    tools: { wasm2c: "wabt", gcc: "gcc libc6-dev", valgrind: "valgrind" },
    gcc: "gcc",
    count: countNative,
  },
  board: {
    title: "board.wasm on a Cortex-M3",
    tools: BOARD_TOOLS,
    gcc: "arm-none-eabi-gcc",
    count: (folder) => countBoard(folder),
  },
  pico: {
    title: "board.wasm as code for a Cortex-M0+, the Pico's",
    tools: BOARD_TOOLS,
    gcc: "arm-none-eabi-gcc",
    count: countPico,
  },
};

const update = process.argv.includes("--update");
const recorded = JSON.parse(readFileSync(RECORDED, "utf8")) as Record<string, Part>;

/** Counts one target and compares. Returns a sentence when something is wrong, else "". */
function check(name: string, { title, tools, gcc, count }: Target): string {
  const missing = Object.keys(tools).filter(
    (tool) => spawnSync(tool, ["--version"], { stdio: "ignore" }).status !== 0,
  );
  if (missing.length > 0) {
    const packages = missing.map((tool) => tools[tool]).join(" ");
    return `NOT RUN, ${title}: ${missing.join(", ")} missing: apt-get install ${packages}`;
  }
  const compiler = `${gcc} ${run(gcc, ["-dumpfullversion"]).trim()} ${process.arch}`;
  const wasm2c = run("wasm2c", ["--version"]).trim();
  const before = update ? undefined : recorded[name];
  if (before && (before.compiler !== compiler || before.wasm2c !== wasm2c)) {
    const then = `${before.compiler} and wasm2c ${before.wasm2c}`;
    return `NOT RUN, ${title}: recorded with ${then}, this is ${compiler} and wasm2c ${wasm2c}.`;
  }
  const folder = mkdtempSync(join(tmpdir(), "ferrule-instructions-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const now: Part = { compiler, wasm2c, ...count(folder) };
  let wrong = "";
  console.log(title);
  for (const part of ["prepare", "fulfill", "reject"] as const) {
    const change = now[part] / (before?.[part] ?? now[part]) - 1;
    const bad = Math.abs(change) > TOLERANCE;
    if (bad) wrong = `WRONG, ${title}: more than 3 % from instructions.json.`;
    const percent = `${change < 0 ? "" : "+"}${(100 * change).toFixed(1)} %`;
    console.log(`  ${part.padEnd(8)} ${now[part]} instructions, ${percent}${bad ? " WRONG" : ""}`);
  }
  recorded[name] = now;
  return wrong;
}

const sentences = Object.entries(TARGETS).map(([name, target]) => check(name, target));
if (update) writeFileSync(RECORDED, `${JSON.stringify(recorded, null, 2)}\n`);
for (const sentence of sentences) if (sentence) console.error(sentence);
if (sentences.some((sentence) => sentence.startsWith("WRONG"))) {
  console.error("Find out why, or record it: --update");
  process.exit(1);
}
if (process.env.CI && sentences.some((sentence) => sentence !== "")) process.exit(1);
