// Counts instructions of packets in the core as C: natively under callgrind, and on a Cortex-M3
// that QEMU shows, compiled as the firmware is. native/count.c plays the packets.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MPS2 } from "../../boards/cortex-m/build.mjs";
import { compileCore, translate } from "../../boards/mcu/build.mjs";
import { PICO } from "../../boards/pico/build.mjs";
import { Core } from "../../host/core.js";
import { writeFulfill, writePrepare, writeReject } from "../../host/packet.js";
import { openBooks } from "./books.js";

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const DRIVER = here("native/count.c");
const RUNTIME = here("../../boards/embed/c/runtime.c");
const COUNT = 1024;
const SLOT = 256;
const NOW_MS = 1_000_000;
const WALL_MS = Date.UTC(2026, 10, 23, 12);
const FLAGS = ["-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0", "-DWASM_RT_USE_STACK_DEPTH_COUNT=0"];
/** Packets in flight at once on the board, which holds 64. */
const BOARD_BATCH = 32;
/** An instruction is 2^8 ns to QEMU, a tick of the board's 25 MHz 40 ns. */
const ICOUNT_SHIFT = 8;
const TICKS_PER_INSTRUCTION = 2 ** ICOUNT_SHIFT / 40;

/** Instructions a packet takes, on average. */
export interface Counts {
  prepare: number;
  fulfill: number;
  reject: number;
}

export function run(command: string, args: string[], cwd?: string): string {
  const options = { encoding: "utf8", maxBuffer: 1 << 26, cwd } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (error || status !== 0) throw error ?? new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Prepares of 169 bytes, their Fulfills, one Reject; each {length u32, bytes} in a slot. */
function packets(routes: number): Buffer {
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
      destination: `test.connector.bob${(i * 97) % routes}.${"u".repeat(24)}.invoice.${invoice}`,
      data: Buffer.concat([hash(`data ${i}`), Buffer.alloc(8)]),
    });
    put(i, prepare);
    put(COUNT + i, writeFulfill(fulfillment, new Uint8Array(15)));
  }
  put(2 * COUNT, writeReject({ code: "F99", triggeredBy: "test.bob", message: "no" }));
  return slots;
}

/**
 * Writes what count.c plays: a core with every limit on, always the same, and packets for it.
 * @returns count.c's arguments.
 */
function writeInput(folder: string, wasm: string, routes: number): string[] {
  const core = new Core(readFileSync(wasm), new Uint8Array(8));
  core.clock(NOW_MS, WALL_MS);
  openBooks(core, routes, { riskMax: 10n ** 15n });
  writeFileSync(join(folder, "image"), core.bytes);
  writeFileSync(join(folder, "packets"), packets(routes));
  return ["image", "packets", `${core.input.byteOffset}`, `${NOW_MS}`];
}

/** The scalar core with 1,000 routes, gcc -O2, every access checked, counted by callgrind. */
export function countNative(folder: string): Counts {
  const wasm = here("../../build/gateway-scalar.wasm");
  const input = writeInput(folder, wasm, 1000);
  run("wasm2c", ["-n", "core", wasm, "-o", join(folder, "core.c")]);
  const gcc = (source: string, object: string, ...more: string[]): string =>
    run(
      "gcc",
      ["-std=gnu11", "-O2", "-g", ...FLAGS, "-I.", ...more, "-c", source, "-o", object],
      folder,
    );
  const strict = ["-Wall", "-Wextra", "-Werror"];
  gcc(DRIVER, "count.o", ...strict);
  gcc(RUNTIME, "runtime.o", ...strict);
  gcc("core.c", "core.o", "-w");
  run("gcc", ["count.o", "runtime.o", "core.o", "-lm", "-o", "count"], folder);
  const tool = ["--tool=callgrind", "--callgrind-out-file=callgrind.out"];
  run("valgrind", [...tool, "./count", ...input], folder);
  const options = ["--inclusive=yes", "--threshold=100", "--show-percs=no"];
  const report = run("callgrind_annotate", [...options, "callgrind.out"], folder);
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

/**
 * The board's core with 40 routes, as a board's compiler makes it, on a Cortex-M3, by a clock that
 * QEMU drives by instructions. It runs the code of every smaller Cortex-M.
 */
export function countBoard(folder: string, cpu = MPS2.cpu): Counts {
  const input = writeInput(folder, here("../../build/board.wasm"), 40);
  translate(folder);
  const core = compileCore({ ...MPS2, cpu }, folder);
  const flags = [...MPS2.cpu, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-I."];
  const include = `-I${here("../../boards/mcu")}`;
  const defines = ["-DTICKS", `-DBATCH=${BOARD_BATCH}`, "-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=1"];
  const more = ["-DWASM_RT_SKIP_SIGNAL_RECOVERY=1", "-DWASM_RT_USE_STACK_DEPTH_COUNT=0"];
  const link = ["--specs=rdimon.specs", "-T", here("native/cortex-m3.ld")];
  const sources = [DRIVER, here("../../boards/mcu/runtime.c"), here("native/cortex-m3.c")];
  run(
    MPS2.gcc,
    [...flags, include, ...defines, ...more, ...sources, core, ...link, "-o", "count.elf"],
    folder,
  );
  const args = ["count", ...input].map((arg) => `,arg=${arg}`).join("");
  const machine = ["-M", "mps2-an385", "-display", "none", "-monitor", "none", "-serial", "none"];
  const clock = ["-icount", `shift=${ICOUNT_SHIFT}`, "-kernel", "count.elf"];
  const semihosting = ["-semihosting-config", `enable=on,target=native${args}`];
  const out = run("qemu-system-arm", [...machine, ...clock, ...semihosting], folder);
  const [nothing, ...ticks] = Object.values(JSON.parse(out) as Record<string, number>);
  const of = (kind: number, n: number): number => {
    const calls = ticks[kind]! / n - nothing! / COUNT;
    return Math.round(calls / TICKS_PER_INSTRUCTION);
  };
  return { prepare: of(0, 2 * COUNT), fulfill: of(1, COUNT), reject: of(2, COUNT) };
}

/** The same as the Pico's compiler makes it. */
export function countPico(folder: string): Counts {
  return countBoard(folder, PICO.cpu);
}
