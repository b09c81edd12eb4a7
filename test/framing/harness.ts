// What the tests of the framings share: the core's builds, a link as a host keeps it, seeds.
import assert from "node:assert/strict";
import { probe, type ProbeOptions } from "../support/probe.js";

type Call = (...args: number[]) => number;

/** One build of assembly/wire/ws.ts and serial.ts. */
export class Framing {
  readonly memory: Buffer;
  readonly words: DataView;
  readonly buffer: number;
  readonly view: number;
  readonly #exports: Record<string, Call>;
  #links = 0;

  constructor(options: ProbeOptions) {
    const exports = probe("framing", options);
    this.#exports = exports as unknown as Record<string, Call>;
    const { buffer } = exports.memory as WebAssembly.Memory;
    this.memory = Buffer.from(buffer);
    this.words = new DataView(buffer);
    this.buffer = this.call("buffer");
    this.view = this.call("view");
  }

  call(name: string, ...args: number[]): number {
    return this.#exports[name]!(...args);
  }

  put(bytes: Uint8Array, offset = 0): number {
    this.memory.set(bytes, this.buffer + offset);
    return this.buffer + offset;
  }

  /** Puts bytes at the very end of memory: reading or writing further traps. */
  putLast(bytes: Uint8Array): number {
    const at = this.memory.length - bytes.length;
    this.memory.set(bytes, at);
    return at;
  }

  bytes(at: number, length: number): Buffer {
    return Buffer.from(this.memory.subarray(at, at + length));
  }

  /** Field `i` of the latest view, all of them u32. */
  field(i: number): number {
    return this.words.getUint32(this.view + 4 * i, true);
  }

  /** Place for the state of a link of its own. */
  newState(): number {
    return this.buffer + 200_000 + 32 * (this.#links++ % 1000);
  }
}

export const builds: [string, Framing][] = [
  ["scalar", new Framing({})],
  ["simd", new Framing({ simd: true })],
];

/** What a receiver reports, in a form that compares. */
export type Event =
  | { kind: "text" | "binary" | "ping" | "pong"; data: string }
  | { kind: "close"; code: number; data: string }
  | { kind: "fault"; code: number };

const KINDS: Record<number, "text" | "binary" | "ping" | "pong"> = {
  1: "text",
  2: "binary",
  9: "ping",
  10: "pong",
};

/** A link as the head of ws.ts tells a host to keep it; checks each promise made there. */
export class Link {
  readonly #state: number;
  #tail: Buffer = Buffer.alloc(0);
  /** All bytes that came in, to see that the unread part of the tail is untouched. */
  #received: Buffer = Buffer.alloc(0);
  #needed = 0;
  #ended = false;

  constructor(
    readonly core: Framing,
    role: "server" | "client",
    readonly messageMax: number,
    /** Wait for `view.needed` bytes, as a host may. */
    readonly patient = false,
  ) {
    this.#state = core.newState();
    core.call("openWs", this.#state, role === "server" ? 0 : 1, messageMax);
  }

  /** Hands over more bytes; returns what they bring. */
  feed(chunk: Uint8Array): Event[] {
    this.#tail = Buffer.concat([this.#tail, chunk]);
    this.#received = Buffer.concat([this.#received, chunk]).subarray(-2 * this.messageMax - 1000);
    if (this.patient && this.#tail.length < this.#needed) return [];
    const early = this.#tail.length < this.#needed;
    const { core } = this;
    const first = core.putLast(this.#tail);
    core.memory.fill(0x5a, first - 64, first);
    const events: Event[] = [];
    let p = first;
    let n: number;
    while ((n = core.call("nextFrame", this.#state, p, core.memory.length)) > 0) {
      assert.ok(n <= core.memory.length - p, "consumes what it was given");
      const event = this.#event();
      if (event) events.push(event);
      if (event?.kind === "close") this.#ended = true;
      p += n;
    }
    assert.ok(core.memory.subarray(first - 64, first).equals(Buffer.alloc(64, 0x5a)));
    if (n < 0) {
      events.push({ kind: "fault", code: -n });
      this.#checkDead(n);
      return events;
    }
    this.#tail = core.bytes(p, core.memory.length - p);
    this.#needed = core.field(4);
    if (early) assert.deepEqual(events, [], "nothing before `needed` bytes");
    this.#checkTail();
    return events;
  }

  #event(): Event | undefined {
    const { core } = this;
    const [kind, payload, length, code] = [0, 1, 2, 3].map((i) => core.field(i));
    if (kind === 0) return undefined;
    const data = core.bytes(payload!, length!).toString("hex");
    if (kind === 8) return { kind: "close", code: code!, data };
    return { kind: KINDS[kind!]!, data };
  }

  #checkTail(): void {
    if (this.#ended) {
      assert.equal(this.#tail.length, 0, "nothing is kept after a Close");
      return;
    }
    assert.ok(this.#needed > this.#tail.length, "needs more than it has");
    assert.ok(this.#needed < this.messageMax + 132, "needs a bounded room");
    const held = this.core.words.getUint32(this.#state + 4, true);
    const rest = this.#tail.subarray(held);
    const received = this.#received.subarray(this.#received.length - rest.length);
    assert.ok(rest.equals(received), "what is not read is untouched");
  }

  /** A fault stays. */
  #checkDead(fault: number): void {
    const { core } = this;
    const at = core.put(Buffer.from("8100", "hex"));
    assert.equal(core.call("nextFrame", this.#state, at, at + 2), fault);
    assert.equal(core.call("nextFrame", this.#state, at, at), fault);
  }
}

/** A seeded generator (mulberry32): whole numbers below n. Print the seed with every failure. */
export function random(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

export type Pick = ReturnType<typeof random>;

export function randomBytes(pick: Pick, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = pick(256);
  return bytes;
}

/** The seed of this run: FERRULE_SEED, or a new one. */
export const seed = Number(process.env.FERRULE_SEED ?? Date.now() % 2 ** 31);
