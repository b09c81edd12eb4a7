// One BTP connection (RFC 23) over WebSocket, authenticated or about to be: bytes in to the switch,
// bytes out to the socket, liveness and back-pressure. Server and dialer share it; who may use what
// is theirs to find out. It reads no packet and no frame.
//
// `ws` makes the connection, reads what comes before authentication is done, and puts the
// connection away. In between the core reads and writes the frames: whole chunks go to it as they
// come, and what it says goes out as it is. For cores that do not know WebSocket, `ws` goes on.
import type { Socket } from "node:net";
import type { RawData, WebSocket } from "ws";
import { LinkKind, Status, type Core } from "../core.js";
import type { Log } from "../log.js";
import { FrameSplitter } from "./frame-splitter.js";
import type { Link, Switch } from "./link.js";
import { Outbox } from "./outbox.js";

export interface BtpDeps {
  core: Core;
  switch: Switch;
  log: Log;
}

/** Bounds of one connection. The defaults are for production; tests use smaller ones. */
export interface SessionLimits {
  /** Bytes waiting to be sent from which on the peer counts as congested and is not read from. */
  congestBytes: number;
  /** Bytes waiting to be sent at which the connection is given up. */
  giveUpBytes: number;
  /**
   * How long a congested peer may take nothing at all. By then every packet that waits has expired:
   * no packet is held longer than 30 s.
   */
  stallMs: number;
  /** How often a congested peer is looked at. */
  lookMs: number;
}

export const SESSION_LIMITS: SessionLimits = {
  congestBytes: 1 << 20,
  giveUpBytes: 16 << 20,
  stallMs: 30_000,
  lookMs: 100,
};

/** What the owner of a session, the server or the dialer, wants to know. */
export interface SessionOwner {
  /** This end is the WebSocket client, which has to mask what it sends (RFC 6455 5.3). */
  isClient: boolean;
  /** A binary frame before `attach`. Valid during the call only. */
  greet(session: BtpSession, frame: Uint8Array): void;
  /** The connection is gone, or as good as gone; comes once. */
  ended(session: BtpSession, reason: string): void;
}

/** `readyState` of a WebSocket that is open (WHATWG). */
const OPEN = 1;
/** Frame types and lengths around an ILP packet, generously. */
const FRAME_OVERHEAD = 64;
/** How long the peer may take to answer a close frame. */
const CLOSE_MS = 2000;
/** Longest reason that fits a close frame. */
const REASON_MAX = 123;

export const CLOSE_NORMAL = 1000;
export const CLOSE_AWAY = 1001;
export const CLOSE_PROTOCOL = 1002;
export const CLOSE_UNSUPPORTED = 1003;
export const CLOSE_POLICY = 1008;

/** Options of `ws` common to both ends. The bounds on parts keep a peer from sending crumbs. */
export function socketOptions(core: Core) {
  return {
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: core.packetMax + FRAME_OVERHEAD,
    maxFragments: 256,
    maxBufferedChunks: 1024,
    closeTimeout: CLOSE_MS,
  };
}

export class BtpSession implements Link {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #name: string;
  readonly #deps: BtpDeps;
  readonly #owner: SessionOwner;
  readonly #limits: SessionLimits;
  readonly #outbox: Outbox;
  readonly #splitter: FrameSplitter;
  /** What `ws` reads chunks with. */
  readonly #feed: (chunk: Buffer) => void;
  /** -1 until attached. */
  #account = -1;
  /** The core reads and writes the frames. */
  #isStream = false;
  #ended = false;
  /** `ws` has found a fault, and reads no more. */
  #failed = false;
  #congested = false;
  #stalled = 0;
  #sentBytes = 0;
  /** No sign of life since the last ping. */
  #silent = false;
  #pings: NodeJS.Timeout | undefined;
  #looks: NodeJS.Timeout | undefined;

  /** `ws` is open and `socket` is what it runs on; `name` says to people who this is. */
  constructor(
    ws: WebSocket,
    socket: Socket,
    name: string,
    deps: BtpDeps,
    owner: SessionOwner,
    limits: SessionLimits = SESSION_LIMITS,
  ) {
    this.#ws = ws;
    this.#socket = socket;
    this.#name = name;
    this.#deps = deps;
    this.#owner = owner;
    this.#limits = limits;
    this.#outbox = new Outbox(socket, () => this.#watch());
    this.#splitter = new FrameSplitter(deps.core.packetMax + FRAME_OVERHEAD);
    const [feed] = socket.listeners("data");
    this.#feed = feed as (chunk: Buffer) => void;
    socket.removeAllListeners("data");
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    // `ws` ends its side when the peer has ended the other: what was written goes first.
    socket.prependListener("end", () => this.#outbox.flush());
    socket.on("drain", () => this.#relieve());
    ws.on("message", (data, isBinary) => this.#receive(data, isBinary));
    ws.on("pong", () => (this.#silent = false));
    ws.on("error", (error) => {
      this.#failed = true;
      this.#end(describeError(error));
    });
    ws.on("close", (code, reason) => this.#end(describeClose(code, reason)));
  }

  describe(): string {
    return `BTP ${this.#name}`;
  }

  /** Hands the connection to an account. `pingIntervalMs` 0: no pings. */
  attach(account: number, pingIntervalMs: number): void {
    if (this.#ended) return;
    this.#account = account;
    if (pingIntervalMs > 0) {
      this.#pings = setInterval(() => this.#ping(), pingIntervalMs);
      this.#pings.unref();
    }
    const kind = this.#owner.isClient ? LinkKind.WsClient : LinkKind.WsServer;
    this.#isStream = this.#deps.switch.attach(account, this, kind) === kind;
  }

  /** Sends a frame that is not the core's: authentication. */
  send(frame: Uint8Array): void {
    if (!this.#ended) this.#ws.send(frame);
  }

  write(memory: Uint8Array, address: number, length: number): void {
    if (this.#ended || this.#ws.readyState !== OPEN) return;
    if (this.#isStream) return this.#outbox.push(memory, address, length);
    this.#ws.send(Buffer.from(memory.subarray(address, address + length)));
    this.#outbox.wake();
  }

  /** BTP links are framed: the core makes the frames and never asks for a raw request. */
  request(): void {}

  /** Called by the switch, which already knows the link is gone; later calls do nothing. */
  close(reason: string): void {
    if (!this.#ended) this.#sayGoodbye(reason, CLOSE_AWAY);
  }

  /** Takes the link off its account and says goodbye with a WebSocket close code. */
  finish(reason: string, code: number): void {
    if (this.#ended) return;
    this.#detach();
    this.#sayGoodbye(reason, code);
  }

  #sayGoodbye(reason: string, code: number): void {
    // A peer that takes nothing will not take a close frame.
    if (this.#congested) this.#ws.terminate();
    else {
      this.#outbox.flush();
      this.#ws.close(code, clip(reason));
      // `ws` does not hear the answer, which comes behind frames that nobody reads any more.
      if (this.#isStream) this.#socket.end();
    }
    this.#stop(reason);
  }

  /** The core's close frame is written: `ws` would write another. */
  over(code: number): void {
    if (this.#ended) return;
    this.#detach();
    this.#outbox.flush();
    this.#socket.end();
    const timer = setTimeout(() => this.#ws.terminate(), CLOSE_MS).unref();
    this.#ws.once("close", () => clearTimeout(timer));
    this.#stop(describeEnd(code));
  }

  /** Takes the link off its account and drops the connection at once. */
  drop(reason: string): void {
    this.#end(reason);
    this.#ws.terminate();
  }

  #stop(reason: string): void {
    this.#ended = true;
    clearInterval(this.#pings);
    clearInterval(this.#looks);
    this.#owner.ended(this, reason);
  }

  /** The connection broke or the peer closed it; `ws` is putting it away. */
  #end(reason: string): void {
    if (this.#ended) return;
    this.#detach();
    this.#stop(reason);
  }

  #detach(): void {
    if (this.#account >= 0) this.#deps.switch.detach(this.#account, this);
  }

  /** Bytes from the peer: the core's once authentication is done, and nobody's after the end. */
  #read(chunk: Buffer): void {
    if (this.#isStream) {
      this.#silent = false;
      if (!this.#ended) this.#deps.switch.stream(this.#account, chunk);
      return;
    }
    if (this.#account >= 0) return this.#feed.call(this.#socket, chunk);
    // Frame by frame: the one that authenticates is the last that `ws` may see.
    this.#splitter.push(chunk);
    for (let frame = this.#splitter.take(); frame; frame = this.#splitter.take()) {
      if (this.#failed) return;
      this.#feed.call(this.#socket, frame);
      if (this.#account < 0) continue;
      const rest = this.#splitter.rest();
      if (rest.length > 0) this.#read(rest);
      return;
    }
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#ended) return;
    this.#silent = false;
    if (!isBinary) {
      return this.finish("BTP frames are binary, this was text.", CLOSE_UNSUPPORTED);
    }
    // `ws` gives one Buffer a message unless told otherwise.
    const frame = data as Buffer;
    if (this.#account < 0) return this.#owner.greet(this, frame);
    if (this.#deps.switch.frame(this.#account, frame) === Status.BadFrame) {
      this.finish("This was not a BTP frame.", CLOSE_PROTOCOL);
    }
  }

  /**
   * Once a turn in which something was written. The switch is told of congestion here and not in
   * `write`, which runs in the middle of its work.
   */
  #watch(): void {
    if (this.#ended) return;
    const waiting = this.#socket.writableLength;
    if (waiting < this.#limits.congestBytes) return;
    if (waiting >= this.#limits.giveUpBytes) {
      this.drop(`${waiting} bytes waited for the peer, which did not read them.`);
    } else if (!this.#congested) this.#congest();
  }

  #congest(): void {
    this.#congested = true;
    this.#stalled = 0;
    this.#sentBytes = this.#sent();
    this.#looks = setInterval(() => this.#look(), this.#limits.lookMs);
    this.#looks.unref();
    this.#ws.pause();
    this.#deps.log.debug("BTP peer reads too slowly", { link: this.describe() });
    this.#deps.switch.congest(this.#account, this, true);
  }

  /** The system took all that waited. */
  #relieve(): void {
    if (!this.#congested || this.#ended) return;
    this.#congested = false;
    this.#silent = false;
    clearInterval(this.#looks);
    this.#ws.resume();
    this.#deps.switch.congest(this.#account, this, false);
  }

  /** Bytes the system has taken so far. */
  #sent(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  /**
   * Ends a stalled peer. Otherwise reads from it for one turn of the event loop: two nodes that
   * wait for each other to read would wait for ever.
   */
  #look(): void {
    const sent = this.#sent();
    this.#stalled = sent === this.#sentBytes ? this.#stalled + this.#limits.lookMs : 0;
    this.#sentBytes = sent;
    if (this.#stalled >= this.#limits.stallMs) {
      return this.drop(`the peer read nothing for ${this.#limits.stallMs / 1000} s.`);
    }
    this.#ws.resume();
    setImmediate(this.#pauseAgain);
  }

  readonly #pauseAgain = (): void => {
    if (this.#congested && !this.#ended) this.#ws.pause();
  };

  /** A congested peer's pong may wait behind our own bytes; #look watches it instead. */
  #ping(): void {
    if (this.#congested || this.#ws.readyState !== OPEN) return;
    if (this.#silent) return this.drop("the peer did not answer a ping.");
    this.#silent = true;
    this.#ws.ping();
  }
}

/** Cuts to what a close frame can carry, between characters. */
function clip(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= REASON_MAX) return reason;
  return bytes.toString("utf8", 0, REASON_MAX - 3).replace(/\uFFFD+$/, "");
}

function describeError(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return "the peer sent too long a frame.";
  return `the connection broke (${code ?? error.message}).`;
}

/** The peer's words are quoted, and only what can be printed. */
function describeClose(code: number, reason: Buffer): string {
  const text = reason.toString("latin1").replace(/[^ -~]/g, "?");
  return `the peer closed the connection (${code}${text && `, "${text}"`}).`;
}

/** Why the core ended a stream. */
function describeEnd(code: number): string {
  const known: Record<number, string> = {
    1002: "the peer sent what is not a WebSocket or BTP frame",
    1003: "the peer sent text; BTP frames are binary",
    1007: "the peer sent text that is not UTF-8",
    1009: "the peer sent too long a frame",
    1011: "the core refused its bytes",
  };
  return `${known[code] ?? "the peer closed the connection"} (${code || "no code"}).`;
}
