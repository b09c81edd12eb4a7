// The BTP port (RFC 23, BTP-01..05): takes WebSocket connections, finds out who they are and hands
// them to the switch. Browser pages are kept out by their Origin. One instance serves all ports.
import { createServer as createHttpServer, type IncomingMessage, type Server } from "node:http";
import type { ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocket, WebSocketServer } from "ws";
import { BtpFault } from "../abi.js";
import type { BtpListener } from "../config/types.js";
import type { InspectedFrame } from "../core.js";
import { loadWs } from "../require.js";
import { AUTH, AUTH_TOKEN, AUTH_USERNAME, FrameType } from "./btp-frame.js";
import { writeNotAccepted, writeResponse } from "./btp-frame.js";
import {
  BtpSession,
  CLOSE_AWAY,
  CLOSE_POLICY,
  CLOSE_PROTOCOL,
  SESSION_LIMITS,
  socketOptions,
  type BtpDeps,
  type SessionLimits,
} from "./btp-session.js";
import { LimitedLog } from "./limited-log.js";
import { openPort, readTls } from "./listen.js";
import { PortGuard } from "./port-guard.js";

const { WebSocketServer: Sockets } = loadWs();

/**
 * Whose token this is. `username` is "" when the client gave none; `remote` is its host and port.
 * The refusal is sent to the client: it must not tell whether the token exists. The comparison must
 * take the same time whatever the token (BTP-04). `pingIntervalMs`: 30 s when
 * absent, 0 = no pings.
 */
export type Authenticate = (
  token: string,
  username: string,
  remote: string,
) => { account: number; pingIntervalMs?: number } | { refusal: string };

const PING_INTERVAL_MS = 30_000;
/** How long clients may take to say goodbye when the server closes. */
const CLOSE_WAIT_MS = 1000;
/** Slots beyond `maxConnections`, so that there is always room for those yet to authenticate. */
const STRANGERS_MAX = 64;
const TOO_MANY = "there are too many connections";
const GREETING =
  "This is the BTP port of an Interledger connector: connect with a BTP client (WebSocket).\n";

/** interledger-rs names the account in the path. */
const ACCOUNT_PATH = /^\/accounts\/([^/?]+)\/ilp\/btp\/?(?:\?|$)/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A connection that has not authenticated yet. */
interface Stranger {
  socket: Socket;
  remote: string;
  pathUsername: string;
  timer: NodeJS.Timeout;
}

/** What an auth frame says, or why it is none. `requestId` null: there is nothing to answer. */
type Greeting =
  | { requestId: number; username: string; token: string }
  | { requestId: number | null; problem: string };

export class BtpServer {
  readonly #config: BtpListener;
  readonly #authenticate: Authenticate;
  readonly #deps: BtpDeps;
  readonly #limits: SessionLimits;
  readonly #sockets: WebSocketServer;
  readonly #servers: Server[] = [];
  readonly #sessions = new Set<BtpSession>();
  readonly #strangers = new Map<BtpSession, Stranger>();
  readonly #refusals: LimitedLog;
  readonly #guard: PortGuard;
  #accepting = true;

  constructor(
    config: BtpListener,
    authenticate: Authenticate,
    deps: BtpDeps,
    limits: SessionLimits = SESSION_LIMITS,
  ) {
    this.#config = config;
    this.#authenticate = authenticate;
    this.#deps = deps;
    this.#refusals = new LimitedLog(deps.log);
    this.#limits = limits;
    this.#guard = new PortGuard(config.maxConnections + STRANGERS_MAX, () => {
      this.#refusals.warn("BTP client refused", { reason: TOO_MANY });
    });
    this.#sockets = new Sockets({ noServer: true, ...socketOptions(deps.core) });
  }

  /** WebSockets that are open or closing, authenticated or not. */
  get connectionCount(): number {
    return this.#sockets.clients.size;
  }

  /** Connections that have authenticated: only they count against `maxConnections`. */
  get #knownCount(): number {
    return this.#sessions.size - this.#strangers.size;
  }

  /** Opens every port; resolves to their URLs. Throws a sentence, and then no port is open. */
  async listen(): Promise<string[]> {
    const { host, ports, tls } = this.#config;
    const { log } = this.#deps;
    const secure = tls ? readTls(tls, "BTP") : null;
    const urls: string[] = [];
    try {
      for (const port of ports) {
        const server = this.#createServer(secure);
        this.#servers.push(server);
        const place = await openPort(server, host, port, "BTP");
        server.on("error", ({ message }) => log.error("BTP port", { reason: message }));
        urls.push(`${secure ? "wss" : "ws"}://${place}`);
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    return urls;
  }

  /** Takes no new connections; those that are open go on. */
  stopAccepting(): void {
    this.#accepting = false;
    for (const server of this.#servers) server.close();
  }

  /** Closes everything. Resolves when no socket is left, at the latest after a second. */
  async close(): Promise<void> {
    this.stopAccepting();
    const reason = "The connector is shutting down.";
    const sessions = [...this.#sessions];
    const closed = [...this.#sockets.clients].map(
      (socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())),
    );
    for (const session of sessions) session.finish(reason, CLOSE_AWAY);
    const timer = setTimeout(() => {
      for (const socket of this.#sockets.clients) socket.terminate();
    }, CLOSE_WAIT_MS);
    await Promise.all(closed);
    clearTimeout(timer);
    for (const server of this.#servers) server.closeAllConnections();
  }

  #createServer(secure: { cert: Buffer; key: Buffer } | null): Server {
    const { authTimeoutMs } = this.#config;
    const options = {
      headersTimeout: authTimeoutMs,
      requestTimeout: authTimeoutMs,
      connectionsCheckingInterval: Math.min(authTimeoutMs, 1000),
      keepAliveTimeout: 1000,
      maxHeaderSize: 8192,
      requireHostHeader: false,
    };
    const server = secure
      ? createHttpsServer({ ...options, ...secure, handshakeTimeout: authTimeoutMs })
      : createHttpServer(options);
    this.#guard.watch(server, secure !== null);
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      if (this.#guard.isOver(request.socket)) return;
      this.#guard.hangUp(request.socket);
      answerPlainHttp(response);
    };
    server.on("request", answer);
    server.on("checkExpectation", answer);
    server.on("upgrade", (request, socket, head) => {
      const rest = this.#guard.release(request.socket);
      this.#upgrade(request, socket, rest.length > 0 ? Buffer.concat([head, rest]) : head);
    });
    return server;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // Nothing may become an uncaught exception, whatever happens during the handshake.
    socket.on("error", () => socket.destroy());
    const { headers } = request;
    const origin = headers.origin ?? headers["sec-websocket-origin"];
    if (origin !== undefined && !this.#config.allowedOrigins.includes(String(origin))) {
      this.#countRefusal("a web page may not use this port", request.socket);
      return refuseUpgrade(socket, "403 Forbidden", "Web pages may not connect to this BTP port.");
    }
    if (!this.#accepting) {
      return refuseUpgrade(socket, "503 Service Unavailable", "The connector is shutting down.");
    }
    if (this.#knownCount >= this.#config.maxConnections) {
      this.#countRefusal(TOO_MANY, request.socket);
      return refuseUpgrade(socket, "503 Service Unavailable", "There are too many connections.");
    }
    this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#admit(ws, request));
  }

  /** An open WebSocket: a stranger until its first frame. */
  #admit(ws: WebSocket, request: IncomingMessage): void {
    const { socket } = request;
    const remote = remoteOf(socket);
    const owner = { isClient: false, greet: this.#greet, ended: this.#ended };
    const session = new BtpSession(ws, socket, remote, this.#deps, owner, this.#limits);
    const timer = setTimeout(() => {
      session.finish("The client did not authenticate in time.", CLOSE_POLICY);
    }, this.#config.authTimeoutMs);
    timer.unref();
    this.#sessions.add(session);
    const pathUsername = usernameOf(request.url ?? "");
    this.#strangers.set(session, { socket, remote, pathUsername, timer });
  }

  /** The first frame: exactly one chance. */
  readonly #greet = (session: BtpSession, bytes: Uint8Array): void => {
    const stranger = this.#strangers.get(session);
    if (!stranger) return;
    this.#forget(session);
    const greeting = this.#read(bytes);
    if ("problem" in greeting) {
      return this.#reject(session, stranger, greeting.requestId, greeting.problem);
    }
    const { requestId, token } = greeting;
    // Whoever it is: a full port must not tell good tokens from bad ones. This one counts already.
    if (this.#knownCount > this.#config.maxConnections) {
      return this.#reject(session, stranger, requestId, TOO_MANY);
    }
    const username = greeting.username || stranger.pathUsername;
    const verdict = this.#authenticate(token, username, stranger.remote);
    if ("refusal" in verdict) return this.#reject(session, stranger, requestId, verdict.refusal);
    this.#guard.admit(stranger.socket);
    session.send(writeResponse(requestId));
    session.attach(verdict.account, verdict.pingIntervalMs ?? PING_INTERVAL_MS);
  };

  readonly #ended = (session: BtpSession, reason: string): void => {
    this.#sessions.delete(session);
    this.#forget(session);
    this.#deps.log.debug("BTP connection ended", { link: session.describe(), reason });
  };

  #forget(session: BtpSession): void {
    clearTimeout(this.#strangers.get(session)?.timer);
    this.#strangers.delete(session);
  }

  #reject(session: BtpSession, stranger: Stranger, requestId: number | null, why: string): void {
    this.#countRefusal(why, stranger.remote);
    if (requestId !== null) session.send(writeNotAccepted(requestId, why, Date.now()));
    session.finish(why, requestId === null ? CLOSE_PROTOCOL : CLOSE_POLICY);
  }

  /** Reads the auth frame (BTP-01) with the core's own parser. */
  #read(bytes: Uint8Array): Greeting {
    const { core } = this.#deps;
    if (bytes.length > core.input.length) return { requestId: null, problem: "Frame too long." };
    core.input.set(bytes);
    const frame = core.inspectFrame(bytes.length);
    if (typeof frame !== "number") return readGreeting(frame);
    // Names that occur twice are an offence, not garbage, and get an answer (BTP-09).
    if (frame === BtpFault.Duplicate && bytes[0] === FrameType.Message) {
      const requestId = Buffer.from(bytes).readUInt32BE(1);
      return { requestId, problem: "A sub-protocol occurs twice in the auth message." };
    }
    return { requestId: null, problem: "The first frame was not a BTP frame." };
  }

  #countRefusal(reason: string, from: Socket | string): void {
    const remote = typeof from === "string" ? from : remoteOf(from);
    this.#refusals.warn("BTP client refused", { remote, reason });
  }
}

function readGreeting(frame: InspectedFrame): Greeting {
  const { type, requestId, protocols } = frame;
  const isRequest = type === FrameType.Message || type === FrameType.Transfer;
  if (type !== FrameType.Message || protocols[0]?.name !== AUTH) {
    const problem = "The first frame must be a Message whose first sub-protocol is auth.";
    return { requestId: isRequest ? requestId : null, problem };
  }
  const text = (name: string): string | undefined => {
    const protocol = protocols.find((candidate) => candidate.name === name);
    return protocol && utf8.decode(protocol.data);
  };
  try {
    const token = text(AUTH_TOKEN);
    if (token === undefined) return { requestId, problem: "The auth message has no auth_token." };
    return { requestId, token, username: text(AUTH_USERNAME) ?? "" };
  } catch {
    return { requestId, problem: "The auth message is not UTF-8." };
  }
}

function usernameOf(url: string): string {
  const [, name] = ACCOUNT_PATH.exec(url) ?? [];
  try {
    return decodeURIComponent(name ?? "");
  } catch {
    return "";
  }
}

function remoteOf(socket: Socket): string {
  const host = socket.remoteAddress ?? "unknown";
  return host.includes(":") ? `[${host}]:${socket.remotePort}` : `${host}:${socket.remotePort}`;
}

function answerPlainHttp(response: ServerResponse): void {
  const headers = { "Content-Type": "text/plain", Upgrade: "websocket", Connection: "close" };
  response.writeHead(426, headers).end(GREETING);
}

function refuseUpgrade(socket: Duplex, status: string, sentence: string): void {
  const body = `${sentence}\n`;
  const head = `Content-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`, () => socket.destroy());
}
