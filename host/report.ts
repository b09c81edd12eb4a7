// What a running connector can say about itself, as plain values that go into JSON. Amounts are
// decimal strings in base units, with the same in words beside them; no floating point is involved.
// Counts of packets are numbers.
import { AccountFlag, Counter, LOCAL_ACCOUNT, Relation } from "./core.js";
import type { CoreEvent } from "./core.js";
import { reportStore, type StoreReport } from "./books-report.js";
import type { Connector, RouteEntry } from "./connector.js";
import { packagedFiles } from "./files.js";
import type { AccountEntry } from "./registry.js";
import {
  describeAmount,
  describeBalance,
  describeDuration,
  describeOwnBalance,
  describeRate,
} from "./admin/amount.js";
import { describeRule, SIGNED_RULES, type Party, type RuleName } from "./admin/rules.js";

/** Version of this package. */
export function readVersion(): string {
  for (const bytes of packagedFiles("package.json")) {
    const about = JSON.parse(new TextDecoder().decode(bytes)) as {
      name?: string;
      version?: string;
    };
    if (about.name === "ferrule" && about.version !== undefined) return about.version;
  }
  return "unknown";
}

// ---- status

export interface StatusReport {
  /**
   * `ok`, `failing`: the disk refuses, `draining`, or `waiting`: for the clock, or for an address
   * from a parent.
   */
  state: "ok" | "failing" | "draining" | "waiting";
  /** All of it in one line. */
  line: string;
  address: string | null;
  version: string;
  coreSha256: string;
  startedAt: string;
  uptimeMs: number;
  dataDir: string;
  configFile: string | null;
  env: string;
  listening: { kind: string; url: string }[];
  /** Links that are up; the node's own account is none. */
  links: number;
  /** Configured accounts whose link is down. */
  linksDown: string[];
  accounts: number;
  inFlight: number;
  packets: Record<PacketCount, number>;
  /** Accounts with possible claims. */
  claims: number;
  /** Null: the books are in memory only. */
  store: StoreReport | null;
}

/** Packets since the start, by what became of them. */
export const PACKET_COUNTS = {
  prepared: Counter.Prepares,
  forwarded: Counter.Forwards,
  fulfilled: Counter.Fulfills,
  rejected: Counter.Rejects,
  refused: Counter.Refusals,
  expired: Counter.Expiries,
  late: Counter.LateFulfills,
  wrongFulfillments: Counter.WrongFulfillments,
  unsolicited: Counter.Unsolicited,
  duplicates: Counter.Duplicates,
  badFrames: Counter.BadFrames,
} as const satisfies Record<string, Counter>;
export type PacketCount = keyof typeof PACKET_COUNTS;

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function isUp(connector: Connector, entry: AccountEntry): boolean {
  return (connector.core.account(entry.index).flags & AccountFlag.Linked) !== 0;
}

function countPackets(connector: Connector): Record<PacketCount, number> {
  const counts = Object.entries(PACKET_COUNTS).map(([name, counter]) => [
    name,
    Number(connector.core.counter(counter)),
  ]);
  return Object.fromEntries(counts) as Record<PacketCount, number>;
}

/** The node as a whole. */
export function reportStatus(connector: Connector): StatusReport {
  const { config, registry, core, address } = connector;
  const others = registry.list().filter(({ index }) => index !== LOCAL_ACCOUNT);
  const links = others.filter((entry) => isUp(connector, entry)).length;
  const down = others.filter((entry) => entry.config && !isUp(connector, entry));
  const inFlight = registry
    .list()
    .reduce((sum, { index }) => sum + core.account(index).flightsIn, 0);
  const packets = countPackets(connector);
  const claims = connector.claims.list().length;
  const state = connector.books.failure
    ? "failing"
    : connector.isDraining
      ? "draining"
      : address === null || !connector.isClockSet
        ? "waiting"
        : "ok";
  const parts = [
    `${plural(links, "link")}${down.length > 0 ? ` (${down.length} down)` : ""}`,
    address === null ? "no address yet" : `address ${address}`,
    plural(others.length, "account"),
    `${inFlight} in flight`,
    `${packets.fulfilled} fulfilled`,
    `${packets.rejected + packets.refused} rejected`,
  ];
  if (!connector.isClockSet) parts.unshift("clock not set yet");
  if (packets.expired > 0) parts.push(`${packets.expired} expired`);
  if (packets.late > 0) parts.push(`${packets.late} late`);
  if (claims > 0) parts.push(`possible claims of ${plural(claims, "account")}`);
  if (connector.books.failure) parts.push("the disk refuses");
  return {
    state,
    line: `${state} ${parts.join(", ")}`,
    address,
    version: readVersion(),
    coreSha256: connector.coreHash,
    startedAt: new Date(connector.startedAtMs).toISOString(),
    uptimeMs: connector.wallMs() - connector.startedAtMs,
    dataDir: config.dataDir,
    configFile: config.file,
    env: config.env,
    listening: connector.listening.map(({ kind, url }) => ({ kind, url })),
    links,
    linksDown: down.map(({ id }) => id),
    accounts: others.length,
    inFlight,
    packets,
    claims,
    store: reportStore(connector),
  };
}

/** Why the node takes no packets, as a sentence; null when it does. */
export function whyNotReady(connector: Connector): string | null {
  if (connector.books.failure) return "The disk has failed.";
  if (connector.isDraining) return "The node is shutting down.";
  if (connector.address === null) return "The node has no address yet.";
  return connector.isClockSet ? null : "The clock is not set yet.";
}

// ---- accounts

export interface AccountReport {
  id: string;
  relation: "local" | "parent" | "peer" | "child";
  assetCode: string;
  assetScale: number;
  /** Of a child; null for others. */
  address: string | null;
  link: "up" | "down" | "congested";
  /** What carries it, e.g. `BTP 127.0.0.1:53412`; null when nothing does. */
  linkText: string | null;
  frozen: boolean;
  /** Positive: they owe you. */
  balance: string;
  balanceText: string;
  /** Amounts in flight from it and to it: not in the balance yet. */
  pendingIn: string;
  pendingOut: string;
  inFlightIn: number;
  inFlightOut: number;
  /** Part of the above that was in flight in an earlier life, outcome unknown. */
  claimOwed: string;
  claimOwing: string;
  /** Fulfilled from it and not on disk yet: what a power cut would lose now. */
  atRisk: string;
  atRiskText: string;
  maxAtRisk: string | null;
  /** Null: unlimited. */
  balanceMinimum: string | null;
  balanceMaximum: string | null;
  /** Made by an open token. */
  open: boolean;
  packets: Record<"inFulfilled" | "inRejected" | MeterOut | "rateLimited", number>;
}
type MeterOut = "outFulfilled" | "outRejected" | "outExpired" | "outWrong";

const RELATIONS = {
  [Relation.Local]: "local",
  [Relation.Parent]: "parent",
  [Relation.Peer]: "peer",
  [Relation.Child]: "child",
} as const;

function countMeter(connector: Connector, index: number): AccountReport["packets"] {
  const meter = connector.core.meter(index);
  const counts = Object.entries(meter).map(([name, count]) => [name, Number(count)]);
  return Object.fromEntries(counts) as AccountReport["packets"];
}

/** One account as it stands. */
export function reportAccount(connector: Connector, entry: AccountEntry): AccountReport {
  const { config, core, address } = connector;
  const { index, id, relation, assetCode, assetScale, open, segment } = entry;
  const state = core.account(index);
  const limits = entry.config?.balance ?? (open ? config.btp.open?.balance : undefined);
  const words = index === LOCAL_ACCOUNT ? describeOwnBalance : describeBalance;
  const congested = (state.flags & AccountFlag.Congested) !== 0;
  return {
    id,
    relation: RELATIONS[relation],
    assetCode,
    assetScale,
    address: address !== null && segment !== "" ? `${address}.${segment}` : null,
    link: !isUp(connector, entry) ? "down" : congested ? "congested" : "up",
    linkText: connector.linkOf(index)?.describe() ?? null,
    frozen: (state.flags & AccountFlag.Frozen) !== 0,
    balance: state.balance.toString(),
    balanceText: words(state.balance, entry),
    pendingIn: state.debitsPending.toString(),
    pendingOut: state.creditsPending.toString(),
    inFlightIn: state.flightsIn,
    inFlightOut: state.flightsOut,
    claimOwed: state.claimDebits.toString(),
    claimOwing: state.claimCredits.toString(),
    atRisk: state.atRisk.toString(),
    atRiskText: describeAmount(state.atRisk, entry),
    maxAtRisk: (entry.config ?? (open ? config.btp.open : null))?.maxAtRisk?.toString() ?? null,
    balanceMinimum: limits?.minimum?.toString() ?? null,
    balanceMaximum: limits?.maximum?.toString() ?? null,
    open,
    packets: countMeter(connector, index),
  };
}

/** Every account, the node's own first. */
export function reportAccounts(connector: Connector): AccountReport[] {
  return connector.registry.list().map((entry) => reportAccount(connector, entry));
}

// ---- routes and rates

/** Routes; the prefix of the default route is "". */
export function reportRoutes(connector: Connector): RouteEntry[] {
  return connector.routes();
}

export interface RateReport {
  from: { assetCode: string; assetScale: number };
  to: { assetCode: string; assetScale: number };
  /** Base units of `to` per base unit of `from`, before the spread. */
  numerator: string;
  denominator: string;
  /** Parts per 10^9 that this node keeps. */
  spreadPpb: number;
  /** The price after the spread. */
  text: string;
}

/** Every rate in use, with the spread it is applied with. */
export function reportRates({ config }: Connector): RateReport[] {
  const { spreadPpb } = config;
  return config.rateTable.map(({ from, to, numerator, denominator }) => ({
    from: { assetCode: from.assetCode, assetScale: from.assetScale },
    to: { assetCode: to.assetCode, assetScale: to.assetScale },
    numerator: numerator.toString(),
    denominator: denominator.toString(),
    spreadPpb: Number(spreadPpb),
    text: describeRate(from, to, { numerator, denominator }, spreadPpb),
  }));
}

// ---- events

export interface EventReport {
  sequence: number;
  time: string;
  rule: string;
  account: string;
  /** Account the packet would have gone to or came back from. */
  next: string | null;
  /** Reject code, "" when there was no reject. */
  code: string;
  amount: string;
  amountText: string;
  limit: string;
  value: string;
  text: string;
}

/** An account by index; one that was closed since keeps only its number. */
function partyOf(connector: Connector, index: number): Party {
  const entry = connector.registry.byIndex(index);
  return entry ?? { id: `account ${index}`, assetCode: "units", assetScale: 0 };
}

function reportEvent(connector: Connector, event: CoreEvent): EventReport {
  const rule = event.rule as RuleName;
  const account = partyOf(connector, event.account);
  const next = event.next === null ? null : partyOf(connector, event.next);
  const signed = (low: bigint): bigint => (SIGNED_RULES.has(rule) ? BigInt.asIntN(64, low) : low);
  const limit = signed(event.limit);
  const value = signed(event.value);
  // A late fulfill has no reject code and its amount is the one the next account may claim.
  const counted = rule === "Timeout" && event.code === "" ? (next ?? account) : account;
  return {
    sequence: Number(event.sequence),
    time: new Date(event.timeMs).toISOString(),
    rule,
    account: account.id,
    next: next?.id ?? null,
    code: event.code,
    amount: event.amount.toString(),
    amountText: describeAmount(event.amount, counted),
    limit: limit.toString(),
    value: value.toString(),
    text: describeRule(rule, { account, next, code: event.code, limit, value }),
  };
}

/** The newest events, newest first. */
export function reportEvents(connector: Connector, count: number): EventReport[] {
  return connector.core.events(count).map((event) => reportEvent(connector, event));
}

// ---- explain

export interface Explanation {
  forwarded: boolean;
  rule: string;
  account: string;
  destination: string;
  amount: string;
  /** Account it goes to, and the route that leads there; null when it does not get so far. */
  next: string | null;
  route: RouteEntry | null;
  /** What the next account is sent, in its base units; null when it does not get so far. */
  amountOut: string | null;
  rate: string | null;
  /** Time the packet comes with, and time the next account has for it. */
  expiresInMs: number;
  holdMs: number | null;
  /** Reject the sender would see. */
  code: string;
  message: string;
  limit: string;
  value: string;
  /** F08: the largest amount that could pass; "0" otherwise. */
  maximum: string;
  /** All of it as sentences. */
  text: string[];
}

/** The longest route that covers a destination, as the core would choose it (RFC 27). */
function routeTo(connector: Connector, destination: string, account: string): RouteEntry | null {
  const covers = ({ prefix }: RouteEntry): boolean =>
    prefix === "" || destination === prefix || destination.startsWith(`${prefix}.`);
  const found = connector.routes().filter((route) => route.account === account && covers(route));
  return found.sort((a, b) => b.prefix.length - a.prefix.length)[0] ?? null;
}

function rateText(connector: Connector, from: AccountEntry, to: AccountEntry): string | null {
  const rate = reportRates(connector).find(
    (one) =>
      one.from.assetCode === from.assetCode &&
      one.from.assetScale === from.assetScale &&
      one.to.assetCode === to.assetCode &&
      one.to.assetScale === to.assetScale,
  );
  return rate?.text ?? null;
}

function explainInWords(found: Explanation, source: AccountEntry, next: AccountEntry | null) {
  const { route, amountOut, rate, holdMs, expiresInMs, rule } = found;
  const paid = describeAmount(BigInt(found.amount), source);
  const text = [`${source.id} sends ${paid} to ${found.destination}.`];
  if (next && route) {
    const name = route.prefix === "" ? "the default route" : `${route.kind} route ${route.prefix}`;
    text.push(`Route: ${name} leads to ${next.id}.`);
  }
  if (next && amountOut !== null) {
    const amount = describeAmount(BigInt(amountOut), next);
    text.push(`Rate: ${rate ?? "one to one"}; ${next.id} is sent ${amount}.`);
  }
  if (holdMs !== null) {
    text.push(
      `Time: of ${describeDuration(expiresInMs)}, ${found.next ?? "it"} has ` +
        `${describeDuration(holdMs)} to answer.`,
    );
  }
  if (rule === "IldcpAnswered") text.push("Answer: this node would tell it its address.");
  return text;
}

/**
 * What would happen to a Prepare of `amount` base units from an account, and why. Changes nothing.
 * Throws CoreError BadPacket when `destination` is not an ILP address.
 */
export function reportExplanation(
  connector: Connector,
  source: AccountEntry,
  destination: string,
  amount: bigint,
  expiresInMs = connector.config.maxHoldTimeMs,
): Explanation {
  const { registry } = connector;
  const expiresAtMs = connector.wallMs() + expiresInMs;
  const verdict = connector.explain(source.index, { destination, amount, expiresAtMs });
  const next = verdict.next === null ? null : (registry.byIndex(verdict.next) ?? null);
  const priced = next !== null && (verdict.forwarded || verdict.amountOut > 0n);
  const hold = verdict.expiresAtMs - (expiresAtMs - expiresInMs);
  const found: Explanation = {
    forwarded: verdict.forwarded,
    rule: verdict.rule,
    account: source.id,
    destination,
    amount: amount.toString(),
    next: next?.id ?? null,
    route: next === null ? null : routeTo(connector, destination, next.id),
    amountOut: priced ? verdict.amountOut.toString() : null,
    rate: next === null ? null : rateText(connector, source, next),
    expiresInMs,
    holdMs: verdict.expiresAtMs > 0 ? hold : null,
    code: verdict.code,
    message: verdict.message,
    limit: verdict.limit.toString(),
    value: verdict.value.toString(),
    maximum: verdict.maximum.toString(),
    text: [],
  };
  found.text = explainInWords(found, source, next);
  if (!verdict.forwarded) {
    const facts = { ...verdict, account: source, next };
    found.text.push(describeRule(verdict.rule as RuleName, facts));
    if (verdict.code === "F08") {
      found.text.push(`At most ${describeAmount(verdict.maximum, source)} could pass.`);
    }
  }
  return found;
}
