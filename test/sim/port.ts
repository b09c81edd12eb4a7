// A node's end of a wire: to the wire an end, to the engine a link, as a socket would be.
import type { Cancel } from "../../host/clock.js";
import { LinkKind, Status } from "../../host/core.js";
import type { Link } from "../../host/link/link.js";
import * as wire from "./bytes.js";
import { Cause, Hop } from "./hop.js";
import type { End, Message, Side, Wire } from "./net.js";
import type { SimNode } from "./node.js";
import { MS } from "./scheduler.js";
import {
  Opcode,
  StreamReader,
  readWhole,
  type Arrival,
  type Handler,
  type Mark,
} from "./stream.js";
import { What } from "./trace.js";
import type { Incoming } from "./watch.js";

export class Port implements End {
  /** The account's index in the core of the life at hand. */
  account = 0;
  /** How long a raw request waits for its answer, milliseconds. */
  timeoutMs = 30_000;
  /** Stream: how often a Ping goes out, milliseconds; 0: never. */
  pingMs = 0;
  readonly isHonest = true;
  readonly plays = false;
  /** Raw: requests that wait for their answer. */
  readonly #exchanges = new Map<number, Hop | null>();
  /** Raw: requests of the peer that this node works on. */
  readonly #open = new Set<{ hop: Hop | null }>();
  #link: Link | null = null;
  /** Stream: the core reads it. */
  #isStream = false;
  /** Stream: reads it when the core does not. */
  #reader: StreamReader | null = null;
  /** Stream: nothing has come since the last Ping. */
  #isSilent = false;
  #noPing: Cancel | null = null;

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
    const kind = this.#kind;
    const actual = this.node.engine.attach(this.account, this.#link, kind);
    if (this.wire.kind !== "stream") return;
    this.#isStream = actual === kind;
    this.#reader = this.#isStream ? null : this.#makeReader();
    this.#isSilent = false;
    if (this.pingMs > 0) this.#pingLater(this.#link);
  }

  get #kind(): LinkKind {
    if (this.wire.kind === "raw") return LinkKind.Raw;
    if (this.wire.kind === "btp") return LinkKind.Btp;
    return this.wire.server === this.side ? LinkKind.WsServer : LinkKind.WsClient;
  }

  /** As the host does: a peer that says nothing between two Pings is gone. */
  #pingLater(link: Link): void {
    this.#noPing?.();
    this.#noPing = this.node.clock.after(this.pingMs, () => {
      if (this.#link !== link) return;
      if (this.#isSilent) return this.wire.break();
      this.#isSilent = true;
      this.#control(Opcode.Ping, Buffer.alloc(0));
      this.#pingLater(link);
    });
  }

  #control(opcode: number, data: Buffer): void {
    this.wire.sendPiece(this.side, this.wire.writer(this.side).control(opcode, data));
  }

  /** As `ws` does, for cores that read no streams. */
  #makeReader(): StreamReader {
    const { core } = this.node.connector!;
    const reader: StreamReader = new StreamReader(
      this.wire.server === this.side,
      core.packetMax + 1024,
      this.#handlerOf(() => this.#reader === reader),
    );
    return reader;
  }

  #handlerOf(isOpen: () => boolean): Handler {
    return {
      frame: (bytes, message) => {
        if (isOpen()) this.receive({ ...message, bytes });
        else if (message.hop) message.hop.causes |= Cause.Broken;
      },
      control: (kind, data) => {
        if (kind === "ping") this.#control(Opcode.Pong, data);
        else if (kind === "close") {
          this.#control(Opcode.Close, data.subarray(0, 2));
          this.wire.finish(this.side);
        }
      },
      fault: (what, isDue) => {
        if (!isDue) return this.node.watch!.fail("stream", what);
        this.wire.break();
      },
    };
  }

  linkDown(): void {
    if (!this.#link) return;
    this.node.note(What.LinkDown, this.account);
    this.node.engine.detach(this.account, this.#link);
    this.#link = null;
    this.#reader = null;
    this.#noPing?.();
    this.#noPing = null;
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

  receiveChunk(chunk: Buffer, begun: Arrival[]): void {
    this.#isSilent = false;
    if (!this.#isStream) return this.#reader?.feed(chunk, begun);
    const { engine, watch } = this.node;
    const link = this.#link;
    watch!.expect(this.account, chunk.length, begun, (hop) => this.#incoming(hop));
    engine.stream(this.account, chunk);
    if (this.#link === link) watch!.checkTaken(this.account);
  }

  /** The core has said goodbye. */
  over(): void {
    this.wire.finish(this.side);
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

  /** A frame goes out, on a stream with what a stream has around it. */
  write(bytes: Buffer): void {
    if (!this.#isStream) return this.#writeFrame(bytes, bytes);
    const mark = readWhole(bytes, this.wire.server !== this.side);
    if (typeof mark === "string") {
      return this.node.watch!.fail("stream", `a frame left: ${mark}`);
    }
    if (mark.kind === "frame") this.#writeFrame(mark.data, bytes, [mark]);
    else this.wire.sendPiece(this.side, { bytes, marks: [mark] });
  }

  #writeFrame(btp: Buffer, bytes: Buffer, marks?: Mark[]): void {
    const frame = wire.viewFrame(btp);
    const { packet } = frame;
    const watch = this.node.watch!;
    const isReply = frame.type !== wire.MESSAGE;
    const hop = isReply ? watch.replying : packet && this.#begin(frame.id, packet);
    const fulfills = packet?.type === wire.FULFILL;
    this.wire.send(this.side, { bytes, hop, fulfills, id: frame.id, isReply, marks });
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
    this.#reader = null;
    this.#isStream = false;
    this.#noPing = null;
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

  over(): void {
    this.port.over();
  }

  close(): void {}

  describe(): string {
    return "simulated";
  }
}
