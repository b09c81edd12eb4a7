// The npm package ws as the other end: its Sender makes frames, its Receiver judges them. And
// random streams made of them.
import * as ws from "ws";
import type { Event, Pick } from "./harness.js";
import { randomBytes } from "./harness.js";

interface FrameOptions {
  fin: boolean;
  opcode: number;
  mask: boolean;
  readOnly: boolean;
  rsv1: boolean;
  generateMask?: (mask: Buffer) => void;
}

interface Receiver {
  on(name: string, listener: (...args: never[]) => void): void;
  _write(chunk: Buffer, encoding: string, callback: (error?: Error) => void): void;
}

// The classes are exported by ws, but not in its types.
const { Receiver, Sender } = ws as unknown as {
  Receiver: new (options: { isServer: boolean; maxPayload: number }) => Receiver;
  Sender: { frame(data: Buffer, options: FrameOptions): Buffer[] };
};

/** A frame made by ws; `mask` for a client's. */
export function frame(opcode: number, data: Buffer, fin = true, mask?: Buffer): Buffer {
  const generateMask = (out: Buffer): void => void mask?.copy(out);
  const options = { fin, opcode, mask: mask !== undefined, readOnly: true, rsv1: false };
  return Buffer.concat(Sender.frame(Buffer.from(data), { ...options, generateMask }));
}

/** The receiver of ws; fed synchronously. */
export class Peer {
  readonly #receiver: Receiver;
  #events: Event[] = [];
  #dead = false;

  constructor(role: "server" | "client", messageMax: number) {
    this.#receiver = new Receiver({ isServer: role === "server", maxPayload: messageMax });
    const on = (name: string, listener: (...args: never[]) => void): void =>
      this.#receiver.on(name, listener);
    on("message", (data: Buffer, isBinary: boolean) => {
      this.#events.push({ kind: isBinary ? "binary" : "text", data: data.toString("hex") });
    });
    for (const kind of ["ping", "pong"] as const) {
      on(kind, (data: Buffer) => this.#events.push({ kind, data: data.toString("hex") }));
    }
    on("conclude", (code: number, data: Buffer) => {
      this.#events.push({ kind: "close", code, data: data.toString("hex") });
    });
  }

  feed(chunk: Buffer): Event[] {
    this.#events = [];
    if (this.#dead) return [];
    this.#receiver._write(Buffer.from(chunk), "buffer", (error) => {
      if (!error) return;
      const symbol = Object.getOwnPropertySymbols(error).find(
        (s) => s.description === "status-code",
      );
      const code = (error as unknown as Record<symbol, number>)[symbol!]!;
      this.#dead = true;
      this.#events.push({ kind: "fault", code });
    });
    return this.#events;
  }
}

export interface StreamOptions {
  role: "server" | "client";
  messageMax: number;
  messages: number;
  /** Ends with a Close. */
  close: boolean;
}

const EDGES = [0, 0, 1, 2, 3, 7, 8, 15, 16, 17, 124, 125, 126, 127, 128, 255, 256];

function pieces(pick: Pick, data: Buffer): Buffer[] {
  if (pick(2)) return [data];
  const parts: Buffer[] = [];
  let at = 0;
  do {
    const n = pick(3) ? 1 + pick(1 + data.length - at) : pick(3);
    parts.push(data.subarray(at, at + n));
    at += n;
  } while (at < data.length);
  if (pick(4) === 0) parts.push(Buffer.alloc(0));
  return parts;
}

/** A legal stream of frames of ws: messages of all sizes, fragments, control frames between. */
export function randomStream(pick: Pick, options: StreamOptions): Buffer {
  const frames: Buffer[] = [];
  const add = (opcode: number, data: Buffer, fin = true): void => {
    const mask = pick(10) ? randomBytes(pick, 4) : Buffer.alloc(4);
    frames.push(frame(opcode, data, fin, options.role === "server" ? mask : undefined));
  };
  const control = (): void =>
    add(pick(2) ? 9 : 10, randomBytes(pick, pick(3) ? pick(8) : pick(126)));
  for (let i = 0; i < options.messages; i++) {
    const edge = pick(3) ? EDGES[pick(EDGES.length)]! : pick(options.messageMax + 1);
    const size = Math.min(edge, options.messageMax);
    const isText = pick(3) === 0;
    const data = isText ? Buffer.alloc(size, "Äß€abc") : randomBytes(pick, size);
    const parts = pieces(pick, data);
    parts.forEach((part, j) => {
      while (pick(4) === 0) control();
      add(j ? 0 : isText ? 1 : 2, part, j === parts.length - 1);
    });
  }
  if (options.close) {
    const code = Buffer.from([3, 232 + pick(4)]);
    add(8, pick(3) ? Buffer.concat([code, Buffer.from("bye €")]) : Buffer.alloc(0));
    while (pick(2)) add(2, Buffer.from("ignored"));
  }
  return Buffer.concat(frames);
}

/** Cuts a stream into chunks of random sizes. */
export function randomChunks(pick: Pick, stream: Buffer): Buffer[] {
  const most = [1, 3, 20, 300, 5000][pick(5)]!;
  const chunks: Buffer[] = [];
  let at = 0;
  while (at < stream.length) {
    const n = 1 + pick(most);
    chunks.push(stream.subarray(at, at + n));
    at += n;
  }
  return chunks;
}
