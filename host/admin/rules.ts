// The core's rules in words, with the limit that decided and the value that met it. One entry per
// rule of the ABI: the compiler refuses a table with a gap.
import type { Rule } from "../abi.js";
import { describeAmount, type Unit } from "./amount.js";

export type RuleName = keyof typeof Rule;

/** An account as far as a sentence needs it. */
export interface Party extends Unit {
  readonly id: string;
}

export interface Facts {
  readonly account: Party;
  readonly next: Party | null;
  /** "" when no reject was made. */
  readonly code: string;
  readonly limit: bigint;
  readonly value: bigint;
}

type Sentence = (facts: Facts) => string;

const id = (party: Party | null): string => party?.id ?? "the next account";

function money(amount: bigint, party: Party | null): string {
  return party ? describeAmount(amount, party) : `${amount} base units`;
}

function time(ms: bigint): string {
  const date = new Date(Number(ms));
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}

/** What is over a limit of the account the packet comes from, before anything is forwarded. */
const SOURCE = {
  InvalidPacket: ({ account }) => `${account.id} sent bytes that are not a valid ILP packet.`,
  UnexpectedType: ({ account }) => `${account.id} sent a packet that is not a Prepare.`,
  NodeDraining: () => "The node is shutting down and takes no new packets.",
  ClockUnset: () => "The node does not know the time yet.",
  AccountFrozen: ({ account }) => `${account.id} is frozen: unfreeze it to take its packets.`,
  RateLimit: ({ account, limit }) =>
    `${account.id} has sent more packets than its rateLimit allows (refillCount ${limit}).`,
  MaxPacketAmount: ({ account, limit, value }) =>
    `${money(value, account)} in one packet is more than maxPacketAmount of ${account.id}, ` +
    `${money(limit, account)}.`,
  ThroughputIn: ({ account, limit, value }) =>
    `${money(value, account)} is more than throughput.incomingAmount of ${account.id} leaves ` +
    `now, ${money(limit, account)}.`,
  BalanceMaximum: ({ account, limit, value }) =>
    `${account.id} would owe up to ${money(value, account)}, more than its balance.maximum of ` +
    `${money(limit, account)}.`,
  InFlightCount: ({ account, limit, value }) =>
    `${account.id} has ${value} packets in flight; its maxInFlight is ${limit}.`,
  InFlightAmount: ({ account, limit, value }) =>
    `${account.id} already has ${money(value, account)} in flight; with this packet it would be ` +
    `more than its maxInFlightAmount of ${money(limit, account)}.`,
  ValueAtRisk: ({ account, limit, value }) =>
    `A power cut now could lose ${money(value, account)} from ${account.id}, in flight or not ` +
    `yet on disk; with this packet it would be more than its limit of ${money(limit, account)}.`,
  PeerProtocol: () => "The destination is a peer protocol that this node does not know.",
  PeerCondition: () => "A peer protocol request must have amount 0 and the fixed condition.",
  IldcpRefused: ({ account }) =>
    `${account.id} asked for an address, but only children of a node with an address get one.`,
  IldcpAnswered: ({ account }) => `${account.id} was told its address.`,
} satisfies Partial<Record<RuleName, Sentence>>;

/** Where the packet would go, at what price, in what time. */
const PATH = {
  Forwarded: ({ next }) => `The packet goes to ${id(next)}.`,
  Scheme: () => "The destination belongs to another network than this node's address.",
  NoRoute: () => "There is no route to the destination, and no default route.",
  Reflection: ({ account }) =>
    `The route leads back to ${account.id}, where the packet came from; reflectPayments is off.`,
  NextFrozen: ({ next }) => `${id(next)} is frozen: unfreeze it to send packets to it.`,
  LinkDown: ({ next }) => `${id(next)} is not connected.`,
  LinkBusy: ({ next }) => `The connection to ${id(next)} is congested.`,
  NoRate: ({ account, next }) =>
    `There is no rate from ${account.assetCode} to ${next?.assetCode ?? "the next asset"}: ` +
    "add a [[rates]] entry.",
  RateOverflow: () => "The amount at this rate is more than a packet can say (64 bits).",
  RoundsToZero: () => "The amount is so small that nothing is left of it at this rate.",
  Expired: ({ limit, value }) => `The packet expired at ${time(value)}; it is ${time(limit)} now.`,
  ExpiresSoon: ({ limit, value }) =>
    `The packet expires at ${time(value)}; with minMessageWindow on both sides it must not ` +
    `before ${time(limit)}.`,
} satisfies Partial<Record<RuleName, Sentence>>;

/** What is over a limit of the account the packet would go to. */
const NEXT = {
  MaxPacketAmountOut: ({ next, limit, value }) =>
    `${money(value, next)} in one packet is more than maxPacketAmountOut of ${id(next)}, ` +
    `${money(limit, next)}.`,
  ThroughputOut: ({ next, limit, value }) =>
    `${money(value, next)} is more than throughput.outgoingAmount of ${id(next)} leaves now, ` +
    `${money(limit, next)}.`,
  BalanceMinimum: ({ next, limit, value }) =>
    `The balance of ${id(next)} could fall to ${money(value, next)}, below its balance.minimum ` +
    `of ${money(limit, next)}.`,
  NextInFlightCount: ({ next, limit, value }) =>
    `${value} packets are in flight to ${id(next)}; its maxInFlight is ${limit}.`,
  NextInFlightAmount: ({ next, limit, value }) =>
    `${money(value, next)} is in flight to ${id(next)} already; with this packet it would be ` +
    `more than its maxInFlightAmount of ${money(limit, next)}.`,
  Loop: ({ limit, value }) =>
    `${value} packets like this are on their way already, ${limit} are allowed: a routing loop.`,
  TableFull: () => "The node has as many packets in flight as it can hold.",
} satisfies Partial<Record<RuleName, Sentence>>;

/** What came back, or did not. */
const REPLY = {
  Timeout: ({ next, code }) =>
    code === ""
      ? `${id(next)} fulfilled after the packet had expired: it may claim this amount.`
      : `${id(next)} did not answer in time.`,
  WrongFulfillment: ({ next }) => `${id(next)} sent a fulfillment that does not fit.`,
  PeerRejected: ({ next, code }) => `${id(next)} rejected the packet with ${code}.`,
  InvalidReply: ({ next }) => `${id(next)} answered with bytes that are not a reply.`,
  LinkFailed: ({ next }) => `The packet could not be sent to ${id(next)}.`,
} satisfies Partial<Record<RuleName, Sentence>>;

const SENTENCES: Readonly<Record<RuleName, Sentence>> = { ...SOURCE, ...PATH, ...NEXT, ...REPLY };

/** Why the core decided as it did, as a sentence for its operator (not for peers). */
export function describeRule(rule: RuleName, facts: Facts): string {
  return SENTENCES[rule](facts);
}

/** Rules whose limit and value are signed: 64 bits of them are read as such. */
export const SIGNED_RULES: ReadonlySet<RuleName> = new Set(["BalanceMaximum", "BalanceMinimum"]);
