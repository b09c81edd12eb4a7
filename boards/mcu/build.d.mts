// Types of build.mjs.
export const root: string;
export interface Board {
  gcc: string;
  cpu: string[];
  sources: string[];
  include: string;
  common?: string[];
  script: string;
  defines?: string[];
  system?: string;
  libraries?: string[];
  library?: { files: string[]; headers: string[] };
  name?: string;
}
export function missingTools(tools?: Record<string, string>): string;
export function sha256(bytes: Uint8Array): string;
export function versionOf(tool: string): string;
export function translate(folder: string, core?: string): string;
export function compileCore(board: Pick<Board, "gcc" | "cpu">, folder: string): string;
export function compile(board: Board, folder: string): string;
