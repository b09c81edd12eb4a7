// Boards that QEMU shows.
import {
  LM3S6965_SETTINGS,
  MPS2_SETTINGS,
  buildLm3s6965,
  buildMps2,
} from "../../boards/cortex-m/build.mjs";
import { RISCV_TOOLS, SIFIVE_SETTINGS, buildSifive } from "../../boards/riscv/build.mjs";
import type { Machine } from "./between.js";

const ARM_TOOLS = {
  wasm2c: "wabt",
  "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
  "qemu-system-arm": "qemu-system-arm",
};

export const MPS2: Machine = {
  name: "Cortex-M3",
  tools: ARM_TOOLS,
  build: buildMps2,
  qemu: "qemu-system-arm",
  options: ["-M", "mps2-an385"],
  settings: MPS2_SETTINGS,
};

export const LM3S6965: Machine = {
  name: "Cortex-M3 with 64 KiB of RAM",
  tools: ARM_TOOLS,
  build: buildLm3s6965,
  qemu: "qemu-system-arm",
  options: ["-M", "lm3s6965evb"],
  settings: LM3S6965_SETTINGS,
};

export const SIFIVE: Machine = {
  name: "RISC-V",
  tools: { ...RISCV_TOOLS, "qemu-system-riscv32": "qemu-system-misc" },
  build: buildSifive,
  qemu: "qemu-system-riscv32",
  options: ["-M", "sifive_u", "-bios", "none"],
  settings: SIFIVE_SETTINGS,
};
