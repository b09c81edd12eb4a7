// `node boards/cortex-m/build.mjs`: the firmware for QEMU's mps2-an385 and lm3s6965evb, into
// build/cortex-m and build/lm3s6965.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, missingTools, root, translate } from "../mcu/build.mjs";

/** Where the board looks for settings. */
export const MPS2_SETTINGS = 0x200000;

export const MPS2 = {
  gcc: "arm-none-eabi-gcc",
  cpu: ["-mcpu=cortex-m3", "-mthumb"],
  sources: ["mcu/start.c", "cortex-m/mps2.c"],
  include: "cortex-m",
  script: "cortex-m/mps2.ld",
};

/** Where that one looks for settings. */
export const LM3S6965_SETTINGS = 0x3c000;

const LM3S6965 = {
  ...MPS2,
  sources: ["mcu/start.c", "cortex-m/lm3s6965.c"],
  include: "cortex-m/lm3s6965",
  script: "cortex-m/lm3s6965.ld",
};

/** Builds in `folder`; returns the path of the ELF file. */
export function buildMps2(folder) {
  translate(folder);
  return compile(MPS2, folder);
}

/** The same for the lm3s6965evb. */
export function buildLm3s6965(folder) {
  translate(folder);
  return compile(LM3S6965, folder);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = missingTools();
  if (missing) {
    console.error(missing);
    process.exit(1);
  }
  console.log(buildMps2(join(root, "build/cortex-m")));
  console.log(buildLm3s6965(join(root, "build/lm3s6965")));
}
