// Builds firmware from build/board.wasm: wasm2c, then the board's cross compiler. Used by the build
// of each board and by the tests; the bytes depend on the sources and on the versions of wasm2c and
// gcc alone.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compilerArguments } from "../../assembly/tools/build.mjs";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const CORE = join(root, "build/board.wasm");
/** What every firmware is made of, besides what a board has of its own. */
const FIRMWARE = [
  "runtime.c",
  "node.c",
  "digest.c",
  "line.c",
  "settings.c",
  "journal.c",
  "local.c",
  "control.c",
  "main.c",
];

/** What must be there to build, and the Debian packages that bring it. */
const TOOLS = {
  wasm2c: "wabt",
  "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
};

/** What is missing, as a sentence with the command that installs it; "" when all is there. */
export function missingTools(tools = TOOLS) {
  const missing = Object.keys(tools).filter(
    (tool) => spawnSync(tool, ["--version"], { stdio: "ignore" }).error,
  );
  if (missing.length === 0) return "";
  const packages = missing.map((tool) => tools[tool]).join(" ");
  return `${missing.join(", ")} missing: apt-get install --no-install-recommends ${packages}`;
}

function run(command, args, cwd) {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

export function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/** First line that a tool says of its version. */
export function versionOf(tool) {
  return run(tool, ["--version"]).split("\n")[0].trim();
}

/**
 * Bytes of linear memory that the core uses, its static data included: what the compiler says when
 * it is given too little.
 */
function memorySize() {
  const asc = join(root, "node_modules/assemblyscript/bin/asc.js");
  const args = [asc, ...compilerArguments("board"), "--lowMemoryLimit", "64", "--noEmit"];
  const { stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  const found = /Low memory limit exceeded by static data: (\d+) > 64/.exec(stderr);
  if (!found) throw new Error(`the compiler does not say how much memory the core uses: ${stderr}`);
  return Number(found[1]);
}

/**
 * The core as C with our loads and stores (access.h) in place of wasm2c's, which stand in front of
 * the first of their uses. It has none of floating-point numbers, so those go.
 */
function withAccess(source) {
  const integers = source.replace(/^DEFINE_(LOAD|STORE)\(f(32|64)_.*\n/gm, "");
  const at = integers.indexOf("DEFINE_LOAD(i32_load,");
  if (at < 0) throw new Error("This wasm2c writes loads in a way unknown here; 1.0.32 is known.");
  return `${integers.slice(0, at)}#include "access.h"\n${integers.slice(at)}`;
}

/** Writes the core as C, and what the firmware must know of it, into a folder. */
export function translate(folder, core = CORE) {
  if (!existsSync(core)) throw new Error(`${core} is not there: npm run build:core`);
  const wasm = readFileSync(core);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "core.c");
  run("wasm2c", ["-n", "core", core, "-o", file]);
  writeFileSync(file, withAccess(readFileSync(file, "utf8")));
  copyFileSync("/usr/include/wasm-rt.h", join(folder, "wasm-rt.h"));
  const hash = sha256(wasm);
  const bytes = hash
    .slice(0, 16)
    .match(/../g)
    .map((byte) => `0x${byte}`);
  writeFileSync(
    join(folder, "memory.h"),
    `/* Of the core that this firmware is built from. */\n` +
      `#define MEMORY_SIZE ${memorySize()}\n#define CORE_HASH {${bytes.join(", ")}}\n`,
  );
  return hash;
}

/** The core as C needs no bounds checks and no count of its calls' depth. */
const CORE_DEFINES = [
  ...["-DNDEBUG", "-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=1", "-DWASM_RT_SKIP_SIGNAL_RECOVERY=1"],
  "-DWASM_RT_USE_STACK_DEPTH_COUNT=0",
];

/** Flags of every object of a board. */
function commonFlags({ cpu, system, defines = [] }, folder) {
  return [
    ...cpu,
    ...(system ? ["-isystem", system] : []),
    ...["-std=gnu11", "-ffunction-sections", "-fdata-sections", "-fno-common", "-g0"],
    // Registers and ROM tables stand at low addresses too.
    ...["--param=min-pagesize=0", ...CORE_DEFINES, ...defines],
    // Paths in the object files would make them depend on the folder.
    ...[`-ffile-prefix-map=${root}=`, `-ffile-prefix-map=${folder}=`, "-I."],
    `-I${join(root, "boards/mcu")}`,
  ];
}

/** Compiles the core as every firmware has it, in the folder where `translate` has been. */
export function compileCore(board, folder, object = "core.o") {
  const flags = [...commonFlags(board, folder), "-O2", "-w"];
  run(board.gcc, [...flags, "-c", "core.c", "-o", object], folder);
  return object;
}

/**
 * Compiles and links the firmware of a board into `folder`, where `translate` has been.
 * `board`: { gcc, cpu: flags, sources: files under boards/, include: folder under boards/, common:
 * files under boards/mcu/, when it is to be another program than the firmware,
 * script: linker script under boards/, defines, system: folder of C headers, libraries:
 * flags that bring a C library, library: { files, headers } elsewhere, name }. Returns the path of
 * the ELF file.
 */
export function compile(board, folder) {
  const boards = join(root, "boards");
  const { gcc, cpu, sources, include, script, common: shared = FIRMWARE } = board;
  const { libraries = ["--specs=nano.specs"] } = board;
  const common = [
    ...commonFlags(board, folder),
    "-ffreestanding",
    ...[include, "include"].map((path) => `-I${join(boards, path)}`),
    ...(board.library?.headers ?? []).map((path) => `-I${path}`),
  ];
  const warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-main"];
  const objects = [];
  const one = (source, flags) => {
    const object = `${objects.length}.o`;
    run(gcc, [...common, ...flags, "-c", source, "-o", object], folder);
    objects.push(object);
  };
  for (const source of sources) one(join(boards, source), ["-Os", ...warnings]);
  for (const source of shared) one(join(boards, "mcu", source), ["-Os", ...warnings]);
  for (const file of board.library?.files ?? []) one(file, ["-Os", "-w"]);
  // Not -ffreestanding: its copies of a few bytes are to become loads and stores.
  objects.push(compileCore(board, folder));
  const elf = `${board.name ?? "firmware"}.elf`;
  const link = ["-nostartfiles", "-Wl,--gc-sections", "-Wl,--build-id=none"];
  const files = [`-Wl,-Map=${elf}.map`, "-T", join(boards, script), ...objects, ...libraries];
  run(gcc, [...cpu, ...link, ...files, "-o", elf], folder);
  return join(folder, elf);
}
