// Files that may hold tokens: written for their owner only, never over another file unless told to.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { CliError, Exit } from "./command.js";

function writeNew(path: string, text: string): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Says that a file is in the way. */
export function refuseExisting(path: string): never {
  const sentence = `${path} is there already: choose another name, or replace it with --force.`;
  throw new CliError(Exit.Usage, sentence);
}

/** Writes a file with mode 0600; `force` replaces one that is there, as a whole. */
export function writeSecretFile(path: string, text: string, force: boolean): void {
  try {
    if (!force) return writeNew(path, text);
    const draft = `${path}.${process.pid}.new`;
    try {
      writeNew(draft, text);
      renameSync(draft, path);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") refuseExisting(path);
    const sentence = `${path} cannot be written (${code ?? String(error)}): check the folder.`;
    throw new CliError(Exit.Unavailable, sentence);
  }
}
