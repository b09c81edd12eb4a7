// Possible claims: packets that were on hold when the node ended, outcome unknown. The core keeps
// their sums as part of what is pending; this keeps what is known of each and ends them: when the
// next hop shows in time that it was fulfilled, when the operator says so, or by age.
// Also keeps evidence: genuine Fulfills that came too late and moved nothing.
import { createHash } from "node:crypto";
import { ClaimSide, type Core } from "./core.js";
import type { Bookkeeper } from "./bookkeeper.js";
import type { Cancel, Clock } from "./clock.js";
import type { ClaimPolicy } from "./config/index.js";
import type { Log } from "./log.js";
import type { AccountEntry, Registry } from "./registry.js";
import {
  OpenSide,
  writeClaimSides,
  writeClaimsSince,
  writeEvidence,
  type Claim,
  type Evidence,
} from "./store/record.js";

/** `owed`: what the account may owe us; `owing`: what we may owe it. */
export type Side = "owed" | "owing";

export interface ClaimsDeps {
  readonly core: Core;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly books: Bookkeeper;
  readonly policy: ClaimPolicy;
  /** Runs a mutation of the core and drains it. */
  mutate(run: () => void): void;
}

/** An account's possible claims. */
export interface AccountClaims {
  readonly entry: AccountEntry;
  readonly owed: bigint;
  readonly owing: bigint;
  /** When the newest of them arose, wall-clock milliseconds. */
  readonly sinceMs: number;
  /** Packets that are known one by one; the sums may hold more. */
  readonly packets: readonly Claim[];
}

const CORE_SIDES = { owed: ClaimSide.Debits, owing: ClaimSide.Credits } as const;
const OPEN_SIDES = { owed: OpenSide.Owed, owing: OpenSide.Owing } as const;
const DAY_MS = 86_400_000;

export class Claims {
  readonly #deps: ClaimsDeps;
  /** By number. */
  readonly #packets = new Map<number, Claim>();
  /** Packets of which we may owe something; several may have one condition. */
  readonly #byCondition = new Map<string, Claim[]>();
  #timer: Cancel | null = null;

  constructor(deps: ClaimsDeps) {
    this.#deps = deps;
  }

  /** Takes over what the store has found. */
  open(): void {
    const image = this.#deps.books.store?.image;
    for (const claim of image?.claims.values() ?? []) {
      const packet = { ...claim };
      this.#packets.set(claim.number, packet);
      const condition = hex(claim.condition);
      const others = this.#byCondition.get(condition) ?? [];
      this.#byCondition.set(condition, [...others, packet]);
    }
    const accounts = this.list();
    for (const { entry, owed, owing } of accounts) {
      this.#deps.log.warn("packets were in flight when the node ended: possible claims", {
        account: entry.id,
        owed,
        owing,
      });
    }
    if (accounts.length > 0) this.#expire();
  }

  close(): void {
    this.#timer?.();
    this.#timer = null;
  }

  /** Packets that are known one by one. */
  get kept(): number {
    return Math.max(this.#packets.size, this.#byCondition.size);
  }

  /** Accounts with open claims. */
  list(): AccountClaims[] {
    return this.#deps.registry
      .list()
      .map((entry) => this.of(entry))
      .filter(({ owed, owing }) => owed > 0n || owing > 0n);
  }

  of(entry: AccountEntry): AccountClaims {
    const { core, books } = this.#deps;
    const { claimDebits: owed, claimCredits: owing } = core.account(entry.index);
    const sinceMs = books.store?.image.accounts.get(entry.index)?.claimsSince?.atMs ?? 0;
    const packets = [...this.#packets.values()].filter(
      (claim) => sideOf(claim, entry.index, "owed") || sideOf(claim, entry.index, "owing"),
    );
    return { entry, owed, owing, sinceMs, packets };
  }

  /**
   * Until when a Fulfill can still settle a known packet on that side, wall-clock milliseconds; 0
   * when none can. What is resolved by sum before then could be posted once more by the Fulfill.
   */
  answerableUntil(entry: AccountEntry, side: Side): number {
    if (side === "owed") return 0;
    let last = 0;
    for (const { deadlineMs } of this.#openOn(entry.index, side)) last = Math.max(last, deadlineMs);
    return last > this.#deps.clock.wallMs() ? last : 0;
  }

  /** Packets that are open on a side of an account, oldest first. */
  #openOn(index: number, side: Side): Claim[] {
    return [...this.#packets.values()].filter((claim) => sideOf(claim, index, side));
  }

  /** Late Fulfills, oldest first. */
  evidence(): readonly Evidence[] {
    return this.#deps.books.store?.image.evidence ?? [];
  }

  /**
   * Ends an amount of an account's claims: it was right and is posted, or it was void. Not before
   * `answerableUntil`, unless what became of every packet is known.
   * Throws CoreError Unbalanced when less is open.
   */
  resolve(entry: AccountEntry, side: Side, post: boolean, amount: bigint): void {
    const { core, log } = this.#deps;
    const coreSide = CORE_SIDES[side];
    this.#deps.mutate(() => {
      if (post) core.postClaim(entry.index, coreSide, amount);
      else core.voidClaim(entry.index, coreSide, amount);
    });
    const left = this.of(entry)[side];
    // The oldest packets that fit are taken to be the ones meant; all when nothing is left open.
    let rest = amount;
    for (const claim of this.#openOn(entry.index, side)) {
      const value = valueOf(claim, side);
      if (left > 0n && value > rest) continue;
      rest -= value;
      this.#closeSide(claim, side);
    }
    // And as many more as it takes for the others not to be worth more than what is left open.
    const open = this.#openOn(entry.index, side);
    let known = open.reduce((sum, one) => sum + valueOf(one, side), 0n);
    for (const claim of open) {
      if (known <= left) break;
      known -= valueOf(claim, side);
      this.#closeSide(claim, side);
    }
    this.#noteRest(entry.index);
    log.info(post ? "claim posted" : "claim voided", { account: entry.id, side, amount });
  }

  /** What is still open keeps its age; what a later life adds must not inherit that. */
  #noteRest(index: number): void {
    const { core, books } = this.#deps;
    const since = books.store?.image.accounts.get(index)?.claimsSince;
    if (!since) return;
    const { claimDebits: owed, claimCredits: owing } = core.account(index);
    books.note([writeClaimsSince(index, { atMs: since.atMs, owed, owing })]);
  }

  #closeSide(claim: Claim, side: Side): void {
    claim.sides &= ~OPEN_SIDES[side];
    if (claim.sides === 0) this.#packets.delete(claim.number);
    if ((claim.sides & OpenSide.Owing) === 0) this.#forget(claim);
    this.#deps.books.note([writeClaimSides(claim.number, claim.sides)]);
  }

  /** A Fulfill has nothing more to say about a packet. */
  #forget(claim: Claim): void {
    const condition = hex(claim.condition);
    const others = this.#byCondition.get(condition)?.filter((other) => other !== claim) ?? [];
    if (others.length > 0) this.#byCondition.set(condition, others);
    else this.#byCondition.delete(condition);
  }

  /** A Fulfill to nothing in flight came in. */
  unsolicited(account: number, packet: Uint8Array): void {
    if (this.#byCondition.size === 0) return;
    const { core } = this.#deps;
    core.input.set(packet);
    const reply = core.inspectPacket(packet.length);
    if (reply?.type === "fulfill") this.#fulfilled(account, reply.fulfillment);
  }

  /** A Fulfill from `account` for a packet of `source` that had expired, by the core's id. */
  late(account: number, source: number, id: number, packet: Uint8Array): void {
    const { core, clock, log, registry } = this.#deps;
    const flight = core.flight(id);
    // A Fulfill's fulfillment is the first thing in its contents, behind a length of 1 to 3 bytes.
    const content = packet[1]! < 128 ? 2 : 2 + (packet[1]! & 127);
    if (!flight) return;
    log.warn("fulfill came too late, kept as evidence", {
      account: registry.byIndex(account)?.id,
      source: registry.byIndex(source)?.id,
      amount: flight.amountOut,
    });
    this.#keep({
      outAccount: account,
      inAccount: source,
      amountOut: flight.amountOut,
      amountIn: flight.amountIn,
      deadlineMs: flight.deadlineMs - clock.nowMs() + clock.wallMs(),
      preimage: packet.slice(content, content + 32),
      condition: flight.condition,
    });
  }

  /**
   * A Fulfill for nothing in flight came from an account. If it opens the condition of a packet of
   * an earlier life, it is evidence; before that packet's expiry it also settles what we owe. One
   * Fulfill is for one packet, the oldest.
   */
  #fulfilled(account: number, preimage: Uint8Array): void {
    const condition = createHash("sha256").update(preimage).digest();
    const known = this.#byCondition.get(condition.toString("hex"));
    const claim = known?.find(({ outAccount }) => outAccount === account);
    if (!claim) return;
    const { clock, core, log } = this.#deps;
    // A clock that nobody has set says of nothing that it came in time.
    const isInTime = clock.isSet?.() !== false && clock.wallMs() < claim.deadlineMs;
    this.#forget(claim);
    const { outAccount, inAccount, amountOut, amountIn, deadlineMs } = claim;
    this.#keep({
      ...{ outAccount, inAccount, amountOut, amountIn, deadlineMs },
      ...{ preimage, condition },
    });
    const id = this.#deps.registry.byIndex(account)?.id;
    const fields = { account: id, amount: claim.amountOut };
    if (!isInTime) return log.warn("fulfill of an earlier life came too late", fields);
    const { claimCredits } = core.account(account);
    if (claimCredits < claim.amountOut) return;
    this.#deps.mutate(() => core.postClaim(account, ClaimSide.Credits, claim.amountOut));
    this.#closeSide(claim, "owing");
    this.#noteRest(account);
    log.info("claim settled by a fulfill in time", fields);
  }

  /** Keeps a genuine Fulfill as evidence. */
  #keep(about: Omit<Evidence, "number" | "atMs">): void {
    const { books, clock } = this.#deps;
    const image = books.store?.image;
    if (!image) return;
    image.evidenceNumber += 1;
    const evidence = { ...about, number: image.evidenceNumber, atMs: clock.wallMs() };
    books.note(writeEvidence(evidence));
  }

  /** Voids what is too old, and waits for the next. */
  #expire(): void {
    const { clock, policy } = this.#deps;
    this.#timer = null;
    if (policy.expiryMs === 0) return;
    let wait = Infinity;
    for (const { entry, owed, owing, sinceMs } of this.list()) {
      const left = sinceMs + policy.expiryMs - clock.wallMs();
      if (left > 0) {
        wait = Math.min(wait, left);
        continue;
      }
      if (owed > 0n) this.resolve(entry, "owed", false, owed);
      if (owing > 0n && policy.owing === "void") this.resolve(entry, "owing", false, owing);
    }
    if (wait === Infinity) return;
    this.#timer = clock.after(Math.min(wait, DAY_MS), () => this.#expire(), true);
  }
}

function sideOf(claim: Claim, account: number, side: Side): boolean {
  const index = side === "owed" ? claim.inAccount : claim.outAccount;
  return index === account && (claim.sides & OPEN_SIDES[side]) !== 0;
}

function valueOf(claim: Claim, side: Side): bigint {
  return side === "owed" ? claim.amountIn : claim.amountOut;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
