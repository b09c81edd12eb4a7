// `npm run bench:core`: the core's hot path against a looped SHA-256 of 32 bytes in the same
// module, and against the libraries that JavaScript connectors use. Cases alternate in short
// slices; figures are medians over rounds, ratios are what counts: absolute times drift with the
// machine.
//   node --import tsx test/bench/core.ts [--rounds N]
import { createHash, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { Core } from "../../host/core.js";
import { writeFulfill, writePrepare } from "../../host/packet.js";
import { probeModule } from "../support/probe.js";
import { openBooks } from "./books.js";

const require = createRequire(import.meta.url);
interface IlpPacket {
  deserializeIlpPacket(packet: Buffer): { data: object };
  serializeIlpPrepare(prepare: object): Buffer;
  serializeIlpFulfill(fulfill: object): Buffer;
}
const ilpPacket = require("ilp-packet") as IlpPacket;

const { values } = parseArgs({ options: { rounds: { type: "string", default: "200" } } });
const ROUNDS = Number(values.rounds);
const COUNT = 1024;
const SLOT = 256;

interface BenchExports {
  memory: WebAssembly.Memory;
  preparesAddress(): number;
  fulfillsAddress(): number;
  addressesAddress(): number;
  copyOnly(n: number): void;
  prepares(n: number, lo: number, hi: number): number;
  fulfills(n: number, lo: number, hi: number): number;
  fulfillsBatched(n: number, k: number, lo: number, hi: number): number;
  rejects(n: number, lo: number, hi: number): number;
  lookups(n: number): number;
  loopedHashes(n: number): number;
  verifies(n: number): number;
  verifiesByFour(n: number): number;
}

/** Address of about 69 bytes of which the route covers about 21. */
function destination(i: number): string {
  return `test.connector.bob${i}.${"u".repeat(24)}.${"invoice"}.${i.toString().padStart(16, "0")}`;
}

/** A core with `routes` routes and every check and limit on, and its packets. */
function setUp(simd: boolean, routes: number): { core: Core; e: BenchExports; nowMs: number } {
  const module = probeModule("bench", { simd });
  const core = new Core(module, new Uint8Array(8));
  const e = core.exports as unknown as BenchExports;
  const nowMs = 1_000_000;
  core.clock(nowMs, Date.now());
  openBooks(core, routes);
  fill(core, e, routes);
  return { core, e, nowMs };
}

/** Writes the packets of a round into the module's slots. */
function fill(core: Core, e: BenchExports, routes: number): void {
  const view = new DataView(e.memory.buffer);
  const put = (base: number, i: number, bytes: Uint8Array): void => {
    view.setUint32(base + i * SLOT, bytes.length, true);
    core.bytes.set(bytes, base + i * SLOT + 8);
  };
  for (let i = 0; i < COUNT; i++) {
    const fulfillment = randomBytes(32);
    const address = destination((i * 97) % routes);
    const prepare = writePrepare({
      amount: 100_000_000n + BigInt(i),
      expiresAtMs: Date.now() + 25000,
      condition: createHash("sha256").update(fulfillment).digest(),
      destination: address,
      data: randomBytes(40),
    });
    put(e.preparesAddress(), i, prepare);
    put(e.fulfillsAddress(), i, writeFulfill(fulfillment, new Uint8Array(15)));
    put(e.addressesAddress(), i, new TextEncoder().encode(address));
  }
}

const median = (times: number[]): number => times.sort((a, b) => a - b)[times.length >> 1]!;

class Bench {
  readonly #cases = new Map<string, { run: () => void; n: number; times: number[] }>();

  add(name: string, n: number, run: () => void): void {
    this.#cases.set(name, { run, n, times: [] });
  }

  /** Alternates all cases, a slice each, for the given rounds. */
  run(rounds: number): void {
    for (let round = -20; round < rounds; round++) {
      for (const c of this.#cases.values()) {
        const from = process.hrtime.bigint();
        c.run();
        const ns = Number(process.hrtime.bigint() - from) / c.n;
        if (round >= 0) c.times.push(ns);
      }
    }
  }

  ns(name: string): number {
    return median([...this.#cases.get(name)!.times]);
  }
}

/** Prepares must be followed by what ends them: each pair is timed in its two halves. */
function addPair(bench: Bench, label: string, simd: boolean): void {
  const { core, e, nowMs } = setUp(simd, 1000);
  const lo = nowMs | 0;
  const must = (n: number, what: string): void => {
    if (n === COUNT) return;
    throw new Error(`only ${n} of ${COUNT} ${what}: ${JSON.stringify(core.events(1)[0]?.rule)}`);
  };
  bench.add(`copy ${label}`, COUNT, () => e.copyOnly(COUNT));
  bench.add(`prepare ${label}`, COUNT, () => must(e.prepares(COUNT, lo, 0), "forwarded"));
  bench.add(`fulfill ${label}`, COUNT, () => must(e.fulfills(COUNT, lo, 0), "relayed"));
  for (const k of [4, 64]) {
    bench.add(`prepare for ${k} ${label}`, COUNT, () =>
      must(e.prepares(COUNT, lo, 0), "forwarded"),
    );
    bench.add(`fulfill by ${k} ${label}`, COUNT, () =>
      must(e.fulfillsBatched(COUNT, k, lo, 0), "relayed"),
    );
  }
  bench.add(`prepare again ${label}`, COUNT, () => must(e.prepares(COUNT, lo, 0), "forwarded"));
  bench.add(`reject ${label}`, COUNT, () => must(e.rejects(COUNT, lo, 0), "relayed"));
  bench.add(`looped hash ${label}`, COUNT, () => e.loopedHashes(COUNT));
  bench.add(`verify ${label}`, COUNT, () => e.verifies(COUNT));
  if (simd) bench.add(`verify by four ${label}`, COUNT, () => e.verifiesByFour(COUNT));
}

/** A pair driven from JavaScript, copy-in included, as a host does it. */
function addDriven(bench: Bench): void {
  const { core, e, nowMs } = setUp(true, 1000);
  const packets = (base: number): Uint8Array[] =>
    Array.from({ length: COUNT }, (_, i) => {
      const at = base + i * SLOT;
      const length = new DataView(e.memory.buffer).getUint32(at, true);
      return core.bytes.slice(at + 8, at + 8 + length);
    });
  const prepares = packets(e.preparesAddress());
  const fulfills = packets(e.fulfillsAddress());
  let id = 0;
  const none = (): void => {};
  const sink = {
    frame: none,
    request: (_account: number, _source: number, requestId: number) => (id = requestId),
    reply: none,
    settlementDue: none,
    lateFulfill: none,
  };
  bench.add("pair from JavaScript", COUNT, () => {
    for (let i = 0; i < COUNT; i++) {
      const prepare = prepares[i]!;
      core.input.set(prepare);
      core.request(1, i, prepare.length, nowMs);
      core.drain(sink);
      const fulfill = fulfills[i]!;
      core.input.set(fulfill);
      core.reply(2, id, fulfill.length, nowMs);
      core.drain(sink);
    }
  });
  const n = 256;
  bench.add("ilp-packet decode + encode pair", n, () => {
    for (let i = 0; i < n; i++) {
      const prepare = ilpPacket.deserializeIlpPacket(Buffer.from(prepares[i]!));
      ilpPacket.serializeIlpPrepare(prepare.data);
      const fulfill = ilpPacket.deserializeIlpPacket(Buffer.from(fulfills[i]!));
      ilpPacket.serializeIlpFulfill(fulfill.data);
    }
  });
}

async function addHashes(bench: Bench): Promise<void> {
  const data = randomBytes(32);
  const { digest } = (await import("@chainsafe/as-sha256")) as unknown as {
    digest(data: Uint8Array): Uint8Array;
  };
  bench.add("node:crypto createHash", COUNT, () => {
    for (let i = 0; i < COUNT; i++) createHash("sha256").update(data).digest();
  });
  bench.add("@chainsafe/as-sha256 digest", COUNT, () => {
    for (let i = 0; i < COUNT; i++) digest(data);
  });
}

const bench = new Bench();
addPair(bench, "scalar", false);
addPair(bench, "SIMD", true);
addDriven(bench);
await addHashes(bench);
for (const routes of [10, 1000, 100_000]) {
  const { e } = setUp(true, routes);
  bench.add(`lookup ${routes}`, COUNT, () => e.lookups(COUNT));
}
bench.run(ROUNDS);

const yardstick = bench.ns("looped hash scalar");
const net = (name: string, label: string): number =>
  bench.ns(`${name} ${label}`) - bench.ns(`copy ${label}`);
const row = (name: string, ns: number, target: string): void =>
  console.log(
    `${name.padEnd(38)} ${ns.toFixed(1).padStart(8)} ns`,
    `${(ns / yardstick).toFixed(2).padStart(6)}×  ${target}`,
  );
console.log(`${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.version}, ${ROUNDS} rounds`);
console.log("median per operation; × = ratio to a looped SHA-256 of 32 bytes in the same module");
row("looped SHA-256 of 32 bytes", yardstick, "");
for (const label of ["scalar", "SIMD"]) {
  row(`prepare, ${label}, 1000 routes`, net("prepare", label), "target 0.60×");
  row(`fulfill one by one, ${label}`, net("fulfill", label), "target 1.10×");
  for (const k of [4, 64]) {
    const target = label === "SIMD" ? "target 0.60×" : "";
    row(`fulfill in batches of ${k}, ${label}`, bench.ns(`fulfill by ${k} ${label}`), target);
  }
  row(`reject, ${label}`, bench.ns(`reject ${label}`), "");
  row(`verify alone, ${label}`, bench.ns(`verify ${label}`), "");
}
row("verify alone, four at a time", bench.ns("verify by four SIMD"), "");
for (const [routes, target] of [
  [10, ""],
  [1000, "target 0.25×"],
  [100_000, "target 0.60×"],
] as const) {
  row(`lookup, ${routes} routes`, bench.ns(`lookup ${routes}`), target);
}
row("node:crypto createHash", bench.ns("node:crypto createHash"), "");
row("@chainsafe/as-sha256 digest", bench.ns("@chainsafe/as-sha256 digest"), "");
const pair = bench.ns("pair from JavaScript");
const library = bench.ns("ilp-packet decode + encode pair");
row("prepare + fulfill from JavaScript", pair, "");
row("ilp-packet, decode and encode both", library, `${(library / pair).toFixed(1)}× the pair`);
