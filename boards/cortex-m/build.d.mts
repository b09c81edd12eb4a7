// Types of build.mjs.
import type { Board } from "../mcu/build.mjs";
export const MPS2: Board;
export const MPS2_SETTINGS: number;
export function buildMps2(folder: string): string;
export const LM3S6965_SETTINGS: number;
export function buildLm3s6965(folder: string): string;
export function buildMps2Net(folder: string): string;
