// A core with three accounts for scenario tests: alice (1) and bob (2) on raw links, carol (3) on
// BTP, the node itself (0). One asset, rate 1, routes test.a, test.b, test.c.
import { readFileSync } from "node:fs";
import { Core, LinkKind, Relation, Status, type AccountOptions } from "../../../host/core.js";
import { decode, type Packet } from "../reference/ilp.js";
import { prepare, sha256, type Parcel } from "./codec.js";

/** What came out: on which account, under which id. */
export interface Out {
  kind: "request" | "reply" | "frame" | "settle" | "late";
  account: number;
  id: number;
  bytes: Buffer;
  packet: Packet | null;
  amount: bigint;
}

export const WALL_MS = Date.UTC(2026, 10, 23, 12);
export const PREIMAGE = Buffer.alloc(32, 7);
export const CONDITION = sha256(PREIMAGE);
export const ALICE = 1;
export const BOB = 2;
export const CAROL = 3;
const NAMES = ["local", "alice", "bob", "carol"];

export class Node {
  readonly core: Core;
  nowMs = 1000;
  wallMs = WALL_MS;

  constructor(options: Record<number, Partial<AccountOptions>> = {}, profile = "test") {
    const url = new URL(`../../../build/${profile}.wasm`, import.meta.url);
    const bytes = new Uint8Array(readFileSync(url));
    this.core = new Core(new WebAssembly.Module(bytes), new Uint8Array(8));
    const { core } = this;
    core.setAsset(0, "XRP", 9);
    core.setRate(0, 0, 1n, 1n, 0);
    for (const [i, name] of NAMES.entries()) {
      const relation = i === 0 ? Relation.Local : i === CAROL ? Relation.Child : Relation.Peer;
      const segment = i === CAROL ? "carol" : "";
      core.setAccount(i, { name, segment, relation, asset: 0, ...options[i] });
      core.linkUp(i, i === CAROL ? LinkKind.Btp : LinkKind.Raw);
    }
    core.setAddress("test.n");
    for (const [i, letter] of ["a", "b", "c"].entries()) core.setRoute(`test.${letter}`, i + 1);
    core.clock(this.nowMs, this.wallMs);
  }

  /** Lets time pass on both clocks. */
  wait(ms: number): void {
    this.nowMs += ms;
    this.wallMs += ms;
  }

  drain(): Out[] {
    const out: Out[] = [];
    const { core } = this;
    const say = (
      kind: Out["kind"],
      account: number,
      id: number,
      at = 0,
      n = 0,
      amount = 0n,
    ): void => {
      const bytes = Buffer.from(core.bytes.subarray(at, at + n));
      const packet = n && kind !== "frame" ? decode(bytes).packet : null;
      out.push({ kind, account, id, bytes, packet, amount });
    };
    core.drain({
      frame: (account, at, n) => say("frame", account, 0, at, n),
      request: (account, _source, id, at, n) => say("request", account, id, at, n),
      reply: (account, id, at, n) => say("reply", account, id, at, n),
      settlementDue: (account, amount) => say("settle", account, 0, 0, 0, amount),
      lateFulfill: (account, _source, id, amount) => say("late", account, id, 0, 0, amount),
    });
    return out;
  }

  /** A Prepare as most tests want it. */
  packet(amount: bigint, to = "test.b.x", leftMs = 60_000, condition = CONDITION): Parcel {
    return prepare(amount, this.wallMs + leftMs, condition, to, Buffer.from("data"));
  }

  request(account: number, id: number, bytes: Uint8Array): Out[] {
    this.core.input.set(bytes);
    const status = this.core.request(account, id, bytes.length, this.nowMs);
    if (status !== Status.Ok) throw new Error(`request: ${Status[status]}`);
    return this.drain();
  }

  reply(account: number, id: number, bytes: Uint8Array): [Status, Out[]] {
    this.core.input.set(bytes);
    const status = this.core.reply(account, id, bytes.length, this.nowMs);
    return [status, this.drain()];
  }

  tick(): Out[] {
    this.core.tick(this.nowMs);
    return this.drain();
  }

  balance(account: number): bigint {
    return this.core.account(account).balance;
  }
}

/** Code and message of the only output, which is a Reject. */
export function rejection(out: Out[]): string {
  const packet = out[0]?.packet;
  if (out.length !== 1 || packet?.type !== 14) return `no Reject but ${out.length} outputs`;
  return `${packet.code.toString("latin1")} ${packet.message.toString("latin1")}`;
}
