// Files that may hold tokens or books: written for their owner only, never over another file unless
// told to, and then as a whole.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { syncFolder } from "../store/file-disk.js";
import { CliError, Exit } from "./command.js";

function writeNew(path: string, content: string | Uint8Array): void {
  const fd = openSync(path, "wx", 0o600);
  try {
    writeFileSync(fd, content);
    fsyncSync(fd);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Says that a file is in the way. */
export function refuseExisting(path: string): never {
  const sentence = `${path} is there already: choose another name, or replace it with --force.`;
  throw new CliError(Exit.Usage, sentence);
}

/**
 * Writes a file with mode 0600; `force` replaces one that is there: until the new one is whole and
 * durable the old one stays.
 */
export function writeSecretFile(path: string, content: string | Uint8Array, force: boolean): void {
  try {
    if (force) {
      const draft = `${path}.${process.pid}.new`;
      writeNew(draft, content);
      try {
        renameSync(draft, path);
      } catch (error) {
        rmSync(draft, { force: true });
        throw error;
      }
    } else writeNew(path, content);
    syncFolder(dirname(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") refuseExisting(path);
    const sentence = `${path} cannot be written (${code ?? String(error)}): check the folder.`;
    throw new CliError(Exit.Unavailable, sentence);
  }
}
