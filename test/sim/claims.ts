// Possible claims of a node, packet by packet: what the shadow knows of them, and what an operator
// who asks the peer is told.
import type { Hop } from "./hop.js";
import type { Flight } from "./watch.js";

export type ClaimSide = "owed" | "owing";
export const SIDES: readonly ClaimSide[] = ["owed", "owing"];

/** A packet that was on hold when a process of its node ended. */
export interface OpenClaim {
  readonly flight: Flight;
  /** Sides that nobody has ended yet. */
  owed: boolean;
  owing: boolean;
  /** Wall-clock time of its node at the commit that it came back from. */
  readonly sinceMs: number;
}

/** What an operator tells a node. */
export interface Resolution {
  account: number;
  side: ClaimSide;
  posts: boolean;
  amount: bigint;
  claims: OpenClaim[];
}

/** The packet on the wire that a side of a claim is about; null when there is none. */
export function hopOf({ flight }: OpenClaim, side: ClaimSide): Hop | null {
  return side === "owed" ? flight.inHop : flight.outHop;
}

export function accountOf({ flight }: OpenClaim, side: ClaimSide): number {
  return side === "owed" ? flight.inAccount : flight.outAccount;
}

export function amountOf({ flight }: OpenClaim, side: ClaimSide): bigint {
  return side === "owed" ? flight.amountIn : flight.amountOut;
}

/** Open claims of one side of one account. */
export function claimsOf(all: OpenClaim[], account: number, side: ClaimSide): OpenClaim[] {
  return all.filter((claim) => claim[side] && accountOf(claim, side) === account);
}

export function sumOf(claims: readonly OpenClaim[], side: ClaimSide): bigint {
  return claims.reduce((sum, claim) => sum + amountOf(claim, side), 0n);
}

/** Is this node's book of the packet what its peer's is? */
export function agrees(hop: Hop): boolean {
  return hop.upBooked === hop.downBooked > 0;
}
