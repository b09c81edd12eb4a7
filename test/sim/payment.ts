// What the simulation knows about a payment: the truth that apps and checkers compare with.
import type { App } from "./app.js";

export type Outcome = "open" | "fulfilled" | "rejected" | "unknown";

export interface Payment {
  id: number;
  sender: App;
  receiver: App;
  amount: bigint;
  /** Least amount that the receiver takes. */
  minimum: bigint;
  preimage: Buffer;
  condition: Buffer;
  destination: string;
  data: Buffer;
  expiresAtMs: number;
  /** Microseconds. */
  sentAt: number;
  /** How often the receiver has given its preimage away. */
  released: number;
  outcome: Outcome;
  code: string;
}
