// Every table of the core at one below its capacity, at it, and one above: the answer, the counter
// and the high-water mark. Also what a call may cost at most, measured and printed.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AccountSettingsRecord as R, Descriptor, LinkKind, Relation } from "../../host/abi.js";
import { Counter, CoreError, Status, type Sink } from "../../host/core.js";
import * as codec from "../support/model/codec.js";
import { Machine, halves } from "../support/model/machine.js";
import { ALICE, BOB, Node, PREIMAGE, WALL_MS, rejection } from "../support/model/node.js";

const QUIET = Object.fromEntries(
  ["frame", "request", "reply", "settlementDue", "lateFulfill"].map((name) => [name, () => {}]),
) as unknown as Sink;
const FULFILL = codec.fulfill(PREIMAGE).bytes;
const refused =
  (status: Status) =>
  (error: unknown): boolean =>
    error instanceof CoreError && error.status === status;

describe("tables of the test build", () => {
  test("flights: 4 of 4, then T03 TableFull, and a freed slot is taken again", () => {
    const node = new Node({ [ALICE]: { flightsMax: 99 }, [BOB]: { flightsMax: 99 } });
    const send = (id: number) => node.request(ALICE, id, node.packet(1n, `test.b.${id}`).bytes);
    const ids = [1, 2, 3, 4].map((id) => send(id)[0]!.id);
    assert.equal(new Set(ids).size, 4);
    assert.equal(rejection(send(5)), "T03 connector is busy, throttling.");
    assert.equal(node.core.events(1)[0]!.rule, "TableFull");
    assert.equal(node.core.events(1)[0]!.limit, 4n);
    const counts = [Counter.FlightsFull, Counter.FlightsMax].map((c) => node.core.counter(c));
    assert.deepEqual(counts, [1n, 4n]);
    node.reply(BOB, ids[2]!, FULFILL);
    const [again] = send(6);
    assert.equal(again!.kind, "request");
    assert.ok(!ids.includes(again!.id), "an id was used twice");
  });
  test("evidence gives way to new packets when nothing else is free", () => {
    const node = new Node();
    for (let round = 0; round < 3; round++) {
      for (let id = 0; id < 4; id++) {
        const out = node.request(ALICE, id, node.packet(1n, `test.b.${id}`).bytes);
        assert.equal(out[0]!.kind, "request");
      }
      node.wait(30_000);
      let ended = 0;
      for (let turn = 0; turn < 4; turn++) ended += node.tick().length;
      assert.equal(ended, 4);
    }
    assert.equal(node.core.counter(Counter.Expiries), 12n);
  });
  test("accounts: indices 0 to 3; assets: 0 to 2", () => {
    const { core } = new Node();
    const account = { name: "x", relation: Relation.Peer, asset: 0 };
    core.setAccount(3, account);
    assert.throws(() => core.setAccount(4, account), refused(Status.Full));
    assert.throws(() => core.setAccount(3, { ...account, asset: 1 }), refused(Status.NotFound));
    core.setAsset(2, "USD", 2);
    assert.throws(() => core.setAsset(3, "EUR", 2), refused(Status.Full));
    assert.throws(() => core.linkUp(4, LinkKind.Raw), refused(Status.NotFound));
  });
  test("routes: 6 of 8 slots, and prefixes that fill the pool", () => {
    const { core } = new Node();
    core.setRoute("test.d", 1);
    core.setRoute("test.e", 1);
    assert.throws(() => core.setRoute("test.f", 1), refused(Status.Full));
    core.setRoute("test.e", 2);
    core.deleteRoute("test.d");
    core.setRoute("test.f", 1);
    core.deleteRoute("test.f");
    assert.throws(() => core.setRoute("test." + "f".repeat(1018), 1), refused(Status.Full));
    assert.throws(() => core.setRoute("test." + "f".repeat(1019), 1), refused(Status.BadAddress));
    assert.throws(() => core.deleteRoute("test.f"), refused(Status.NotFound));
  });
  test("an own address that does not fit leaves the one there was", () => {
    const node = new Node();
    assert.throws(() => node.core.setAddress("test." + "n".repeat(1018)), refused(Status.Full));
    assert.equal(node.request(ALICE, 1, node.packet(1n, "test.n.x").bytes)[0]!.account, 0);
  });
  test("outputs: undrained ones stop the next verb and are not overwritten", () => {
    const m = new Node();
    const { core } = m;
    const { bytes } = m.packet(1n);
    core.input.set(bytes);
    assert.equal(core.request(ALICE, 1, bytes.length, 1000), Status.Ok);
    assert.equal(core.request(ALICE, 2, bytes.length, 1000), Status.Undrained);
    assert.equal(core.tick(1000), Status.Undrained);
    assert.equal(m.drain().length, 1);
    core.input.set(bytes);
    assert.equal(core.request(ALICE, 2, bytes.length, 1000), Status.Ok);
  });
  test("records: 32 of 32, then Undrained until they are taken", () => {
    const m = new Machine("test");
    for (let i = 0; i < 3; i++) {
      m.put(Buffer.from([9, 3, 0, 0, 0x58, 0x52, 0x50]));
      assert.equal(m.call("setAsset", i), 0);
    }
    const dirty = (): number => {
      const s = Buffer.alloc(R.SIZE + 1);
      s[4] = 1;
      s.writeUInt32LE(1000, R.throughputPeriodMs);
      for (let i = 0; i < 4; i++) {
        m.put(s);
        assert.equal(m.call("setAccount", i), 0);
      }
      return m.call("commit");
    };
    // Each time 2 records of the asset and 4 of accounts: 30 fit, the sixth time does not.
    for (let i = 0; i < 5; i++) assert.equal(dirty(), 0);
    assert.equal(dirty(), 1);
    m.call("linkUp", 1, LinkKind.Raw);
    assert.equal(m.call("request", 1, 1, 0, ...halves(5)), Status.Undrained);
    assert.equal(m.call("takeRecords"), 32);
    assert.equal(m.call("takeRecords"), 0);
    assert.equal(m.call("commit"), 0);
    assert.equal(m.call("takeRecords"), 4);
    assert.equal(m.call("request", 1, 1, 0, ...halves(5)), 0);
  });
  test("events: the ring keeps the latest 4, and its numbers go on", () => {
    const node = new Node();
    for (let id = 0; id < 9; id++) node.request(ALICE, id, Buffer.from("?"));
    assert.deepEqual(
      node.core.events(99).map((e) => e.sequence),
      [9n, 8n, 7n, 6n],
    );
    assert.equal(node.core.counter(Counter.Events), 9n);
  });
  test("input: the whole of it, and one byte more", () => {
    const m = new Machine("test");
    const size = m.get(Descriptor.InputBytes);
    m.bytes.fill(12, m.input, m.input + size);
    assert.notEqual(m.call("inspectPacket", size), Status.BadArgument);
    assert.equal(m.call("inspectPacket", size + 1), Status.BadArgument);
    assert.equal(m.call("inspectFrame", size + 1), Status.BadArgument);
    assert.equal(m.call("replay", Math.floor(size / 64) + 1), Status.BadArgument);
  });
  test("the longest packet goes through, data untouched", () => {
    const node = new Node();
    const data = Buffer.alloc(32_767, 0xa5);
    const sent = codec.prepare(1n, WALL_MS + 9000, codec.PEER_CONDITION, "test.b", data);
    const [out] = node.request(ALICE, 1, sent.bytes);
    assert.ok(out!.packet!.data.equals(data));
  });
});

describe("bounded work", () => {
  test("the dearest calls of the gateway build", (t) => {
    const m = new Node(
      { [ALICE]: { flightsMax: 99_999 }, [BOB]: { flightsMax: 99_999 } },
      "gateway",
    );
    const packets = Array.from({ length: 16_384 }, (_, i) => m.packet(1n, `test.b.${i}`).bytes);
    const worst: Record<string, number> = {};
    const time = (name: string, call: () => unknown): void => {
      const start = performance.now();
      call();
      worst[name] = Math.max(worst[name] ?? 0, performance.now() - start);
    };
    const { core } = m;
    const request = (name: string, i: number): void => {
      const bytes = packets[i]!;
      core.input.set(bytes);
      time(name, () => core.request(ALICE, i, bytes.length, m.nowMs));
      core.drain(QUIET);
    };
    for (let i = 0; i < packets.length; i++) request("request, one condition for all", i);
    assert.equal(core.account(BOB).flightsOut, 16_384);
    request("request, table full", 0);
    m.wait(30_000);
    for (let i = 0; i < 16_384 / 64; i++) {
      time("tick of 64, 16384 in one bucket", () => core.tick(m.nowMs));
      core.drain(QUIET);
    }
    time("deadline", () => m.core.deadline(m.nowMs));
    assert.equal(m.core.account(BOB).flightsOut, 0);
    for (const [name, ms] of Object.entries(worst)) t.diagnostic(`${name}: ${ms.toFixed(3)} ms`);
  });
});
