// A line over a network: TCP to a board, on which both ends show that they know one key before
// anything else, and on which every byte after that is sealed (ChaCha20-Poly1305, RFC 8439). The
// format is in boards/mcu/README.md.
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Cancel, Clock } from "../clock.js";
import { BoardOp, SerialKind, readSerialFrame, writeSerialFrame } from "./serial-frame.js";

/** What answers a greeting begins with. */
const PROOF = Buffer.of(BoardOp.Greeting + BoardOp.Answer);
const VERSION = 1;
const NONCE = 16;
/** Most bytes before the end of the greeting. */
const GREETING_MAX = 256;
/** How long the board may take until its first record is here. */
const GREETING_MS = 10_000;
const HEAD = 2;
const TAG = 16;
const TEXT_MAX = 1024;
const CIPHER = "chacha20-poly1305";
const TAG_LENGTH = { authTagLength: TAG };

interface Keys {
  proof: Buffer;
  toBoard: Buffer;
  toPeer: Buffer;
}

function hmac(key: Uint8Array, ...parts: (Uint8Array | string)[]): Buffer {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** Keys of one connection. */
export function deriveKeys(key: Uint8Array, boardNonce: Uint8Array, peerNonce: Uint8Array): Keys {
  const session = hmac(key, "ferrule line 1", boardNonce, peerNonce);
  return {
    proof: hmac(session, "proof"),
    toBoard: hmac(session, "to board"),
    toPeer: hmac(session, "to peer"),
  };
}

/** Nonce of a record: four zeros and its number. */
function nonceOf(count: bigint): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(count, 4);
  return nonce;
}

/** Seals the records of one direction, one after the other. */
export class Sealer {
  readonly #key: Buffer;
  #count = 0n;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** The record of 1 to 1024 bytes. */
  seal(text: Uint8Array): Buffer {
    const head = Buffer.alloc(HEAD);
    head.writeUInt16LE(text.length);
    const cipher = createCipheriv(CIPHER, this.#key, nonceOf(this.#count++), TAG_LENGTH);
    cipher.setAAD(head, { plaintextLength: text.length });
    const sealed = cipher.update(text);
    cipher.final();
    return Buffer.concat([head, sealed, cipher.getAuthTag()]);
  }
}

/** Opens the records of one direction, however they are cut. */
export class Opener {
  readonly #key: Buffer;
  #count = 0n;
  #rest: Buffer = Buffer.alloc(0);

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** The text of every record that has ended. Throws when one is not the board's. */
  open(chunk: Uint8Array): Buffer[] {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : Buffer.from(chunk);
    const texts: Buffer[] = [];
    while (bytes.length >= HEAD) {
      const length = bytes.readUInt16LE();
      if (length === 0 || length > TEXT_MAX) throw new Error("the board sends no sealed records");
      const size = HEAD + length + TAG;
      if (bytes.length < size) break;
      texts.push(this.#openOne(bytes.subarray(0, size)));
      bytes = bytes.subarray(size);
    }
    this.#rest = bytes;
    return texts;
  }

  #openOne(record: Buffer): Buffer {
    const end = record.length - TAG;
    const decipher = createDecipheriv(CIPHER, this.#key, nonceOf(this.#count++), TAG_LENGTH);
    decipher.setAuthTag(record.subarray(end));
    decipher.setAAD(record.subarray(0, HEAD), { plaintextLength: end - HEAD });
    const text = decipher.update(record.subarray(HEAD, end));
    try {
      decipher.final();
    } catch {
      throw new Error("the board does not know the key, or somebody has changed what it sent");
    }
    return text;
  }
}

/** Text on this side, records on the socket's. */
class SealedLine extends Duplex {
  readonly #socket: Socket;
  readonly #sealer: Sealer;
  readonly #opener: Opener;

  constructor(socket: Socket, keys: Keys) {
    super();
    this.#socket = socket;
    this.#sealer = new Sealer(keys.toBoard);
    this.#opener = new Opener(keys.toPeer);
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  /** Takes bytes of the socket. Emits `opened` when text came of them. */
  #receive(chunk: Uint8Array): void {
    try {
      for (const text of this.#opener.open(chunk)) {
        if (!this.push(text)) this.#socket.pause();
        this.emit("opened");
      }
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  #send(text: Buffer, done: (error?: Error | null) => void): void {
    const records: Buffer[] = [];
    for (let at = 0; at < text.length; at += TEXT_MAX) {
      records.push(this.#sealer.seal(text.subarray(at, at + TEXT_MAX)));
    }
    this.#socket.write(Buffer.concat(records), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

/** The nonce of a greeting that has ended with a delimiter; null: it is none. */
function readGreeting(bytes: Buffer): Buffer | null {
  const frame = readSerialFrame(bytes);
  const payload = frame?.kind === SerialKind.Status ? Buffer.from(frame.payload) : null;
  if (payload?.[0] !== BoardOp.Greeting || payload.length !== 2 + NONCE) return null;
  if (payload[1] !== VERSION) {
    throw new Error(`the board greets with version ${payload[1]}, this program has ${VERSION}`);
  }
  return payload.subarray(2);
}

/**
 * Waits for the board's greeting on a connected socket, proves that we know the key and has the
 * board prove it too. Rejects with the reason; the socket is destroyed then.
 */
export function openSealed(socket: Socket, key: Buffer, clock: Clock): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    let seen: Buffer = Buffer.alloc(0);
    let late: Cancel | null = null;
    const settle = (error: Error | null, line?: Duplex): void => {
      late?.();
      socket.removeListener("data", greet);
      socket.removeListener("error", settle);
      socket.removeListener("close", closed);
      if (line && !error) resolve(line);
      else {
        socket.destroy();
        reject(error ?? new Error("the board has closed the connection"));
      }
    };
    const closed = (): void =>
      settle(new Error("the board has closed the connection: is it the right key?"));
    const greet = (chunk: Buffer): void => {
      seen = Buffer.concat([seen, chunk]);
      const end = seen.indexOf(0);
      try {
        const nonce = end < 0 ? null : readGreeting(seen.subarray(0, end));
        if (!nonce && (end >= 0 || seen.length > GREETING_MAX)) {
          throw new Error("what answers does not greet as a board with a key");
        }
        if (nonce) prove(nonce);
      } catch (error) {
        settle(error as Error);
      }
    };
    const prove = (boardNonce: Buffer): void => {
      socket.removeListener("data", greet);
      const nonce = randomBytes(NONCE);
      const keys = deriveKeys(key, boardNonce, nonce);
      const payload = Buffer.concat([PROOF, nonce, keys.proof]);
      const line = new SealedLine(socket, keys);
      line.once("error", settle);
      line.once("opened", () => {
        line.removeListener("error", settle);
        settle(null, line);
      });
      socket.write(writeSerialFrame(SerialKind.Status, 0, payload));
    };
    late = clock.after(GREETING_MS, () => settle(new Error("the board says nothing")), true);
    socket.on("data", greet);
    socket.on("error", settle);
    socket.on("close", closed);
  });
}
