// The books on disk: every account's and asset's sums as the core's own commit records, with the
// ids they belong to. Two files written in turn, each replaced as a whole and synced, so that a cut
// at any moment leaves at least the older one. FORMAT: one JSON object per file, `checksum` =
// SHA-256 of the rest. What a cut can cost is the time since the last save (`commitPeriodMs`).
import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

const VERSION = 1;
const SLOTS = ["books-a.json", "books-b.json"] as const;

export interface SavedAccount {
  index: number;
  id: string;
  open: boolean;
  assetCode: string;
  assetScale: number;
  /** The core's commit record, base64. */
  record: string;
}

export interface SavedAsset {
  index: number;
  code: string;
  scale: number;
  income: string;
  settlement: string;
}

export interface Books {
  accounts: SavedAccount[];
  assets: SavedAsset[];
}

interface File extends Books {
  version: number;
  sequence: number;
  checksum: string;
}

function checksum(file: Omit<File, "checksum">): string {
  return createHash("sha256").update(JSON.stringify(file)).digest("hex");
}

/** One slot's books; null when the file is not there. Throws a sentence when it is damaged. */
function readSlot(path: string): File | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const { checksum: sum, ...file } = JSON.parse(text) as File;
    if (file.version === VERSION && checksum(file) === sum) return { ...file, checksum: sum };
  } catch {
    // Not JSON: damaged, said below.
  }
  throw new Error(`${path} is damaged or of another version.`);
}

export class BookStore {
  readonly #folder: string;
  #sequence = 0;

  /** `folder` is made if it is missing, readable by its owner only. */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /**
   * The newest good books, null when there are none. Throws a sentence when both slots are damaged:
   * balances are never guessed.
   */
  load(): Books | null {
    const files: File[] = [];
    const damage: string[] = [];
    for (const slot of SLOTS) {
      try {
        const file = readSlot(join(this.#folder, slot));
        if (file) files.push(file);
      } catch (error) {
        damage.push((error as Error).message);
      }
    }
    if (files.length === 0 && damage.length > 0) {
      throw new Error(`${damage.join(" ")} Move the files away to start with empty books.`);
    }
    const newest = files.sort((a, b) => b.sequence - a.sequence)[0];
    if (!newest) return null;
    this.#sequence = newest.sequence;
    return { accounts: newest.accounts, assets: newest.assets };
  }

  /** Replaces the older slot. Throws when the disk refuses; the newer slot is untouched then. */
  save(books: Books): void {
    const sequence = this.#sequence + 1;
    const file = { version: VERSION, sequence, accounts: books.accounts, assets: books.assets };
    const path = join(this.#folder, SLOTS[sequence % 2]!);
    const draft = `${path}.new`;
    const fd = openSync(draft, "w", 0o600);
    try {
      writeSync(fd, JSON.stringify({ ...file, checksum: checksum(file) }));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, path);
    this.#syncFolder();
    this.#sequence = sequence;
  }

  #syncFolder(): void {
    const fd = openSync(this.#folder, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}
