// The trail: replayed from the snapshot it began at, together with the commands, it gives the same
// books byte for byte; commit records alone give the same sums.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Descriptor, Mode } from "../../host/abi.js";
import { Core, LinkKind, Relation, Status, type Sink } from "../../host/core.js";
import { writeFulfill, writePrepare, writeReject } from "../../host/packet.js";

const module = new WebAssembly.Module(readFileSync("build/gateway.wasm"));

interface Exports {
  describe(): number;
  takeRecords(): number;
  replay(n: number): number;
}

const raw = (core: Core): Exports => core.exports as unknown as Exports;

/** A word of the core's descriptor. */
function describeWord(core: Core, index: Descriptor): number {
  const view = new DataView(core.bytes.buffer);
  return view.getUint32(raw(core).describe() + index * 4, true);
}

const region = (core: Core, from: Descriptor, to: Descriptor): Uint8Array =>
  core.bytes.slice(describeWord(core, from), describeWord(core, to));
const books = (core: Core): Uint8Array => region(core, Descriptor.BooksStart, Descriptor.BooksEnd);

function takeRecords(core: Core): Uint8Array[] {
  const from = describeWord(core, Descriptor.RecordsAddress);
  const count = raw(core).takeRecords();
  return Array.from({ length: count }, (_, i) =>
    core.bytes.slice(from + i * 64, from + i * 64 + 64),
  );
}

function setUp(seed: Uint8Array): Core {
  const core = new Core(module, seed);
  core.clock(1000, Date.now());
  core.setAsset(0, "XRP", 9);
  core.setAccount(0, { name: "local", relation: Relation.Local, asset: 0 });
  for (const [i, name] of ["alice", "bob", "carol"].entries()) {
    const limits = { balanceMinimum: -50_000n, balanceMaximum: 50_000n, settleThreshold: -20_000n };
    core.setAccount(i + 1, { name, segment: name, relation: Relation.Child, asset: 0, ...limits });
    core.linkUp(i + 1, LinkKind.Raw);
  }
  core.setAddress("test.node");
  for (const [i, name] of ["alice", "bob", "carol"].entries()) {
    core.setRoute(`test.node.${name}`, i + 1);
  }
  core.setRate(0, 0, 1n, 1n, 1_000_000);
  return core;
}

/** Random traffic with setters between; every record is collected in order. */
function drive(core: Core, steps: number): Uint8Array[] {
  const records: Uint8Array[] = [];
  const flights: { id: number; account: number; fulfillment: Buffer }[] = [];
  let nowMs = 1000;
  let fulfillment = Buffer.alloc(32);
  const none = (): void => {};
  const sink: Sink = {
    frame: none,
    request: (account, _source, id) => flights.push({ id, account, fulfillment }),
    reply: none,
    settlementDue: none,
    lateFulfill: none,
  };
  const names = ["alice", "bob", "carol"];
  for (let step = 0; step < steps; step++) {
    const dice = Math.random();
    if (dice < 0.5) {
      fulfillment = randomBytes(32);
      const packet = writePrepare({
        amount: BigInt(Math.floor(Math.random() * 1000)),
        expiresAtMs: Date.now() + nowMs + 10_000,
        condition: createHash("sha256").update(fulfillment).digest(),
        destination: `test.node.${names[Math.floor(Math.random() * 3)]}.x`,
      });
      core.input.set(packet);
      core.request(1 + Math.floor(Math.random() * 3), step, packet.length, nowMs);
    } else if (dice < 0.9 && flights.length > 0) {
      const at = Math.floor(Math.random() * flights.length);
      const [flight] = flights.splice(at, 1);
      const reject = writeReject({ code: "F99", triggeredBy: "test.x", message: "" });
      const packet = dice < 0.8 ? writeFulfill(flight!.fulfillment) : reject;
      core.input.set(packet);
      core.reply(flight!.account, flight!.id, packet.length, nowMs);
    } else if (dice < 0.95) {
      nowMs += Math.floor(Math.random() * 3000);
      core.tick(nowMs);
    } else if (dice < 0.97) core.bookSettlement(1 + (step % 3), step % 2 === 0, 500n);
    else if (dice < 0.98) core.setFlags(1 + (step % 3), 0, 8);
    else core.linkUp(1 + (step % 3), LinkKind.Raw);
    core.drain(sink);
    records.push(...takeRecords(core));
  }
  return records;
}

/** Replays records in calls that never part a record from those that belong to it. */
function replay(core: Core, records: readonly Uint8Array[]): number {
  for (let i = 0; i < records.length;) {
    let n = 1;
    // 5: parameters of the command before; 7: the condition of the hold before.
    while (i + n < records.length && [5, 7].includes(records[i + n]![0]!)) n++;
    for (let j = 0; j < n; j++) core.input.set(records[i + j]!, j * 64);
    const status = raw(core).replay(n);
    if (status !== n) return status;
    i += n;
  }
  return 0;
}

function record(steps: number): { core: Core; snapshot: Uint8Array; records: Uint8Array[] } {
  const core = setUp(randomBytes(8));
  core.setMode(Mode.Trail | Mode.Commands);
  const snapshot = region(core, Descriptor.SnapshotStart, Descriptor.SnapshotEnd);
  return { core, snapshot, records: drive(core, steps) };
}

function restore(snapshot: Uint8Array): Core {
  const core = new Core(module, new Uint8Array(8));
  core.bytes.set(snapshot, describeWord(core, Descriptor.SnapshotStart));
  return core;
}

describe("the trail", () => {
  it("gives the same books byte for byte", () => {
    const { core, snapshot, records } = record(20_000);
    assert.ok(records.length > 10_000);
    const copy = restore(snapshot);
    assert.equal(replay(copy, records), 0);
    assert.deepEqual(books(copy), books(core));
    assert.equal(takeRecords(copy).length, 0, "replaying journals nothing");
  });

  it("stops at a record that is damaged, missing or out of order", () => {
    const { snapshot, records } = record(400);
    const posts = records.flatMap((r, i) => (r[0] === 8 ? [i] : []));
    const at = posts[posts.length >> 1]!;
    const damaged = records.map((r) => r.slice());
    damaged[at]![20]! ^= 1;
    assert.equal(replay(restore(snapshot), damaged), Status.BadRecord);
    const hold = records.findIndex((r) => r[0] === 6);
    const without = records.filter((_, i) => i !== hold && i !== hold + 1);
    assert.equal(replay(restore(snapshot), without), Status.BadRecord);
  });

  it("sees a book that differs: the comparison can fail", () => {
    const { core, snapshot, records } = record(400);
    const copy = restore(snapshot);
    assert.equal(replay(copy, records), 0);
    copy.bookSettlement(1, true, 1n);
    assert.notDeepEqual(books(copy), books(core));
  });
});

describe("commit records", () => {
  it("give the same sums", () => {
    const core = setUp(randomBytes(8));
    drive(core, 5000);
    const commits = [...core.commit()];
    const copy = setUp(randomBytes(8));
    copy.replay(commits);
    for (let i = 0; i < 4; i++) {
      assert.equal(copy.account(i).debits, core.account(i).debits);
      assert.equal(copy.account(i).credits, core.account(i).credits);
    }
    assert.deepEqual(
      { ...copy.asset(0), incomeDebitsPending: 0n, incomeCreditsPending: 0n },
      {
        ...core.asset(0),
        incomeDebitsPending: 0n,
        incomeCreditsPending: 0n,
      },
    );
  });
});
