// From checked values to the configuration: fills in what depends on other keys, reads token files
// and environment variables, and finds mistakes between keys (an account that does not exist, two
// equal tokens, an open port).
import { isAbsolute, join } from "node:path";
import { environmentOf, isSegment, schemeOf } from "./address.js";
import { nearest, type Problems } from "./check.js";
import { resolveLink } from "./link.js";
import { isLoopback, resolveFile, resolveSecret, resolveTls, type Context } from "./machine.js";
import { resolveRates } from "./rates.js";
import type { AccountValues, FileValues } from "./schema.js";
import type { Path } from "./toml.js";
import type {
  Account,
  AccountLimits,
  AdminListener,
  BtpListener,
  Config,
  DeclaredRate,
  Environment,
  HttpListener,
  OpenAccount,
  StaticRoute,
} from "./types.js";

/**
 * Resolves checked values; the result is only to be used when `context.problems` has no mistakes.
 */
export function resolveConfig(values: FileValues, file: string | null, context: Context): Config {
  const { problems } = context;
  const identity = resolveIdentity(values, problems);
  const accounts = [...values.accounts].map(([id, account]) =>
    resolveAccount(id, account, context),
  );
  const btp = resolveBtp(values.btp, identity, context);
  const rates = resolveDeclaredRates(values, problems);
  checkSegments(accounts, identity.ilpAddress, problems);
  checkTokens(accounts, problems);
  const config: Omit<Config, "rateTable" | "warnings"> = {
    file,
    ...identity,
    dataDir: resolveDataDir(values.dataDir, context),
    durability: values.durability,
    commitPeriodMs: values.commitPeriod,
    trail: values.trail,
    journalSize: Math.ceil(values.journalSize / 4096) * 4096,
    clockFile: values.clockFile === null ? null : resolveFile(values.clockFile, context),
    spreadPpb: values.spread,
    minMessageWindowMs: values.minMessageWindow,
    maxHoldTimeMs: values.maxHoldTime,
    defaultRoute: resolveDefaultRoute(values, problems),
    reflectPayments: values.reflectPayments,
    routeBroadcastEnabled: values.routeBroadcastEnabled,
    routeBroadcastIntervalMs: values.routeBroadcastInterval,
    routeExpiryMs: values.routeExpiry,
    accounts,
    btp,
    http: resolveHttp(values.http, context),
    admin: resolveAdmin(values.admin, context),
    claims: { expiryMs: values.claims.expiry, owing: values.claims.owing },
    routes: resolveRoutes(values, identity.env, problems),
    rates,
  };
  checkTimes(config, problems);
  checkListeners(config, problems);
  const rateTable = buildRateTable(config, problems);
  return { ...config, rateTable, warnings: problems.warnings };
}

// --- identity ------------------------------------------------------------------------------------

type Identity = Pick<Config, "ilpAddress" | "ilpAddressInheritFrom" | "env">;

function resolveIdentity(values: FileValues, problems: Problems): Identity {
  const { ilpAddress } = values;
  const given = ilpAddress === null ? null : environmentOf(ilpAddress);
  if (given !== null && values.env !== null && values.env !== given) {
    const fix = `write env = "${given}" or change ilpAddress`;
    problems.mistake(
      ["env"],
      `is "${values.env}" but ilpAddress "${ilpAddress ?? ""}" is not; ${fix}`,
    );
  }
  const env: Environment = given ?? values.env ?? "test";
  if (ilpAddress !== null) {
    if (values.ilpAddressInheritFrom !== null) {
      problems.mistake(
        ["ilpAddressInheritFrom"],
        "cannot stand beside ilpAddress; remove one of them",
      );
    }
    return { ilpAddress, ilpAddressInheritFrom: null, env };
  }
  return { ilpAddress: null, ilpAddressInheritFrom: resolveInherit(values, problems), env };
}

function resolveInherit(values: FileValues, problems: Problems): string | null {
  const parents = [...values.accounts].filter(([, { relation }]) => relation === "parent");
  const wanted = values.ilpAddressInheritFrom;
  const path = ["ilpAddressInheritFrom"];
  if (wanted === null) {
    const first = parents[0]?.[0] ?? null;
    if (first === null) {
      const fix =
        'write for example ilpAddress = "test.mynode", or add an account with relation = "parent"';
      problems.mistake(
        ["ilpAddress"],
        `is missing and there is no parent to inherit it from; ${fix}`,
      );
    }
    return first;
  }
  if (!values.accounts.has(wanted)) problems.mistake(path, explainNoAccount(wanted, values));
  else if (!parents.some(([id]) => id === wanted)) {
    const fix = `name a parent, or write relation = "parent" under [accounts.${wanted}]`;
    problems.mistake(path, `names "${wanted}", which is not a parent; ${fix}`);
  }
  return wanted;
}

function explainNoAccount(id: string, values: FileValues): string {
  const near = nearest(id, [...values.accounts.keys()]);
  const fix = near === null ? `add [accounts.${id}] or name another` : `did you mean "${near}"?`;
  return `names "${id}", which is no account; ${fix}`;
}

function resolveDataDir(dataDir: string | null, context: Context): string {
  const { env, home } = context.machine;
  if (dataDir !== null) return resolveFile(dataDir, context);
  const state = env["XDG_STATE_HOME"];
  const base = state !== undefined && isAbsolute(state) ? state : join(home, ".local", "state");
  return join(base, "ferrule");
}

// --- accounts ------------------------------------------------------------------------------------

function resolveAccount(id: string, values: AccountValues, context: Context): Account {
  const path = ["accounts", id];
  const { problems } = context;
  const { relation, assetCode, assetScale, frozen } = values;
  const routing = relation !== "child";
  if (values.balance === null) {
    const fix = `add [accounts.${id}.balance] with a maximum, "Infinity" if that is meant`;
    problems.warn(path, `has no balance limits, so the peer's credit is unlimited; ${fix}`);
  }
  return {
    id,
    relation,
    assetCode,
    assetScale,
    ilpAddressSegment: values.ilpAddressSegment ?? id,
    sendRoutes: values.sendRoutes ?? routing,
    receiveRoutes: values.receiveRoutes ?? routing,
    frozen,
    ...resolveLimits(values, path, problems),
    link: resolveLink(id, values, context),
  };
}

type LimitValues = Pick<
  AccountValues,
  | "balance"
  | "rateLimit"
  | "throughput"
  | "maxPacketAmount"
  | "maxPacketAmountOut"
  | "maxInFlight"
  | "maxInFlightAmount"
  | "maxAtRisk"
>;

function resolveLimits(values: LimitValues, path: Path, problems: Problems): AccountLimits {
  const { rateLimit, throughput } = values;
  const balance = values.balance ?? {
    minimum: null,
    maximum: null,
    settleThreshold: null,
    settleTo: 0n,
  };
  checkBalance(balance, [...path, "balance"], problems);
  return {
    balance,
    maxPacketAmount: values.maxPacketAmount,
    maxPacketAmountOut: values.maxPacketAmountOut,
    rateLimit: {
      refillPeriodMs: rateLimit.refillPeriod,
      refillCount: rateLimit.refillCount,
      capacity: rateLimit.capacity ?? rateLimit.refillCount,
    },
    throughput: {
      refillPeriodMs: throughput.refillPeriod,
      incomingAmount: throughput.incomingAmount,
      outgoingAmount: throughput.outgoingAmount,
    },
    maxInFlight: values.maxInFlight,
    maxInFlightAmount: values.maxInFlightAmount,
    maxAtRisk: values.maxAtRisk,
  };
}

function checkBalance(balance: AccountLimits["balance"], path: Path, problems: Problems): void {
  const { minimum, maximum, settleThreshold, settleTo } = balance;
  if (minimum !== null && maximum !== null && minimum > maximum) {
    problems.mistake([...path, "minimum"], `is above maximum ${maximum}; lower it to at most that`);
  }
  if (settleThreshold === null) return;
  if (settleThreshold > settleTo) {
    const fix =
      "a settlement would trigger the next one; raise settleTo to at least settleThreshold";
    problems.mistake([...path, "settleTo"], `is below settleThreshold ${settleThreshold}; ${fix}`);
  }
  if (maximum !== null && settleTo > maximum) {
    problems.mistake(
      [...path, "settleTo"],
      `is above maximum ${maximum}; lower it to at most that`,
    );
  }
  if (minimum !== null && settleThreshold <= minimum) {
    const fix = "the balance cannot fall below it; raise it above minimum";
    problems.mistake([...path, "settleThreshold"], `is not above minimum ${minimum}; ${fix}`);
  }
}

/**
 * Children have addresses of their own: each segment is legal, unique and short enough (ADR-13).
 */
function checkSegments(accounts: readonly Account[], own: string | null, problems: Problems): void {
  const owners = new Map<string, string>();
  for (const { id, relation, ilpAddressSegment: segment } of accounts) {
    if (relation !== "child") continue;
    const path = ["accounts", id, "ilpAddressSegment"];
    const other = owners.get(segment);
    if (!isSegment(segment)) {
      problems.mistake(
        path,
        `is missing and "${id}" is no address segment; add ilpAddressSegment = "child1"`,
      );
    } else if (other !== undefined) {
      problems.mistake(path, `is "${segment}" as for accounts.${other}; give each child its own`);
    } else if ((own?.length ?? 0) + 1 + segment.length > 1023) {
      problems.mistake(
        path,
        "makes an address of more than 1023 characters; shorten it or ilpAddress",
      );
    }
    owners.set(segment, id);
  }
}

/** A token that is shown to us alone decides whose connection it is, so no two may be equal. */
function checkTokens(accounts: readonly Account[], problems: Problems): void {
  const owners = new Map<string, string>();
  for (const { id, link } of accounts) {
    const token = link.kind === "btp-listen" ? link.token : null;
    const secret = link.kind === "http" ? link.incomingToken : token;
    if (secret === null || secret.isEmpty) continue;
    const key = `${link.kind} ${secret.fingerprint()}`;
    const other = owners.get(key);
    const suffix = secret.source.kind === "file" ? "File" : "";
    const name = token === null ? ["http", `incomingToken${suffix}`] : ["btp", `token${suffix}`];
    const path = ["accounts", id, ...name];
    const clause = `is the same as for accounts.${other ?? ""}; give each account its own token`;
    if (other === undefined) owners.set(key, id);
    else problems.mistake(path, clause);
  }
}

// --- listeners -----------------------------------------------------------------------------------

function resolveBtp(values: FileValues["btp"], identity: Identity, context: Context): BtpListener {
  const { problems } = context;
  const { enabled, host, maxConnections, allowedOrigins, openTokens } = values;
  if (openTokens) {
    const wrong = explainOpenTokens(host, identity);
    if (wrong !== null) problems.mistake(["btp", "openTokens"], wrong);
  } else if (values.open !== null) {
    problems.warn(["btp", "open"], "has no effect while btp.openTokens is false");
  }
  return {
    enabled,
    host,
    ports: [values.port, ...values.additionalPorts],
    tls: resolveTls(values.tls, ["btp"], context),
    allowedOrigins,
    maxConnections,
    authTimeoutMs: values.authTimeout,
    openTokens,
    open: openTokens ? resolveOpen(values.open, problems) : null,
  };
}

function resolveOpen(values: FileValues["btp"]["open"], problems: Problems): OpenAccount {
  const rateLimit = { refillPeriod: 60_000, refillCount: 10_000, capacity: null };
  const limits: LimitValues = values ?? {
    balance: null,
    rateLimit,
    throughput: { refillPeriod: 1000, incomingAmount: null, outgoingAmount: null },
    maxPacketAmount: null,
    maxPacketAmountOut: null,
    maxInFlight: 1000,
    maxInFlightAmount: null,
    maxAtRisk: null,
  };
  return {
    assetCode: values?.assetCode ?? "XRP",
    assetScale: values?.assetScale ?? 9,
    maxAccounts: values?.maxAccounts ?? 100,
    ...resolveLimits(limits, ["btp", "open"], problems),
  };
}

/**
 * Open tokens hand out credit to anyone who connects: null when that is harmless, else why it is
 * not.
 */
function explainOpenTokens(host: string, identity: Identity): string | null {
  if (!isLoopback(host)) {
    return (
      `would give an account to anyone who can reach btp.host "${host}"; write ` +
      `host = "127.0.0.1" or use accounts`
    );
  }
  const { ilpAddress, env } = identity;
  if (env === "test") return null;
  if (ilpAddress !== null && ["private", "local"].includes(schemeOf(ilpAddress))) return null;
  return (
    "would let every program on this machine spend on the live network; use " +
    "accounts with tokens instead"
  );
}

function resolveHttp(values: FileValues["http"], context: Context): HttpListener {
  const { enabled, host, port, maxBody } = values;
  return { enabled, host, port, maxBody, tls: resolveTls(values.tls, ["http"], context) };
}

/** `values` is the admin table; mistakes go to the context's problems. */
export function resolveAdmin(values: FileValues["admin"], context: Context): AdminListener {
  const { enabled, host, port } = values;
  const token = resolveSecret(values, ["admin"], ["token", "tokenFile"], context);
  const path = ["admin", values.tokenFile === null ? "token" : "tokenFile"];
  if (token?.isEmpty === true) {
    context.problems.mistake(path, "is empty; write a token or remove the key");
  } else if (enabled && token === null && !isLoopback(host)) {
    const fix = 'add token = "env:FERRULE_ADMIN_TOKEN" or write host = "127.0.0.1"';
    context.problems.mistake(
      path,
      `is missing though admin.host "${host}" is not loopback; ${fix}`,
    );
  }
  return { enabled, host, port, token };
}

type Unfinished = Omit<Config, "rateTable" | "warnings">;

function checkListeners(config: Unfinished, problems: Problems): void {
  const { btp, http, admin, accounts } = config;
  if (!btp.enabled) {
    const listener = accounts.find(({ link }) => link.kind === "btp-listen");
    const fix = "write enabled = true under [btp]";
    if (listener !== undefined) {
      problems.mistake(
        ["accounts", listener.id, "btp", "listen"],
        `needs the BTP port, which is off; ${fix}`,
      );
    }
    if (btp.openTokens)
      problems.mistake(["btp", "openTokens"], `needs the BTP port, which is off; ${fix}`);
  }
  if (!http.enabled) {
    const receiver = accounts.find(
      ({ link }) => link.kind === "http" && link.incomingToken !== null,
    );
    if (receiver !== undefined) {
      const clause = "needs the HTTP port, which is off; write enabled = true under [http]";
      problems.mistake(["accounts", receiver.id, "http", "incomingToken"], clause);
    }
  }
  const tokens =
    "tokens and packets cross the network unencrypted; add a tls table or a proxy that does TLS";
  if (btp.enabled && btp.tls === null && !isLoopback(btp.host))
    problems.warn(["btp", "host"], `has no TLS, so ${tokens}`);
  if (http.enabled && http.tls === null && !isLoopback(http.host))
    problems.warn(["http", "host"], `has no TLS, so ${tokens}`);
  const taken = new Map<number, string>();
  const claim = (path: Path, name: string, port: number): void => {
    const other = taken.get(port);
    if (port !== 0 && other !== undefined) {
      problems.mistake(path, `is ${port}, which ${other} has already; choose another port`);
    }
    taken.set(port, name);
  };
  btp.ports.forEach((port, index) => {
    const name = index === 0 ? "port" : "additionalPorts";
    if (btp.enabled) claim(["btp", name], `btp.${name}`, port);
  });
  if (http.enabled) claim(["http", "port"], "http.port", http.port);
  if (admin.enabled) claim(["admin", "port"], "admin.port", admin.port);
}

// --- times, routes, rates ------------------------------------------------------------------------

function checkTimes(config: Unfinished, problems: Problems): void {
  const { minMessageWindowMs, maxHoldTimeMs, routeBroadcastIntervalMs, routeExpiryMs } = config;
  if (maxHoldTimeMs <= minMessageWindowMs) {
    const fix = "no packet could pass; raise it";
    problems.mistake(
      ["maxHoldTime"],
      `is not above minMessageWindow ${minMessageWindowMs}; ${fix}`,
    );
  }
  if (routeExpiryMs <= routeBroadcastIntervalMs) {
    const fix = "routes would lapse between updates; raise it";
    problems.mistake(
      ["routeExpiry"],
      `is not above routeBroadcastInterval ${routeBroadcastIntervalMs}; ${fix}`,
    );
  }
}

function resolveDefaultRoute(values: FileValues, problems: Problems): string | null {
  const { defaultRoute, accounts } = values;
  if (defaultRoute === "") return null;
  if (defaultRoute === "auto") {
    return [...accounts].find(([, { relation }]) => relation === "parent")?.[0] ?? null;
  }
  if (!accounts.has(defaultRoute))
    problems.mistake(["defaultRoute"], explainNoAccount(defaultRoute, values));
  return defaultRoute;
}

function resolveRoutes(values: FileValues, env: Environment, problems: Problems): StaticRoute[] {
  const seen = new Map<string, number>();
  return values.routes.map(({ targetPrefix, peerId }, index) => {
    const path = ["routes", index, "targetPrefix"];
    const other = seen.get(targetPrefix);
    const network = environmentOf(targetPrefix);
    if (network !== null && network !== env) {
      const fix = "remove the route (a node serves one network)";
      problems.mistake(
        path,
        `"${targetPrefix}" is on the ${network} network and this node is not; ${fix}`,
      );
    } else if (other !== undefined) {
      problems.mistake(
        path,
        `"${targetPrefix}" is already routes[${other + 1}]; remove one of them`,
      );
    }
    seen.set(targetPrefix, index);
    if (!values.accounts.has(peerId)) {
      problems.mistake(["routes", index, "peerId"], explainNoAccount(peerId, values));
    }
    return { targetPrefix, peerId };
  });
}

function resolveDeclaredRates(values: FileValues, problems: Problems): DeclaredRate[] {
  const seen = new Map<string, number>();
  return values.rates.map(({ from, to, rate, both }, index) => {
    if (from === to) {
      problems.mistake(
        ["rates", index, "to"],
        `is the same as from; an asset to itself is always 1:1, remove the entry`,
      );
    }
    for (const pair of both ? [`${from} ${to}`, `${to} ${from}`] : [`${from} ${to}`]) {
      const other = seen.get(pair);
      if (other !== undefined && other !== index) {
        const [a, b] = pair.split(" ");
        problems.mistake(
          ["rates", index],
          `gives ${a ?? ""} to ${b ?? ""} again after rates[${other + 1}]; remove one of them`,
        );
      }
      seen.set(pair, index);
    }
    return { from, to, ...rate, both };
  });
}

function buildRateTable(config: Unfinished, problems: Problems): Config["rateTable"] {
  const { accounts, btp, rates } = config;
  const assets = [...accounts, ...(btp.open === null ? [] : [btp.open])];
  const { table, failures, missing } = resolveRates(rates, assets);
  for (const { from, to, rate, reason } of failures) {
    const names =
      `from ${from.assetCode} (scale ${from.assetScale}) to ` +
      `${to.assetCode} (scale ${to.assetScale})`;
    const path =
      rate === null ? findScalePath(config, from, to) : ["rates", rates.indexOf(rate), "rate"];
    problems.mistake(path, `makes a rate ${names} that ${reason}`);
  }
  for (const [from, to] of missing) {
    const fix = "packets between them will be refused; add a [[rates]] entry";
    problems.warn(["rates"], `has no rate from ${from} to ${to}; ${fix}`);
  }
  const codes = new Set(assets.map(({ assetCode }) => assetCode));
  rates.forEach(({ from, to }, index) => {
    const unused = [from, to].find((code) => !codes.has(code));
    if (unused !== undefined && codes.size > 0) {
      problems.warn(["rates", index], `names ${unused}, which no account uses`);
    }
  });
  return table;
}

/** The key that gives the larger of two scales of one asset code. */
function findScalePath(
  config: Unfinished,
  from: { assetScale: number },
  to: { assetScale: number },
): Path {
  const scale = Math.max(from.assetScale, to.assetScale);
  const account = config.accounts.find(({ assetScale }) => assetScale === scale);
  return account === undefined
    ? ["btp", "open", "assetScale"]
    : ["accounts", account.id, "assetScale"];
}
