// A board's report of itself, and the other status frames by which an operator speaks to it:
// boards/mcu/README.md has the format.
import { createHmac } from "node:crypto";
import { Counter } from "../abi.js";

/** Second byte of an answer that is not a report or a challenge. */
export const BoardOutcome = {
  Done: 0,
  NotAllowed: 1,
  Malformed: 2,
  Older: 3,
  NotWritten: 4,
  Unknown: 5,
} as const;

const VERSION = 2;
const HEAD_SIZE = 48;
const LINE_SIZE = 16;
const ASSET_SIZE = 3;
const ACCOUNT_SIZE = 64;
const SETTLE_MAGIC = 0x4c545346;
export const BOARD_KEY_SIZE = 32;

export const BOARD_STATES = [
  "running",
  "no settings",
  "no time yet",
  "books damaged or of other accounts",
  "settings refused by the core",
  "the flash refuses the books",
  "no address yet",
] as const;
export const BOARD_RESETS = ["power", "watchdog", "trap", "setup"] as const;
export const BOARD_JOURNALS = ["none", "ok", "damaged", "of other accounts", "refused"] as const;
/** Where its address comes from, or why it has none. */
export const BOARD_ADDRESSES = [
  "known",
  "the parent has not answered",
  "the parent gives none",
  "the parent's account is in another asset",
  "the parent is of another network",
] as const;

export interface BoardLineReport {
  /** Null: the line carries no packets. */
  account: number | null;
  overruns: number;
  dropped: number;
  faults: number;
}

export interface BoardAccount {
  index: number;
  id: string;
  /** A `Relation`. */
  relation: number;
  /** Bits of `AccountFlag`. */
  flags: number;
  assetCode: string;
  assetScale: number;
  /** Base units; positive is what its owner owes the board. */
  balance: bigint;
  debitsPending: bigint;
  creditsPending: bigint;
  /** What is to be paid to its owner, base units; 0: nothing. */
  settlementDue: bigint;
}

export interface BoardReport {
  /** Index into BOARD_STATES. */
  state: number;
  resetCause: number;
  boots: number;
  uptimeMs: number;
  /** 0 before anybody has told it the time. */
  wallMs: number;
  /** First 8 bytes of the SHA-256 of its core, hexadecimal. */
  core: string;
  revision: number;
  commits: number;
  journal: number;
  address: number;
  lines: BoardLineReport[];
  counters: Record<string, bigint>;
  accounts: BoardAccount[];
}

/** Reads what it is asked for in order; running out of bytes is an error that says so. */
class Cursor {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(size: number): Buffer {
    const part = this.bytes.subarray(this.at, this.at + size);
    if (part.length < size) throw new Error("The board's report ends too early.");
    this.at += size;
    return part;
  }

  text(size: number): string {
    return this.take(size).toString("utf8");
  }
}

function wide(bytes: Buffer, at: number): bigint {
  return bytes.readBigUInt64LE(at) | (bytes.readBigUInt64LE(at + 8) << 64n);
}

function readLine(cursor: Cursor): BoardLineReport {
  const bytes = cursor.take(LINE_SIZE);
  const account = bytes.readInt32LE(0);
  return {
    account: account < 0 ? null : account,
    overruns: bytes.readUInt32LE(4),
    dropped: bytes.readUInt32LE(8),
    faults: bytes.readUInt32LE(12),
  };
}

type Asset = Pick<BoardAccount, "assetCode" | "assetScale">;

function readAccount(cursor: Cursor, assets: ReadonlyMap<number, Asset>): BoardAccount {
  const bytes = cursor.take(ACCOUNT_SIZE);
  return {
    index: bytes.readUInt16LE(0),
    id: cursor.text(bytes[3]!),
    relation: bytes[4]!,
    flags: bytes.readUInt16LE(6),
    ...(assets.get(bytes[2]!) ?? { assetCode: "?", assetScale: 0 }),
    balance: wide(bytes, 8) - wide(bytes, 24),
    debitsPending: bytes.readBigUInt64LE(40),
    creditsPending: bytes.readBigUInt64LE(48),
    settlementDue: bytes.readBigUInt64LE(56),
  };
}

/** Reads the answer to `BoardOp.Report`. Throws a sentence when it is none. */
export function readBoardReport(payload: Uint8Array): BoardReport {
  const cursor = new Cursor(payload);
  if (payload[1] !== VERSION) {
    throw new Error(
      `The board reports in version ${payload[1] ?? 0}, this Ferrule reads version ${VERSION}: ` +
        "use the Ferrule that its firmware came with.",
    );
  }
  const head = cursor.take(HEAD_SIZE);
  const times = <T>(count: number, read: () => T): T[] => Array.from({ length: count }, read);
  const lines = times(head[41]!, () => readLine(cursor));
  const counters = times(head[42]!, () => cursor.take(8).readBigUInt64LE(0));
  const assets = times(head[44]!, () => {
    const [index, assetScale, size] = cursor.take(ASSET_SIZE) as unknown as [
      number,
      number,
      number,
    ];
    return [index, { assetCode: cursor.text(size), assetScale }] as const;
  });
  const byIndex = new Map(assets);
  const accounts = times(head[43]!, () => readAccount(cursor, byIndex));
  if (cursor.at !== payload.length) throw new Error("The board's report is longer than it says.");
  return {
    state: head[2]!,
    resetCause: head[3]!,
    boots: head.readUInt32LE(4),
    uptimeMs: Number(head.readBigUInt64LE(8)),
    wallMs: Number(head.readBigUInt64LE(16)),
    core: head.toString("hex", 24, 32),
    revision: head.readUInt32LE(32),
    commits: head.readUInt32LE(36),
    journal: head[40]!,
    address: head[45]!,
    lines,
    counters: Object.fromEntries(counters.map((n, i) => [Counter[i] ?? `Counter${i}`, n])),
    accounts,
  };
}

/** Body of a setup or settlement: proof that the key is known, and what it is about. */
export function signForBoard(key: Uint8Array, challenge: Uint8Array, message: Uint8Array): Buffer {
  const mac = createHmac("sha256", key).update(challenge).update(message).digest();
  return Buffer.concat([mac, message]);
}

/** What is signed to book a settlement of `amount` base units. `paid`: to the account's owner. */
export function boardSettlement(account: number, paid: boolean, amount: bigint): Buffer {
  const message = Buffer.alloc(16);
  message.writeUInt32LE(SETTLE_MAGIC, 0);
  message.writeUInt16LE(account, 4);
  message[6] = paid ? 1 : 0;
  message.writeBigUInt64LE(amount, 8);
  return message;
}
