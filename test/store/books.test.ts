// The bookkeeper and the claims, on a virtual clock and a model of a disk: when something is
// written, when a Prepare may leave, and what becomes of packets that a cut left open.
import { test } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { CoreError } from "../../host/core.js";
import { writeFulfill, writePrepare } from "../../host/packet.js";
import { DamageError, SLOTS, recover } from "../../host/store/recover.js";
import { makeConfig, makeDisk, startLife, type Life, type Mode } from "./rig.js";

const preimage = (n: number): Buffer => createHash("sha256").update(`secret ${n}`).digest();
const conditionOf = (n: number): Buffer => createHash("sha256").update(preimage(n)).digest();

/** Sends packet `n` from alice to bob. */
function pay(life: Life, n: number, amount = 100n, expiresInMs = 500): void {
  const { clock } = life;
  const packet = writePrepare({
    amount,
    expiresAtMs: clock.wallMs() + expiresInMs,
    condition: conditionOf(n),
    destination: "test.bob.x",
  });
  life.send("alice", packet);
}

async function startedLife(mode: Mode, more = "", disk = makeDisk()): Promise<Life> {
  const life = startLife(makeConfig(mode, more), disk, 1);
  await life.start();
  life.run(100);
  return life;
}

/** Bob, who fulfills packet `n` after a while, or never; `seen` is what has reached him. */
function linkBob(life: Life, afterMs: number | null): number[] {
  const seen: number[] = [];
  life.link("bob", () => {
    seen.push(life.clock.now);
    return {
      packet: afterMs === null ? null : writeFulfill(preimage(seen.length)),
      afterMs: afterMs ?? 0,
    };
  });
  life.link("alice", () => ({ packet: null, afterMs: 0 }));
  return seen;
}

test("writes one page per period while there is something, and nothing when idle", async () => {
  const life = await startedLife("group");
  linkBob(life, 1);
  const { facts } = life.connector.books.store!;
  const before = facts.bytesWritten;
  life.run(60_000);
  assert.equal(facts.bytesWritten, before, "idle");
  for (let n = 1; n <= 100; n++) {
    pay(life, n);
    life.run(5);
  }
  life.run(200);
  const pages = (facts.bytesWritten - before) / 4096;
  assert.ok(pages >= 8 && pages <= 12, `${pages} pages in half a second`);
  const after = facts.bytesWritten;
  life.run(86_400_000);
  assert.equal(facts.bytesWritten, after, "idle for a day");
});

test("has two good snapshots after a start, and misses the newer when it is damaged", async () => {
  const life = await startedLife("group");
  const found = recover(life.disk.afterKill())!;
  assert.ok(found.spare);
  const damaged = life.disk.afterKill();
  damaged.damage(SLOTS[found.slot], 100);
  assert.throws(() => recover(damaged), DamageError);
});

test("strict: a Prepare leaves when its hold is durable, a Fulfill at once", async () => {
  const disk = makeDisk({ writeMs: () => 3, syncMs: () => 40 });
  const life = await startedLife("strict", "", disk);
  life.run(200);
  const seen = linkBob(life, 0);
  const sent = life.clock.now;
  pay(life, 1);
  life.run(20);
  assert.deepEqual(seen, [], "not yet durable");
  life.run(30);
  assert.equal(seen.length, 1);
  assert.ok(seen[0]! - sent >= 43);
  assert.ok(recover(disk.afterCut("lost"))!.image.holds.size === 1);
  const { core, registry } = life.connector;
  assert.equal(core.account(registry.byId("alice")!.index).debits, 100n, "fulfilled at once");
});

test("strict: a Prepare that has expired while it waited stays here", async () => {
  let syncMs = 5;
  const life = await startedLife("strict", "", makeDisk({ syncMs: () => syncMs }));
  const seen = linkBob(life, 0);
  syncMs = 2000;
  pay(life, 1, 100n, 300);
  life.run(5000);
  assert.deepEqual(seen, []);
});

test("group: a Prepare leaves at once, and what is at risk is bounded", async () => {
  const disk = makeDisk({ syncMs: () => 400 });
  const more = "";
  const config = makeConfig("group", more);
  const [alice, ...others] = config.accounts;
  const life = startLife(
    { ...config, accounts: [{ ...alice!, maxAtRisk: 250n }, ...others] },
    disk,
    1,
  );
  await life.start();
  life.run(2000);
  const seen = linkBob(life, 0);
  for (let n = 1; n <= 4; n++) {
    pay(life, n);
    life.run(1);
  }
  assert.equal(seen.length, 2, "the third would put more than 250 at risk");
  const { core, registry } = life.connector;
  assert.equal(core.account(registry.byId("alice")!.index).atRisk, 200n);
  life.run(2000);
  assert.equal(core.account(registry.byId("alice")!.index).atRisk, 0n);
});

/** A node that was cut with packets 1 to 3 in flight, started again. */
async function cutWithClaims(mode: Mode, more = ""): Promise<Life> {
  const life = await startedLife(mode, more);
  linkBob(life, null);
  for (let n = 1; n <= 3; n++) pay(life, n, BigInt(n) * 100n);
  life.run(120);
  const next = await startedLife(mode, more, life.disk.afterCut("lost"));
  return next;
}

const stateOf = (life: Life, id: string) =>
  life.connector.core.account(life.connector.registry.byId(id)!.index);

test("packets in flight at a cut are possible claims on both sides", async () => {
  for (const mode of ["group", "trail", "strict"] as const) {
    const life = await cutWithClaims(mode);
    assert.equal(stateOf(life, "alice").claimDebits, 600n, mode);
    assert.equal(stateOf(life, "bob").claimCredits, 594n);
    assert.equal(stateOf(life, "alice").balance, 0n);
    const { claims } = life.connector;
    const [alice, bob] = claims.list();
    assert.equal(alice!.packets.length, mode === "group" ? 0 : 3);
    assert.equal(claims.answerableUntil(alice!.entry, "owed"), 0);
    const until = claims.answerableUntil(bob!.entry, "owing");
    if (mode === "group") assert.equal(until, 0, "no packet is known that a Fulfill could prove");
    else assert.ok(until > life.clock.wallMs(), "a Fulfill in time would post what is owing");
    life.run(Math.max(1, until - life.clock.wallMs()));
    assert.equal(claims.answerableUntil(bob!.entry, "owing"), 0);
    claims.resolve(alice!.entry, "owed", true, 300n);
    claims.resolve(bob!.entry, "owing", false, 594n);
    assert.equal(stateOf(life, "alice").balance, 300n);
    assert.equal(stateOf(life, "bob").balance, 0n);
    assert.throws(() => claims.resolve(alice!.entry, "owed", true, 301n), CoreError);
    life.run(200);
    const again = await startedLife(mode, "", life.disk.afterCut("lost"));
    assert.equal(stateOf(again, "alice").balance, 300n, "and stays so");
    assert.equal(stateOf(again, "alice").claimDebits, 300n);
    assert.equal(stateOf(again, "bob").claimCredits, 0n);
    assert.equal(again.connector.claims.list()[0]!.packets.length, mode === "group" ? 0 : 1);
  }
});

test("a Fulfill in time settles what we owe; one too late is evidence alone", async () => {
  const life = await cutWithClaims("strict");
  const { claims, registry } = life.connector;
  linkBob(life, null);
  const bob = registry.byId("bob")!.index;
  const first = claims.list()[1]!.packets[0]!;
  assert.deepEqual(Buffer.from(first.condition), conditionOf(1));
  assert.ok(life.clock.wallMs() < first.deadlineMs, "still in time");
  life.connector.engine.reply(bob, 1, writeFulfill(preimage(1)));
  life.run(1);
  assert.equal(stateOf(life, "bob").credits, first.amountOut);
  assert.equal(stateOf(life, "alice").claimDebits, 600n, "the payer may not have to pay");
  life.connector.engine.reply(bob, 1, writeFulfill(preimage(1)));
  life.run(1);
  assert.equal(stateOf(life, "bob").credits, first.amountOut, "once");
  life.run(2000);
  life.connector.engine.reply(bob, 2, writeFulfill(preimage(2)));
  life.run(1);
  assert.equal(stateOf(life, "bob").credits, first.amountOut, "too late moves nothing");
  life.run(200);
  const evidence = claims.evidence();
  assert.deepEqual(
    evidence.map(({ condition }) => Buffer.from(condition)),
    [1, 2].map(conditionOf),
  );
  assert.deepEqual(Buffer.from(evidence[1]!.preimage), preimage(2));
  const again = recover(life.disk.afterCut("lost"))!;
  assert.equal(again.image.evidence.length, 2, "durable");
});

test("a Fulfill is in time by a clock that is set, and is evidence otherwise", async () => {
  const life = await cutWithClaims("strict");
  let isSet = false;
  Object.assign(life.clock, { isSet: () => isSet });
  linkBob(life, null);
  const { engine, registry, claims } = life.connector;
  const bob = registry.byId("bob")!.index;
  engine.reply(bob, 1, writeFulfill(preimage(1)));
  life.run(1);
  assert.equal(stateOf(life, "bob").credits, 0n, "nobody knows what time it is");
  isSet = true;
  engine.reply(bob, 2, writeFulfill(preimage(2)));
  life.run(200);
  assert.ok(stateOf(life, "bob").credits > 0n);
  assert.equal(claims.evidence().length, 2);
});

test("packets with one condition are each settled by a Fulfill of theirs", async () => {
  const life = await startedLife("strict");
  linkBob(life, null);
  for (let i = 0; i < 2; i++) pay(life, 1, 100n);
  life.run(120);
  const next = await startedLife("strict", "", life.disk.afterCut("lost"));
  linkBob(next, null);
  const bob = next.connector.registry.byId("bob")!.index;
  for (const credits of [99n, 198n, 198n]) {
    next.connector.engine.reply(bob, 1, writeFulfill(preimage(1)));
    next.run(1);
    assert.equal(stateOf(next, "bob").credits, credits);
  }
});

test("what an operator did is durable when `flush` is over", async () => {
  const life = await cutWithClaims("group");
  const { claims, books } = life.connector;
  const { entry } = claims.list()[0]!;
  // In the middle of another write, and alone.
  for (const left of [400n, 200n]) {
    claims.resolve(entry, "owed", true, 200n);
    let told = false;
    void books.flush().then(() => (told = true));
    for (let ms = 0; !told; ms++) {
      assert.ok(ms < 30, "sooner than the next commit was due");
      life.run(1);
      await Promise.resolve();
      const found = recover(life.disk.afterCut("lost"))!.image;
      const isThere = [...found.accounts.values()].some(({ claimsSince }) => {
        return claimsSince?.owed === left;
      });
      assert.ok(isThere || !told, "told before it was durable");
    }
  }
  life.disk.options.onPoint = () => "error";
  claims.resolve(entry, "owed", true, 100n);
  const failed = assert.rejects(books.flush(), /EIO/);
  life.run(50);
  await failed;
  await assert.rejects(books.flush(), /EIO/);
});

test("late Fulfills never fill the books: the oldest go, and the node goes on", async () => {
  const life = await startedLife("group");
  linkBob(life, 800);
  for (let n = 1; n <= 300; n++) {
    pay(life, n);
    if (n % 10 === 0) life.run(20);
  }
  life.run(3000);
  const { claims, books } = life.connector;
  const evidence = claims.evidence();
  assert.equal(evidence.length, 42, "an eighth of 64 KiB");
  assert.deepEqual(Buffer.from(evidence.at(-1)!.condition), conditionOf(300));
  assert.equal(books.store!.image.dropped.evidence, 258);
  assert.ok(life.logLines.some((line) => /oldest late Fulfills.*were let go/.test(line)));
  const again = await startedLife("group", "", life.disk.afterCut("lost"));
  const seen = linkBob(again, 1);
  pay(again, 1);
  again.run(500);
  assert.equal(seen.length, 1, "packets are taken");
});

test("claims never stop a node: their details go, their sums stay", async () => {
  const life = await startedLife("trail");
  linkBob(life, null);
  for (let n = 1; n <= 500; n++) {
    pay(life, n, 10n, 900);
    if (n % 50 === 0) life.run(20);
  }
  const full = life.logLines.find((line) => line.startsWith("the snapshots are nearly full"));
  assert.match(full!, /packetsOnHold: \d{3}.*claims: 0.*journalSize/s);
  const next = await startedLife("trail", "", life.disk.afterCut("lost"));
  const { image } = next.connector.books.store!;
  const owed = stateOf(next, "alice").claimDebits;
  assert.ok(owed > 3000n, String(owed));
  assert.equal(image.claims.size, 128, "a quarter of 64 KiB");
  assert.ok(image.dropped.claims > 100);
  const seen = linkBob(next, 1);
  pay(next, 1);
  next.run(500);
  assert.equal(seen.length, 1, "packets are taken");
});

test("a late Fulfill of this life is evidence", async () => {
  const life = await startedLife("group");
  linkBob(life, 800);
  pay(life, 1);
  life.run(1500);
  const [evidence] = life.connector.claims.evidence();
  assert.deepEqual(Buffer.from(evidence!.condition), conditionOf(1));
  assert.deepEqual(Buffer.from(evidence!.preimage), preimage(1));
  assert.equal(evidence!.amountIn, 100n);
  assert.equal(stateOf(life, "alice").balance, 0n);
});

test("claims on others are void after their time, what we may owe only if told so", async () => {
  for (const owing of ["keep", "void"] as const) {
    const life = await cutWithClaims("group", `claims = { expiry = 3600000, owing = "${owing}" }`);
    life.run(3_500_000);
    assert.equal(stateOf(life, "alice").claimDebits, 600n);
    const again = await startedLife(
      "group",
      `claims = { expiry = 3600000, owing = "${owing}" }`,
      life.disk.afterCut("lost"),
    );
    // The virtual clock of each life begins at the same time.
    again.run(3_700_000);
    assert.equal(stateOf(again, "alice").claimDebits, 0n);
    assert.equal(stateOf(again, "bob").claimCredits, owing === "keep" ? 594n : 0n);
    assert.equal(stateOf(again, "alice").balance, 0n);
  }
});

test("packets without value leave no claims, which nobody could end", async () => {
  const life = await startedLife("trail", "");
  linkBob(life, null);
  pay(life, 1, 0n);
  pay(life, 2, 100n);
  life.run(120);
  const next = await startedLife("trail", "", life.disk.afterCut("lost"));
  const { claims, books } = next.connector;
  assert.deepEqual(
    claims.list().map(({ entry, packets }) => `${entry.id} ${packets.length}`),
    ["alice 1", "bob 1"],
  );
  assert.equal(books.store!.image.claims.size, 1);
});

test("claims that were resolved give their age to none that come later", async () => {
  const life = await cutWithClaims("group", "claims = { expiry = 3600000 }");
  for (const { entry, owed, owing } of life.connector.claims.list()) {
    if (owed > 0n) life.connector.claims.resolve(entry, "owed", false, owed);
    if (owing > 0n) life.connector.claims.resolve(entry, "owing", false, owing);
  }
  life.run(3_000_000);
  linkBob(life, null);
  pay(life, 4);
  life.run(120);
  const nowMs = life.clock.wallMs();
  const again = await startedLife("group", "", life.disk.afterCut("lost"));
  const [alice] = again.connector.claims.list();
  assert.equal(alice!.owed, 100n, "fewer than were open before");
  assert.ok(nowMs - alice!.sinceMs < 1000, `${nowMs - alice!.sinceMs} ms old`);
});
