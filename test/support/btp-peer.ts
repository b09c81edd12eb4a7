// A fast BTP peer for load: writes prebuilt frames, checks every reply, and keeps its own books, to
// be compared with the connector's to the unit. Speaks WebSocket through `ws`, corked per tick.
import { createHash } from "node:crypto";
import { WebSocket } from "ws";
import { writeFulfill, writePrepare, writeReject, variable } from "../../host/packet.js";

const encoder = new TextEncoder();

function concat(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}

/** A BTP frame with the given sub-protocols. */
export function btpFrame(
  type: number,
  requestId: number,
  protocols: readonly { name: string; contentType: number; data: Uint8Array }[],
): Buffer {
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32BE(requestId, 1);
  const list = protocols.flatMap(({ name, contentType, data }) => [
    ...variable(encoder.encode(name)),
    Uint8Array.from([contentType]),
    ...variable(data),
  ]);
  const body = concat([Uint8Array.from([1, protocols.length]), ...list]);
  return concat([head, ...variable(body)]);
}

export function ilpFrame(type: number, requestId: number, packet: Uint8Array): Buffer {
  return btpFrame(type, requestId, [{ name: "ilp", contentType: 0, data: packet }]);
}

/** Offset of the ILP packet in a frame whose only sub-protocol is `ilp`; -1 for any other frame. */
export function packetOffset(frame: Buffer): number {
  const skip = (at: number): number => (frame[at]! < 128 ? at + 1 : at + 1 + (frame[at]! & 127));
  const at = skip(5);
  if (frame.length < at + 7 || frame.toString("latin1", at + 3, at + 6) !== "ilp") return -1;
  return skip(at + 7);
}

/** Offset of a packet's contents. */
export function contentOffset(frame: Buffer, packet: number): number {
  const first = frame[packet + 1]!;
  return packet + 2 + (first < 128 ? 0 : first & 127);
}

export const sha256 = (data: Uint8Array): Buffer => createHash("sha256").update(data).digest();

/** What one sender expects of one packet in flight. */
interface Sent {
  amount: bigint;
  fulfillment: Buffer;
}

export type Handler = (frame: Buffer) => void;

export class BtpPeer {
  readonly socket: WebSocket;
  #corked = false;

  private constructor(socket: WebSocket) {
    this.socket = socket;
  }

  /** Connects and authenticates with a token. */
  static async connect(url: string, token: string): Promise<BtpPeer> {
    const socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    const peer = new BtpPeer(socket);
    const answered = new Promise<void>((resolve, reject) => {
      socket.once("message", (data: Buffer) => {
        if (data[0] === 1) resolve();
        else reject(new Error(`authentication refused: ${data.toString("latin1")}`));
      });
    });
    peer.send(
      btpFrame(6, 1, [
        { name: "auth", contentType: 0, data: new Uint8Array(0) },
        { name: "auth_token", contentType: 1, data: encoder.encode(token) },
      ]),
    );
    await answered;
    return peer;
  }

  send(frame: Buffer): void {
    if (!this.#corked) {
      this.#corked = true;
      const { _socket: raw } = this.socket as unknown as {
        _socket: { cork(): void; uncork(): void };
      };
      raw.cork();
      process.nextTick(() => {
        this.#corked = false;
        raw.uncork();
      });
    }
    this.socket.send(frame);
  }

  onFrame(handler: Handler): void {
    this.socket.on("message", handler);
  }

  close(): void {
    this.socket.terminate();
  }
}

/** Fulfills Prepares whose fulfillment it knows by condition; may also reject or stay silent. */
export class Receiver {
  received = 0n;
  fulfilled = 0;
  rejected = 0;
  silent = 0;
  readonly #known: Map<string, Buffer>;

  constructor(
    peer: BtpPeer,
    known: Map<string, Buffer>,
    decide: () => "fulfill" | "reject" | "silent" = () => "fulfill",
  ) {
    this.#known = known;
    const refusal = writeReject({ code: "F99", triggeredBy: "test.r", message: "no" });
    peer.onFrame((frame) => {
      if (frame[0] !== 6) return;
      const packet = packetOffset(frame);
      const content = contentOffset(frame, packet);
      const id = frame.readUInt32BE(1);
      const fulfillment = this.#known.get(frame.toString("latin1", content + 25, content + 57));
      const choice = fulfillment ? decide() : "reject";
      if (choice === "fulfill") {
        this.received += frame.readBigUInt64BE(content);
        this.fulfilled++;
        peer.send(ilpFrame(1, id, writeFulfill(fulfillment!)));
      } else if (choice === "reject") {
        this.rejected++;
        peer.send(ilpFrame(1, id, refusal));
      } else this.silent++;
    });
  }
}

/** Keeps `inFlight` Prepares on the way to one destination until told to stop. */
export class Sender {
  sent = 0n;
  fulfilled = 0;
  rejected = 0;
  readonly codes = new Map<string, number>();
  wrong = 0;
  #next = 1;
  #running = true;
  readonly #flights = new Map<number, Sent>();
  #idle: (() => void) | null = null;

  constructor(
    readonly peer: BtpPeer,
    readonly destination: string,
    readonly known: Map<string, Buffer>,
    readonly options: { inFlight: number; dataSize: number; fulfillments: Buffer[] },
  ) {
    peer.onFrame((frame) => this.#onFrame(frame));
  }

  start(): void {
    for (let i = 0; i < this.options.inFlight; i++) this.#sendNext();
  }

  /** No new packets; resolves when all are answered. */
  async finish(): Promise<void> {
    this.#running = false;
    if (this.#flights.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #sendNext(): void {
    const id = this.#next++ >>> 0;
    const { fulfillments, dataSize } = this.options;
    const fulfillment = fulfillments[id % fulfillments.length]!;
    const amount = BigInt(1 + (id % 1000));
    this.#flights.set(id, { amount, fulfillment });
    const packet = writePrepare({
      amount,
      expiresAtMs: Date.now() + 20000,
      condition: sha256(fulfillment),
      destination: this.destination,
      data: Buffer.alloc(dataSize, id & 255),
    });
    this.peer.send(ilpFrame(6, id, packet));
  }

  #onFrame(frame: Buffer): void {
    if (frame[0] !== 1) return;
    const id = frame.readUInt32BE(1);
    const flight = this.#flights.get(id);
    if (!flight) {
      this.wrong++;
      return;
    }
    this.#flights.delete(id);
    const packet = packetOffset(frame);
    const content = contentOffset(frame, packet);
    if (frame[packet] === 13) {
      const right = flight.fulfillment.equals(frame.subarray(content, content + 32));
      if (right) this.sent += flight.amount;
      else this.wrong++;
      this.fulfilled++;
    } else {
      this.rejected++;
      const code = frame.toString("latin1", content, content + 3);
      this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
    }
    if (this.#running) this.#sendNext();
    else if (this.#flights.size === 0) this.#idle?.();
  }
}
