// `npm run board:pico`: builds the Pico's firmware and writes the release beside this file: the UF2
// and what it was made from. Needs Debian's wabt, gcc-arm-none-eabi, libnewlib-arm-none-eabi.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, missingTools, root, sha256, translate, versionOf } from "../mcu/build.mjs";
import { FLASH, sealBoot2, writeUf2 } from "./uf2.mjs";

const RELEASE = fileURLToPath(new URL("release/", import.meta.url));

export const PICO = {
  gcc: "arm-none-eabi-gcc",
  cpu: ["-mcpu=cortex-m0plus", "-mthumb"],
  sources: ["mcu/start.c", "pico/boot2.S", "pico/board.c", "pico/flash.c"],
  include: "pico",
  script: "pico/pico.ld",
};

/** Builds in `folder`. Returns the UF2's bytes and the facts about it. */
export function buildPico(folder) {
  const core = translate(folder);
  const elf = compile(PICO, folder);
  const bin = join(folder, "firmware.bin");
  execFileSync("arm-none-eabi-objcopy", ["-O", "binary", elf, bin]);
  const image = readFileSync(bin);
  sealBoot2(image);
  const uf2 = writeUf2(image, FLASH);
  const size = execFileSync("arm-none-eabi-size", [elf], { encoding: "utf8" });
  const [text, data, bss] = size.split("\n")[1].trim().split(/\s+/).map(Number);
  const about = {
    firmware: "ferrule-pico.uf2",
    sha256: sha256(uf2),
    core: "build/board.wasm",
    coreSha256: core,
    flashBytes: image.length,
    ramBytes: data + bss,
    gcc: versionOf("arm-none-eabi-gcc"),
    wasm2c: versionOf("wasm2c"),
  };
  if (text + data > image.length) throw new Error("the image is smaller than its sections");
  return { uf2, about };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = missingTools();
  if (missing) {
    console.error(missing);
    process.exit(1);
  }
  const { uf2, about } = buildPico(join(root, "build/pico"));
  writeFileSync(join(RELEASE, about.firmware), uf2);
  writeFileSync(join(RELEASE, "ferrule-pico.json"), `${JSON.stringify(about, null, 2)}\n`);
  console.log(
    `boards/pico/release/${about.firmware}: ${uf2.length} bytes, flash ${about.flashBytes}, ` +
      `RAM ${about.ramBytes}, core ${about.coreSha256.slice(0, 16)}`,
  );
}
