// Apps at the edges: they send and receive as STREAM does, and know the truth about each payment.
// What an app is told must agree with what it knows.
import { Random } from "../support/model/random.js";
import * as wire from "./bytes.js";
import type { Packet } from "./bytes.js";
import { Cause, Hop } from "./hop.js";
import type { End, Message, Side, Wire } from "./net.js";
import type { Payment } from "./payment.js";
import { EPOCH_MS, MS, SECOND, type Scheduler } from "./scheduler.js";
import { Opcode, StreamReader, type Arrival } from "./stream.js";
import { What, type Tracer } from "./trace.js";
import { Violation } from "./violation.js";

/** How long after its expiry a sender still waits for a reply. */
const GRACE = 10 * SECOND;

export interface Outcomes {
  sent: number;
  fulfilled: number;
  rejected: number;
  unknown: number;
  codes: Map<string, number>;
  /** Fulfills for payments that the sender had given up. */
  late: number;
  lies: Map<string, number>;
}

export interface AppWorld {
  readonly scheduler: Scheduler;
  readonly tracer: Tracer;
  readonly outcomes: Outcomes;
  readonly payments: Map<number, Payment>;
  readonly isCalm: boolean;
  /** A new payment from an app, null when there is nobody to pay. */
  newPayment(sender: App): Payment | null;
}

export interface AppTraits {
  /** Mean payments per second while it sends; 0: only receives. */
  rate: number;
  /** Payments sent in one go. */
  burst: number;
  /** Most payments unanswered at a time. */
  window: number;
  /** Percent of payments that the receiver rejects, and never answers. */
  rejects: number;
  silences: number;
  /** Longest time a receiver thinks, microseconds. */
  think: number;
}

interface Sent {
  payment: Payment;
  hop: Hop;
  giveUpAt: number;
}

/** Largest BTP frame an app takes. */
const FRAME_MAX = 41_997 + 1024;

export class App implements End {
  readonly isReady = true;
  readonly plays = true;
  readonly isHonest: boolean = true;
  readonly random: Random;
  wire!: Wire;
  side!: Side;
  /** Positive: the connector owes this app. */
  balance = 0n;
  address = "";
  protected nextId = 1;
  readonly #sent = new Map<number, Sent>();
  #reader: StreamReader | null = null;

  constructor(
    protected readonly world: AppWorld,
    readonly index: number,
    readonly name: string,
    readonly traits: AppTraits,
    seed: number,
  ) {
    this.random = new Random(seed);
  }

  book(): bigint {
    return this.balance;
  }

  linkUp(): void {
    this.world.tracer.note(this.index, What.LinkUp, 0, 0, null);
    if (this.wire.kind === "stream") this.#reader = this.#makeReader();
  }

  /** Nodes write good streams, whoever reads them. */
  #makeReader(): StreamReader {
    const { wire, side } = this;
    return new StreamReader(wire.server === side, FRAME_MAX, {
      frame: (bytes, message) => this.receive({ ...message, bytes }),
      control: (kind, data) => {
        if (kind === "ping") wire.sendPiece(side, wire.writer(side).control(Opcode.Pong, data));
        else if (kind === "close") wire.break();
      },
      fault: (what) => this.fail("stream", what, null),
    });
  }

  receiveChunk(chunk: Buffer, begun: Arrival[]): void {
    this.#reader!.feed(chunk, begun);
  }

  linkDown(): void {
    this.world.tracer.note(this.index, What.LinkDown, 0, 0, null);
  }

  congest(): void {}

  get waiting(): number {
    return this.#sent.size;
  }

  // ---- sending

  /** Starts sending, and giving up what nobody answers. */
  start(): void {
    if (this.traits.rate > 0) this.#schedule();
    const sweep = (): void => {
      this.#giveUp();
      this.world.scheduler.after(SECOND, sweep);
    };
    this.world.scheduler.after(SECOND, sweep);
  }

  #schedule(): void {
    const { rate, burst } = this.traits;
    const mean = (burst * SECOND) / rate;
    // Exponential: independent senders.
    const pause = -Math.log((this.random.below(1e6) + 1) / 1e6) * mean;
    this.world.scheduler.after(Math.ceil(pause), () => {
      if (this.world.isCalm) return;
      for (let i = 0; i < burst && this.#sent.size < this.traits.window; i++) this.pay();
      this.#schedule();
    });
  }

  /** Sends one payment. */
  pay(): Payment | null {
    if (!this.wire.isUp) return null;
    const payment = this.world.newPayment(this);
    if (!payment) return null;
    const { amount, expiresAtMs, condition, destination, data } = payment;
    const bytes = wire.writePrepare(amount, expiresAtMs, condition, destination, data);
    this.world.outcomes.sent++;
    this.ask(payment, bytes);
    return payment;
  }

  protected ask(payment: Payment, bytes: Buffer): void {
    const id = this.nextId++;
    const hop = new Hop(this.wire, this.side, id, payment.amount, payment);
    if (!this.isHonest) hop.causes |= Cause.Liar;
    const until = (payment.expiresAtMs - EPOCH_MS) * MS;
    const giveUpAt = Math.max(until, this.world.scheduler.now) + GRACE;
    this.#sent.set(id, { payment, hop, giveUpAt });
    this.world.tracer.note(this.index, What.Send, 0, id, payment, payment.amount);
    this.post(id, bytes, hop);
  }

  /** Puts a request on the wire. */
  protected post(id: number, packet: Buffer, hop: Hop | null): void {
    const bytes = this.wire.isFramed ? wire.wrap(wire.MESSAGE, id, packet) : packet;
    this.wire.send(this.side, { bytes, hop, fulfills: false, id, isReply: false });
  }

  #giveUp(): void {
    const { now } = this.world.scheduler;
    for (const [id, sent] of this.#sent) {
      if (sent.giveUpAt > now) continue;
      this.#sent.delete(id);
      this.#close(sent, "unknown", "");
      sent.hop.endUp(false);
    }
  }

  #close({ payment }: Sent, outcome: Payment["outcome"], code: string): void {
    const { outcomes, tracer } = this.world;
    payment.outcome = outcome;
    payment.code = code;
    if (outcome === "fulfilled") outcomes.fulfilled++;
    else if (outcome === "rejected") outcomes.rejected++;
    else outcomes.unknown++;
    if (code) outcomes.codes.set(code, (outcomes.codes.get(code) ?? 0) + 1);
    const what =
      outcome === "fulfilled"
        ? What.Fulfilled
        : outcome === "rejected"
          ? What.Rejected
          : What.GaveUp;
    tracer.note(this.index, what, 0, 0, payment, payment.amount, code);
  }

  fail(checker: string, what: string, payment: Payment | null): never {
    throw new Violation(checker, `${this.name}: ${what}`, [this.index], payment);
  }

  #onReply(id: number, packet: Packet | null, message: Message): void {
    const sent = this.#sent.get(id);
    if (!sent) {
      // Given up already, or a duplicate.
      const { hop } = message;
      if (hop && packet?.type === wire.FULFILL && hop.upEnded && !hop.upPosted) {
        hop.causes |= Cause.Late;
        this.world.outcomes.late++;
      }
      return;
    }
    const { payment, hop } = sent;
    if (!packet) this.fail("bytes", "a reply is no packet", payment);
    this.#sent.delete(id);
    if (packet.type === wire.FULFILL) {
      const right = payment.preimage.equals(wire.fulfillmentOf(packet));
      if (!right) this.fail("proof", "a Fulfill does not open the condition", payment);
      if (payment.released === 0 && payment.receiver.isHonest) {
        this.fail("told", "a payment is fulfilled that its receiver never took", payment);
      }
      this.balance -= payment.amount;
      this.#close(sent, "fulfilled", "");
      hop.endUp(true);
    } else {
      this.#close(sent, "rejected", wire.codeOf(packet));
      hop.endUp(false);
    }
  }

  // ---- receiving

  receive(message: Message): void {
    if (this.wire.kind === "raw") {
      const packet = wire.viewPacket(message.bytes, 0, message.bytes.length);
      if (message.isReply) this.#onReply(message.id, packet, message);
      else this.onPrepare(message.id, packet, message);
      return;
    }
    // Nodes write good frames: looked at closely now and then.
    const strictly = (message.id & 15) === 0;
    const frame = strictly ? wire.readFrame(message.bytes) : wire.viewFrame(message.bytes);
    if (!frame) this.fail("bytes", "a frame cannot be read", message.hop?.payment ?? null);
    if (frame.type === wire.MESSAGE) {
      if (frame.packet) this.onPrepare(frame.id, frame.packet, message);
    } else this.#onReply(frame.id, frame.packet, message);
  }

  protected onPrepare(id: number, packet: Packet, message: Message): void {
    const { hop } = message;
    if (packet.type !== wire.PREPARE) this.fail("bytes", "a request is no Prepare", null);
    const payment = this.#check(packet);
    if (hop) hop.downOpen++;
    this.world.tracer.note(this.index, What.Receive, 0, id, payment, wire.amountOf(packet));
    const { traits, random, world } = this;
    const luck = random.below(1000) / 10;
    if (!world.isCalm && luck < traits.silences) {
      hop?.endDown(false);
      return;
    }
    const amount = wire.amountOf(packet);
    const enough = payment !== null && amount >= payment.minimum;
    const takes = enough && (world.isCalm || luck >= traits.silences + traits.rejects);
    const think = traits.think ? random.below(traits.think) : 0;
    world.scheduler.after(think, () => {
      if (takes) this.take(id, payment, hop, amount);
      else this.refuse(id, payment, hop, enough || !payment ? "F00" : "F99");
    });
  }

  /** The Prepare must be what its sender wrote, but for amount and expiry. */
  #check(packet: Packet): Payment | null {
    const data = wire.dataOf(packet);
    const payment = data.length >= 4 ? this.world.payments.get(data.readUInt32BE(0)) : undefined;
    if (!payment) return null;
    const destination = wire.destinationOf(packet);
    const same =
      payment.data.equals(data) &&
      payment.condition.equals(wire.conditionOf(packet)) &&
      payment.destination === destination;
    if (!same) this.fail("identical", "a Prepare is not as it was sent", payment);
    if (payment.receiver !== this) this.fail("routing", `a packet for ${destination}`, payment);
    if (wire.expiryOf(packet) >= payment.expiresAtMs) {
      this.fail("expiry", "a Prepare expires later than it was sent with", payment);
    }
    return payment;
  }

  protected take(id: number, payment: Payment, hop: Hop | null, amount: bigint): void {
    if (!this.wire.isUp) {
      hop?.endDown(false);
      return;
    }
    payment.released++;
    this.balance += amount;
    this.world.tracer.note(this.index, What.Release, 0, id, payment, amount);
    this.answer(id, wire.writeFulfill(payment.preimage), hop, true);
    hop?.endDown(true);
  }

  protected refuse(id: number, payment: Payment | null, hop: Hop | null, code: string): void {
    this.world.tracer.note(this.index, What.Answer, 0, id, payment, 0n, code);
    this.answer(id, wire.writeReject(code, this.address, "no"), hop, false);
    hop?.endDown(false);
  }

  /** Puts a reply on the wire. */
  protected answer(id: number, packet: Buffer, hop: Hop | null, fulfills: boolean): void {
    const bytes = this.wire.isFramed ? wire.wrap(wire.RESPONSE, id, packet) : packet;
    this.wire.send(this.side, { bytes, hop, fulfills, id, isReply: true });
  }
}
