// `npm run bench:profile -- [case]`: where the connector's CPU time goes in one case. The system
// says how much of it was spent in the kernel; V8's sampling profiler says what the rest went to.
// Times of rounds with the profiler on, scaled to those without it: the parts add up.
import { fileURLToPath } from "node:url";
import { BtpDriver } from "./btp-driver.js";
import { allCases } from "./cases.js";
import { freePorts } from "../support/peers.js";
import { Running } from "./contender.js";
import { MAIN, ferrule } from "./contenders.js";
import { HttpDriver, HttpReceiver } from "./http-driver.js";
import { Profiler, type Profile } from "./inspector.js";
import { PoolShelf } from "./pool.js";
import { cpuUs, kernelShare } from "./proc.js";

const MODULES = fileURLToPath(new URL("../../build/host/cli/main.js", import.meta.url));
const PACKETS = 1_000_000;
/** Rounds of a tenth of it each. */
const ROUNDS = 10;

/** What a function's own time is spent on; the first that fits. "" is not counted as user time. */
const PARTS: [string, (name: string, url: string) => boolean][] = [
  ["", (name) => name === "(idle)"],
  // Kernel time, and known better from the system.
  ["", (name, url) => url === "" && /^(writeBuffer|writev|fdatasync|fsync|write)/.test(name)],
  ["V8: garbage collection", (name) => name === "(garbage collector)"],
  ["core: frames, packets, books, hashes (WebAssembly)", (_name, url) => url.startsWith("wasm:")],
  [
    "host: bytes into the core, outputs out of it, and their copies",
    (name, url) => /core\.js|engine\.js$/.test(url) || /Wasm/.test(name),
  ],
  ["host: links (session, outbox, copies)", (_name, url) => url.includes("/host/link/")],
  ["host: journal", (_name, url) => /\/host\/(store|bookkeeper)/.test(url)],
  ["Node: sockets, streams, timers", (_name, url) => url.startsWith("node:")],
  ["Node and V8, native", () => true],
];

/** Microseconds of samples by part, and the functions with most of them. */
function sum(profile: Profile): { parts: Map<string, number>; functions: [string, number][] } {
  const nodes = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  const add = (to: Map<string, number>, key: string, us: number): void =>
    void to.set(key, (to.get(key) ?? 0) + us);
  for (const [i, id] of profile.samples.entries()) {
    const { functionName, url } = nodes.get(id)!;
    const [part] = PARTS.find(([, fits]) => fits(functionName, url))!;
    if (part === "") continue;
    add(parts, part, profile.timeDeltas[i]!);
    const where = url.split("/").slice(-2).join("/");
    add(functions, `${functionName || "(anonymous)"} ${where}`, profile.timeDeltas[i]!);
  }
  return { parts, functions: [...functions].sort(([, a], [, b]) => b - a) };
}

const [, , name = "btp-0B-100"] = process.argv;
const one = allCases(["group", "strict"]).find((candidate) => candidate.name === name);
if (!one) throw new Error(`There is no case ${name}.`);
const [port] = await freePorts(1);
const recipe = await ferrule.prepare(one);
// The program is one script; its modules tell the parts apart.
const modules = recipe.args.map((arg) => (arg === MAIN ? MODULES : arg));
const args = [`--inspect=127.0.0.1:${port}`, ...modules];
const running = await Running.start({ ...recipe, args }, "");
const { dataSize, inFlight } = one;
const pools = new PoolShelf();
const options = { wire: recipe.wire, dataSize, inFlight, pairs: recipe.pairs, pools };
const receiver = recipe.wire === "http" ? await HttpReceiver.listen(recipe.receiverPort!) : null;
const driver = receiver ? new HttpDriver(options, receiver) : await BtpDriver.connect(options);
const dear = receiver ? 20 : Math.max(1, (dataSize + 1) / 4000);
const total = Math.round(PACKETS / ROUNDS / dear);

async function rounds(): Promise<{ usPerTrip: number; kernel: number }> {
  const before = cpuUs(running.pid);
  const kernel = kernelShare(running.pid);
  for (let i = 0; i < ROUNDS; i++) await driver.round(total, inFlight);
  const usPerTrip = (cpuUs(running.pid) - before) / total / ROUNDS;
  return { usPerTrip, kernel: kernel() };
}

await rounds();
const { usPerTrip, kernel } = await rounds();
const profiler = await Profiler.attach(port!);
await profiler.start();
await rounds();
const { parts, functions } = sum(await profiler.stop());
driver.close();
await running.stop();
const sampled = [...parts.values()].reduce((all, us) => all + us, 0);
const user = usPerTrip * (1 - kernel);
const line = (us: number, what: string): void =>
  console.log(
    `  ${us.toFixed(3)} µs ${((100 * us) / usPerTrip).toFixed(0).padStart(3)} %  ${what}`,
  );
console.log(`${one.title}: ${usPerTrip.toFixed(2)} µs a round trip, of it`);
line(usPerTrip * kernel, "kernel: reading, writing, waiting, disk");
for (const part of new Set(PARTS.map(([part]) => part))) {
  const us = parts.get(part);
  if (us) line((us / sampled) * user, part);
}
console.log("Functions with most of the user time:");
for (const [label, us] of functions.slice(0, 20)) line((us / sampled) * user, label);
process.exit(0);
