// Back-pressure: a peer that does not read costs bounded memory and nobody else's time, and two
// peers that both have much to say never wait for each other.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Secret } from "../../host/config/secret.js";
import { Status } from "../../host/core.js";
import { BtpDialer } from "../../host/link/btp-client.js";
import { SESSION_LIMITS } from "../../host/link/btp-session.js";
import type { FakeSwitch } from "./btp-support.js";
import { Client, DIAL, byNumber, dialDeaf, makeDeps, serve, until } from "./btp-support.js";

const FRAME = Buffer.alloc(32_768, 6);
const cleanUps: (() => unknown)[] = [];
after(() => Promise.all(cleanUps.map((cleanUp) => cleanUp())));

async function open(limits: Partial<typeof SESSION_LIMITS> = {}) {
  const served = await serve({}, byNumber, { ...SESSION_LIMITS, ...limits });
  cleanUps.push(() => served.server.close());
  return served;
}

/** Echoes what accounts send, and each time writes some frames to `account`. */
function floodOnTraffic(fake: FakeSwitch, account: number, until: () => boolean): () => number {
  let written = 0;
  fake.onFrame = (from, frame) => {
    fake.links.get(from)!.write(frame, 0, frame.length);
    for (let i = 0; i < 8 && !until(); i++) {
      fake.links.get(account)?.write(FRAME, 0, FRAME.length);
      written += FRAME.length;
    }
    return Status.Ok;
  };
  return () => written;
}

/** One frame there and back. */
async function roundTrip(client: Client): Promise<void> {
  const heard = client.heard.length;
  client.ws.send(Buffer.from([6]));
  await client.answered(heard + 1);
}

test("a peer that stops reading is noticed, not written to, and ended; others go on", async () => {
  const { url, fake, log, server } = await open({ stallMs: 300, lookMs: 50 });
  const deaf = await dialDeaf(url, "token-1");
  deaf.on("error", () => {});
  const worker = await new Client(url).enter("token-2");
  const isCongested = () => fake.calls.includes("congest 1 true");
  const written = floodOnTraffic(fake, 1, isCongested);
  while (!isCongested()) await roundTrip(worker);
  // What the system's own buffers took, and one mark of ours.
  assert.ok(written() < 32 << 20, `${written()} bytes written before the mark was noticed`);
  await until("the end of the deaf link", () => fake.calls.includes("detach 1"));
  await roundTrip(worker);
  assert.ok(!fake.calls.includes("congest 2 true"));
  assert.ok(log.lines.some((line) => /read nothing for 0.3 s/.test(String(line.fields.reason))));
  await until("its socket to go", () => server.connectionCount === 1);
  deaf.destroy();
});

test("memory for one peer has a limit even when the switch goes on writing", async () => {
  const { url, fake } = await open({ giveUpBytes: 4 << 20 });
  const deaf = await dialDeaf(url, "token-1");
  deaf.on("error", () => {});
  const worker = await new Client(url).enter("token-2");
  const written = floodOnTraffic(fake, 1, () => !fake.links.has(1));
  while (fake.links.has(1)) await roundTrip(worker);
  assert.ok(written() < 32 << 20, `${written()} bytes`);
  await roundTrip(worker);
  deaf.destroy();
});

test("a slow reader that comes back gets every byte in order and is read from again", async () => {
  const { url, fake } = await open({ lookMs: 60_000 });
  const slow = await new Client(url).enter("token-1");
  const worker = await new Client(url).enter("token-2");
  slow.ws.pause();
  let count = 0;
  while (!fake.calls.includes("congest 1 true")) {
    const frame = Buffer.from(FRAME);
    frame.writeUInt32BE(count++, 1);
    fake.links.get(1)!.write(frame, 0, frame.length);
    await new Promise((resolve) => setImmediate(resolve));
  }
  // It can write, but nobody reads what it writes.
  fake.onFrame = (from, frame) => {
    if (from === 2) fake.links.get(2)!.write(frame, 0, frame.length);
    return Status.Ok;
  };
  slow.ws.send(Buffer.from([6, 42]));
  for (let i = 0; i < 10; i++) await roundTrip(worker);
  assert.equal(fake.frames.length, 10);
  slow.ws.resume();
  await slow.answered(count + 1);
  for (let i = 0; i < count; i++) assert.equal(slow.heard[i + 1].readUInt32BE(1), i);
  await until("relief", () => fake.calls.includes("congest 1 false"));
  await until("its frame", () => fake.frames.length === 11);
  slow.ws.send(Buffer.from([6, 43]));
  await until("the next", () => fake.frames.length === 12);
  const calls = fake.calls.filter((call) => !call.endsWith("2"));
  assert.deepEqual(calls, ["attach 1", "congest 1 true", "congest 1 false"]);
});

test("two nodes congested towards each other both get through", async () => {
  const { url, fake } = await open({ lookMs: 10 });
  const deps = makeDeps();
  const limits = { ...SESSION_LIMITS, lookMs: 10, giveUpBytes: 64 << 20 };
  const link = { ...DIAL, url, token: new Secret("token-1") };
  const dialer = new BtpDialer(5, "bob", link, deps, limits);
  cleanUps.unshift(() => dialer.stop());
  dialer.start();
  await until("both links", () => fake.links.has(1) && deps.switch.links.has(5));
  const count = 480; // 15 MiB each way in one go: more than the system's buffers hold
  for (let i = 0; i < count; i++) {
    fake.links.get(1)!.write(FRAME, 0, FRAME.length);
    deps.switch.links.get(5)!.write(FRAME, 0, FRAME.length);
  }
  const isDone = () => fake.frames.length === count && deps.switch.frames.length === count;
  await until("all frames", isDone, 10_000);
  assert.ok(fake.calls.includes("congest 1 true") && deps.switch.calls.includes("congest 5 true"));
  await until("relief", () => fake.calls.includes("congest 1 false"));
});

test("a frame is copied when it is written", async () => {
  const { url, fake } = await open();
  const client = await new Client(url).enter("token-1");
  const memory = new Uint8Array(100);
  for (let i = 0; i < 50; i++) {
    memory.fill(i);
    fake.links.get(1)!.write(memory, i, 50);
  }
  memory.fill(0xff);
  await client.answered(51);
  for (let i = 0; i < 50; i++) assert.deepEqual(client.heard[i + 1], Buffer.alloc(50, i));
});

test("frames of every length arrive whole in both directions", async () => {
  const { url, fake } = await open();
  const deps = makeDeps();
  const dialer = new BtpDialer(5, "bob", { ...DIAL, url, token: new Secret("token-1") }, deps);
  cleanUps.unshift(() => dialer.stop());
  dialer.start();
  await until("both links", () => fake.links.has(1) && deps.switch.links.has(5));
  const lengths = [1, 5, 124, 125, 126, 127, 128, 255, 256, 4095, 4096, 41_997 + 32];
  const memory = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7919) >> 3);
  for (const length of lengths) {
    fake.links.get(1)!.write(memory, length, length);
    deps.switch.links.get(5)!.write(memory, length, length);
  }
  const count = lengths.length;
  await until("all", () => fake.frames.length === count && deps.switch.frames.length === count);
  for (const [i, length] of lengths.entries()) {
    const expected = memory.slice(length, 2 * length);
    assert.deepEqual(fake.frames[i], expected);
    assert.deepEqual(deps.switch.frames[i], expected);
  }
});

test("1,000 connections", async (t) => {
  const { server, url, fake } = await serve({ maxConnections: 1000 });
  fake.onFrame = (from, frame) => {
    fake.links.get(from)!.write(frame, 0, frame.length);
    return Status.Ok;
  };
  const before = process.memoryUsage().rss;
  const start = performance.now();
  const clients: Client[] = [];
  for (let i = 0; i < 1000; i += 50) {
    const batch = Array.from({ length: 50 }, (_, k) => new Client(url).enter(`token-${i + k}`));
    clients.push(...(await Promise.all(batch)));
  }
  const connectMs = performance.now() - start;
  const bytes = (process.memoryUsage().rss - before) / 1000;
  await Promise.all(clients.map(roundTrip));
  const tripMs = performance.now() - start - connectMs;
  assert.equal(server.connectionCount, 1000);
  assert.equal(fake.links.size, 1000);
  const beyond = new Client(url);
  await beyond.closed();
  assert.equal(beyond.status, 503);
  await server.close();
  assert.equal(fake.links.size, 0);
  t.diagnostic(
    `connected in ${connectMs.toFixed()} ms, one round trip each in ${tripMs.toFixed()} ms, ` +
      `${(bytes / 1024).toFixed()} KiB each with both ends in this process`,
  );
});
