// Recovery: the newest good snapshot, then the journal's batches that chain to it. What follows the
// last good batch is a torn tail and is cut, unless something later is good: then a page that had
// been written in full was damaged, and nothing is guessed. Reads only.
import type { Block, NoBlock, ReadBlock } from "./block.js";
import {
  HEADER_SIZE,
  NO_HASH,
  RECORD_SIZE,
  claimedEpoch,
  claimedSize,
  hasMagic,
  readBlock,
} from "./block.js";
import { PAGE_SIZE, type Disk, type DiskFile } from "./disk.js";
import { Image } from "./image.js";

/** What a device writes in whole. */
const SECTOR_SIZE = 512;

export const JOURNAL = "journal";
export const SLOTS = ["snapshot-a", "snapshot-b"] as const;

/** Synced data is damaged: the node does not start. `repair` says what can be had. */
export class DamageError extends Error {
  constructor(file: string, offset: number, what: string) {
    super(
      `${file} is damaged at byte ${offset}: ${what}. Nothing was changed. Restore a backup ` +
        "with `ferrule restore`, or see what `ferrule repair` would keep.",
    );
    this.name = "DamageError";
  }
}

export interface Recovered {
  readonly image: Image;
  /** Newest snapshot that is good, and known to be on the disk. */
  readonly snapshot: ReadBlock;
  readonly slot: 0 | 1;
  /** There is another: the next may be written over it. */
  readonly spare: boolean;
  /** Batches applied, oldest first. */
  readonly batches: readonly ReadBlock[];
  /** The last block applied. */
  readonly last: ReadBlock;
  /** Where the batches end. */
  readonly end: number;
  /** What was cut, as a sentence; null when the journal ended cleanly. */
  readonly torn: string | null;
}

export interface RecoverOptions {
  /** Stops before the first batch for which this is false. */
  readonly until?: (batch: Block) => boolean;
  /** Goes on as if there were nothing behind the first damage. */
  readonly repair?: boolean;
  /** Told of the snapshot and of each batch, with the image after it. */
  readonly onBlock?: (block: ReadBlock, image: Image) => void;
}

interface Slots {
  readonly good: { slot: 0 | 1; block: ReadBlock }[];
  readonly damaged: string[];
}

function readSnapshot(file: DiskFile): ReadBlock | NoBlock {
  try {
    // What follows the block is of older ones and means nothing: a card would take long to read it.
    const page = file.read(0, Math.min(file.size, PAGE_SIZE));
    const size = Math.min(file.size, claimedSize(page, "snapshot"));
    return readBlock(file.read(0, size), 0, "snapshot");
  } catch (error) {
    if (isReadError(error)) return "damaged";
    throw error;
  }
}

/** The system could not read: it says so by a code, and every sentence of ours has none. */
function isReadError(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code !== undefined;
}

interface JournalBytes {
  readonly bytes: Uint8Array;
  /** Offsets of pages that cannot be read; they stand as bytes that are no block. */
  readonly unreadable: number[];
}

/** The whole journal, or null when there is none. */
function readJournal(disk: Disk): JournalBytes | null {
  const file = disk.open(JOURNAL);
  if (!file) return null;
  try {
    return { bytes: file.read(0, file.size), unreadable: [] };
  } catch (error) {
    if (!isReadError(error)) throw error;
  }
  const bytes = new Uint8Array(file.size).fill(0xff);
  const unreadable: number[] = [];
  for (let at = 0; at < file.size; at += PAGE_SIZE) {
    try {
      bytes.set(file.read(at, Math.min(PAGE_SIZE, file.size - at)), at);
    } catch (error) {
      if (!isReadError(error)) throw error;
      unreadable.push(at);
    }
  }
  file.close();
  return { bytes, unreadable };
}

/**
 * Throws when the journal is gone, shorter than it was made, or blank though there were batches
 * between the two snapshots.
 */
function refuseMissing(disk: Disk, { good }: Slots, journal: Uint8Array | null): void {
  const sizes = SLOTS.map((name) => {
    const file = disk.open(name);
    file?.close();
    return file?.size ?? 0;
  });
  // Files are made before anything is written. Older versions put one file alone into a folder.
  const made = Math.min(...sizes);
  // What was put there by `restore` or `repair` stands by itself, and so does the very first one.
  const standsAlone = sameHash(good[0]!.block.previous, NO_HASH);
  if (made === 0 || standsAlone) return;
  if (!journal) throw new DamageError(JOURNAL, 0, "it is not there, and both snapshots are");
  if (journal.length < made) {
    const what = `it ends there, and was made with ${made} bytes`;
    throw new DamageError(JOURNAL, journal.length, what);
  }
  const [newer, older] = good;
  // The first of them may have been lost with the power; it was synced before the second came.
  const hadBatches = older && newer!.block.sequence > older.block.sequence + 1;
  if (hadBatches && journal.subarray(0, PAGE_SIZE).every((byte) => byte === 0)) {
    throw new DamageError(JOURNAL, 0, "it is blank, and batches were written to it");
  }
}

function readSlots(disk: Disk): Slots {
  const good: Slots["good"] = [];
  const damaged: string[] = [];
  SLOTS.forEach((name, slot) => {
    const file = disk.open(name);
    if (!file) return;
    const block = readSnapshot(file);
    file.close();
    if (block === "damaged") damaged.push(name);
    else if (block !== "blank") good.push({ slot: slot as 0 | 1, block });
  });
  good.sort((a, b) => b.block.epoch - a.block.epoch);
  return { good, damaged };
}

/** The slot with the newest good snapshot; null when none is good. */
export function newestSlot(disk: Disk): 0 | 1 | null {
  return readSlots(disk).good[0]?.slot ?? null;
}

/** First offset from which a good batch of this epoch or a newer one begins, or null. */
function findLater(journal: Uint8Array, from: number, epoch: number): ReadBlock | null {
  for (let at = from; at < journal.length; at += PAGE_SIZE) {
    if (!hasMagic(journal, at, "batch") || claimedEpoch(journal, at) < epoch) continue;
    const block = readBlock(journal, at, "batch");
    if (typeof block !== "string") return block;
  }
  return null;
}

/** Was anything ever in the journal? */
function hasBatches(journal: Uint8Array): boolean {
  return findLater(journal, 0, 0) !== null;
}

/** The newest good block anywhere on a disk, whatever is damaged before it. */
export function highestSeen(disk: Disk): ReadBlock | null {
  const blocks = readSlots(disk).good.map(({ block }) => block);
  const journal = readJournal(disk)?.bytes ?? new Uint8Array(0);
  for (let at = 0; at < journal.length; at += PAGE_SIZE) {
    if (!hasMagic(journal, at, "batch")) continue;
    const block = readBlock(journal, at, "batch");
    if (typeof block !== "string") blocks.push(block);
  }
  return blocks.sort((a, b) => b.epoch - a.epoch || b.sequence - a.sequence)[0] ?? null;
}

function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}

/**
 * Everything that was durable when the node stopped; null when nothing ever was. Throws a
 * DamageError when something in the middle is damaged.
 */
export function recover(disk: Disk, options: RecoverOptions = {}): Recovered | null {
  const slots = readSlots(disk);
  const { good, damaged } = slots;
  const read = readJournal(disk);
  const journal = read?.bytes ?? new Uint8Array(0);
  const newest = good[0];
  const older = good[1];
  if (!newest) {
    // Nothing is accepted before both snapshots of a new folder are synced.
    if (!hasBatches(journal)) return null;
    const file = damaged[0] ?? SLOTS[0];
    throw new DamageError(file, 0, "neither snapshot can be read, and the journal needs one");
  }
  if (!options.repair) refuseMissing(disk, slots, read?.bytes ?? null);
  const isSetAside = older !== undefined && isReached(journal, newest.block, older.block);
  const { block: snapshot, slot } = isSetAside ? older : newest;
  const image = new Image();
  for (const record of snapshot.records) image.apply(record);
  options.onBlock?.(snapshot, image);
  const run = follow(journal, snapshot, options, image);
  if (!options.repair && !run.stopped) refuseDamage(journal, snapshot, run.end, damaged);
  const { batches, end } = run;
  const tail = run.stopped ? null : describeTail(read, end, snapshot.epoch);
  return {
    ...{ image, snapshot, slot, spare: older !== undefined, batches, end },
    last: batches.at(-1) ?? snapshot,
    torn: isSetAside && !run.stopped ? describeAside(SLOTS[newest.slot]) : tail,
  };
}

/**
 * Does the journal still lead from the older snapshot to the newer one, and nowhere from there? Its
 * first batch is written over as soon as the newer one has been synced, and nothing was reported
 * durable before: what is read of such a snapshot may be in the system's memory alone, and the next
 * one must not take the place of the older.
 */
function isReached(journal: Uint8Array, newer: ReadBlock, older: ReadBlock): boolean {
  const first = journal.length > 0 ? readBlock(journal, 0, "batch") : "blank";
  if (typeof first !== "string" && isNext(first, newer)) return false;
  const { batches } = follow(journal, older, {}, null);
  return sameHash((batches.at(-1) ?? older).hash, newer.previous);
}

function describeAside(name: string): string {
  return `${name}, which was written last, is not known to be on the disk and was set aside`;
}

function isNext(batch: ReadBlock, { epoch, sequence, hash }: ReadBlock): boolean {
  return batch.epoch === epoch && batch.sequence === sequence + 1 && sameHash(batch.previous, hash);
}

/** Applies the batches that chain to a snapshot. */
function follow(
  journal: Uint8Array,
  snapshot: ReadBlock,
  { until, onBlock }: RecoverOptions,
  image: Image | null,
): { batches: ReadBlock[]; end: number; stopped: boolean } {
  const batches: ReadBlock[] = [];
  let last = snapshot;
  let end = 0;
  for (;;) {
    const block = end < journal.length ? readBlock(journal, end, "batch") : "blank";
    if (typeof block === "string") break;
    if (!isNext(block, last)) break;
    if (until && !until(block)) return { batches, end, stopped: true };
    if (image) {
      for (const record of block.records) image.apply(record);
      onBlock?.(block, image);
    }
    batches.push(block);
    end += block.size;
    last = block;
  }
  return { batches, end, stopped: false };
}

/** Throws when something behind the end of the batches was written later than they. */
function refuseDamage(
  journal: Uint8Array,
  snapshot: ReadBlock,
  end: number,
  damaged: readonly string[],
): void {
  const later = findLater(journal, end, snapshot.epoch);
  if (!later) return;
  if (later.epoch > snapshot.epoch) {
    const file = damaged[0] ?? SLOTS[0];
    const what = `the journal goes on from snapshot ${later.epoch}, which cannot be read`;
    throw new DamageError(file, 0, what);
  }
  const what = `a batch there cannot be read, and batch ${later.sequence} behind it is good`;
  throw new DamageError(JOURNAL, end, what);
}

/** What stands behind the last batch, as a sentence when it is no leftover of an earlier epoch. */
function describeTail(read: JournalBytes | null, end: number, epoch: number): string | null {
  if (!read || end >= read.bytes.length) return null;
  const { bytes, unreadable } = read;
  const where = `the last write to the journal, at byte ${end},`;
  if (unreadable.includes(end)) return `${where} cannot be read and was cut off`;
  const isTorn =
    (hasMagic(bytes, end, "batch") && claimedEpoch(bytes, end) === epoch) || isMixed(bytes, end);
  return isTorn ? `${where} was not finished and was cut off` : null;
}

/** Does a leftover seem to begin here whose sectors are not of one write? */
function isMixed(bytes: Uint8Array, at: number): boolean {
  const isBlank = (from: number, to: number): boolean =>
    bytes.subarray(at + from, at + to).every((byte) => byte === 0);
  if (!hasMagic(bytes, at, "batch")) return isBlank(0, SECTOR_SIZE) && !isBlank(0, PAGE_SIZE);
  const block = readBlock(bytes, at, "batch");
  if (typeof block === "string") return true;
  return !isBlank(HEADER_SIZE + block.records.length * RECORD_SIZE, block.size);
}
