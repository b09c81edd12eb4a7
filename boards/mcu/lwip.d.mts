// Types of lwip.mjs.
export const LWIP_TOOLS: Record<string, string>;
export function fetchLwip(): string;
export function lwipSources(folder?: string): {
  folder: string;
  files: string[];
  headers: string[];
};
