// ILP-over-HTTP, the sending side (RFC 35 in its synchronous form: HTTP-01, HTTP-08): posts each
// Prepare to the account's URL and hands the answer's body to the core, which decides what it is
// worth (HTTP-14). One pool of keep-alive connections per account; redirects are not followed,
// because they would carry the token elsewhere, and a Prepare is never sent twice. It does not do
// asynchronous mode.
//
// What is not a packet goes upstream as a Reject (HTTP-09):
//
//   | what happened                          | code | why                                         |
//   | -------------------------------------- | ---- | ------------------------------------------- |
//   | 200, body empty, no packet, too long   | T00  | the core says so (HTTP-14)                  |
//   | another 2xx, e.g. 202 (asynchronous)   | F00  | the two sides disagree on the protocol      |
//   | 3xx                                    | F00  | the URL is wrong                            |
//   | 401, 403, 404                          | T01  | the link is not set up; the packet is good  |
//   | 408                                    | T01  | the peer has not had the packet             |
//   | 429                                    | T03  | the peer is busy                            |
//   | another 4xx                            | F00  | the peer cannot read the packet             |
//   | 5xx                                    | T00  | fault of the peer                           |
//   | no connection, or it broke             | T01  | the peer is not reachable                   |
//   | no answer in time, sent                | T00  | fault of the peer                           |
//   | no answer in time, never sent          | T01  | no connection came or was free              |
//   | too many requests waiting              | T03  | this node is busy                           |
//   | no URL, so the account only receives   | F00  | the route is wrong                          |
import { Pool, type Dispatcher } from "undici";
import type { HttpLink } from "../config/types.js";
import type { HttpDeps } from "./http-server.js";
import { LimitedLog } from "./limited-log.js";
import type { Link, Switch } from "./link.js";

export type FailCode = Parameters<Switch["fail"]>[2];

/** Most requests of one account that are sent or wait for a connection. */
export const REQUESTS_MAX = 10_000;
/** Most bytes read of an answer that is no packet, so that its connection can be used again. */
const LEFTOVER_BYTES_MAX = 65_536;
const CONNECT_TIMEOUT_MS = 10_000;
/**
 * Rest of a connection when the peer does not say how long it keeps it, and the longest it may say.
 */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MAX_MS = 300_000;
const HEADER_BYTES_MAX = 8192;
const FULFILL = 13;
const REJECT = 14;
const EMPTY = new Uint8Array(0);

/** Reject code for an answer that is not 200. */
export function codeOfStatus(status: number): FailCode {
  if (status >= 500) return "T00";
  if (status === 429) return "T03";
  if (status === 401 || status === 403 || status === 404 || status === 408) return "T01";
  return "F00";
}

export class HttpLinkClient implements Link {
  readonly #account: number;
  readonly #accountId: string;
  readonly #link: HttpLink;
  readonly #deps: HttpDeps;
  readonly #troubles: LimitedLog;
  readonly #url: URL | null;
  readonly #pool: Pool | null;
  /** Those that have neither ended nor been given up, oldest first. */
  readonly #exchanges = new Set<Exchange>();
  /**
   * Those of them that wait for a connection, oldest first. The pool has a queue too, but ends a
   * connection for every request in it that has been given up.
   */
  readonly #waiting = new Set<Exchange>();
  /** Requests the pool has, each with a connection of its own. */
  #running = 0;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(account: number, accountId: string, link: HttpLink, deps: HttpDeps) {
    this.#account = account;
    this.#accountId = accountId;
    this.#link = link;
    this.#deps = deps;
    this.#troubles = new LimitedLog(deps.log);
    this.#url = link.url === null ? null : new URL(link.url);
    this.#pool = this.#url && new Pool(this.#url.origin, poolOptions(link));
  }

  /** HTTP carries packets, not frames. */
  write(): void {
    this.#deps.log.error("a frame for an HTTP link", { account: this.#accountId });
  }

  request(id: number, _source: number, memory: Uint8Array, address: number, length: number): void {
    if (!this.#pool) return this.#fail(id, "F00", "the account has no URL");
    if (this.#closed) return this.#fail(id, "T01", "the link is closed");
    if (this.#exchanges.size >= REQUESTS_MAX) {
      return this.#fail(id, "T03", "too many requests wait for an answer");
    }
    const packet = Buffer.from(memory.subarray(address, address + length));
    const deadlineMs = performance.now() + this.#link.timeoutMs;
    const exchange = new Exchange(id, packet, deadlineMs, this.#deps.packetMax, this.#owner);
    this.#exchanges.add(exchange);
    this.#timer ??= this.#arm(this.#link.timeoutMs);
    if (this.#running < this.#link.maxConnections) this.#run(exchange);
    else this.#waiting.add(exchange);
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#deps.log.debug("HTTP link closed", { account: this.#accountId, reason });
    for (const exchange of this.#waiting) exchange.giveUp("the link is closed");
    this.#waiting.clear();
    this.#exchanges.clear();
    void this.#pool?.destroy(new Error("the link is closed"));
  }

  describe(): string {
    // No query: it may hold a key.
    return this.#url ? `HTTP ${this.#url.origin}${this.#url.pathname}` : "HTTP, receiving only";
  }

  /**
   * Sends the oldest that waits. One that has waited half its time is not sent: its answer would
   * likely come after it was given up, and a Fulfill among those is this node's loss.
   */
  #runNext(): void {
    const latestMs = performance.now() + this.#link.timeoutMs / 2;
    for (const exchange of this.#waiting) {
      this.#waiting.delete(exchange);
      if (exchange.deadlineMs >= latestMs) return this.#run(exchange);
      this.#exchanges.delete(exchange);
      exchange.giveUp("no connection became free in time");
    }
  }

  #run(exchange: Exchange): void {
    this.#running++;
    const options: Dispatcher.DispatchOptions = {
      path: this.#url!.pathname + this.#url!.search,
      method: "POST",
      headers: this.#headers(),
      body: exchange.packet,
    };
    // Faults of every kind come back through the exchange; this never throws.
    this.#pool!.dispatch(options, exchange);
  }

  #headers(): string[] {
    const type = "application/octet-stream";
    const headers = ["content-type", type, "accept", type];
    const token = this.#link.outgoingToken;
    if (token) headers.push("authorization", `Bearer ${token.reveal()}`);
    return headers;
  }

  readonly #owner: ExchangeOwner = {
    reply: (id, packet) => {
      if (packet[0] !== FULFILL && packet[0] !== REJECT) {
        const reason = "the peer's answer is no ILP packet";
        this.#troubles.warn("HTTP request failed", { account: this.#accountId, reason });
      }
      this.#deps.switch.reply(this.#account, id, packet);
    },
    fail: (id, code, reason) => this.#fail(id, code, reason),
    end: (exchange) => {
      this.#exchanges.delete(exchange);
      this.#running--;
      this.#runNext();
    },
  };

  /** Never during the call that asked: the core is being drained then. */
  #fail(id: number, code: FailCode, reason: string): void {
    this.#troubles.warn("HTTP request failed", { account: this.#accountId, code, reason });
    queueMicrotask(() => this.#deps.switch.fail(this.#account, id, code));
  }

  #arm(waitMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#sweep(), waitMs).unref();
  }

  /** Gives up what is overdue. One timer serves all: their order is that of their deadlines. */
  #sweep(): void {
    this.#timer = null;
    const nowMs = performance.now();
    for (const exchange of this.#exchanges) {
      if (exchange.deadlineMs > nowMs) {
        this.#timer ??= this.#arm(Math.ceil(exchange.deadlineMs - nowMs));
        return;
      }
      this.#exchanges.delete(exchange);
      this.#waiting.delete(exchange);
      exchange.giveUp("no answer in time");
    }
  }
}

function poolOptions(link: HttpLink): Pool.Options {
  return {
    connections: link.maxConnections,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
    // The link's own timer bounds every request as a whole.
    headersTimeout: 0,
    bodyTimeout: 0,
    // Said here so that no environment variable turns it off.
    connect: {
      rejectUnauthorized: true,
      timeout: Math.min(link.timeoutMs, CONNECT_TIMEOUT_MS),
    },
  };
}

interface ExchangeOwner {
  reply(id: number, packet: Uint8Array): void;
  fail(id: number, code: FailCode, reason: string): void;
  /** The pool has let go of it; called once for each that it was given. */
  end(exchange: Exchange): void;
}

/** One request and its answer, settled once. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly packet: Buffer;
  readonly deadlineMs: number;
  readonly #id: number;
  readonly #packetMax: number;
  readonly #owner: ExchangeOwner;
  #controller: Dispatcher.DispatchController | null = null;
  #settled = false;
  #body: Uint8Array = EMPTY;
  #chunks: Uint8Array[] | null = null;
  #size = 0;

  constructor(
    id: number,
    packet: Buffer,
    deadlineMs: number,
    packetMax: number,
    owner: ExchangeOwner,
  ) {
    this.#id = id;
    this.packet = packet;
    this.deadlineMs = deadlineMs;
    this.#packetMax = packetMax;
    this.#owner = owner;
  }

  /** Settles it and stops the transfer; what has not been sent is never sent. */
  giveUp(reason: string): void {
    this.#fail(this.#controller ? "T00" : "T01", reason);
    this.#controller?.abort(new Error(reason));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#settled) controller.abort(new Error("given up"));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    if (status <= 200) return;
    this.#fail(codeOfStatus(status), `the peer answered ${status}`);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#settled) {
      if (this.#size > LEFTOVER_BYTES_MAX) controller.abort(new Error("endless answer"));
    } else if (this.#size > this.#packetMax) {
      this.#reply(EMPTY);
      controller.abort(new Error("the answer is longer than any packet"));
    } else if (this.#size === chunk.length) {
      this.#body = chunk;
    } else {
      (this.#chunks ??= [this.#body]).push(chunk);
    }
  }

  onResponseEnd(): void {
    this.#owner.end(this);
    if (this.#settled) return;
    this.#reply(this.#chunks ? Buffer.concat(this.#chunks, this.#size) : this.#body);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#owner.end(this);
    const { code } = error as NodeJS.ErrnoException;
    this.#fail("T01", error.message || code || "no connection");
  }

  #reply(packet: Uint8Array): void {
    this.#settled = true;
    this.#owner.reply(this.#id, packet);
  }

  #fail(code: FailCode, reason: string): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#owner.fail(this.#id, code, reason);
  }
}
