// Scenarios by the ids of the conformance list: what a connector must do with one packet, or three.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AccountFlag, Counter, LinkKind, Relation, Status } from "../../host/core.js";
import * as codec from "../support/model/codec.js";
import {
  ALICE,
  BOB,
  CAROL,
  CONDITION,
  Node,
  PREIMAGE,
  WALL_MS,
  rejection,
  type Out,
} from "../support/model/node.js";

const FULFILL = codec.fulfill(PREIMAGE, Buffer.from("thanks")).bytes;
const U64 = 2n ** 64n - 1n;
const expiryOf = (out?: Out): number | undefined =>
  out?.packet?.type === 12 ? out.packet.expiresAtMs : undefined;
const iso = (ms: number): string => new Date(ms).toISOString();

describe("a packet and its fulfillment", () => {
  test("ILP-22, ILP-23, ILP-26: amount and expiry change, the Fulfill comes back as it is", () => {
    const node = new Node();
    const sent = node.packet(10n);
    const [out] = node.request(ALICE, 5, sent.bytes);
    assert.equal(out!.account, BOB);
    assert.equal(expiryOf(out), WALL_MS + 30_000);
    assert.deepEqual(out!.bytes.subarray(2 + 25), sent.bytes.subarray(2 + 25));
    const [status, back] = node.reply(BOB, out!.id, FULFILL);
    assert.equal(status, Status.Ok);
    assert.deepEqual([back[0]!.account, back[0]!.id, back[0]!.bytes], [ALICE, 5, FULFILL]);
    assert.deepEqual([node.balance(ALICE), node.balance(BOB)], [10n, -10n]);
  });
  test("ILP-21: what is on hold counts against the maximum", () => {
    const node = new Node({ [ALICE]: { balanceMaximum: 15n } });
    node.request(ALICE, 1, node.packet(10n).bytes);
    const out = node.request(ALICE, 2, node.packet(6n).bytes);
    assert.equal(rejection(out), "T04 exceeded maximum balance.");
    assert.equal(node.request(ALICE, 3, node.packet(5n).bytes)[0]!.kind, "request");
  });
  test("ILP-32: the next account's minimum is checked before the packet leaves", () => {
    const node = new Node({ [BOB]: { balanceMinimum: -9n } });
    const out = node.request(ALICE, 1, node.packet(10n).bytes);
    assert.equal(rejection(out), "T04 exceeded minimum balance.");
    assert.equal(node.request(ALICE, 2, node.packet(9n).bytes)[0]!.account, BOB);
  });
  test("ILP-27: a Reject is relayed byte for byte and undoes both holds", () => {
    const node = new Node();
    const [out] = node.request(ALICE, 1, node.packet(10n).bytes);
    const reject = codec.reject("F99", "", "n\u00e9in", Buffer.alloc(200, 1)).bytes;
    const [, back] = node.reply(BOB, out!.id, reject);
    assert.deepEqual(back[0]!.bytes, reject);
    const { debitsPending, balance } = node.core.account(ALICE);
    assert.deepEqual([debitsPending, balance, node.balance(BOB)], [0n, 0n, 0n]);
  });
  test("ILP-28, ATK-02, RSK-01: in time until the last millisecond, R00 from then on", () => {
    for (const late of [0, 1]) {
      const node = new Node();
      const [out] = node.request(ALICE, 1, node.packet(10n, "test.b", 5000).bytes);
      node.wait(3999 + late);
      const [status, back] = node.reply(BOB, out!.id, FULFILL);
      assert.equal(status, late ? Status.Unsolicited : Status.Ok);
      assert.equal(node.balance(BOB), late ? 0n : -10n);
      if (!late) continue;
      assert.equal(rejection(back.slice(0, 1)), "R00 packet expired.");
      assert.deepEqual([back[1]!.kind, back[1]!.amount], ["late", 10n]);
      assert.deepEqual(node.reply(BOB, out!.id, FULFILL)[1], []);
      assert.equal(node.core.counter(Counter.LateFulfills), 1n);
    }
  });
  test("ILP-29, ILP-30, ATK-03, ATK-04: second, unknown and foreign replies move nothing", () => {
    const node = new Node();
    const [out] = node.request(ALICE, 1, node.packet(10n).bytes);
    assert.equal(node.reply(ALICE, out!.id, FULFILL)[0], Status.Unsolicited);
    assert.equal(node.reply(BOB, out!.id + 4, FULFILL)[0], Status.Unsolicited);
    assert.equal(node.core.account(BOB).creditsPending, 10n);
    node.reply(BOB, out!.id, FULFILL);
    assert.deepEqual(node.reply(BOB, out!.id, FULFILL), [Status.Unsolicited, []]);
    assert.equal(node.balance(BOB), -10n);
    const counts = [Counter.CrossLink, Counter.Unsolicited, Counter.Duplicates];
    assert.deepEqual(
      counts.map((c) => node.core.counter(c)),
      [1n, 1n, 1n],
    );
  });
  test("ILP-25, ATK-01: a wrong preimage is F05 and pays nobody", () => {
    const node = new Node();
    const [out] = node.request(ALICE, 1, node.packet(10n).bytes);
    const [, back] = node.reply(BOB, out!.id, codec.fulfill(Buffer.alloc(32, 8)).bytes);
    assert.equal(rejection(back), "F05 fulfillment did not match expected value.");
    assert.deepEqual([node.balance(ALICE), node.balance(BOB)], [0n, 0n]);
  });
  test("ILP-31: over a run of packets the accounts are additive inverses", () => {
    const node = new Node();
    for (let i = 1; i <= 50; i++) {
      const [out] = node.request(ALICE, i, node.packet(BigInt(i)).bytes);
      node.reply(BOB, out!.id, FULFILL);
    }
    assert.deepEqual([node.balance(ALICE), node.balance(BOB)], [1275n, -1275n]);
  });
  test("ILP-33: replies as requests, requests as replies, and no packet at all", () => {
    const node = new Node();
    const wrong = rejection(node.request(ALICE, 1, FULFILL));
    assert.equal(wrong, "F01 invalid packet type received. type=13");
    const [out] = node.request(ALICE, 2, node.packet(1n).bytes);
    const [, back] = node.reply(BOB, out!.id, node.packet(1n).bytes);
    assert.equal(rejection(back), "T00 next hop's answer is not a reply.");
    assert.equal(rejection(node.request(ALICE, 3, Buffer.from("?"))), "F01 invalid packet.");
  });
  test("ATK-24: two equal Prepares are two debits and two credits, a third is a loop", () => {
    const node = new Node();
    const { bytes } = node.packet(3n);
    const ids = [1, 2].map((id) => node.request(ALICE, id, bytes)[0]!.id);
    const third = node.request(ALICE, 3, bytes);
    assert.equal(rejection(third), "F02 routing loop. source=alice destination=test.b.x");
    for (const id of ids) node.reply(BOB, id, FULFILL);
    assert.deepEqual([node.balance(ALICE), node.balance(BOB)], [6n, -6n]);
    assert.equal(node.core.counter(Counter.LoopBreaks), 1n);
  });
});

describe("amounts and rates", () => {
  test("ILP-34: 2^64-1 passes, one unit more in the rate is F08 with the true maximum", () => {
    const node = new Node();
    const [first] = node.request(ALICE, 1, node.packet(U64).bytes);
    assert.equal(first!.packet?.type === 12 && first!.packet.amount, U64);
    node.reply(BOB, first!.id, FULFILL);
    node.core.setRate(0, 0, 998n, 1n, 0);
    const out = node.request(ALICE, 2, node.packet(U64).bytes);
    const maximum = U64 / 998n;
    const text = `F08 packet size too large. maxAmount=${maximum} actualAmount=${U64}`;
    assert.equal(rejection(out), text);
    const packet = out[0]!.packet!;
    assert.equal(packet.data.readBigUInt64BE(0), U64);
    assert.equal(packet.data.readBigUInt64BE(8), maximum);
    const passes = node.request(ALICE, 3, node.packet(maximum, "test.b.y").bytes);
    assert.equal(passes[0]!.kind, "request");
  });
  test("balances beyond 2^64 stay exact, and 128-bit limits bind there", () => {
    const node = new Node({ [ALICE]: { balanceMaximum: 3n * U64 + 5n } });
    for (let i = 0; i < 3; i++) {
      const [out] = node.request(ALICE, i, node.packet(U64).bytes);
      node.reply(BOB, out!.id, FULFILL);
    }
    assert.deepEqual([node.balance(ALICE), node.balance(BOB)], [3n * U64, -3n * U64]);
    const over = rejection(node.request(ALICE, 9, node.packet(6n).bytes));
    assert.equal(over, "T04 exceeded maximum balance.");
    assert.equal(node.request(ALICE, 10, node.packet(5n).bytes)[0]!.kind, "request");
  });
  test("ILP-14, ATK-08: zero passes, what becomes zero is R01", () => {
    const node = new Node();
    node.core.setRate(0, 0, 1n, 3n, 0);
    const small = rejection(node.request(ALICE, 1, node.packet(2n).bytes));
    assert.equal(small, "R01 amount is too small to be converted.");
    assert.equal(node.request(ALICE, 2, node.packet(0n).bytes)[0]!.kind, "request");
  });
  test("ATK-07: 2^64-1 from an account with a small limit", () => {
    const node = new Node({ [ALICE]: { packetMaxIn: 100n } });
    const text = `F08 packet size too large. maxAmount=100 actualAmount=${U64}`;
    assert.equal(rejection(node.request(ALICE, 1, node.packet(U64).bytes)), text);
  });
});

describe("expiry and clocks", () => {
  test("ILP-24, ATK-05, ATK-06: too late, too soon, and year 9999", () => {
    const node = new Node();
    const late = rejection(node.request(ALICE, 1, node.packet(1n, "test.b", -1).bytes));
    const now = iso(WALL_MS);
    const expired = `sourceExpiry=${iso(WALL_MS - 1)} currentTime=${now}`;
    assert.equal(late, `R02 source transfer has already expired. ${expired}`);
    const soon = rejection(node.request(ALICE, 2, node.packet(1n, "test.b", 1999).bytes));
    const times =
      `actualSourceExpiry=${iso(WALL_MS + 1999)} ` +
      `requiredSourceExpiry=${iso(WALL_MS + 2000)} currentTime=${now}`;
    assert.equal(soon, `R02 source transfer expires too soon to complete payment. ${times}`);
    const far = codec.prepare(1n, Date.UTC(9999, 11, 31), CONDITION, "test.b");
    const [out] = node.request(ALICE, 3, far.bytes);
    assert.equal(expiryOf(out), WALL_MS + 30_000);
  });
  test("RSK-11: steps of the wall clock by an hour change no hold", () => {
    for (const step of [3_600_000, -3_600_000]) {
      const node = new Node();
      const [out] = node.request(ALICE, 1, node.packet(10n).bytes);
      node.core.clock(node.nowMs, node.wallMs + step);
      assert.equal(node.core.deadline(node.nowMs), 29_000 + 1000);
      node.nowMs += 29_999;
      assert.deepEqual(node.tick(), []);
      assert.equal(node.reply(BOB, out!.id, FULFILL)[0], Status.Ok);
      assert.equal(node.core.counter(Counter.ClockSteps), 1n);
    }
  });
  test("RSK-11: the monotonic clock going back revives nothing", () => {
    const node = new Node();
    const [out] = node.request(ALICE, 1, node.packet(10n).bytes);
    node.wait(30_000);
    assert.equal(rejection(node.tick()), "R00 packet expired.");
    node.nowMs -= 20_000;
    assert.equal(node.reply(BOB, out!.id, FULFILL)[0], Status.Unsolicited);
    assert.equal(node.balance(BOB), 0n);
  });
  test("RSK-05: what is never fulfilled is on hold up to a cap, and free again at expiry", () => {
    const node = new Node({ [ALICE]: { pendingMax: 20n } });
    node.request(ALICE, 1, node.packet(15n).bytes);
    const out = rejection(node.request(ALICE, 2, node.packet(6n).bytes));
    assert.equal(out, "T04 too much value in flight, throttling.");
    node.wait(30_000);
    node.tick();
    assert.equal(node.request(ALICE, 3, node.packet(20n).bytes)[0]!.kind, "request");
  });
  test("after a pause without a tick, deadline names what is due first", () => {
    const node = new Node();
    node.request(ALICE, 1, node.packet(1n, "test.b.1").bytes);
    node.wait(70_000);
    node.core.clock(node.nowMs, node.wallMs);
    node.request(ALICE, 2, node.packet(1n, "test.b.2").bytes);
    assert.equal(node.core.deadline(node.nowMs), 0);
  });
});

describe("where a packet may go", () => {
  const refused: [id: string, to: string, text: string][] = [
    ["ATK-09", "peer.settle", "F01 condition must be peer protocol condition."],
    ["ATK-10", "peer.xyz", "F01 unknown peer protocol."],
    ["ATK-11", "self.x", "F02 no route found. source=alice destination=self.x"],
    ["ATK-11", "local.x", "F02 no route found. source=alice destination=local.x"],
    ["ATK-11", "private.x", "F02 no route found. source=alice destination=private.x"],
    ["ATK-12", "g.a", "F02 no route found. source=alice destination=g.a"],
    ["ATK-13", "test.bob", "F02 no route found. source=alice destination=test.bob"],
    [
      "ATK-14, ILP-35",
      "test.a.x",
      "F02 refusing to route payments back to sender. " +
        "sourceAccount=alice destinationAccount=test.a.x",
    ],
  ];
  for (const [id, to, text] of refused) {
    test(`${id}: ${to}`, () => {
      const node = new Node();
      assert.equal(rejection(node.request(ALICE, 1, node.packet(1n, to).bytes)), text);
    });
  }
  test("ADR-12: the own address, and what is below it without a child, is local", () => {
    const node = new Node();
    for (const to of ["test.n", "test.n.x"]) {
      assert.equal(node.request(ALICE, 1, node.packet(1n, to).bytes)[0]!.account, 0);
    }
  });
  test("T01 and T03: links down, congested and frozen; no rate; draining", () => {
    const node = new Node();
    const ask = (): string => rejection(node.request(ALICE, 1, node.packet(1n).bytes));
    node.core.linkDown(BOB);
    assert.equal(ask(), "T01 no connection to account. account=bob");
    node.core.linkUp(BOB, LinkKind.Raw);
    node.core.setFlags(BOB, AccountFlag.Congested);
    assert.equal(ask(), "T03 connection is congested. account=bob");
    node.core.setFlags(BOB, AccountFlag.Frozen, AccountFlag.Congested);
    assert.equal(ask(), "T01 no connection to account. account=bob");
    node.core.setFlags(BOB, 0, AccountFlag.Frozen);
    node.core.setRate(0, 0, 0n, 0n, 0);
    assert.equal(ask(), "T00 no rate available. account=bob");
    node.core.setFlags(ALICE, AccountFlag.Frozen);
    assert.equal(ask(), "T03 account is frozen.");
    node.core.setMode(1);
    assert.equal(ask(), "T03 connector is shutting down.");
  });
  test("RSK-03: a packet rate is T05, and money bandwidth T04", () => {
    const node = new Node({
      [ALICE]: { rateCount: 1, ratePeriodMs: 1000 },
      [BOB]: { throughputOut: 10n },
    });
    const ask = (amount: bigint): string =>
      rejection(node.request(ALICE, 1, node.packet(amount).bytes));
    assert.equal(ask(11n), "T04 exceeded money bandwidth, throttling.");
    assert.equal(ask(1n), "T05 too many requests, throttling.");
  });
  test("RSK-02: with every slot taken, a Fulfill still goes through", () => {
    const node = new Node();
    const outs = [1, 2, 3, 4].map((id) =>
      node.request(ALICE, id, node.packet(1n, `test.b.${id}`).bytes),
    );
    const full = rejection(node.request(ALICE, 5, node.packet(1n, "test.b.5").bytes));
    assert.equal(full, "T03 too many packets in flight, throttling.");
    assert.equal(node.reply(BOB, outs[0]![0]!.id, FULFILL)[0], Status.Ok);
  });
  test("a child whose address would be too long is not told one (ADR-13)", () => {
    const node = new Node({ [ALICE]: { relation: Relation.Child, segment: "s".repeat(32) } });
    const ask = codec.prepare(0n, WALL_MS + 5000, codec.PEER_CONDITION, "peer.config").bytes;
    assert.equal(node.request(ALICE, 1, ask)[0]!.packet!.type, 13);
    for (const letter of ["a", "b", "c"]) node.core.deleteRoute(`test.${letter}`);
    node.core.setAddress("test." + "n".repeat(986));
    assert.equal(rejection(node.request(ALICE, 2, ask)).slice(0, 3), "F00");
  });
  test("ILDCP over BTP: a child gets its address, a peer a Reject (CFG-02, CFG-09)", () => {
    const node = new Node();
    const ask = codec.prepare(0n, WALL_MS + 5000, codec.PEER_CONDITION, "peer.config").bytes;
    const frame = codec.frame(6, 77, ask);
    node.core.input.set(frame);
    assert.equal(node.core.frame(CAROL, frame.length, node.nowMs), Status.Ok);
    const { frame: answer, parcel } = codec.parseFrame(node.drain()[0]!.bytes);
    assert.equal(answer!.requestId, 77);
    assert.ok(parcel!.packet!.data.includes("test.n.carol"));
    const peer = rejection(node.request(ALICE, 1, ask));
    assert.equal(peer, "F00 configuration is only given to child accounts.");
  });
});

describe("settlement", () => {
  test("NODE-13: RFC 32's worked example", () => {
    // Seen from the node that owes: the account may owe it 5, and it settles at -10.
    const node = new Node({
      [ALICE]: { balanceMaximum: 20n },
      [BOB]: { settleThreshold: -10n, settleTo: 0n, balanceMinimum: -20n },
    });
    const pay = (amount: bigint): string[] => {
      const out = node.request(ALICE, 1, node.packet(amount).bytes);
      if (out[0]!.kind === "reply") return [rejection(out).slice(0, 3)];
      return node.reply(BOB, out[0]!.id, FULFILL)[1].map((o) => `${o.kind} ${o.amount}`);
    };
    assert.deepEqual(pay(12n), ["reply 0", "settle 12"]);
    assert.deepEqual(pay(9n), ["T04"]);
    assert.deepEqual(pay(7n), ["reply 0"]);
    node.core.bookSettlement(BOB, true, 19n);
    node.core.bookSettlement(ALICE, false, 19n);
    assert.deepEqual([node.balance(ALICE), node.balance(BOB)], [0n, 0n]);
    assert.deepEqual(pay(2n), ["reply 0"]);
    assert.deepEqual(pay(19n), ["T04"]);
  });
});
