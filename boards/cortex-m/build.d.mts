// Types of build.mjs.
export const MPS2_SETTINGS: number;
export function buildMps2(folder: string): string;
export function buildMps2Net(folder: string): string;
