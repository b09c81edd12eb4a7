// Warnings that a stranger or a broken peer can cause at will: one a second at most, with the
// number of those left out, so that nobody fills the disk.
import type { Log } from "../log.js";

const PERIOD_MS = 1000;

export class LimitedLog {
  readonly #log: Log;
  #nextMs = 0;
  #omitted = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  warn(message: string, fields: Record<string, unknown>): void {
    const nowMs = performance.now();
    if (nowMs < this.#nextMs) {
      this.#omitted++;
      return;
    }
    this.#nextMs = nowMs + PERIOD_MS;
    this.#log.warn(message, this.#omitted > 0 ? { ...fields, omitted: this.#omitted } : fields);
    this.#omitted = 0;
  }
}
