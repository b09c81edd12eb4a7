// Accounts and plugins of ilp-connector as Ferrule accounts and links: ilp-plugin-btp,
// ilp-plugin-http and ilp-plugin-mini-accounts. Other plugins have no counterpart, and their
// accounts are left out with a note.
import { isRecord, wholeNumber, type Draft } from "./draft.js";

const CARRIED = [
  "relation",
  "assetCode",
  "ilpAddressSegment",
  "sendRoutes",
  "receiveRoutes",
  "maxPacketAmount",
] as const;
const KNOWN = [...CARRIED, "assetScale", "balance", "rateLimit", "throughput", "plugin", "options"];
/** Plugins listen on every interface; so does the imported node. */
const ANY_HOST = "::";

interface Listening {
  readonly btpPorts: unknown[];
  readonly httpPorts: unknown[];
}

/** Converts `accounts`, and the ports of their plugins, into `draft`. */
export function convertAccounts(accounts: unknown, draft: Draft, notes: string[]): void {
  if (!isRecord(accounts)) {
    notes.push("There are no accounts; add them under [accounts.<id>].");
    return;
  }
  const listening: Listening = { btpPorts: [], httpPorts: [] };
  const converted: [string, Draft][] = [];
  const open: [string, Draft, Draft][] = [];
  for (const [id, account] of Object.entries(accounts)) {
    if (!isRecord(account)) {
      notes.push(`accounts.${id} is not an object and was left out.`);
      continue;
    }
    const options = isRecord(account["options"]) ? account["options"] : {};
    if (pluginName(account) === "ilp-plugin-mini-accounts") open.push([id, account, options]);
    else {
      const link = convertLink(id, pluginName(account), options, listening, notes);
      if (link !== null) converted.push([id, { ...convertAccount(id, account, notes), ...link }]);
    }
  }
  if (converted.length > 0) draft["accounts"] = converted;
  applyPorts(listening, draft, notes);
  for (const [id, account, options] of open) convertOpen(id, account, options, draft, notes);
}

function pluginName({ plugin }: Draft): string {
  return typeof plugin === "string" ? plugin : "given as an object";
}

function convertAccount(id: string, account: Draft, notes: string[]): Draft {
  const draft: Draft = { ...convertLimits(account) };
  for (const key of CARRIED) draft[key] = account[key];
  draft["assetScale"] = wholeNumber(account["assetScale"]);
  for (const key of Object.keys(account)) {
    if (key === "deduplicate") {
      notes.push(`accounts.${id}.deduplicate was left out: duplicate packets are always refused.`);
    } else if (!KNOWN.includes(key)) {
      notes.push(`accounts.${id}.${key} is not a key of ilp-connector and was left out.`);
    }
  }
  return draft;
}

function convertLimits({ balance, rateLimit, throughput }: Draft): Draft {
  const limits: Draft = {};
  if (isRecord(balance)) {
    const { minimum, maximum, settleThreshold, settleTo } = balance;
    limits["balance"] = { minimum, maximum, settleThreshold, settleTo };
  }
  if (isRecord(rateLimit)) {
    const { refillPeriod, refillCount, capacity } = rateLimit;
    limits["rateLimit"] = { refillPeriod, refillCount, capacity };
  }
  if (isRecord(throughput)) {
    const { refillPeriod, incomingAmount, outgoingAmount } = throughput;
    limits["throughput"] = { refillPeriod, incomingAmount, outgoingAmount };
  }
  return limits;
}

// --- links ---------------------------------------------------------------------------------------

function convertLink(
  id: string,
  plugin: string,
  options: Draft,
  listening: Listening,
  notes: string[],
): Draft | null {
  if (plugin === "ilp-plugin-btp") return convertBtp(id, options, listening, notes);
  if (plugin === "ilp-plugin-http") return convertHttp(id, options, listening, notes);
  const advice =
    "add the account with a [btp] or [http] link, without settlement, if the peer agrees";
  notes.push(`accounts.${id} was left out: its plugin (${plugin}) has no counterpart; ${advice}.`);
  return null;
}

const BTP_OPTIONS = ["server", "listener", "btpAccount", "btpToken", "reconnectInterval"];

function convertBtp(
  id: string,
  options: Draft,
  listening: Listening,
  notes: string[],
): Draft | null {
  const { server, listener, btpAccount, btpToken, reconnectInterval } = options;
  for (const key of Object.keys(options)) {
    if (!BTP_OPTIONS.includes(key)) {
      notes.push(`accounts.${id}: the ilp-plugin-btp option ${key} was left out.`);
    }
  }
  if (typeof server === "string") {
    if (listener !== undefined) {
      notes.push(`accounts.${id} both dialled and listened; only dialling was carried over.`);
    }
    const interval = wholeNumber(reconnectInterval);
    const reconnect = interval === undefined ? undefined : { min: interval, max: interval };
    return { btp: { ...splitServer(server), ...credentials(btpAccount, btpToken), reconnect } };
  }
  if (!isRecord(listener)) {
    notes.push(`accounts.${id} was left out: its plugin has neither server nor listener.`);
    return null;
  }
  const wsOpts = isRecord(listener["wsOpts"]) ? listener["wsOpts"] : {};
  listening.btpPorts.push(wholeNumber(listener["port"] ?? wsOpts["port"]));
  return { btp: { listen: true, token: listener["secret"] } };
}

function credentials(account: unknown, token: unknown): Draft {
  return {
    ...(typeof account === "string" && account !== "" ? { username: account } : {}),
    ...(typeof token === "string" && token !== "" ? { token } : {}),
  };
}

/** Takes user and token out of a server URL, as the plugin reads them. */
function splitServer(server: string): Draft {
  const plain = server.replace(/^btp\+/, "");
  if (!URL.canParse(plain)) return { url: server };
  const url = new URL(plain);
  const { username, password } = url;
  const variable = /^env(?:%3A|:)(\w+)$/i.exec(password)?.[1];
  url.username = "";
  url.password = "";
  return {
    url: `btp+${url.href}`,
    username: username === "" ? undefined : username,
    token: variable === undefined ? password : `env:${variable}`,
  };
}

function convertHttp(
  id: string,
  options: Draft,
  listening: Listening,
  notes: string[],
): Draft | null {
  const incoming = isRecord(options["incoming"]) ? options["incoming"] : {};
  const outgoing = isRecord(options["outgoing"]) ? options["outgoing"] : {};
  if (options["multi"] === true) {
    notes.push(
      `accounts.${id} was left out: ilp-plugin-http in multi mode has no counterpart; ` +
        `add each peer.`,
    );
    return null;
  }
  if (
    [incoming, outgoing].some(
      (side) => side["jwtSecret"] !== undefined || side["secret"] !== undefined,
    )
  ) {
    notes.push(
      `accounts.${id} used JWT tokens, which were left out: agree on static tokens with the peer.`,
    );
  }
  if (incoming["port"] !== undefined) {
    listening.httpPorts.push(wholeNumber(incoming["port"]));
    notes.push(`accounts.${id}: tell the peer to post to /accounts/${id}/ilp on the HTTP port.`);
  }
  return {
    http: {
      url: outgoing["url"],
      outgoingToken: outgoing["staticToken"] ?? outgoing["secretToken"],
      incomingToken: incoming["staticToken"] ?? incoming["secretToken"],
    },
  };
}

function applyPorts({ btpPorts, httpPorts }: Listening, draft: Draft, notes: string[]): void {
  const [port, ...more] = [...new Set(btpPorts)];
  if (btpPorts.length > 0) {
    draft["btp"] = { host: ANY_HOST, port, additionalPorts: more.length > 0 ? more : undefined };
    if (more.length > 0) {
      notes.push(
        "Each BTP port accepts every account now: the token alone decides which account it is.",
      );
    }
  }
  const [httpPort, ...unused] = [...new Set(httpPorts)];
  if (httpPorts.length > 0) draft["http"] = { host: ANY_HOST, port: httpPort };
  if (unused.length > 0) {
    notes.push(
      `The HTTP ports ${unused.join(", ")} were left out: all accounts share port ` +
        `${String(httpPort)}.`,
    );
  }
}

// --- open accounts -------------------------------------------------------------------------------

function convertOpen(
  id: string,
  account: Draft,
  options: Draft,
  draft: Draft,
  notes: string[],
): void {
  const btp = draft["btp"];
  if (btp !== undefined) {
    const why = "the BTP port is used by other accounts; give each app an account with a token";
    notes.push(`accounts.${id} (ilp-plugin-mini-accounts) was left out: ${why}.`);
    return;
  }
  const wsOpts = isRecord(options["wsOpts"]) ? options["wsOpts"] : {};
  const origins = Array.isArray(options["allowedOrigins"])
    ? (options["allowedOrigins"] as unknown[])
    : [];
  const exact = origins.filter(
    (origin) =>
      typeof origin === "string" && URL.canParse(origin) && new URL(origin).origin === origin,
  );
  if (exact.length < origins.length) {
    notes.push(
      `accounts.${id}: allowedOrigins that are patterns were left out; name each ` +
        `origin under [btp].`,
    );
  }
  const { assetCode, maxPacketAmount } = account;
  draft["btp"] = {
    port: wholeNumber(wsOpts["port"] ?? options["port"] ?? 3000),
    allowedOrigins: exact.length > 0 ? exact : undefined,
    openTokens: true,
    open: {
      assetCode,
      assetScale: wholeNumber(account["assetScale"]),
      maxPacketAmount,
      ...convertLimits(account),
    },
  };
  notes.push(
    `accounts.${id} became [btp] openTokens on 127.0.0.1: its limits hold for each ` +
      `app, not for all together.`,
  );
}
