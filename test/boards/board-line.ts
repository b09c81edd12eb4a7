// The other end of a board's line, for tests: packets and status frames, and a report read back.
// The format is in boards/mcu/README.md.
import { createHash, createHmac } from "node:crypto";
import { makeSettings } from "../../boards/mcu/settings.mjs";
import { Counter } from "../../host/abi.js";
import { SerialKind, readSerialFrame, type SerialFrame } from "../../host/link/serial-frame.js";
import { writeFulfill, writePrepare } from "../../host/packet.js";
import { serialFrame } from "../support/framing.js";

export const Op = { Time: 1, Report: 2, Challenge: 3, Setup: 4, Hello: 5, Answer: 0x80 } as const;
export const Outcome = { Done: 0, NotAllowed: 1, Malformed: 2, Older: 3 } as const;

export const KEY = Buffer.from("00112233445566778899aabbccddeeff".repeat(2), "hex");

/** A gateway on line 0, which tells the time and may ask and set up; a child on line 1. */
export const SETTINGS = `ilpAddress = "test.gateway.board"
spread = 0

[accounts.gateway]
relation = "parent"
assetCode = "XRP"
assetScale = 9
balance = { maximum = "1000000", minimum = "-1000000" }
rateLimit = { refillCount = 1000000 }

[accounts.meter]
relation = "child"
assetCode = "XRP"
assetScale = 9
balance = { maximum = "1000000", minimum = "-1000000" }
rateLimit = { refillCount = 1000000 }

[board]
key = "${KEY.toString("hex")}"
commitPeriod = 200

[board.lines.0]
account = "gateway"
clock = true
report = true
setup = true

[board.lines.1]
account = "meter"
`;

/** The settings block of a text, the same every time. */
export function settingsBlock(text = SETTINGS, revision = 1): Buffer {
  return makeSettings(text, "board.toml", { seed: Buffer.alloc(32, 7), revision });
}

/** A Prepare and the Fulfill that answers it. `n` makes it differ from others. */
export function payment(destination: string, amount: bigint, wallMs: number, n: number, size = 8) {
  const secret = createHash("sha256").update(`payment ${n}`).digest();
  const condition = createHash("sha256").update(secret).digest();
  const expiresAtMs = wallMs + 20_000;
  const data = Buffer.alloc(size, `data ${n}`);
  const prepare = writePrepare({ amount, expiresAtMs, condition, destination, data });
  return { prepare: Buffer.from(prepare), fulfill: Buffer.from(writeFulfill(secret)) };
}

export function request(id: number, packet: Buffer): Buffer {
  return serialFrame(SerialKind.Request, id, packet);
}

export function reply(id: number, packet: Buffer): Buffer {
  return serialFrame(SerialKind.Reply, id, packet);
}

export function status(id: number, op: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  return serialFrame(SerialKind.Status, id, Buffer.concat([Buffer.from([op]), body]));
}

export function time(id: number, wallMs: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeBigUInt64LE(BigInt(wallMs));
  return status(id, Op.Time, body);
}

/** Milliseconds since 1970 in a status frame that tells the time. */
export function readTime(payload: Uint8Array): number {
  if (payload[0] !== Op.Time) throw new Error(`op ${payload[0]} tells no time`);
  return Number(Buffer.from(payload).readBigUInt64LE(1));
}

/** A setup message: proof that the key is known, and the settings. */
export function setup(id: number, key: Buffer, challenge: Uint8Array, block: Buffer): Buffer {
  const mac = createHmac("sha256", key).update(challenge).update(block).digest();
  return status(id, Op.Setup, Buffer.concat([mac, block]));
}

export interface Report {
  state: number;
  resetCause: number;
  boots: number;
  wallMs: number;
  core: string;
  revision: number;
  commits: number;
  journal: number;
  lines: { account: number; overruns: number; dropped: number; faults: number }[];
  counters: Record<string, bigint>;
  /** Balance by account index: positive is what they owe the board. */
  balances: Record<number, bigint>;
  pending: Record<number, bigint>;
}

/** Reads the answer to `Op.Report`. */
export function readReport(payload: Uint8Array): Report {
  const bytes = Buffer.from(payload);
  const counts = [...bytes.subarray(41, 44)] as [number, number, number];
  let at = 48;
  const lines = Array.from({ length: counts[0] }, () => {
    const [account, overruns, dropped, faults] = [0, 4, 8, 12].map((i) =>
      bytes.readInt32LE(at + i),
    );
    at += 16;
    return { account: account!, overruns: overruns!, dropped: dropped!, faults: faults! };
  });
  const counters: Record<string, bigint> = {};
  for (let i = 0; i < counts[1]; i++, at += 8) counters[Counter[i]!] = bytes.readBigUInt64LE(at);
  const balances: Record<number, bigint> = {};
  const pending: Record<number, bigint> = {};
  const wide = (i: number): bigint =>
    bytes.readBigUInt64LE(i) | (bytes.readBigInt64LE(i + 8) << 64n);
  for (let i = 0; i < counts[2]; i++, at += 56) {
    const index = bytes.readUInt16LE(at);
    balances[index] = wide(at + 8) - wide(at + 24);
    pending[index] = bytes.readBigUInt64LE(at + 40) + bytes.readBigUInt64LE(at + 48);
  }
  if (at !== bytes.length) throw new Error(`a report of ${bytes.length} bytes, ${at} expected`);
  return {
    state: bytes[2]!,
    resetCause: bytes[3]!,
    boots: bytes.readUInt32LE(4),
    wallMs: Number(bytes.readBigUInt64LE(16)),
    core: bytes.subarray(24, 32).toString("hex"),
    revision: bytes.readUInt32LE(32),
    commits: bytes.readUInt32LE(36),
    journal: bytes[40]!,
    lines,
    counters,
    balances,
    pending,
  };
}

/** Splits what came over a line into frames, opened; damaged ones are null. */
export class FrameReader {
  #open: Buffer[] = [];

  push(chunk: Uint8Array): (SerialFrame | null)[] {
    const frames: (SerialFrame | null)[] = [];
    let from = 0;
    for (let end = chunk.indexOf(0); end >= 0; end = chunk.indexOf(0, from)) {
      const whole = Buffer.concat([...this.#open, chunk.subarray(from, end)]);
      this.#open = [];
      from = end + 1;
      if (whole.length > 0) frames.push(readSerialFrame(whole));
    }
    if (from < chunk.length) this.#open.push(Buffer.from(chunk.subarray(from)));
    return frames;
  }
}
