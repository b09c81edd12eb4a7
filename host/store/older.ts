// The books of versions before the journal: one JSON object in two files written in turn. Read
// once, as records for a new store, and kept under another name when that is durable.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { writeAsset, writeName } from "./record.js";

const VERSION = 1;
const FILES = ["books-a.json", "books-b.json"] as const;

interface Books {
  version: number;
  sequence: number;
  checksum: string;
  accounts: {
    index: number;
    id: string;
    open: boolean;
    assetCode: string;
    assetScale: number;
    /** The core's commit record, base64. */
    record: string;
  }[];
  assets: { index: number; code: string; scale: number; income: string; settlement: string }[];
}

function readBooks(path: string): Books | null {
  if (!existsSync(path)) return null;
  try {
    const { checksum, ...rest } = JSON.parse(readFileSync(path, "utf8")) as Books;
    const sum = createHash("sha256").update(JSON.stringify(rest)).digest("hex");
    if (rest.version === VERSION && sum === checksum) return { ...rest, checksum };
  } catch {
    // Not JSON: damaged, said below.
  }
  throw new Error(`${path} is damaged or of another version.`);
}

/**
 * The newest good books in a folder, as records; none when there are no such files. Throws a
 * sentence when both are damaged: balances are never guessed.
 */
export function readOlderBooks(folder: string): Uint8Array[] {
  const found: Books[] = [];
  const damage: string[] = [];
  for (const name of FILES) {
    try {
      const books = readBooks(join(folder, name));
      if (books) found.push(books);
    } catch (error) {
      damage.push((error as Error).message);
    }
  }
  if (found.length === 0 && damage.length > 0) {
    throw new Error(`${damage.join(" ")} Move the files away to start with empty books.`);
  }
  const newest = found.sort((a, b) => b.sequence - a.sequence)[0];
  if (!newest) return [];
  const sums = (text: string): Uint8Array[] => (text ? [new Uint8Array(Buffer.from(text, "base64"))] : []);
  const records: Uint8Array[] = [];
  for (const asset of newest.assets) {
    records.push(writeAsset(asset), ...sums(asset.income), ...sums(asset.settlement));
  }
  for (const account of newest.accounts) {
    const { index, id, open, assetCode, assetScale } = account;
    const isSame = (a: { code: string; scale: number }): boolean =>
      a.code === assetCode && a.scale === assetScale;
    const asset = newest.assets.find(isSame)?.index ?? 0;
    records.push(...writeName({ index, id, open, asset }), ...sums(account.record));
  }
  return records;
}

/** Puts the files aside. */
export function retireOlderBooks(folder: string): void {
  for (const name of FILES) {
    const path = join(folder, name);
    if (existsSync(path)) renameSync(path, `${path}.migrated`);
  }
}
