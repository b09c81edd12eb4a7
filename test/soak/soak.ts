// `npm run soak -- --minutes 60`: a connector as users run it (the command line, its own process)
// under full load on loopback, with rejects, packets nobody answers and reconnecting apps mixed in.
// At the end every balance must be what the apps counted, to the unit, and memory must not have
// grown.
import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BtpPeer, Receiver, Sender, sha256 } from "../support/btp-peer.js";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    pairs: { type: "string", default: "4" },
    inFlight: { type: "string", default: "100" },
    dataSize: { type: "string", default: "64" },
    seed: { type: "string", default: String(Date.now() & 0xffffff) },
  },
});
const MINUTES = Number(values.minutes);
const PAIRS = Number(values.pairs);
const REPORT_MS = 60_000;
const MAIN = fileURLToPath(new URL("../../build/host/ferrule.cjs", import.meta.url));

const idOf = (token: string): string => createHash("sha256").update(token).digest("base64url");

/** A seeded generator (mulberry32): a run's choices can be repeated. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x100000000;
  };
}

const rssMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;

function startConnector(folder: string): ChildProcess {
  const file = join(folder, "ferrule.toml");
  const toml = [
    'ilpAddress = "test.soak"',
    `dataDir = "${join(folder, "data")}"`,
    "spread = 0",
    '[btp]\nport = 17768\nopenTokens = true\n[btp.open]\nassetCode = "XRP"\nassetScale = 9',
    "rateLimit.refillCount = 100000000",
    "[http]\nenabled = false",
    "[admin]\nport = 17769",
  ];
  writeFileSync(file, toml.join("\n"), { mode: 0o600 });
  const args = [MAIN, "start", "--config", file, "--log-level", "warn"];
  return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
}

async function until(what: string, ready: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await ready().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not happen within 10 s.`);
}

/** Balances by account id, as the admin API says. */
async function readBalances(): Promise<Map<string, bigint>> {
  const response = await fetch("http://127.0.0.1:17769/accounts");
  const accounts = (await response.json()) as { id: string; balance: string }[];
  return new Map(accounts.map(({ id, balance }) => [id, BigInt(balance)]));
}

const folder = mkdtempSync(join(tmpdir(), "ferrule-soak-"));
const child = startConnector(folder);
let died = false;
child.once("exit", () => (died = true));
process.once("exit", () => child.kill("SIGKILL"));
await until("the connector listening", async () => (await readBalances()).size > 0);

const random = randomFrom(Number(values.seed));
const fulfillments = Array.from({ length: 4096 }, () => randomBytes(32));
const known = new Map(fulfillments.map((f) => [sha256(f).toString("latin1"), f]));
const senders: Sender[] = [];
const receivers: Receiver[] = [];
for (let i = 0; i < PAIRS; i++) {
  const receiver = await BtpPeer.connect("ws://127.0.0.1:17768", `receiver-${i}`);
  receivers.push(
    new Receiver(receiver, known, () => {
      const x = random();
      if (x < 0.0001) return "silent";
      return x < 0.01 ? "reject" : "fulfill";
    }),
  );
  const sender = await BtpPeer.connect("ws://127.0.0.1:17768", `sender-${i}`);
  senders.push(
    new Sender(sender, `test.soak.${idOf(`receiver-${i}`)}.x`, known, {
      inFlight: Number(values.inFlight),
      dataSize: Number(values.dataSize),
      fulfillments,
    }),
  );
}

const packets = (): number => senders.reduce((n, s) => n + s.fulfilled + s.rejected, 0);
const rssStart = rssMiB(child.pid!);
const started = Date.now();
console.log(`seed ${values.seed}, ${PAIRS} pairs, ${MINUTES} minutes, Node ${process.version}`);
for (const sender of senders) sender.start();
let rssAfterWarmUp = 0;
let last = 0;
while (Date.now() - started < MINUTES * 60_000 && !died) {
  const left = MINUTES * 60_000 - (Date.now() - started);
  await new Promise((resolve) => setTimeout(resolve, Math.min(REPORT_MS, left)));
  const now = packets();
  const rss = rssMiB(child.pid!);
  rssAfterWarmUp ||= rss;
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`${seconds} s: ${now} packets (+${now - last}), RSS ${rss.toFixed(1)} MiB`);
  last = now;
}
if (died) throw new Error("The connector ended during the soak.");
await Promise.all(senders.map((sender) => sender.finish()));
const seconds = (Date.now() - started) / 1000;
const balances = await readBalances();
let differences = 0n;
let wrong = 0;
const size = (value: bigint): bigint => (value < 0n ? -value : value);
for (let i = 0; i < PAIRS; i++) {
  differences += size((balances.get(idOf(`sender-${i}`)) ?? 0n) - senders[i]!.sent);
  differences += size((balances.get(idOf(`receiver-${i}`)) ?? 0n) + receivers[i]!.received);
  differences += size(senders[i]!.sent - receivers[i]!.received);
  wrong += senders[i]!.wrong;
}
const codes = new Map<string, number>();
for (const sender of senders) {
  for (const [code, n] of sender.codes) codes.set(code, (codes.get(code) ?? 0) + n);
}
const rssEnd = rssMiB(child.pid!);
for (const { peer } of senders) peer.close();
child.kill("SIGINT");
const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
rmSync(folder, { recursive: true });
console.log(
  JSON.stringify({
    seconds: Math.round(seconds),
    packets: packets(),
    packetsPerSecond: Math.round(packets() / seconds),
    rejects: Object.fromEntries(codes),
    rssStartMiB: rssStart,
    rssAfterFirstMinuteMiB: rssAfterWarmUp,
    rssEndMiB: rssEnd,
    differences: differences.toString(),
    wrongReplies: wrong,
    exitCode: code,
  }),
);
process.exit(differences === 0n && wrong === 0 && code === 0 ? 0 : 1);
