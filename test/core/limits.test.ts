// What the core refuses, cuts or says later: peer conditions, packets that are too large, modes and
// assets, settlements that no packet brings about, and mask keys.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { LinkKind, Mode, Relation } from "../../host/abi.js";
import { Core, CoreError, Counter, Status, type Sink } from "../../host/core.js";
import * as codec from "../support/model/codec.js";
import { ALICE, BOB, CAROL, Node, PREIMAGE, rejection } from "../support/model/node.js";

const EMPTY_CONDITION = codec.sha256(Buffer.alloc(0));
const SEED = Buffer.from("0123456789abcdef", "hex");
/** The seed as the core keeps it. */
const WORDS = Buffer.from(SEED).swap32();
const ZEROS = Buffer.alloc(32);
const refused =
  (status: Status) =>
  (error: unknown): boolean =>
    error instanceof CoreError && error.status === status;
const settles = (out: { kind: string; account: number; amount: bigint }[]): string[] =>
  out.filter((o) => o.kind === "settle").map((o) => `${o.account} ${o.amount}`);

/** A packet with bytes behind its last field, inside the envelope (OER-09), `size` bytes in all. */
function padded(packet: codec.Parcel, size: number): Buffer {
  const content = packet.bytes.subarray(codec.contentAt(packet.bytes));
  const n = size - 4;
  assert.ok(n > 255 && n < 65_536 && n >= content.length);
  const head = Buffer.of(packet.bytes[0]!, 0x82, n >> 8, n & 255);
  return Buffer.concat([head, content, Buffer.alloc(n - content.length)]);
}

describe("settlement messages (SET-11, D1)", () => {
  for (const [name, condition] of [
    ["that of 32 zero bytes", codec.PEER_CONDITION],
    ["that of nothing", EMPTY_CONDITION],
  ] as const) {
    test(`condition ${name}: answered with 32 zero bytes`, () => {
      const node = new Node();
      const [out] = node.request(ALICE, 9, node.packet(0n, "peer.settle", 9000, condition).bytes);
      assert.deepEqual([out!.kind, out!.account], ["request", 0]);
      const sent = out!.packet as Extract<typeof out.packet, { type: 12 }>;
      assert.ok(sent.condition.equals(codec.PEER_CONDITION), "the handler's condition");
      const [status, back] = node.reply(0, out!.id, codec.fulfill(ZEROS, Buffer.from("ok")).bytes);
      assert.equal(status, Status.Ok);
      assert.deepEqual([back[0]!.kind, back[0]!.packet!.type], ["reply", 13]);
      assert.equal(node.core.counter(Counter.WrongFulfillments), 0n);
    });
  }
  test("any other condition, or money: F01", () => {
    const node = new Node();
    const f01 = "F01 condition must be peer protocol condition.";
    const odd = node.packet(0n, "peer.settle", 9000, Buffer.alloc(32, 5)).bytes;
    assert.equal(rejection(node.request(ALICE, 1, odd)), f01);
    const paid = node.packet(1n, "peer.settle", 9000, EMPTY_CONDITION).bytes;
    assert.equal(rejection(node.request(ALICE, 2, paid)), f01);
    const route = node.packet(0n, "peer.route.update", 9000, EMPTY_CONDITION).bytes;
    assert.equal(rejection(node.request(ALICE, 3, route)), f01);
  });
});

describe("packets larger than the build takes", () => {
  const most = 41_997;
  test("a Prepare: the largest passes, one byte more is F01", () => {
    const node = new Node();
    const fits = padded(node.packet(1n), most);
    assert.equal(node.request(ALICE, 1, fits)[0]!.kind, "request");
    const out = node.request(ALICE, 2, padded(node.packet(2n), most + 1));
    assert.equal(rejection(out), "F01 invalid packet.");
  });
  test("a Reject: the hold ends at once, with T00", () => {
    const node = new Node();
    const reject = codec.reject("F99", "test.b", "", Buffer.alloc(0));
    const [first] = node.request(ALICE, 1, node.packet(1n, "test.b.1").bytes);
    const [, relayed] = node.reply(BOB, first!.id, padded(reject, most));
    assert.equal(relayed[0]!.bytes.length, most);
    const [second] = node.request(ALICE, 2, node.packet(1n, "test.b.2").bytes);
    const [status, out] = node.reply(BOB, second!.id, padded(reject, most + 1));
    assert.equal(status, Status.Ok);
    assert.match(rejection(out), /^T00 /);
    assert.equal(node.core.account(BOB).flightsOut, 0);
  });
  test("a Fulfill is paid whatever its size, and goes on without its data", () => {
    const node = new Node();
    const data = Buffer.from("receipt");
    const [first] = node.request(ALICE, 1, node.packet(1n, "test.b.1").bytes);
    const [, whole] = node.reply(BOB, first!.id, padded(codec.fulfill(PREIMAGE, data), most));
    assert.equal(whole[0]!.bytes.length, most);
    const [second] = node.request(ALICE, 2, node.packet(2n, "test.b.2").bytes);
    const [, cut] = node.reply(BOB, second!.id, padded(codec.fulfill(PREIMAGE, data), most + 1));
    assert.deepEqual(cut[0]!.bytes, codec.fulfill(PREIMAGE).bytes);
    assert.deepEqual([node.balance(ALICE), node.balance(BOB)], [3n, -3n]);
  });
});

test("explain knows that the table is full", () => {
  const node = new Node({ [ALICE]: { flightsMax: 99 }, [BOB]: { flightsMax: 99 } });
  for (let i = 0; i < 4; i++) node.request(ALICE, i, node.packet(1n, `test.b.${i}`).bytes);
  const packet = node.packet(1n, "test.b.9").bytes;
  const verdict = node.core.explain(ALICE, packet);
  assert.deepEqual([verdict.forwarded, verdict.rule], [false, "TableFull"]);
  const real = rejection(node.request(ALICE, 9, packet));
  assert.equal(real, "T03 connector is busy, throttling.");
  assert.deepEqual(node.core.counter(Counter.FlightsFull), 1n);
});

describe("settings", () => {
  test("modes of the journal: only in builds that have one", () => {
    const full = new Node();
    full.core.setMode(Mode.Trail | Mode.Commands);
    const board = new Core(new WebAssembly.Module(readFileSync("build/board.wasm")), SEED);
    for (const mode of [Mode.Trail, Mode.Commands]) {
      assert.throws(() => board.setMode(mode), refused(Status.BadArgument));
    }
    board.setMode(Mode.Draining);
  });
  test("an asset that has sums keeps its code and scale", () => {
    const node = new Node();
    const { core } = node;
    core.setAsset(1, "USD", 2);
    core.setRate(0, 1, 1n, 1n, 0);
    core.setAccount(CAROL, { name: "carol", relation: Relation.Peer, asset: 1 });
    core.linkUp(CAROL, LinkKind.Raw);
    const [out] = node.request(ALICE, 1, node.packet(10n, "test.c.x").bytes);
    node.reply(CAROL, out!.id, codec.fulfill(PREIMAGE).bytes);
    core.closeAccount(CAROL);
    assert.throws(() => core.setAsset(1, "XAU", 2), refused(Status.Busy));
    assert.throws(() => core.setAsset(1, "USD", 0), refused(Status.Busy));
    core.setAsset(1, "USD", 2);
    core.setAsset(2, "EUR", 2);
    core.setAsset(2, "XAU", 0);
  });
  test("no rate: numerator and denominator 0, both", () => {
    const node = new Node();
    const send = () => rejection(node.request(ALICE, 1, node.packet(1n).bytes));
    assert.throws(() => node.core.setRate(0, 0, 0n, 1n, 0), refused(Status.BadRate));
    node.core.setRate(0, 0, 0n, 0n, 0);
    assert.match(send(), /^T00 /);
  });
  test("the loop rule: 64 twins at most, and none are kept while it is off", () => {
    const node = new Node({}, "gateway");
    const setLoops = (n: number): void => node.core.setPolicy(1000, 30_000, n, 60_000);
    assert.throws(() => setLoops(65), refused(Status.BadArgument));
    setLoops(0);
    const twin = () => node.request(ALICE, 1, node.packet(1n).bytes);
    for (let i = 0; i < 5; i++) assert.equal(twin()[0]!.kind, "request");
    setLoops(2);
    // Those from before are not known to it: a chain nobody bounds is not begun.
    assert.equal(twin()[0]!.kind, "request");
    assert.equal(twin()[0]!.kind, "request");
    assert.match(rejection(twin()), /^F02 /);
    setLoops(64);
    for (let i = 2; i < 64; i++) assert.equal(twin()[0]!.kind, "request");
    assert.match(rejection(twin()), /^F02 /);
  });
});

describe("settlements that no packet brings about", () => {
  const prefund = { settleThreshold: 100n, settleTo: 1000n };
  const settings = { name: "bob", relation: Relation.Peer, asset: 0 };

  test("a new account that prefunds, once", () => {
    const node = new Node({ [BOB]: prefund });
    assert.equal(node.drain().length, 0, "a setter has no outputs");
    assert.equal(node.core.deadline(node.nowMs), 0);
    assert.deepEqual(settles(node.tick()), [`${BOB} 1000`]);
    assert.notEqual(node.core.deadline(node.nowMs), 0);
    assert.deepEqual(settles(node.tick()), []);
    const [out] = node.request(ALICE, 1, node.packet(1n).bytes);
    assert.deepEqual(settles(node.reply(BOB, out!.id, codec.fulfill(PREIMAGE).bytes)[1]), []);
  });
  test("a threshold that is raised, or switched on", () => {
    const node = new Node({ [BOB]: { settleThreshold: -50n, settleTo: 0n } });
    const [out] = node.request(ALICE, 1, node.packet(20n).bytes);
    node.reply(BOB, out!.id, codec.fulfill(PREIMAGE).bytes);
    assert.deepEqual(settles(node.tick()), []);
    node.core.setAccount(BOB, { ...settings, settleThreshold: -10n, settleTo: 0n });
    assert.deepEqual(settles(node.tick()), [`${BOB} 20`]);
    node.core.setAccount(BOB, { ...settings, settleThreshold: -5n, settleTo: 0n });
    assert.deepEqual(settles(node.tick()), [], "the same crossing");
    node.core.setAccount(BOB, settings);
    node.core.setAccount(BOB, { ...settings, settleThreshold: -5n, settleTo: 0n });
    assert.deepEqual(settles(node.tick()), [`${BOB} 20`]);
  });
  test("booked: what is left is due anew, what came in may be what makes it due", () => {
    const node = new Node({ [BOB]: { settleThreshold: -10n, settleTo: 0n } });
    node.core.bookSettlement(BOB, false, 30n);
    assert.deepEqual(settles(node.tick()), [`${BOB} 30`]);
    node.core.bookSettlement(BOB, false, 5n);
    assert.deepEqual(settles(node.tick()), [], "said, and not yet acted on");
    node.core.bookSettlement(BOB, true, 15n);
    assert.deepEqual(settles(node.tick()), [`${BOB} 20`]);
    node.core.bookSettlement(BOB, true, 20n);
    assert.deepEqual(settles(node.tick()), []);
  });
  test("said again after a restart, whether settings or sums come first", () => {
    const old = new Node({ [BOB]: { settleThreshold: -10n, settleTo: 0n } });
    old.core.bookSettlement(BOB, false, 30n);
    old.tick();
    const records = [...old.core.commit()].map((record) => Uint8Array.from(record));
    assert.ok(records.length > 0);
    const node = new Node({ [BOB]: { settleThreshold: -10n, settleTo: 0n } });
    node.core.replay(records);
    assert.deepEqual(settles(node.tick()), [`${BOB} 30`]);
    assert.deepEqual(settles(node.tick()), []);
    node.core.replay(records);
    assert.deepEqual(settles(node.tick()), [`${BOB} 30`], "said before, to an earlier life");
  });
});

describe("mask keys (RFC 6455, 10.3)", () => {
  const module = new WebAssembly.Module(readFileSync("build/gateway.wasm"));

  /** Keys of `n` frames to a WebSocket server, and the first request ids on the wire. */
  function frames(n: number): { keys: number[]; ids: number[] } {
    const core = new Core(module, SEED);
    core.setAsset(0, "XRP", 9);
    core.setRate(0, 0, 1n, 1n, 0);
    for (const [i, kind] of [LinkKind.Raw, LinkKind.Raw, LinkKind.WsClient].entries()) {
      core.setAccount(i, { name: `n${i}`, relation: Relation.Peer, asset: 0 });
      core.linkUp(i, kind);
    }
    core.setAddress("test.n");
    core.setRoute("test.b", 2);
    core.clock(1000, 2_000_000_000_000);
    const keys: number[] = [];
    const ids: number[] = [];
    const frame: Sink["frame"] = (_account, at, length) => {
      const bytes = Buffer.from(core.bytes.subarray(at, at + length));
      const start = (bytes[1]! & 127) === 126 ? 4 : 2;
      keys.push(bytes.readUInt32LE(start));
      const plain = bytes.subarray(start + 4).map((x, i) => x ^ bytes[start + (i & 3)]!);
      ids.push(Buffer.from(plain).readUInt32BE(1));
      assert.equal(plain[0], 6, "a BTP message, once it is unmasked");
    };
    const none = (): void => {};
    const sink = { frame, request: none, reply: none, settlementDue: none, lateFulfill: none };
    for (let i = 0; i < n; i++) {
      const condition = codec.sha256(Buffer.of(i));
      const { bytes } = codec.prepare(1n, 2_000_000_030_000, condition, "test.b.x");
      core.input.set(bytes);
      assert.equal(core.request(1, i, bytes.length, 1000), Status.Ok);
      core.drain(sink);
    }
    return { keys, ids };
  }

  test("SHA-256 of the seed, eight a hash; the same seed gives the same", () => {
    const { keys } = frames(20);
    const expected = [0, 8, 16].flatMap((first) => {
      const preimage = Buffer.alloc(32);
      WORDS.copy(preimage);
      preimage.writeBigUInt64LE(BigInt(first), 8);
      preimage[16] = 2;
      const digest = codec.sha256(preimage);
      return Array.from({ length: 8 }, (_, i) => digest.readUInt32LE(4 * i));
    });
    assert.deepEqual(keys, expected.slice(0, 20));
    assert.equal(new Set(keys).size, 20);
    assert.deepEqual(frames(20).keys, keys);
  });
  test("request ids are of another hash", () => {
    const { ids } = frames(1);
    const preimage = Buffer.alloc(32);
    WORDS.copy(preimage);
    preimage[16] = 1;
    const first = (codec.sha256(preimage).readUInt32LE(8) + 1) & 0x3ffff;
    assert.equal(ids[0]! >>> 14, first);
  });
});
