// `batch`: packets of a raw link handed over together do exactly what they do one by one through
// `request` and `reply`, byte for byte, on every build; only how full the outputs ever were may
// differ. FERRULE_SEED repeats a run.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BatchItemRecord, Counter } from "../../host/abi.js";
import { LinkKind, Status } from "../../host/core.js";
import * as codec from "../support/model/codec.js";
import { Random, SEED } from "../support/model/random.js";
import { Pair, compareSaid } from "../support/stream-pair.js";
import {
  ITEM_REPLY,
  ITEM_REQUEST,
  Rig,
  WALL_MS,
  difference,
  layOut,
  misplaced,
  type Item,
} from "../support/stream-rig.js";
import { Opcode, WsWriter, serialFrame } from "../support/stream-wire.js";

const RAW = [LinkKind.Raw, LinkKind.Raw, LinkKind.Raw, LinkKind.Raw];
const PROFILES = ["test", "gateway", "gateway-scalar"];
const ALICE = 1;
const BOB = 2;

const preimage = (i: number): Buffer => codec.sha256(Buffer.from(`preimage ${i}`));

function prepares(count: number): Item[] {
  return Array.from({ length: count }, (_, i) => {
    const condition = codec.sha256(preimage(i));
    const packet = codec.prepare(
      3n,
      WALL_MS + 20_000,
      condition,
      "test.b.x",
      Buffer.alloc(i),
    ).bytes;
    return { kind: ITEM_REQUEST, id: 1000 + i, packet };
  });
}

/** The items as one chunk of a serial line (account 2) or a WebSocket client (account 3). */
function streamOf(account: number, items: readonly Item[]): Buffer {
  const writer = new WsWriter(new Random(SEED), false);
  const frames = items.map(({ id, packet }) =>
    account === 2
      ? serialFrame(1, id, packet)
      : writer.frame(Opcode.Binary, codec.frame(6, id, packet)),
  );
  return Buffer.concat(frames);
}

describe("a batch does what its packets do one by one", () => {
  for (const profile of PROFILES) {
    for (const packetsMax of [4, 64, 150]) {
      test(`${profile} build, up to ${packetsMax} packets, from seed ${SEED}`, () => {
        for (const trail of [false, true]) {
          // Records are taken at each comparison: seldom enough that they fill up.
          const every = profile === "test" ? 1 : trail ? 40 : 8;
          const random = new Random(SEED + packetsMax + Number(trail));
          const options = { packetsMax, dataMax: 32_759, trail, every };
          // Few packets in a call, so more calls: whatever the seed, some must get through.
          const steps = packetsMax === 4 ? 300 : 60;
          const pair = new Pair(random, profile, RAW, options).run(steps);
          assert.ok(pair.forwarded > 5, "too few packets get through to prove anything");
        }
      });
    }
  }

  test(`the same memory with and without SIMD, seed ${SEED}`, () => {
    const run = (profile: string): Rig =>
      new Pair(new Random(SEED), profile, RAW, { packetsMax: 64, every: 50 }).run(60).subject;
    assert.equal(difference(run("gateway"), run("gateway-scalar")), -1);
  });

  for (const profile of ["gateway", "gateway-scalar"]) {
    test(`1 to 64 Fulfills at once, a wrong one at each place, ${profile} build`, () => {
      const random = new Random(SEED);
      for (let count = 1; count <= 64; count += count < 14 ? 1 : 7) {
        const rigs = [new Rig(profile, RAW), new Rig(profile, RAW)] as const;
        const ids = rigs.map((rig) => rig.batch(ALICE, prepares(count)).map((said) => said.id))[0]!;
        assert.equal(ids.length, count);
        const wrong = random.below(count);
        const replies = ids.map((id, i) => {
          const fulfillment = Buffer.from(preimage(i));
          if (i === wrong) fulfillment[random.below(32)]! ^= 1;
          const data = Buffer.alloc(random.pick([0, 1, 90, 100, 300]), 9);
          return { kind: ITEM_REPLY, id, packet: codec.fulfill(fulfillment, data).bytes };
        });
        if (random.chance(50)) replies.push(random.pick(replies));
        const said = rigs[0].batch(BOB, replies);
        compareSaid(said, rigs[1].oneByOne(BOB, replies));
        assert.equal(difference(rigs[0], rigs[1]), -1);
        const types = said.map((s) => s.packetType);
        assert.deepEqual(
          types.slice(0, count),
          ids.map((_, i) => (i === wrong ? 14 : 13)),
        );
        assert.equal(rigs[0].machine.counter(Counter.WrongFulfillments), 1);
      }
    });
  }
});

describe("room", () => {
  test("8 outputs: one packet a call, the rest is for the next", () => {
    const rig = new Rig("test", RAW);
    const input = layOut(prepares(3));
    const size = layOut(prepares(1)).length;
    rig.core.input.set(input);
    assert.equal(rig.core.batch(ALICE, input.length, rig.nowMs), size);
    const { core } = rig;
    assert.equal(
      core.batch(ALICE, input.length, rig.nowMs),
      Status.Undrained,
      "outputs are waiting",
    );
    assert.equal(rig.drain(size).length, 1);
    rig.core.input.copyWithin(0, size, input.length);
    const second = layOut(prepares(2)).length - size;
    assert.equal(rig.core.batch(ALICE, input.length - size, rig.nowMs), second);
    assert.equal(rig.drain(second).length, 1);
  });

  test("the gateway takes 64 packets a call", () => {
    const rig = new Rig("gateway", RAW);
    assert.equal(rig.batch(ALICE, prepares(130)).length, 130);
    assert.deepEqual([rig.calls, rig.partial], [3, 2]);
  });

  test("no more packets than the waiting records leave room for", () => {
    const rig = new Rig("gateway", RAW, { trail: true });
    const items = prepares(900);
    // One for itself, so that the room left is no multiple of what a full batch writes.
    const said = [...rig.batch(ALICE, items.slice(0, 1)), ...rig.batch(ALICE, items.slice(1))];
    assert.equal(said.length, 900);
    rig.takeRecords();
    // Two for each hold, of which 1024 fit; each batch leaves room for the most it may write.
    const counts = rig.records.map((bytes) => bytes.length / 64);
    assert.equal(
      counts.reduce((sum, n) => sum + n),
      1800,
    );
    assert.ok(counts[0]! > 960 && counts.every((n) => n <= 1024), String(counts));
  });

  test("the longest Rejects there are, on every kind of link, fit the arena", () => {
    const own = `test.${"n".repeat(1018)}`;
    const destination = `g.${"q".repeat(1021)}`;
    const condition = codec.sha256(preimage(1));
    const { bytes } = codec.prepare(3n, WALL_MS + 20_000, condition, destination);
    const name = "x".repeat(64);
    const kinds = [LinkKind.Raw, LinkKind.Raw, LinkKind.Serial, LinkKind.WsClient];
    const accounts = [1, 2, 3, 4].map((i) => ({ name: name.slice(1) + String(i) }));
    const rig = new Rig("gateway", kinds, { ownAddress: own, accounts });
    const items = Array.from({ length: 100 }, (_, id) => ({
      kind: ITEM_REQUEST,
      id,
      packet: bytes,
    }));
    assert.equal(rig.batch(ALICE, items).length, 100);
    for (const account of [2, 3]) {
      // 1088 bytes of Prepare for each Reject of 2200, twice where it is framed anew.
      const said = rig.feed(account, streamOf(account, items));
      assert.equal(said.length, 100);
      assert.ok(said.every((s) => s.packetType === 14 && s.bytes.length > 2150));
    }
    assert.ok(rig.partial > 0, "the arena was never full");
  });
});

describe("what is no item", () => {
  const [first] = prepares(1);
  const good = layOut([first!]);
  const odd = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes.writeUInt32LE(value >>> 0, at);
    return bytes;
  };
  const CASES: [string, Buffer][] = [
    ["kind 0", odd(BatchItemRecord.kind, 0)],
    ["kind 3", odd(BatchItemRecord.kind, 3)],
    ["kind 256 + 1", odd(BatchItemRecord.kind, 257)],
    [
      "a length beyond the end",
      odd(BatchItemRecord.length, good.length - BatchItemRecord.SIZE + 1),
    ],
    ["a length of 4 GB", odd(BatchItemRecord.length, -1)],
    ["half a header", good.subarray(0, BatchItemRecord.SIZE - 1)],
    ["one byte", good.subarray(0, 1)],
  ];
  for (const profile of PROFILES) {
    for (const [name, bad] of CASES) {
      test(`${name}, ${profile} build`, () => {
        const rig = new Rig(profile, RAW);
        const call = (bytes: Buffer): number => {
          rig.core.input.set(bytes);
          return rig.core.batch(ALICE, bytes.length, rig.nowMs);
        };
        assert.equal(call(bad), Status.BadPacket);
        assert.equal(rig.drain(0).length, 0);
        assert.equal(rig.machine.counter(Counter.Prepares), 0);
        assert.equal(call(Buffer.concat([good, bad])), good.length, "what is before it counts");
        assert.equal(rig.drain(good.length).length, 1);
      });
    }
  }

  test("nothing at all is nothing", () => {
    const rig = new Rig("test", RAW);
    assert.equal(rig.core.batch(ALICE, 0, rig.nowMs), 0);
  });

  test("the last item needs no padding", () => {
    const rig = new Rig("test", RAW);
    const bytes = layOut([{ ...first!, packet: Buffer.concat([first!.packet, Buffer.of(1)]) }]);
    const length = BatchItemRecord.SIZE + first!.packet.length + 1;
    rig.core.input.set(bytes);
    assert.equal(rig.core.batch(ALICE, length, rig.nowMs), length);
    assert.equal(rig.drain(length).length, 1);
  });
});

describe("the checks notice", () => {
  const said = { what: "Reply", account: 1, source: 2, packetType: 13, id: 1, amount: 0n };
  const a = { ...said, bytes: Buffer.from("a") };

  test("an output more, less, changed, or in another order", () => {
    const b = { ...said, id: 2, bytes: Buffer.from("b") };
    compareSaid([a, b], [a, b]);
    for (const other of [[a], [a, b, b], [b, a], [a, { ...b, bytes: Buffer.from("c") }]]) {
      assert.throws(() => compareSaid(other, [a, b]));
    }
    for (const change of [{ id: 9 }, { account: 3 }, { source: 3 }, { packetType: 14 }]) {
      assert.throws(() => compareSaid([{ ...a, ...change }], [a]));
    }
  });

  test("a byte of the snapshot", () => {
    const [one, two] = [new Rig("test", RAW), new Rig("test", RAW)];
    assert.equal(difference(one, two), -1);
    for (const at of [8, 300, one.snapshot.length - 1]) {
      two.snapshot[at]! ^= 1;
      assert.equal(difference(one, two), at);
      two.snapshot[at]! ^= 1;
    }
  });

  test("outputs that overlap, or lie where they must not", () => {
    const places = [{ from: 100, to: 200 }];
    const ranges = [
      { from: 150, to: 170 },
      { from: 100, to: 150 },
    ];
    assert.equal(misplaced(ranges, places), undefined);
    assert.match(misplaced([...ranges, { from: 169, to: 180 }], places)!, /overlap/);
    assert.match(misplaced([{ from: 190, to: 201 }], places)!, /not where/);
    assert.match(misplaced([{ from: 99, to: 101 }], places)!, /not where/);
  });

  test("an item worked on twice, left out, or proved with another's fulfillment", () => {
    const items = prepares(8);
    const plant = (change: (replies: Item[]) => Item[]): void => {
      const rigs = [new Rig("gateway", RAW), new Rig("gateway", RAW)] as const;
      const out = rigs.map((rig) => rig.batch(ALICE, items))[0]!;
      const replies = out.map(({ id }, i) => {
        return { kind: ITEM_REPLY, id, packet: codec.fulfill(preimage(i)).bytes };
      });
      const left = rigs[0].batch(BOB, change([...replies]));
      const right = rigs[1].oneByOne(BOB, replies);
      compareSaid(left, right);
      assert.equal(difference(rigs[0], rigs[1]), -1);
    };
    plant((replies) => replies);
    assert.throws(() => plant((replies) => [...replies, replies[0]!]));
    assert.throws(() => plant((replies) => replies.slice(1)));
    assert.throws(() =>
      plant(([first, second, ...rest]) => [
        { ...first!, packet: second!.packet },
        { ...second!, packet: first!.packet },
        ...rest,
      ]),
    );
  });
});
