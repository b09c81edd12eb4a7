// What goes out on a socket: collected for one turn of the event loop, then given to the system in
// as few pieces as possible. A buffer the system has taken whole is used again at once.
import type { Socket } from "node:net";

/** From here on waiting for more would only add delay: a system call's cost is spread enough. */
const PIECE_BYTES = 1 << 16;
/** Buffers kept for whoever writes next. Most of the time two links write in a turn. */
const SPARES_MAX = 4;

const spares: Buffer[] = [];
let waiting: Outbox[] = [];

function flushAll(): void {
  const due = waiting;
  waiting = [];
  for (const outbox of due) outbox.flush();
}

export class Outbox {
  readonly #socket: Socket;
  readonly #flushed: () => void;
  #buffer: Buffer | null = null;
  #used = 0;
  #isWaiting = false;

  /** `flushed` is called once a turn in which something was written. */
  constructor(socket: Socket, flushed: () => void) {
    this.#socket = socket;
    this.#flushed = flushed;
  }

  /** Copies `[address, address + length)`; it leaves at the end of this turn at the latest. */
  push(memory: Uint8Array, address: number, length: number): void {
    if (this.#used + length > PIECE_BYTES) this.#write();
    if (length > PIECE_BYTES) {
      this.#give(Buffer.from(memory.subarray(address, address + length)));
    } else {
      this.#buffer ??= spares.pop() ?? Buffer.allocUnsafeSlow(PIECE_BYTES);
      this.#buffer.set(memory.subarray(address, address + length), this.#used);
      this.#used += length;
    }
    this.wake();
  }

  /** `flushed` will be called at the end of this turn, also when nothing is pushed. */
  wake(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    if (waiting.push(this) === 1) setImmediate(flushAll);
  }

  /** Everything pushed so far goes to the system now. */
  flush(): void {
    this.#isWaiting = false;
    this.#write();
    this.#flushed();
  }

  #write(): void {
    const buffer = this.#buffer;
    if (!buffer) return;
    const used = this.#used;
    this.#buffer = null;
    this.#used = 0;
    this.#give(buffer.subarray(0, used));
    // Nothing waits: the system has a copy of it all.
    const isFree = this.#socket.writableLength === 0;
    if (isFree && spares.length < SPARES_MAX) spares.push(buffer);
  }

  /** A socket that is ending takes no more, and its peer reads no more. */
  #give(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }
}
