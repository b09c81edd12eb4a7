// Prometheus text (exposition format 0.0.4): ilp-connector's names and labels where it has the same
// thing, so that its dashboards go on working, and `ferrule_*` for the rest. Integers are written
// in full; what a scraper makes of those above 2^53 is its own matter.
import { AccountFlag, Counter, LOCAL_ACCOUNT } from "../core.js";
import type { AccountState, MeterState } from "../core.js";
import type { Connector } from "../connector.js";
import { readVersion, whyNotReady } from "../report.js";
import { SYNC_BUCKETS_MS } from "../store/store.js";

type Labels = Readonly<Record<string, string | number>>;

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

/** Lines of one metric. */
class Metric {
  readonly #name: string;
  readonly #lines: string[];

  constructor(name: string, type: "counter" | "gauge", help: string) {
    this.#name = name;
    this.#lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
  }

  add(labels: Labels, value: bigint | number): this {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escape(String(text))}"`);
    const set = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
    this.#lines.push(`${this.#name}${set} ${value}`);
    return this;
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

interface Sample {
  readonly labels: Labels;
  readonly index: number;
  readonly state: AccountState;
  readonly meter: MeterState;
}

function sampleAccounts({ registry, core }: Connector): Sample[] {
  return registry.list().map(({ index, id, assetCode, assetScale }) => ({
    labels: { account: id, asset: assetCode, scale: assetScale },
    index,
    state: core.account(index),
    meter: core.meter(index),
  }));
}

/** What ilp-connector calls the same (peers.md 2.8: names, labels, results). */
function peerMetrics(samples: readonly Sample[]): Metric[] {
  const incoming = new Metric(
    "ilp_connector_incoming_ilp_packets",
    "counter",
    "Total number of incoming ILP packets",
  );
  const outgoing = new Metric(
    "ilp_connector_outgoing_ilp_packets",
    "counter",
    "Total number of outgoing ILP packets",
  );
  const incomingValue = new Metric(
    "ilp_connector_incoming_ilp_packet_value",
    "counter",
    "Total value of incoming ILP packets",
  );
  const outgoingValue = new Metric(
    "ilp_connector_outgoing_ilp_packet_value",
    "counter",
    "Total value of outgoing ILP packets",
  );
  const limited = new Metric(
    "ilp_connector_rate_limited_ilp_packets",
    "counter",
    "Total of rate limited ILP packets",
  );
  const balance = new Metric("ilp_connector_balance", "gauge", "Balances on peer account");
  for (const { labels, state, meter } of samples) {
    incoming.add({ result: "fulfilled", ...labels }, meter.inFulfilled);
    incoming.add({ result: "rejected", ...labels }, meter.inRejected);
    outgoing.add({ result: "fulfilled", ...labels }, meter.outFulfilled);
    outgoing.add({ result: "rejected", ...labels }, meter.outRejected);
    outgoing.add({ result: "failed", ...labels }, meter.outExpired + meter.outWrong);
    incomingValue.add({ result: "fulfilled", ...labels }, state.debits);
    outgoingValue.add({ result: "fulfilled", ...labels }, state.credits);
    limited.add(labels, meter.rateLimited);
    balance.add(labels, state.balance);
  }
  return [incoming, outgoing, incomingValue, outgoingValue, limited, balance];
}

function accountMetrics(samples: readonly Sample[]): Metric[] {
  const link = new Metric("ferrule_link_up", "gauge", "1 when the account's link is up");
  const frozen = new Metric("ferrule_account_frozen", "gauge", "1 when the account is frozen");
  const flights = new Metric(
    "ferrule_account_packets_in_flight",
    "gauge",
    "Packets in flight from (in) and to (out) the account",
  );
  const pending = new Metric(
    "ferrule_account_value_in_flight",
    "gauge",
    "Base units in flight from (in) and to (out) the account",
  );
  const risk = new Metric(
    "ferrule_account_at_risk",
    "gauge",
    "Base units fulfilled from the account and not on disk yet",
  );
  const claims = new Metric(
    "ferrule_account_claims",
    "gauge",
    "Base units in flight at an earlier end, outcome unknown: owed to this node, owing by it",
  );
  const expired = new Metric(
    "ferrule_account_expired_packets_total",
    "counter",
    "Packets to the account that it did not answer in time",
  );
  const wrong = new Metric(
    "ferrule_account_wrong_fulfillments_total",
    "counter",
    "Fulfillments of the account that did not fit",
  );
  for (const { labels, index, state, meter } of samples) {
    const has = (flag: AccountFlag): number => ((state.flags & flag) !== 0 ? 1 : 0);
    if (index !== LOCAL_ACCOUNT) link.add(labels, has(AccountFlag.Linked));
    frozen.add(labels, has(AccountFlag.Frozen));
    flights.add({ direction: "in", ...labels }, state.flightsIn);
    flights.add({ direction: "out", ...labels }, state.flightsOut);
    pending.add({ direction: "in", ...labels }, state.debitsPending);
    pending.add({ direction: "out", ...labels }, state.creditsPending);
    risk.add(labels, state.atRisk);
    claims.add({ side: "owed", ...labels }, state.claimDebits);
    claims.add({ side: "owing", ...labels }, state.claimCredits);
    expired.add(labels, meter.outExpired);
    wrong.add(labels, meter.outWrong);
  }
  return [link, frozen, flights, pending, risk, claims, expired, wrong];
}

type CounterName = Exclude<keyof typeof Counter, "Count">;
type CoreMetric = readonly [name: string, help: string, type?: "gauge"];

/** Every counter of the core: its metric, and whether it is a high-water mark. */
export const CORE_METRICS: Readonly<Record<CounterName, CoreMetric>> = {
  Prepares: ["prepares", "Prepares taken"],
  Forwards: ["forwards", "Prepares sent on"],
  Fulfills: ["fulfills", "Fulfills relayed"],
  Rejects: ["rejects", "Rejects relayed"],
  Refusals: ["refusals", "Prepares this node answered with a Reject of its own"],
  Expiries: ["expiries", "Packets that expired without an answer"],
  Unsolicited: ["unsolicited_replies", "Replies to nothing in flight"],
  Duplicates: ["duplicate_replies", "Replies that came again after the packet had ended"],
  LateFulfills: ["late_fulfills", "Valid Fulfills after expiry: possible claims"],
  WrongFulfillments: ["wrong_fulfillments", "Fulfills that did not fit their condition"],
  BadFrames: ["bad_frames", "Bytes that were no frame of their link"],
  Orphans: ["orphan_replies", "Replies whose requester's link was gone"],
  IldcpAnswers: ["ildcp_answers", "Children told their address"],
  LoopBreaks: ["loop_breaks", "Packets refused as a routing loop"],
  FlightsFull: ["flights_full", "Packets refused because the flight table was full"],
  CrossLink: ["cross_link_replies", "Replies on another link than their request's"],
  FlightsMax: ["flights_high_water", "Most packets in flight at once", "gauge"],
  OutputsMax: ["outputs_high_water", "Most outputs of one call", "gauge"],
  Events: ["events", "Events noted"],
  ClockSteps: ["clock_steps", "Steps of the wall clock by more than a second"],
};

function nodeMetrics(connector: Connector): Metric[] {
  const { core, coreHash, registry, config } = connector;
  const counters = Object.entries(CORE_METRICS).map(([key, [name, help, gauge]]) => {
    const type = gauge ?? "counter";
    const metric = `ferrule_${name}${type === "counter" ? "_total" : ""}`;
    return new Metric(metric, type, help).add({}, core.counter(Counter[key as CounterName]));
  });
  const ready = whyNotReady(connector) === null;
  const uptime = (connector.wallMs() - connector.startedAtMs) / 1000;
  const used = registry.list().length;
  return [
    new Metric("ferrule_info", "gauge", "Version and core of this node").add(
      { version: readVersion(), core: coreHash, env: config.env },
      1,
    ),
    new Metric("ferrule_ready", "gauge", "1 when packets are taken").add({}, ready ? 1 : 0),
    new Metric("ferrule_uptime_seconds", "gauge", "Time since the start").add({}, uptime),
    new Metric("ferrule_accounts", "gauge", "Accounts").add({}, used),
    new Metric("ferrule_accounts_max", "gauge", "Accounts this build has room for").add(
      {},
      core.accountsMax,
    ),
    new Metric("ferrule_flights_max", "gauge", "Packets in flight this build has room for").add(
      {},
      core.flightsMax,
    ),
    ...counters,
  ];
}

/** Income per asset: what was taken in less what was paid out, by fulfilled packets. */
function assetMetrics({ registry, core }: Connector): Metric[] {
  const income = new Metric("ferrule_income", "gauge", "Base units earned since the books began");
  for (const { index, code, scale } of registry.assets()) {
    const { incomeCredits, incomeDebits } = core.asset(index);
    income.add({ asset: code, scale }, incomeCredits - incomeDebits);
  }
  return [income];
}

/** The store: writes, syncs, how full the journal is, what start-up found. */
function storeMetrics({ books }: Connector): string[] {
  const { store } = books;
  if (!store) return [];
  const { facts, recovery } = store;
  const counter = (name: string, help: string, value: number): Metric =>
    new Metric(`ferrule_store_${name}_total`, "counter", help).add({}, value);
  const gauge = (name: string, help: string, value: number): Metric =>
    new Metric(`ferrule_store_${name}`, "gauge", help).add({}, value);
  const name = "ferrule_store_sync_seconds";
  const lines = [`# HELP ${name} How long the disk took to sync`, `# TYPE ${name} histogram`];
  let below = 0;
  SYNC_BUCKETS_MS.forEach((ms, i) => {
    below += facts.syncBuckets[i]!;
    lines.push(`${name}_bucket{le="${ms / 1000}"} ${below}`);
  });
  lines.push(`${name}_bucket{le="+Inf"} ${facts.syncs}`, `${name}_sum ${facts.syncMs / 1000}`);
  lines.push(`${name}_count ${facts.syncs}\n`);
  const metrics = [
    counter("commits", "Durable batches", facts.batches),
    counter("snapshots", "Durable snapshots", facts.snapshots),
    counter("written_bytes", "Bytes given to the disk", facts.bytesWritten),
    gauge("journal_bytes", "Bytes of the journal in use", facts.journalUsed),
    gauge("journal_size_bytes", "Size of the journal", facts.journalSize),
    gauge("failed", "1 when the disk has failed", store.failure ? 1 : 0),
    gauge("recovered_batches", "Batches replayed at the last start", recovery.batches),
    gauge("recovered_torn", "1 when the last start cut a torn write", recovery.torn ? 1 : 0),
  ];
  return [...metrics.map(String), lines.join("\n")];
}

/** All metrics of a node. */
export function renderMetrics(connector: Connector): string {
  const samples = sampleAccounts(connector);
  return [
    ...peerMetrics(samples),
    ...accountMetrics(samples),
    ...assetMetrics(connector),
    ...nodeMetrics(connector),
    ...storeMetrics(connector),
  ].join("");
}
