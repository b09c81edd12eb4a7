// What a checker says when something is wrong: it ends the run.
import type { Payment } from "./payment.js";

export class Violation extends Error {
  /** `nodes`: whose last events help to understand it. */
  constructor(
    readonly checker: string,
    readonly what: string,
    readonly nodes: number[],
    readonly payment: Payment | null = null,
  ) {
    super(`${checker}: ${what}`);
    this.name = "Violation";
  }
}
