// A data folder whose node is stopped: reading it, replacing its books. Backups are one block, as a
// snapshot is.
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { readBlock, writeWhole, type ReadBlock } from "./block.js";
import type { Disk } from "./disk.js";
import { DRAFT, fill, folderDisk, makeFolder, syncFolder } from "./file-disk.js";
import { Image } from "./image.js";
import { lockFolder } from "./lock.js";
import {
  DamageError,
  JOURNAL,
  SLOTS,
  highestSeen,
  newestSlot,
  recover,
  type Recovered,
} from "./recover.js";

/** Reads a backup. Throws a sentence when it is none, or damaged. */
export function readBackup(path: string): ReadBlock {
  const block = readBlock(new Uint8Array(readFileSync(path)), 0, "snapshot");
  if (typeof block !== "string") return block;
  throw new Error(`${path} is no backup of Ferrule's books, or is damaged: use another one.`);
}

/** What is in a data folder; null when it has no books. */
export function openFolder(folder: string): Disk | null {
  return SLOTS.some((name) => existsSync(join(folder, name)))
    ? folderDisk(folder, { readOnly: true })
    : null;
}

export interface Standing {
  /** Newest batch or snapshot anywhere in the folder, damaged parts left out; null: none. */
  readonly seen: Pick<ReadBlock, "epoch" | "sequence" | "wallMs" | "identity"> | null;
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

/** What is done to a folder's files; each is durable when it returns, except a rename. */
export interface FolderTools {
  /** Makes a file of `size` bytes that begins with `head`. */
  write(path: string, size: number, head: Uint8Array): void;
  /** Gives a file a second name. */
  link(from: string, to: string): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Makes names durable. */
  sync(folder: string): void;
}

export const folderTools: FolderTools = {
  write: fill,
  link(from, to) {
    try {
      linkSync(from, to);
    } catch {
      // Not every file system gives a file two names.
      copyFileSync(from, to);
      const fd = openSync(to, "r+");
      fsyncSync(fd);
      closeSync(fd);
    }
  },
  rename: renameSync,
  remove: (path) => rmSync(path, { force: true }),
  sync: syncFolder,
};

/** What is put into a folder. */
export interface NewBooks {
  readonly image: Image;
  readonly sequence: number;
  /** Above every epoch in the folder: the snapshot counts wherever it stands. */
  readonly epoch: number;
  readonly stamp: ReadBlock;
}

/**
 * Puts new books into a folder in place of those there, which are kept with a suffix behind their
 * names. Wherever this is cut short the folder has the old books or the new ones: everything is
 * written under other names, and one rename makes the new ones count. Throws a sentence while a
 * node runs there, or when there is no room: then nothing has changed.
 * @returns paths of what is kept
 */
export async function replaceBooks(
  folder: string,
  books: NewBooks,
  size: number,
  tools = folderTools,
): Promise<string[]> {
  makeFolder(folder);
  const unlock = await lockFolder(folder);
  try {
    return replaceFiles(folder, books, size, tools);
  } finally {
    unlock();
  }
}

function replaceFiles(folder: string, books: NewBooks, size: number, tools: FolderTools): string[] {
  const { image, sequence, epoch, stamp } = books;
  const bytes = writeWhole({ ...stamp, sequence, epoch, records: image.records() });
  const whole = Math.max(size, bytes.length);
  const newest = newestSlot(folderDisk(folder, { readOnly: true }));
  const slot = newest === 0 ? 1 : 0;
  // The older snapshot first; the journal last, which the old snapshot beside it needs.
  const names = [SLOTS[slot], SLOTS[1 - slot]!, JOURNAL];
  const suffix = `.replaced-${Date.now()}`;
  const made: string[] = [];
  const kept: string[] = [];
  try {
    for (const name of names) {
      const draft = join(folder, name + DRAFT);
      made.push(draft);
      tools.write(draft, whole, name === SLOTS[slot] ? bytes : new Uint8Array(0));
    }
    for (const name of names) {
      const path = join(folder, name);
      if (!existsSync(path)) continue;
      made.push(path + suffix);
      tools.link(path, path + suffix);
      kept.push(path + suffix);
    }
    tools.sync(folder);
  } catch (error) {
    for (const path of made) tools.remove(path);
    throw error;
  }
  for (const name of names) {
    tools.rename(join(folder, name + DRAFT), join(folder, name));
    tools.sync(folder);
  }
  return kept;
}

/** The image a block makes by itself. */
export function imageOf(block: ReadBlock): Image {
  const image = new Image();
  for (const record of block.records) image.apply(record);
  return image;
}
