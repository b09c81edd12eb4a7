// The connector: an engine with a configuration. It restores the books, opens accounts, routes and
// links, asks a parent for an address, answers operators, and ends in order.
import { createHash, randomBytes } from "node:crypto";
import { AdminServer } from "./admin/server.js";
import { Admission } from "./admission.js";
import { systemClock, type Clock } from "./clock.js";
import type { Account, Config } from "./config/index.js";
import { Bookkeeper } from "./bookkeeper.js";
import { Claims } from "./claims.js";
import { Core, LOCAL_ACCOUNT, LinkKind, type InspectedPacket, type Verdict } from "./core.js";
import { Engine, type Observer } from "./engine.js";
import { BtpDialer } from "./link/btp-client.js";
import { BtpServer } from "./link/btp-server.js";
import type { HttpLinkClient } from "./link/http-client.js";
import { HttpServer } from "./link/http-server.js";
import type { Link } from "./link/link.js";
import { silentLog, type Log } from "./log.js";
import { writePrepare } from "./packet.js";
import { ildcpRequest, readIldcpAnswer } from "./protocol/ildcp.js";
import { LocalLink } from "./protocol/local.js";
import { Registry, type AccountEntry } from "./registry.js";
import type { Disk } from "./store/disk.js";
import { folderDisk, makeFolder } from "./store/file-disk.js";
import { lockFolder } from "./store/lock.js";
import { readOlderBooks, retireOlderBooks } from "./store/older.js";
import { readCoreWasm } from "./wasm.js";

const ILDCP_RETRY_MS = 5000;

export interface ConnectorOptions {
  log?: Log;
  clock?: Clock;
  /**
   * The core's bytes or the WebAssembly.Module made from them; the built gateway core if absent.
   */
  wasm?: object;
  /** Where the books are kept; the folder `dataDir` if absent, nowhere when that is empty. */
  disk?: Disk;
  /** Eight bytes that peers cannot foresee; random if absent. */
  seed?: Uint8Array;
  /**
   * The disk has failed and nothing is written any more. No new packets are taken; end the node
   * with `drain` and `stop`, and have it started again.
   */
  onFailure?: (error: Error) => void;
}

export interface Listening {
  kind: "btp" | "http" | "admin";
  url: string;
}

export interface RouteEntry {
  prefix: string;
  account: string;
  kind: "own" | "child" | "static" | "default";
}

export interface PingResult {
  reply: "fulfill" | "reject";
  code: string;
  message: string;
  triggeredBy: string;
  ms: number;
}

/** Makes a connector from a configuration; `start` brings it up. */
export function createConnector(config: Config, options: ConnectorOptions = {}): Connector {
  return new Connector(config, options);
}

export class Connector {
  readonly engine: Engine;
  readonly core: Core;
  readonly config: Config;
  readonly registry: Registry;
  readonly listening: Listening[] = [];
  readonly log: Log;
  readonly books: Bookkeeper;
  readonly claims: Claims;
  /** SHA-256 of the core's bytes, "" when it was given as a module. */
  readonly coreHash: string;
  startedAtMs = 0;

  readonly #clock: Clock;
  readonly #disk: Disk | null;
  readonly #local: LocalLink;
  readonly #dialers: { stop(): void }[] = [];
  readonly #httpClients: HttpLinkClient[] = [];
  #btp: BtpServer | null = null;
  #http: HttpServer | null = null;
  #admin: AdminServer | null = null;
  #unlock: (() => void) | null = null;
  #address: string | null = null;
  #stopping = false;
  /** Whoever waits for an account's link. */
  #awaited: { account: number; resolve: () => void } | null = null;

  constructor(config: Config, options: ConnectorOptions) {
    this.config = config;
    this.log = options.log ?? silentLog;
    this.#clock = options.clock ?? systemClock(config.clockFile);
    const wasm = options.wasm ?? readCoreWasm();
    const isBytes = wasm instanceof Uint8Array;
    this.coreHash = isBytes ? createHash("sha256").update(wasm).digest("hex") : "";
    const seed = options.seed ?? randomBytes(8);
    this.core = new Core(wasm, seed);
    this.registry = new Registry(this.core);
    this.#disk = options.disk ?? null;
    this.books = new Bookkeeper({
      config,
      core: this.core,
      registry: this.registry,
      clock: this.#clock,
      log: this.log,
      seed,
      onFailure: (error) => options.onFailure?.(error),
    });
    this.claims = new Claims({
      core: this.core,
      registry: this.registry,
      clock: this.#clock,
      log: this.log,
      books: this.books,
      policy: config.claims,
      mutate: (run) => this.engine.mutate(run),
    });
    const gate = config.durability === "strict" ? this.books : null;
    this.engine = new Engine(this.core, this.#clock, this.#observer, gate);
    this.#local = new LocalLink({
      core: this.core,
      switch: this.engine,
      clock: this.#clock,
      address: () => this.#address ?? "",
    });
  }

  /** This node's ILP address; null until a parent has given one. */
  get address(): string | null {
    return this.#address;
  }

  get isDraining(): boolean {
    return this.#stopping;
  }

  /** Nothing is forwarded before. */
  get isClockSet(): boolean {
    return this.engine.hasTime;
  }

  /** The wall clock this node goes by, in milliseconds. */
  wallMs(): number {
    return this.#clock.wallMs();
  }

  /** Packets are in flight to an account that has a link. */
  get isAnswerable(): boolean {
    return this.engine.isAnswerable;
  }

  linkOf(index: number): Link | null {
    return this.engine.linkOf(index);
  }

  /** Routes as configured; the core's table holds the same. */
  routes(): RouteEntry[] {
    const own = this.#address;
    const routes: RouteEntry[] = [];
    if (own) routes.push({ prefix: own, account: "local", kind: "own" });
    for (const { segment, id } of this.registry.list()) {
      if (own && segment) routes.push({ prefix: `${own}.${segment}`, account: id, kind: "child" });
    }
    for (const { targetPrefix, peerId } of this.config.routes) {
      routes.push({ prefix: targetPrefix, account: peerId, kind: "static" });
    }
    const { defaultRoute } = this.config;
    if (defaultRoute) routes.push({ prefix: "", account: defaultRoute, kind: "default" });
    return routes;
  }

  // ---- life

  /** Restores the books, opens accounts, routes and links. Throws a sentence when it cannot. */
  async start(): Promise<void> {
    this.startedAtMs = this.#clock.wallMs();
    this.engine.start();
    try {
      if (!this.#disk && this.config.dataDir) await this.#takeFolder(this.config.dataDir);
      this.#openBooks();
      this.#setUp();
      this.books.begin();
      this.claims.open();
      this.engine.attach(LOCAL_ACCOUNT, this.#local, LinkKind.Raw);
      if (this.config.ilpAddress) this.#setAddress(this.config.ilpAddress);
      await this.#openLinks();
    } catch (error) {
      await this.stop();
      throw error;
    }
    if (this.config.ilpAddressInheritFrom) void this.#inheritAddress();
  }

  /**
   * No new Prepares; resolves when every packet in flight that can still be answered has been, or
   * has expired. Nobody can answer a packet sent to an account whose link is gone: none is accepted
   * now.
   */
  async drain(): Promise<void> {
    this.#stopping = true;
    this.books.drain();
    this.#btp?.stopAccepting();
    this.#http?.stopAccepting();
    while (this.isAnswerable) await this.#pause(10);
  }

  /** Closes every link and saves the books. Packets still in flight are lost as possible claims. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const dialer of this.#dialers) dialer.stop();
    for (const client of this.#httpClients) client.close("connector stopped");
    this.claims.close();
    this.engine.stop();
    await Promise.all([this.#btp?.close(), this.#http?.close(), this.#admin?.close()]);
    await this.books.stop();
    this.#unlock?.();
    this.#unlock = null;
  }

  #pause(ms: number, background = false): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve, background));
  }

  #setUp(): void {
    const { config, core, registry } = this;
    core.setPolicy(config.minMessageWindowMs, config.maxHoldTimeMs);
    for (const account of config.accounts) {
      if (!registry.byId(account.id)) registry.openConfigured(account, config.reflectPayments);
    }
    const home = config.btp.open ?? config.accounts[0] ?? { assetCode: "XRP", assetScale: 9 };
    if (!registry.byIndex(LOCAL_ACCOUNT)) registry.openLocal(home);
    const spread = Number(config.spreadPpb);
    const local = registry.asset(home).index;
    core.setRate(local, local, 1n, 1n, spread);
    for (const rate of config.rateTable) {
      const from = registry.asset(rate.from).index;
      const to = registry.asset(rate.to).index;
      core.setRate(from, to, rate.numerator, rate.denominator, spread);
    }
    for (const { targetPrefix, peerId } of config.routes) {
      core.setRoute(targetPrefix, registry.byId(peerId)!.index);
    }
    if (config.defaultRoute) core.setDefaultRoute(registry.byId(config.defaultRoute)!.index);
  }

  #setAddress(address: string): void {
    for (const entry of this.registry.list()) this.#routeChild(entry, false);
    this.core.setAddress(address);
    this.#address = address;
    for (const entry of this.registry.list()) this.#routeChild(entry, true);
    this.log.info("address", { address });
  }

  #routeChild(entry: AccountEntry, add: boolean): void {
    if (!entry.segment || !this.#address) return;
    const prefix = `${this.#address}.${entry.segment}`;
    if (add) this.core.setRoute(prefix, entry.index);
    else this.core.deleteRoute(prefix);
  }

  async #openLinks(): Promise<void> {
    const { config, core, log } = this;
    const deps = { core, switch: this.engine, log };
    const opened = (entry: AccountEntry) => this.#routeChild(entry, true);
    const admission = new Admission(config, this.registry, opened, log);
    for (const account of config.accounts) await this.#openLink(account);
    if (config.btp.enabled) {
      const authenticate = (token: string, username: string) => admission.btp(token, username);
      this.#btp = new BtpServer(config.btp, authenticate, deps);
      for (const url of await this.#btp.listen()) this.listening.push({ kind: "btp", url });
    }
    if (config.http.enabled) {
      const authenticate = (id: string | null, token: string) => admission.http(id, token);
      const httpDeps = { switch: this.engine, log, packetMax: core.packetMax };
      this.#http = new HttpServer(config.http, authenticate, httpDeps);
      for (const url of await this.#http.listen()) this.listening.push({ kind: "http", url });
    }
    if (config.admin.enabled) {
      this.#admin = new AdminServer(config.admin, this, log);
      this.listening.push({ kind: "admin", url: await this.#admin.listen() });
    }
  }

  async #openLink(account: Account): Promise<void> {
    const { index } = this.registry.byId(account.id)!;
    const { link } = account;
    if (link.kind === "btp-dial") {
      const deps = { core: this.core, switch: this.engine, log: this.log };
      const dialer = new BtpDialer(index, account.id, link, deps);
      this.#dialers.push(dialer);
      dialer.start();
    } else if (link.kind === "serial") {
      const deps = { switch: this.engine, clock: this.engine.clock, log: this.log };
      const { SerialLink } = await import("./link/serial.js");
      const line = new SerialLink(index, account.id, link, deps);
      this.#dialers.push(line);
      line.start();
    } else if (link.kind === "http") {
      const deps = { switch: this.engine, log: this.log, packetMax: this.core.packetMax };
      // The HTTP client takes 8 MiB: nodes without HTTP accounts do not load it.
      const { HttpLinkClient } = await import("./link/http-client.js");
      const client = new HttpLinkClient(index, account.id, link, deps);
      this.#httpClients.push(client);
      this.engine.attach(index, client, LinkKind.Raw);
    }
  }

  // ---- what the engine tells

  readonly #observer: Observer = {
    linkUp: (account, link) => {
      this.log.info("link up", { account: this.#nameOf(account), link: link.describe() });
      if (this.#awaited?.account === account) this.#awaited.resolve();
    },
    linkDown: (account, link) => {
      this.log.info("link down", { account: this.#nameOf(account), link: link.describe() });
    },
    settlementDue: (account, amount) => {
      this.log.warn("settlement due, settle by hand", { account: this.#nameOf(account), amount });
    },
    lateFulfill: (account, source, id, packet) => {
      this.claims.late(account, source, id, packet);
    },
    changed: () => this.books.changed(),
    unsolicited: (account, packet) => this.claims.unsolicited(account, packet),
  };

  #nameOf(account: number): string | undefined {
    return this.registry.byIndex(account)?.id;
  }

  // ---- the books

  /** Makes the data folder this process's alone. */
  async #takeFolder(folder: string): Promise<void> {
    makeFolder(folder);
    this.#unlock = await lockFolder(folder);
  }

  /** Puts back the accounts, their indices and their sums. */
  #openBooks(): void {
    const { dataDir } = this.config;
    if (this.#disk) {
      this.books.open(this.#disk, () => this.#clock.nowMs(), []);
    } else if (dataDir) {
      const older = readOlderBooks(dataDir);
      this.books.open(folderDisk(dataDir), () => performance.now(), older);
      if (older.length > 0) this.books.whenDurable(() => retireOlderBooks(dataDir));
    }
  }

  // ---- this node's own requests

  /** Asks the parent for an address until it gives one (CFG-07: one parent only). */
  async #inheritAddress(): Promise<void> {
    const parent = this.registry.byId(this.config.ilpAddressInheritFrom!)!;
    while (!this.#stopping && this.#address === null) {
      if (!this.engine.linkOf(parent.index)) {
        this.log.info("no address yet", { reason: `${parent.id} is not connected` });
        await this.#nextLink(parent.index);
        continue;
      }
      try {
        const answer = readIldcpAnswer(await this.#ask(parent.index));
        const { assetCode, assetScale } = answer;
        if (assetCode !== parent.assetCode || assetScale !== parent.assetScale) {
          throw new Error(
            `${parent.id} says this account is in ${assetCode} with scale ${assetScale}, the ` +
              `configuration says ${parent.assetCode} with scale ${parent.assetScale}: correct it.`,
          );
        }
        const foreign = this.config.env === "production" ? "test" : "g.";
        if (answer.address.startsWith(foreign)) {
          throw new Error(
            `${parent.id} gave the address ${answer.address}, which is not of a ` +
              `${this.config.env} network: correct env, or dial another parent (ADR-11).`,
          );
        }
        this.#setAddress(answer.address);
      } catch (error) {
        this.log.info("no address yet", { reason: (error as Error).message });
        await Promise.race([this.#pause(ILDCP_RETRY_MS, true), this.#nextLink(parent.index)]);
      }
    }
  }

  /** Resolves when the account gets a link, or another one. */
  #nextLink(account: number): Promise<void> {
    return new Promise((resolve) => (this.#awaited = { account, resolve }));
  }

  /** One ILDCP request to an account's peer; null when it cannot be sent. */
  async #ask(account: number): Promise<InspectedPacket | null> {
    const packet = ildcpRequest(this.#clock.wallMs());
    const reply = await new Promise<Uint8Array | null>((resolve) =>
      this.engine.ask(account, packet, resolve),
    );
    if (!reply) return null;
    this.core.input.set(reply);
    return this.core.inspectPacket(reply.length);
  }

  /**
   * What would happen to a Prepare from an account, and why; nothing changes. Throws CoreError when
   * `destination` is not an ILP address.
   */
  explain(
    account: number,
    prepare: { destination: string; amount: bigint; expiresAtMs: number },
  ): Verdict {
    this.engine.syncClock();
    return this.core.explain(account, writePrepare({ ...prepare, condition: randomBytes(32) }));
  }

  /** Sends an echo request and waits for what comes back. */
  async ping(destination: string, amount = 0n): Promise<PingResult> {
    const fulfillment = randomBytes(32);
    const echo = this.#local.expectEcho(fulfillment);
    const packet = writePrepare({
      amount,
      expiresAtMs: this.#clock.wallMs() + this.config.maxHoldTimeMs,
      condition: createHash("sha256").update(fulfillment).digest(),
      destination,
      data: echo.data,
    });
    const started = performance.now();
    const reply = await new Promise<Uint8Array | null>((resolve) =>
      this.engine.request(LOCAL_ACCOUNT, packet, resolve),
    );
    echo.forget();
    const ms = performance.now() - started;
    return { ...this.#readReply(reply), ms };
  }

  #readReply(reply: Uint8Array | null): Omit<PingResult, "ms"> {
    if (reply) this.core.input.set(reply);
    const packet = reply && this.core.inspectPacket(reply.length);
    if (packet?.type === "fulfill") {
      return { reply: "fulfill", code: "", message: "", triggeredBy: "" };
    }
    if (packet?.type === "reject") {
      const { code, message, triggeredBy } = packet;
      return { reply: "reject", code, message, triggeredBy };
    }
    return { reply: "reject", code: "T00", message: "connector stopped.", triggeredBy: "" };
  }
}
