// One process per data folder: two would each write books that the other does not know. The lock is
// a file with the owner's process id; a lock whose process is gone is taken over.
import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Folders this process holds: its own id in a lock does not mean that the lock is stale. */
const held = new Set<string>();

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Takes the lock of a data folder.
 * @returns a function that gives it back. Throws a sentence when another process holds it.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, "lock");
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const fd = openSync(path, "wx", 0o600);
      writeSync(fd, `${process.pid}\n`);
      closeSync(fd);
      held.add(path);
      return () => {
        held.delete(path);
        unlinkSync(path);
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = Number(readFileSync(path, "utf8").trim());
    if (owner > 0 && (owner === process.pid ? held.has(path) : isAlive(owner))) {
      throw new Error(
        `Process ${owner} is already running with the data in ${folder}: stop it, or give this ` +
          "one another dataDir.",
      );
    }
    unlinkSync(path);
  }
  throw new Error(`${path} cannot be taken: remove it if no Ferrule is running there.`);
}
