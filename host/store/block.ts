// Blocks: what is written at once and is good or bad as a whole. A batch of the journal and a
// snapshot have the same form: a header of 64 bytes, records of 64 bytes, zeros up to a page. The
// bytes are specified in FORMAT.md.
import { createHash } from "node:crypto";
import { crc32c } from "../crc32c.js";
import { PAGE_SIZE } from "./disk.js";

/** Bytes of a record and of a block's header. */
export const RECORD_SIZE = 64;
export const HEADER_SIZE = 64;
export const HASH_SIZE = 16;
/** Stands before the first block there ever was. */
export const NO_HASH = new Uint8Array(HASH_SIZE);
/** Newest version of the format; older ones stay readable. */
export const FORMAT_VERSION = 1;

const MAGIC = { batch: 0x424a5246, snapshot: 0x4e535246 } as const; // "FRJB", "FRSN"
export type BlockKind = keyof typeof MAGIC;

/** When something was written: the core's monotonic clock and the system's wall clock. */
export interface Stamp {
  readonly nowMs: number;
  readonly wallMs: number;
}

export interface Block extends Stamp {
  readonly kind: BlockKind;
  /** A snapshot begins an epoch; the batches that follow it carry the same number. */
  readonly epoch: number;
  /** Of a batch: one more than the one before. Of a snapshot: the last batch it contains. */
  readonly sequence: number;
  /** Hash of the block before: a batch's chain begins at its epoch's snapshot. */
  readonly previous: Uint8Array;
  /** Names the books a block belongs to; 0 in blocks of versions that had no name for them. */
  readonly identity: number;
  readonly records: readonly Uint8Array[];
}

export interface ReadBlock extends Block {
  readonly hash: Uint8Array;
  /** Bytes on the disk, whole pages. */
  readonly size: number;
}

/** Why bytes are no block: never written, or damaged (torn, flipped, foreign). */
export type NoBlock = "blank" | "damaged";

/** Bytes on the disk of a block with so many records. */
export function blockSize(count: number): number {
  return Math.ceil((HEADER_SIZE + count * RECORD_SIZE) / PAGE_SIZE) * PAGE_SIZE;
}

export function blockHash(covered: Uint8Array): Uint8Array {
  return createHash("sha256").update(covered).digest().subarray(0, HASH_SIZE);
}

/** The block's bytes, padded to whole pages, and its hash. */
export function writeBlock(block: Block): { bytes: Uint8Array; hash: Uint8Array } {
  const { records } = block;
  const bytes = new Uint8Array(blockSize(records.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC[block.kind], true);
  view.setUint16(4, FORMAT_VERSION, true);
  view.setUint32(8, block.epoch, true);
  view.setUint32(12, records.length, true);
  view.setBigUint64(16, BigInt(block.sequence), true);
  view.setBigUint64(24, BigInt(block.wallMs), true);
  view.setBigUint64(32, BigInt(block.nowMs), true);
  view.setUint32(44, block.identity, true);
  bytes.set(block.previous, 48);
  records.forEach((record, i) => bytes.set(record, HEADER_SIZE + i * RECORD_SIZE));
  const covered = bytes.subarray(0, HEADER_SIZE + records.length * RECORD_SIZE);
  view.setUint32(40, crc32c(covered), true);
  return { bytes, hash: blockHash(covered) };
}

/** The bytes of a snapshot that stands by itself: a backup, or books put into a folder. */
export function writeWhole(books: Omit<Block, "kind" | "previous">): Uint8Array {
  return writeBlock({ ...books, kind: "snapshot", previous: NO_HASH }).bytes;
}

/** Does a block of this kind seem to begin here? Says nothing about the rest of it. */
export function hasMagic(bytes: Uint8Array, offset: number, kind: BlockKind): boolean {
  return bytes.length >= offset + 4 && readU32(bytes, offset) === MAGIC[kind];
}

/** For each packet's records as well: makes no view. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}

/** Epoch in the header of something that seems to begin here, whole or not. */
export function claimedEpoch(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset + 8);
}

/** Bytes of something that seems to begin at the start of this page, whole or not. */
export function claimedSize(page: Uint8Array, kind: BlockKind): number {
  return hasMagic(page, 0, kind) ? blockSize(readU32(page, 12)) : page.length;
}

/**
 * The block at an offset of a file's bytes. Throws a sentence when a good block is of a version
 * that this Ferrule does not know.
 */
export function readBlock(bytes: Uint8Array, offset: number, kind: BlockKind): ReadBlock | NoBlock {
  const room = bytes.length - offset;
  if (room < HEADER_SIZE) return "blank";
  if (!hasMagic(bytes, offset, kind)) {
    const page = bytes.subarray(offset, offset + Math.min(room, PAGE_SIZE));
    return page.every((byte) => byte === 0) ? "blank" : "damaged";
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, room);
  const count = view.getUint32(12, true);
  if (count > (room - HEADER_SIZE) / RECORD_SIZE) return "damaged";
  const covered = bytes.slice(offset, offset + HEADER_SIZE + count * RECORD_SIZE);
  covered.fill(0, 40, 44);
  const crc = view.getUint32(40, true);
  if (crc32c(covered) !== crc) return "damaged";
  const version = view.getUint16(4, true);
  if (version > FORMAT_VERSION) {
    throw new Error(
      `The data was written in format ${version}, this Ferrule reads up to ${FORMAT_VERSION}: ` +
        "use the newer Ferrule that wrote it.",
    );
  }
  new DataView(covered.buffer).setUint32(40, crc, true);
  const records: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const from = HEADER_SIZE + i * RECORD_SIZE;
    records.push(covered.subarray(from, from + RECORD_SIZE));
  }
  return {
    kind,
    epoch: view.getUint32(8, true),
    sequence: Number(view.getBigUint64(16, true)),
    wallMs: Number(view.getBigUint64(24, true)),
    nowMs: Number(view.getBigUint64(32, true)),
    identity: view.getUint32(44, true),
    previous: covered.subarray(48, 48 + HASH_SIZE),
    records,
    hash: blockHash(covered),
    size: blockSize(count),
  };
}
