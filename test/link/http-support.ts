// What the HTTP link tests share: a switch that remembers, a log that is kept, a bare HTTP client
// and peers that answer as they are told. Loopback only.
import { spawnSync } from "node:child_process";
import { createServer, request as requestHttp } from "node:http";
import type { Agent, IncomingHttpHeaders, RequestListener } from "node:http";
import { connect, createServer as createNetServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { Secret } from "../../host/config/secret.js";
import type { HttpLink, HttpListener } from "../../host/config/types.js";
import { Status, type LinkKind } from "../../host/core.js";
import { HttpLinkClient } from "../../host/link/http-client.js";
import { HTTP_LIMITS, HttpServer } from "../../host/link/http-server.js";
import type { AuthenticateHttp, HttpLimits } from "../../host/link/http-server.js";
import type { Link, Switch } from "../../host/link/link.js";
import type { Log } from "../../host/log.js";

export const PACKET_MAX = 42_000;
export const TOKEN = "a-token-nobody-may-see";
export const URL_PATH = "/accounts/bob/ilp";

/** How a request that a link carried ended. */
export type Ending = { code: string } | { packet: Uint8Array };
type Done = (reply: Uint8Array | null) => void;

/** Remembers what links ask of it. An ending that comes twice or during a call is an error. */
export class FakeSwitch implements Switch {
  readonly requests: { account: number; packet: Uint8Array; done: Done }[] = [];
  readonly endings = new Map<number, Ending>();
  readonly errors: string[] = [];
  /** What to do with a request; keeps it when null. */
  onRequest: ((account: number, packet: Uint8Array, done: Done) => void) | null = null;
  /** A link is being called. */
  calling = false;
  readonly #waiting = new Map<number, (ending: Ending) => void>();

  attach(_account: number, _link: Link, kind: LinkKind): LinkKind {
    return kind;
  }
  detach(): void {}
  congest(): void {}
  stream(): void {
    this.errors.push("stream");
  }

  frame(): Status {
    this.errors.push("frame");
    return Status.Ok;
  }

  request(account: number, packet: Uint8Array, done: Done): void {
    // As the connector: the bytes are the caller's again after this call.
    const copy = Uint8Array.from(packet);
    if (this.onRequest) this.onRequest(account, copy, done);
    else this.requests.push({ account, packet: copy, done });
  }

  reply(_account: number, id: number, packet: Uint8Array): void {
    this.#end(id, { packet: Uint8Array.from(packet) });
  }

  fail(_account: number, id: number, code: string): void {
    this.#end(id, { code });
  }

  #end(id: number, ending: Ending): void {
    if (this.calling) this.errors.push(`${id} ended during the call`);
    if (this.endings.has(id)) this.errors.push(`${id} ended twice`);
    this.endings.set(id, ending);
    this.#waiting.get(id)?.(ending);
    this.#waiting.delete(id);
  }

  ending(id: number): Promise<Ending> {
    const known = this.endings.get(id);
    if (known) return Promise.resolve(known);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }
}

export interface KeptLog extends Log {
  lines: string[];
}

export function keepLog(): KeptLog {
  const lines: string[] = [];
  const at =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Resolves when `test` holds; looks once an event loop turn. Throws after five seconds. */
export async function until(what: string, test: () => boolean): Promise<void> {
  for (const end = performance.now() + 5000; !test();) {
    if (performance.now() > end) throw new Error(`Waited in vain for: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

// ---- the server

const LISTENER: HttpListener = {
  enabled: true,
  host: "127.0.0.1",
  port: 0,
  tls: null,
  maxBody: 65_536,
};

/** Account 3 is `bob` and has TOKEN. */
export const onlyBob: AuthenticateHttp = (accountId, token) =>
  token === TOKEN && (accountId === null || accountId === "bob") ? { account: 3 } : null;

export async function serve(
  config: Partial<HttpListener> = {},
  limits: Partial<HttpLimits> = {},
  authenticate: AuthenticateHttp = onlyBob,
) {
  const fake = new FakeSwitch();
  const log = keepLog();
  const deps = { switch: fake, log, packetMax: PACKET_MAX };
  const all = { ...HTTP_LIMITS, closeWaitMs: 100, ...limits };
  const server = new HttpServer({ ...LISTENER, ...config }, authenticate, deps, all);
  const [url] = await server.listen();
  return { server, url: url!, fake, log };
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Local port of the connection it came on. */
  port: number;
}

export interface Post {
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
  agent?: Agent;
}

/** Headers of a request that is in order. */
export const GOOD = {
  authorization: `Bearer ${TOKEN}`,
  "content-type": "application/octet-stream",
};

/** One HTTP request, in order unless told otherwise. */
export function post(url: string, { path, method, headers, body, agent }: Post): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const bytes = body ?? prepare(1);
    const options = {
      method: method ?? "POST",
      headers: { ...(headers ?? GOOD), "content-length": bytes.length },
      agent,
    };
    const request = requestHttp(url + (path ?? URL_PATH), options, (response) => {
      const chunks: Buffer[] = [];
      const port = response.socket.localPort!;
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode, headers } = response;
        resolve({ status: statusCode!, headers, body: Buffer.concat(chunks), port });
      });
    });
    request.on("error", reject);
    request.end(bytes);
  });
}

/** A bare connection that keeps what it hears. */
export class RawClient {
  readonly socket: Socket;
  heard = "";
  isClosed = false;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect(Number(port), hostname);
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text: string) => (this.heard += text));
    this.socket.on("error", () => {});
    this.socket.on("close", () => (this.isClosed = true));
  }

  closed(): Promise<void> {
    return until("the server closes the connection", () => this.isClosed);
  }

  hears(text: string): Promise<void> {
    return until(`the server says ${text}`, () => this.heard.includes(text));
  }
}

/** The header of a request that is in order, with these lines added. */
export function head(...lines: string[]): string {
  const first = [`POST ${URL_PATH} HTTP/1.1`, "Host: x", `Authorization: Bearer ${TOKEN}`];
  const all = [...first, "Content-Type: application/octet-stream", ...lines];
  return `${all.join("\r\n")}\r\n\r\n`;
}

/** Bytes that begin like a Prepare and hold a number; links look at no more than the first. */
export function prepare(number: number, length = 100): Uint8Array {
  const bytes = new Uint8Array(length).fill(number & 0xff, 8);
  bytes[0] = 12;
  new DataView(bytes.buffer).setUint32(4, number);
  return bytes;
}

/** The number in what `prepare` made, or in its echo. */
export function numberOf(bytes: Uint8Array): number {
  return Buffer.from(bytes).readUInt32BE(4);
}

/** The same bytes as a Fulfill would begin. */
export function fulfillOf(packet: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(packet);
  copy[0] = 13;
  return copy;
}

// ---- peers

export interface Peer {
  url: string;
  /** Connections taken so far. */
  connections: number;
  /** And ended so far. undici may open one anew that it does not need. */
  ended: number;
  sockets: Set<Socket>;
  close(): Promise<void>;
}

/** A server that answers as `listener` does. */
export function startPeer(listener: RequestListener): Promise<Peer> {
  return open(createServer({ keepAliveTimeout: 60_000 }, listener));
}

/** A TCP server for peers that do not speak HTTP properly. */
export function startRawPeer(listener: (socket: Socket) => void): Promise<Peer> {
  return open(createNetServer(listener));
}

async function open(server: ReturnType<typeof createNetServer>): Promise<Peer> {
  const peer: Peer = {
    url: "",
    connections: 0,
    ended: 0,
    sockets: new Set(),
    close: () => {
      for (const socket of peer.sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  server.on("connection", (socket: Socket) => {
    peer.connections++;
    peer.sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      peer.ended++;
      peer.sockets.delete(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  peer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return peer;
}

/** A link to `url` (base and path), on account 7. */
export function dial(url: string | null, link: Partial<HttpLink> = {}) {
  const fake = new FakeSwitch();
  const log = keepLog();
  const whole: HttpLink = {
    kind: "http",
    url,
    outgoingToken: new Secret(TOKEN),
    incomingToken: null,
    timeoutMs: 5000,
    maxConnections: 10,
    ...link,
  };
  const deps = { switch: fake, log, packetMax: PACKET_MAX };
  const client = new HttpLinkClient(7, "bob", whole, deps);
  const memory = new Uint8Array(65_536);
  /** Sends as the core does: the bytes are gone when the call returns. */
  const send = (id: number, packet: Uint8Array = prepare(id)): Promise<Ending> => {
    memory.set(packet, 1000);
    fake.calling = true;
    client.request(id, 1, memory, 1000, packet.length);
    fake.calling = false;
    memory.fill(0xee, 1000, 1000 + packet.length);
    return fake.ending(id);
  };
  return { client, fake, log, send };
}

/** Writes a certificate for localhost; null where there is no openssl. */
export function makeCertificate(folder: string): { cert: string; key: string } | null {
  const tls = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  const { status } = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-keyout", tls.key, "-out", tls.cert, "-days", "1", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=IP:127.0.0.1"],
  ]);
  return status === 0 ? tls : null;
}
