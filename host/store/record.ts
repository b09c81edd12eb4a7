// Host records: what the core does not journal itself, in the same 64 bytes with the same checksum
// as its records, with kinds from 0x80. Which account and asset has which index, possible claims in
// detail, and evidence. FORMAT.md has every field.
import { RecordRecord as R } from "../abi.js";
import { RECORD_SIZE, readU32 } from "./block.js";
import { crc32c } from "../crc32c.js";

export enum HostKind {
  /** Code and scale of an asset. */
  Asset = 0x80,
  /** Id and asset of an account; long ids go on in further records with the same index. */
  Name = 0x81,
  /** When an account's possible claims arose. */
  ClaimsSince = 0x82,
  /** A hold of an earlier life without an outcome; its condition follows. */
  Claim = 0x83,
  ClaimCondition = 0x84,
  /** Which sides of a claim are open from now on. */
  ClaimSides = 0x85,
  /** A genuine Fulfill that came too late; its preimage and condition follow. */
  Evidence = 0x88,
  EvidencePreimage = 0x89,
  EvidenceCondition = 0x8a,
}

/** Bits of a claim's open sides. */
export enum OpenSide {
  /** What the account it came from may owe us. */
  Owed = 1,
  /** What we may owe the account it went to. */
  Owing = 2,
}

export interface AssetName {
  index: number;
  code: string;
  scale: number;
}

export interface AccountName {
  index: number;
  id: string;
  /** Made by an open token. */
  open: boolean;
  asset: number;
}

/** An account's possible claims as they were when the newest of them arose, at a start. */
export interface ClaimsSince {
  /** Wall-clock milliseconds. */
  atMs: number;
  owed: bigint;
  owing: bigint;
}

/** A hold of an earlier life, outcome unknown. Times are wall-clock milliseconds. */
export interface Claim {
  /** Counts over the life of the data folder. */
  number: number;
  inAccount: number;
  outAccount: number;
  amountIn: bigint;
  amountOut: bigint;
  heldAtMs: number;
  /** When its outgoing Prepare expired. */
  deadlineMs: number;
  condition: Uint8Array;
  /** `OpenSide` bits. */
  sides: number;
}

/** A Fulfill that moved nothing because it came too late. */
export interface Evidence {
  number: number;
  /** Who fulfilled, and where the packet had come from. */
  outAccount: number;
  inAccount: number;
  amountOut: bigint;
  amountIn: bigint;
  /** Expiry of the outgoing Prepare and when the Fulfill came; wall-clock milliseconds. */
  deadlineMs: number;
  atMs: number;
  preimage: Uint8Array;
  condition: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Bytes of an id in its first record and in each further one. */
const ID_FIRST = 44;
const ID_MORE = 48;

function begin(kind: HostKind, index: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(RECORD_SIZE);
  const view = new DataView(bytes.buffer);
  bytes[R.kind] = kind;
  view.setUint16(R.index, index, true);
  return { bytes, view };
}

function seal(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(R.crc, 0, true);
  view.setUint32(R.crc, crc32c(bytes), true);
  return bytes;
}

const scratch = new Uint8Array(RECORD_SIZE);

/** Is the record's own checksum right? Holds for the core's records too. */
export function isSealed(record: Uint8Array): boolean {
  scratch.set(record);
  scratch.fill(0, R.crc, R.crc + 4);
  return crc32c(scratch) === readU32(record, R.crc);
}

export function viewOf(record: Uint8Array): DataView {
  return new DataView(record.buffer, record.byteOffset, RECORD_SIZE);
}

export function kindOf(record: Uint8Array): number {
  return record[R.kind]!;
}

export function indexOf(record: Uint8Array): number {
  return record[R.index]! | (record[R.index + 1]! << 8);
}

export function u64(record: Uint8Array, at: number): bigint {
  return viewOf(record).getBigUint64(at, true);
}

export function writeAsset({ index, code, scale }: AssetName): Uint8Array {
  const { bytes } = begin(HostKind.Asset, index);
  const text = encoder.encode(code);
  bytes[R.a] = scale;
  bytes[R.a + 1] = text.length;
  bytes.set(text, R.a + 2);
  return seal(bytes);
}

export function readAsset(record: Uint8Array): AssetName {
  const text = record.subarray(R.a + 2, R.a + 2 + record[R.a + 1]!);
  return { index: indexOf(record), code: decoder.decode(text), scale: record[R.a]! };
}

/** One record, or more for an id of over 44 bytes. */
export function writeName({ index, id, open, asset }: AccountName): Uint8Array[] {
  const text = encoder.encode(id);
  const first = begin(HostKind.Name, index);
  first.bytes[R.flags] = open ? 1 : 0;
  first.view.setUint16(R.a, asset, true);
  first.bytes[R.a + 2] = text.length;
  first.bytes.set(text.subarray(0, ID_FIRST), R.a + 4);
  const records = [seal(first.bytes)];
  for (let at = ID_FIRST; at < text.length; at += ID_MORE) {
    const { bytes, view } = begin(HostKind.Name, index);
    view.setBigUint64(R.sequence, BigInt(records.length), true);
    bytes.set(text.subarray(at, at + ID_MORE), R.a);
    records.push(seal(bytes));
  }
  return records;
}

/** Puts a name together from its records, one by one; null until the last of them. */
export class NameReader {
  #first: Uint8Array | null = null;
  #text = new Uint8Array(0);
  #used = 0;

  add(record: Uint8Array): AccountName | null {
    if (u64(record, R.sequence) === 0n) {
      this.#first = record;
      this.#text = new Uint8Array(record[R.a + 2]!);
      this.#used = 0;
      this.#take(record.subarray(R.a + 4, R.a + 4 + ID_FIRST));
    } else this.#take(record.subarray(R.a, R.a + ID_MORE));
    if (!this.#first || this.#used < this.#text.length) return null;
    const asset = viewOf(this.#first).getUint16(R.a, true);
    const open = this.#first[R.flags] === 1;
    return { index: indexOf(this.#first), id: decoder.decode(this.#text), open, asset };
  }

  #take(part: Uint8Array): void {
    const bytes = part.subarray(0, this.#text.length - this.#used);
    this.#text.set(bytes, this.#used);
    this.#used += bytes.length;
  }
}

export function writeClaimsSince(index: number, since: ClaimsSince): Uint8Array {
  const { bytes, view } = begin(HostKind.ClaimsSince, index);
  view.setBigUint64(R.a, BigInt(since.atMs), true);
  view.setBigUint64(R.b, since.owed, true);
  view.setBigUint64(R.c, since.owing, true);
  return seal(bytes);
}

export function readClaimsSince(record: Uint8Array): ClaimsSince {
  return {
    atMs: Number(u64(record, R.a)),
    owed: u64(record, R.b),
    owing: u64(record, R.c),
  };
}

export function writeClaim(claim: Claim): Uint8Array[] {
  const first = begin(HostKind.Claim, claim.inAccount);
  first.bytes[R.flags] = claim.sides;
  first.view.setBigUint64(R.sequence, BigInt(claim.number), true);
  first.view.setBigUint64(R.a, claim.amountIn, true);
  first.view.setBigUint64(R.b, claim.amountOut, true);
  first.view.setBigUint64(R.c, BigInt(claim.deadlineMs), true);
  first.view.setBigUint64(R.d, BigInt(claim.heldAtMs), true);
  const second = begin(HostKind.ClaimCondition, claim.outAccount);
  second.view.setBigUint64(R.sequence, BigInt(claim.number), true);
  second.bytes.set(claim.condition, R.a);
  return [seal(first.bytes), seal(second.bytes)];
}

export function readClaim(first: Uint8Array, second: Uint8Array): Claim {
  return {
    number: Number(u64(first, R.sequence)),
    inAccount: indexOf(first),
    outAccount: indexOf(second),
    amountIn: u64(first, R.a),
    amountOut: u64(first, R.b),
    deadlineMs: Number(u64(first, R.c)),
    heldAtMs: Number(u64(first, R.d)),
    condition: second.slice(R.a, R.a + 32),
    sides: first[R.flags]!,
  };
}

export function writeClaimSides(number: number, sides: number): Uint8Array {
  const { bytes, view } = begin(HostKind.ClaimSides, 0);
  bytes[R.flags] = sides;
  view.setBigUint64(R.sequence, BigInt(number), true);
  return seal(bytes);
}

export function writeEvidence(evidence: Evidence): Uint8Array[] {
  const first = begin(HostKind.Evidence, evidence.outAccount);
  first.view.setBigUint64(R.a, evidence.amountOut, true);
  first.view.setBigUint64(R.b, evidence.amountIn, true);
  first.view.setBigUint64(R.c, BigInt(evidence.deadlineMs), true);
  first.view.setBigUint64(R.d, BigInt(evidence.atMs), true);
  const preimage = begin(HostKind.EvidencePreimage, evidence.inAccount);
  preimage.bytes.set(evidence.preimage, R.a);
  const condition = begin(HostKind.EvidenceCondition, evidence.inAccount);
  condition.bytes.set(evidence.condition, R.a);
  return [first, preimage, condition].map(({ bytes, view }) => {
    view.setBigUint64(R.sequence, BigInt(evidence.number), true);
    return seal(bytes);
  });
}

export function readEvidence([first, second, third]: readonly Uint8Array[]): Evidence {
  return {
    number: Number(u64(first!, R.sequence)),
    outAccount: indexOf(first!),
    inAccount: indexOf(second!),
    amountOut: u64(first!, R.a),
    amountIn: u64(first!, R.b),
    deadlineMs: Number(u64(first!, R.c)),
    atMs: Number(u64(first!, R.d)),
    preimage: second!.slice(R.a, R.a + 32),
    condition: third!.slice(R.a, R.a + 32),
  };
}
