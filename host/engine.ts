// The loop: one core, its clock and its links. Something comes in, one mutation of the core,
// everything the core has to say goes out, the timer is set to what the core waits for. It knows no
// sockets, no files and no configuration, so that a whole node runs under a simulated clock as it
// does under the system's. It decides nothing about money.
import type { Cancel, Clock } from "./clock.js";
import { AccountFlag, CoreError, LinkKind, Status, type Core, type Sink } from "./core.js";
import type { Link, Switch } from "./link/link.js";
import { Slab } from "./slab.js";

/** Longest pause between two looks at expiring packets while any is in flight. */
const TICK_MAX_MS = 100;
const SLAB_BYTES = 65_536;
/** How often the wall clock is compared with the monotonic one. */
const CLOCK_PERIOD_MS = 1000;

/** Close code of a link whose bytes the core refused to look at. */
const CLOSE_INTERNAL = 1011;

/** What came in on a stream and is no whole frame yet. */
interface Tail {
  parts: Uint8Array[];
  length: number;
  /** Fewer bytes bring nothing. */
  needed: number;
}

/** Gets the reply, a copy, exactly once; null when the engine stops first. */
export type Done = (reply: Uint8Array | null) => void;

/** What the core says beside packets. None of these may call the engine back. */
export interface Observer {
  linkUp(account: number, link: Link): void;
  linkDown(account: number, link: Link): void;
  /** `amount` would bring the account to its settleTo. */
  settlementDue(account: number, amount: bigint): void;
  /**
   * A genuine Fulfill, `packet`, from `account` for a packet of `source` that had already expired;
   * `id` is the core's.
   */
  lateFulfill(account: number, source: number, id: number, packet: Uint8Array): void;
  /** A Fulfill to nothing in flight, from an account with possible claims. May call back. */
  unsolicited(account: number, packet: Uint8Array): void;
  /** A mutation is over: there may be something to write to disk. */
  changed(): void;
}

/** Keeps Prepares back until their holds are durable. */
export interface Gate {
  /** `send` is called later, or never when nobody waits for the Prepare `id` any more. */
  hold(id: number, send: () => void): void;
}

const PREPARE = 12;

export class Engine implements Switch {
  readonly core: Core;
  readonly clock: Clock;
  readonly #observer: Observer;
  readonly #gate: Gate | null;
  readonly #links: (Link | undefined)[] = [];
  readonly #tails: (Tail | undefined)[] = [];
  readonly #pending = new Map<number, Done>();
  /** Prepares that the gate holds. */
  readonly #slab = new Slab(SLAB_BYTES);
  /** Streams that the core has ended and the drain at hand has not closed yet. */
  #over: { account: number; code: number }[] = [];
  #nextId = 1;
  #isStopped = false;
  #hasTime = false;
  #timer: Cancel | null = null;
  #clockTimer: Cancel | null = null;

  constructor(core: Core, clock: Clock, observer: Observer, gate: Gate | null = null) {
    this.core = core;
    this.clock = clock;
    this.#observer = observer;
    this.#gate = gate;
  }

  // ---- life

  /** Gives the core its clock, now and once a second. Nothing is forwarded before. */
  start(): void {
    this.#isStopped = false;
    this.syncClock();
    this.#clockTimer?.();
    this.#clockTimer = this.clock.after(CLOCK_PERIOD_MS, () => this.start(), true);
  }

  /**
   * Ends the timers: nothing expires any more, the books that are written last stay as they are.
   * Whoever waits for a reply gets null. Links are their owners' to close.
   */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.();
    this.#clockTimer?.();
    this.#timer = this.#clockTimer = null;
    for (const done of this.#pending.values()) done(null);
    this.#pending.clear();
  }

  /** Tells the core which wall-clock time it is, once it is known. */
  syncClock(): void {
    if (this.clock.isSet?.() === false) return;
    this.core.clock(this.clock.nowMs(), this.clock.wallMs());
    this.#hasTime = true;
  }

  /** The core knows the time: up to a second after the clock is set. */
  get hasTime(): boolean {
    return this.#hasTime;
  }

  /** Packets are in flight to an account that has a link. */
  get isAnswerable(): boolean {
    return this.#links.some((link, index) => link && this.core.account(index).flightsOut > 0);
  }

  /** What is kept at the moment: requests without an answer, bytes of streams not read yet. */
  get kept(): { requests: number; links: number; tailBytes: number } {
    const links = this.#links.reduce((count) => count + 1, 0);
    const tailBytes = this.#tails.reduce((sum, tail) => sum + (tail?.length ?? 0), 0);
    return { requests: this.#pending.size, links, tailBytes };
  }

  linkOf(index: number): Link | null {
    return this.#links[index] ?? null;
  }

  // ---- Switch: what links ask

  attach(account: number, link: Link, kind: LinkKind): LinkKind {
    const previous = this.#links[account];
    this.#links[account] = link;
    this.#tails[account] = undefined;
    if (previous && previous !== link) previous.close("replaced by a newer connection");
    const actual = this.#linkUp(account, kind);
    this.#observer.linkUp(account, link);
    return actual;
  }

  /** Cores for boards read no WebSocket streams. */
  #linkUp(account: number, kind: LinkKind): LinkKind {
    try {
      this.core.linkUp(account, kind);
      return kind;
    } catch (error) {
      const isStream = kind === LinkKind.WsServer || kind === LinkKind.WsClient;
      const isUnknown = error instanceof CoreError && error.status === Status.BadArgument;
      if (!isStream || !isUnknown) throw error;
      this.core.linkUp(account, LinkKind.Btp);
      return LinkKind.Btp;
    }
  }

  detach(account: number, link: Link): void {
    if (this.#links[account] !== link) return;
    this.#links[account] = undefined;
    this.#tails[account] = undefined;
    this.core.linkDown(account);
    this.#observer.linkDown(account, link);
  }

  congest(account: number, link: Link, congested: boolean): void {
    if (this.#links[account] !== link) return;
    if (congested) this.core.setFlags(account, AccountFlag.Congested);
    else this.core.setFlags(account, 0, AccountFlag.Congested);
  }

  stream(account: number, chunk: Uint8Array): void {
    const tail = (this.#tails[account] ??= { parts: [], length: 0, needed: 0 });
    const room = this.core.input.length - tail.length;
    if (chunk.length > room) {
      this.stream(account, chunk.subarray(0, room));
      if (this.#tails[account] === tail) this.stream(account, chunk.subarray(room));
      return;
    }
    tail.parts.push(chunk);
    tail.length += chunk.length;
    if (tail.length >= tail.needed) this.#readStream(account, tail);
  }

  /** Hands over all there is, until the core needs more; what is left stays as the core left it. */
  #readStream(account: number, tail: Tail): void {
    const { input } = this.core;
    let length = 0;
    for (const part of tail.parts) {
      input.set(part, length);
      length += part.length;
    }
    tail.parts = [];
    tail.length = 0;
    for (;;) {
      const consumed = this.core.stream(account, length, this.clock.nowMs());
      if (consumed < 0) this.#over.push({ account, code: CLOSE_INTERNAL });
      const needed = this.core.streamNeeded();
      this.#drain();
      // The link may have ended with what it said last, or another has taken its place.
      if (consumed < 0 || this.#tails[account] !== tail) return;
      const left = length - consumed;
      if (needed > left) {
        tail.needed = needed;
        tail.length = left;
        if (left > 0) tail.parts.push(input.slice(consumed, length));
        return;
      }
      input.copyWithin(0, consumed, length);
      length = left;
    }
  }

  frame(account: number, frame: Uint8Array): Status {
    if (frame.length > this.core.input.length) return Status.BadFrame;
    this.core.input.set(frame);
    const status = this.core.frame(account, frame.length, this.clock.nowMs());
    this.#drain();
    return status;
  }

  request(account: number, packet: Uint8Array, done: Done): void {
    this.#send(packet, done, (id) =>
      this.core.request(account, id, packet.length, this.clock.nowMs()),
    );
  }

  /**
   * Sends this node's own Prepare for a `peer.` address to the peer of one account. `done` gets
   * null at once when it cannot be sent.
   */
  ask(account: number, packet: Uint8Array, done: Done): void {
    this.#send(packet, done, (id) =>
      this.core.direct(account, id, packet.length, this.clock.nowMs()),
    );
  }

  /** Numbers a packet, remembers who waits for its reply, and hands it to the core. */
  #send(packet: Uint8Array, done: Done, verb: (id: number) => Status): void {
    if (packet.length > this.core.input.length) return done(null);
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0;
    this.#pending.set(id, done);
    this.core.input.set(packet);
    if (verb(id) < 0) {
      this.#pending.delete(id);
      done(null);
    }
    this.#drain();
  }

  reply(account: number, id: number, packet: Uint8Array): void {
    const length = packet.length > this.core.input.length ? 0 : packet.length;
    if (length > 0) this.core.input.set(packet);
    this.core.reply(account, id, length, this.clock.nowMs());
    this.#drain();
  }

  /** A mutation by somebody who is no link, and its drain. */
  mutate(run: () => void): void {
    run();
    this.#drain();
  }

  fail(account: number, id: number, code: "F00" | "F01" | "T00" | "T01" | "T03"): void {
    this.core.fail(account, id, code, this.clock.nowMs());
    this.#drain();
  }

  // ---- drain and timer

  /** Everything the core has to say, then a look at the timer. */
  #drain(): void {
    this.core.drain(this.#sink);
    this.#observer.changed();
    if (this.#over.length > 0) this.#endStreams();
    if (!this.#timer) this.#armTimer();
  }

  /** After the drain: links that end call the switch, which may call the core. */
  #endStreams(): void {
    const over = this.#over;
    this.#over = [];
    for (const { account, code } of over) this.#links[account]?.over?.(code);
  }

  #armTimer(): void {
    if (this.#isStopped) return;
    const wait = this.core.deadline(this.clock.nowMs());
    if (wait === Infinity) return;
    this.#timer = this.clock.after(Math.min(wait, TICK_MAX_MS), () => this.#tick());
  }

  #tick(): void {
    this.#timer = null;
    for (let more = 1; more === 1;) {
      more = this.core.tick(this.clock.nowMs());
      this.core.drain(this.#sink);
      // Records must be taken before the core can expire more.
      this.#observer.changed();
    }
    this.#armTimer();
  }

  // ---- what the core says

  readonly #sink: Sink = {
    frame: (account, address, length, packetType, id) => {
      const link = this.#links[account];
      if (!link) return;
      const { bytes } = this.core;
      if (packetType !== PREPARE || !this.#gate) link.write(bytes, address, length);
      else {
        const at = this.#slab.copy(bytes, address, length);
        const copy = this.#slab.bytes;
        this.#gate.hold(id, () => {
          if (this.#links[account] === link) link.write(copy, at, length);
        });
      }
    },
    request: (account, source, id, address, length) => {
      const link = this.#links[account];
      if (!link) return;
      const { bytes } = this.core;
      if (!this.#gate) link.request(id, source, bytes, address, length);
      else {
        const at = this.#slab.copy(bytes, address, length);
        const copy = this.#slab.bytes;
        this.#gate.hold(id, () => {
          if (this.#links[account] === link) link.request(id, source, copy, at, length);
        });
      }
    },
    reply: (_account, id, address, length) => {
      const done = this.#pending.get(id);
      if (!done) return;
      this.#pending.delete(id);
      const packet = this.core.bytes.slice(address, address + length);
      // The core is being drained: whoever waits may ask it for more once it is done.
      this.clock.soon(() => done(packet));
    },
    close: (account, code) => void this.#over.push({ account, code }),
    settlementDue: (account, amount) => this.#observer.settlementDue(account, amount),
    lateFulfill: (account, source, id, _amount, address, length) => {
      const packet = this.core.bytes.slice(address, address + length);
      this.#observer.lateFulfill(account, source, id, packet);
    },
    unsolicited: (account, address, length) => {
      const packet = this.core.bytes.slice(address, address + length);
      this.clock.soon(() => this.#observer.unsolicited(account, packet));
    },
  };
}
