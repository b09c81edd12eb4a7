// Where WebSocket frames (RFC 6455 5.2) end, and nothing else about them: before authentication
// they are given to `ws` one at a time, so that not a byte of the first packet is in its hands when
// the core takes over.

/** Longest frame header with a mask. */
const HEAD_MAX = 14;
const EMPTY = Buffer.alloc(0);

export class FrameSplitter {
  readonly #lengthMax: number;
  #parts: Buffer[] = [];
  #length = 0;
  /** Fewer bytes are no frame. */
  #wanted = 2;

  /** A frame whose header tells of more than `lengthMax` bytes is not waited for. */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  push(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#length += chunk.length;
  }

  /** The next whole frame, or all there is of one that is too long; null when more must come. */
  take(): Buffer | null {
    while (this.#length >= this.#wanted) {
      const bytes = this.#join();
      const size = frameSize(bytes);
      if (size <= bytes.length || size > this.#lengthMax + HEAD_MAX) {
        this.#parts = [bytes.subarray(size)];
        this.#length = Math.max(0, bytes.length - size);
        this.#wanted = 2;
        return bytes.subarray(0, size);
      }
      this.#wanted = size;
    }
    return null;
  }

  /** What was not taken, as it came. */
  rest(): Buffer {
    const bytes = this.#join();
    this.#parts = [];
    this.#length = 0;
    return bytes;
  }

  #join(): Buffer {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts, this.#length)];
    return this.#parts[0] ?? EMPTY;
  }
}

/** Bytes of the frame that starts here, or of as much of its header as tells more. */
function frameSize(bytes: Buffer): number {
  const second = bytes[1]!;
  const mask = second & 0x80 ? 4 : 0;
  const short = second & 0x7f;
  if (short < 126) return 2 + mask + short;
  const head = short === 126 ? 4 : 10;
  if (bytes.length < head) return head;
  const length = short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return head + mask + length;
}
