// Peers that misbehave. Each lie is one that a connector must survive without losing a unit; a liar
// keeps no book that anybody believes.
import * as wire from "./bytes.js";
import type { Packet } from "./bytes.js";
import { App } from "./app.js";
import { Cause, type Hop } from "./hop.js";
import type { Message } from "./net.js";
import type { Payment } from "./payment.js";
import { EPOCH_MS, MS, SECOND } from "./scheduler.js";
import { Opcode } from "./stream.js";
import { What } from "./trace.js";

/** How a liar answers a Prepare. */
export const ANSWERS = [
  "wrong preimage",
  "late",
  "just late",
  "twice",
  "fulfill and reject",
  "reject and fulfill",
  "replay",
  "another link",
  "never",
  "garbage",
  "prepare",
  "error",
  "unknown id",
  "large reject",
] as const;

/** What a liar sends unasked. */
export const DEEDS = [
  "garbage frame",
  "garbage packet",
  "greed",
  "flood",
  "expired",
  "short expiry",
  "long expiry",
  "same id",
  "huge",
  "zero",
  "unknown destination",
  "peer protocol",
  "echo",
  "unsolicited fulfill",
  "transfer",
  "truncated",
  "wrong type",
  "bad stream",
  "text",
  "goodbye",
] as const;

type Answer = (typeof ANSWERS)[number];
type Deed = (typeof DEEDS)[number];

interface Seen {
  id: number;
  payment: Payment;
}

export class Liar extends App {
  override readonly isHonest = false;
  answers: readonly Answer[] = ANSWERS;
  deeds: readonly Deed[] = DEEDS;
  /** Mean deeds per second. */
  mischief = 1;
  /** Another liar's link, to answer on. */
  accomplice: Liar | null = null;
  /** Requests that came lately. */
  readonly #seen: Seen[] = [];

  override start(): void {
    super.start();
    const next = (): void => {
      const pause = -Math.log((this.random.below(1e6) + 1) / 1e6) * (SECOND / this.mischief);
      this.world.scheduler.after(Math.ceil(pause), () => {
        if (this.world.isCalm) return;
        if (this.wire.isUp) this.#act(this.random.pick(this.deeds));
        next();
      });
    };
    next();
  }

  #lie(name: string, id: number, payment: Payment | null): void {
    const { lies } = this.world.outcomes;
    lies.set(name, (lies.get(name) ?? 0) + 1);
    this.world.tracer.note(this.index, What.Lie, 0, id, payment, 0n, name);
  }

  // ---- answers

  protected override onPrepare(id: number, packet: Packet, message: Message): void {
    const data = wire.dataOf(packet);
    const payment = data.length >= 4 ? this.world.payments.get(data.readUInt32BE(0)) : undefined;
    const { hop } = message;
    if (hop) hop.causes |= Cause.Liar;
    if (!payment) return this.refuse(id, null, null, "F02");
    this.#seen.push({ id, payment });
    if (this.#seen.length > 64) this.#seen.shift();
    const left = (wire.expiryOf(packet) - EPOCH_MS) * MS - this.world.scheduler.now;
    const honest = this.world.isCalm || this.random.chance(50);
    if (honest) return this.#release(id, payment, 0);
    this.#answer(this.random.pick(this.answers), id, payment, Math.max(0, left));
  }

  protected override refuse(
    id: number,
    payment: Payment | null,
    _: Hop | null,
    code: string,
  ): void {
    this.answer(id, wire.writeReject(code, this.address, "no"), null, false);
    this.world.tracer.note(this.index, What.Answer, 0, id, payment, 0n, code);
  }

  /** Gives the preimage away, after a while. */
  #release(id: number, payment: Payment, delay: number): void {
    this.world.scheduler.after(delay, () => {
      payment.released++;
      this.world.tracer.note(this.index, What.Release, 0, id, payment);
      this.answer(id, wire.writeFulfill(payment.preimage), null, true);
    });
  }

  #answer(lie: Answer, id: number, payment: Payment, left: number): void {
    this.#lie(lie, id, payment);
    const right = (): void => this.#release(id, payment, 0);
    const reject = (): void => this.refuse(id, payment, null, "F99");
    switch (lie) {
      case "wrong preimage":
        return this.answer(id, wire.writeFulfill(wire.secret(this.random.word())[0]), null, true);
      case "late":
        return this.#release(id, payment, left + this.random.below(40 * SECOND));
      case "just late":
        return this.#release(id, payment, left - 5 * MS + this.random.below(10 * MS));
      case "twice":
        return (right(), right());
      case "fulfill and reject":
        return (right(), reject());
      case "reject and fulfill":
        return (reject(), right());
      case "never":
        return;
      default:
        return this.#answerBadly(lie, id, payment);
    }
  }

  #answerBadly(lie: Answer, id: number, payment: Payment): void {
    const fulfill = wire.writeFulfill(payment.preimage);
    const { random } = this;
    switch (lie) {
      case "replay": {
        // An answer that was right for another packet, or for this one before.
        const old = random.pick(this.#seen);
        payment.released++;
        this.answer(old.id, fulfill, null, true);
        return this.answer(id, wire.writeFulfill(old.payment.preimage), null, true);
      }
      case "another link": {
        const other = this.accomplice;
        payment.released++;
        if (other?.wire.isUp) other.answer(id, fulfill, null, true);
        return;
      }
      case "garbage":
        return this.answer(
          id,
          randomBytes(random.below(200), () => random.below(256)),
          null,
          false,
        );
      case "prepare": {
        const { amount, condition, destination, data } = payment;
        const packet = wire.writePrepare(amount, EPOCH_MS, condition, destination, data);
        return this.answer(id, packet, null, false);
      }
      case "error":
        return this.#send(writeError(id));
      case "unknown id":
        payment.released++;
        return this.answer(random.word(), fulfill, null, true);
      case "large reject": {
        const text = "x".repeat(random.below(8000));
        return this.answer(id, wire.writeReject("T00", "test.liar", text), null, false);
      }
      default:
    }
  }

  /** Bytes of a framed wire, or a request of a raw one. */
  #send(bytes: Buffer): void {
    const id = this.nextId++;
    this.wire.send(this.side, { bytes, hop: null, fulfills: false, id, isReply: false });
  }

  // ---- deeds

  #act(deed: Deed): void {
    const { random } = this;
    this.#lie(deed, 0, null);
    switch (deed) {
      case "garbage frame":
        return this.#send(randomBytes(random.below(300), () => random.below(256)));
      case "garbage packet":
        return this.#ask(randomBytes(random.below(300), () => random.below(256)));
      case "greed":
      case "flood":
        for (let i = random.below(deed === "flood" ? 300 : 60); i >= 0; i--) this.pay();
        return;
      case "unsolicited fulfill":
        return this.answer(random.word(), wire.writeFulfill(wire.secret(1)[0]), null, true);
      case "transfer":
        return this.#send(writeTransfer(this.nextId++));
      case "truncated": {
        const packet = this.#prepare((p) => p);
        return this.#ask(packet.subarray(0, random.below(packet.length)));
      }
      case "wrong type":
        return this.#ask(wire.writeFulfill(wire.secret(2)[0]));
      case "bad stream":
      case "text":
      case "goodbye":
        return this.#breakStream(deed);
      default:
        this.#odd(deed);
    }
  }

  /** What ends a stream: the core has to see it, and to say goodbye. */
  #breakStream(deed: Deed): void {
    const { random, wire: on, side } = this;
    if (on.kind !== "stream" || random.chance(70)) return;
    const writer = on.writer(side);
    if (deed === "bad stream") return on.sendPiece(side, writer.nonsense());
    if (deed === "text") return on.sendPiece(side, writer.text());
    const codes = [Buffer.alloc(0), Buffer.from([3, 232]), Buffer.from([3, 233, 0x62, 0x79, 0x65])];
    on.sendPiece(side, writer.control(Opcode.Close, random.pick(codes)));
  }

  /** Prepares that are odd in one field. */
  #odd(deed: Deed): void {
    const { random } = this;
    const wallMs = EPOCH_MS + Math.floor(this.world.scheduler.now / MS);
    const [, condition] = wire.secret(random.word());
    const odd = (change: Partial<Payment>): void =>
      this.#ask(this.#prepare((p) => ({ ...p, ...change })));
    switch (deed) {
      case "expired":
        return odd({ expiresAtMs: wallMs - random.below(10_000) });
      case "short expiry":
        return odd({ expiresAtMs: wallMs + 1990 + random.below(20) });
      case "long expiry":
        return odd({ expiresAtMs: wallMs + 1e10 + random.below(1e9) });
      case "same id": {
        const packet = this.#prepare((p) => p);
        this.post(1, packet, null);
        return this.post(
          1,
          this.#prepare((p) => p),
          null,
        );
      }
      case "huge":
        return odd({ amount: (1n << 64n) - BigInt(1 + random.below(3)) });
      case "zero":
        return odd({ amount: 0n, condition });
      case "unknown destination":
        return odd({
          destination: random.pick(["test.nobody.x", "g.x.y", "test.n0x.y", "test.n"]),
        });
      case "peer protocol": {
        const last = random.pick(["config", "route.control", "settle", "x"]);
        const peer = wire.sha256(Buffer.alloc(32));
        return odd({ destination: `peer.${last}`, amount: 0n, condition: peer });
      }
      case "echo": {
        const to = random.pick([...this.world.payments.values()]);
        const own = this.address.slice(0, this.address.lastIndexOf("."));
        const source = Buffer.from(to?.destination ?? own);
        const data = Buffer.concat([ECHO, Buffer.from([0, source.length]), source]);
        return odd({ destination: own, data, amount: BigInt(random.below(3)), condition });
      }
      default:
    }
  }

  /** A Prepare from a made-up payment. */
  #prepare(change: (payment: Payment) => Payment): Buffer {
    const payment = this.world.newPayment(this);
    if (!payment) return Buffer.alloc(0);
    this.world.payments.delete(payment.id);
    const { amount, expiresAtMs, condition, destination, data } = change(payment);
    return wire.writePrepare(amount, expiresAtMs, condition, destination, data);
  }

  #ask(packet: Buffer): void {
    this.post(this.nextId++, packet, null);
  }

  /** A liar believes nothing and counts nothing. */
  override receive(message: Message): void {
    if (this.wire.kind === "raw") {
      if (message.isReply) return this.#forget(message);
      const packet = wire.viewPacket(message.bytes, 0, message.bytes.length);
      return this.onPrepare(message.id, packet, message);
    }
    const frame = wire.readFrame(message.bytes);
    if (!frame) this.fail("bytes", "a frame cannot be read", null);
    if (frame.type === wire.MESSAGE && frame.packet) {
      this.onPrepare(frame.id, frame.packet, message);
    } else this.#forget(message);
  }

  #forget({ hop }: Message): void {
    if (!hop) return;
    hop.causes |= Cause.Liar;
    hop.endUp(false);
  }
}

const ECHO = Buffer.from("ECHOECHOECHOECHO");

function randomBytes(length: number, next: () => number): Buffer {
  return Buffer.from(Array.from({ length }, next));
}

/** A BTP Error for a request (RFC 23): `F00 NotAcceptedError` without data. */
function writeError(id: number): Buffer {
  const text = Buffer.from("NotAcceptedError");
  const time = Buffer.from("20260101000000.000Z");
  const body = Buffer.concat([
    Buffer.from("F00"),
    Buffer.from([text.length]),
    text,
    Buffer.from([time.length]),
    time,
    Buffer.from([0, 1, 0]),
  ]);
  const head = Buffer.from([wire.ERROR, 0, 0, 0, 0, body.length]);
  head.writeUInt32BE(id >>> 0, 1);
  return Buffer.concat([head, body]);
}

/** A BTP Transfer: money on somebody's word. */
function writeTransfer(id: number): Buffer {
  const head = Buffer.from([7, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]);
  head.writeUInt32BE(id >>> 0, 1);
  return head;
}
