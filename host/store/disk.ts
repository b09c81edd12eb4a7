// What the store asks of a device: a few files of fixed size in one folder, written in whole
// pages. `file-disk.ts` is a folder of the file system; a simulation puts a model of a failing card
// in its place. Results come by callback and in no promise, so that a simulation decides when.

/** Size and alignment of every write, in bytes. */
export const PAGE_SIZE = 4096;

/** Called once, later; an Error says that the device may or may not have done it. */
export type Written = (error: Error | null) => void;

export interface DiskFile {
  /** Bytes; never changes. */
  readonly size: number;
  /** A copy of `[offset, offset + length)`, for start-up. Throws when it cannot be read. */
  read(offset: number, length: number): Uint8Array;
  /**
   * Writes whole pages. `bytes` is the disk's until `written` is called. Not durable, and in no
   * order with other writes, until a later `sync` has succeeded.
   */
  write(offset: number, bytes: Uint8Array, written: Written): void;
  /** Makes every write that has been reported done durable. */
  sync(written: Written): void;
  close(): void;
}

export interface Disk {
  /** Names of the files there are. */
  list(): string[];
  /** Opens a file, or null when there is none. */
  open(name: string): DiskFile | null;
  /**
   * Makes a file of zeros with all of its space taken, so that writing it never changes its size;
   * durable, with its name, when this returns. Throws a sentence when there is no room.
   */
  create(name: string, size: number): DiskFile;
}
