// One process per data folder: two would each write books that the other does not know. The lock is
// a file with the owner's process id and the system's start; a lock whose process is gone is taken
// over. After a power cut another process may have the id: that is another start of the system.
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

/** Names this start of the system; "" where it has no name. */
function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** Id of the process that holds a data folder; 0 when none does. */
export function lockOwner(folder: string): number {
  const path = join(folder, "lock");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
  const bootId = readBootId();
  const [id = "", boot = bootId] = text.trim().split(" ");
  const owner = boot === bootId ? Number(id) : 0;
  const lives = owner > 0 && (owner === process.pid ? held.has(path) : isAlive(owner));
  return lives ? owner : 0;
}

/**
 * Takes the lock of a data folder.
 * @returns a function that gives it back. Throws a sentence when another process holds it.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, "lock");
  const bootId = readBootId();
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const fd = openSync(path, "wx", 0o600);
      writeSync(fd, `${process.pid} ${bootId}\n`);
      closeSync(fd);
      held.add(path);
      return () => {
        held.delete(path);
        unlinkSync(path);
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = lockOwner(folder);
    if (owner > 0) {
      throw new Error(
        `Process ${owner} is already running with the data in ${folder}: stop it, or give this ` +
          "one another dataDir.",
      );
    }
    unlinkSync(path);
  }
  throw new Error(`${path} cannot be taken: remove it if no Ferrule is running there.`);
}
