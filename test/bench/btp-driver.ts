// Two apps per pair of accounts, in this process: one writes Prepares, the other answers them with
// Fulfills. Everything a chunk asks for is answered with one write, so that contenders see what a
// busy peer sends. Every reply is matched to its Prepare and its fulfillment compared.
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";
import { btpFrame } from "../support/btp-peer.js";
import { contentStart, numberOf, packetStart, type Pool } from "./pool.js";
import type { Driver, DriverOptions, Round } from "./driver.js";
import { LengthWire, PONG, WebSocketWire, type Wire } from "./wire.js";

const RESPONSE = 1;
const MESSAGE = 6;
const PREPARE = 12;
const FULFILL = 13;
const REJECT = 14;
const LETTER_T = 0x54;
const ROUND_MAX_MS = 20_000;

export interface Endpoint {
  port: number;
  /** Of the WebSocket; absent: the root. */
  path?: string;
  /** Where the token alone does not say whose it is. */
  username?: string;
  /** Absent: the contender asks for none. */
  token?: string;
}

/** Opens a socket that speaks `wire`, with the WebSocket handshake done. */
function open(wire: Wire, { port, path = "/" }: Endpoint): Promise<Socket> {
  const host = "127.0.0.1";
  return new Promise((resolve, reject) => {
    if (wire instanceof LengthWire) {
      const socket = connectTcp({ port, host, noDelay: true }, () => resolve(socket));
      socket.once("error", reject);
      return;
    }
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
    };
    const upgrade = request({ host, port, path, headers, agent: false });
    upgrade.once("upgrade", (_response, socket) => resolve(socket.setNoDelay(true)));
    upgrade.once("response", ({ statusCode }) =>
      reject(new Error(`The contender answered the upgrade with ${statusCode}.`)),
    );
    upgrade.once("error", reject);
    upgrade.end();
  });
}

/** One app: a socket with its reader. */
class App {
  readonly socket: Socket;
  readonly wire: Wire;
  onMessage: (bytes: Buffer, start: number, end: number) => void = () => {};
  /** After the messages of a chunk. */
  onChunk: () => void = () => {};

  private constructor(socket: Socket, wire: Wire) {
    this.socket = socket;
    this.wire = wire;
    const pong = (payload: Buffer): void => void socket.write(this.#seal(payload, PONG));
    const read = wire.reader((bytes, start, end) => this.onMessage(bytes, start, end), pong);
    socket.on("data", (chunk: Buffer) => {
      read(chunk);
      this.onChunk();
    });
  }

  static async connect(wire: Wire, endpoint: Endpoint): Promise<App> {
    const app = new App(await open(wire, endpoint), wire);
    if (endpoint.token === undefined) return app;
    const data = new TextEncoder().encode(endpoint.token);
    const username = new TextEncoder().encode(endpoint.username ?? "");
    const protocols = [
      { name: "auth", contentType: 0, data: new Uint8Array(0) },
      { name: "auth_username", contentType: 1, data: username },
      { name: "auth_token", contentType: 1, data },
    ];
    await new Promise<void>((resolve, reject) => {
      app.onMessage = (bytes, start) => {
        if (bytes[start] === RESPONSE) resolve();
        else reject(new Error("The contender refused the token."));
      };
      app.socket.once("close", () => reject(new Error("The contender closed the connection.")));
      app.socket.write(app.#seal(btpFrame(MESSAGE, 1, protocols)));
    });
    return app;
  }

  #seal(payload: Buffer, first?: number): Buffer {
    const head = this.wire.headSize(payload.length);
    const bytes = Buffer.concat([Buffer.alloc(head), payload]);
    if (this.wire instanceof WebSocketWire) this.wire.seal(bytes, 0, payload.length, first);
    else this.wire.seal(bytes, 0, payload.length);
    return bytes;
  }
}

/** Answers Prepares. */
class Receiver {
  wrong = 0;
  readonly #app: App;
  readonly #pool: Pool;
  #numbers = new Int32Array(1024);
  #ids = new Uint32Array(1024);
  #waiting = 0;

  constructor(app: App, pool: Pool) {
    this.#app = app;
    this.#pool = pool;
    app.onMessage = (bytes, start) => this.#take(bytes, start);
    app.onChunk = () => this.#answer();
  }

  #take(bytes: Buffer, start: number): void {
    if (bytes[start] !== MESSAGE) return;
    const packet = packetStart(bytes, start);
    const content = packet < 0 ? -1 : contentStart(bytes, packet);
    const number = packet < 0 || bytes[packet] !== PREPARE ? -1 : numberOf(bytes, content);
    const at = 32 * number;
    const { conditions } = this.#pool;
    const from = content + 25;
    if (number < 0 || bytes.compare(conditions, at, at + 32, from, from + 32) !== 0) {
      this.wrong++;
      return;
    }
    if (this.#waiting === this.#ids.length) this.#grow();
    this.#numbers[this.#waiting] = number;
    this.#ids[this.#waiting++] = bytes.readUInt32BE(start + 1);
  }

  #grow(): void {
    const numbers = new Int32Array(2 * this.#ids.length);
    const ids = new Uint32Array(numbers.length);
    numbers.set(this.#numbers);
    ids.set(this.#ids);
    this.#numbers = numbers;
    this.#ids = ids;
  }

  #answer(): void {
    const count = this.#waiting;
    if (count === 0) return;
    this.#waiting = 0;
    const { bytes, stride, frame } = this.#pool.replies;
    const out = Buffer.allocUnsafe(count * stride);
    for (let i = 0; i < count; i++) {
      const from = this.#numbers[i]! * stride;
      bytes.copy(out, i * stride, from, from + stride);
      this.#pool.sealId(out, i * stride + frame + 1, this.#ids[i]!);
    }
    this.#app.socket.write(out);
  }
}

/** What all senders of a round share. */
class Tally {
  left: number;
  done = 0;
  wrong = 0;
  refused = 0;
  /** The first reply that was not right, printable. */
  firstWrong = "";
  readonly latencies: Float64Array;
  finish: () => void = () => {};

  constructor(readonly total: number) {
    this.left = total;
    this.latencies = new Float64Array(total);
  }

  countWrong(bytes: Buffer, start: number, end: number): void {
    if (this.wrong++ > 0) return;
    const text = bytes.toString("latin1", start, Math.min(end, start + 160));
    this.firstWrong = text.replace(/[^ -~]+/g, " ");
  }
}

/** Sends Prepares and checks what comes back. */
class Sender {
  tally = new Tally(0);
  readonly #app: App;
  readonly #pool: Pool;
  readonly #sentAt: Float64Array;
  readonly #pending: Uint8Array;
  #next = 0;
  #free = 0;
  /** When the chunk at hand came. */
  #now = 0;

  constructor(app: App, pool: Pool) {
    this.#app = app;
    this.#pool = pool;
    this.#sentAt = new Float64Array(pool.count);
    this.#pending = new Uint8Array(pool.count);
    app.onMessage = (bytes, start, end) => this.#take(bytes, start, end);
    app.onChunk = () => {
      if (this.#free > 0) this.send(this.#free);
      this.#free = 0;
    };
  }

  #take(bytes: Buffer, start: number, end: number): void {
    if (bytes[start] === MESSAGE) return;
    const { tally } = this;
    const number = bytes.readUInt32BE(start + 1);
    const verdict = this.#judge(bytes, start, number);
    if (verdict === "wrong") tally.countWrong(bytes, start, end);
    if (number >= this.#pool.count || this.#pending[number] === 0) return;
    this.#pending[number] = 0;
    if (this.#free++ === 0) this.#now = performance.now();
    if (verdict === "later") {
      // Another goes in its place, as a sender does that is told to come back.
      tally.refused++;
      tally.left++;
      return;
    }
    tally.latencies[tally.done++] = this.#now - this.#sentAt[number]!;
    if (tally.done === tally.total) tally.finish();
  }

  /** "later": a temporary Reject, such as for a connection that cannot take more now. */
  #judge(bytes: Buffer, start: number, number: number): "right" | "later" | "wrong" {
    const pool = this.#pool;
    if (bytes[start] !== RESPONSE || number >= pool.count || !this.#pending[number]) return "wrong";
    const packet = packetStart(bytes, start);
    if (packet < 0) return "wrong";
    const from = contentStart(bytes, packet);
    if (bytes[packet] === REJECT && bytes[from] === LETTER_T) return "later";
    if (bytes[packet] !== FULFILL) return "wrong";
    const at = 32 * number;
    const isSame = bytes.compare(pool.fulfillments, at, at + 32, from, from + 32) === 0;
    return isSame ? "right" : "wrong";
  }

  /** Sends up to `count` of what is left of the round, in as few writes as the row allows. */
  send(count: number): void {
    const { tally } = this;
    const pool = this.#pool;
    const { bytes, stride } = pool.prepares;
    const now = performance.now();
    for (let n = Math.min(count, tally.left); n > 0;) {
      const from = this.#findFree();
      const run = this.#freeRun(from, n);
      this.#pending.fill(1, from, from + run);
      this.#sentAt.fill(now, from, from + run);
      this.#next = (from + run) % pool.count;
      tally.left -= run;
      n -= run;
      this.#app.socket.write(bytes.subarray(from * stride, (from + run) * stride));
    }
  }

  /** The next packet that is not in flight: replies to others may have overtaken its own. */
  #findFree(): number {
    for (let i = 0; i < this.#pool.count; i++) {
      const number = (this.#next + i) % this.#pool.count;
      if (this.#pending[number] === 0) return number;
    }
    throw new Error("The pool has fewer packets than are to be in flight.");
  }

  /** How many packets in a row, `n` at most, can be sent from `from` on. */
  #freeRun(from: number, n: number): number {
    const most = Math.min(n, this.#pool.count - from);
    let run = 1;
    while (run < most && this.#pending[from + run] === 0) run++;
    return run;
  }
}

export class BtpDriver implements Driver {
  readonly #senders: Sender[] = [];
  readonly #receivers: Receiver[] = [];
  readonly #apps: App[] = [];
  readonly #pools: Pool[] = [];

  /** Connects the apps of each pair, in order: relays go by it. */
  static async connect(options: DriverOptions): Promise<BtpDriver> {
    const driver = new BtpDriver();
    const shared = options.pools.take(options);
    for (const [i, { a, b }] of options.pairs.entries()) {
      const pool = shared[i]!;
      const appA = await App.connect(pool.wire, a);
      const appB = await App.connect(pool.wire, b);
      driver.#apps.push(appA, appB);
      driver.#pools.push(pool);
      driver.#senders.push(new Sender(appA, pool));
      driver.#receivers.push(new Receiver(appB, pool));
    }
    return driver;
  }

  get poolSize(): number {
    return this.#pools.reduce((sum, pool) => sum + pool.count, 0);
  }

  async round(total: number, inFlight: number): Promise<Round> {
    for (const pool of this.#pools) pool.refresh();
    const tally = new Tally(total);
    const started = performance.now();
    await new Promise<void>((resolve, reject) => {
      const broken = (): void => reject(new Error("The contender closed a connection."));
      const late = setTimeout(() => {
        const said = tally.firstWrong && `; it said: ${tally.firstWrong}`;
        reject(new Error(`Only ${tally.done} of ${total} packets were answered in time${said}`));
      }, ROUND_MAX_MS);
      tally.finish = () => {
        clearTimeout(late);
        resolve();
      };
      for (const { socket } of this.#apps) socket.removeAllListeners("close").once("close", broken);
      const each = Math.max(1, Math.floor(inFlight / this.#senders.length));
      for (const sender of this.#senders) {
        sender.tally = tally;
        sender.send(each);
      }
    });
    const ms = performance.now() - started;
    const wrong = this.#receivers.reduce((sum, receiver) => sum + receiver.wrong, tally.wrong);
    if (wrong > 0) {
      throw new Error(`${wrong} packets of ${total} were not fulfilled: ${tally.firstWrong}`);
    }
    const { refused, latencies } = tally;
    return { total, ms, refused, latencies };
  }

  close(): void {
    for (const { socket } of this.#apps) socket.removeAllListeners("close").destroy();
  }
}
