// The other end of a board's line, for tests: packets and status frames, and a report read back.
// The format is in boards/mcu/README.md.
import { createHash } from "node:crypto";
import { makeSettings } from "../../boards/mcu/settings.mjs";
import {
  BoardOutcome as Outcome,
  readBoardReport,
  signForBoard,
  type BoardReport,
} from "../../host/link/board-report.js";
import {
  BoardOp as Op,
  SerialKind,
  readSerialFrame,
  type SerialFrame,
} from "../../host/link/serial-frame.js";
import { writeFulfill, writePrepare } from "../../host/packet.js";
import { serialFrame } from "../support/framing.js";

export { Op, Outcome };

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
  return status(id, Op.Setup, signForBoard(key, challenge, block));
}

export interface Report extends BoardReport {
  /** Balance by account index: positive is what they owe the board. */
  balances: Record<number, bigint>;
  pending: Record<number, bigint>;
}

/** Reads the answer to `Op.Report`. */
export function readReport(payload: Uint8Array): Report {
  const report = readBoardReport(payload);
  const by = (of: (account: BoardReport["accounts"][number]) => bigint): Record<number, bigint> =>
    Object.fromEntries(report.accounts.map((account) => [account.index, of(account)]));
  return {
    ...report,
    balances: by(({ balance }) => balance),
    pending: by(({ debitsPending, creditsPending }) => debitsPending + creditsPending),
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
