// The core as C: wasm2c (wabt) and gcc, with boards/runtimes/c/runner.c. What wasm2c writes stays
// in a temporary folder. wasm2c 1.0.32 cannot read SIMD, so only scalar builds go this way.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listVerbs, type Runtime } from "../support/player.js";

const BOARDS = fileURLToPath(new URL("../../boards/", import.meta.url));
const SOURCES = ["runtimes/c/runner.c", "runtimes/c/player.c", "embed/c/runtime.c"];
const LIMIT_MS = 300_000;
/** Every access is checked against the memory's end; the core does not recurse. */
const FLAGS = ["-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0", "-DWASM_RT_USE_STACK_DEPTH_COUNT=0"];

/** What a program said and how it ended. */
export interface Outcome {
  status: number;
  output: string;
}

export function run(command: string, args: string[]): Outcome {
  const options = { encoding: "utf8", timeout: LIMIT_MS, maxBuffer: 1 << 26 } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (error) throw error;
  return { status: status ?? -1, output: (stdout + stderr).trim() };
}

export function isThere(command: string): boolean {
  return spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
}

/**
 * What keeps the native tests from running, as a sentence; undefined when nothing does. With CI set
 * a missing program is an error: there it must not pass unseen.
 */
export function missingTools(): string | undefined {
  const missing = ["wasm2c", "gcc"].filter((tool) => !isThere(tool));
  if (missing.length === 0) return undefined;
  const sentence = `NOT RUN, ${missing.join(" and ")} missing: apt-get install wabt gcc libc6-dev`;
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

const folders: string[] = [];
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder for one test's files, removed when the process ends. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-identity-"));
  folders.push(folder);
  return folder;
}

function must(command: string, args: string[]): void {
  const { status, output } = run(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${output}`);
}

/** Translates and compiles a core. Returns the path of the player. `level`: -O0 to -O3. */
export function compile(wasm: Uint8Array, runtime: Runtime, level = "-O2"): string {
  const folder = makeFolder();
  const at = (name: string): string => join(folder, name);
  writeFileSync(at("core.wasm"), wasm);
  const verbs = listVerbs(runtime).map((verb) => `VERB(${verb.name}, ${verb.argumentCount})\n`);
  writeFileSync(at("verbs.h"), verbs.join(""));
  must("wasm2c", ["-n", "core", at("core.wasm"), "-o", at("core.c")]);
  const common = ["-std=gnu11", level, ...FLAGS, `-I${folder}`, `-I${BOARDS}include`, "-c"];
  const strict = ["-Wall", "-Wextra", "-Werror"];
  SOURCES.forEach((source, i) => {
    must("gcc", [...common, ...strict, join(BOARDS, source), "-o", at(`${i}.o`)]);
  });
  must("gcc", [...common, "-w", at("core.c"), "-o", at("core.o")]);
  const objects = [...SOURCES.keys()].map((i) => at(`${i}.o`));
  must("gcc", [...objects, at("core.o"), "-lm", "-o", at("runner")]);
  return at("runner");
}

/** Milliseconds that a player took, from what it printed. */
export function readMs(outcome: Outcome): number {
  if (outcome.status !== 0) throw new Error(`the player ended with ${JSON.stringify(outcome)}`);
  return (JSON.parse(outcome.output) as { ms: number }).ms;
}

/** Instructions per call of each verb, as callgrind counts them. Functions inlined count too. */
export function countInstructions(runner: string, script: string): Map<string, number> {
  const file = join(makeFolder(), "callgrind.out");
  const options = ["--tool=callgrind", `--callgrind-out-file=${file}`, runner, script, "--quick"];
  must("valgrind", options);
  const { output } = run("callgrind_annotate", ["--inclusive=yes", "--threshold=100", file]);
  const counts = new Map<string, number>();
  for (const line of output.split("\n")) {
    const found = /^\s*([\d,]+) .*:Z_coreZ_(\w+)/.exec(line);
    if (found) counts.set(found[2]!, Number(found[1]!.replaceAll(",", "")));
  }
  return counts;
}
