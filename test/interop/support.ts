// What the interop tests share: a Ferrule from a few lines of TOML, programs that pay and are paid
// packet by packet with real conditions, and the checks that every book must pass.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createHash, createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import type { AccountState } from "../../host/core.js";
import type { Log } from "../../host/log.js";
import {
  ilpPacket,
  spawnNode,
  stream,
  until,
  type Plugin,
  type Prepare,
  type Reject,
  type Reply,
  type StreamServer,
} from "../support/peers.js";

/** Id, and last address segment, of the account an open token gets. */
export const idOf = (token: string): string =>
  createHash("sha256").update(token).digest("base64url");

/** BTP with open tokens on any free port, nothing else. */
export const OPEN_BTP = `
[btp]
port = 0
openTokens = true
[http]
enabled = false
[admin]
enabled = false
`;

const folders: string[] = [];
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A fresh folder that goes when the process ends. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  folders.push(folder);
  return folder;
}

/** A connector in this process, and what tests ask of it. */
export class Ferrule {
  readonly connector: Connector;
  readonly logLines: { level: string; message: string; fields: object }[] = [];

  constructor(toml: string, folder = makeFolder()) {
    const at =
      (level: string) =>
      (message: string, fields: object = {}) =>
        void this.logLines.push({ level, message, fields });
    const log: Log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
    const config = parseConfig(`dataDir = "${folder}"\n${toml}`, "test.toml");
    this.connector = createConnector(config, { log });
  }

  static async start(toml: string, folder?: string): Promise<Ferrule> {
    const ferrule = new Ferrule(toml, folder);
    await ferrule.connector.start();
    return ferrule;
  }

  stop(): Promise<void> {
    return this.connector.stop();
  }

  /** Where BTP clients connect. */
  get url(): string {
    return this.connector.listening.find(({ kind }) => kind === "btp")!.url;
  }

  get address(): string {
    return this.connector.address!;
  }

  /** Resolves when the parent has given this node an address. */
  hasAddress(): Promise<void> {
    return until("an address", () => this.connector.address !== null);
  }

  account(id: string): AccountState {
    return this.connector.core.account(this.connector.registry.byId(id)!.index);
  }

  /** Positive: the account owes this node. */
  balance(id: string): bigint {
    return this.account(id).balance;
  }

  isLinked(id: string): boolean {
    const entry = this.connector.registry.byId(id);
    return !!entry && this.connector.linkOf(entry.index) !== null;
  }

  /** Income of an asset: what spread and rounding left with the node. */
  income(code: string, scale: number): bigint {
    const entry = this.connector.registry
      .assets()
      .find((asset) => asset.code === code && asset.scale === scale)!;
    const { incomeCredits, incomeDebits } = this.connector.core.asset(entry.index);
    return incomeCredits - incomeDebits;
  }

  /**
   * No value is in flight, and in every asset the books sum to zero (money rule 7). A packet
   * without an amount may still be out: STREAM ends with one that nobody answers. What a kill left
   * as possible claims stays pending.
   */
  async settles(): Promise<void> {
    const { registry, core } = this.connector;
    const accounts = (): AccountState[] => registry.list().map(({ index }) => core.account(index));
    await until("quiet books", () =>
      accounts().every(
        ({ debitsPending, creditsPending, claimDebits, claimCredits }) =>
          debitsPending + creditsPending === claimDebits + claimCredits,
      ),
    );
    for (const { index, code, scale } of registry.assets()) {
      const { incomeDebits, incomeCredits, settledDebits, settledCredits } = core.asset(index);
      const sum = accounts()
        .filter((account) => account.asset === index)
        .reduce((total, account) => total + account.balance, 0n);
      const own = incomeDebits - incomeCredits + settledDebits - settledCredits;
      assert.equal(sum + own, 0n, `books of ${this.address} in ${code}, scale ${scale}`);
    }
  }
}

const KEY = randomBytes(32);

/** The fulfillment both ends of a test payment know: nobody between them can guess it. */
export function fulfillmentOf(data: Buffer): Buffer {
  return createHmac("sha256", KEY).update(data).digest();
}

export interface Payment {
  destination: string;
  amount: bigint | number;
  data?: Buffer;
  expiresInMs?: number;
}

/** Pays with one packet. A Fulfill must carry the fulfillment. */
export async function pay(plugin: Plugin, payment: Payment): Promise<Reply> {
  return ilpPacket.deserializeIlpPacket(await payRaw(plugin, payment));
}

/** As `pay`; the reply's bytes. */
export async function payRaw(plugin: Plugin, payment: Payment): Promise<Buffer> {
  const data = payment.data ?? randomBytes(48);
  const fulfillment = fulfillmentOf(data);
  const reply = await plugin.sendData(
    ilpPacket.serializeIlpPrepare({
      amount: payment.amount.toString(),
      executionCondition: createHash("sha256").update(fulfillment).digest(),
      expiresAt: new Date(Date.now() + (payment.expiresInMs ?? 20_000)),
      destination: payment.destination,
      data,
    }),
  );
  const packet = ilpPacket.deserializeIlpPacket(reply);
  if (packet.type === 13) assert.deepEqual(packet.data.fulfillment, fulfillment);
  return reply;
}

/** Pays with one packet that must be fulfilled. */
export async function paySurely(plugin: Plugin, payment: Payment): Promise<void> {
  const reply = await pay(plugin, payment);
  if (reply.type === 14) {
    const { code, triggeredBy, message } = reply.data;
    assert.fail(`rejected with ${code} by ${triggeredBy}: ${message}`);
  }
}

/** A program that is paid: keeps the packets it saw and answers them as it is told. */
export class Payee {
  readonly packets: Prepare[] = [];
  /** What to answer; null: a Fulfill. */
  reject: Reject | null = null;
  /** True: no answer at all. */
  isSilent = false;

  constructor(plugin: Plugin) {
    plugin.registerDataHandler((packet) => this.#answer(packet));
  }

  get received(): bigint {
    return this.packets.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  }

  async #answer(packet: Buffer): Promise<Buffer> {
    const prepare = ilpPacket.deserializeIlpPrepare(packet);
    this.packets.push(prepare);
    if (this.isSilent) return new Promise(() => {});
    if (this.reject) return ilpPacket.serializeIlpReject(this.reject);
    const fulfillment = fulfillmentOf(prepare.data);
    return ilpPacket.serializeIlpFulfill({ fulfillment, data: prepare.data.subarray(0, 7) });
  }
}

/** The plugin without its `disconnect`, which STREAM calls when a payment ends. */
function keepConnected(plugin: Plugin): Plugin {
  const get = (target: Plugin, name: keyof Plugin): unknown => {
    if (name === "disconnect") return () => Promise.resolve();
    const value: unknown = target[name];
    return typeof value === "function" ? (value.bind(target) as unknown) : value;
  };
  return new Proxy(plugin, { get: get as ProxyHandler<Plugin>["get"] & typeof get });
}

/** A STREAM receiver: takes everything and counts it. */
export class StreamPayee {
  readonly #server: StreamServer;
  received = 0n;

  private constructor(server: StreamServer) {
    this.#server = server;
    server.on("connection", (connection) => {
      connection.on("stream", (incoming) => {
        incoming.setReceiveMax("1000000000000000");
        incoming.on("money", (amount) => (this.received += BigInt(amount)));
      });
    });
  }

  static async start(plugin: Plugin): Promise<StreamPayee> {
    return new StreamPayee(await stream.createServer({ plugin }));
  }

  get address(): string {
    return this.#server.generateAddressAndSecret().destinationAccount;
  }

  /**
   * Pays this receiver `amount` of the sender's units. The plugin stays connected, so that packets
   * the receiver sent to find a rate are answered.
   * @returns what left the sender and what arrived, as the sender says.
   */
  async bePaid(
    plugin: Plugin,
    amount: bigint,
    options: object = {},
  ): Promise<{ sent: bigint; delivered: bigint }> {
    const { destinationAccount, sharedSecret } = this.#server.generateAddressAndSecret();
    const to = { destinationAccount, sharedSecret };
    const kept = keepConnected(plugin);
    const connection = await stream.createConnection({ plugin: kept, ...to, ...options });
    await connection.createStream().sendTotal(amount.toString(), { timeout: 20_000 });
    await connection.end();
    return {
      sent: BigInt(connection.totalSent),
      delivered: BigInt(connection.totalDelivered),
    };
  }
}

/** Starts a Ferrule in a process of its own; `problem` is the sentence it gave up with. */
export async function startProcess(
  toml: string,
  folder: string,
): Promise<{ child: ChildProcess; url: string; problem: string }> {
  const file = join(folder, "ferrule.toml");
  writeFileSync(file, `dataDir = "${folder}"\n${toml}`, { mode: 0o600 });
  const program = fileURLToPath(new URL("ferrule-process.ts", import.meta.url));
  const child = spawnNode(["--import", "tsx", program, file]);
  let text = "";
  child.stdout!.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr!.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await until("the Ferrule process", () => {
    if (child.exitCode !== null && !text.includes("\n")) throw new Error("It ended silently.");
    return text.includes("}\n");
  });
  type Said = { listening?: { kind: string; url: string }[]; problem?: string };
  const said = JSON.parse(text) as Said;
  const url = said.listening?.find(({ kind }) => kind === "btp")?.url ?? "";
  return { child, url, problem: said.problem ?? "" };
}
