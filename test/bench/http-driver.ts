// Two peers over ILP-over-HTTP, in this process: one posts Prepares through undici, at most so many
// at a time, the other is an HTTP server that answers them with Fulfills.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Pool as Clients } from "undici";
import type { Driver, DriverOptions, Round } from "./driver.js";
import { contentStart, numberOf, type Pool } from "./pool.js";

const CONNECTIONS = 100;
const KEEP_ALIVE_MS = 60_000;
const PREPARE = 12;
const FULFILL = 13;
const OCTETS = "application/octet-stream";

/** The receiving peer; it listens before the contender that posts to it starts. */
export class HttpReceiver {
  pool: Pool | null = null;
  wrong = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => this.#handle(request, response));
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
  }

  static async listen(port: number): Promise<HttpReceiver> {
    const receiver = new HttpReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(port, "127.0.0.1", 4096, resolve));
    return receiver;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      const pool = this.pool!;
      const content = contentStart(body, 0);
      const number = body[0] === PREPARE ? numberOf(body, content) : -1;
      const at = 32 * number;
      const from = content + 25;
      if (number < 0 || body.compare(pool.conditions, at, at + 32, from, from + 32) !== 0) {
        this.wrong++;
        response.writeHead(500).end();
        return;
      }
      const { bytes, stride, packet } = pool.replies;
      const reply = bytes.subarray(number * stride + packet, (number + 1) * stride);
      response.writeHead(200, { "Content-Type": OCTETS, "Content-Length": reply.length });
      response.end(reply);
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

export class HttpDriver implements Driver {
  readonly #clients: Clients;
  readonly #pool: Pool;
  readonly #receiver: HttpReceiver;
  readonly #headers: Record<string, string>;
  #next = 0;
  #wrong = 0;
  #firstWrong = "";

  constructor(options: DriverOptions, receiver: HttpReceiver) {
    const { a } = options.pairs[0]!;
    this.#clients = new Clients(`http://127.0.0.1:${a.port}`, {
      connections: Math.min(options.inFlight, CONNECTIONS),
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
    });
    this.#pool = options.pools.take(options)[0]!;
    this.#receiver = receiver;
    receiver.pool = this.#pool;
    this.#headers = {
      "content-type": OCTETS,
      authorization: `Bearer ${a.username ? `${a.username}:` : ""}${a.token ?? ""}`,
      "ilp-peer-name": "a",
    };
  }

  get poolSize(): number {
    return this.#pool.count;
  }

  async round(total: number, inFlight: number): Promise<Round> {
    this.#pool.refresh();
    this.#wrong = 0;
    this.#receiver.wrong = 0;
    const latencies = new Float64Array(total);
    const started = performance.now();
    let left = total;
    let done = 0;
    const worker = async (): Promise<void> => {
      while (left-- > 0) {
        const sentAt = performance.now();
        await this.#post();
        latencies[done++] = performance.now() - sentAt;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    const ms = performance.now() - started;
    const wrong = this.#wrong + this.#receiver.wrong;
    if (wrong > 0) {
      throw new Error(`${wrong} packets of ${total} were not fulfilled: ${this.#firstWrong}`);
    }
    return { total, ms, refused: 0, latencies };
  }

  async #post(): Promise<void> {
    const pool = this.#pool;
    const number = this.#next;
    this.#next = (number + 1) % pool.count;
    const { bytes, stride, packet } = pool.prepares;
    const body = bytes.subarray(number * stride + packet, (number + 1) * stride);
    const options = { path: "/ilp", method: "POST", headers: this.#headers, body } as const;
    const response = await this.#clients.request(options);
    const reply = Buffer.from(await response.body.arrayBuffer());
    const isFulfill = response.statusCode === 200 && reply[0] === FULFILL;
    const from = isFulfill ? contentStart(reply, 0) : 0;
    const fulfillment = pool.fulfillment(number);
    if (isFulfill && reply.compare(fulfillment, 0, 32, from, from + 32) === 0) return;
    if (this.#wrong++ > 0) return;
    const text = reply.toString("latin1", 0, 160).replace(/[^ -~]+/g, " ");
    this.#firstWrong = `HTTP ${response.statusCode} ${text}`;
  }

  close(): void {
    void this.#clients.destroy();
    this.#receiver.close();
  }
}
