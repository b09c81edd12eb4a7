// What keeps strangers from taking an HTTP port's slots, memory or time. A stranger is a connection
// that has not shown a token yet. When all slots are taken the oldest stranger makes room. And one
// that pipelines is not served ahead of its first answer: node's parser runs every request of a
// chunk, thousands in 64 KiB, so it gets chunks in small slices, and none after the last answer.
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Bytes that are parsed at once: of strangers, and of those who have shown a token. */
const STRANGER_SLICE = 512;
const KNOWN_SLICE = 16_384;
const EMPTY = Buffer.alloc(0);

/** How one connection is read. */
interface Reading {
  known: boolean;
  /** Nothing more is parsed: the last answer is on its way, or it is no HTTP any more. */
  over: boolean;
  /** The chunk being read, and how much of it the parser has had. */
  chunk: Buffer;
  at: number;
  readonly listener: (chunk: Buffer) => void;
}

/** Names a connection, also when it is the TLS socket around the one that was accepted. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** One for all ports that share their slots. */
export class PortGuard {
  readonly #max: number;
  readonly #crowded: () => void;
  readonly #open = new Set<Socket>();
  /** The oldest first. */
  readonly #strangers = new Map<string, Socket>();
  readonly #readings = new WeakMap<Socket, Reading>();

  /** `max` connections; `crowded` is told of each that had to go for want of a slot. */
  constructor(max: number, crowded: () => void) {
    this.#max = max;
    this.#crowded = crowded;
  }

  /** Guards a server that does not listen yet. `isSecure`: it speaks TLS. */
  watch(server: Server, isSecure: boolean): void {
    server.on("connection", (socket: Socket) => this.#enter(socket));
    server.on(isSecure ? "secureConnection" : "connection", (socket: Socket) => this.#wrap(socket));
  }

  /** This connection has shown a token: it keeps its slot. */
  admit(socket: Socket): void {
    const reading = this.#readings.get(socket);
    if (!reading || reading.known) return;
    reading.known = true;
    this.#strangers.delete(keyOf(socket));
  }

  isKnown(socket: Socket): boolean {
    return this.#readings.get(socket)?.known ?? false;
  }

  /** After `hangUp`: requests that were parsed all the same are not to be served. */
  isOver(socket: Socket): boolean {
    return this.#readings.get(socket)?.over ?? false;
  }

  /** The answer under way is the last: nothing more is parsed. The answer must say so, too. */
  hangUp(socket: Socket): void {
    const reading = this.#readings.get(socket);
    if (reading) reading.over = true;
  }

  /** Lets go of a connection that changes its protocol. Returns the bytes that nobody has seen. */
  release(socket: Socket): Buffer {
    const reading = this.#readings.get(socket);
    if (!reading) return EMPTY;
    reading.over = true;
    socket.removeListener("data", reading.listener);
    return reading.chunk.subarray(reading.at);
  }

  #enter(socket: Socket): void {
    if (this.#open.size >= this.#max) {
      const [oldest] = this.#strangers;
      this.#crowded();
      if (!oldest) return void socket.destroy();
      this.#leave(...oldest);
      oldest[1].destroy();
    }
    const key = keyOf(socket);
    this.#open.add(socket);
    this.#strangers.set(key, socket);
    socket.once("close", () => this.#leave(key, socket));
  }

  #leave(key: string, socket: Socket): void {
    this.#open.delete(socket);
    if (this.#strangers.get(key) === socket) this.#strangers.delete(key);
  }

  /** Puts itself between the socket and node's parser. */
  #wrap(socket: Socket): void {
    const [feed] = socket.listeners("data") as ((chunk: Buffer) => void)[];
    if (!feed || socket.destroyed) return;
    const listener = (chunk: Buffer): void => this.#read(socket, reading, feed, chunk);
    const reading: Reading = { known: false, over: false, chunk: EMPTY, at: 0, listener };
    this.#readings.set(socket, reading);
    socket.removeListener("data", feed);
    socket.on("data", listener);
  }

  #read(socket: Socket, reading: Reading, feed: (chunk: Buffer) => void, chunk: Buffer): void {
    reading.chunk = chunk;
    reading.at = 0;
    while (reading.at < chunk.length && !reading.over && !socket.destroyed) {
      const from = reading.at;
      reading.at += reading.known ? KNOWN_SLICE : STRANGER_SLICE;
      feed.call(socket, chunk.subarray(from, reading.at));
    }
    reading.chunk = EMPTY;
  }
}
