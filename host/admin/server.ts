// The admin API: JSON over HTTP for this node's operator, plus /metrics, /healthz and /readyz. It
// reads what the core knows; all it changes are an account's Frozen flag, its possible claims and,
// for a ping, packets of this node's own. Errors are `{"error": "sentence"}`. Serves the operator's
// page beside that.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { dumpConfig, isLoopback, redact, type AdminListener } from "../config/index.js";
import type { Connector, PingResult } from "../connector.js";
import { AccountFlag, CoreError, LOCAL_ACCOUNT, Status } from "../core.js";
import { LimitedLog } from "../link/limited-log.js";
import { PortGuard } from "../link/port-guard.js";
import type { Log } from "../log.js";
import type { AccountEntry } from "../registry.js";
import {
  reportAccount,
  reportAccounts,
  reportEvents,
  reportExplanation,
  reportRates,
  reportRoutes,
  reportStatus,
  whyNotReady,
} from "../report.js";
import { reportClaims, reportEvidence } from "../books-report.js";
import { checkAccess } from "./access.js";
import { readAmount, readBody, readCount, readText, RequestError, type Fields } from "./body.js";
import { renderMetrics } from "./metrics.js";
import { PAGE_HEADERS, findPageFile } from "./page.js";

const EVENTS_DEFAULT = 50;
const EVENTS_MAX = 10_000;
const PINGS_MAX = 100;
const CONNECTIONS_MAX = 64;
const REQUEST_TIMEOUT_MS = 10_000;
/** Longest silence on a connection whose next move is the client's. */
const SILENCE_MS = 30_000;
/** No client pipelines here; one that asks on without reading its answers is cut off. */
const UNANSWERED_MAX = 16;
const UNREAD_BYTES_MAX = 1 << 20;
const JSON_TYPE = "application/json; charset=utf-8";
const TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a handler is given. */
interface Call {
  readonly connector: Connector;
  readonly query: URLSearchParams;
  readonly body: Fields;
  /** The variable part of the path. */
  readonly id: string;
  /** True once nobody waits for the answer any more. */
  readonly isGone: () => boolean;
}

type Handler = (call: Call) => unknown;

function findAccount(connector: Connector, id: string): AccountEntry {
  const entry = connector.registry.byId(id);
  if (entry) return entry;
  throw new RequestError(
    404,
    `There is no account "${id}": see GET /accounts for those there are.`,
  );
}

/** Runs what needs a destination; the core's BadPacket becomes a sentence about it. */
function withDestination<T>(destination: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof CoreError) || error.status !== Status.BadPacket) throw error;
    throw new RequestError(
      400,
      `"${destination.slice(0, 80)}" is not an ILP address: write one like test.bob or g.bank.bob.`,
    );
  }
}

function explain({ connector, body }: Call): unknown {
  const source = findAccount(connector, readText(body, "account"));
  const destination = readText(body, "destination");
  const amount = readAmount(body, "amount");
  const holdMs = connector.config.maxHoldTimeMs;
  const expiresInMs = readCount(body["expiresInMs"], "expiresInMs", holdMs, [0, 86_400_000]);
  return withDestination(destination, () =>
    reportExplanation(connector, source, destination, amount, expiresInMs),
  );
}

/** Pings one after the other, until all are done or nobody waits for them. */
async function ping({ connector, body, isGone }: Call): Promise<unknown> {
  const destination = readText(body, "destination");
  const amount = readAmount(body, "amount", 0n);
  const count = readCount(body["count"], "count", 1, [1, PINGS_MAX]);
  if (connector.address === null) {
    throw new RequestError(503, "This node has no address yet, so no answer could reach it.");
  }
  const expiresAtMs = connector.wallMs();
  withDestination(destination, () =>
    connector.explain(LOCAL_ACCOUNT, { destination, amount, expiresAtMs }),
  );
  const results: PingResult[] = [];
  while (results.length < count && !isGone() && !connector.isDraining) {
    results.push(await connector.ping(destination, amount));
  }
  const fulfilled = results.filter(({ reply }) => reply === "fulfill").length;
  return { destination, amount, count: results.length, fulfilled, results };
}

function setFrozen({ connector, id }: Call, frozen: boolean): unknown {
  const entry = findAccount(connector, id);
  if (entry.index === LOCAL_ACCOUNT) {
    throw new RequestError(409, "The node's own account cannot be frozen: stop the node instead.");
  }
  const { core } = connector;
  if (frozen) core.setFlags(entry.index, AccountFlag.Frozen);
  else core.setFlags(entry.index, 0, AccountFlag.Frozen);
  connector.log.info(frozen ? "account frozen" : "account unfrozen", { account: id });
  return reportAccount(connector, entry);
}

/**
 * Ends possible claims of an account: `{side, action, amount?}`; all that is open if absent.
 * Answers when that is durable.
 */
async function resolveClaim({ connector, id, body }: Call): Promise<unknown> {
  const entry = findAccount(connector, id);
  const side = readText(body, "side");
  const action = readText(body, "action");
  if (side !== "owed" && side !== "owing") {
    throw new RequestError(400, '"side" must be "owed" (by them) or "owing" (by you).');
  }
  if (action !== "post" && action !== "void") {
    throw new RequestError(400, '"action" must be "post" (it was right) or "void" (it was not).');
  }
  if (connector.books.failure) {
    throw new RequestError(503, "The disk has failed: start the node again, then end claims.");
  }
  const untilMs = connector.claims.answerableUntil(entry, side);
  if (untilMs > 0) {
    const until = new Date(untilMs).toISOString();
    const sentence = `Until ${until} ${id} can still fulfill packets of these claims: wait.`;
    throw new RequestError(409, sentence);
  }
  const open = connector.claims.of(entry)[side];
  const amount = readAmount(body, "amount", open);
  if (amount > open || amount === 0n) {
    const sentence = `Of what is ${side}, ${open} units are open at ${id}: at most that can end.`;
    throw new RequestError(409, sentence);
  }
  connector.claims.resolve(entry, side, action === "post", amount);
  try {
    await connector.books.flush();
  } catch {
    const sentence =
      "The disk has failed before this was written: it may be undone. Start the node again and " +
      "look at `ferrule claims`.";
    throw new RequestError(503, sentence);
  }
  return reportAccount(connector, entry);
}

function backUp({ connector }: Call): unknown {
  const backup = connector.books.backUp();
  if (!backup) throw new RequestError(409, "This node keeps no books on disk: set dataDir.");
  const { bytes, sequence } = backup;
  return { sequence, bytes: Buffer.from(bytes).toString("base64") };
}

const HANDLERS: Readonly<Record<string, Handler>> = {
  "GET /status": ({ connector }) => reportStatus(connector),
  "GET /accounts": ({ connector }) => reportAccounts(connector),
  "GET /accounts/:id": ({ connector, id }) => reportAccount(connector, findAccount(connector, id)),
  "GET /routes": ({ connector }) => reportRoutes(connector),
  "GET /rates": ({ connector }) => reportRates(connector),
  "GET /events": ({ connector, query }) =>
    reportEvents(
      connector,
      readCount(query.get("count"), "count", EVENTS_DEFAULT, [1, EVENTS_MAX]),
    ),
  "GET /config": ({ connector: { config } }) => ({
    file: config.file,
    toml: dumpConfig(config),
    config: redact(config),
  }),
  "GET /claims": ({ connector }) => reportClaims(connector),
  "GET /evidence": ({ connector }) => reportEvidence(connector),
  "GET /backup": backUp,
  "POST /accounts/:id/claims": resolveClaim,
  "POST /explain": explain,
  "POST /ping": ping,
  "POST /accounts/:id/freeze": (call) => setFrozen(call, true),
  "POST /accounts/:id/unfreeze": (call) => setFrozen(call, false),
};

/** `/accounts/bob/freeze` as its pattern and its variable part. */
function splitPath(path: string): { pattern: string; id: string } {
  const match = /^\/accounts\/([^/]+)(\/[a-z]+)?$/.exec(path);
  if (!match) return { pattern: path, id: "" };
  try {
    return { pattern: `/accounts/:id${match[2] ?? ""}`, id: decodeURIComponent(match[1]!) };
  } catch {
    throw new RequestError(400, "The account in the path is not URL-encoded: encode it.");
  }
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "bigint" ? inner.toString() : inner,
  );
}

function answerJson(status: number, value: unknown): Answer {
  return { status, type: JSON_TYPE, body: `${toJson(value)}\n` };
}

/** For load balancers and supervisors, which have no token: says nothing but yes or no. */
function answerHealth(connector: Connector, path: string): Answer | null {
  if (path === "/healthz") return answerJson(200, { ok: true });
  if (path !== "/readyz") return null;
  const reason = whyNotReady(connector);
  return reason === null ? answerJson(200, { ok: true }) : answerJson(503, { error: reason });
}

/** Listens on `config.host`; one per node. */
export class AdminServer {
  readonly #config: AdminListener;
  readonly #connector: Connector;
  readonly #log: Log;
  readonly #server: Server;
  readonly #guard: PortGuard;
  readonly #unanswered = new WeakMap<Socket, number>();

  constructor(config: AdminListener, connector: Connector, log: Log) {
    this.#config = config;
    this.#connector = connector;
    this.#log = log;
    const take = (request: IncomingMessage, response: ServerResponse): void =>
      this.#take(request, response);
    this.#server = createServer({ requireHostHeader: false }, take);
    this.#server.on("checkExpectation", take);
    this.#server.timeout = SILENCE_MS;
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.headersTimeout = REQUEST_TIMEOUT_MS;
    const refused = new LimitedLog(log);
    this.#guard = new PortGuard(CONNECTIONS_MAX, () =>
      refused.warn("admin client refused", { reason: "there are too many connections" }),
    );
    this.#guard.watch(this.#server, false);
  }

  /** Opens the port and resolves to its URL. Throws a sentence when it cannot. */
  async listen(): Promise<string> {
    const { host, port, token } = this.#config;
    if (token === null && !isLoopback(host)) {
      throw new Error(`The admin API on ${host} needs a token: set admin.token.`);
    }
    await new Promise<void>((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => {
        const reasons: Record<string, string> = {
          EADDRINUSE:
            "another program uses this port (is Ferrule running already?); stop it or " +
            "choose another admin.port",
          EACCES: "this user may not open it; choose an admin.port above 1023",
          EADDRNOTAVAIL: "this machine does not have that address; check admin.host",
        };
        const reason = reasons[error.code ?? ""] ?? error.message;
        reject(new Error(`The admin API cannot listen on ${host} port ${port}: ${reason}.`));
      };
      this.#server.once("error", fail);
      this.#server.listen(port, host.replace(/^\[(.*)\]$/, "$1"), () => {
        this.#server.off("error", fail);
        resolve();
      });
    });
    const { port: actual } = this.#server.address() as AddressInfo;
    const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
    return `http://${name}:${actual}`;
  }

  /** Ends every connection. Also when it never listened. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Serves a request, unless its connection has too many that wait. */
  #take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (this.#guard.isOver(socket)) return;
    const waiting = (this.#unanswered.get(socket) ?? 0) + 1;
    if (waiting > UNANSWERED_MAX || socket.writableLength > UNREAD_BYTES_MAX) {
      this.#guard.hangUp(socket);
      return void socket.destroy();
    }
    this.#unanswered.set(socket, waiting);
    response.once("close", () => {
      this.#unanswered.set(socket, (this.#unanswered.get(socket) ?? 1) - 1);
    });
    void this.#serve(request, response);
  }

  /** Who has shown no right to be here gets one answer a connection: it goes ahead of any other. */
  #last({ socket }: IncomingMessage, response: ServerResponse): void {
    if (this.#guard.isKnown(socket)) return;
    this.#guard.hangUp(socket);
    response.setHeader("connection", "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let headers: Readonly<Record<string, string>> = {};
    let answer: Answer;
    try {
      answer = await this.#answer(request, response);
    } catch (error) {
      if (error instanceof RequestError) {
        answer = answerJson(error.status, { error: error.message });
        headers = error.headers;
      } else {
        this.#log.error("admin request failed", { reason: String(error) });
        answer = answerJson(500, { error: "The node failed to answer; its log says why." });
      }
    }
    if (response.destroyed) return;
    response.writeHead(answer.status, {
      "content-type": answer.type,
      "content-length": Buffer.byteLength(answer.body),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...answer.headers,
      ...headers,
    });
    response.end(request.method === "HEAD" ? undefined : answer.body);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const connector = this.#connector;
    const [path = "/", search = ""] = (request.url ?? "/").split("?", 2);
    const method = request.method === "HEAD" ? "GET" : (request.method ?? "GET");
    const page = method === "GET" ? findPageFile(path) : null;
    if (page) this.#last(request, response);
    if (page) return { status: 200, headers: PAGE_HEADERS, ...page };
    const refusal = checkAccess(this.#config.token, request.headers);
    const health = method === "GET" ? answerHealth(connector, path) : null;
    if (health || refusal) this.#last(request, response);
    if (health && refusal?.status !== 403) return health;
    if (refusal) {
      const challenge: Record<string, string> =
        refusal.status === 401 ? { "www-authenticate": 'Bearer realm="ferrule"' } : {};
      throw new RequestError(refusal.status, refusal.error, challenge);
    }
    this.#guard.admit(request.socket);
    if (path === "/metrics" && method === "GET") {
      return { status: 200, type: TEXT_TYPE, body: renderMetrics(connector) };
    }
    const { pattern, id } = splitPath(path);
    const handler = findHandler(method, pattern);
    const call: Call = {
      connector,
      query: new URLSearchParams(search),
      body: method === "POST" ? await readBody(request) : {},
      id,
      isGone: () => response.destroyed,
    };
    // A ping may take longer than a client may be silent.
    request.socket.setTimeout(0);
    try {
      return answerJson(200, await handler(call));
    } finally {
      request.socket.setTimeout(SILENCE_MS);
    }
  }
}

function findHandler(method: string, pattern: string): Handler {
  const key = `${method} ${pattern}`;
  const handler = Object.hasOwn(HANDLERS, key) ? HANDLERS[key] : undefined;
  if (handler) return handler;
  const health = ["/healthz", "/readyz", "/metrics"].includes(pattern);
  const allowed = ["GET", "POST"].filter(
    (other) => Object.hasOwn(HANDLERS, `${other} ${pattern}`) || (health && other === "GET"),
  );
  if (allowed.length > 0) {
    const [allow = ""] = allowed;
    throw new RequestError(405, `Use ${allow} for ${pattern}.`, { allow });
  }
  const paths = Object.keys(HANDLERS).join(", ");
  throw new RequestError(
    404,
    `There is nothing here. There are ${paths}, GET /metrics, GET /healthz and GET /readyz.`,
  );
}
