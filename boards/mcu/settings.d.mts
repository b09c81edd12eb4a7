// Types of settings.mjs.
export const PICO_SETTINGS: number;
export const SETTINGS_MAX: number;
export function makeSettings(
  text: string,
  file: string,
  options?: { seed?: Uint8Array; revision?: number; wasm?: Uint8Array },
): Buffer;
