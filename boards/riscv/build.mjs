// `node boards/riscv/build.mjs`: the firmware for QEMU's sifive_u, into build/riscv.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, missingTools, root, translate } from "../mcu/build.mjs";

/** What must be there to build, and the Debian packages that bring it. */
export const RISCV_TOOLS = {
  wasm2c: "wabt",
  "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf",
};

/** Where the board looks for settings. */
export const SIFIVE_SETTINGS = 0x80800000;

export const SIFIVE = {
  gcc: "riscv64-unknown-elf-gcc",
  // Debian has a C library for it of a gigabyte; five functions are all that is needed of one.
  cpu: [
    "-march=rv32imac",
    "-misa-spec=2.2",
    "-mabi=ilp32",
    "-mcmodel=medany",
    "-msmall-data-limit=0",
  ],
  system: join(root, "boards/riscv/libc"),
  libraries: ["-nostdlib", "-lgcc"],
  sources: [
    "riscv/start.S",
    "mcu/start.c",
    "mcu/no_flash.c",
    "riscv/sifive.c",
    "riscv/libc/string.c",
  ],
  include: "riscv",
  script: "riscv/sifive.ld",
};

/** Builds in `folder`; returns the path of the ELF file. */
export function buildSifive(folder) {
  translate(folder);
  return compile(SIFIVE, folder);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = missingTools(RISCV_TOOLS);
  if (missing) {
    console.error(missing);
    process.exit(1);
  }
  console.log(buildSifive(join(root, "build/riscv")));
}
