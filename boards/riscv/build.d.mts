// Types of build.mjs.
export const RISCV_TOOLS: Record<string, string>;
export const SIFIVE_SETTINGS: number;
export function buildSifive(folder: string): string;
