// Types of uf2.mjs.
export const FLASH: number;
export function sealBoot2(image: Uint8Array): void;
export function isBootable(image: Uint8Array): boolean;
export function writeUf2(image: Uint8Array, address: number): Uint8Array;
export function readUf2(file: Uint8Array): { address: number; bytes: Uint8Array }[];
