// Copies of small things in shared buffers: a buffer of its own costs each more than the copy, and
// the garbage collector most.

export class Slab {
  readonly #size: number;
  #bytes = new Uint8Array(0);
  #used = 0;

  /** `size`: bytes of a buffer, which lives as long as anything in it. */
  constructor(size: number) {
    this.#size = size;
  }

  /** The buffer that the last copy is in. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Copies `length` bytes at `address`; returns where in `bytes` the copy is. */
  copy(from: Uint8Array, address: number, length: number): number {
    if (length > this.#bytes.length - this.#used) {
      this.#bytes = new Uint8Array(Math.max(this.#size, length));
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += length;
    this.#bytes.set(from.subarray(address, address + length), at);
    return at;
  }
}
