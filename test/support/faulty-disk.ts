// A model of the worst card that is still a card, and of the system's page cache in front of it.
// What was written and not synced may be there after a power cut, or not, or in part, sector by
// sector, in any order, or with a bit turned over; what a sync has confirmed stays. Reads show the
// cache: it outlives a process that is killed, and after a failed sync it still shows what never
// reached the card and is not written again. Every write, sync and creation is a numbered point
// at which a plan may cut the power or have it fail. Time is the caller's: results come through
// `later`.
import type { Disk, DiskFile, Written } from "../../host/store/disk.js";
import { PAGE_SIZE } from "../../host/store/disk.js";

/** What survives a cut or a failure in part does so in units of this. */
export const SECTOR_SIZE = 512;

/** What happens to writes that no sync has confirmed when the power goes. */
export type Loss = "lost" | "kept" | "torn" | "reordered" | "flipped" | "mixed";
/** An operation that fails; `error` of a sync drops what it should have made durable. */
export type Fault = "error" | "full";

export interface Point {
  /** Counts from 1 over all files of the disk. */
  readonly number: number;
  readonly kind: "write" | "sync" | "create";
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** Uniform in [0, 1). */
export type Random = () => number;

export interface DiskOptions {
  /** Calls back after `ms` of whatever time the caller keeps; never during the call. */
  later: (ms: number, then: () => void) => void;
  random: Random;
  /** How long operations take; a millisecond and five when absent. */
  writeMs?(): number;
  syncMs?(): number;
  /**
   * Told of each operation before it begins. A fault makes it fail; a function may also call
   * `cutNow` and so end the disk. Returns null to let it pass.
   */
  onPoint?(point: Point, disk: FaultyDisk): Fault | null;
  /** Pages of which nothing can be read. */
  isUnreadable?(file: string, page: number): boolean;
  /** Bytes there are for files; unlimited when absent. */
  capacity?: number;
}

interface Pending {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** The caller has been told that it is done: a sync from now on covers it. */
  done: boolean;
}

/** Pages by number; absent means zeros. Shared between copies until one of them writes. */
type Pages = Map<number, Uint8Array>;

interface FileState {
  readonly size: number;
  durable: Pages;
  /** What reads show. */
  cache: Pages;
  /** Writes that no sync has covered. */
  pending: Pending[];
}

function error(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}

function writePages(pages: Pages, offset: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const number = Math.floor((offset + at) / PAGE_SIZE);
    const within = (offset + at) % PAGE_SIZE;
    const length = Math.min(PAGE_SIZE - within, bytes.length - at);
    // A page is replaced, never changed: copies of the disk may share the old one.
    const page = pages.get(number)?.slice() ?? new Uint8Array(PAGE_SIZE);
    page.set(bytes.subarray(at, at + length), within);
    pages.set(number, page);
    at += length;
  }
}

/** The part of a write that reaches the medium when the power goes during or after it. */
function survivors(write: Pending, loss: Loss, random: Random): Pending[] {
  const { offset, bytes } = write;
  const piece = (from: number, to: number): Pending => ({
    offset: offset + from,
    bytes: bytes.subarray(from, to),
    done: true,
  });
  const sectors = bytes.length / SECTOR_SIZE;
  if (loss === "lost") return [];
  if (loss === "kept") return [write];
  if (loss === "torn") {
    const kept = Math.floor(random() * (sectors + 1)) * SECTOR_SIZE;
    return [piece(0, kept)];
  }
  if (loss === "reordered") {
    const parts: Pending[] = [];
    for (let s = 0; s < sectors; s++) {
      if (random() < 0.5) parts.push(piece(s * SECTOR_SIZE, (s + 1) * SECTOR_SIZE));
    }
    return parts;
  }
  if (loss === "flipped") {
    const damaged = bytes.slice();
    const bit = Math.floor(random() * bytes.length * 8);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    return [{ offset, bytes: damaged, done: true }];
  }
  const all: Loss[] = ["lost", "kept", "torn", "reordered", "flipped"];
  return survivors(write, all[Math.floor(random() * all.length)]!, random);
}

class FaultyFile implements DiskFile {
  readonly size: number;
  readonly #disk: FaultyDisk;
  readonly #name: string;
  readonly #state: FileState;

  constructor(disk: FaultyDisk, name: string, state: FileState) {
    this.size = state.size;
    this.#disk = disk;
    this.#name = name;
    this.#state = state;
  }

  read(offset: number, length: number): Uint8Array {
    if (offset < 0 || offset + length > this.size) throw error("EINVAL", "read past the end");
    const bytes = new Uint8Array(length);
    const cover = (at: number, from: Uint8Array): void => {
      const start = Math.max(at, offset);
      const end = Math.min(at + from.length, offset + length);
      if (start < end) bytes.set(from.subarray(start - at, end - at), start - offset);
    };
    const last = Math.ceil((offset + length) / PAGE_SIZE);
    for (let number = Math.floor(offset / PAGE_SIZE); number < last; number++) {
      if (this.#disk.options.isUnreadable?.(this.#name, number)) throw error("EIO", "read failed");
      const page = this.#state.cache.get(number);
      if (page) cover(number * PAGE_SIZE, page);
    }
    return bytes;
  }

  write(offset: number, bytes: Uint8Array, written: Written): void {
    const whole = offset % PAGE_SIZE === 0 && bytes.length % PAGE_SIZE === 0 && bytes.length > 0;
    if (!whole || offset < 0 || offset + bytes.length > this.size) {
      throw new Error(`not whole pages of ${this.#name}: ${offset}, ${bytes.length}`);
    }
    const pending: Pending = { offset, bytes: bytes.slice(), done: false };
    const before = this.#state.cache;
    this.#state.pending.push(pending);
    this.#state.cache = new Map(before);
    writePages(this.#state.cache, offset, bytes);
    this.#disk.operate("write", this.#name, offset, bytes.length, (fault) => {
      if (Buffer.compare(bytes, pending.bytes) !== 0) {
        throw new Error(`${this.#name} at ${offset} was changed while the disk had it`);
      }
      pending.done = true;
      if (fault === "full") {
        this.#state.pending = this.#state.pending.filter((other) => other !== pending);
        this.#state.cache = before;
        written(error("ENOSPC", "no space left on device"));
      } else written(fault ? error("EIO", "write failed") : null);
    });
  }

  sync(written: Written): void {
    const state = this.#state;
    const covered = state.pending.filter(({ done }) => done);
    this.#disk.operate("sync", this.#name, 0, 0, (fault) => {
      const { random } = this.#disk.options;
      state.pending = state.pending.filter((write) => !covered.includes(write));
      for (const write of covered) {
        // After a failed sync the system takes what it could not write for written, and never says
        // so again.
        const parts = fault ? survivors(write, "mixed", random) : [write];
        for (const part of parts) writePages(state.durable, part.offset, part.bytes);
      }
      written(fault ? error(fault === "full" ? "ENOSPC" : "EIO", "sync failed") : null);
    });
  }

  close(): void {}
}

export class FaultyDisk implements Disk {
  readonly options: DiskOptions;
  readonly #files = new Map<string, FileState>();
  #points = 0;
  #cut = false;
  bytesWritten = 0;
  syncs = 0;

  constructor(options: DiskOptions) {
    this.options = options;
  }

  /** Operations so far. */
  get points(): number {
    return this.#points;
  }

  /** The power is gone: nothing more happens and nobody is called back. */
  get isCut(): boolean {
    return this.#cut;
  }

  cutNow(): void {
    this.#cut = true;
  }

  /**
   * What is on the medium if the power goes now, as a disk of its own; this one goes on unharmed.
   */
  afterCut(loss: Loss, options: Partial<DiskOptions> = {}): FaultyDisk {
    const disk = new FaultyDisk({ ...this.options, ...options });
    const random = disk.options.random;
    for (const [name, { size, durable, pending }] of this.#files) {
      const pages = new Map(durable);
      for (const write of pending) {
        for (const part of survivors(write, loss, random)) {
          writePages(pages, part.offset, part.bytes);
        }
      }
      disk.#files.set(name, { size, durable: pages, cache: new Map(pages), pending: [] });
    }
    return disk;
  }

  /**
   * The same files on a disk with other options, as they read now: a process died. What it had not
   * synced is in the cache, and no more durable than it was.
   */
  afterKill(options: Partial<DiskOptions> = {}): FaultyDisk {
    const disk = new FaultyDisk({ ...this.options, ...options });
    for (const [name, { size, durable, cache, pending }] of this.#files) {
      const written = pending.map((write) => ({ ...write, done: true }));
      const pages = { durable: new Map(durable), cache: new Map(cache) };
      disk.#files.set(name, { size, ...pages, pending: written });
    }
    return disk;
  }

  list(): string[] {
    return [...this.#files.keys()].sort();
  }

  open(name: string): DiskFile | null {
    const state = this.#files.get(name);
    return state ? new FaultyFile(this, name, state) : null;
  }

  create(name: string, size: number): DiskFile {
    if (this.#files.has(name)) throw error("EEXIST", `${name} is there already`);
    const used = [...this.#files.values()].reduce((sum, file) => sum + file.size, 0);
    const fault = this.#point("create", name, 0, size);
    if (fault === "full" || used + size > (this.options.capacity ?? Infinity)) {
      throw new Error(`There is no room for ${name} (${size} bytes): make room.`);
    }
    if (fault) throw error("EIO", `creating ${name} failed`);
    const state: FileState = { size, durable: new Map(), cache: new Map(), pending: [] };
    if (!this.#cut) this.#files.set(name, state);
    return new FaultyFile(this, name, state);
  }

  /** Turns bits of a file over where it lies: a worn card, a cosmic ray. */
  damage(name: string, offset: number, mask = 1): void {
    const state = this.#files.get(name);
    if (!state) throw new Error(`there is no ${name}`);
    for (const pages of [state.durable, state.cache]) {
      const page = pages.get(Math.floor(offset / PAGE_SIZE)) ?? new Uint8Array(PAGE_SIZE);
      writePages(pages, offset, Uint8Array.of(page[offset % PAGE_SIZE]! ^ mask));
    }
  }

  /** A file is gone, or ends after so many bytes. */
  truncate(name: string, size: number): void {
    const state = this.#files.get(name);
    this.#files.delete(name);
    if (!state || size === 0) return;
    this.#files.set(name, { ...state, size });
  }

  #point(kind: Point["kind"], file: string, offset: number, length: number): Fault | null {
    this.#points += 1;
    if (kind === "write") this.bytesWritten += length;
    if (kind === "sync") this.syncs += 1;
    const point = { number: this.#points, kind, file, offset, length };
    return this.options.onPoint?.(point, this) ?? null;
  }

  /** One asynchronous operation: a point, a while, its result unless the power is gone by then. */
  operate(
    kind: "write" | "sync",
    file: string,
    offset: number,
    length: number,
    done: (fault: Fault | null) => void,
  ): void {
    if (this.#cut) return;
    const fault = this.#point(kind, file, offset, length);
    const { later, writeMs, syncMs } = this.options;
    const ms = kind === "write" ? (writeMs?.() ?? 1) : (syncMs?.() ?? 5);
    later(ms, () => {
      if (!this.#cut) done(fault);
    });
  }
}
