// The programs people already run, from npm, for interop tests: plugins, STREAM and ilp-connector.
// They are CommonJS without useful types, hence the small interfaces here.
import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { createServer } from "node:net";

const require = createRequire(import.meta.url);

/** ilp-plugin-btp forgets to clear this timeout when the answer was quicker than `ws.send`. */
const PLUGIN_TIMEOUT_MS = 35_000;
const setTimeoutAsIs = globalThis.setTimeout;
globalThis.setTimeout = Object.assign((...args: Parameters<typeof setTimeoutAsIs>) => {
  const timer = setTimeoutAsIs(...args);
  // It must not keep every test file alive for so long after its last test.
  return args[1] === PLUGIN_TIMEOUT_MS ? timer.unref() : timer;
}, setTimeoutAsIs);

export interface Plugin {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  sendData(packet: Buffer): Promise<Buffer>;
  registerDataHandler(handler: (packet: Buffer) => Promise<Buffer>): void;
  deregisterDataHandler(): void;
}

export interface StreamMoney {
  sendTotal(amount: number | string, options?: { timeout?: number }): Promise<void>;
  setReceiveMax(amount: number | string): void;
  on(event: "money", handler: (amount: string) => void): void;
  totalReceived: string;
  totalSent: string;
  end(): void;
}

export interface StreamConnection {
  createStream(): StreamMoney;
  on(event: "stream", handler: (stream: StreamMoney) => void): void;
  end(): Promise<void>;
  destroy(error?: Error): Promise<void>;
  totalDelivered: string;
  totalReceived: string;
  totalSent: string;
}

export interface StreamServer {
  on(event: "connection", handler: (connection: StreamConnection) => void): void;
  generateAddressAndSecret(): { destinationAccount: string; sharedSecret: Buffer };
  close(): Promise<void>;
}

interface StreamModule {
  createServer(options: object): Promise<StreamServer>;
  createConnection(options: object): Promise<StreamConnection>;
}

export const stream = require("ilp-protocol-stream") as StreamModule;
export const PluginBtp = require("ilp-plugin-btp") as new (options: object) => Plugin;
export const PluginHttp = require("ilp-plugin-http") as new (options: object) => Plugin;

/** A connected BTP client of the library most ILP apps use. */
export async function connectBtp(url: string, token: string): Promise<Plugin> {
  const server = url.replace("ws://", `btp+ws://:${token}@`);
  const plugin = new PluginBtp({ server, reconnectInterval: 50 });
  await plugin.connect();
  return plugin;
}

export interface Prepare {
  amount: string;
  executionCondition: Buffer;
  expiresAt: Date;
  destination: string;
  data: Buffer;
}

export interface Reject {
  code: string;
  triggeredBy: string;
  message: string;
  data: Buffer;
}

/** What `ilp-packet` makes of a reply: 13 Fulfill, 14 Reject. */
export type Reply =
  { type: 13; data: { fulfillment: Buffer; data: Buffer } } | { type: 14; data: Reject };

interface IlpPacketModule {
  serializeIlpPrepare(prepare: Prepare): Buffer;
  deserializeIlpPrepare(packet: Buffer): Prepare;
  serializeIlpFulfill(fulfill: { fulfillment: Buffer; data: Buffer }): Buffer;
  serializeIlpReject(reject: Reject): Buffer;
  deserializeIlpPacket(packet: Buffer): Reply;
}

interface IldcpModule {
  fetch(
    sendData: (packet: Buffer) => Promise<Buffer>,
  ): Promise<{ clientAddress: string; assetCode: string; assetScale: number }>;
}

export interface BtpFrame {
  type: number;
  requestId: number;
  data: {
    protocolData: { protocolName: string; contentType: number; data: Buffer }[];
    code?: string;
    name?: string;
  };
}

interface BtpPacketModule {
  serialize(frame: BtpFrame): Buffer;
  deserialize(bytes: Buffer): BtpFrame;
  TYPE_RESPONSE: number;
  TYPE_ERROR: number;
  TYPE_MESSAGE: number;
  MIME_APPLICATION_OCTET_STREAM: number;
}

export const ilpPacket = require("ilp-packet") as IlpPacketModule;
export const ildcp = require("ilp-protocol-ildcp") as IldcpModule;
export const btpPacket = require("btp-packet") as BtpPacketModule;
/** What ILP programs call for moneyd's port: `ILP_BTP_SERVER` in the environment, random token. */
export const pluginFromEnvironment = require("ilp-plugin") as (options?: object) => Plugin;

/** Name and version of every peer the tests run against. */
export function peerVersions(): string {
  const names = [
    "ilp-connector",
    "ilp-plugin",
    "ilp-plugin-btp",
    "ilp-plugin-http",
    "ilp-protocol-stream",
    "ilp-protocol-ildcp",
    "ilp-packet",
    "btp-packet",
  ];
  return names
    .map((name) => `${name} ${(require(`${name}/package.json`) as { version: string }).version}`)
    .join(", ");
}

// Below those the system gives to whoever asks for any: until a port is used, nobody else gets it.
const PORT_FIRST = 20_000;
const PORT_COUNT = 12_000;
/** Where this process looks next: far from where those of a near id do. */
let nextPort = (process.pid * 97) % PORT_COUNT;

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** A port on loopback that nobody listens on and this process has not been given before. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_COUNT; tries++) {
    const port = PORT_FIRST + nextPort;
    nextPort = (nextPort + 1) % PORT_COUNT;
    if (await isFree(port)) return port;
  }
  throw new Error(`No port from ${PORT_FIRST} to ${PORT_FIRST + PORT_COUNT - 1} is free.`);
}

/** Ports nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** Resolves when `test` holds, looking every few milliseconds. Throws after `limitMs`. */
export async function until(
  what: string,
  test: () => boolean | Promise<boolean>,
  limitMs = 15_000,
): Promise<void> {
  for (const end = performance.now() + limitMs; !(await test());) {
    if (performance.now() > end) throw new Error(`Waited ${limitMs} ms in vain for: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** Starts `node` with these arguments; killed with this process at the latest. */
export function spawnNode(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** SIGKILL, and wait until the process is gone. */
export async function killNode(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

export interface IlpConnectorOptions {
  /** Absent: inherited from its parent. */
  ilpAddress?: string;
  accounts: Record<string, object>;
  routes?: readonly { targetPrefix: string; peerId: string }[];
}

/** An ilp-connector in a process of its own, configured as its operators do: by environment. */
export class IlpConnector {
  readonly #env: NodeJS.ProcessEnv;
  readonly #adminUrl: string;
  #child: ChildProcess | null = null;
  /** What it has printed since it was started last. */
  log = "";

  private constructor(options: IlpConnectorOptions, adminPort: number) {
    this.#adminUrl = `http://127.0.0.1:${adminPort}`;
    this.#env = {
      ...(options.ilpAddress && { CONNECTOR_ILP_ADDRESS: options.ilpAddress }),
      CONNECTOR_ENV: "test",
      CONNECTOR_BACKEND: "one-to-one",
      CONNECTOR_SPREAD: "0",
      CONNECTOR_STORE: "memory",
      CONNECTOR_ACCOUNTS: JSON.stringify(options.accounts),
      CONNECTOR_ROUTES: JSON.stringify(options.routes ?? []),
      CONNECTOR_ADMIN_API: "true",
      CONNECTOR_ADMIN_API_PORT: String(adminPort),
      DEBUG: "connector:*",
      DEBUG_COLORS: "no",
    };
  }

  /** Resolves when its admin API answers; its links come up after that. */
  static async start(options: IlpConnectorOptions): Promise<IlpConnector> {
    const connector = new IlpConnector(options, await freePort());
    await connector.start();
    return connector;
  }

  /** Starts it again, with the same ports and an empty memory. */
  async start(): Promise<void> {
    this.log = "";
    const child = spawnNode([require.resolve("ilp-connector")], this.#env);
    this.#child = child;
    child.stdout!.on("data", (text: Buffer) => (this.log += text.toString()));
    child.stderr!.on("data", (text: Buffer) => (this.log += text.toString()));
    await until("ilp-connector's admin API", async () => {
      if (child.exitCode !== null) throw new Error(`ilp-connector ended:\n${this.log}`);
      return this.#get("/status").then(
        () => true,
        () => false,
      );
    });
  }

  async kill(): Promise<void> {
    if (this.#child) await killNode(this.#child);
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(this.#adminUrl + path);
    return (await response.json()) as T;
  }

  async address(): Promise<string> {
    return (await this.#get<{ address: string }>("/accounts")).address;
  }

  async isConnected(account: string): Promise<boolean> {
    type Status = { accounts: Record<string, { connected: boolean }> };
    return (await this.#get<Status>("/accounts")).accounts[account]!.connected;
  }

  /** An account's balance: positive is what the account owes ilp-connector. */
  async balance(account: string): Promise<bigint> {
    type Status = { accounts: Record<string, { balance: string }> };
    return BigInt((await this.#get<Status>("/balance")).accounts[account]!.balance);
  }
}

export interface IlpConnectorAccount {
  relation: "parent" | "peer" | "child";
  assetCode?: string;
  assetScale?: number;
}

/** An ilp-connector account whose peer dials `port`. */
export function listenAccount(account: IlpConnectorAccount, port: number, secret: string): object {
  const listener = { port, secret, wsOpts: { port, host: "127.0.0.1" } };
  return ilpConnectorAccount(account, { listener });
}

/** An ilp-connector account over HTTP. Its server listens on all addresses: it has no option. */
export function httpAccount(
  account: IlpConnectorAccount,
  incoming: { port: number; staticToken: string },
  outgoing: { url: string; staticToken: string },
): object {
  const options = { incoming, outgoing };
  return { ...ilpConnectorAccount(account, options), plugin: "ilp-plugin-http" };
}

/** An ilp-connector account that dials `url` (`ws://…`). */
export function dialAccount(account: IlpConnectorAccount, url: string, token: string): object {
  return ilpConnectorAccount(account, {
    server: url.replace("ws://", `btp+ws://:${token}@`),
    reconnectInterval: 50,
  });
}

function ilpConnectorAccount(account: IlpConnectorAccount, options: object): object {
  return {
    assetCode: "XRP",
    assetScale: 9,
    balance: { maximum: "1000000000000", minimum: "-1000000000000" },
    ...account,
    plugin: "ilp-plugin-btp",
    options,
  };
}
