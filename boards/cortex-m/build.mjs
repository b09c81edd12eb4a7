// `node boards/cortex-m/build.mjs [net|lm3s6965]`: the firmware for QEMU's mps2-an385, into
// build/cortex-m; `net`: with Ethernet; `lm3s6965`: for lm3s6965evb, into build/lm3s6965.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, missingTools, root, translate } from "../mcu/build.mjs";
import { LWIP_TOOLS, lwipSources } from "../mcu/lwip.mjs";

/** What boards with a Cortex-M3 and no flash of their own share. */
const CORTEX_M = ["mcu/start.c", "mcu/no_flash.c", "cortex-m/armv7m.c"];

/** Where the board looks for settings (sizes.h). */
export const MPS2_SETTINGS = 0x200000;

export const MPS2 = {
  gcc: "arm-none-eabi-gcc",
  cpu: ["-mcpu=cortex-m3", "-mthumb"],
  sources: [...CORTEX_M, "cortex-m/mps2.c"],
  include: "cortex-m",
  script: "cortex-m/mps2.ld",
};

/** Where that one looks for settings. */
export const LM3S6965_SETTINGS = 0x3c000;

const LM3S6965 = {
  ...MPS2,
  sources: [...CORTEX_M, "cortex-m/lm3s6965.c"],
  include: "cortex-m/lm3s6965",
  script: "cortex-m/lm3s6965.ld",
};

/** The same with the network: which files it has more. */
const NETWORK = ["mcu/network.c", "mcu/seal.c", "cortex-m/lan9118.c"];

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

/** The same for the firmware with Ethernet; fetches lwIP when it is not there. */
export function buildMps2Net(folder) {
  const lwip = lwipSources();
  const boards = join(root, "boards");
  const own = ["cortex-m", "mcu/lwip"].map((path) => join(boards, path));
  const board = {
    ...MPS2,
    name: "firmware-net",
    include: "cortex-m/net",
    sources: [...MPS2.sources, ...NETWORK],
    library: { files: lwip.files, headers: [...own, ...lwip.headers] },
  };
  translate(folder);
  return compile(board, folder);
}

const BUILDS = {
  "": { build: buildMps2, folder: "build/cortex-m" },
  net: { build: buildMps2Net, folder: "build/cortex-m" },
  lm3s6965: { build: buildLm3s6965, folder: "build/lm3s6965" },
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const name = process.argv[2] ?? "";
  const missing = missingTools() || (name === "net" && missingTools(LWIP_TOOLS));
  if (missing || !(name in BUILDS)) {
    console.error(missing || "usage: node boards/cortex-m/build.mjs [net|lm3s6965]");
    process.exit(1);
  }
  const { build, folder } = BUILDS[name];
  const elf = build(join(root, folder));
  const size = execFileSync("arm-none-eabi-size", [elf], { encoding: "utf8" });
  const [text, data, bss] = size.split("\n")[1].trim().split(/\s+/).map(Number);
  console.log(`${elf}: flash ${text + data} bytes, RAM ${data + bss} bytes`);
}
