// What the store's tests share: a whole node without sockets on a virtual clock and a model of a
// disk, driven by a script that a seed decides, with a history of every state its books were in.
import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { parseConfig, type Config } from "../../host/config/index.js";
import type { Cancel, Clock } from "../../host/clock.js";
import { Connector } from "../../host/connector.js";
import { LinkKind } from "../../host/core.js";
import type { Link } from "../../host/link/link.js";
import type { Log } from "../../host/log.js";
import { writeFulfill, writePrepare, writeReject } from "../../host/packet.js";
import { readCoreWasm } from "../../host/wasm.js";
import { FaultyDisk, type DiskOptions, type Random } from "../support/faulty-disk.js";

const START_MS = Date.UTC(2026, 0, 1);
const module = new WebAssembly.Module(readCoreWasm());

/** mulberry32: small, seeded, good enough to choose faults. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Event {
  at: number;
  order: number;
  run: () => void;
}

/** Time that stands until it is moved. */
export class VirtualClock implements Clock {
  now = START_MS;
  #events: Event[] = [];
  #soon: (() => void)[] = [];
  #order = 0;

  nowMs(): number {
    return Math.floor(this.now);
  }

  wallMs(): number {
    return Math.floor(this.now) + 7;
  }

  after(ms: number, run: () => void): Cancel {
    const event = { at: this.now + ms, order: this.#order++, run };
    this.#events.push(event);
    return () => (this.#events = this.#events.filter((other) => other !== event));
  }

  soon(then: () => void): void {
    this.#soon.push(then);
  }

  settle(): void {
    for (let next = this.#soon.shift(); next; next = this.#soon.shift()) next();
  }

  /** Runs the next event up to a time; false when there is none. */
  step(end: number): boolean {
    this.settle();
    const next = this.#events.reduce<Event | null>(
      (least, event) =>
        !least || event.at < least.at || (event.at === least.at && event.order < least.order)
          ? event
          : least,
      null,
    );
    if (!next || next.at > end) {
      this.now = Math.max(this.now, end);
      return false;
    }
    this.#events = this.#events.filter((event) => event !== next);
    this.now = Math.max(this.now, next.at);
    next.run();
    this.settle();
    return true;
  }

  /** Everything asked of this clock is forgotten: its process is dead. */
  die(): void {
    this.#events = [];
    this.#soon = [];
  }
}

export type Mode = "group" | "trail" | "strict";

export function makeConfig(mode: Mode, more = ""): Config {
  const account = (id: string, code: string): string => `
    [accounts.${id}]
    relation = "peer"
    assetCode = "${code}"
    assetScale = 6
    rateLimit = { refillCount = 1000000 }
    balance = { maximum = "Infinity" }
    btp = { listen = true, token = "${id}" }`;
  const config = parseConfig(
    `ilpAddress = "test.node"
    durability = "${mode === "strict" ? "strict" : "group"}"
    trail = ${mode === "trail"}
    journalSize = 65536
    minMessageWindow = 10
    maxHoldTime = 1000
    spread = "0.01"
    ${more}
    ${account("alice", "XRP")}
    ${account("bob", "XRP")}
    ${account("carol", "USD")}
    [http]
    enabled = false
    [admin]
    enabled = false
    [[routes]]
    targetPrefix = "test.bob"
    peerId = "bob"
    [[routes]]
    targetPrefix = "test.carol"
    peerId = "carol"
    [[rates]]
    from = "XRP"
    to = "USD"
    rate = "0.5"
    both = true`,
    "test.toml",
  );
  // Links are put on accounts by hand.
  return { ...config, btp: { ...config.btp, enabled: false } };
}

/** A Prepare that has left the node. */
export interface Left {
  readonly condition: string;
  /** Index in the history of the state its hold was in first. */
  readonly heldAt: number;
  /** Index in the history of the state its end was in first; Infinity while it is in flight. */
  endedAt: number;
}

export interface State {
  /** Posted sums of every account and asset. */
  readonly key: string;
  /** Value posted from accounts since the start of the run, per account id. */
  readonly posted: ReadonlyMap<string, bigint>;
}

/** One process of the node. */
export class Life {
  readonly clock = new VirtualClock();
  readonly connector: Connector;
  readonly history: State[] = [];
  /** Index in the history that the newest durable commit covers. */
  durable = -1;
  readonly left: Left[] = [];
  failures = 0;
  readonly logLines: string[] = [];
  readonly #flights = new Map<string, Left>();

  constructor(
    readonly config: Config,
    readonly disk: FaultyDisk,
    seed: number,
  ) {
    const note = (message: string, fields: object = {}): void =>
      void this.logLines.push(`${message} ${inspect(fields)}`);
    const log: Log = { debug() {}, info: note, warn: note, error: note };
    const bytes = createHash("sha256").update(String(seed)).digest().subarray(0, 8);
    this.connector = new Connector(config, {
      ...{ clock: this.clock, wasm: module, disk, log, seed: bytes },
      onFailure: () => this.failures++,
    });
  }

  async start(): Promise<void> {
    await this.connector.start();
    this.#watchStore();
    this.note();
  }

  /** Notes which state each commit covers, and when it is durable. */
  #watchStore(): void {
    const store = this.connector.books.store!;
    const append = store.append.bind(store);
    store.append = (records, stamp, done) => {
      const covers = this.history.length - 1;
      append(records, stamp, (error) => {
        if (!error) this.durable = covers;
        done(error);
      });
    };
  }

  /** Posted sums, holds and claims of every account, and every asset's income. */
  get stateKey(): string {
    const { registry, core } = this.connector;
    const accounts = registry.list().map(({ index, id }) => {
      const { debits, credits, debitsPending, creditsPending } = core.account(index);
      return `${id} ${debits} ${credits} ${debitsPending} ${creditsPending}`;
    });
    const assets = registry.assets().map(({ index, code }) => {
      const { incomeDebits, incomeCredits } = core.asset(index);
      return `${code} ${incomeDebits} ${incomeCredits}`;
    });
    return [...accounts, ...assets].filter((line) => !/^\S+( 0)+$/.test(line)).join("\n");
  }

  /** Adds the state of the books to the history, if it is a new one. */
  note(): void {
    const { registry, core } = this.connector;
    const key = this.stateKey;
    if (this.history.at(-1)?.key === key) return;
    const posted = new Map(
      registry.list().map(({ id, index }) => [id, core.account(index).debits]),
    );
    this.history.push({ key, posted });
  }

  /** Moves time; every state on the way goes into the history. */
  run(ms: number): void {
    const end = this.clock.now + ms;
    while (!this.disk.isCut && this.clock.step(end)) this.note();
  }

  /** Puts a raw link on an account that answers Prepares as `decide` says. */
  link(id: string, decide: (packet: Uint8Array) => Answer): void {
    const { engine, registry } = this.connector;
    const { index } = registry.byId(id)!;
    const link: Link = {
      write: () => {},
      close: () => {},
      describe: () => id,
      request: (request, _source, memory, address, length) => {
        const packet = memory.slice(address, address + length);
        this.#noteLeft(packet);
        const answer = decide(packet);
        if (answer.packet === null) return;
        const reply = answer.packet;
        this.clock.after(answer.afterMs, () => engine.reply(index, request, reply));
      },
    };
    engine.attach(index, link, LinkKind.Raw);
  }

  #noteLeft(packet: Uint8Array): void {
    const condition = conditionOf(packet);
    const flight = this.#flights.get(condition);
    if (flight) this.left.push(flight);
  }

  /** Sends a Prepare from an account; its condition becomes known to `left` when it leaves. */
  send(from: string, packet: Uint8Array): void {
    const { engine, registry } = this.connector;
    const condition = conditionOf(packet);
    // The state the hold brings about is the next one.
    const flight = { condition, heldAt: this.history.length, endedAt: Infinity };
    this.#flights.set(condition, flight);
    engine.request(registry.byId(from)!.index, packet, () => {
      flight.endedAt = Math.min(flight.endedAt, this.history.length);
    });
    this.note();
  }
}

export interface Answer {
  packet: Uint8Array | null;
  afterMs: number;
}

export function conditionOf(packet: Uint8Array): string {
  const content = packet[1]! < 128 ? 2 : 2 + (packet[1]! & 127);
  return Buffer.from(packet.subarray(content + 25, content + 57)).toString("hex");
}

export function preimageOf(condition: string, known: Map<string, Buffer>): Buffer {
  return known.get(condition)!;
}

/** A payer and two payees whose behaviour a seed decides. */
export class Script {
  readonly #random: Random;
  readonly #preimages = new Map<string, Buffer>();
  #number = 0;

  constructor(
    readonly life: Life,
    readonly seed: number,
  ) {
    this.#random = randomFrom(seed);
    for (const id of ["alice", "bob", "carol"]) life.link(id, (packet) => this.#answer(packet));
  }

  #answer(packet: Uint8Array): Answer {
    const preimage = this.#preimages.get(conditionOf(packet))!;
    const dice = this.#random();
    const afterMs = Math.floor(this.#random() * 40);
    const no = { code: "F99", triggeredBy: "test.bob", message: "no" };
    if (dice < 0.7) return { packet: writeFulfill(preimage), afterMs };
    if (dice < 0.85) return { packet: writeReject(no), afterMs };
    if (dice < 0.95) return { packet: writeFulfill(preimage), afterMs: 200 + afterMs };
    return { packet: null, afterMs };
  }

  /** One Prepare. */
  pay(): void {
    const { clock } = this.life;
    this.#number += 1;
    const preimage = createHash("sha256").update(`${this.seed} ${this.#number}`).digest();
    const condition = createHash("sha256").update(preimage).digest();
    this.#preimages.set(condition.toString("hex"), preimage);
    const [from, to] = this.#random() < 0.7 ? ["alice", "bob"] : ["bob", "carol"];
    const packet = writePrepare({
      amount: BigInt(1 + Math.floor(this.#random() * 1000)),
      expiresAtMs: clock.wallMs() + 60 + Math.floor(this.#random() * 100),
      condition,
      destination: `test.${to}.x`,
    });
    this.life.send(from!, packet);
  }

  /** Sends `count` packets, at most 12 ms apart, until the power is gone. */
  play(count: number): void {
    const { life } = this;
    for (let i = 0; i < count && !life.disk.isCut; i++) {
      if (this.#random() < 0.1) this.life.connector.registry.asset(NEW_ASSETS[i % 3]!);
      this.pay();
      life.run(Math.floor(this.#random() * 12));
    }
    life.run(400);
  }
}

const NEW_ASSETS = [
  { assetCode: "EUR", assetScale: 2 },
  { assetCode: "BTC", assetScale: 8 },
  { assetCode: "XRP", assetScale: 6 },
];

/** A disk on a life's clock: its `later` must be set before anything is written. */
export function makeDisk(options: Partial<DiskOptions> = {}): FaultyDisk {
  return new FaultyDisk({ later: () => {}, random: randomFrom(1), ...options });
}

/** Binds a disk to the clock of the life that uses it. */
export function startLife(config: Config, disk: FaultyDisk, seed: number): Life {
  const life = new Life(config, disk, seed);
  disk.options.later = (ms, then) => void life.clock.after(ms, then);
  return life;
}
