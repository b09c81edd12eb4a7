// The network: wires between two ends. A framed wire is a connection, as TCP gives one: in order,
// nothing lost while it lives, but it stalls, it breaks, and what was under way is gone then. A
// stream is a framed wire whose bytes arrive cut and joined anywhere. A raw wire carries single
// requests and their answers, as HTTP does, each for itself.
import { Cause, type Hop } from "./hop.js";
import type { Random } from "../support/model/random.js";
import { MS, SECOND, type Scheduler } from "./scheduler.js";
import { StreamWriter, type Arrival, type Mark, type Piece } from "./stream.js";

export type WireKind = "btp" | "stream" | "raw";
export type Side = 0 | 1;

/** One frame, or one request or answer of a raw wire. */
export interface Message {
  bytes: Buffer;
  /** The packet it carries or answers, null for anything else. */
  hop: Hop | null;
  /** It carries a Fulfill. */
  fulfills: boolean;
  /** Raw: id of the request at its sender. */
  id: number;
  /** Raw: this is the answer to that request. */
  isReply: boolean;
  /** Stream: what there is in `bytes`; absent while they are a BTP frame still to be wrapped. */
  marks?: Mark[];
  /** Stream: its reader has acted on it. */
  isTaken?: boolean;
}

/** What is at the end of a wire. */
export interface End {
  /** Can it have a connection now? */
  readonly isReady: boolean;
  readonly isHonest: boolean;
  readonly name: string;
  /** Its name for the log, of the peer at the other end. */
  linkUp(): void;
  linkDown(): void;
  receive(message: Message): void;
  /** Stream: bytes have come, in which `begun` begin. */
  receiveChunk(chunk: Buffer, begun: Arrival[]): void;
  /** Stream: it writes fragments, and control frames between them. */
  readonly plays: boolean;
  /** The send queue is over, or back under, its mark. */
  congest(congested: boolean): void;
  /** This end's book of the other: positive when the other owes. */
  book(): bigint;
}

/** How a wire behaves; times in microseconds, probabilities in parts per million. */
export interface WireTraits {
  latency: number;
  jitter: number;
  /** Bytes per second; 0: no limit. */
  bandwidth: number;
  losePpm: number;
  duplicatePpm: number;
  /** Bytes waiting at which the link says that it is congested. */
  mark: number;
}

export interface NetCounts {
  messages: number;
  /** Pieces in which streams arrived, and those that ended in the middle of a message. */
  chunks: number;
  cuts: number;
  /** Breaks of a stream in the middle of a message. */
  tears: number;
  lost: number;
  duplicated: number;
  breaks: number;
  stalls: number;
  partitions: number;
  congestions: number;
}

/** What one end has sent and the other has not yet got. */
class Queue {
  readonly messages: Message[] = [];
  readonly times: number[] = [];
  head = 0;
  bytes = 0;
  lastAt = 0;
  isPumping = false;
  isCongested = false;
  /** Stream: bytes of the first message that have arrived. */
  offset = 0;
  /** Stream: bytes that have arrived since the connection began. */
  arrived = 0;
  /** Stream: this end has said goodbye; the connection ends once all it wrote has arrived. */
  isLast = false;

  get length(): number {
    return this.messages.length - this.head;
  }

  push(message: Message, at: number): void {
    this.messages.push(message);
    this.times.push(at);
    this.bytes += message.bytes.length;
    this.lastAt = at;
  }

  shift(): Message {
    const message = this.messages[this.head]!;
    this.messages[this.head] = undefined as unknown as Message;
    this.head++;
    this.bytes -= message.bytes.length;
    if (this.head > 64 && this.head * 2 > this.messages.length) {
      this.messages.splice(0, this.head);
      this.times.splice(0, this.head);
      this.head = 0;
    }
    return message;
  }
}

export interface NetWorld {
  readonly scheduler: Scheduler;
  readonly net: NetCounts;
  readonly wireRandom: Random;
  /** Faults no longer happen. */
  readonly isCalm: boolean;
  onHopClosed(hop: Hop): void;
}

export class Wire {
  isUp = false;
  /** Nothing gets through: microseconds. */
  stalledUntil = 0;
  isPartitioned = false;
  openHops = 0;
  /** Posted by receivers less posted by senders: the two books' sum, but for settlements. */
  difference = 0n;
  /** That part of the difference that has been explained. */
  explained = 0n;
  /** Settlements that one end has booked and the other has not. */
  settling = 0n;
  /** What the two books' sum must be now, but for settlements: see `Hop.upBooked`. */
  booked = 0n;
  /** By what lost settlements have changed the two books' sum. */
  recovered = 0n;
  readonly ends: [End, End] = [null as unknown as End, null as unknown as End];
  readonly #queues = [new Queue(), new Queue()] as const;
  readonly #world: NetWorld;
  readonly #writers: [StreamWriter, StreamWriter];
  #reconnecting = false;

  constructor(
    world: NetWorld,
    readonly index: number,
    readonly kind: WireKind,
    readonly asset: number,
    public traits: WireTraits,
    /** Stream: the end that is the WebSocket server. */
    readonly server: Side = 0,
  ) {
    this.#world = world;
    const writer = (side: Side): StreamWriter => {
      return new StreamWriter(world.wireRandom, side !== server);
    };
    this.#writers = [writer(0), writer(1)];
  }

  /** A connection, with a beginning and an end. */
  get isFramed(): boolean {
    return this.kind !== "raw";
  }

  /** Writes a stream as this end does. */
  writer(side: Side): StreamWriter {
    return this.#writers[side];
  }

  #honest: boolean | null = null;

  get isHonest(): boolean {
    this.#honest ??= this.ends[0].isHonest && this.ends[1].isHonest;
    return this.#honest;
  }

  /** Messages under way that carry a packet; Pings never end. */
  get waiting(): number {
    let count = 0;
    for (const { messages, head } of this.#queues) {
      for (const { marks } of messages.slice(head)) {
        if (!marks || marks.some(({ kind }) => kind === "frame")) count++;
      }
    }
    return count;
  }

  // ---- connections

  /** Tries to bring the connection up; later again when an end is not ready. */
  connect(): void {
    if (this.isUp || this.#reconnecting) return;
    const { wireRandom, scheduler, isCalm } = this.#world;
    if (!this.isPartitioned && this.ends[0].isReady && this.ends[1].isReady) {
      this.isUp = true;
      // The server sees the connection first.
      this.ends[0].linkUp();
      this.ends[1].linkUp();
      return;
    }
    this.#reconnecting = true;
    const longest = wireRandom.pick([100 * MS, 5 * SECOND]);
    const pause = isCalm ? SECOND : 20 * MS + wireRandom.below(longest);
    scheduler.after(pause, () => {
      this.#reconnecting = false;
      this.connect();
    });
  }

  /** The connection ends; what is under way on it is lost. Raw wires know no connection. */
  break(): void {
    if (this.kind === "raw" || !this.isUp) return;
    this.isUp = false;
    this.#world.net.breaks++;
    for (const queue of this.#queues) {
      if (queue.offset > 0) this.#world.net.tears++;
      while (queue.length) this.#drop(queue.shift(), Cause.Lost);
      queue.isCongested = false;
      queue.offset = queue.arrived = 0;
      queue.isLast = false;
    }
    for (const end of this.ends) if (end.isReady) end.linkDown();
    const { wireRandom, scheduler, isCalm } = this.#world;
    const longest = wireRandom.pick([50 * MS, SECOND, 10 * SECOND]);
    const pause = isCalm ? SECOND : 10 * MS + wireRandom.below(longest);
    this.#reconnecting = true;
    scheduler.after(pause, () => {
      this.#reconnecting = false;
      this.connect();
    });
  }

  /** Stream: one end has said goodbye. What it wrote arrives, what the other writes is lost. */
  finish(side: Side): void {
    if (!this.isUp) return;
    this.#queues[side].isLast = true;
    this.ends[side].linkDown();
    if (this.#queues[side].length === 0) this.break();
  }

  stall(until: number): void {
    if (until <= this.stalledUntil) return;
    this.stalledUntil = until;
    this.#world.net.stalls++;
  }

  /** Nothing reaches the other end until `heal`. A connection only notices by its silence. */
  partition(): void {
    this.isPartitioned = true;
    this.#world.net.partitions++;
  }

  heal(): void {
    this.isPartitioned = false;
    for (const [side, queue] of this.#queues.entries()) {
      if (queue.length && !queue.isPumping) this.#pumpAt(side as Side, this.#world.scheduler.now);
    }
    this.connect();
  }

  /** What waits goes out now, and nothing stands in the way any more. */
  calm(): void {
    const { now } = this.#world.scheduler;
    this.stalledUntil = Math.min(this.stalledUntil, now);
    for (const [side, queue] of this.#queues.entries()) {
      queue.lastAt = Math.min(queue.lastAt, now + SECOND);
      for (let i = queue.head; i < queue.times.length; i++) {
        queue.times[i] = Math.min(queue.times[i]!, now + SECOND);
      }
      // Also an empty one, which may still wait for what a break has thrown away.
      this.#pumpAt(side as Side, now);
    }
    this.heal();
  }

  // ---- messages

  /** Puts a message on its way from one end. */
  send(side: Side, message: Message): void {
    const { net } = this.#world;
    net.messages++;
    if (message.hop) message.hop.inAir++;
    if (this.kind === "raw") this.#sendRaw(side, message);
    else if (!this.isUp || this.#queues[side].isLast) this.#drop(message, Cause.Lost);
    else {
      if (this.kind === "stream" && !message.marks) {
        const piece = this.#writers[side].message(message.bytes, this.ends[side].plays);
        Object.assign(message, piece);
      }
      this.#sendFramed(side, message);
    }
  }

  /** Stream: puts bytes on it that carry no BTP frame. */
  sendPiece(side: Side, { bytes, marks }: Piece): void {
    this.send(side, { bytes, marks, hop: null, fulfills: false, id: 0, isReply: false });
  }

  #sendFramed(side: Side, message: Message): void {
    const { scheduler, wireRandom, net, isCalm } = this.#world;
    const { traits } = this;
    const queue = this.#queues[side];
    this.#enqueue(side, message);
    if (!isCalm && wireRandom.below(1_000_000) < traits.duplicatePpm) {
      net.duplicated++;
      this.#enqueue(side, this.#copy(message));
    }
    if (!queue.isPumping) {
      const first = Math.max(scheduler.now, queue.times[queue.head]!);
      this.#pumpAt(side, first + this.#pause());
    }
    if (!queue.isCongested && queue.bytes > traits.mark) {
      queue.isCongested = true;
      net.congestions++;
      // The link is being written to: it says so once that is done.
      scheduler.soon(() => {
        if (queue.isCongested && this.isUp) this.ends[side].congest(true);
      });
    }
  }

  /** Streams are looked at now and then: what has come meanwhile comes together. */
  #pause(): number {
    if (this.kind !== "stream") return 0;
    const { wireRandom } = this.#world;
    return wireRandom.chance(60) ? 0 : wireRandom.below(2 * MS);
  }

  #copy(message: Message): Message {
    const { hop } = message;
    if (hop) {
      hop.inAir++;
      hop.causes |= Cause.Duplicated;
    }
    return { ...message, bytes: Buffer.from(message.bytes) };
  }

  #enqueue(side: Side, message: Message): void {
    const { scheduler, wireRandom, isCalm } = this.#world;
    const { traits } = this;
    const queue = this.#queues[side];
    const jitter = traits.jitter ? wireRandom.below(traits.jitter) : 0;
    let at = Math.max(queue.lastAt, scheduler.now + traits.latency + jitter);
    if (traits.bandwidth && !isCalm) at += (message.bytes.length / traits.bandwidth) * SECOND;
    queue.push(message, at);
  }

  #pumpAt(side: Side, at: number): void {
    this.#queues[side].isPumping = true;
    this.#world.scheduler.at(at, () => this.#pump(side));
  }

  #pump(side: Side): void {
    const queue = this.#queues[side];
    const { scheduler } = this.#world;
    queue.isPumping = false;
    if (queue.length === 0 || this.isPartitioned) return;
    const due = Math.max(queue.times[queue.head]!, this.stalledUntil);
    if (due > scheduler.now) {
      if (!queue.isPumping) this.#pumpAt(side, due);
      return;
    }
    if (this.kind === "stream") this.#pumpStream(side, queue);
    else {
      const message = queue.shift();
      this.#relieve(side, queue);
      this.#deliver(side, message);
    }
    if (queue.length && !queue.isPumping) {
      const next = Math.max(scheduler.now, queue.times[queue.head]!);
      this.#pumpAt(side, next + this.#pause());
    }
  }

  #relieve(side: Side, queue: Queue): void {
    if (!queue.isCongested || queue.bytes >= this.traits.mark / 2) return;
    queue.isCongested = false;
    this.ends[side].congest(false);
  }

  /** Some of the bytes that are due arrive: a part of a message, or many with part of the last. */
  #pumpStream(side: Side, queue: Queue): void {
    const { scheduler, wireRandom, net } = this.#world;
    let room = wireRandom.pick([1, 30, 300, 3000, 60_000]);
    const parts: Buffer[] = [];
    const begun: Arrival[] = [];
    const whole: Message[] = [];
    while (room > 0 && queue.length && queue.times[queue.head]! <= scheduler.now) {
      const message = queue.messages[queue.head]!;
      const { bytes, marks } = message;
      if (queue.offset === 0) {
        for (const mark of marks!) {
          const { at, whole = at } = mark;
          const base = queue.arrived;
          begun.push({ mark, message, end: base + at, whole: base + whole });
        }
      }
      const part = bytes.subarray(queue.offset, queue.offset + room);
      parts.push(part);
      room -= part.length;
      queue.offset += part.length;
      queue.arrived += part.length;
      if (queue.offset < bytes.length) break;
      queue.shift();
      queue.offset = 0;
      whole.push(message);
    }
    net.chunks++;
    if (queue.offset > 0) net.cuts++;
    this.#relieve(side, queue);
    this.#deliverChunk(side, Buffer.concat(parts), begun, whole);
    if (queue.isLast && queue.length === 0) this.break();
  }

  #deliverChunk(side: Side, chunk: Buffer, begun: Arrival[], whole: Message[]): void {
    const end = this.ends[side ^ 1]!;
    // An end that has said goodbye reads no more.
    if (!end.isReady || this.#queues[side ^ 1]!.isLast) {
      for (const message of whole) this.#drop(message, Cause.Lost);
      return;
    }
    end.receiveChunk(chunk, begun);
    for (const { hop, isTaken } of whole) {
      if (hop && !isTaken) hop.causes |= Cause.Broken;
      hop?.arrive();
    }
  }

  #sendRaw(side: Side, message: Message): void {
    const { scheduler, wireRandom, net, isCalm } = this.#world;
    const { traits } = this;
    const luck = isCalm ? 1_000_000 : wireRandom.below(1_000_000);
    if (luck < traits.losePpm) return this.#drop(message, Cause.Lost);
    // A proxy that posts a request again; an answer comes once.
    const twice = !message.isReply && luck < traits.losePpm + traits.duplicatePpm;
    if (twice) net.duplicated++;
    for (const each of twice ? [message, this.#copy(message)] : [message]) {
      const jitter = traits.jitter ? wireRandom.below(traits.jitter) : 0;
      const at = Math.max(scheduler.now + traits.latency + jitter, this.stalledUntil);
      scheduler.at(at, () => {
        if (this.isPartitioned) this.#drop(each, Cause.Lost);
        else this.#deliver(side, each);
      });
    }
  }

  #deliver(side: Side, message: Message): void {
    const end = this.ends[side ^ 1]!;
    if (!end.isReady) return this.#drop(message, Cause.Lost);
    end.receive(message);
    message.hop?.arrive();
  }

  #drop(message: Message, cause: Cause): void {
    this.#world.net.lost++;
    const { hop } = message;
    if (!hop) return;
    hop.causes |= cause;
    hop.arrive();
  }

  // ---- books

  closeHop(hop: Hop): void {
    const posted = BigInt(hop.downPosted) - (hop.upPosted ? 1n : 0n);
    this.explained += posted * hop.amount;
    this.#world.onHopClosed(hop);
  }
}
