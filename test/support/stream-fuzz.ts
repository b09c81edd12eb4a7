// Hostile streams: what a peer would send, damaged anywhere (frame headers, masks, lengths, BTP,
// packets), in any chunks, to every kind of stream at once. No call may trap, write outside the
// regions, leave the books unsound, or write bytes that a peer would not take.
import assert from "node:assert/strict";
import { Guards, mapOf, violation, type Map as MemoryMap } from "./model/invariants.js";
import * as codec from "./model/codec.js";
import { LinkKind } from "../../host/core.js";
import { Random } from "./model/random.js";
import { Rig, WALL_MS, isWebSocket, type Said } from "./stream-rig.js";
import { Opcode, WsWriter, serialFrame } from "./stream-wire.js";
// @ts-expect-error plain JavaScript
import { profiles } from "../../assembly/tools/profiles.mjs";

const PREIMAGES = Array.from({ length: 8 }, (_, i) => Buffer.alloc(32, i));
const CONDITIONS = PREIMAGES.map((preimage) => codec.sha256(preimage));
const KINDS = [LinkKind.WsServer, LinkKind.WsClient, LinkKind.Serial];
const STEPS_OF_A_LIFE = 120;

/** What came of all lives so far. */
export interface Tally {
  lives: number;
  chunks: number;
  bytes: number;
  forwards: number;
  fulfills: number;
  closes: number;
  pongs: number;
}

/** One core and four hostile peers. */
class Life {
  readonly rig: Rig;
  readonly #random: Random;
  readonly #map: MemoryMap;
  readonly #guards: Guards;
  readonly #writers: WsWriter[] = [];
  readonly #open: { id: number; condition: Buffer }[][] = [[], [], [], []];
  #old: Buffer = Buffer.of(0x82, 0x80);

  constructor(
    seed: number,
    readonly profile: string,
    readonly tally: Tally,
  ) {
    this.#random = new Random(seed);
    const random = this.#random;
    const kinds = [0, 1, 2, 3].map(() => random.pick(KINDS));
    const accounts = kinds.map(() => ({
      balanceMaximum: random.chance(50) ? null : 500n,
      settleThreshold: random.chance(50) ? null : -50n,
    }));
    this.rig = new Rig(profile, kinds, { accounts, trail: random.chance(30) });
    const { CFG_WHEEL, CFG_WHEEL_SHIFT } = (
      profiles as Record<string, { capacities: Record<string, number> }>
    )[profile]!.capacities;
    this.#map = mapOf(this.rig.machine, CFG_WHEEL!, CFG_WHEEL_SHIFT!);
    this.#guards = new Guards(this.rig.machine);
    for (let i = 0; i < 4; i++) this.#connect(i);
  }

  #connect(account: number): void {
    const { rig } = this;
    rig.linkDown(account);
    rig.linkUp(account);
    const masked = rig.kinds[account] === LinkKind.WsServer;
    this.#writers[account] = new WsWriter(this.#random, masked);
  }

  run(): void {
    const random = this.#random;
    for (let i = 0; i < STEPS_OF_A_LIFE; i++) {
      this.#step();
      if (i % 30 === 29) this.#check();
      if (random.chance(5)) {
        this.rig.nowMs += random.pick([1, 700, 3000, 40_000]);
        this.#note(this.rig.tick());
      }
    }
    this.tally.lives += 1;
  }

  #check(): void {
    const wrong = violation(this.rig.machine, this.#map) ?? this.#guards.check();
    assert.equal(wrong, undefined, wrong);
  }

  #step(): void {
    const random = this.#random;
    const account = random.below(4);
    const parts = Array.from({ length: 1 + random.below(8) }, () => this.#piece(account));
    const bytes = Buffer.concat(parts);
    const most = random.pick([3, 40, 1000, 100_000]);
    for (let at = 0; at < bytes.length;) {
      const chunk = bytes.subarray(at, at + Math.max(1 + random.below(most), bytes.length >> 6));
      at += chunk.length;
      this.tally.chunks += 1;
      this.tally.bytes += chunk.length;
      const said = this.rig.feed(account, chunk, random.chance(30));
      if (this.#note(said)) {
        const late = this.rig.feed(account, bytes.subarray(at), true);
        assert.deepEqual(late, [], "nothing is read after a goodbye");
        this.#connect(account);
        return;
      }
    }
  }

  /** @returns whether the core asked to close. */
  #note(said: Said[]): boolean {
    const { tally } = this;
    for (const { what, account, id, bytes, packetType } of said) {
      if (what === "ws pong") tally.pongs += 1;
      if (packetType === 13) tally.fulfills += 1;
      if (what !== "Request") continue;
      tally.forwards += 1;
      const at = codec.contentAt(bytes) + 25;
      this.#open[account]!.push({ id, condition: bytes.subarray(at, at + 32) });
      if (this.#open[account]!.length > 12) this.#open[account]!.shift();
    }
    const closes = said.filter((s) => s.what === "Close").length;
    assert.ok(closes < 2, "a goodbye is said once");
    tally.closes += closes;
    return closes > 0;
  }

  /** A frame or some, mostly sound. */
  #piece(account: number): Buffer {
    const random = this.#random;
    const isReply = this.#open[account]!.length > 0 && random.chance(55);
    const [kind, id, sound] = isReply ? this.#reply(account) : this.#request();
    const packet = random.chance(8) ? this.#damage(sound) : sound;
    let bytes: Buffer;
    if (isWebSocket(this.rig.kinds[account]!)) {
      const writer = this.#writers[account]!;
      let frame = codec.frame(kind === 1 ? 6 : 1, id, packet);
      if (random.chance(4)) frame = this.#damage(frame);
      bytes = writer.message(frame, random.chance(25));
      if (random.chance(15)) bytes = Buffer.concat([writer.control(), bytes]);
      if (random.chance(1))
        bytes = writer.frame(random.pick(Object.values(Opcode)), packet.subarray(-90));
    } else {
      bytes = serialFrame(random.chance(97) ? kind : random.below(256), id, packet);
    }
    if (random.chance(4)) bytes = this.#damage(bytes);
    if (random.chance(1)) bytes = Buffer.concat([bytes, this.#old]);
    this.#old = bytes;
    return bytes;
  }

  #damage(bytes: Buffer): Buffer {
    const random = this.#random;
    const n = random.below(6);
    if (n === 0) return bytes.subarray(0, random.below(bytes.length + 1));
    if (n === 1) return bytes.subarray(random.below(bytes.length + 1));
    if (n === 2) return Buffer.concat([bytes, bytes.subarray(random.below(bytes.length + 1))]);
    const copy = Buffer.from(bytes);
    const range = random.chance(60) ? 16 : copy.length;
    for (let i = 0; i <= random.below(3) && copy.length; i++) {
      const at = random.below(Math.min(range, copy.length));
      copy[at] = random.pick([0, 1, 126, 127, 128, 254, 255, random.below(256)]);
    }
    return copy;
  }

  #data(): Buffer<ArrayBuffer> {
    const random = this.#random;
    const size = random.chance(4) ? random.below(32_768) : random.below(80);
    return Buffer.alloc(size, random.below(256));
  }

  #request(): [kind: number, id: number, packet: Buffer] {
    const random = this.#random;
    const to = random.pick(["test.a", "test.b.x", "test.c", "test.n", "test.a.y", "peer.config"]);
    const condition = to === "peer.config" ? codec.PEER_CONDITION : random.pick(CONDITIONS);
    const amount = to === "peer.config" ? 0n : BigInt(random.below(200));
    const expiresAtMs = WALL_MS + this.rig.nowMs + random.pick([900, 3000, 30_000]);
    const { bytes } = codec.prepare(amount, expiresAtMs, condition, to, this.#data());
    return [1, random.word(), bytes];
  }

  #reply(account: number): [kind: number, id: number, packet: Buffer] {
    const random = this.#random;
    const { id, condition } = random.pick(
      this.#open[random.chance(95) ? account : random.below(4)]!,
    ) ?? { id: 0, condition: CONDITIONS[0]! };
    const right = CONDITIONS.findIndex((known) => known.equals(condition));
    const preimage = PREIMAGES[random.chance(90) ? right : random.below(8)] ?? PREIMAGES[0]!;
    const fulfill = codec.fulfill(preimage, this.#data());
    const reject = codec.reject("F99", "test.z", "no", this.#data());
    return [2, id, (random.chance(75) ? fulfill : reject).bytes];
  }
}

/** Lives until so many milliseconds have passed. Throws with the seed of the life that failed. */
export function fuzzStreams(seed: number, durationMs: number, profile = "test"): Tally {
  const tally = { lives: 0, chunks: 0, bytes: 0, forwards: 0, fulfills: 0, closes: 0, pongs: 0 };
  const end = performance.now() + durationMs;
  for (let n = seed; performance.now() < end; n++) {
    try {
      new Life(n, profile, tally).run();
    } catch (error) {
      const { message } = error as Error;
      throw new Error(`FERRULE_SEED=${n}, ${profile} build: ${message}`, { cause: error });
    }
  }
  return tally;
}
