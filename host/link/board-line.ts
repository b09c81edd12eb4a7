// An operator's end of a board's line: questions and their answers, and nothing of packets.
import { randomInt } from "node:crypto";
import type { Duplex } from "node:stream";
import { systemClock } from "../clock.js";
import type { SerialLink } from "../config/types.js";
import { BoardOp, SerialKind, readSerialFrame, writeSerialFrame } from "./serial-frame.js";
import { openLine } from "./serial.js";

const ANSWER_MS = 5000;
/** A question that changes nothing is asked again: the first may have met half a frame. */
const AGAIN_MS = 1000;
/** Longer than any status frame; what is longer is somebody's packet. */
const FRAME_MAX = 8192;

export class BoardLine {
  readonly #line: Duplex;
  #open = Buffer.alloc(0);
  #waiting: { id: number; resolve: (payload: Uint8Array) => void } | null = null;
  #fail: (error: Error) => void = () => {};

  private constructor(line: Duplex) {
    this.#line = line;
    line.on("data", (chunk: Buffer) => this.#receive(chunk));
    line.on("error", (error) => this.#fail(error));
    line.on("close", () => this.#fail(new Error("the line was closed")));
  }

  static async open(settings: SerialLink): Promise<BoardLine> {
    return new BoardLine(await openLine(settings, systemClock()));
  }

  close(): void {
    this.#line.destroy();
  }

  /**
   * Asks and waits for the answer; `again`: as often as it takes. Rejects when the line fails or
   * nobody answers in time.
   * @returns the answer's payload, its first byte the operation's number plus 0x80.
   */
  async ask(op: number, body: Uint8Array, again: boolean): Promise<Uint8Array> {
    const id = randomInt(1, 2 ** 32);
    const payload = Buffer.concat([Buffer.from([op]), body]);
    // A delimiter first: noise before it is a frame of its own.
    const frame = Buffer.concat([
      Buffer.alloc(1),
      writeSerialFrame(SerialKind.Status, id, payload),
    ]);
    let timer: NodeJS.Timeout | undefined;
    let limit: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#fail = reject;
        this.#waiting = { id, resolve };
        this.#line.write(frame);
        if (again) timer = setInterval(() => this.#line.write(frame), AGAIN_MS);
        limit = setTimeout(() => reject(new Error("the board does not answer")), ANSWER_MS);
      });
    } finally {
      clearInterval(timer);
      clearTimeout(limit);
      this.#waiting = null;
      this.#fail = () => {};
    }
  }

  #receive(chunk: Buffer): void {
    let from = 0;
    for (let end = chunk.indexOf(0); end >= 0; end = chunk.indexOf(0, from)) {
      const frame = readSerialFrame(Buffer.concat([this.#open, chunk.subarray(from, end)]));
      this.#open = Buffer.alloc(0);
      from = end + 1;
      const answer =
        frame && frame.kind === SerialKind.Status && frame.payload[0]! >= BoardOp.Answer;
      if (answer && frame.id === this.#waiting?.id) this.#waiting.resolve(frame.payload);
    }
    const rest = chunk.subarray(from);
    this.#open =
      this.#open.length + rest.length > FRAME_MAX
        ? Buffer.alloc(0)
        : Buffer.concat([this.#open, rest]);
  }
}
