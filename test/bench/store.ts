// What the store writes, and how long a full journal takes to start from: `npm run bench:store`.
// A node on a virtual clock and a disk that only counts, so that a day takes seconds.
import { writeFulfill, writePrepare } from "../../host/packet.js";
import { createHash } from "node:crypto";
import { recover } from "../../host/store/recover.js";
import { makeConfig, makeDisk, startLife, type Life, type Mode } from "../store/rig.js";

const FULFILL = 13;
const preimage = createHash("sha256").update("bench").digest();
const condition = createHash("sha256").update(preimage).digest();

async function startNode(mode: Mode, journalSize: number): Promise<Life> {
  const config = { ...makeConfig(mode), journalSize };
  const life = startLife(config, makeDisk({ writeMs: () => 1, syncMs: () => 4 }), 1);
  await life.start();
  life.run(1000);
  life.link("bob", () => ({ packet: writeFulfill(preimage), afterMs: 1 }));
  life.link("alice", () => ({ packet: null, afterMs: 0 }));
  return life;
}

/** `fulfilled` is called when the packet has been, with the reply on its way back to alice. */
function pay(life: Life, number: number, fulfilled = (): void => {}): void {
  const { engine, registry } = life.connector;
  const amount = BigInt(number % 1000) + 1n;
  const expiresAtMs = life.clock.wallMs() + 900;
  const destination = `test.bob.${number}`;
  const packet = writePrepare({ amount, expiresAtMs, condition, destination });
  engine.request(registry.byId("alice")!.index, packet, (reply) => {
    if (reply?.[0] === FULFILL) fulfilled();
  });
}

interface Measured {
  /** Bytes written per 1,000 packets. */
  bytes: number;
  commits: number;
  /** Per second. */
  fulfilled: number;
}

/** What a rate of packets per second costs, and how much of it there was. */
async function measureRate(mode: Mode, perSecond: number): Promise<Measured> {
  const life = await startNode(mode, 4_194_304);
  const { facts } = life.connector.books.store!;
  const bytes = facts.bytesWritten;
  const batches = facts.batches;
  const seconds = perSecond >= 10_000 ? 2 : perSecond >= 1000 ? 10 : 100;
  const perMs = perSecond / 1000;
  let sent = 0;
  let fulfilled = 0;
  const start = life.clock.now;
  while (sent < seconds * perSecond) {
    const due = Math.floor((life.clock.now - start + 1) * perMs);
    while (sent < due) pay(life, sent++, () => fulfilled++);
    const end = life.clock.now + 1;
    while (life.clock.step(end));
  }
  const result = {
    bytes: Math.round(((facts.bytesWritten - bytes) * 1000) / sent),
    commits: Math.round((facts.batches - batches) / seconds),
  };
  // What is in flight still counts.
  life.run(1000);
  return { ...result, fulfilled: Math.round(fulfilled / seconds) };
}

async function measureRestart(mode: Mode): Promise<void> {
  const life = await startNode(mode, 4_194_304);
  const { facts } = life.connector.books.store!;
  let sent = 0;
  while (facts.journalUsed < 4_194_304 - 65_536) {
    for (let i = 0; i < 20; i++) pay(life, sent++);
    const end = life.clock.now + 10;
    while (life.clock.step(end));
  }
  const times: number[] = [];
  let batches = 0;
  for (let i = 0; i < 7; i++) {
    const started = performance.now();
    batches = recover(life.disk.afterKill())!.batches.length;
    times.push(performance.now() - started);
  }
  const median = times.sort((a, b) => a - b)[3]!;
  console.log(`${mode}: recovery from a full journal, ${batches} batches: ${median.toFixed(0)} ms`);
}

for (const mode of ["group", "trail", "strict"] as const) {
  for (const rate of [10, 1000, 50_000]) {
    const { bytes, commits, fulfilled } = await measureRate(mode, rate);
    const short = fulfilled < rate ? `, ${fulfilled} packets fulfilled a second` : "";
    console.log(
      `${mode}, ${rate}/s: ${bytes} bytes per 1,000 packets, ${commits} commits a second${short}`,
    );
  }
}
const idle = await startNode("group", 4_194_304);
const before = idle.connector.books.store!.facts.bytesWritten;
idle.run(86_400_000);
console.log(`an idle day: ${idle.connector.books.store!.facts.bytesWritten - before} bytes`);
for (const mode of ["group", "trail"] as const) await measureRestart(mode);
