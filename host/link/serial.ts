// A serial line to a board: a device of this machine, or TCP to what stands in for one (an
// emulator, a terminal server). The core frames packets on it; here are only the bytes, opening
// again when the line is lost, and the time, which a board without a clock asks for.
import { spawn } from "node:child_process";
import { open as openFile } from "node:fs";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { ReadStream, WriteStream } from "node:tty";
import type { Cancel, Clock } from "../clock.js";
import type { SerialLink as SerialSettings } from "../config/types.js";
import { LinkKind } from "../core.js";
import type { Log } from "../log.js";
import type { Link, Switch } from "./link.js";
import { openSealed } from "./sealed.js";
import {
  BoardOp,
  SerialKind,
  isStatusFrame,
  readSerialFrame,
  writeSerialFrame,
} from "./serial-frame.js";

/** Most bytes of a status frame that is read here; others are the board's answers to tools. */
const STATUS_MAX = 64;
/** Boards have no clock that keeps its time: it is told again and again. */
const TIME_PERIOD_MS = 10_000;
const REOPEN_MS = 1000;
const KEEP_ALIVE_MS = 10_000;
/** Unsent bytes over which the account is congested, and under which it is no more. */
const CONGESTED_BYTES = 32_768;
const DELIMITER = Uint8Array.of(0);

export interface SerialDeps {
  switch: Switch;
  clock: Clock;
  log: Log;
}

/** Keeps one account's line open until it is stopped. */
export class SerialLink implements Link {
  readonly #account: number;
  readonly #id: string;
  readonly #settings: SerialSettings;
  readonly #deps: SerialDeps;
  #line: Duplex | null = null;
  #stopped = false;
  #congested = false;
  #said = "";
  #reopen: Cancel | null = null;
  #timer: Cancel | null = null;
  /** The start of a frame that has not ended; null when it is too long to be one for us. */
  #open: Uint8Array | null = new Uint8Array(0);

  constructor(account: number, id: string, settings: SerialSettings, deps: SerialDeps) {
    this.#account = account;
    this.#id = id;
    this.#settings = settings;
    this.#deps = deps;
  }

  /** Opens the line, and opens it again whenever it is lost. */
  start(): void {
    if (this.#stopped) return;
    this.#reopen = null;
    openLine(this.#settings, this.#deps.clock)
      .then((line) => this.#take(line))
      .catch((error: Error) => this.#lose(error.message));
  }

  stop(): void {
    this.close("connector stopped");
  }

  #take(line: Duplex): void {
    if (this.#stopped) {
      line.destroy();
      return;
    }
    this.#line = line;
    this.#open = new Uint8Array(0);
    this.#said = "";
    line.on("data", (chunk: Buffer) => this.#receive(chunk));
    line.on("drain", () => this.#congest(false));
    line.on("error", (error) => this.#lose(error.message));
    line.on("close", () => this.#lose("the line was closed"));
    this.#deps.switch.attach(this.#account, this, LinkKind.Serial);
    // Noise before it is a frame of its own.
    line.write(DELIMITER);
    this.#tellTime();
  }

  /** The line is gone, or could not be opened: says so once, and tries again. */
  #lose(reason: string): void {
    const line = this.#line;
    this.#line = null;
    this.#timer?.();
    this.#timer = null;
    if (line) {
      line.destroy();
      this.#deps.switch.detach(this.#account, this);
    }
    if (this.#stopped || this.#reopen) return;
    if (reason !== this.#said) {
      this.#said = reason;
      const { device } = this.#settings;
      this.#deps.log.warn("serial line is down", { account: this.#id, device, reason });
    }
    this.#reopen = this.#deps.clock.after(REOPEN_MS, () => this.start(), true);
  }

  // ---- bytes in

  #receive(chunk: Buffer): void {
    this.#listen(chunk);
    if (!this.#line) return;
    // The chunk is the switch's from here on.
    this.#deps.switch.stream(this.#account, chunk);
  }

  /** Looks for status frames that are for us. The core skips them, and reads everything else. */
  #listen(chunk: Uint8Array): void {
    let from = 0;
    for (let end = chunk.indexOf(0); end >= 0; end = chunk.indexOf(0, from)) {
      this.#keep(chunk.subarray(from, end));
      const frame = this.#open;
      if (frame && isStatusFrame(frame)) this.#readStatus(frame);
      this.#open = new Uint8Array(0);
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
  }

  #keep(part: Uint8Array): void {
    if (!this.#open || part.length === 0) return;
    const length = this.#open.length + part.length;
    this.#open = length > STATUS_MAX ? null : Buffer.concat([this.#open, part]);
  }

  #readStatus(bytes: Uint8Array): void {
    const frame = readSerialFrame(bytes);
    if (frame?.kind !== SerialKind.Status) return;
    if (frame.payload[0] === BoardOp.Hello) this.#tellTime();
    if (frame.payload[0] === BoardOp.Greeting)
      this.#lose("the board asks for a key: set serialKey");
  }

  #tellTime(): void {
    this.#timer?.();
    const payload = new Uint8Array(9);
    payload[0] = BoardOp.Time;
    const wallMs = BigInt(Math.floor(this.#deps.clock.wallMs()));
    new DataView(payload.buffer).setBigUint64(1, wallMs, true);
    this.#line?.write(writeSerialFrame(SerialKind.Status, 0, payload));
    this.#timer = this.#deps.clock.after(TIME_PERIOD_MS, () => this.#tellTime(), true);
  }

  // ---- Link

  write(memory: Uint8Array, address: number, length: number): void {
    const line = this.#line;
    if (!line) return;
    line.write(memory.slice(address, address + length));
    if (line.writableLength > CONGESTED_BYTES) this.#congest(true);
  }

  #congest(congested: boolean): void {
    if (congested === this.#congested) return;
    this.#congested = congested;
    this.#deps.switch.congest(this.#account, this, congested);
  }

  /** Serial links carry frames only; nothing asks for this. */
  request(): void {
    throw new Error("a serial link carries no raw packets");
  }

  close(_reason: string): void {
    this.#stopped = true;
    this.#reopen?.();
    this.#lose("closed");
  }

  describe(): string {
    const { device, baud } = this.#settings;
    return device.startsWith("tcp:") ? `serial ${device}` : `serial ${device} at ${baud} baud`;
  }
}

/** Opens a line; rejects with the reason. */
export async function openLine(
  { device, baud, key }: SerialSettings,
  clock: Clock,
): Promise<Duplex> {
  if (device.startsWith("tcp:")) {
    const socket = await openTcp(new URL(device));
    return key ? await openSealed(socket, Buffer.from(key.reveal(), "hex"), clock) : socket;
  }
  await setLine(device, baud);
  const fd = await new Promise<number>((resolve, reject) =>
    openFile(device, "r+", (error, descriptor) => (error ? reject(error) : resolve(descriptor))),
  );
  const [readable, writable] = [new ReadStream(fd), new WriteStream(fd)];
  return Duplex.from({ readable, writable });
}

function openTcp({ hostname, port }: URL): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    // A board that has lost its power says no goodbye.
    const keepAlive = { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
    const socket = connect({ host, port: Number(port), noDelay: true, ...keepAlive });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** Speed and raw mode, with the tool that every system has; Node has no call for it. */
function setLine(device: string, baud: number): Promise<void> {
  // Without RTS and CTS: where they are not wired, nothing would ever be sent.
  const mode = ["raw", "-echo", "-crtscts", "clocal", "-hupcl"];
  return new Promise((resolve, reject) => {
    const stty = spawn("stty", ["-F", device, String(baud), ...mode], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    stty.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    stty.once("error", (error) => reject(new Error(`stty cannot be run: ${error.message}`)));
    stty.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(said.trim().split("\n")[0] ?? `stty ended with ${code}`));
    });
  });
}
