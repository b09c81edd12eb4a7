// `npm run bench:instructions`: instructions a packet takes in the scalar core, as C by wasm2c and
// gcc, counted by callgrind. Counts do not depend on what else the machine does, so a change beyond
// three percent of instructions.json is a change of the code: an error, or `--update`.
//   node --import tsx test/bench/instructions.ts [--update]
// They depend on the compiler: with another than the recorded one nothing is compared, which is an
// error where CI is set.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Core } from "../../host/core.js";
import { writeFulfill, writePrepare, writeReject } from "../../host/packet.js";
import { openBooks } from "./books.js";

const RECORDED = fileURLToPath(new URL("instructions.json", import.meta.url));
const DRIVER = fileURLToPath(new URL("native/count.c", import.meta.url));
const RUNTIME = fileURLToPath(new URL("../../boards/embed/c/runtime.c", import.meta.url));
const WASM = fileURLToPath(new URL("../../build/gateway-scalar.wasm", import.meta.url));
const COUNT = 1024;
const SLOT = 256;
const NOW_MS = 1_000_000;
const WALL_MS = Date.UTC(2026, 10, 23, 12);
const TOLERANCE = 0.03;
const FLAGS = ["-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0", "-DWASM_RT_USE_STACK_DEPTH_COUNT=0"];

interface Counts {
  compiler: string;
  wasm2c: string;
  prepare: number;
  fulfill: number;
  reject: number;
}

function run(command: string, args: string[]): string {
  const options = { encoding: "utf8", maxBuffer: 1 << 26 } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (error || status !== 0) throw error ?? new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Ends with a sentence: an error where CI is set. */
function skip(sentence: string): never {
  console.error(`NOT RUN: ${sentence}`);
  process.exit(process.env.CI ? 1 : 0);
}

/** A core with 1,000 routes and every limit on, always the same. */
function setUp(): Core {
  const core = new Core(readFileSync(WASM), new Uint8Array(8));
  core.clock(NOW_MS, WALL_MS);
  openBooks(core, 1000, { riskMax: 10n ** 15n });
  return core;
}

/** Prepares of 169 bytes, their Fulfills, one Reject; each {length u32, bytes} in a slot. */
function packets(): Buffer {
  const slots = Buffer.alloc((2 * COUNT + 1) * SLOT);
  const put = (slot: number, bytes: Uint8Array): void => {
    slots.writeUInt32LE(bytes.length, slot * SLOT);
    slots.set(bytes, slot * SLOT + 4);
  };
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  for (let i = 0; i < COUNT; i++) {
    const fulfillment = hash(`fulfillment ${i}`);
    const invoice = i.toString().padStart(16, "0");
    const prepare = writePrepare({
      amount: 100_000_000n + BigInt(i),
      expiresAtMs: WALL_MS + 25_000 + (i % 500),
      condition: createHash("sha256").update(fulfillment).digest(),
      destination: `test.connector.bob${(i * 97) % 1000}.${"u".repeat(24)}.invoice.${invoice}`,
      data: Buffer.concat([hash(`data ${i}`), Buffer.alloc(8)]),
    });
    put(i, prepare);
    put(COUNT + i, writeFulfill(fulfillment, new Uint8Array(15)));
  }
  put(2 * COUNT, writeReject({ code: "F99", triggeredBy: "test.bob", message: "no" }));
  return slots;
}

/** Compiles, runs under callgrind, and reads the inclusive counts of the parts. */
function count(folder: string): Omit<Counts, "compiler" | "wasm2c"> {
  const at = (name: string): string => join(folder, name);
  const core = setUp();
  writeFileSync(at("image"), core.bytes);
  writeFileSync(at("packets"), packets());
  run("wasm2c", ["-n", "core", WASM, "-o", at("core.c")]);
  const common = ["-std=gnu11", "-O2", "-g", ...FLAGS, `-I${folder}`];
  run("gcc", [...common, "-Wall", "-Wextra", "-Werror", "-c", DRIVER, "-o", at("count.o")]);
  run("gcc", [...common, "-Wall", "-Wextra", "-Werror", "-c", RUNTIME, "-o", at("runtime.o")]);
  run("gcc", [...common, "-w", "-c", at("core.c"), "-o", at("core.o")]);
  run("gcc", [at("count.o"), at("runtime.o"), at("core.o"), "-lm", "-o", at("count")]);
  const play = [at("count"), at("image"), at("packets"), `${core.input.byteOffset}`, `${NOW_MS}`];
  const out = at("callgrind.out");
  run("valgrind", ["--tool=callgrind", `--callgrind-out-file=${out}`, ...play]);
  const options = ["--inclusive=yes", "--threshold=100", "--show-percs=no"];
  const report = run("callgrind_annotate", [...options, out]);
  const of = (name: string, n: number): number => {
    const found = new RegExp(`^\\s*([\\d,]+) .*:${name} \\[`, "m").exec(report);
    if (!found) throw new Error(`callgrind did not count ${name}.`);
    return Math.round(Number(found[1]!.replaceAll(",", "")) / n);
  };
  return {
    prepare: of("Z_coreZ_request", 2 * COUNT),
    fulfill: of("fulfills", COUNT),
    reject: of("rejects", COUNT),
  };
}

const missing = ["wasm2c", "gcc", "valgrind"].filter(
  (tool) => spawnSync(tool, ["--version"], { stdio: "ignore" }).status !== 0,
);
if (missing.length > 0) {
  skip(`${missing.join(", ")} missing: apt-get install wabt gcc libc6-dev valgrind`);
}
const compiler = `gcc ${run("gcc", ["-dumpfullversion"]).trim()} ${process.arch}`;
const wasm2c = run("wasm2c", ["--version"]).trim();
const update = process.argv.includes("--update");
const recorded = update ? null : (JSON.parse(readFileSync(RECORDED, "utf8")) as Counts);
if (recorded && (recorded.compiler !== compiler || recorded.wasm2c !== wasm2c)) {
  const here = `${compiler} and wasm2c ${wasm2c}`;
  skip(`recorded with ${recorded.compiler} and wasm2c ${recorded.wasm2c}, this is ${here}.`);
}
const folder = mkdtempSync(join(tmpdir(), "ferrule-instructions-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const counts: Counts = { compiler, wasm2c, ...count(folder) };
let failed = false;
for (const name of ["prepare", "fulfill", "reject"] as const) {
  const before = recorded?.[name] ?? counts[name];
  const change = counts[name] / before - 1;
  const wrong = Math.abs(change) > TOLERANCE;
  failed ||= wrong;
  const percent = `${change < 0 ? "" : "+"}${(100 * change).toFixed(1)} %`;
  console.log(`${name.padEnd(8)} ${counts[name]} instructions, ${percent}${wrong ? " WRONG" : ""}`);
}
if (update) writeFileSync(RECORDED, `${JSON.stringify(counts, null, 2)}\n`);
if (failed) {
  console.error("More than 3 % from instructions.json: find out why, or record it: --update");
  process.exit(1);
}
