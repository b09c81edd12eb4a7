// Byte streams of the simulated network: WebSocket frames as the ends of a wire write them, and
// what each reader must make of them. Every message carries marks, which say what its reader has to
// act on and after how many bytes: so a shadow follows a stream without reading as the core does.
import * as ws from "ws";
import { wsFrame } from "../support/framing.js";
import type { Random } from "../support/model/random.js";
import type { Message } from "./net.js";

/** RFC 6455 11.8. */
export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 };

/** What a reader has to do. `bad`: the link must end here. */
export type MarkKind = "frame" | "ping" | "pong" | "close" | "bad";

/** Something in the bytes of a message that its reader acts on. */
export interface Mark {
  kind: MarkKind;
  /**
   * Bytes from the start of the message that a core has used up once it has acted: those of
   * fragments that it still holds are not.
   */
  at: number;
  /** Bytes from the start of the message with which it is whole, if that is more. */
  whole?: number;
  /** The BTP frame, or what the control frame carries. */
  data: Buffer;
}

/** Bytes that a stream gets in one piece. */
export interface Piece {
  bytes: Buffer;
  marks: Mark[];
}

/** A mark as it lies in its connection. */
export interface Arrival {
  mark: Mark;
  message: Message;
  /** `at` and `whole` of the mark, from the start of the connection. */
  end: number;
  whole: number;
}

const KINDS: Record<number, MarkKind> = {
  [Opcode.Binary]: "frame",
  [Opcode.Close]: "close",
  [Opcode.Ping]: "ping",
  [Opcode.Pong]: "pong",
};

/** Writes frames as one end of a wire does: a client masks. */
export class StreamWriter {
  constructor(
    private readonly random: Random,
    private readonly isClient: boolean,
  ) {}

  #frame(opcode: number, data: Buffer, fin = true): Buffer {
    if (!this.isClient) return wsFrame(opcode, data, fin);
    const mask = Buffer.allocUnsafe(4);
    mask.writeUInt32LE(this.random.word());
    return wsFrame(opcode, data, fin, mask);
  }

  control(opcode: number, data: Buffer): Piece {
    const bytes = this.#frame(opcode, data);
    return { bytes, marks: [{ kind: KINDS[opcode]!, at: bytes.length, data }] };
  }

  /** A BTP frame. `plays`: in fragments now and then, with control frames before and between. */
  message(frame: Buffer, plays: boolean): Piece {
    const { random } = this;
    const luck = plays ? random.below(100) : 100;
    if (luck < 15) return this.#pieces(frame);
    const bytes = this.#frame(Opcode.Binary, frame);
    const marks: Mark[] = [{ kind: "frame", at: bytes.length, data: frame }];
    if (luck >= 25) return { bytes, marks };
    return join([this.#anyControl(), { bytes, marks }]);
  }

  #anyControl(): Piece {
    const { random } = this;
    const data = Buffer.alloc(random.chance(80) ? random.below(9) : random.below(126), 0x70);
    return this.control(random.chance(50) ? Opcode.Ping : Opcode.Pong, data);
  }

  /** In fragments, some of them empty. */
  #pieces(frame: Buffer): Piece {
    const { random } = this;
    const parts: Buffer[] = [];
    const marks: Mark[] = [];
    let size = 0;
    let held = 0;
    let opcode = Opcode.Binary;
    const add = (bytes: Buffer): void => {
      parts.push(bytes);
      size += bytes.length;
    };
    while (random.chance(70) && parts.length < 12) {
      const n = random.below(Math.min(frame.length - held, 40) + 1);
      add(this.#frame(opcode, frame.subarray(held, held + n), false));
      held += n;
      opcode = Opcode.Continuation;
      if (random.chance(70)) continue;
      const {
        bytes,
        marks: [mark],
      } = this.#anyControl();
      add(bytes);
      marks.push({ ...mark!, at: size - held, whole: size });
    }
    add(this.#frame(opcode, frame.subarray(held)));
    marks.push({ kind: "frame", at: size, data: frame });
    return { bytes: Buffer.concat(parts), marks };
  }

  /** What no WebSocket endpoint may send: a core must say goodbye at once. */
  nonsense(): Piece {
    const { random } = this;
    const mask = this.isClient ? 0x80 : 0;
    const head = random.pick([
      [0x83, mask], // reserved opcode
      [0xc2, mask], // reserved bit
      [0x82, mask ^ 0x80], // masked by a server, or not by a client
      [0x09, mask], // a Ping in fragments
      [0x89, mask | 126, 0, 126], // a Ping too long
      [0x80, mask], // the end of nothing
      [0x82, mask | 126, 0, 5], // not the shortest length
      [0x82, mask | 127, 0, 0, 0, 1, 0, 0, 0, 0], // too long
      [0x88, mask | 1], // a Close with half a code
    ]);
    const bytes = Buffer.concat([Buffer.from(head), Buffer.alloc(12, 0x55)]);
    // A fault uses up all there is: the first byte goes with the others.
    return { bytes, marks: [{ kind: "bad", at: 1, data: Buffer.alloc(0) }] };
  }

  text(): Piece {
    const bytes = this.#frame(Opcode.Text, Buffer.from("hello"));
    return { bytes, marks: [{ kind: "bad", at: bytes.length, data: Buffer.alloc(0) }] };
  }
}

function join(pieces: Piece[]): Piece {
  const marks: Mark[] = [];
  let base = 0;
  for (const piece of pieces) {
    for (const mark of piece.marks) marks.push({ ...mark, at: base + mark.at });
    base += piece.bytes.length;
  }
  return { bytes: Buffer.concat(pieces.map(({ bytes }) => bytes)), marks };
}

/**
 * What one whole frame is that a core has written: no fragments, its length in the shortest form,
 * masked if and only if it is a client's. A sentence when it is none.
 */
export function readWhole(bytes: Buffer, isClient: boolean): Mark | string {
  const [first = 0, second = 0] = bytes;
  if ((second & 0x80) !== (isClient ? 0x80 : 0)) return "the mask bit is wrong";
  const kind = KINDS[first & 15];
  if ((first & 0xf0) !== 0x80 || !kind) return `its first byte is ${first}`;
  let length = second & 127;
  let at = 2;
  if (length === 126) {
    length = bytes.readUInt16BE(2);
    at = 4;
    if (length < 126) return "its length is not in the shortest form";
  } else if (length === 127) {
    length = Number(bytes.readBigUInt64BE(2));
    at = 10;
    if (length < 65_536) return "its length is not in the shortest form";
  }
  const start = at + (isClient ? 4 : 0);
  if (start + length !== bytes.length) return "its length is not its payload's";
  if (!isClient) return { kind, at: bytes.length, data: bytes.subarray(start) };
  const data = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) data[i] = bytes[start + i]! ^ bytes[at + (i & 3)]!;
  return { kind, at: bytes.length, data };
}

interface Receiver {
  on(name: string, listener: (...args: never[]) => void): void;
  _write(chunk: Buffer, encoding: string, callback: (error?: Error) => void): void;
}

// The class is exported by ws, but not in its types.
const { Receiver } = ws as unknown as {
  Receiver: new (options: { isServer: boolean; maxPayload: number }) => Receiver;
};

/** What an end does with what it reads. */
export interface Handler {
  frame(data: Buffer, message: Message): void;
  control(kind: MarkKind, data: Buffer): void;
  /** The stream is no WebSocket stream, or not what was written to it. */
  fault(what: string, isDue: boolean): void;
}

/** An end without a core that reads streams: `ws` reads. */
export class StreamReader {
  readonly #receiver: Receiver;
  readonly #arrivals: Arrival[] = [];
  #isOver = false;

  constructor(
    isServer: boolean,
    maxPayload: number,
    private readonly handler: Handler,
  ) {
    this.#receiver = new Receiver({ isServer, maxPayload });
    const on = (name: string, listener: (...args: never[]) => void): void =>
      this.#receiver.on(name, listener);
    on("message", (data: Buffer, isBinary: boolean) =>
      this.#take(isBinary ? "frame" : "bad", data),
    );
    on("ping", (data: Buffer) => this.#take("ping", data));
    on("pong", (data: Buffer) => this.#take("pong", data));
    on("conclude", (code: number, reason: Buffer) => {
      if (code === 1005) return this.#take("close", Buffer.alloc(0));
      this.#take("close", Buffer.concat([Buffer.of(code >> 8, code & 255), reason]));
    });
  }

  /** Bytes have come; `begun`: what begins in them. */
  feed(chunk: Buffer, begun: readonly Arrival[]): void {
    this.#arrivals.push(...begun);
    // The receiver unmasks where the bytes lie: they are the network's.
    this.#receiver._write(Buffer.from(chunk), "buffer", (error) => {
      if (!error || this.#isOver) return;
      this.#isOver = true;
      const bad = this.#arrivals[0]?.mark.kind === "bad";
      this.handler.fault(error.message, bad);
    });
  }

  #take(kind: MarkKind, data: Buffer): void {
    if (this.#isOver) return;
    const next = this.#arrivals.shift();
    if (next?.mark.kind !== kind || (kind !== "bad" && !next.mark.data.equals(data))) {
      this.#isOver = true;
      const isDue = next?.mark.kind === "bad";
      return this.handler.fault(`a ${kind} came that nobody wrote`, isDue);
    }
    if (kind === "frame") {
      next.message.isTaken = true;
      this.handler.frame(data, next.message);
    } else if (kind === "bad") {
      this.#isOver = true;
      this.handler.fault("text", true);
    } else this.handler.control(kind, data);
  }
}
