// What the books can say about themselves: how they are kept, what a power cut could cost now,
// possible claims and evidence, as plain values that go into JSON. Amounts are decimal strings.
import type { Connector } from "./connector.js";
import type { Claim, Evidence } from "./store/record.js";
import { SYNC_BUCKETS_MS } from "./store/store.js";
import { describeAmount } from "./admin/amount.js";

export interface StoreReport {
  durability: "group" | "strict";
  trail: boolean;
  commitPeriodMs: number;
  epoch: number;
  sequence: number;
  journalUsed: number;
  journalSize: number;
  batches: number;
  snapshots: number;
  bytesWritten: number;
  syncs: number;
  /** Half of the syncs, and 99 in 100, took at most so long; null: longer than every bucket. */
  syncP50Ms: number | null;
  syncP99Ms: number | null;
  /** What was found at start. */
  recovered: { batches: number; records: number; torn: string | null };
  /** Why nothing is written any more. */
  failure: string | null;
}

function quantile(buckets: readonly number[], part: number): number | null {
  const all = buckets.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (const [i, count] of buckets.entries()) {
    below += count;
    if (below >= all * part) return SYNC_BUCKETS_MS[i] ?? null;
  }
  return null;
}

/** Null when the books are in memory only. */
export function reportStore({ books, config }: Connector): StoreReport | null {
  const { store } = books;
  if (!store) return null;
  const { syncBuckets, syncMs: _, ...facts } = store.facts;
  return {
    durability: config.durability,
    trail: config.trail || config.durability === "strict",
    commitPeriodMs: config.commitPeriodMs,
    ...facts,
    syncP50Ms: quantile(syncBuckets, 0.5),
    syncP99Ms: quantile(syncBuckets, 0.99),
    recovered: {
      batches: store.recovery.batches,
      records: store.recovery.records,
      torn: store.recovery.torn,
    },
    failure: books.failure?.message ?? null,
  };
}

export interface ClaimReport {
  account: string;
  assetCode: string;
  assetScale: number;
  /** What they may owe you, and what you may owe them. */
  owed: string;
  owedText: string;
  owing: string;
  owingText: string;
  /** When the newest of them arose; null when that is not known. */
  since: string | null;
  /** When what they may owe becomes void by itself; null: never. */
  voidAt: string | null;
  packets: PacketClaimReport[];
}

export interface PacketClaimReport {
  number: number;
  from: string;
  to: string;
  amountIn: string;
  amountOut: string;
  heldAt: string;
  expiredAt: string;
  condition: string;
  /** Sides still open. */
  owed: boolean;
  owing: boolean;
}

function nameOf({ registry }: Connector, index: number): string {
  return registry.byIndex(index)?.id ?? `account ${index}`;
}

const timeText = (ms: number): string => new Date(ms).toISOString();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function reportPacket(connector: Connector, claim: Claim): PacketClaimReport {
  return {
    number: claim.number,
    from: nameOf(connector, claim.inAccount),
    to: nameOf(connector, claim.outAccount),
    amountIn: claim.amountIn.toString(),
    amountOut: claim.amountOut.toString(),
    heldAt: timeText(claim.heldAtMs),
    expiredAt: timeText(claim.deadlineMs),
    condition: hex(claim.condition),
    owed: (claim.sides & 1) !== 0,
    owing: (claim.sides & 2) !== 0,
  };
}

/** Accounts with possible claims. */
export function reportClaims(connector: Connector): ClaimReport[] {
  const { expiryMs } = connector.config.claims;
  return connector.claims.list().map(({ entry, owed, owing, sinceMs, packets }) => ({
    account: entry.id,
    assetCode: entry.assetCode,
    assetScale: entry.assetScale,
    owed: owed.toString(),
    owedText: describeAmount(owed, entry),
    owing: owing.toString(),
    owingText: describeAmount(owing, entry),
    since: sinceMs > 0 ? timeText(sinceMs) : null,
    voidAt: sinceMs > 0 && expiryMs > 0 ? timeText(sinceMs + expiryMs) : null,
    packets: packets.map((claim) => reportPacket(connector, claim)),
  }));
}

export interface EvidenceReport {
  number: number;
  /** Who fulfilled too late, and whose packet it was. */
  account: string;
  source: string;
  amount: string;
  sourceAmount: string;
  expiredAt: string;
  cameAt: string;
  condition: string;
  fulfillment: string;
}

/** Late Fulfills, oldest first: SHA-256 of `fulfillment` is `condition`. */
export function reportEvidence(connector: Connector): EvidenceReport[] {
  return connector.claims.evidence().map((evidence: Evidence) => ({
    number: evidence.number,
    account: nameOf(connector, evidence.outAccount),
    source: nameOf(connector, evidence.inAccount),
    amount: evidence.amountOut.toString(),
    sourceAmount: evidence.amountIn.toString(),
    expiredAt: timeText(evidence.deadlineMs),
    cameAt: timeText(evidence.atMs),
    condition: hex(evidence.condition),
    fulfillment: hex(evidence.preimage),
  }));
}
