// Fuzzing of every verb of the compiled core: mutated packets and frames from the corpus, and any
// 32-bit number for every argument. No call may trap, write outside the regions, or leave the books
// unsound. A life that fails is kept as the list of its calls, which `replayCalls` runs again.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { Guards, mapOf, violation, type Map as MemoryMap } from "../support/model/invariants.js";
import { AccountRecord } from "../../host/abi.js";
import { Machine } from "../support/model/machine.js";
import { Random } from "../support/model/random.js";
import { accountRecord } from "../support/model/record.js";

/** A call: the verb, its arguments, and the input it found, in hex. */
export type Call = [verb: string, args: number[], input: string];

/** Verbs that a packet goes through come most often. */
const OFTEN = ["frame", "request", "reply", "frame", "request", "reply", "direct", "tick", "fail"];
/** First bytes of the inputs a verb takes. */
const FIRST_BYTES: Record<string, number[]> = {
  request: [12],
  direct: [12],
  explain: [12],
  reply: [13, 14],
  frame: [1, 6],
  postClaim: [5],
  voidClaim: [5],
};
/** Verbs whose last two arguments are the time: a jump far ahead ends most of what can happen. */
const TIMED = ["frame", "request", "reply", "fail", "direct", "tick", "deadline"];
const CODES = [0x303046, 0x303054, 0x313054, 0x333054];
const WALL_MS = Date.UTC(2026, 10, 23, 12);
const WALL_HIGH = Math.floor(WALL_MS / 2 ** 32);
const CALLS_OF_A_LIFE = 600;

export function loadCorpus(): Buffer[] {
  const folder = new URL("./corpus/", import.meta.url);
  return readdirSync(folder).flatMap((name) =>
    readFileSync(new URL(name, folder), "utf8")
      .split("\n")
      .filter((line) => line && !line.startsWith("#"))
      .map((line) => Buffer.from(line, "hex")),
  );
}

export class Fuzzer {
  readonly machine = new Machine("test");
  readonly random: Random;
  /** Every exported function, and how often it was called: a new verb is fuzzed without asking. */
  readonly called: Record<string, number> = Object.fromEntries(
    Object.keys(this.machine.verbs)
      .filter((name) => typeof this.machine.verbs[name] === "function")
      .map((name) => [name, 0]),
  );
  executions = 0;
  forwards = 0;
  readonly #map: MemoryMap = mapOf(this.machine, 4, 14);
  readonly #guards = new Guards(this.machine);
  #calls: Call[] = [];
  #nowMs = 0;
  /** Latest outgoing requests: id and account. */
  #ids: [number, number][] = [];

  constructor(
    seed: number,
    private readonly corpus: Buffer[],
  ) {
    this.random = new Random(seed);
  }

  /** One life: an init, a plausible setting, then calls at random. */
  live(): void {
    const { random } = this;
    this.#calls = [];
    this.#nowMs = random.below(1_000_000);
    this.#call("init", [random.word() | 0, random.word() | 0]);
    this.#setUp();
    for (let i = 0; i < CALLS_OF_A_LIFE; i++) {
      this.#step();
      if (i % 64 === 63) this.#check();
    }
    this.#check();
  }

  /** The calls of the life that failed. */
  get calls(): Call[] {
    return this.#calls;
  }

  #check(): void {
    const wrong = violation(this.machine, this.#map) ?? this.#guards.check();
    if (wrong) throw new Error(wrong);
  }

  #call(verb: string, args: number[], input: Uint8Array = new Uint8Array(0)): number {
    this.#calls.push([verb, args, Buffer.from(input).toString("hex")]);
    this.executions += 1;
    this.called[verb]! += 1;
    this.machine.bytes.set(input, this.machine.input);
    return this.machine.verbs[verb]!(...args);
  }

  /** The corpus has a setting for each setter; see its last lines. */
  #setUp(): void {
    const { corpus } = this;
    const from = (n: number): Buffer => corpus[corpus.length - n]!;
    for (const asset of [0, 1]) this.#call("setAsset", [asset], from(2));
    for (let i = 0; i < 4; i++) this.#call("setAccount", [i], from(4));
    for (const [a, b] of [
      [0, 0],
      [0, 1],
      [1, 0],
    ] as const)
      this.#call("setRateOf", [a, b], from(3));
    this.#call("setAddress", [6], Buffer.from("test.n"));
    this.#call("setRoute", [6, 1], Buffer.from("test.a"));
    this.#call("setRoute", [8, 2], Buffer.from("test.a.b"));
    for (let i = 0; i < 4; i++) this.#call("linkUp", [i, 1 + this.random.below(2)]);
    this.#call("clock", [this.#nowMs, 0, (WALL_MS % 2 ** 32) | 0, WALL_HIGH]);
  }

  /** Any 32-bit number, the edges more often. */
  #any(): number {
    const { random } = this;
    if (random.chance(40)) return random.below(6);
    const edges = [-1, 0x7fffffff, -0x80000000, 65535, 65536, 73728, 73729, 255, 1 << 20];
    return random.chance(60) ? random.pick(edges) : random.word() | 0;
  }

  /** An entry of the corpus, mostly of the kind the verb takes, mostly damaged. */
  #input(verb: string): Buffer {
    const { random, corpus } = this;
    const wanted = FIRST_BYTES[verb];
    const fitting = wanted && random.chance(85);
    const choice = fitting ? corpus.filter((entry) => wanted.includes(entry[0]!)) : corpus;
    const bytes = Buffer.from(random.pick(choice));
    if (random.chance(60)) return bytes;
    for (let i = 0; i <= random.below(3); i++) {
      if (bytes.length)
        bytes[random.below(bytes.length)] = random.pick([0, 255, 128, random.below(256)]);
    }
    const n = random.below(10);
    if (n === 0) return bytes.subarray(0, random.below(bytes.length + 1));
    if (n === 1) return Buffer.concat([bytes, random.pick(corpus)]);
    return bytes;
  }

  #now(): [number, number] {
    const { random } = this;
    const n = random.below(1000);
    if (n === 0 && random.chance(10)) return [random.word() | 0, this.#any()];
    this.#nowMs += n < 20 ? 40_000 : n < 100 ? random.below(3000) : random.below(3);
    return [(this.#nowMs % 2 ** 32) | 0, Math.floor(this.#nowMs / 2 ** 32)];
  }

  /** A commit record whose sums are the account's own: the books stay sound, claims appear. */
  #restore(): void {
    const { machine, random } = this;
    const index = random.below(4);
    const at = machine.account(index);
    const sums: [bigint, bigint] = [
      machine.wide(at + AccountRecord.debitsLo),
      machine.wide(at + AccountRecord.creditsLo),
    ];
    const claim = (): bigint => BigInt(random.pick([0, 5, 1000])) << BigInt(random.pick([0, 54]));
    this.#call("replay", [1], accountRecord(index, sums, [claim(), claim()]));
  }

  #step(): void {
    const { random } = this;
    if (random.chance(1)) this.#restore();
    const verb = random.chance(85) ? random.pick(OFTEN) : random.pick(Object.keys(this.called));
    if (verb === "init" && random.chance(99)) return;
    const input = this.#input(verb);
    const args = Array.from({ length: this.machine.verbs[verb]!.length }, () => this.#any());
    if (random.chance(90)) this.#makeLikely(verb, args, input);
    else if (TIMED.includes(verb) && random.chance(95)) args.splice(-2, 2, ...this.#now());
    this.#call(verb, args, input);
    if (random.chance(97)) this.#drain();
  }

  /** Replaces arguments by such as a host would give: otherwise no call gets far. */
  #makeLikely(verb: string, args: number[], input: Buffer): void {
    const { random } = this;
    const known = this.#ids.length && random.chance(85);
    const [id, owner] = known ? random.pick(this.#ids) : [this.#any(), random.below(4)];
    const now = this.#now();
    const answers = verb === "reply" || verb === "fail" || (verb === "frame" && input[0] !== 6);
    const index = answers && random.chance(85) ? owner : random.below(4);
    if (verb === "frame") args.splice(0, 4, index, input.length, ...now);
    else if (verb === "fail") args.splice(0, 5, index, id, random.pick(CODES), ...now);
    else if (["request", "reply", "direct"].includes(verb)) {
      args.splice(0, 5, index, id, input.length, ...now);
    } else if (verb === "tick" || verb === "deadline") args.splice(0, 2, ...now);
    else if (verb === "clock") args.splice(0, 4, ...now, (WALL_MS % 2 ** 32) | 0, WALL_HIGH);
    else if (verb === "explain") args[1] = input.length;
    else if (verb.endsWith("Claim")) args.splice(0, 2, index, random.below(2));
    else if (verb.startsWith("inspect") || /Route|Address/.test(verb)) args[0] = input.length;
    if (verb === "frame" && input.length > 5 && (input[0] === 1 || input[0] === 2)) {
      input.writeInt32BE(id | 0, 1);
    }
  }

  #drain(): void {
    for (const said of this.machine.drain()) {
      if (said.packetType !== 12) continue;
      this.forwards += 1;
      this.#ids.push([said.requestId | 0, said.account]);
      if (this.#ids.length > 6) this.#ids.shift();
    }
  }
}

/** Runs a kept life again on a new core; returns what is wrong, if anything is. */
export function replayCalls(calls: Call[]): string | undefined {
  const machine = new Machine("test");
  const guards = new Guards(machine);
  const map = mapOf(machine, 4, 14);
  for (const [verb, args, input] of calls) {
    machine.bytes.set(Buffer.from(input, "hex"), machine.input);
    try {
      machine.verbs[verb]!(...args);
    } catch (error) {
      return `${verb} ${args.join()}: ${(error as Error).message}`;
    }
    machine.drain();
  }
  return violation(machine, map) ?? guards.check();
}

/** The crashes that were found, each with its name. */
export function loadCrashes(): [string, Call[]][] {
  const folder = new URL("./crashes/", import.meta.url);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => [name, JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Call[]]);
}
