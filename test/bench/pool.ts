// Packets made before the clock starts: Prepares as the sender writes them and the Fulfills that
// answer them, each in its frame, side by side in one buffer. Between rounds only amount and expiry
// change, so that no contender sees the same packet twice within a minute.
import { createHash, randomBytes } from "node:crypto";
import { timestamp, writeFulfill, writePrepare } from "../../host/packet.js";
import { ilpFrame, packetOffset } from "../support/btp-peer.js";
import type { DriverOptions } from "./driver.js";
import { LengthWire, WebSocketWire, type Wire } from "./wire.js";

const HOLD_MS = 28_000;
const DIGITS = 7;
const POOL_BYTES = 48 << 20;
const POOL_MAX = 1 << 14;

/** Frames of equal length, one behind the other. */
interface Row {
  bytes: Buffer;
  stride: number;
  /** Where in it the BTP frame begins, its ILP packet, and that packet's contents. */
  frame: number;
  packet: number;
  content: number;
}

export interface PoolOptions {
  wire: Wire;
  dataSize: number;
  /** Address of packet `i` before its number; all of one length. */
  prefixOf(i: number): string;
  /** Fewest packets: what is in flight must differ. */
  atLeast: number;
  /** Share of the pool's memory that this sender may use. */
  share: number;
}

/** How many packets fit a pool. */
function poolSize({ dataSize, atLeast, share }: PoolOptions): number {
  const fit = Math.floor((POOL_BYTES * share) / (dataSize + 512));
  return Math.max(atLeast, Math.min(fit, Math.floor(POOL_MAX * share)));
}

export class Pool {
  readonly wire: Wire;
  readonly count: number;
  readonly prepares: Row;
  readonly replies: Row;
  /** 32 bytes each. */
  readonly fulfillments: Buffer;
  readonly conditions: Buffer;
  #round = 0;

  constructor(options: PoolOptions) {
    const { wire, dataSize } = options;
    this.wire = wire;
    this.count = poolSize(options);
    this.fulfillments = randomBytes(32 * this.count);
    this.conditions = Buffer.alloc(32 * this.count);
    const data = randomBytes(dataSize);
    const prepare = (i: number): Buffer => {
      const condition = createHash("sha256").update(this.fulfillment(i)).digest();
      condition.copy(this.conditions, 32 * i);
      const destination = options.prefixOf(i) + "." + String(i).padStart(DIGITS, "0");
      const expiresAtMs = Date.now() + HOLD_MS;
      const packet = { amount: 1000n, expiresAtMs, condition, destination, data };
      return ilpFrame(6, i, writePrepare(packet));
    };
    this.prepares = this.#fill(prepare);
    this.replies = this.#fill((i) => ilpFrame(1, 0, writeFulfill(this.fulfillment(i))));
  }

  fulfillment(i: number): Buffer {
    return this.fulfillments.subarray(32 * i, 32 * i + 32);
  }

  #fill(make: (i: number) => Buffer): Row {
    const first = make(0);
    const frame = this.wire.headSize(first.length);
    const stride = frame + first.length;
    const packet = packetOffset(first);
    const content = frame + contentStart(first, packet);
    const bytes = Buffer.allocUnsafe(stride * this.count);
    for (let i = 0; i < this.count; i++) {
      const message = i === 0 ? first : make(i);
      if (message.length !== first.length) throw new Error("Packets of a pool differ in length.");
      bytes.set(message, i * stride + frame);
      this.wire.seal(bytes, i * stride, message.length);
    }
    return { bytes, stride, frame, packet: frame + packet, content };
  }

  /** New amounts and expiries for the next round. */
  refresh(): void {
    this.#round++;
    const text = Buffer.alloc(25);
    text.writeBigUInt64BE(1000n + BigInt(this.#round), 0);
    text.write(timestamp(Date.now() + HOLD_MS), 8, "latin1");
    const { bytes, stride, frame, content } = this.prepares;
    for (let j = 0; j < text.length; j++) text[j]! ^= this.wire.mask[(content - frame + j) & 3]!;
    for (let i = 0; i < this.count; i++) bytes.set(text, i * stride + content);
  }

  /** Masked request id in the head of a reply at `at`. */
  sealId(bytes: Buffer, at: number, id: number): void {
    const { mask } = this.wire;
    bytes[at] = (id >>> 24) ^ mask[1]!;
    bytes[at + 1] = (id >>> 16) ^ mask[2]!;
    bytes[at + 2] = (id >>> 8) ^ mask[3]!;
    bytes[at + 3] = id ^ mask[0]!;
  }
}

/** Pools of one case, made once: contenders take turns with them. */
export class PoolShelf {
  readonly #pools = new Map<string, Pool[]>();

  /** A pool for each pair. */
  take(options: DriverOptions): Pool[] {
    const { wire: name, pairs, dataSize, inFlight } = options;
    const found = this.#pools.get(name);
    if (found) return found;
    const wire = name === "ws" ? new WebSocketWire() : new LengthWire();
    const share = 1 / pairs.length;
    const atLeast = Math.max(16, Math.ceil((2 * inFlight) / pairs.length));
    const made = pairs.map(
      ({ prefixOf }) => new Pool({ wire, dataSize, prefixOf, atLeast, share }),
    );
    this.#pools.set(name, made);
    return made;
  }
}

/** Number of the packet in a Prepare whose contents begin at `content`; -1 when it has none. */
export function numberOf(bytes: Buffer, content: number): number {
  const lengthAt = content + 57;
  const first = bytes[lengthAt]!;
  const start = first < 128 ? lengthAt + 1 : lengthAt + 1 + (first & 127);
  const length = first < 128 ? first : first === 0x81 ? bytes[lengthAt + 1]! : -1;
  let value = 0;
  for (let at = start + length - DIGITS; at < start + length; at++) {
    const digit = bytes[at]! - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** First byte of a packet's contents. */
export function contentStart(bytes: Buffer, packet: number): number {
  const first = bytes[packet + 1]!;
  return packet + 2 + (first < 128 ? 0 : first & 127);
}

/** Where the ILP packet of a BTP frame at `start` begins; -1 when its first protocol is not ilp. */
export function packetStart(bytes: Buffer, start: number): number {
  let at = start + 5;
  at += bytes[at]! < 128 ? 1 : 1 + (bytes[at]! & 127);
  at += 1 + bytes[at]!;
  const isIlp =
    bytes[at] === 3 && bytes[at + 1] === 0x69 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x70;
  if (!isIlp) return -1;
  at += 5;
  return at + (bytes[at]! < 128 ? 1 : 1 + (bytes[at]! & 127));
}
