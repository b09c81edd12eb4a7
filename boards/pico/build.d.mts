// Types of build.mjs.
import type { Board } from "../mcu/build.mjs";

export const PICO: Board;
export interface PicoRelease {
  firmware: string;
  sha256: string;
  core: string;
  coreSha256: string;
  flashBytes: number;
  ramBytes: number;
  gcc: string;
  wasm2c: string;
}
export function buildPico(folder: string): { uf2: Uint8Array; about: PicoRelease };
