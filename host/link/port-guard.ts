// What keeps strangers from taking an HTTP port's slots, memory or time. A stranger is a connection
// that has not shown a token yet. When all slots are taken the oldest stranger makes room. And one
// that pipelines is not served ahead of its first answer: node's parser runs every request of a
// chunk, thousands in 64 KiB, so it gets chunks in small slices, and none after the last answer.
// Where every packet is a request it gets the first chunk once that has been looked at, and then
// reads the socket itself: a listener of ours on it takes a fifth of what a packet costs.
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Bytes that are parsed at once: of strangers, and of those who have shown a token. */
const STRANGER_SLICE = 512;
const KNOWN_SLICE = 16_384;
/** Most requests in a stranger's first chunk, where that is looked at. */
const FIRST_REQUESTS_MAX = 16;
const EMPTY = Buffer.alloc(0);
const UNREAD = { known: false, over: false, chunk: EMPTY, at: 0, listener: null };

/** How one connection is read. */
interface Reading {
  known: boolean;
  /** Nothing more is parsed: the last answer is on its way, or it is no HTTP any more. */
  over: boolean;
  /** The chunk being read, and how much of it the parser has had. */
  chunk: Buffer;
  at: number;
  /** Null where the parser reads the socket itself. */
  readonly listener: ((chunk: Buffer) => void) | null;
}

/** Does a chunk hold more ends of heads than `max`? */
function hasMoreHeads(chunk: Buffer, max: number): boolean {
  let count = 0;
  for (let at = chunk.indexOf("\r\n\r\n"); at >= 0; at = chunk.indexOf("\r\n\r\n", at + 4)) {
    count += 1;
    if (count > max) return true;
  }
  return false;
}

/** Names a connection, also when it is the TLS socket around the one that was accepted. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Hands over the first chunk of a connection, paused and as if nobody had listened. */
function awaitFirst(socket: Socket, silenceMs: number, take: (chunk: Buffer) => void): void {
  if (socket.destroyed) return;
  const giveUp = (): void => void socket.destroy();
  const first = (chunk: Buffer): void => {
    socket.pause();
    for (const event of ["timeout", "end", "error"]) socket.removeListener(event, giveUp);
    socket.setTimeout(0);
    take(chunk);
  };
  socket.setTimeout(silenceMs);
  for (const event of ["timeout", "end", "error"]) socket.once(event, giveUp);
  socket.once("data", first);
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

  /**
   * Guards a server that does not listen yet, and on which nobody but node listens for connections.
   * `silenceMs`: how long the first byte may take; `refused` is told who asked too much at once.
   */
  watchFirst(
    server: Server,
    isSecure: boolean,
    silenceMs: number,
    refused: (socket: Socket) => void,
  ): void {
    const event = isSecure ? "secureConnection" : "connection";
    const [attach] = server.listeners(event) as ((socket: Socket) => void)[];
    if (!attach) throw new Error("node's HTTP server does not listen for its connections");
    server.removeListener(event, attach);
    server.on("connection", (socket: Socket) => this.#enter(socket));
    server.on(event, (socket: Socket) => {
      this.#readings.set(socket, { ...UNREAD });
      awaitFirst(socket, silenceMs, (chunk) => {
        if (hasMoreHeads(chunk, FIRST_REQUESTS_MAX)) {
          refused(socket);
          return void socket.destroy();
        }
        attach.call(server, socket);
        socket.unshift(chunk);
        socket.resume();
      });
    });
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
    if (!reading?.listener) return EMPTY;
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
    const reading: Reading = { ...UNREAD, listener };
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
