// The one table of configuration keys. Validation, defaults, the reference file, the key table and
// the types of the values all come from here. Names and defaults are ilp-connector's where it has
// them.
import {
  amount,
  balance,
  choice,
  flag,
  origins,
  rate,
  secret,
  spread,
  target,
  text,
  url,
  whole,
  wholes,
  type Key,
} from "./keys.js";

/**
 * `one`: a table; `optional`: a table or nothing; `named`: tables by id; `list`: an array of
 * tables.
 */
export type Form = "one" | "optional" | "named" | "list";

export interface Section {
  readonly form: Form;
  readonly doc: string;
  /** Id used in the reference, for `named`. */
  readonly example?: string;
  readonly keys: Readonly<Record<string, Key<unknown>>>;
  readonly tables: Readonly<Record<string, Section>>;
}

type ValueOf<K> = K extends Key<infer T> ? T : never;

/** One table's values, its keys and its inner tables together. */
export type Values<S extends Section> = {
  readonly [N in keyof S["keys"]]: ValueOf<S["keys"][N]>;
} & { readonly [N in keyof S["tables"]]: Formed<S["tables"][N]> };

/** The values of a section, by its form. */
export type Formed<S extends Section> = S["form"] extends "named"
  ? ReadonlyMap<string, Values<S>>
  : S["form"] extends "list"
    ? readonly Values<S>[]
    : S["form"] extends "optional"
      ? Values<S> | null
      : Values<S>;

const U32_MAX = 4_294_967_295;
const duration = (min: number, max = 86_400_000): { min: number; max: number; unit: string } => ({
  min,
  max,
  unit: "ms",
});
const PORTS = { min: 0, max: 65_535 };

const asset = {
  assetCode: text({ rule: "asset", required: true, example: '"XRP"', doc: "Currency or asset" }),
  assetScale: whole(
    { min: 0, max: 255 },
    {
      required: true,
      example: "9",
      doc: "Decimal places: one whole unit is 10^assetScale base units",
    },
  ),
};

const limitKeys = {
  maxPacketAmount: amount({
    absence: "unlimited",
    example: '"1000000000"',
    doc: "Largest packet taken from this account",
  }),
  maxPacketAmountOut: amount({
    absence: "unlimited",
    example: '"1000000000"',
    doc: "Largest packet sent to this account",
  }),
  maxInFlight: whole(
    { min: 1, max: 1_000_000 },
    { default: 1000, doc: "Most packets from this account that wait for an answer at a time" },
  ),
  maxInFlightAmount: amount({
    absence: "unlimited",
    example: '"50000000000"',
    doc: "Most value from this account that waits for an answer at a time",
  }),
  maxAtRisk: amount({
    absence: "unlimited",
    example: '"10000000000"',
    doc:
      "Most value from this account that a power cut could lose: fulfilled and not on disk yet, " +
      "what waits for an answer included",
  }),
};

const limitTables = {
  balance: {
    form: "optional",
    doc: "Credit limits. Positive means the peer owes us; without this table credit is unlimited",
    keys: {
      minimum: balance("-Infinity", {
        default: "-Infinity",
        doc: "Lowest balance: how far we may owe the peer",
      }),
      maximum: balance("Infinity", {
        required: true,
        example: '"1000000000"',
        doc: "Highest balance: how much the peer may owe us",
      }),
      settleThreshold: balance("-Infinity", {
        absence: "never settle",
        example: '"-500000000"',
        doc: "Settle when the balance falls below this",
      }),
      settleTo: target({ default: "0", doc: "Balance a settlement aims for" }),
    },
    tables: {},
  },
  rateLimit: {
    form: "one",
    doc: "Most packets per period from this account",
    keys: {
      refillPeriod: whole(duration(100), { default: 60_000, doc: "Length of the period" }),
      refillCount: whole({ min: 1, max: U32_MAX }, { default: 10_000, doc: "Packets per period" }),
      capacity: whole(
        { min: 0, max: U32_MAX },
        { absence: "refillCount", example: "10000", doc: "Most packets at once" },
      ),
    },
    tables: {},
  },
  throughput: {
    form: "one",
    doc: "Most value per period",
    keys: {
      refillPeriod: whole(duration(100), { default: 1000, doc: "Length of the period" }),
      incomingAmount: amount({
        absence: "unlimited",
        example: '"10000000000"',
        doc: "Value per period taken from this account",
      }),
      outgoingAmount: amount({
        absence: "unlimited",
        example: '"10000000000"',
        doc: "Value per period sent to this account",
      }),
    },
    tables: {},
  },
} as const satisfies Record<string, Section>;

const tls = {
  form: "optional",
  doc: "Serve TLS with these PEM files",
  keys: {
    cert: text({ rule: "path", required: true, example: '"cert.pem"', doc: "Certificate chain" }),
    key: text({ rule: "path", required: true, example: '"key.pem"', doc: "Private key" }),
  },
  tables: {},
} as const satisfies Section;

const tokenFileDoc = (which: string): string => `File whose content is the ${which}`;

const accountBtp = {
  form: "optional",
  doc: "Link over BTP (WebSocket): `listen` or `url`",
  keys: {
    listen: flag({
      default: false,
      doc: "True: the peer dials our BTP port and shows the token",
    }),
    url: url(["btp+wss", "btp+ws", "wss", "ws"], {
      example: '"btp+wss://connector.example:7768"',
      doc:
        "Server to dial; `btp+wss://user:token@host:port/path` may carry the token " +
        "as ilp-plugin-btp has it",
    }),
    username: text({
      rule: "username",
      default: "",
      doc: "Sent as auth_username when dialling; empty sends none",
    }),
    token: secret({
      absence: "tokenFile, or the token in the URL",
      example: '"env:BOB_TOKEN"',
      doc: "Token both sides share",
    }),
    tokenFile: text({
      rule: "path",
      alternative: true,
      example: '"bob.token"',
      doc: tokenFileDoc("token"),
    }),
    pingInterval: whole(duration(0), {
      default: 30_000,
      doc: "Pause between WebSocket pings; 0 sends none",
    }),
    authTimeout: whole(duration(100), {
      default: 10_000,
      doc: "How long the server may take to accept the token when dialling",
    }),
  },
  tables: {
    reconnect: {
      form: "one",
      doc: "Pause between attempts to dial, doubled from min to max",
      keys: {
        min: whole(duration(10), { default: 1000, doc: "First pause" }),
        max: whole(duration(10), { default: 60_000, doc: "Longest pause" }),
      },
      tables: {},
    },
  },
} as const satisfies Section;

const accountHttp = {
  form: "optional",
  doc: "Link over ILP-over-HTTP (RFC 35), instead of `btp`",
  keys: {
    url: url(["https", "http"], {
      absence: "we cannot send",
      example: '"https://connector.example/accounts/me/ilp"',
      doc: "Where our packets are posted",
    }),
    outgoingToken: secret({
      absence: "no token is sent",
      example: '"env:CAROL_OUTGOING_TOKEN"',
      doc: "Bearer token we send",
    }),
    outgoingTokenFile: text({
      rule: "path",
      alternative: true,
      example: '"carol-outgoing.token"',
      doc: tokenFileDoc("outgoing token"),
    }),
    incomingToken: secret({
      absence: "the peer cannot send",
      example: '"env:CAROL_INCOMING_TOKEN"',
      doc: "Bearer token the peer must send",
    }),
    incomingTokenFile: text({
      rule: "path",
      alternative: true,
      example: '"carol-incoming.token"',
      doc: tokenFileDoc("incoming token"),
    }),
    timeout: whole(duration(100), { default: 30_000, doc: "Longest wait for an answer" }),
    maxConnections: whole(
      { min: 1, max: 1024 },
      { default: 32, doc: "Most connections to the peer" },
    ),
  },
  tables: {},
} as const satisfies Section;

const account = {
  form: "named",
  example: "bob",
  doc:
    'One table per peer; the id is letters, digits, ".", "_", "~", "-". Exactly ' +
    "one of `btp`, `http` and `serial`",
  keys: {
    relation: choice(["parent", "peer", "child"], {
      required: true,
      example: '"peer"',
      doc: "What the other side is to us",
    }),
    ...asset,
    ilpAddressSegment: text({
      rule: "segment",
      absence: "the account id",
      example: '"bob"',
      doc: "Last segment of a child's address",
    }),
    sendRoutes: flag({
      absence: "true unless child",
      example: "true",
      doc: "Tell this account the routes we know (kept for later: routes are not exchanged yet)",
    }),
    receiveRoutes: flag({
      absence: "true unless child",
      example: "true",
      doc: "Use the routes this account tells us (kept for later, as sendRoutes)",
    }),
    frozen: flag({ default: false, doc: "Stay connected but take and send no packets" }),
    serial: text({
      rule: "line",
      alternative: true,
      absence: "no serial line",
      example: '"/dev/ttyACM0"',
      doc: "Link over a serial line to a board, or over TCP to what stands in for one",
    }),
    serialBaud: whole(
      { min: 300, max: 3_000_000 },
      { default: 115_200, doc: "Speed of the serial line, in bits per second" },
    ),
    serialKey: secret({
      alternative: true,
      absence: "the line is not sealed",
      example: '"env:BOARD_LINE_KEY"',
      doc: "Key of a board's line over TCP, 64 hexadecimal digits: both ends must know it",
    }),
    serialKeyFile: text({
      rule: "path",
      alternative: true,
      example: '"board-line.key"',
      doc: tokenFileDoc("key"),
    }),
    ...limitKeys,
  },
  tables: { ...limitTables, btp: accountBtp, http: accountHttp },
} as const satisfies Section;

const btp = {
  form: "one",
  doc:
    "The BTP port (WebSocket) for accounts with `listen = true`, and for local " +
    "apps with `openTokens`",
  keys: {
    enabled: flag({ default: true, doc: "Whether to listen" }),
    host: text({ rule: "host", default: "127.0.0.1", doc: 'Address to listen on; "::" is all' }),
    port: whole(PORTS, { default: 7768, doc: "Port; 0 takes any free one" }),
    additionalPorts: wholes(
      { min: 1, max: 65_535 },
      { default: [], doc: "More ports for the same accounts" },
    ),
    allowedOrigins: origins({ default: [], doc: "Web pages that may connect from a browser" }),
    maxConnections: whole({ min: 1, max: 65_536 }, { default: 256, doc: "Most clients at a time" }),
    authTimeout: whole(duration(100), {
      default: 10_000,
      doc: "How long a client may take to authenticate",
    }),
    openTokens: flag({
      default: false,
      doc:
        "Give any token its own account, as moneyd does; only on loopback and not " +
        "on the live network",
    }),
  },
  tables: {
    tls,
    open: {
      form: "optional",
      doc: "What accounts made by `openTokens` look like; XRP with scale 9 when absent",
      keys: {
        assetCode: text({ rule: "asset", default: "XRP", doc: asset.assetCode.doc }),
        assetScale: whole({ min: 0, max: 255 }, { default: 9, doc: asset.assetScale.doc }),
        maxAccounts: whole({ min: 1, max: 65_536 }, { default: 100, doc: "Most such accounts" }),
        ...limitKeys,
      },
      tables: limitTables,
    },
  },
} as const satisfies Section;

const http = {
  form: "one",
  doc: "The HTTP port for ILP-over-HTTP and SPSP",
  keys: {
    enabled: flag({ default: true, doc: "Whether to listen" }),
    host: text({ rule: "host", default: "127.0.0.1", doc: 'Address to listen on; "::" is all' }),
    port: whole(PORTS, { default: 7770, doc: "Port; 0 takes any free one" }),
    maxBody: whole(
      { min: 41_997, max: 1_048_576, unit: "bytes" },
      { default: 65_536, doc: "Largest body; the largest legal packet has 41997 bytes" },
    ),
  },
  tables: { tls },
} as const satisfies Section;

const admin = {
  form: "one",
  doc: "The operator's page, admin API and /metrics",
  keys: {
    enabled: flag({ default: true, doc: "Whether to listen" }),
    host: text({ rule: "host", default: "127.0.0.1", doc: "Address to listen on" }),
    port: whole(PORTS, { default: 7769, doc: "Port; 0 takes any free one" }),
    token: secret({
      absence: "none, allowed on loopback only",
      example: '"env:FERRULE_ADMIN_TOKEN"',
      doc: "Token that callers must send",
    }),
    tokenFile: text({
      rule: "path",
      alternative: true,
      example: '"admin.token"',
      doc: tokenFileDoc("token"),
    }),
  },
  tables: {},
} as const satisfies Section;

const claims = {
  form: "one",
  doc: "Packets whose outcome a power cut left unknown: what becomes of them by themselves",
  keys: {
    expiry: whole(duration(0, 31_536_000_000), {
      default: 86_400_000,
      doc: "How long what a peer may owe us is kept open, then it is void; 0 keeps it",
    }),
    owing: choice(["keep", "void"], {
      default: "keep",
      doc: "What we may owe a peer: kept until somebody decides, or void after expiry too",
    }),
  },
  tables: {},
} as const satisfies Section;

const routes = {
  form: "list",
  doc: "Static routes; the longest prefix wins",
  keys: {
    targetPrefix: text({
      rule: "prefix",
      required: true,
      example: '"test.other"',
      doc: "ILP address prefix, without a trailing period",
    }),
    peerId: text({ rule: "account", required: true, example: '"bob"', doc: "Account to send to" }),
  },
  tables: {},
} as const satisfies Section;

const rates = {
  form: "list",
  doc: "Exchange rates between asset codes. The same code is 1:1, whatever the scales",
  keys: {
    from: text({ rule: "asset", required: true, example: '"USD"', doc: "Asset code received" }),
    to: text({ rule: "asset", required: true, example: '"XRP"', doc: "Asset code sent" }),
    rate: rate({
      required: true,
      example: '"0.51"',
      doc: "Price of one whole unit of `from` in whole units of `to`, before spread",
    }),
    both: flag({ default: false, doc: "Use the inverse for the other direction" }),
  },
  tables: {},
} as const satisfies Section;

/** The whole file. */
export const schema = {
  form: "one",
  doc: "",
  keys: {
    ilpAddress: text({
      rule: "address",
      absence: "inherited from a parent",
      example: '"test.mynode"',
      doc: "This node's ILP address",
    }),
    ilpAddressInheritFrom: text({
      rule: "account",
      alternative: true,
      absence: "the first parent, when ilpAddress is absent",
      example: '"bob"',
      doc: "Parent account to ask for our address, instead of ilpAddress",
    }),
    env: choice(["production", "test"], {
      absence: 'from ilpAddress, else "test"',
      example: '"test"',
      doc: 'Network: a production node refuses test addresses, a test node refuses "g."',
    }),
    dataDir: text({
      rule: "path",
      absence: "$XDG_STATE_HOME/ferrule, or ~/.local/state/ferrule",
      example: '"/var/lib/ferrule"',
      doc: "Folder of the journal and snapshots; relative to this file",
    }),
    durability: choice(["group", "strict"], {
      default: "group",
      doc:
        '"group" risks one commitPeriod of fulfilled packets on a power cut; with "strict" a ' +
        "packet leaves only when it is on disk, which costs the time of a write",
    }),
    commitPeriod: whole(duration(1, 10_000), {
      default: 50,
      doc: "Pause between writes to disk while there is something to write",
    }),
    trail: flag({
      default: false,
      doc:
        "Journal every hold and its end, not only the sums: more is written, and a power cut " +
        "leaves the details of what was in flight. Always on with durability strict",
    }),
    journalSize: whole(
      { min: 65_536, max: 1_073_741_824, unit: "bytes" },
      {
        default: 4_194_304,
        doc: "Size of the journal and of each of its two snapshots, for a new dataDir",
      },
    ),
    clockFile: text({
      rule: "path",
      absence: "the clock is trusted at once",
      example: '"/run/systemd/timesync/synchronized"',
      doc: "Take no packets before this file exists: a time service makes it with the right time",
    }),
    spread: spread({ default: "0.002", doc: "Our margin on every packet: 0.002 is 0.2 percent" }),
    minMessageWindow: whole(duration(1, 60_000), {
      default: 1000,
      doc: "Time kept back from each expiry so that an answer can still travel",
    }),
    maxHoldTime: whole(duration(1, 60_000), {
      default: 30_000,
      doc: "Longest a packet may stay in flight",
    }),
    defaultRoute: text({
      rule: "defaultRoute",
      default: "auto",
      doc: 'Account for destinations without a route; "auto" is the first parent, "" is none',
    }),
    reflectPayments: flag({
      default: false,
      doc: "Allow sending a packet back to the account it came from",
    }),
    routeBroadcastEnabled: flag({
      default: true,
      doc: "Tell routes to accounts with sendRoutes (kept for later)",
    }),
    routeBroadcastInterval: whole(duration(1000), {
      default: 30_000,
      doc: "Pause between updates (kept for later)",
    }),
    routeExpiry: whole(duration(1000), {
      default: 45_000,
      doc: "How long peers should keep our routes without an update (kept for later)",
    }),
  },
  tables: { accounts: account, btp, http, admin, claims, routes, rates },
} as const satisfies Section;

export type Schema = typeof schema;
export type FileValues = Values<Schema>;
export type AccountValues = Values<(typeof schema)["tables"]["accounts"]>;

/** A place in the schema: dotted, with `*` for an id and `[]` for a list, e.g. `accounts.*.btp`. */
export interface Place {
  readonly path: string;
  readonly section: Section;
}

/** Every section in the order of the file, the top level first. */
export function listSections(): Place[] {
  const places: Place[] = [];
  const visit = (path: string, section: Section): void => {
    places.push({ path, section });
    for (const [name, inner] of Object.entries(section.tables)) {
      const suffix = inner.form === "named" ? ".*" : inner.form === "list" ? "[]" : "";
      visit(`${path === "" ? "" : `${path}.`}${name}${suffix}`, inner);
    }
  };
  visit("", schema);
  return places;
}

/** Keys other programs have, and what to do instead; they get a better answer than "unknown". */
export const foreignKeys: Readonly<Record<string, string>> = {
  plugin:
    "links are written as [accounts.<id>.btp] or [accounts.<id>.http]; `ferrule " +
    "import` converts plugins",
  options: "plugin options became keys of [accounts.<id>.btp] or [accounts.<id>.http]",
  deduplicate: "duplicate packets are always refused; remove it",
  backend: "rates are written as [[rates]]; remove it",
  backendConfig: "rates are written as [[rates]]; remove it",
  store: "the journal in dataDir is always used; remove it",
  storePath: "write dataDir instead",
  storeConfig: "write dataDir instead",
  middlewares: "there are no plug-in middlewares; remove it",
  disableMiddleware: "checks cannot be switched off; remove it",
  routingSecret: "route authentication values are random; remove it",
  routeCleanupInterval: "it had no effect; remove it",
  initialConnectTimeout: "links connect in the background; remove it",
  adminApi: "write enabled under [admin] instead",
  adminApiPort: "write port under [admin] instead",
  adminApiHost: "write host under [admin] instead",
  collectDefaultMetrics:
    "there are no process metrics, the system's own tools have them; remove it",
};
