// Types of build.mjs.
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
