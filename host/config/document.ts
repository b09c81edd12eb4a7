// Configuration as text: the commented reference, the key table, a first file for `ferrule init`,
// and the running configuration printed back. The first two come from the schema alone; none of
// them shows a secret, except that `renderInit` writes the tokens it is given.
import { formatSpread } from "./numbers.js";
import { listSections, type Place, type Section } from "./schema.js";
import { REDACTED, Secret } from "./secret.js";
import type {
  Account,
  AccountLimits,
  AccountLink,
  Config,
  InitAccount,
  InitAnswers,
} from "./types.js";
import { writeToml, type TomlNamed, type TomlTable } from "./write.js";

// --- reference -----------------------------------------------------------------------------------

const REFERENCE_HEAD = `# Ferrule configuration reference. Every key is here. A line "#key = value"
# is a key at its default, or an example where there is none: remove the "#" to use it. Amounts are
# in base units: one whole unit of an asset with scale 9 is "1000000000". Durations are in
# milliseconds. A token may be "env:NAME" to come from the environment.
`;

const COLUMNS = 100;

/**
 * A ferrule.toml with every key, its default and one line of explanation. As it stands it is a
 * valid configuration: the defaults, with the address \`test.mynode\`. With each "#key" and
 * "#[table]" line uncommented it is valid too.
 */
export function renderReference(): string {
  const blocks = listSections().map((place) => renderSection(place));
  return `${REFERENCE_HEAD}\n${blocks.join("\n")}`;
}

function renderSection({ path, section }: Place): string {
  const lines: string[] = [];
  if (path !== "") {
    lines.push(...comment(`${section.doc}.`), `#${heading(path, section)}`);
    if (path === "accounts.*.http") lines.unshift(...exampleAccount());
  }
  for (const [name, key] of Object.entries(section.keys)) {
    const state = key.required
      ? "Required."
      : key.defaultText === null
        ? `Default: ${key.absence}.`
        : "";
    lines.push(...comment([`${key.doc} (${key.kind}).`, state].join(" ").trim()));
    const value = key.defaultText ?? key.example;
    const live = path === "" && name === "ilpAddress";
    lines.push(`${live ? "" : key.alternative ? "# " : "#"}${name} = ${value}`);
  }
  return `${lines.join("\n")}\n`;
}

/** A second example account, because one account has either a BTP or an HTTP link. */
function exampleAccount(): string[] {
  return [
    "# A second account, linked over HTTP.",
    "#[accounts.carol]",
    '#relation = "peer"',
    '#assetCode = "XRP"',
    "#assetScale = 9",
  ];
}

/** `[accounts.bob.btp]` for `accounts.*.btp`, `[[routes]]` for `routes[]`. */
function heading(path: string, section: Section): string {
  const id = path.startsWith("accounts.*.http") ? "carol" : "bob";
  const name = path.replace("*", id).replace("[]", "");
  return section.form === "list" ? `[[${name}]]` : `[${name}]`;
}

function comment(text: string): string[] {
  const lines: string[] = [];
  let line = "#";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

// --- key table -----------------------------------------------------------------------------------

/** Every key as Markdown: one table per section with key, type, default and meaning. */
export function renderKeyTable(): string {
  const blocks = listSections().map(({ path, section }) => {
    const name = path.replace("*", "<id>").replace("[]", "");
    const title =
      path === ""
        ? "### Top level"
        : `### \`${section.form === "list" ? `[[${name}]]` : `[${name}]`}\`\n\n${section.doc}.`;
    const rows = Object.entries(section.keys).map(([key, { kind, doc, ...rest }]) => {
      const fallback = rest.required
        ? "**required**"
        : rest.defaultText === null
          ? rest.absence
          : `\`${rest.defaultText}\``;
      return `| \`${key}\` | ${cell(kind)} | ${cell(fallback)} | ${cell(doc)} |`;
    });
    const head = ["| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |"];
    return `${title}\n\n${[...head, ...rows].join("\n")}\n`;
  });
  return blocks.join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

// --- init ----------------------------------------------------------------------------------------

/**
 * Writes a first ferrule.toml from the answers of `ferrule init`; it loads unless an answer itself
 * is wrong.
 */
export function renderInit(answers: InitAnswers): string {
  const { openTokens = false, openAsset, adminToken } = answers;
  const document: TomlTable = {
    ilpAddress: answers.ilpAddress,
    dataDir: answers.dataDir ?? null,
    spread: answers.spread ?? null,
    accounts: named(answers.accounts, (account) => [account.id, initAccount(account)]),
    btp: openTokens
      ? { openTokens, open: openAsset === undefined ? null : { ...openAsset } }
      : null,
    admin: adminToken === undefined ? null : { token: adminToken },
  };
  const head = "# Ferrule configuration. Keys that are not here have their defaults.\n";
  return `${head}${writeToml(document)}`;
}

function initAccount(account: InitAccount): TomlTable {
  const { relation, assetCode, assetScale, url, token, incomingToken } = account;
  const minimum = account.balanceMinimum ?? null;
  const maximum = account.balanceMaximum ?? (minimum === null ? null : "Infinity");
  const isHttp = url !== undefined && /^https?:/i.test(url);
  const btp: TomlTable =
    url === undefined ? { listen: true, token: token ?? null } : { url, token: token ?? null };
  const http: TomlTable = {
    url: url ?? null,
    outgoingToken: token ?? null,
    incomingToken: incomingToken ?? null,
  };
  return {
    relation,
    assetCode,
    assetScale,
    balance: maximum === null ? null : { minimum, maximum },
    ...(isHttp ? { http } : { btp }),
  };
}

// --- the running configuration -------------------------------------------------------------------

/**
 * The configuration as TOML with every key written out. A token that came from a file or the
 * environment is written as that reference; one that stood in the file is written as a placeholder,
 * which is refused when read back.
 */
export function dumpConfig(config: Config): string {
  const { btp, http, admin } = config;
  return writeToml({
    ilpAddress: config.ilpAddress,
    ilpAddressInheritFrom: config.ilpAddressInheritFrom,
    env: config.env,
    dataDir: config.dataDir,
    durability: config.durability,
    commitPeriod: config.commitPeriodMs,
    trail: config.trail,
    journalSize: config.journalSize,
    clockFile: config.clockFile,
    spread: formatSpread(config.spreadPpb),
    minMessageWindow: config.minMessageWindowMs,
    maxHoldTime: config.maxHoldTimeMs,
    defaultRoute: config.defaultRoute ?? "",
    reflectPayments: config.reflectPayments,
    routeBroadcastEnabled: config.routeBroadcastEnabled,
    routeBroadcastInterval: config.routeBroadcastIntervalMs,
    routeExpiry: config.routeExpiryMs,
    accounts: named(config.accounts, (account) => [account.id, dumpAccount(account)]),
    btp: {
      enabled: btp.enabled,
      host: btp.host,
      port: btp.ports[0] ?? 0,
      additionalPorts: btp.ports.slice(1),
      allowedOrigins: btp.allowedOrigins,
      maxConnections: btp.maxConnections,
      authTimeout: btp.authTimeoutMs,
      openTokens: btp.openTokens,
      tls: btp.tls === null ? null : { ...btp.tls },
      open: btp.open === null ? null : dumpOpen(btp.open),
    },
    http: { ...http, tls: http.tls === null ? null : { ...http.tls } },
    admin: {
      enabled: admin.enabled,
      host: admin.host,
      port: admin.port,
      ...dumpSecret("token", admin.token),
    },
    claims: { expiry: config.claims.expiryMs, owing: config.claims.owing },
    routes: config.routes.map((route) => ({ ...route })),
    rates: config.rates.map(({ from, to, numerator, denominator, both }) => ({
      from,
      to,
      rate: `${numerator}/${denominator}`,
      both,
    })),
  });
}

/** Tables by id, or nothing: an empty list would be written as a value. */
function named<T>(
  items: readonly T[],
  write: (item: T) => readonly [string, TomlTable],
): TomlNamed | null {
  return items.length === 0 ? null : items.map(write);
}

function dumpAccount(account: Account): TomlTable {
  const { id, relation, assetCode, assetScale, sendRoutes, receiveRoutes, frozen } = account;
  // A default segment is checked for children only, so for others it may not be one.
  const segment = account.ilpAddressSegment === id ? null : account.ilpAddressSegment;
  return {
    relation,
    assetCode,
    assetScale,
    ilpAddressSegment: segment,
    sendRoutes,
    receiveRoutes,
    frozen,
    ...dumpLimits(account),
    ...dumpLink(account.link),
  };
}

function dumpOpen(open: NonNullable<Config["btp"]["open"]>): TomlTable {
  const { assetCode, assetScale, maxAccounts } = open;
  return { assetCode, assetScale, maxAccounts, ...dumpLimits(open) };
}

function dumpLimits(limits: AccountLimits): TomlTable {
  const { balance, rateLimit, throughput } = limits;
  const amount = (value: bigint | null): string => value?.toString() ?? "Infinity";
  return {
    maxPacketAmount: amount(limits.maxPacketAmount),
    maxPacketAmountOut: amount(limits.maxPacketAmountOut),
    maxInFlight: limits.maxInFlight,
    maxInFlightAmount: amount(limits.maxInFlightAmount),
    maxAtRisk: amount(limits.maxAtRisk),
    balance: {
      minimum: balance.minimum?.toString() ?? "-Infinity",
      maximum: amount(balance.maximum),
      settleThreshold: balance.settleThreshold?.toString() ?? "-Infinity",
      settleTo: balance.settleTo.toString(),
    },
    rateLimit: {
      refillPeriod: rateLimit.refillPeriodMs,
      refillCount: rateLimit.refillCount,
      capacity: rateLimit.capacity,
    },
    throughput: {
      refillPeriod: throughput.refillPeriodMs,
      incomingAmount: amount(throughput.incomingAmount),
      outgoingAmount: amount(throughput.outgoingAmount),
    },
  };
}

function dumpLink(link: AccountLink): TomlTable {
  switch (link.kind) {
    case "btp-listen":
      return {
        btp: {
          listen: true,
          ...dumpSecret("token", link.token),
          pingInterval: link.pingIntervalMs,
        },
      };
    case "btp-dial":
      return {
        btp: {
          url: link.url,
          username: link.username,
          ...dumpSecret("token", link.token),
          pingInterval: link.pingIntervalMs,
          authTimeout: link.authTimeoutMs,
          reconnect: { min: link.reconnectMinMs, max: link.reconnectMaxMs },
        },
      };
    case "serial":
      return {
        serial: link.device,
        serialBaud: link.baud,
        ...dumpSecret("serialKey", link.key),
      };
    case "http":
      return {
        http: {
          url: link.url,
          ...dumpSecret("outgoingToken", link.outgoingToken),
          ...dumpSecret("incomingToken", link.incomingToken),
          timeout: link.timeoutMs,
          maxConnections: link.maxConnections,
        },
      };
  }
}

function dumpSecret(name: string, secret: Secret | null): TomlTable {
  if (secret === null) return {};
  const { source } = secret;
  if (source.kind === "env") return { [name]: `env:${source.name}` };
  if (source.kind === "file") return { [`${name}File`]: source.path };
  return { [name]: secret.isEmpty ? "" : REDACTED };
}

/**
 * A copy that can be shown and turned into JSON: secrets are replaced, amounts are decimal strings.
 */
export function redact(config: Config): Readonly<Record<string, unknown>> {
  return plain(config) as Record<string, unknown>;
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Secret) return REDACTED;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
