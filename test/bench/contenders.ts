// The contenders, each configured as its operators would: Ferrule from a TOML file with every limit
// on, ilp-connector by environment with its rate limit out of the way and no balance limits (which
// makes it cheaper), and the floors, which do nothing but pass messages on.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listenAccount } from "../support/peers.js";
import type { Case } from "./cases.js";
import { freePorts } from "../support/peers.js";
import type { Contender, Recipe } from "./contender.js";
import type { Pair } from "./driver.js";
import { interledgerRs, missing } from "./interledger-rs/contender.js";
import { ROUTE_DIGITS, prefixOf, route, token } from "./names.js";

const require = createRequire(import.meta.url);
const local = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
export const MAIN = local("../../build/host/ferrule.cjs");
/** More are put in by the program that embeds the connector: a file has at most 1 MiB. */
const FILE_ROUTES_MAX = 1000;

/** The n-th account that only takes up room, behind those with traffic. */
function accountIds(one: Case): string[] {
  const busy = Array.from({ length: one.pairs }, (_, i) => [`a${i}`, `b${i}`]).flat();
  const idle = Array.from({ length: one.accounts - busy.length }, (_, i) => `idle${i}`);
  return [...busy, ...idle];
}

// ---- Ferrule

const LIMITS = `balance = { maximum = "1000000000000000", minimum = "-1000000000000000" }
maxPacketAmount = "1000000000000"
maxInFlight = 10000
maxInFlightAmount = "1000000000000000"
rateLimit = { refillCount = 1000000000 }
throughput = { incomingAmount = "1000000000000000", outgoingAmount = "1000000000000000" }`;

/** An account with every limit on. */
export function accountToml(id: string, link: string): string {
  const head = `[accounts.${id}]\nrelation = "peer"\nassetCode = "XRP"\nassetScale = 9`;
  return `${head}\n${LIMITS}\n${link}`;
}

function ferruleToml(one: Case, folder: string, port: number, linkOf: (id: string) => string) {
  const lines = [
    'ilpAddress = "test.bench"',
    `dataDir = "${join(folder, "data")}"`,
    "spread = 0",
    one.durability === "group" ? "" : `durability = "${one.durability}"`,
    `[btp]\nenabled = ${one.link === "btp"}\nport = ${port}\nmaxConnections = 4096`,
    `[http]\nenabled = ${one.link === "http"}\nport = ${port}`,
    "[admin]\nport = 0",
    ...accountIds(one).map((id) => accountToml(id, linkOf(id))),
  ];
  for (let i = 0; i < one.routes && one.routes <= FILE_ROUTES_MAX; i++) {
    lines.push(`[[routes]]\ntargetPrefix = "${route(i)}"\npeerId = "b${i % one.pairs}"`);
  }
  return lines.join("\n");
}

function commandOf({ routes, pairs }: Case, file: string): string[] {
  if (routes <= FILE_ROUTES_MAX) return [MAIN, "start", "--config", file, "--log-level", "warn"];
  return [local("many-routes.mjs"), file, String(routes), String(ROUTE_DIGITS), String(pairs)];
}

export const ferrule: Contender = {
  name: "ferrule",
  title: "Ferrule",
  supports: () => true,
  async prepare(one): Promise<Recipe> {
    const [port, receiverPort] = await freePorts(2);
    const folder = mkdtempSync(join(tmpdir(), "ferrule-bench-"));
    mkdirSync(join(folder, "data"), { mode: 0o700 });
    const file = join(folder, "ferrule.toml");
    const http = (id: string): string => {
      const url = `url = "http://127.0.0.1:${receiverPort}/ilp", outgoingToken = "out"`;
      return `http = { incomingToken = "${token(id)}", ${url}, maxConnections = 100 }`;
    };
    const btp = (id: string): string => `btp = { listen = true, token = "${token(id)}" }`;
    const toml = ferruleToml(one, folder, port!, one.link === "btp" ? btp : http);
    writeFileSync(file, toml, { mode: 0o600 });
    return {
      args: commandOf(one, file),
      ports: [port!],
      pairs: Array.from({ length: one.pairs }, (_, i) => ({
        a: { port: port!, token: token(`a${i}`) },
        b: { port: port!, token: token(`b${i}`) },
        prefixOf: prefixOf(one, i),
      })),
      wire: one.link === "btp" ? "ws" : "http",
      receiverPort: receiverPort!,
      cleanUp: () => rmSync(folder, { recursive: true, force: true }),
    };
  },
};

// ---- ilp-connector

const NO_RATE_LIMIT = { refillCount: 1e9, capacity: 1e9, refillPeriod: 1000 };

function ilpConnectorAccounts(ports: number[], receiverPort: number, isBtp: boolean) {
  const asset = { assetCode: "XRP", assetScale: 9 };
  const make = (id: string, port: number): object => {
    const alone = { sendRoutes: false, receiveRoutes: false, balance: undefined };
    const common = { relation: "peer", ...asset, rateLimit: NO_RATE_LIMIT, ...alone };
    if (isBtp) {
      return { ...listenAccount({ relation: "peer" }, port, token(id)), ...common };
    }
    const incoming = { port, staticToken: token(id) };
    const url = `http://127.0.0.1:${receiverPort}/ilp`;
    const outgoing = { url, staticToken: "out", name: "bench" };
    return { ...common, plugin: "ilp-plugin-http", options: { incoming, outgoing } };
  };
  return { a0: make("a0", ports[0]!), b0: make("b0", ports[1]!) };
}

export const ilpConnector: Contender = {
  name: "ilp-connector",
  title: "ilp-connector 23",
  // Over HTTP it refuses what 32 KiB of data make as too large (413).
  supports: ({ accounts, routes, link, dataSize }) =>
    accounts === 2 && routes === 10 && (link === "btp" || dataSize <= 16_384),
  async prepare(one): Promise<Recipe> {
    const [portA, portB, receiverPort] = await freePorts(3);
    const isBtp = one.link === "btp";
    const routes = Array.from({ length: one.routes }, (_, i) => {
      return { targetPrefix: route(i), peerId: "b0" };
    });
    const pair: Pair = {
      a: { port: portA!, token: token("a0") },
      b: { port: portB!, token: token("b0") },
      prefixOf: prefixOf(one, 0),
    };
    return {
      args: [require.resolve("ilp-connector")],
      env: {
        CONNECTOR_ENV: "test",
        CONNECTOR_ILP_ADDRESS: "test.bench",
        CONNECTOR_BACKEND: "one-to-one",
        CONNECTOR_SPREAD: "0",
        CONNECTOR_STORE: "memory",
        CONNECTOR_ACCOUNTS: JSON.stringify(
          ilpConnectorAccounts([portA!, portB!], receiverPort!, isBtp),
        ),
        CONNECTOR_ROUTES: JSON.stringify(routes),
      },
      ports: [portA!, portB!],
      pairs: [pair],
      wire: isBtp ? "ws" : "http",
      receiverPort: receiverPort!,
    };
  },
};

// ---- floors

function relay(kind: string, title: string, wire: Recipe["wire"]): Contender {
  return {
    name: kind,
    title,
    supports: ({ link, base }) => (link === "http") === (wire === "http") && base === undefined,
    async prepare(one): Promise<Recipe> {
      const [portA, portB] = await freePorts(2);
      return {
        args: [local("relay.mjs"), kind, String(portA), String(portB)],
        ports: wire === "http" ? [portA!] : [portA!, portB!],
        pairs: Array.from({ length: one.pairs }, (_, i) => ({
          a: { port: portA! },
          b: { port: portB! },
          prefixOf: prefixOf(one, i),
        })),
        wire,
        receiverPort: portB!,
      };
    },
  };
}

const rsMissing = missing();
/** Why some do not take part, in sentences. */
export const ABSENT: readonly string[] = [
  ...(rsMissing === null ? [] : [rsMissing]),
  "Rafiki and the Java connector are not published as programs to run alone.",
];

/** In the order of the tables. */
export const CONTENDERS: readonly Contender[] = [
  ferrule,
  ilpConnector,
  ...(rsMissing === null ? [interledgerRs] : []),
  relay("ws", "bare `ws` relay", "ws"),
  relay("ws-cork", "`ws` relay, corked", "ws"),
  relay("tcp", "TCP relay", "tcp"),
  relay("tcp-batch", "TCP relay, batched", "tcp"),
  relay("http", "bare HTTP relay", "http"),
];
