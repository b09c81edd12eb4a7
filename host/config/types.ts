// The resolved configuration: what the rest of the host is given. Every default is filled in, every
// reference is checked, amounts are bigint in the account's base units, durations are milliseconds
// and end in `Ms`, `null` means "unlimited" or "not set" as said at each key. Nothing here reads a
// file; see load.ts.
import type { Secret } from "./secret.js";

/**
 * One mistake (or warning) as one sentence: `file:line: key …`. `line` counts from 1; 0 = the file
 * as a whole.
 */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number;
  /** Dotted path of the key, e.g. `accounts.bob.balance.maximum`; empty for the file as a whole. */
  readonly key: string;
  /** The sentence without file and line; it names the key and says what to do. */
  readonly message: string;
}

export type Relation = "parent" | "peer" | "child";
/** ADR-11: a production node refuses test addresses, a test node refuses `g.`. */
export type Environment = "production" | "test";
/**
 * `group`: outputs leave at once, one commit period is at risk. `strict`: a Prepare waits for its
 * hold.
 */
export type Durability = "group" | "strict";

export interface Asset {
  readonly assetCode: string;
  /** 0..255: one whole unit is 10^assetScale base units. */
  readonly assetScale: number;
}

/** Signed as in ilp-connector: positive = the peer owes us. All in base units; each fits i64. */
export interface BalanceLimits {
  /** Most we may owe, as a negative number; null = unlimited. */
  readonly minimum: bigint | null;
  /** Most the peer may owe us; null = unlimited. */
  readonly maximum: bigint | null;
  /** Settle when the balance falls below this; null = never. */
  readonly settleThreshold: bigint | null;
  /** Balance a settlement aims for. */
  readonly settleTo: bigint;
}

/** Token bucket of incoming packets. */
export interface RateLimit {
  readonly refillPeriodMs: number;
  readonly refillCount: number;
  readonly capacity: number;
}

/** Token buckets of amounts in base units (u64); null = unlimited. */
export interface Throughput {
  readonly refillPeriodMs: number;
  readonly incomingAmount: bigint | null;
  readonly outgoingAmount: bigint | null;
}

export interface AccountLimits {
  readonly balance: BalanceLimits;
  /** Largest incoming Prepare, base units (u64); null = unlimited. */
  readonly maxPacketAmount: bigint | null;
  /** Largest outgoing Prepare, base units (u64); null = unlimited. */
  readonly maxPacketAmountOut: bigint | null;
  readonly rateLimit: RateLimit;
  readonly throughput: Throughput;
  /** Most packets in flight from this account at a time. */
  readonly maxInFlight: number;
  /** Most value in flight from this account, base units (u64); null = unlimited. */
  readonly maxInFlightAmount: bigint | null;
  /** Most value from this account that a power cut could lose (u64); null = unlimited. */
  readonly maxAtRisk: bigint | null;
}

/** The peer dials our BTP port and shows this token, which is unique among the accounts. */
export interface BtpListenLink {
  readonly kind: "btp-listen";
  readonly token: Secret;
  /** 0 = no pings. */
  readonly pingIntervalMs: number;
}

/** We dial the peer's BTP server. */
export interface BtpDialLink {
  readonly kind: "btp-dial";
  /** `ws://` or `wss://`, without credentials. */
  readonly url: string;
  /** `auth_username`; empty = none. */
  readonly username: string;
  readonly token: Secret;
  /** First and longest pause between attempts. */
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  readonly pingIntervalMs: number;
  /** How long the server may take to answer the auth message. */
  readonly authTimeoutMs: number;
}

/** ILP-over-HTTP (RFC 35). At least one of `url` and `incomingToken` is set. */
export interface HttpLink {
  readonly kind: "http";
  /** Where our Prepares are posted; null = this account can only send to us. */
  readonly url: string | null;
  /** Bearer token we send; null = none. */
  readonly outgoingToken: Secret | null;
  /** Bearer token the peer sends, unique among the accounts; null = the peer cannot send to us. */
  readonly incomingToken: Secret | null;
  readonly timeoutMs: number;
  readonly maxConnections: number;
}

/** A serial line to a board: whoever holds the wire is the peer; or a sealed one over TCP. */
export interface SerialLink {
  readonly kind: "serial";
  /** Path of a device, or `tcp://host:port` of what stands in for one. */
  readonly device: string;
  /** Bits per second; without meaning over TCP. */
  readonly baud: number;
  /** The key of the board's line, 64 hexadecimal digits; null = the line is not sealed. */
  readonly key: Secret | null;
}

export type AccountLink = BtpListenLink | BtpDialLink | HttpLink | SerialLink;

export interface Account extends Asset, AccountLimits {
  readonly id: string;
  readonly relation: Relation;
  /** A child's address is ours + `.` + this (ADR-13). */
  readonly ilpAddressSegment: string;
  readonly sendRoutes: boolean;
  readonly receiveRoutes: boolean;
  /** True: connected, but no Prepare is taken from or sent to it. */
  readonly frozen: boolean;
  readonly link: AccountLink;
}

/** What a stranger's account looks like when `btp.openTokens` is on; its relation is `child`. */
export interface OpenAccount extends Asset, AccountLimits {
  /** Most accounts made this way. */
  readonly maxAccounts: number;
}

/** Absolute paths of PEM files. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

export interface BtpListener {
  readonly enabled: boolean;
  readonly host: string;
  /** `port` first, then `additionalPorts`; 0 = any free port. */
  readonly ports: readonly number[];
  readonly tls: Tls | null;
  /**
   * Browser origins that may connect; empty = no browser page may. Clients without an Origin always
   * may.
   */
  readonly allowedOrigins: readonly string[];
  readonly maxConnections: number;
  /** How long a client may take to authenticate. */
  readonly authTimeoutMs: number;
  readonly openTokens: boolean;
  /** Set exactly when `openTokens` is true. */
  readonly open: OpenAccount | null;
}

export interface HttpListener {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number;
  readonly tls: Tls | null;
  /** Bytes; at least 41997, the largest legal Reject. */
  readonly maxBody: number;
}

export interface AdminListener {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number;
  /** Null only when the host is loopback. */
  readonly token: Secret | null;
}

/** What becomes of possible claims by themselves. */
export interface ClaimPolicy {
  /** After so long what a peer may owe us is void; 0 = never. */
  readonly expiryMs: number;
  /** What we may owe: `void` after `expiryMs` too, or kept. */
  readonly owing: "keep" | "void";
}

export interface StaticRoute {
  /** ILP address or bare scheme, no trailing period (ADR-05). */
  readonly targetPrefix: string;
  /** Account id. */
  readonly peerId: string;
}

/**
 * As written: the price of one whole unit of `from` in whole units of `to`, as a reduced fraction.
 */
export interface DeclaredRate {
  readonly from: string;
  readonly to: string;
  readonly numerator: bigint;
  readonly denominator: bigint;
  /** Whether the inverse holds for the other direction too. */
  readonly both: boolean;
}

/**
 * Exact rate between two assets in base units, without spread: out = floor(in × numerator /
 * denominator). Reduced; both fit u64 and denominator ≤ (2^64−1)/3.
 */
export interface ResolvedRate {
  readonly from: Asset;
  readonly to: Asset;
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export interface Config {
  /** Path the configuration was read from; null = built-in defaults. */
  readonly file: string | null;
  readonly env: Environment;
  /**
   * Own address; null = ask the parent `ilpAddressInheritFrom` (ILDCP). Exactly one of the two is
   * set.
   */
  readonly ilpAddress: string | null;
  readonly ilpAddressInheritFrom: string | null;
  /** Absolute folder for the journal and snapshots. */
  readonly dataDir: string;
  readonly durability: Durability;
  readonly commitPeriodMs: number;
  /** Every hold and its end is journalled. */
  readonly trail: boolean;
  /** Bytes of the journal and of each snapshot in a new `dataDir`. */
  readonly journalSize: number;
  /** Absolute path; no packets are taken before this file exists. Null = the clock is right. */
  readonly clockFile: string | null;
  /** Parts per 10^9, 0..999999999. */
  readonly spreadPpb: bigint;
  readonly minMessageWindowMs: number;
  readonly maxHoldTimeMs: number;
  /** Account id; null = no default route. `auto` is already resolved. */
  readonly defaultRoute: string | null;
  readonly reflectPayments: boolean;
  readonly routeBroadcastEnabled: boolean;
  readonly routeBroadcastIntervalMs: number;
  readonly routeExpiryMs: number;
  /** In the order of the file. */
  readonly accounts: readonly Account[];
  readonly btp: BtpListener;
  readonly http: HttpListener;
  readonly admin: AdminListener;
  readonly claims: ClaimPolicy;
  readonly routes: readonly StaticRoute[];
  readonly rates: readonly DeclaredRate[];
  /** Every ordered pair of assets in use that has a rate, an asset to itself (1/1) included. */
  readonly rateTable: readonly ResolvedRate[];
  /** Things that work but that an operator should know, e.g. an account without balance limits. */
  readonly warnings: readonly ConfigProblem[];
}

/** One account as asked for by `ferrule init`. */
export interface InitAccount extends Asset {
  readonly id: string;
  readonly relation: Relation;
  /**
   * `btp+ws(s)://`, `ws(s)://` dials BTP, `http(s)://` is ILP-over-HTTP; absent = the peer dials
   * our BTP port.
   */
  readonly url?: string;
  /** Token (or `env:NAME`) shown to the peer when dialling, or expected of it when listening. */
  readonly token?: string;
  /** ILP-over-HTTP only: the token the peer must send. */
  readonly incomingToken?: string;
  /** Credit limits as decimal strings, base units; absent = not written. */
  readonly balanceMinimum?: string;
  readonly balanceMaximum?: string;
}

/** What `ferrule init` asks. */
export interface InitAnswers {
  /** Null = inherit from the first parent in `accounts`. */
  readonly ilpAddress: string | null;
  readonly dataDir?: string;
  /** Decimal string; absent = the default. */
  readonly spread?: string;
  /** Accept local apps with any token (test, private and local networks only). */
  readonly openTokens?: boolean;
  /** Asset of the open accounts; XRP scale 9 when absent. */
  readonly openAsset?: Asset;
  readonly adminToken?: string;
  readonly accounts: readonly InitAccount[];
}

/** The result of `ferrule import`. */
export interface ImportResult {
  /** A ferrule.toml that loads cleanly; it holds the secrets found, so write it with mode 0600. */
  readonly toml: string;
  /** What could not be carried over, one sentence each; never a secret. */
  readonly notes: readonly string[];
}
