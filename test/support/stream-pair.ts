// Two cores through the same random life: the subject's accounts hang on byte streams and batches,
// the reference gets the same packets one by one, framed by the npm package ws instead of the core.
// Everything said and the whole snapshot must agree after every chunk.
import assert from "node:assert/strict";
import { LinkKind, type AccountOptions } from "../../host/core.js";
import { Peer } from "../framing/peer.js";
import * as codec from "./model/codec.js";
import { mapOf, violation, type Map as MemoryMap } from "./model/invariants.js";
import type { Random } from "./model/random.js";
import {
  ITEM_REPLY,
  ITEM_REQUEST,
  Rig,
  WALL_MS,
  difference,
  isStream,
  isWebSocket,
  type Item,
  type Said,
} from "./stream-rig.js";
import { MESSAGE_MAX, WsWriter, readSerialFrame, serialFrame } from "./stream-wire.js";
// @ts-expect-error plain JavaScript
import { profiles } from "../../assembly/tools/profiles.mjs";

const PREIMAGES = Array.from({ length: 64 }, (_, i) => codec.sha256(Buffer.of(i)));
const CONDITIONS = PREIMAGES.map((preimage) => codec.sha256(preimage));
const AMOUNTS = [0n, 1n, 2n, 5n, 10n, 99n, 100n, 101n, 400n, 1000n, 1n << 63n];
const DESTINATIONS = ["test.a.x", "test.b", "test.b.y", "test.c.carol", "test.n", "test.n.z"];
const ODD_DESTINATIONS = ["test.unknown", "g.else", "self.x", "peer.config", "peer.config"];
const EXPIRIES = [-1, 999, 1000, 1500, 2500, 5000, 40_000];

export interface PairOptions {
  /** Packets handed over at once, at most. */
  packetsMax?: number;
  /** Data of some packets, at most. */
  dataMax?: number;
  /** Bytes of a serial line are damaged now and then. */
  noise?: boolean;
  trail?: boolean;
  /** Steps between two comparisons of the snapshots. */
  every?: number;
}

/** What the reference's host makes of a stream's bytes. */
class Line {
  readonly #peer: Peer;
  #rest = Buffer.alloc(0);
  badFrames = 0;

  constructor(readonly kind: LinkKind) {
    this.#peer = new Peer(kind === LinkKind.WsServer ? "server" : "client", MESSAGE_MAX);
  }

  /** Feeds the reference core; returns what it says, and the Pongs that are due. */
  feed(rig: Rig, account: number, chunk: Buffer): Said[] {
    return this.kind === LinkKind.Serial
      ? this.#serial(rig, account, chunk)
      : this.#webSocket(rig, account, chunk);
  }

  #webSocket(rig: Rig, account: number, chunk: Buffer): Said[] {
    return this.#peer.feed(chunk).flatMap((event) => {
      const bytes = "data" in event ? Buffer.from(event.data, "hex") : Buffer.alloc(0);
      if (event.kind === "pong") return [];
      if (event.kind === "ping") {
        const none = { source: 0, packetType: 0, id: 0, amount: 0n };
        return [{ what: "ws pong", account, ...none, bytes }];
      }
      assert.equal(event.kind, "binary");
      return rig.frame(account, bytes)[1];
    });
  }

  #serial(rig: Rig, account: number, chunk: Buffer): Said[] {
    const said: Said[] = [];
    let rest = Buffer.concat([this.#rest, chunk]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const frame = readSerialFrame(rest.subarray(0, end + 1));
      rest = rest.subarray(end + 1);
      if (!frame && end > 0) this.badFrames += 1;
      if (!frame || frame.kind === 3) continue;
      const { kind, requestId: id, payload: packet } = frame;
      said.push(...rig.oneByOne(account, [{ kind, id, packet }]));
    }
    this.#rest = rest;
    return said;
  }
}

/** The kind of link that takes the same packets one by one. */
function plainKind(kind: LinkKind): LinkKind {
  if (isWebSocket(kind)) return LinkKind.Btp;
  return kind === LinkKind.Serial ? LinkKind.Raw : kind;
}

const key = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const isAside = (said: Said): boolean => said.what === "ws pong" || said.what === "Error";

/**
 * Throws unless both said the same. What answers no packet (Pongs, BTP Errors) goes out before the
 * packets of its chunk are worked on, so it is compared for itself.
 */
export function compareSaid(subject: readonly Said[], reference: readonly Said[]): void {
  const packets = (all: readonly Said[]): Said[] => all.filter((said) => !isAside(said));
  const asides = (all: readonly Said[]): string[] =>
    all.filter(isAside).map((said) => `${said.what} ${said.id} ${said.bytes.toString("hex")}`);
  assert.deepEqual(packets(subject), packets(reference));
  assert.deepEqual(asides(subject).sort(), asides(reference).sort());
}

/** A forwarded Prepare differs from what came in by amount and expiry only. */
export function isForwarded(out: Buffer, original: Buffer): boolean {
  const at = codec.contentAt(original);
  const a = Buffer.from(out);
  const b = Buffer.from(original);
  if (a.length !== b.length) return false;
  a.fill(0, at, at + 25);
  b.fill(0, at, at + 25);
  return a.equals(b);
}

function limits(random: Random, account: number): Partial<AccountOptions> {
  const loose = account === 0 || random.chance(30);
  return {
    asset: account === 2 ? 1 : 0,
    balanceMaximum: loose ? null : BigInt(random.below(4000)),
    balanceMinimum: loose ? null : BigInt(-random.below(4000)),
    settleThreshold: random.chance(50) ? null : BigInt(-random.below(1000)),
    flightsMax: random.chance(70) ? 10_000 : 1 + random.below(20),
    rateCount: random.chance(80) ? 0 : 1 + random.below(100),
    reflect: random.chance(20),
  };
}

export class Pair {
  readonly subject: Rig;
  readonly reference: Rig;
  readonly #map: MemoryMap;
  readonly #lines: Line[] = [];
  readonly #writers: WsWriter[] = [];
  /** Bytes of a stream not yet handed over. */
  readonly #pending: Buffer[] = [];
  /** Requests that went out on each account, some of them ended. */
  readonly #open: { id: number; condition: string }[][] = [[], [], [], []];
  readonly #prepares = new Map<string, Buffer>();
  readonly #fulfills = new Set<string>();
  #badFrames = 0;
  #next = 1;
  forwarded = 0;
  fulfilled = 0;
  steps = 0;

  constructor(
    readonly random: Random,
    profile: string,
    readonly kinds: LinkKind[],
    readonly options: PairOptions = {},
  ) {
    const accounts = kinds.map((_, i) => limits(random, i));
    const rig = { accounts, trail: options.trail ?? false };
    this.subject = new Rig(profile, kinds, rig);
    this.reference = new Rig(profile, kinds.map(plainKind), rig);
    const { CFG_WHEEL, CFG_WHEEL_SHIFT } = (
      profiles as Record<string, { capacities: Record<string, number> }>
    )[profile]!.capacities;
    this.#map = mapOf(this.subject.machine, CFG_WHEEL!, CFG_WHEEL_SHIFT!);
    kinds.forEach((_, i) => this.#connect(i));
  }

  #connect(account: number): void {
    const kind = this.kinds[account]!;
    this.#badFrames += this.#lines[account]?.badFrames ?? 0;
    this.#lines[account] = new Line(kind);
    this.#writers[account] = new WsWriter(this.random, kind === LinkKind.WsServer);
    this.#pending[account] = Buffer.alloc(0);
  }

  /** Runs `steps` steps, comparing as it goes. */
  run(steps: number): this {
    const every = this.options.every ?? 1;
    for (let i = 0; i < steps; i++) {
      this.#step();
      if (i % every === 0 || i === steps - 1) this.compareMemory();
    }
    const wrong = violation(this.subject.machine, this.#map);
    assert.equal(wrong, undefined, wrong);
    return this;
  }

  #step(): void {
    const { random } = this;
    this.steps += 1;
    if (random.chance(15)) this.#wait();
    if (random.chance(2)) this.#reconnect(random.below(4));
    const account = random.chance(5) ? 0 : 1 + random.below(3);
    const kind = this.kinds[account]!;
    const count = 1 + random.below(this.options.packetsMax ?? 12);
    const items = Array.from({ length: count }, () => this.#item(account));
    if (kind === LinkKind.Raw) this.#raw(account, items);
    else if (isStream(kind)) this.#stream(account, items);
    else this.#btp(account, items);
  }

  #wait(): void {
    const { random, subject, reference } = this;
    subject.nowMs += random.pick([1, 10, 500, 1500, 3000, 35_000]);
    reference.nowMs = subject.nowMs;
    if (random.chance(60)) this.#compare(subject.tick(), reference.tick());
  }

  #reconnect(account: number): void {
    for (const rig of [this.subject, this.reference]) {
      rig.linkDown(account);
      rig.linkUp(account);
    }
    this.#connect(account);
  }

  #raw(account: number, items: Item[]): void {
    const { subject, reference } = this;
    this.#compare(subject.batch(account, items), reference.oneByOne(account, items));
  }

  #btp(account: number, items: Item[]): void {
    for (const item of items) {
      const bytes = this.#frameOf(item);
      this.#compare(this.subject.frame(account, bytes)[1], this.reference.frame(account, bytes)[1]);
    }
  }

  #stream(account: number, items: Item[]): void {
    const { random } = this;
    const pending = Buffer.concat([
      this.#pending[account]!,
      ...items.map((item) => this.#wire(account, item)),
    ]);
    const all = random.chance(80);
    let most = random.pick([1, 7, 100, 3000, 100_000, 300_000]);
    if (pending.length > 3000) most = Math.max(most, pending.length >> 5);
    let at = 0;
    while (at < pending.length && (all || random.chance(90))) {
      const chunk = pending.subarray(at, at + 1 + random.below(most));
      at += chunk.length;
      const said = this.subject.feed(account, chunk, random.chance(20));
      this.#compare(said, this.#lines[account]!.feed(this.reference, account, chunk));
    }
    this.#pending[account] = pending.subarray(at);
  }

  #compare(subject: Said[], reference: Said[]): void {
    try {
      compareSaid(subject, reference);
    } catch (error) {
      throw new Error(`seed ${this.random.seed}, step ${this.steps}: outputs differ`, {
        cause: error,
      });
    }
    for (const said of subject) this.#note(said);
  }

  #note(said: Said): void {
    if (said.what === "Request") {
      const at = codec.contentAt(said.bytes);
      const condition = key(said.bytes.subarray(at + 25, at + 57));
      this.#open[said.account]!.push({ id: said.id, condition });
      if (this.#open[said.account]!.length > 200) this.#open[said.account]!.shift();
      const original = this.#prepares.get(key(said.bytes.subarray(-8)));
      if (original) {
        assert.ok(isForwarded(said.bytes, original), "a Prepare was changed on its way");
        this.forwarded += 1;
      }
    } else if (said.what === "Reply" && said.packetType === 13 && said.source !== said.account) {
      assert.ok(this.#fulfills.has(key(said.bytes)), "a Fulfill was changed on its way");
      this.fulfilled += 1;
    }
  }

  /** Throws when the snapshots, or the records written, differ. */
  compareMemory(): void {
    const { subject, reference } = this;
    const links = this.kinds.some(isStream);
    const at = difference(subject, reference, { links, badFrames: links });
    assert.equal(at, -1, `seed ${this.random.seed}, step ${this.steps}: memory differs at ${at}`);
    const bad = (rig: Rig): number => rig.machine.counter(10);
    const expected = this.#lines.reduce((sum, line) => sum + line.badFrames, this.#badFrames);
    assert.equal(bad(subject), bad(reference) + expected, "damaged frames were counted");
    for (const rig of [subject, reference]) rig.takeRecords();
    assert.ok(Buffer.concat(subject.records).equals(Buffer.concat(reference.records)));
    for (const rig of [subject, reference]) rig.records.length = 0;
  }

  // ---- what peers send

  #item(account: number): Item {
    const { random } = this;
    const replies = this.#open[account]!.length > 0 && random.chance(60);
    const item = replies ? this.#reply(account) : this.#request();
    const n = random.below(100);
    if (n < 4) item.packet = this.#damage(item.packet);
    // What is damaged may still be a packet.
    if (item.packet[0] === 12) this.#prepares.set(key(item.packet.subarray(-8)), item.packet);
    if (item.kind === ITEM_REPLY) this.#fulfills.add(key(item.packet));
    if (n >= 97) item.packet = Buffer.concat([item.packet, Buffer.from("behind")]);
    return item;
  }

  #damage(packet: Buffer): Buffer {
    const { random } = this;
    const bytes = Buffer.from(packet);
    if (random.chance(20)) return bytes.subarray(0, random.below(bytes.length + 1));
    if (bytes.length) bytes[random.below(Math.min(bytes.length, 80))] = random.below(256);
    return bytes;
  }

  #data(): Buffer<ArrayBuffer> {
    const { random } = this;
    const tag = Buffer.alloc(8);
    tag.writeUInt32LE(this.#next++);
    const most = random.chance(10) ? (this.options.dataMax ?? 1500) : 60;
    const fill = random.chance(50) ? 0 : 0xa5;
    return Buffer.concat([
      Buffer.alloc(random.chance(20) ? most : random.below(most + 1), fill),
      tag,
    ]);
  }

  #request(): Item {
    const { random } = this;
    const destination = random.pick(random.chance(90) ? DESTINATIONS : ODD_DESTINATIONS);
    const peer = destination.startsWith("peer.");
    const condition = peer ? codec.PEER_CONDITION : random.pick(CONDITIONS);
    const amount = peer ? 0n : random.pick(AMOUNTS);
    const expiresAtMs = WALL_MS + this.subject.nowMs + random.pick(EXPIRIES);
    const data = this.#data();
    const packet = codec.prepare(amount, expiresAtMs, condition, destination, data).bytes;
    this.#prepares.set(key(data.subarray(-8)), packet);
    const id = random.chance(95) ? this.#next++ : random.word();
    return { kind: random.chance(98) ? ITEM_REQUEST : ITEM_REPLY, id, packet };
  }

  #reply(account: number): Item {
    const { random } = this;
    const from = random.chance(92) ? account : random.below(4);
    const open = this.#open[from]!;
    // Recent ones are open, older ones have mostly ended: duplicates and late replies.
    const recent = open.slice(random.chance(85) ? -40 : 0);
    const { id, condition } = recent.length
      ? random.pick(recent)
      : { id: random.word(), condition: "" };
    return { kind: ITEM_REPLY, id, packet: this.#answer(condition) };
  }

  #answer(condition: string): Buffer {
    const { random } = this;
    const n = random.below(100);
    const i = CONDITIONS.findIndex((known) => key(known) === condition);
    const right = PREIMAGES[i] ?? Buffer.alloc(32);
    let packet: Buffer;
    if (n < 70) packet = codec.fulfill(right, this.#data()).bytes;
    else if (n < 78) packet = codec.fulfill(random.pick(PREIMAGES), this.#data()).bytes;
    else if (n < 95)
      packet = codec.reject("T04", "test.b.y", "limit exceeded.", this.#data()).bytes;
    else if (n < 98) return this.#request().packet;
    else return Buffer.alloc(random.below(40), random.word());
    this.#fulfills.add(key(packet));
    return packet;
  }

  // ---- how it travels

  #frameOf({ kind, id, packet }: Item): Buffer {
    const { random } = this;
    const n = random.below(100);
    if (n < 93) return codec.frame(kind === ITEM_REQUEST ? 6 : 1, id, packet);
    const empty = Buffer.of(kind === ITEM_REQUEST ? 6 : 1, 0, 0, 0, 0, 2, 1, 0);
    const time = Buffer.from("20261123120000.000Z", "latin1");
    const error = Buffer.concat([
      Buffer.from("02000000001b463030" + "0013", "hex"),
      time,
      Buffer.of(0, 1, 0),
    ]);
    const transfer = Buffer.from("07000000000a0000000000000005" + "0100", "hex");
    const frame = n < 96 ? empty : n < 98 ? error : transfer;
    frame.writeUInt32BE(id >>> 0, 1);
    return frame;
  }

  #wire(account: number, item: Item): Buffer {
    const { random } = this;
    if (this.kinds[account] === LinkKind.Serial) return this.#line(item);
    const writer = this.#writers[account]!;
    const message = writer.message(this.#frameOf(item), random.chance(25));
    return random.chance(15) ? Buffer.concat([writer.control(), message]) : message;
  }

  #line({ kind, id, packet }: Item): Buffer {
    const { random } = this;
    const frame = serialFrame(random.chance(97) ? kind : 3, id, packet);
    if (!this.options.noise || random.chance(80)) return frame;
    const n = random.below(4);
    if (n === 0) return Buffer.concat([Buffer.alloc(random.below(4)), frame]);
    if (n === 1) return Buffer.concat([Buffer.from("noise\0", "latin1"), frame]);
    if (n === 2) return frame.subarray(random.below(frame.length));
    const at = random.below(frame.length);
    frame[at] = frame[at]! ^ (1 << random.below(8));
    return frame;
  }
}
