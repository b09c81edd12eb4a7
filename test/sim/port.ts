// A node's end of a wire: to the wire an end, to the engine a link, as a socket would be.
import { LinkKind, Status } from "../../host/core.js";
import type { Link } from "../../host/link/link.js";
import * as wire from "./bytes.js";
import { Cause, Hop } from "./hop.js";
import type { End, Message, Side, Wire } from "./net.js";
import type { SimNode } from "./node.js";
import { MS } from "./scheduler.js";
import { What } from "./trace.js";
import type { Incoming } from "./watch.js";

export class Port implements End {
  /** The account's index in the core of the life at hand. */
  account = 0;
  /** How long a raw request waits for its answer, milliseconds. */
  timeoutMs = 30_000;
  readonly isHonest = true;
  /** Raw: requests that wait for their answer. */
  readonly #exchanges = new Map<number, Hop | null>();
  /** Raw: requests of the peer that this node works on. */
  readonly #open = new Set<{ hop: Hop | null }>();
  #link: Link | null = null;

  constructor(
    readonly node: SimNode,
    readonly wire: Wire,
    readonly side: Side,
    /** Id of the account. */
    readonly id: string,
  ) {}

  get name(): string {
    return this.node.name;
  }

  get isReady(): boolean {
    return this.node.isUp;
  }

  book(): bigint {
    return this.node.watch!.balance(this.account);
  }

  // ---- to the wire

  linkUp(): void {
    this.#link = new SimLink(this);
    this.node.note(What.LinkUp, this.account);
    const kind = this.wire.kind === "btp" ? LinkKind.Btp : LinkKind.Raw;
    this.node.engine.attach(this.account, this.#link, kind);
  }

  linkDown(): void {
    if (!this.#link) return;
    this.node.note(What.LinkDown, this.account);
    this.node.engine.detach(this.account, this.#link);
    this.#link = null;
  }

  congest(congested: boolean): void {
    if (!this.#link || !this.node.isUp) return;
    this.node.engine.congest(this.account, this.#link, congested);
  }

  receive(message: Message): void {
    const { hop, bytes } = message;
    if (message.isReply && this.wire.kind === "raw") return this.#receiveReply(message);
    const { engine, watch } = this.node;
    watch!.next = this.#incoming(hop);
    if (this.wire.kind === "raw") {
      // Until it is answered, an answer is on its way.
      const request = { hop };
      this.#open.add(request);
      if (hop) hop.inAir++;
      engine.request(this.account, bytes, (reply) => {
        if (!this.#open.delete(request)) return;
        this.#respond(message, reply);
      });
      return;
    }
    const status = engine.frame(this.account, bytes);
    if (status !== Status.BadFrame) return;
    if (hop) hop.causes |= Cause.Broken;
    this.wire.break();
  }

  /** What honest ends write needs no second look; liars write anything. */
  #incoming(hop: Hop | null): Incoming {
    return { hop, payment: hop?.payment ?? null, trusted: hop !== null && this.wire.isHonest };
  }

  #respond({ hop, id }: Message, reply: Uint8Array | null): void {
    if (reply) {
      const bytes = Buffer.from(reply);
      const fulfills = bytes[0] === wire.FULFILL;
      this.wire.send(this.side, { bytes, hop, fulfills, id, isReply: true });
    } else if (hop) hop.causes |= Cause.Crash;
    hop?.arrive();
  }

  #receiveReply({ id, bytes, hop }: Message): void {
    if (!this.#exchanges.delete(id)) {
      if (hop) hop.causes |= Cause.GivenUp;
      return;
    }
    const { engine, watch } = this.node;
    watch!.next = this.#incoming(hop);
    engine.reply(this.account, id, bytes);
  }

  // ---- to the engine

  /** A frame goes out. */
  write(bytes: Buffer): void {
    const frame = wire.viewFrame(bytes);
    const { packet } = frame;
    const watch = this.node.watch!;
    const isReply = frame.type !== wire.MESSAGE;
    const hop = isReply ? watch.replying : packet && this.#begin(frame.id, packet);
    const fulfills = packet?.type === wire.FULFILL;
    this.wire.send(this.side, { bytes, hop, fulfills, id: frame.id, isReply });
  }

  /** A Prepare leaves. */
  #begin(id: number, packet: wire.Packet): Hop | null {
    const flight = this.node.watch!.flights.get(id);
    if (!flight) return null;
    if (flight.outAccount !== this.account || flight.outHop) {
      this.node.watch!.fail("host", `packet ${id} left twice, or on another link`, flight.payment);
    }
    if (
      this.node.config.durability === "strict" &&
      !this.node.watch!.past.isDurable(flight.commit)
    ) {
      this.node.watch!.fail("strict", "a Prepare left before its hold was durable", flight.payment);
    }
    const amount = wire.amountOf(packet);
    if (amount !== flight.amountOut) {
      this.node.watch!.fail("host", "the link changed an amount", flight.payment);
    }
    flight.outHop = new Hop(this.wire, this.side, id, amount, flight.payment);
    if (!this.wire.isHonest) flight.outHop.causes |= Cause.Liar;
    return flight.outHop;
  }

  /** A Prepare goes out on a raw wire. */
  request(id: number, bytes: Buffer): void {
    const hop = this.#begin(id, wire.viewPacket(bytes, 0, bytes.length));
    this.#exchanges.set(id, hop);
    this.wire.send(this.side, { bytes, hop, fulfills: false, id, isReply: false });
    const { node } = this;
    const { life } = node;
    node.world.scheduler.after(this.timeoutMs * MS, () => {
      if (node.life !== life || !node.isUp || !this.#exchanges.delete(id)) return;
      if (hop) hop.causes |= Cause.GivenUp;
      node.engine.fail(this.account, id, "T00");
    });
  }

  /** The process is gone, and what it waited for. */
  crash(): void {
    this.#link = null;
    this.#exchanges.clear();
    for (const { hop } of this.#open) {
      if (!hop) continue;
      hop.causes |= Cause.Crash;
      hop.arrive();
    }
    this.#open.clear();
  }
}

class SimLink implements Link {
  constructor(private readonly port: Port) {}

  write(memory: Uint8Array, address: number, length: number): void {
    this.port.write(Buffer.from(memory.subarray(address, address + length)));
  }

  request(id: number, _source: number, memory: Uint8Array, address: number, length: number): void {
    this.port.request(id, Buffer.from(memory.subarray(address, address + length)));
  }

  close(): void {}

  describe(): string {
    return "simulated";
  }
}
