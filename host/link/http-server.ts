// ILP-over-HTTP, the receiving side (RFC 35 in its synchronous form, which is the one peers speak:
// HTTP-01, HTTP-08, HTTP-10..13). A Prepare is posted to `/accounts/:id/ilp` or `/ilp`; the Fulfill
// or Reject is the answer's body. It does not read packets beyond their first byte, and it does not
// do asynchronous mode (HTTP-03..07).
//
//   | answer | when                                                                         |
//   | ------ | ---------------------------------------------------------------------------- |
//   | 200    | the core answered: a Fulfill or a Reject                                     |
//   | 400    | wrong content type, or a body that is no Prepare at all                      |
//   | 401    | no token, or none of this account                                            |
//   | 403    | the request comes from a web page (it has an Origin)                         |
//   | 404    | another path                                                                 |
//   | 405    | another method                                                               |
//   | 408    | the request took too long to arrive (node)                                   |
//   | 413    | the body is longer than any packet this node takes                           |
//   | 431    | the header is too long (node)                                                |
//   | 503    | shutting down, or the core could not take the packet                         |
import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { HttpListener } from "../config/types.js";
import type { Log } from "../log.js";
import { LimitedLog } from "./limited-log.js";
import type { Switch } from "./link.js";
import { openPort, readTls } from "./listen.js";
import { PortGuard } from "./port-guard.js";

export interface HttpDeps {
  switch: Switch;
  log: Log;
  /** Largest packet the core takes, in bytes. */
  packetMax: number;
}

/**
 * Who is calling: `/accounts/:id/ilp` with that account's token, or `/ilp` (`accountId` null) with
 * the token alone. Tokens must be compared in constant time; null = refused.
 */
export type AuthenticateHttp = (
  accountId: string | null,
  token: string,
) => { account: number } | null;

export interface HttpLimits {
  /** How long a client may take to send the header, counted from the connection's first moment. */
  headersTimeoutMs: number;
  /** How long a whole request may take to arrive. */
  requestTimeoutMs: number;
  /** How long a connection may rest between two requests; told to the client. */
  keepAliveMs: number;
  /** Longest silence on a connection, an answer that nobody reads included. */
  silenceMs: number;
  headerBytesMax: number;
  connectionsMax: number;
  /** How long answers may take to leave when the server closes. */
  closeWaitMs: number;
}

/** Silence must be longer than the longest hold of a packet, and keep-alive than peers' pauses. */
export const HTTP_LIMITS: HttpLimits = {
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  keepAliveMs: 60_000,
  silenceMs: 120_000,
  headerBytesMax: 8192,
  connectionsMax: 1024,
  closeWaitMs: 1000,
};

const PREPARE = 12;
const ILP_PATH = /^(?:\/accounts\/([^/?]+))?\/ilp\/?(?:\?|$)/;
const ILP_TYPES = ["application/octet-stream", "application/ilp+octet-stream"];
const EMPTY = Buffer.alloc(0);

interface Refusal {
  status: number;
  sentence: string;
  header?: [name: string, value: string];
}

const REFUSALS = {
  path: { status: 404, sentence: "There is nothing here: post to /accounts/<id>/ilp." },
  host: { status: 400, sentence: "An HTTP/1.1 request names its host." },
  method: { status: 405, sentence: "Only POST is possible here.", header: ["Allow", "POST"] },
  origin: { status: 403, sentence: "Web pages may not use this port." },
  draining: { status: 503, sentence: "This connector is shutting down." },
  token: {
    status: 401,
    sentence: "There is no account with these credentials.",
    header: ["WWW-Authenticate", 'Bearer realm="ilp"'],
  },
  type: { status: 400, sentence: "The content type must be application/octet-stream." },
  size: { status: 413, sentence: "The body is longer than any packet this connector takes." },
  packet: { status: 400, sentence: "The body is not an ILP Prepare." },
  core: { status: 503, sentence: "This connector cannot take the packet now." },
} satisfies Record<string, Refusal>;

export class HttpServer {
  readonly #config: HttpListener;
  readonly #authenticate: AuthenticateHttp;
  readonly #deps: HttpDeps;
  readonly #limits: HttpLimits;
  readonly #refusals: LimitedLog;
  readonly #bodyMax: number;
  readonly #guard: PortGuard;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #closed: Promise<void> | null = null;

  constructor(
    config: HttpListener,
    authenticate: AuthenticateHttp,
    deps: HttpDeps,
    limits: HttpLimits = HTTP_LIMITS,
  ) {
    this.#config = config;
    this.#authenticate = authenticate;
    this.#deps = deps;
    this.#limits = limits;
    this.#refusals = new LimitedLog(deps.log);
    this.#bodyMax = Math.min(config.maxBody, deps.packetMax);
    this.#guard = new PortGuard(limits.connectionsMax, () => {
      this.#refusals.warn("HTTP client refused", { reason: "there are too many connections" });
    });
  }

  /** Opens the port; resolves to its URLs. Rejects with a sentence. */
  async listen(): Promise<string[]> {
    const { host, port, tls } = this.#config;
    const server = this.#createServer();
    const place = await openPort(server, host, port, "HTTP");
    this.#server = server;
    server.on("error", (error) => this.#deps.log.error("HTTP port", { reason: error.message }));
    return [`${tls ? "https" : "http"}://${place}`];
  }

  /** Takes no new connections and no new requests; those under way are answered. */
  stopAccepting(): void {
    const server = this.#server;
    this.#closed ??= new Promise((resolve) => (server ? server.close(() => resolve()) : resolve()));
  }

  /** Closes everything. Resolves when no connection is left; answers get a moment to leave. */
  async close(): Promise<void> {
    this.stopAccepting();
    this.#server?.closeIdleConnections();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, this.#limits.closeWaitMs);
    await this.#closed;
    clearTimeout(timer);
  }

  #createServer(): Server {
    const limits = this.#limits;
    const { tls } = this.#config;
    const options = {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 1000),
      keepAliveTimeout: limits.keepAliveMs,
      maxHeaderSize: limits.headerBytesMax,
      insecureHTTPParser: false,
      // Node would answer such requests itself, and never stop. See #admit.
      requireHostHeader: false,
    };
    const handshakeTimeout = limits.headersTimeoutMs;
    const server = tls
      ? createHttpsServer({ ...options, ...readTls(tls, "HTTP"), handshakeTimeout })
      : createHttpServer(options);
    this.#guard.watchFirst(server, tls !== null, limits.headersTimeoutMs, (socket) => {
      const reason = "it sent many requests before the first was answered";
      this.#refusals.warn("HTTP client refused", { remote: socket.remoteAddress, reason });
    });
    server.timeout = limits.silenceMs;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    const handle = (request: IncomingMessage, response: ServerResponse): void =>
      this.#handle(request, response);
    server.on("request", handle);
    server.on("checkExpectation", handle);
    return server;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    if (this.#guard.isOver(request.socket)) return;
    const verdict = this.#admit(request);
    if (typeof verdict !== "number") return this.#refuse(request, response, verdict);
    const account = verdict;
    let body: Buffer = EMPTY;
    let chunks: Buffer[] | null = null;
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > this.#bodyMax) {
        request.removeAllListeners("data").removeAllListeners("end").pause();
        return this.#refuse(request, response, REFUSALS.size);
      }
      // Nearly every packet comes in one piece, which is then used where it lies.
      if (size === chunk.length) body = chunk;
      else (chunks ??= [body]).push(chunk);
    });
    request.on("end", () => {
      this.#forward(account, chunks ? Buffer.concat(chunks, size) : body, response);
    });
  }

  /** The account that may post this request's body, or why there is none. */
  #admit(request: IncomingMessage): number | Refusal {
    const path = ILP_PATH.exec(request.url ?? "");
    if (!path) return REFUSALS.path;
    const { method, headers } = request;
    if (headers.host === undefined && request.httpVersion === "1.1") return REFUSALS.host;
    if (method !== "POST") return REFUSALS.method;
    // A page in a browser of this network could otherwise try tokens, or use a proxy's.
    if (headers.origin !== undefined) return REFUSALS.origin;
    if (this.#closed) return REFUSALS.draining;
    const token = readToken(headers.authorization);
    const accountId = path[1] === undefined ? null : decodeSegment(path[1]);
    const caller = token === "" ? null : this.#authenticate(accountId, token);
    // Whether the account exists is not told apart from a wrong token (HTTP-12).
    if (!caller) return REFUSALS.token;
    this.#guard.admit(request.socket);
    const type = (headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase();
    if (!ILP_TYPES.includes(type)) return REFUSALS.type;
    if (Number(headers["content-length"] ?? 0) > this.#bodyMax) return REFUSALS.size;
    return caller.account;
  }

  #forward(account: number, body: Buffer, response: ServerResponse): void {
    // HTTP-10: what is no Prepare is a fault of HTTP use. A malformed Prepare is the core's
    // business: its sender gets an F01 Reject with 200, which travels further than an HTTP status.
    if (body[0] !== PREPARE) {
      return answer(response, REFUSALS.packet, this.#closed !== null);
    }
    this.#deps.switch.request(account, body, (reply) => {
      // The client may be gone by now: the core has settled the packet all the same.
      if (response.destroyed) return;
      const closing = this.#closed !== null;
      if (!reply) return answer(response, REFUSALS.core, closing);
      if (closing) response.setHeader("Connection", "close");
      response.writeHead(200, {
        "Content-Type": "application/octet-stream",
        "Content-Length": reply.length,
      });
      response.end(reply);
    });
  }

  /** Refuses before the body is read: the connection ends, and the rest is never parsed. */
  #refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
    const { remoteAddress } = request.socket;
    const { status, sentence } = refusal;
    this.#refusals.warn("HTTP request refused", { remote: remoteAddress, status, sentence });
    this.#guard.hangUp(request.socket);
    answer(response, refusal, true);
  }
}

function answer(response: ServerResponse, refusal: Refusal, close: boolean): void {
  const body = `${refusal.sentence}\n`;
  response.setHeader("Content-Type", "text/plain");
  response.setHeader("Content-Length", body.length);
  if (refusal.header) response.setHeader(...refusal.header);
  if (close) response.setHeader("Connection", "close");
  response.writeHead(refusal.status).end(body);
}

/**
 * The token of an Authorization header, "" when there is none. Without a scheme the whole value is
 * the token: ilp-plugin-http sends it so with its older options.
 */
function readToken(authorization: string | undefined): string {
  const value = (authorization ?? "").trim();
  const [, token] = /^bearer +(\S+)$/i.exec(value) ?? [];
  if (token !== undefined) return token;
  return value.includes(" ") ? "" : value;
}

/** The account id in a path; what cannot be decoded names no account. */
function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}
