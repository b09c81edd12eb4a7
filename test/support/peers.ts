// The programs people already run, from npm, for interop tests: plugins, STREAM and ilp-connector.
// They are CommonJS without useful types, hence the small interfaces here.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

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
  const plugin = new PluginBtp({ server: url.replace("ws://", `btp+ws://:${token}@`) });
  await plugin.connect();
  return plugin;
}
