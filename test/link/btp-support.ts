// What the BTP link tests share: a core for reading frames, a switch that only remembers, raw
// frames and sockets. Waiting is for events, with a limit, never for time to pass.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, type Socket } from "node:net";
import { WebSocket } from "ws";
import type { BtpDialLink, BtpListener } from "../../host/config/types.js";
import { Secret } from "../../host/config/secret.js";
import { Core, LinkKind, Status } from "../../host/core.js";
import type { BtpDeps } from "../../host/link/btp-session.js";
import { BtpServer, type Authenticate } from "../../host/link/btp-server.js";
import { writeAuth } from "../../host/link/btp-frame.js";
import type { Link, Switch } from "../../host/link/link.js";
import type { Log } from "../../host/log.js";

const wasm = readFileSync(new URL("../../build/gateway.wasm", import.meta.url));
export const core = new Core(new WebAssembly.Module(new Uint8Array(wasm)), new Uint8Array(8));

/** Remembers what links ask of it; frames go to `onFrame`. */
export class FakeSwitch implements Switch {
  /** false: as a switch whose core reads no streams, so that `ws` does all the framing. */
  static takesStreams = true;
  readonly links = new Map<number, Link>();
  readonly calls: string[] = [];
  readonly frames: Uint8Array[] = [];
  onFrame: (account: number, frame: Uint8Array) => Status = () => Status.Ok;
  readonly #streams = new Map<number, FakeStream>();

  attach(account: number, link: Link, kind: LinkKind): LinkKind {
    this.calls.push(`attach ${account}`);
    const before = this.links.get(account);
    const stream = new FakeStream(link, kind, (frame) => this.frame(account, frame));
    this.#streams.set(account, stream);
    this.links.set(account, FakeSwitch.takesStreams ? stream : link);
    before?.close("replaced by a newer connection");
    return FakeSwitch.takesStreams ? kind : LinkKind.Btp;
  }

  #is(account: number, link: Link): boolean {
    const current = this.links.get(account);
    return current === link || (current instanceof FakeStream && current.link === link);
  }

  detach(account: number, link: Link): void {
    if (!this.#is(account, link)) return;
    this.calls.push(`detach ${account}`);
    this.links.delete(account);
  }

  congest(account: number, link: Link, congested: boolean): void {
    if (this.#is(account, link)) this.calls.push(`congest ${account} ${congested}`);
  }

  stream(account: number, chunk: Uint8Array): void {
    this.#streams.get(account)!.read(chunk);
  }

  frame(account: number, frame: Uint8Array): Status {
    this.frames.push(Uint8Array.from(frame));
    return this.onFrame(account, frame);
  }

  request(): void {}
  reply(): void {}
  fail(): void {}
}

interface ReceiverFault extends Error {
  code: string;
}

interface FrameReceiver {
  write(chunk: Uint8Array): void;
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): void;
  on(event: "ping", listener: (data: Buffer) => void): void;
  on(event: "conclude", listener: (code: number) => void): void;
  on(event: "error", listener: (fault: ReceiverFault) => void): void;
}

const { Receiver } = createRequire(import.meta.url)("ws") as {
  Receiver: new (options: object) => FrameReceiver;
};

/** Does what the core does with a stream, through the parts of `ws`. */
class FakeStream implements Link {
  readonly link: Link;
  readonly #masked: boolean;
  readonly #receiver: FrameReceiver;
  #isOver = false;

  constructor(link: Link, kind: LinkKind, onFrame: (frame: Buffer) => Status) {
    this.link = link;
    this.#masked = kind === LinkKind.WsClient;
    const options = { isServer: !this.#masked, maxPayload: core.packetMax + 1024 };
    this.#receiver = new Receiver({ ...options, skipUTF8Validation: true });
    this.#receiver.on("message", (data, isBinary) => {
      if (this.#isOver) return;
      if (!isBinary) this.#end(1003);
      else if (onFrame(data) === Status.BadFrame) this.#end(1002);
    });
    this.#receiver.on("ping", (data) => this.#send(10, data));
    this.#receiver.on("conclude", (code) => this.#end(code === 1005 ? 0 : code));
    this.#receiver.on("error", ({ code }) =>
      this.#end(code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" ? 1009 : 1002),
    );
  }

  read(chunk: Uint8Array): void {
    if (!this.#isOver) this.#receiver.write(chunk);
  }

  #send(opcode: number, payload: Uint8Array): void {
    const frame = this.#masked ? clientFrame(opcode, payload) : serverFrame(opcode, payload);
    this.link.write(frame, 0, frame.length);
  }

  #end(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#send(8, code === 0 ? Buffer.alloc(0) : Buffer.from([code >> 8, code & 255]));
    queueMicrotask(() => this.link.over!(code));
  }

  write(memory: Uint8Array, address: number, length: number): void {
    this.#send(2, memory.subarray(address, address + length));
  }

  request(): void {}

  close(reason: string): void {
    this.link.close(reason);
  }

  describe(): string {
    return this.link.describe();
  }
}

export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

/** A log that keeps its lines. */
export function keepLog(): Log & { lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) =>
      void lines.push({ level, message, fields });
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export function makeDeps(): BtpDeps & { switch: FakeSwitch; log: ReturnType<typeof keepLog> } {
  return { core, switch: new FakeSwitch(), log: keepLog() };
}

export const LISTENER: BtpListener = {
  enabled: true,
  host: "127.0.0.1",
  ports: [0],
  tls: null,
  allowedOrigins: [],
  maxConnections: 100,
  authTimeoutMs: 2000,
  openTokens: false,
  open: null,
};

export const DIAL: BtpDialLink = {
  kind: "btp-dial",
  url: "ws://127.0.0.1:1",
  username: "",
  token: new Secret("sesame"),
  reconnectMinMs: 10,
  reconnectMaxMs: 40,
  pingIntervalMs: 0,
  authTimeoutMs: 2000,
};

/** Tokens `token-N` open account N. */
export const byNumber: Authenticate = (token) => {
  const [, number] = /^token-(\d+)$/.exec(token) ?? [];
  return number ? { account: Number(number) } : { refusal: "No account with these credentials." };
};

/** Resolves when `test` holds; looks once an event loop turn. Throws after `limitMs`. */
export async function until(what: string, test: () => boolean, limitMs = 5000): Promise<void> {
  for (const end = performance.now() + limitMs; !test();) {
    if (performance.now() > end) throw new Error(`Waited ${limitMs} ms in vain for: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A WebSocket client that keeps what it hears. */
export class Client {
  readonly ws: WebSocket;
  readonly heard: Buffer[] = [];
  code = 0;
  reason = "";
  status = 0;
  isOpen = false;
  isClosed = false;
  #wake: (() => void)[] = [];

  constructor(url: string, options: object = {}) {
    this.ws = new WebSocket(url, options);
    this.ws.on("open", () => this.#note(() => (this.isOpen = true)));
    this.ws.on("message", (data: Buffer) => this.#note(() => this.heard.push(data)));
    this.ws.on("error", () => {});
    this.ws.on("unexpected-response", (request, response) => {
      request.destroy();
      this.#note(() => {
        this.status = response.statusCode ?? 0;
        this.isClosed = true;
      });
    });
    this.ws.on("close", (code, reason) =>
      this.#note(() => {
        this.isClosed = true;
        this.code = code;
        this.reason = reason.toString();
      }),
    );
  }

  #note(change: () => void): void {
    change();
    for (const wake of this.#wake.splice(0)) wake();
  }

  async until(what: string, test: () => boolean): Promise<void> {
    const end = performance.now() + 5000;
    while (!test()) {
      const wait = new Promise<void>((resolve, reject) => {
        const failed = () => reject(new Error(`The client waited in vain for: ${what}.`));
        const timer = setTimeout(failed, end - performance.now());
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      await wait;
    }
  }

  opened(): Promise<void> {
    return this.until("open", () => this.isOpen);
  }

  closed(): Promise<void> {
    return this.until("close", () => this.isClosed);
  }

  answered(count: number): Promise<void> {
    return this.until(`${count} frames`, () => this.heard.length >= count);
  }

  /** Opens, authenticates and waits for the Response. */
  async enter(token: string): Promise<this> {
    await this.opened();
    this.ws.send(writeAuth(7, "", token));
    await this.answered(1);
    return this;
  }
}

/** A server on any free port with a fake switch. */
export async function serve(
  config: Partial<BtpListener> = {},
  authenticate: Authenticate = byNumber,
  limits?: ConstructorParameters<typeof BtpServer>[3],
) {
  const deps = makeDeps();
  const server = new BtpServer({ ...LISTENER, ...config }, authenticate, deps, limits);
  const [url] = await server.listen();
  return { server, url: url!, deps, fake: deps.switch, log: deps.log };
}

/** A bare TCP connection. */
export function dialRaw(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => resolve(socket));
    socket.on("error", reject);
  });
}

/** A client's WebSocket frame, masked with zeros. */
export function clientFrame(opcode: number, payload: Uint8Array, length = payload.length): Buffer {
  const head = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 65536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

/** A server's WebSocket frame. */
export function serverFrame(opcode: number, payload: Uint8Array): Buffer {
  const frame = clientFrame(opcode, payload);
  const head = frame.length - payload.length - 4;
  frame[1]! &= 0x7f;
  return Buffer.concat([frame.subarray(0, head), payload]);
}

/** A WebSocket over a bare socket that never answers by itself: no pongs, no close. */
export async function dialWebSocket(url: string): Promise<Socket> {
  const socket = await dialRaw(url);
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  socket.write(
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  return socket;
}

/** A bare WebSocket that has authenticated and then stops reading. */
export async function dialDeaf(url: string, token: string): Promise<Socket> {
  const socket = await dialWebSocket(url);
  const answer = new Promise<void>((resolve) => socket.once("data", () => resolve()));
  socket.write(clientFrame(2, writeAuth(1, "", token)));
  await answer;
  socket.pause();
  return socket;
}
