// The image: everything the store knows, put together from records. The running node keeps one to
// take snapshots of, recovery builds one from a snapshot and the journal, tools read one; all by
// the same `apply`, so that what a snapshot says is what replaying the journal says.
import { RecordKind, RecordRecord as R } from "../abi.js";
import { RECORD_SIZE, readU32, type Stamp } from "./block.js";
import {
  HostKind,
  NameReader,
  indexOf,
  isSealed,
  kindOf,
  readAsset,
  readClaimsSince,
  readClaim,
  readEvidence,
  u64,
  viewOf,
  writeAsset,
  writeClaim,
  writeClaimsSince,
  writeEvidence,
  writeName,
  type AccountName,
  type AssetName,
  type Claim,
  type ClaimsSince,
  type Evidence,
} from "./record.js";

/** Late Fulfills kept: the newest. */
export const EVIDENCE_MAX = 1024;
/** Parts of a snapshot's room that details of claims and late Fulfills may take. */
const CLAIMS_SHARE = 1 / 4;
const EVIDENCE_SHARE = 1 / 8;
/** Records of one of each. */
const CLAIM_RECORDS = 2;
const EVIDENCE_RECORDS = 3;

/** What was let go for want of room, since the start. */
export interface Dropped {
  claims: number;
  evidence: number;
}

export interface ImageAsset extends AssetName {
  /** The core's newest commit records. */
  income: Uint8Array | null;
  settlement: Uint8Array | null;
}

export interface ImageAccount extends AccountName {
  sums: Uint8Array | null;
  /** Null: it had no possible claims at start. */
  claimsSince: ClaimsSince | null;
}

const NO_PARTS: readonly Uint8Array[] = [];

/** A packet in flight, as the trail has it. Its deadline is on the core's clock of that life. */
export interface ImageHold {
  readonly hold: Uint8Array;
  readonly condition: Uint8Array;
}

/** The request id that the records of one packet in flight have in common. */
function requestOf(record: Uint8Array): number {
  const at = kindOf(record) === (RecordKind.HoldCondition as number) ? R.e : R.e + 4;
  return readU32(record, at);
}

export class Image {
  readonly assets = new Map<number, ImageAsset>();
  readonly accounts = new Map<number, ImageAccount>();
  /** By the core's request id. */
  readonly holds = new Map<number, ImageHold>();
  readonly claims = new Map<number, Claim>();
  readonly evidence: Evidence[] = [];
  /** Highest number given so far. */
  claimNumber = 0;
  evidenceNumber = 0;
  readonly dropped: Dropped = { claims: 0, evidence: 0 };
  #evidenceMax = EVIDENCE_MAX;
  readonly #names = new NameReader();
  /** First records of something that takes several. */
  #parts: readonly Uint8Array[] = NO_PARTS;

  /** Applies one record. Throws a sentence when it does not follow from those before it. */
  apply(record: Uint8Array): void {
    if (!isSealed(record)) throw new Error("A record's checksum is wrong.");
    const kind = kindOf(record);
    const index = indexOf(record);
    switch (kind) {
      case RecordKind.Account:
        this.#accountAt(index).sums = record;
        break;
      case RecordKind.Income:
        this.#assetAt(index).income = record;
        break;
      case RecordKind.Settlement:
        this.#assetAt(index).settlement = record;
        break;
      case RecordKind.Post:
      case RecordKind.Void:
      case RecordKind.Expire:
        this.holds.delete(requestOf(record));
        break;
      case HostKind.Asset:
        this.assets.set(index, { income: null, settlement: null, ...readAsset(record) });
        break;
      case HostKind.Name:
        this.#applyName(record);
        break;
      case HostKind.ClaimsSince:
        this.#setSince(index, record);
        break;
      case HostKind.ClaimSides:
        this.#setSides(Number(u64(record, R.sequence)), record[R.flags]!);
        break;
      default:
        this.#applyParts(kind, record);
    }
  }

  /**
   * Keeps details of claims and late Fulfills to their share of a snapshot of `bytes`, from now on:
   * peers bring them about, and without it could fill the books until the node stops. The oldest
   * go. The sums of claims are in their accounts' records and stay.
   */
  limit(bytes: number): void {
    const records = bytes / RECORD_SIZE;
    this.#evidenceMax = Math.floor((records * EVIDENCE_SHARE) / EVIDENCE_RECORDS);
    this.#evidenceMax = Math.min(EVIDENCE_MAX, this.#evidenceMax);
    while (this.evidence.length > this.#evidenceMax) this.#dropEvidence();
    const claims = Math.floor((records * CLAIMS_SHARE) / CLAIM_RECORDS);
    for (const number of this.claims.keys()) {
      if (this.claims.size <= claims) break;
      this.claims.delete(number);
      this.dropped.claims += 1;
    }
  }

  #dropEvidence(): void {
    this.evidence.shift();
    this.dropped.evidence += 1;
  }

  /** Everything as records that build the same image. */
  records(): Uint8Array[] {
    const records: Uint8Array[] = [];
    for (const asset of this.assets.values()) {
      records.push(writeAsset(asset));
      if (asset.income) records.push(asset.income);
      if (asset.settlement) records.push(asset.settlement);
    }
    for (const account of this.accounts.values()) {
      records.push(...writeName(account));
      if (account.sums) records.push(account.sums);
      const { index, claimsSince } = account;
      if (claimsSince) records.push(writeClaimsSince(index, claimsSince));
    }
    for (const { hold, condition } of this.holds.values()) records.push(hold, condition);
    for (const claim of this.claims.values()) records.push(...writeClaim(claim));
    for (const evidence of this.evidence) records.push(...writeEvidence(evidence));
    return records;
  }

  /** Holds of the life that has ended become possible claims. `stamp`: both clocks of that life. */
  endLife({ nowMs, wallMs }: Stamp): void {
    for (const { hold, condition } of this.holds.values()) {
      // Without value there is nothing to claim, and nobody would ever end it.
      if (u64(hold, R.a) === 0n && u64(hold, R.b) === 0n) continue;
      this.claimNumber += 1;
      this.claims.set(this.claimNumber, {
        number: this.claimNumber,
        inAccount: indexOf(hold),
        outAccount: viewOf(hold).getUint16(R.e, true),
        amountIn: u64(hold, R.a),
        amountOut: u64(hold, R.b),
        deadlineMs: Number(u64(hold, R.c)) - nowMs + wallMs,
        heldAtMs: Number(u64(hold, R.f)) - nowMs + wallMs,
        condition: condition.slice(R.a, R.a + 32),
        sides: 3,
      });
    }
    this.holds.clear();
    for (const account of this.accounts.values()) {
      const owed = account.sums ? u64(account.sums, R.e) : 0n;
      const owing = account.sums ? u64(account.sums, R.f) : 0n;
      const before = account.claimsSince;
      // What was a claim before this life already keeps its age.
      const isOlder = before !== null && owed <= before.owed && owing <= before.owing;
      if (owed === 0n && owing === 0n) account.claimsSince = null;
      else if (!isOlder) account.claimsSince = { atMs: wallMs, owed, owing };
    }
  }

  #assetAt(index: number): ImageAsset {
    const asset = this.assets.get(index);
    if (!asset) throw new Error(`There are sums of asset ${index}, but not which asset it is.`);
    return asset;
  }

  #accountAt(index: number): ImageAccount {
    const account = this.accounts.get(index);
    if (!account) throw new Error(`There are sums of account ${index}, but not whose it is.`);
    return account;
  }

  #applyName(record: Uint8Array): void {
    const name = this.#names.add(record);
    if (!name) return;
    const known = this.accounts.get(name.index);
    if (known) Object.assign(known, name);
    else this.accounts.set(name.index, { ...name, sums: null, claimsSince: null });
  }

  #setSince(index: number, record: Uint8Array): void {
    const since = readClaimsSince(record);
    const isOpen = since.owed > 0n || since.owing > 0n;
    this.#accountAt(index).claimsSince = isOpen ? since : null;
  }

  #setSides(number: number, sides: number): void {
    const claim = this.claims.get(number);
    if (claim && sides !== 0) claim.sides = sides;
    else this.claims.delete(number);
  }

  /** Records that come in twos and threes. */
  #applyParts(kind: number, record: Uint8Array): void {
    const parts = this.#parts;
    this.#parts = NO_PARTS;
    const first = parts[0];
    const firstKind = first ? kindOf(first) : 0;
    if (
      kind === (RecordKind.HoldCondition as number) &&
      firstKind === (RecordKind.Hold as number)
    ) {
      this.holds.set(requestOf(record), { hold: first!, condition: record });
    } else if (kind === (HostKind.ClaimCondition as number)) {
      const claim = readClaim(first!, record);
      this.claims.set(claim.number, claim);
      this.claimNumber = Math.max(this.claimNumber, claim.number);
    } else if (kind === (HostKind.EvidenceCondition as number) && parts.length === 2) {
      const evidence = readEvidence([...parts, record]);
      this.evidenceNumber = Math.max(this.evidenceNumber, evidence.number);
      if (this.evidence.push(evidence) > this.#evidenceMax) this.#dropEvidence();
    } else if (isFirstPart(kind) || kind === (HostKind.EvidencePreimage as number)) {
      this.#parts = [...parts, record];
    } else throw new Error(`A record of kind ${kind} is unknown or stands where it cannot.`);
  }
}

function isFirstPart(kind: number): boolean {
  return (
    kind === (RecordKind.Hold as number) ||
    kind === (HostKind.Claim as number) ||
    kind === (HostKind.Evidence as number)
  );
}
