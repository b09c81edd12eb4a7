// Blocks and records in words, for `replay`, and the checks of `replay --verify`.
import { RecordKind, RecordRecord as R } from "../abi.js";
import type { ReadBlock } from "./block.js";
import type { Image } from "./image.js";
import { HostKind, indexOf, kindOf, u64, viewOf } from "./record.js";

/** A 128-bit sum, low half first. */
export function wide(record: Uint8Array, at: number): bigint {
  return (u64(record, at + 8) << 64n) | u64(record, at);
}

/** One line for a record; `name` gives an account's id. */
export function describeRecord(record: Uint8Array, name: (index: number) => string): string {
  const kind = kindOf(record);
  const index = indexOf(record);
  const to = (): string => name(viewOf(record).getUint16(R.e, true));
  const request = (): number => viewOf(record).getUint32(R.e + 4, true);
  switch (kind) {
    case RecordKind.Account: {
      const balance = wide(record, R.a) - wide(record, R.c);
      const pending = `pending in ${u64(record, R.e)}, out ${u64(record, R.f)}`;
      return `account ${name(index)}: balance ${balance}, ${pending}`;
    }
    case RecordKind.Income:
    case RecordKind.Settlement: {
      const what = kind === (RecordKind.Income as number) ? "income" : "settlement";
      return `asset ${index}: ${what} ${wide(record, R.c) - wide(record, R.a)}`;
    }
    case RecordKind.Hold:
      return `hold ${request()}: ${name(index)} ${u64(record, R.a)} to ${to()} ${u64(record, R.b)}`;
    case RecordKind.HoldCondition:
    case HostKind.ClaimCondition:
    case HostKind.EvidenceCondition:
      return `  condition ${Buffer.from(record.subarray(R.a, R.a + 32)).toString("hex")}`;
    case RecordKind.Post:
    case RecordKind.Void:
    case RecordKind.Expire: {
      const what = RecordKind[kind].toLowerCase();
      const amounts = `${name(index)} ${u64(record, R.a)} to ${to()} ${u64(record, R.b)}`;
      return `${what} ${request()}: ${amounts}`;
    }
    case HostKind.Claim:
      return `claim ${u64(record, R.sequence)}: from ${name(index)} ${u64(record, R.a)}`;
    case HostKind.ClaimSides:
      return `claim ${u64(record, R.sequence)}: open sides ${record[R.flags]}`;
    case HostKind.EvidencePreimage:
      return `  fulfillment ${Buffer.from(record.subarray(R.a, R.a + 32)).toString("hex")}`;
    default:
      return `${(HostKind[kind] ?? RecordKind[kind] ?? `kind ${kind}`).toLowerCase()} ${index}`;
  }
}

interface Sums {
  debits: bigint;
  credits: bigint;
}

/**
 * Checks blocks as they are applied: in every asset the books add up after each of them, and where
 * the trail is on, what it says was posted is what the sums moved by.
 */
export class Verifier {
  readonly faults: string[] = [];
  /** Posts of the trail that were compared. */
  posts = 0;
  #before = new Map<number, Sums>();
  /** Ids of this life whose hold the journal has, so that the trail is known to be whole. */
  #hasTrail = false;

  check(block: ReadBlock, image: Image): void {
    this.#checkAssets(block, image);
    const moved = this.#trailOf(block);
    const explained = block.records.some((record) => {
      const kind = kindOf(record);
      return kind === (HostKind.ClaimSides as number) || kind === (HostKind.ClaimsSince as number);
    });
    for (const record of block.records) {
      if (kindOf(record) !== (RecordKind.Account as number)) continue;
      const index = indexOf(record);
      const sums = { debits: wide(record, R.a), credits: wide(record, R.c) };
      const before = this.#before.get(index) ?? { debits: 0n, credits: 0n };
      this.#before.set(index, sums);
      if (block.kind === "snapshot" || explained || !this.#hasTrail) continue;
      const said = moved.get(index) ?? { debits: 0n, credits: 0n };
      const same =
        sums.debits - before.debits === said.debits &&
        sums.credits - before.credits === said.credits;
      if (!same) {
        const id = image.accounts.get(index)?.id ?? index;
        this.faults.push(
          `Batch ${block.sequence}: the trail moves ${id} by ${said.debits - said.credits}, ` +
            `the sums by ${sums.debits - before.debits - (sums.credits - before.credits)}.`,
        );
      }
    }
  }

  #trailOf(block: ReadBlock): Map<number, Sums> {
    const moved = new Map<number, Sums>();
    const at = (index: number): Sums => {
      const sums = moved.get(index) ?? { debits: 0n, credits: 0n };
      moved.set(index, sums);
      return sums;
    };
    for (const record of block.records) {
      const kind = kindOf(record) as RecordKind;
      if (kind === RecordKind.Hold) this.#hasTrail = true;
      if (kind !== RecordKind.Post) continue;
      this.posts += 1;
      at(indexOf(record)).debits += u64(record, R.a);
      at(viewOf(record).getUint16(R.e, true)).credits += u64(record, R.b);
    }
    return moved;
  }

  #checkAssets(block: ReadBlock, image: Image): void {
    for (const asset of image.assets.values()) {
      let sum = 0n;
      for (const sums of [asset.income, asset.settlement]) {
        if (sums) sum += wide(sums, R.a) - wide(sums, R.c);
      }
      for (const account of image.accounts.values()) {
        if (account.asset !== asset.index || !account.sums) continue;
        sum += wide(account.sums, R.a) - wide(account.sums, R.c);
      }
      if (sum !== 0n) {
        this.faults.push(`After ${block.kind} ${block.sequence} ${asset.code} is off by ${sum}.`);
      }
    }
  }
}
