// Types of lwip.mjs.
export const LWIP_TOOLS: Record<string, string>;
export interface LwipLock {
  suite: string;
  package: string;
  version: string;
  sha256: Record<string, string>;
}
export function fetchLwip(lock?: LwipLock): string;
export function lwipSources(folder?: string): {
  folder: string;
  files: string[];
  headers: string[];
};
