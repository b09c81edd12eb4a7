// The store: a journal of batches and two snapshots on a disk. One operation is under way at a
// time: a batch is written, synced, reported, and only then does the next begin, so that a cut can
// damage the last one alone. When the journal is full a snapshot of everything takes the place of
// the older one; once it is synced the journal begins again at its start. Files never grow.
import {
  NO_HASH,
  blockSize,
  writeBlock,
  type Block,
  type BlockKind,
  type ReadBlock,
  type Stamp,
} from "./block.js";
import type { Disk, DiskFile, Written } from "./disk.js";
import { Image } from "./image.js";
import { JOURNAL, SLOTS, recover } from "./recover.js";

/** Upper bounds of the sync histogram's buckets, milliseconds. */
export const SYNC_BUCKETS_MS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] as const;

/** What the store has done since the start. */
export interface StoreFacts {
  /** Durable batches and snapshots. */
  batches: number;
  snapshots: number;
  bytesWritten: number;
  syncs: number;
  /** Syncs by duration: one count per bucket, and one for longer ones. */
  readonly syncBuckets: number[];
  syncMs: number;
  /** Bytes of the journal in use, and its size. */
  journalUsed: number;
  journalSize: number;
  epoch: number;
  sequence: number;
}

/** What start-up found. */
export interface RecoveryFacts {
  /** False: the folder was empty. */
  readonly found: boolean;
  readonly epoch: number;
  readonly batches: number;
  readonly records: number;
  /** What was cut from the end of the journal, as a sentence. */
  readonly torn: string | null;
}

export interface StoreOptions {
  /** Bytes of the journal and of each snapshot; whole pages. */
  readonly size: number;
  /** For how long things take; milliseconds with a fraction. */
  readonly timeMs: () => number;
  /** A name for books that have none yet: any number below 2^32 but 0. */
  readonly identity: number;
}

export class Store {
  /** What is on the disk and what is on its way there. */
  readonly image: Image;
  readonly facts: StoreFacts;
  readonly recovery: RecoveryFacts;
  /** Names these books, through all restarts. */
  readonly identity: number;
  readonly #timeMs: () => number;
  readonly #journal: DiskFile;
  readonly #slots: readonly DiskFile[];
  /** Slot of the snapshot that counts. */
  #slot: number;
  /** Snapshots to take before the first batch. */
  #owed: number;
  #last: { epoch: number; sequence: number; hash: Uint8Array };
  #end = 0;
  #busy = false;
  #failed: Error | null = null;

  /**
   * Opens what is on a disk, or makes it. Nothing is written before the first `append`, which
   * begins a new epoch. Throws a sentence: damage, a newer format, no room.
   * @param stamp the time of this start
   */
  constructor(disk: Disk, options: StoreOptions) {
    const found = recover(disk);
    this.image = found?.image ?? new Image();
    if (found) this.image.endLife(found.last);
    this.identity = (found?.last.identity ?? 0) || options.identity;
    this.#timeMs = options.timeMs;
    // Beside larger files, as large ones: a restored snapshot may have been.
    let { size } = options;
    const open = (name: string): DiskFile => {
      const file = disk.open(name) ?? disk.create(name, size);
      size = Math.max(size, file.size);
      return file;
    };
    this.#slots = SLOTS.map(open);
    this.#journal = open(JOURNAL);
    this.image.limit(this.snapshotRoom);
    this.#slot = found?.slot ?? 1;
    this.#owed = found?.spare ? 1 : 2;
    this.#last = found?.last ?? { epoch: 0, sequence: 0, hash: NO_HASH };
    this.recovery = describeRecovery(found);
    this.facts = {
      batches: 0,
      snapshots: 0,
      bytesWritten: 0,
      syncs: 0,
      syncBuckets: new Array<number>(SYNC_BUCKETS_MS.length + 1).fill(0),
      syncMs: 0,
      journalUsed: 0,
      journalSize: this.#journal.size,
      epoch: this.#last.epoch,
      sequence: this.#last.sequence,
    };
  }

  /** A write or sync is under way: `append` must wait. */
  get isBusy(): boolean {
    return this.#busy;
  }

  /** The error after which nothing is written any more. */
  get failure(): Error | null {
    return this.#failed;
  }

  /** Bytes a snapshot of the image would take now. */
  get snapshotBytes(): number {
    const { assets, accounts, holds, claims, evidence } = this.image;
    const names = assets.size * 3 + accounts.size * 6;
    return blockSize(names + (holds.size + claims.size) * 2 + evidence.length * 3);
  }

  /** Bytes there are for a snapshot. */
  get snapshotRoom(): number {
    return Math.min(...this.#slots.map(({ size }) => size));
  }

  /**
   * Makes records durable, all or none of them, and takes them into the image. `done` is called
   * later, once they are, or with the error after which the store writes nothing more.
   */
  append(records: readonly Uint8Array[], stamp: Stamp, done: Written): void {
    if (this.#failed) throw this.#failed;
    if (this.#busy) throw new Error("The store was given a batch while it wrote another.");
    this.#busy = true;
    for (const record of records) this.image.apply(record);
    const finished: Written = (error) => {
      this.#busy = false;
      if (error) this.#failed = error;
      done(error);
    };
    const isFull = this.#end + blockSize(records.length) > this.#journal.size;
    if (isFull && this.#owed === 0) this.#owed = 1;
    if (this.#owed > 0) this.#snapshot(stamp, finished);
    else this.#batch(records, stamp, finished);
  }

  /** Takes a snapshot of the image, over the older one: the start of a new epoch. */
  #snapshot(stamp: Stamp, done: Written): void {
    const records = this.image.records();
    const slot = 1 - this.#slot;
    const file = this.#slots[slot]!;
    if (blockSize(records.length) > file.size) {
      return done(new Error(`A snapshot of ${records.length} records does not fit.`));
    }
    const next = this.#next("snapshot", stamp);
    const block = { ...next, epoch: this.#last.epoch + 1, sequence: this.#last.sequence, records };
    this.#put(file, 0, block, (error) => {
      if (error) return done(error);
      this.#slot = slot;
      this.#end = 0;
      this.#owed -= 1;
      this.facts.snapshots += 1;
      this.facts.journalUsed = 0;
      if (this.#owed > 0) this.#snapshot(stamp, done);
      else this.#batch([], stamp, done);
    });
  }

  /** The first batch of an epoch is empty: it says that the snapshot was complete. */
  #batch(records: readonly Uint8Array[], stamp: Stamp, done: Written): void {
    const block = { ...this.#next("batch", stamp), sequence: this.#last.sequence + 1, records };
    this.#put(this.#journal, this.#end, block, (error) => {
      if (!error) {
        this.#end += blockSize(records.length);
        this.facts.batches += 1;
        this.facts.journalUsed = this.#end;
      }
      done(error);
    });
  }

  #next(kind: BlockKind, { nowMs, wallMs }: Stamp): Omit<Block, "records" | "sequence"> {
    const { epoch, hash: previous } = this.#last;
    return { kind, epoch, previous, identity: this.identity, nowMs, wallMs };
  }

  /** Writes a block and syncs it. After an error nothing is tried again: the disk may lie. */
  #put(file: DiskFile, offset: number, block: Block, done: Written): void {
    const { bytes, hash } = writeBlock(block);
    this.facts.bytesWritten += bytes.length;
    file.write(offset, bytes, (error) => {
      if (error) return done(error);
      const started = this.#timeMs();
      file.sync((error) => {
        this.#count(this.#timeMs() - started);
        if (error) return done(error);
        this.#last = { epoch: block.epoch, sequence: block.sequence, hash };
        this.facts.epoch = block.epoch;
        this.facts.sequence = block.sequence;
        done(null);
      });
    });
  }

  #count(ms: number): void {
    const bucket = SYNC_BUCKETS_MS.findIndex((bound) => ms <= bound);
    const { facts } = this;
    facts.syncs += 1;
    facts.syncMs += ms;
    facts.syncBuckets[bucket < 0 ? SYNC_BUCKETS_MS.length : bucket]! += 1;
  }

  close(): void {
    for (const file of [...this.#slots, this.#journal]) file.close();
  }
}

function describeRecovery(found: ReturnType<typeof recover>): RecoveryFacts {
  const batches: readonly ReadBlock[] = found?.batches ?? [];
  return {
    found: found !== null,
    epoch: found?.last.epoch ?? 0,
    batches: batches.length,
    records: batches.reduce((sum, { records }) => sum + records.length, 0),
    torn: found?.torn ?? null,
  };
}
