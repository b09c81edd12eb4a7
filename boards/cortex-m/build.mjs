// `node boards/cortex-m/build.mjs [net]`: the firmware for QEMU's mps2-an385, into build/cortex-m;
// `net`: with Ethernet.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, missingTools, root, translate } from "../mcu/build.mjs";
import { LWIP_TOOLS, lwipSources } from "../mcu/lwip.mjs";

/** Where the board looks for settings. */
export const MPS2_SETTINGS = 0x200000;

const MPS2 = {
  gcc: "arm-none-eabi-gcc",
  cpu: ["-mcpu=cortex-m3", "-mthumb"],
  sources: ["mcu/start.c", "cortex-m/mps2.c"],
  include: "cortex-m",
  script: "cortex-m/mps2.ld",
};

/** The same with the network: which files it has more. */
const NETWORK = ["mcu/network.c", "mcu/seal.c", "cortex-m/lan9118.c"];

/** Builds in `folder`; returns the path of the ELF file. */
export function buildMps2(folder) {
  translate(folder);
  return compile(MPS2, folder);
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const net = process.argv[2] === "net";
  const missing = missingTools() || (net && missingTools(LWIP_TOOLS));
  if (missing) {
    console.error(missing);
    process.exit(1);
  }
  const elf = (net ? buildMps2Net : buildMps2)(join(root, "build/cortex-m"));
  const size = execFileSync("arm-none-eabi-size", [elf], { encoding: "utf8" });
  const [text, data, bss] = size.split("\n")[1].trim().split(/\s+/).map(Number);
  console.log(`${elf}: flash ${text + data} bytes, RAM ${data + bss} bytes`);
}
