// A disk that is a folder of the file system. Files are made whole: written with zeros, synced,
// renamed, and the folder synced, so that a cut leaves a file of full size or none. `fdatasync` on
// such a file writes no metadata.
import {
  close,
  closeSync,
  constants,
  fdatasync,
  fsyncSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  unlinkSync,
  write,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Disk, DiskFile, Written } from "./disk.js";

const CHUNK = 1 << 18;
const NOTHING: Uint8Array = new Uint8Array(0);
/** Files that were being made when the power went. */
export const DRAFT = ".new";

class FolderFile implements DiskFile {
  readonly size: number;
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
    this.size = fstatSync(fd).size;
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const count = readSync(this.#fd, bytes, at, length - at, offset + at);
      if (count === 0) {
        const sentence = "The file is shorter than it was: it was changed.";
        throw Object.assign(new Error(sentence), { code: "EIO" });
      }
      at += count;
    }
    return bytes;
  }

  write(offset: number, bytes: Uint8Array, written: Written): void {
    write(this.#fd, bytes, 0, bytes.length, offset, (error, count) => {
      if (error) written(error);
      else if (count === bytes.length) written(null);
      else if (count === 0) written(new Error("The disk took nothing of a write."));
      else this.write(offset + count, bytes.subarray(count), written);
    });
  }

  sync(written: Written): void {
    fdatasync(this.#fd, written);
  }

  close(): void {
    close(this.#fd, () => {});
  }
}

/** Makes names in a folder durable. Where folders cannot be synced, the system does it itself. */
export function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a folder if it is missing, readable by its owner only; durable when this returns. */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  // Each new folder's name is in the one above it.
  const top = dirname(resolve(first));
  for (let at = dirname(resolve(folder)); at.length >= top.length; at = dirname(at)) {
    syncFolder(at);
    if (at === dirname(at)) break;
  }
}

export interface FolderOptions {
  /** Only looks: also on a file system that nothing may be written to. */
  readonly readOnly?: boolean;
}

/** The disk that a folder is; it is there. */
export function folderDisk(folder: string, { readOnly = false }: FolderOptions = {}): Disk {
  const flags = readOnly ? constants.O_RDONLY : constants.O_RDWR;
  return {
    list: () => readdirSync(folder).filter((name) => !name.endsWith(DRAFT)),
    open: (name) => {
      try {
        return new FolderFile(openSync(join(folder, name), flags));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw error;
      }
    },
    create: (name, size) => {
      const path = join(folder, name);
      fill(path + DRAFT, size);
      renameSync(path + DRAFT, path);
      syncFolder(folder);
      return new FolderFile(openSync(path, constants.O_RDWR));
    },
  };
}

/**
 * Writes `head` and zeros behind it up to `size` bytes, so that the space is taken and not only
 * promised, and syncs them.
 */
export function fill(path: string, size: number, head: Uint8Array = NOTHING): void {
  const fd = openSync(path, "w", 0o600);
  try {
    for (let at = 0; at < head.length;) at += writeSync(fd, head, at, head.length - at, at);
    const zeros = new Uint8Array(CHUNK);
    for (let at = head.length; at < size;) {
      at += writeSync(fd, zeros, 0, Math.min(CHUNK, size - at), at);
    }
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(path);
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    throw new Error(`The disk has no room for ${path} (${size} bytes): make room, start again.`);
  } finally {
    closeSync(fd);
  }
}
