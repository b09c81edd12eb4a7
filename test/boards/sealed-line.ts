// The two ends of a sealed line, for tests: a peer that can do what it should not, and what stands
// in for a board. The format is in boards/mcu/README.md.
import { randomBytes } from "node:crypto";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { Opener, Sealer, deriveKeys } from "../../host/link/sealed.js";
import { readSerialFrame, type SerialFrame } from "../../host/link/serial-frame.js";
import { FrameReader, Op, status } from "./board-line.js";

export const OpSealed = { Greeting: 6, Proof: Op.Answer + 6 } as const;
const NONCE = 16;

/** A connection to a board's port: raw bytes, and the proof if it is asked for. */
export class RawPeer {
  readonly socket: Socket;
  readonly frames: SerialFrame[] = [];
  /** Everything sent since the greeting. */
  readonly sent: Buffer[] = [];
  /** Whether the board has ended the connection. */
  isOver = false;
  sealer: Sealer | null = null;
  #opener: Opener | null = null;
  #greeting: Buffer = Buffer.alloc(0);
  readonly #reader = new FrameReader();

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("error", () => undefined);
    this.socket.on("close", () => (this.isOver = true));
    this.socket.on("end", () => (this.isOver = true));
    this.socket.on("data", (chunk) => this.#receive(chunk));
  }

  #receive(chunk: Buffer): void {
    if (!this.#opener) {
      this.#greeting = Buffer.concat([this.#greeting, chunk]);
      return;
    }
    for (const text of this.#opener.open(chunk)) {
      for (const frame of this.#reader.push(text)) if (frame) this.frames.push(frame);
    }
  }

  /** The board's nonce, once it has greeted. */
  get nonce(): Buffer | null {
    if (!this.#greeting.includes(0)) return null;
    const frame = readSerialFrame(this.#greeting.subarray(0, this.#greeting.indexOf(0)));
    return frame ? Buffer.from(frame.payload.subarray(2)) : null;
  }

  write(bytes: Uint8Array): void {
    this.sent.push(Buffer.from(bytes));
    this.socket.write(bytes);
  }

  /** Answers the greeting. */
  prove(key: Buffer, nonce = randomBytes(NONCE)): void {
    const keys = deriveKeys(key, this.nonce!, nonce);
    this.sealer = new Sealer(keys.toBoard);
    this.#opener = new Opener(keys.toPeer);
    this.write(status(0, OpSealed.Proof, Buffer.concat([nonce, keys.proof])));
  }

  close(): void {
    this.socket.destroy();
  }

  /** As when the power of the peer is cut. */
  reset(): void {
    this.socket.resetAndDestroy();
  }
}

/** A port that greets as a board does; `meet` gets each connection and the nonce it was given. */
export class FakeBoard {
  readonly url: string;
  readonly #close: () => void;

  private constructor(url: string, close: () => void) {
    this.url = url;
    this.#close = close;
  }

  static async open(meet: (socket: Socket, nonce: Buffer) => void): Promise<FakeBoard> {
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      meet(socket, randomBytes(NONCE));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return new FakeBoard(`tcp://127.0.0.1:${port}`, () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
  }

  close(): void {
    this.#close();
  }
}

export function greeting(nonce: Uint8Array, version = 1): Buffer {
  return status(0, OpSealed.Greeting, Buffer.concat([Buffer.of(version), nonce]));
}
