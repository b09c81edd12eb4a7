// The last things that happened, kept cheaply and made readable only when a run has failed, and a
// hash over all of them: two runs of one seed must have the same.
import type { Payment } from "./payment.js";
import { SECOND, type Scheduler } from "./scheduler.js";

export enum What {
  Send = 1,
  Forward,
  Refuse,
  Post,
  Void,
  Expire,
  Receive,
  Release,
  Answer,
  Fulfilled,
  Rejected,
  GaveUp,
  LinkUp,
  LinkDown,
  Lie,
  Settle,
  Fault,
  Crash,
  Start,
  Stop,
  Claim,
}

interface Entry {
  at: number;
  node: number;
  what: What;
  account: number;
  id: number;
  payment: number;
  amount: bigint;
  text: string;
}

const CAPACITY = 32_768;

export class Tracer {
  events = 0;
  #ring: Entry[] = [];
  #hash0 = 0x811c9dc5;
  #hash1 = 0x9747b28c;
  readonly #scheduler: Scheduler;
  /** Names of nodes and apps, by their index. */
  readonly names: string[] = [];
  /** Prints everything as it happens. */
  print: ((line: string) => void) | null = null;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  note(
    node: number,
    what: What,
    account: number,
    id: number,
    payment: Payment | null,
    amount = 0n,
    text = "",
  ): void {
    const at = this.#scheduler.now;
    const entry = { at, node, what, account, id, payment: payment?.id ?? 0, amount, text };
    this.#ring[this.events++ % CAPACITY] = entry;
    this.mix(at);
    this.mix(node * 65536 + what * 2048 + account);
    this.mix(id);
    this.mix(Number(BigInt.asUintN(32, amount)));
    if (this.print) this.print(this.#show(entry));
  }

  /** Adds a number to the hash of everything. */
  mix(n: number): void {
    this.#hash0 = Math.imul(this.#hash0 ^ (n & 0x7fffffff), 0x01000193);
    this.#hash1 = Math.imul(this.#hash1 + n, 0x85ebca6b) ^ (this.#hash1 >>> 13);
  }

  get hash(): string {
    const part = (n: number): string => (n >>> 0).toString(16).padStart(8, "0");
    return part(this.#hash0) + part(this.#hash1);
  }

  #show(e: Entry): string {
    const seconds = (e.at / SECOND).toFixed(6).padStart(13);
    const name = (this.names[e.node] ?? `#${e.node}`).padEnd(8);
    const payment = e.payment ? ` payment ${e.payment}` : "";
    const amount = e.amount ? ` amount ${e.amount}` : "";
    const where = ` account ${e.account} id ${e.id}`;
    return `${seconds} ${name} ${What[e.what]}${where}${payment}${amount} ${e.text}`.trimEnd();
  }

  /** The last events of some nodes, and all that is known of a payment. */
  tail(nodes: number[], payment: Payment | null, count: number): string[] {
    const first = Math.max(0, this.events - CAPACITY);
    const lines: string[] = [];
    const mine: string[] = [];
    for (let i = this.events - 1; i >= first; i--) {
      const e = this.#ring[i % CAPACITY]!;
      if (payment && e.payment === payment.id) mine.push(this.#show(e));
      else if (lines.length < count && nodes.includes(e.node)) lines.push(this.#show(e));
    }
    const all = [...lines.reverse()];
    if (payment) all.push(`payment ${payment.id}:`, ...mine.reverse());
    return all;
  }
}
