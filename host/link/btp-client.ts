// Dials a peer's BTP server (RFC 23), authenticates and keeps the connection: whatever ends it, the
// next attempt follows after a pause that doubles and is spread at random, so that a server that
// comes back is not met by all its peers at once.
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { BtpDialLink } from "../config/types.js";
import { loadWs } from "../require.js";
import { FrameType, writeAuth } from "./btp-frame.js";
import {
  BtpSession,
  CLOSE_AWAY,
  CLOSE_PROTOCOL,
  SESSION_LIMITS,
  socketOptions,
  type BtpDeps,
  type SessionLimits,
} from "./btp-session.js";

const { WebSocket: Client } = loadWs();

/** A connection that lasted this long counts as a success: the pauses start small again. */
const STEADY_MS = 5000;

export type DialerState = "stopped" | "connecting" | "authenticating" | "connected" | "waiting";

export class BtpDialer {
  readonly #account: number;
  readonly #accountId: string;
  readonly #link: BtpDialLink;
  readonly #deps: BtpDeps;
  readonly #limits: SessionLimits;
  /** The URL as people may see it: without a query, which might hold a secret. */
  readonly #name: string;
  #state: DialerState = "stopped";
  #ws: WebSocket | null = null;
  #session: BtpSession | null = null;
  #requestId = 0;
  /** Pause until the next attempt, or limit on authentication. */
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #connectedAtMs = 0;
  #lastReason = "";

  /** `account` is the index in the core, `accountId` its name for the log. */
  constructor(
    account: number,
    accountId: string,
    link: BtpDialLink,
    deps: BtpDeps,
    limits: SessionLimits = SESSION_LIMITS,
  ) {
    this.#account = account;
    this.#accountId = accountId;
    this.#link = link;
    this.#deps = deps;
    this.#limits = limits;
    const { protocol, host, pathname } = new URL(link.url);
    this.#name = `${protocol}//${host}${pathname}`;
  }

  get state(): DialerState {
    return this.#state;
  }

  /** Dials, and goes on until `stop`. */
  start(): void {
    if (this.#state === "stopped") this.#connect();
  }

  /** Closes the connection, if there is one, and makes no other. */
  stop(): void {
    this.#state = "stopped";
    clearTimeout(this.#timer);
    const session = this.#session;
    this.#session = null;
    if (session) session.finish("The connector is shutting down.", CLOSE_AWAY);
    else this.#ws?.terminate();
    this.#ws = null;
  }

  #connect(): void {
    this.#state = "connecting";
    const ws = new Client(this.#link.url, {
      ...socketOptions(this.#deps.core),
      handshakeTimeout: this.#link.authTimeoutMs,
    });
    this.#ws = ws;
    let socket: Socket | undefined;
    ws.once("upgrade", (response) => (socket = response.socket));
    ws.once("open", () => {
      if (this.#ws === ws && socket) this.#open(ws, socket);
    });
    // Before `open` only; afterwards the session says how it ended. Errors are always followed by
    // `close`, and `error` has the better reason.
    let reason = "the connection broke";
    ws.on("error", (error) => (reason = describeDialError(error)));
    ws.once("close", () => {
      if (this.#ws === ws && !this.#session) this.#retry(reason);
    });
  }

  #open(ws: WebSocket, socket: Socket): void {
    this.#state = "authenticating";
    const owner = { isClient: true, greet: this.#answer, ended: this.#ended };
    const session = new BtpSession(ws, socket, this.#name, this.#deps, owner, this.#limits);
    this.#session = session;
    this.#requestId = randomBytes(4).readUInt32BE(0);
    const { username, token, authTimeoutMs } = this.#link;
    session.send(writeAuth(this.#requestId, username, token.reveal()));
    this.#timer = setTimeout(() => {
      session.drop(`the server did not answer the auth message in ${authTimeoutMs} ms`);
    }, authTimeoutMs);
    this.#timer.unref();
  }

  /** A frame before authentication is done. Others than the answer are ignored (BTP-07). */
  readonly #answer = (session: BtpSession, bytes: Uint8Array): void => {
    const { core } = this.#deps;
    const fits = bytes.length <= core.input.length;
    if (fits) core.input.set(bytes);
    const frame = fits ? core.inspectFrame(bytes.length) : -1;
    if (typeof frame === "number") {
      return session.finish("the server's answer was not a BTP frame", CLOSE_PROTOCOL);
    }
    if (frame.requestId !== this.#requestId) return;
    if (frame.type === FrameType.Response) {
      clearTimeout(this.#timer);
      this.#state = "connected";
      this.#connectedAtMs = performance.now();
      this.#lastReason = "";
      session.attach(this.#account, this.#link.pingIntervalMs);
    } else if (frame.type === FrameType.Error) {
      const said = printable(new TextDecoder().decode(frame.errorData));
      const reason = `the server refused the token: ${frame.code} ${printable(frame.name)} ${said}`;
      session.finish(reason, CLOSE_AWAY);
    }
  };

  readonly #ended = (session: BtpSession, reason: string): void => {
    if (this.#session !== session) return;
    this.#session = null;
    if (this.#state === "connected" && performance.now() - this.#connectedAtMs >= STEADY_MS) {
      this.#failures = 0;
    }
    this.#retry(reason);
  };

  /** Waits and dials again. A reason that repeats is told once. */
  #retry(reason: string): void {
    if (this.#state === "stopped") return;
    this.#state = "waiting";
    this.#ws = null;
    clearTimeout(this.#timer);
    const pauseMs = pause(this.#failures++, this.#link.reconnectMinMs, this.#link.reconnectMaxMs);
    const level = reason === this.#lastReason ? "debug" : "warn";
    this.#lastReason = reason;
    const fields = { account: this.#accountId, url: this.#name, reason, retryMs: pauseMs };
    this.#deps.log[level]("BTP peer not connected", fields);
    // Keeps the process alive: a connector that only dials has nothing else to wait for.
    this.#timer = setTimeout(() => this.#connect(), pauseMs);
  }
}

/** Milliseconds before the next attempt: doubled by each failure, then its upper half at random. */
export function pause(failures: number, minMs: number, maxMs: number): number {
  const full = Math.min(maxMs, minMs * 2 ** Math.min(failures, 30));
  return Math.round(Math.max(minMs, full * (0.5 + Math.random() / 2)));
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}

function describeDialError(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ECONNREFUSED: "nothing listens there",
    ENOTFOUND: "this host name does not exist",
    EAI_AGAIN: "the host name cannot be looked up now",
    ETIMEDOUT: "the host does not answer",
    EHOSTUNREACH: "there is no way to this host",
    DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; see NODE_EXTRA_CA_CERTS",
    SELF_SIGNED_CERT_IN_CHAIN: "its certificate is self-signed; see NODE_EXTRA_CA_CERTS",
    CERT_HAS_EXPIRED: "its certificate has expired",
  };
  return known[code ?? ""] ?? printable(error.message || String(code));
}
