// A data folder whose node is stopped: reading it, replacing its books. Backups are one block, as a
// snapshot is.
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { NO_HASH, readBlock, writeBlock, type ReadBlock } from "./block.js";
import type { Disk } from "./disk.js";
import { folderDisk } from "./file-disk.js";
import { Image } from "./image.js";
import { lockFolder } from "./lock.js";
import { DamageError, JOURNAL, SLOTS, highestSeen, recover, type Recovered } from "./recover.js";

/** Reads a backup. Throws a sentence when it is none, or damaged. */
export function readBackup(path: string): ReadBlock {
  const block = readBlock(new Uint8Array(readFileSync(path)), 0, "snapshot");
  if (typeof block !== "string") return block;
  throw new Error(`${path} is no backup of Ferrule's books, or is damaged: use another one.`);
}

/** What is in a data folder; null when it has no books. */
export function openFolder(folder: string): Disk | null {
  return SLOTS.some((name) => existsSync(join(folder, name))) ? folderDisk(folder) : null;
}

/** Throws a sentence while a node runs with a folder's data. */
export function refuseRunning(folder: string): void {
  if (existsSync(folder)) lockFolder(folder)();
}

export interface Standing {
  /** Newest batch or snapshot anywhere in the folder, damaged parts left out; null: none. */
  readonly seen: { epoch: number; sequence: number; wallMs: number } | null;
  readonly found: Recovered | null;
  readonly damage: string | null;
}

/** How far the books in a folder go. */
export function standing(disk: Disk): Standing {
  const seen = highestSeen(disk);
  try {
    return { seen, found: recover(disk), damage: null };
  } catch (error) {
    if (!(error instanceof DamageError)) throw error;
    return { seen, found: null, damage: error.message };
  }
}

/**
 * Puts new books into a folder in place of those there, which are kept with a suffix behind their
 * names. Throws a sentence while a node runs there.
 */
export async function replaceBooks(
  folder: string,
  books: { image: Image; sequence: number; epoch: number; stamp: ReadBlock },
  size: number,
): Promise<string[]> {
  const disk = folderDisk(folder);
  const unlock = lockFolder(folder);
  try {
    const suffix = `.replaced-${Date.now()}`;
    const kept: string[] = [];
    for (const name of [JOURNAL, ...SLOTS]) {
      const path = join(folder, name);
      if (!existsSync(path)) continue;
      renameSync(path, path + suffix);
      kept.push(path + suffix);
    }
    const { bytes } = writeBlock({
      ...{ kind: "snapshot", epoch: books.epoch, sequence: books.sequence, previous: NO_HASH },
      ...{ nowMs: books.stamp.nowMs, wallMs: books.stamp.wallMs, records: books.image.records() },
    });
    const file = disk.create(SLOTS[0], Math.max(size, bytes.length));
    await settled((done) => file.write(0, bytes, done));
    await settled((done) => file.sync(done));
    file.close();
    return kept;
  } finally {
    unlock();
  }
}

function settled(run: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => run((error) => (error ? reject(error) : resolve())));
}

/** The image a block makes by itself. */
export function imageOf(block: ReadBlock): Image {
  const image = new Image();
  for (const record of block.records) image.apply(record);
  return image;
}
