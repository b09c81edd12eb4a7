// Plays a recorded script on a microcontroller that an emulator shows, as a player of any other
// runtime: `node boards/runtimes/mcu/run.mjs m3|m4|riscv|rp2040 SCRIPT [--steps N | --time]`.
// `build` makes the program of each, into build/runtimes/mcu. Node's own copy of the core is asked
// which verbs it has.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RP2040 } from "rp2040js";
import { MPS2 } from "../../cortex-m/build.mjs";
import { compile, root, translate } from "../../mcu/build.mjs";
import { PICO } from "../../pico/build.mjs";
import { SIFIVE } from "../../riscv/build.mjs";

const BUILD = join(root, "build/runtimes/mcu");
/** Longest time of one run. */
const LIMIT_MS = 280_000;
/** With -icount an instruction takes 2^5 ns; SysTick of the Cortex-M counts 40 ns. */
const ICOUNT_SHIFT = 5;
const INSTRUCTIONS_PER_TICK = 40 / 2 ** ICOUNT_SHIFT;
/** Where the RP2040 has its flash, and in it what is not the boot block. */
const XIP = 0x10000000;
const VECTORS = 0x100;

/** The same program for each: what it is made of beside what it shares. */
function board(base, more, scriptAt) {
  return {
    ...base,
    sources: [...more, "runtimes/mcu/bare.c", "runtimes/c/player.c"],
    common: ["runtime.c"],
    include: "runtimes/mcu",
    name: "player",
    defines: [`-DSCRIPT_AT=0x${scriptAt.toString(16)}u`],
    scriptAt,
  };
}

const ARM = ["mcu/start.c", "runtimes/mcu/cortex-m.c"];
const RISCV = ["riscv/start.S", "mcu/start.c", "riscv/libc/string.c", "runtimes/mcu/riscv.c"];

export const BOARDS = {
  m3: {
    ...board(MPS2, ARM, 0x21000000),
    qemu: ["qemu-system-arm", "-M", "mps2-an385"],
    instructions: (count) => count * INSTRUCTIONS_PER_TICK,
  },
  m4: {
    ...board({ ...MPS2, cpu: ["-mcpu=cortex-m4", "-mthumb"] }, ARM, 0x21000000),
    qemu: ["qemu-system-arm", "-M", "mps2-an386"],
    instructions: (count) => count * INSTRUCTIONS_PER_TICK,
  },
  riscv: {
    ...board(SIFIVE, RISCV, 0x81000000),
    qemu: ["qemu-system-riscv32", "-M", "sifive_u", "-bios", "none"],
    // QEMU says nanoseconds.
    instructions: (count) => count / 2 ** ICOUNT_SHIFT,
  },
  rp2040: board(PICO, ["mcu/start.c", "runtimes/mcu/rp2040.c"], XIP + 0x200000),
};

/** Makes the program of a board. `verbs`: { name, argumentCount } of each export of the core. */
export function build(name, verbs) {
  const folder = join(BUILD, name);
  mkdirSync(folder, { recursive: true });
  translate(folder);
  const lines = verbs.map(({ name, argumentCount }) => `VERB(${name}, ${argumentCount})\n`);
  writeFileSync(join(folder, "verbs.h"), lines.join(""));
  const elf = compile(BOARDS[name], folder);
  if (name === "rp2040") execFileSync("arm-none-eabi-objcopy", ["-O", "binary", elf, `${elf}.bin`]);
}

/** What bare.c finds in front of a script. */
function order(script, isMeasuring, lastStep) {
  const words = Uint32Array.of(isMeasuring ? 1 : 0, lastStep, script.length, 0);
  return Buffer.concat([Buffer.from(words.buffer), script]);
}

/** Runs QEMU until the last line is said. */
function playQemu({ qemu, scriptAt }, elf, bytes) {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-player-"));
  const file = join(folder, "script");
  writeFileSync(file, bytes);
  const [command, ...machine] = qemu;
  const clock = bytes[0] ? ["-icount", `shift=${ICOUNT_SHIFT}`] : [];
  const loader = `loader,file=${file},addr=0x${scriptAt.toString(16)},force-raw=on`;
  const options = ["-display", "none", "-monitor", "none", "-serial", "stdio", "-kernel", elf];
  const child = spawn(command, [...machine, ...clock, ...options, "-device", loader], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let complaint = "";
  child.stderr.on("data", (text) => (complaint += text));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    child.stdout.on("data", (text) => {
      said += text;
      if (/^end \d+\n/m.test(said)) child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true });
      resolve({ said: said || complaint });
    });
  });
}

/** The same on an RP2040 in this process. */
function playRp2040({ scriptAt }, elf, bytes) {
  const mcu = new RP2040();
  mcu.flash.set(readFileSync(`${elf}.bin`), VECTORS);
  mcu.flash.set(bytes, scriptAt - XIP);
  const { core } = mcu;
  core.VTOR = XIP + VECTORS;
  core.reset();
  let said = "";
  let instructions = 0;
  let counted = 0;
  mcu.uart[0].onByte = (byte) => {
    if (byte === 1) counted -= instructions;
    else if (byte === 2) counted += instructions;
    else said += String.fromCharCode(byte);
  };
  const until = performance.now() + LIMIT_MS;
  while (!core.waiting && performance.now() < until) {
    for (let i = 0; i < 100_000 && !core.waiting; i++) {
      core.executeInstruction();
      instructions += 1;
    }
  }
  return { said, counted };
}

async function main(name, path, mode, last) {
  const target = BOARDS[name];
  const elf = join(BUILD, name, "player.elf");
  const isMeasuring = mode === "--time";
  const lastStep = mode === "--steps" ? Number(last) : 0xffffffff;
  const bytes = order(readFileSync(path), isMeasuring, lastStep);
  const { said, counted } = target.qemu
    ? await playQemu(target, elf, bytes)
    : playRp2040(target, elf, bytes);
  const found = /^([^]*)^end (\d+)\n/m.exec(said);
  if (!found) {
    console.error(`the board did not come to an end; it said ${JSON.stringify(said.slice(-500))}`);
    return 2;
  }
  const [, text, status] = found;
  if (isMeasuring && status === "0") {
    const { count, steps } = JSON.parse(text);
    const instructions = counted ?? target.instructions(count);
    console.log(JSON.stringify({ instructionsPerStep: instructions / steps }));
  } else {
    process.stdout.write(text);
  }
  return Number(status);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(...process.argv.slice(2));
}
