// `stream`: whatever the cuts, a byte stream does exactly what its frames do one by one. The oracle
// for WebSocket bytes, in both directions, is the npm package ws (RFC 6455 5; BTP-08); for serial
// ones a codec of the test's own. Links of all kinds meet, so headers are written in place and over
// copies. FERRULE_SEED repeats a run.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LinkKind } from "../../host/core.js";
import * as codec from "../support/model/codec.js";
import { Random, SEED } from "../support/model/random.js";
import { Pair, compareSaid, isForwarded, type PairOptions } from "../support/stream-pair.js";
import { Rig, WALL_MS, difference, isWebSocket, type Said } from "../support/stream-rig.js";
import {
  Opcode,
  WsReader,
  WsWriter,
  readSerialFrame,
  serialFrame,
} from "../support/stream-wire.js";

const { Raw, Btp, WsServer, WsClient, Serial } = LinkKind;
const PROFILES = ["test", "gateway", "gateway-scalar"];
const MIXES: LinkKind[][] = [
  [Raw, WsServer, WsServer, WsServer],
  [Raw, WsClient, WsServer, Btp],
  [Raw, WsClient, Raw, WsClient],
  [Serial, Serial, WsServer, Btp],
  [WsServer, Serial, Serial, WsClient],
];
const nameOf = (kinds: LinkKind[]): string => kinds.map((kind) => LinkKind[kind]).join(" ");
const PREIMAGE = Buffer.alloc(32, 7);
const CONDITION = codec.sha256(PREIMAGE);
const ALICE = 1;
const BOB = 2;

describe("streams against their frames one by one", () => {
  for (const profile of PROFILES) {
    for (const kinds of MIXES) {
      test(`${profile} build, ${nameOf(kinds)}, from seed ${SEED}`, () => {
        const small = profile === "test";
        const options: PairOptions = {
          packetsMax: small ? 6 : 70,
          dataMax: 32_759,
          noise: true,
          trail: profile === "gateway",
          every: small ? 1 : 8,
        };
        const pair = new Pair(new Random(SEED), profile, kinds, options).run(small ? 120 : 40);
        assert.ok(pair.forwarded > 3, "too few packets get through to prove anything");
        if (small) assert.ok(pair.subject.partial > 0, "no call left anything for the next");
      });
    }
  }

  test(`the same memory with and without SIMD, seed ${SEED}`, () => {
    for (const kinds of MIXES) {
      const run = (profile: string): Rig =>
        new Pair(new Random(SEED), profile, kinds, { packetsMax: 40, every: 20 }).run(20).subject;
      assert.equal(difference(run("gateway"), run("gateway-scalar")), -1, nameOf(kinds));
    }
  });
});

/** Frames as the peer of a link of this kind sends them. */
function written(
  kind: LinkKind,
  frames: readonly [type: number, id: number, packet: Buffer][],
): Buffer {
  const writer = new WsWriter(new Random(SEED), kind === WsServer);
  const parts = frames.map(([type, id, packet]) => {
    if (kind === Serial) return serialFrame(type === 6 ? 1 : 2, id, packet);
    const frame = codec.frame(type, id, packet);
    if (id % 2) return writer.frame(Opcode.Binary, frame);
    // In three fragments, with a Ping in the last gap.
    const ping = writer.frame(Opcode.Ping, Buffer.of(id));
    return Buffer.concat([
      writer.frame(Opcode.Binary, frame.subarray(0, 9), false),
      writer.frame(Opcode.Continuation, frame.subarray(9, 40), false),
      ping,
      writer.frame(Opcode.Continuation, frame.subarray(40)),
    ]);
  });
  return Buffer.concat(parts);
}

function prepare(tag: number, size: number, to = "test.b.x"): Buffer {
  const data = Buffer.alloc(size, tag);
  return codec.prepare(5n, WALL_MS + 20_000, CONDITION, `${to}.${tag}`, data).bytes;
}

describe("every cut", () => {
  for (const kind of [WsServer, WsClient, Serial]) {
    for (const profile of PROFILES) {
      test(`${LinkKind[kind]}, ${profile} build`, () => {
        const bytes = written(
          kind,
          [1, 2].map((id) => [6, id, prepare(id, 3)]),
        );
        const fresh = (): Rig => new Rig(profile, [Raw, kind, Btp, Raw]);
        const expected = fresh().feed(ALICE, bytes);
        assert.deepEqual(expected.map((s) => s.packetType).filter(Boolean), [12, 12]);
        // The large builds take long to start: a few cuts, and below every byte for itself.
        const step = profile === "test" ? 1 : 29;
        for (let cut = 0; cut <= bytes.length; cut += step) {
          const rig = fresh();
          const said = rig.feed(ALICE, bytes.subarray(0, cut), true);
          compareSaid([...said, ...rig.feed(ALICE, bytes.subarray(cut), true)], expected);
        }
        const single = fresh();
        const said = [...bytes].flatMap((byte) => single.feed(ALICE, Buffer.of(byte), true));
        compareSaid(said, expected);
      });
    }
  }
});

describe("packets arrive as they were sent, but for amount and expiry", () => {
  const all = [Raw, Btp, WsServer, WsClient, Serial];
  for (const profile of PROFILES) {
    for (const from of all) {
      for (const to of all) {
        test(`${LinkKind[from]} to ${LinkKind[to]}, ${profile} build`, () => {
          const rig = new Rig(profile, [Raw, from, to, Raw]);
          const sizes = [0, 1, 20, 90, 110, 200, 40, 32_767, 30, 32_000, 5];
          for (const some of profile === "test"
            ? sizes.map((n) => [n])
            : [sizes.slice(0, 7), sizes.slice(7)]) {
            exchange(rig, from, to, some);
          }
        });
      }
    }
  }
});

/** Hands frames to an account whatever its link. */
function give(
  rig: Rig,
  account: number,
  frames: [type: number, id: number, packet: Buffer][],
): Said[] {
  const kind = rig.kinds[account]!;
  if (kind === Btp) return frames.flatMap((f) => rig.frame(account, codec.frame(...f))[1]);
  if (kind !== Raw) return rig.feed(account, written(kind, frames));
  const items = frames.map(([type, id, packet]) => ({ kind: type === 6 ? 1 : 2, id, packet }));
  return rig.batch(account, items);
}

/** Prepares one way, their Fulfills back, all in one chunk each. */
function exchange(rig: Rig, from: LinkKind, to: LinkKind, sizes: number[]): void {
  const packets = sizes.map((size, i) => prepare(i + 1, size));
  const isPacket = (said: Said): boolean => said.packetType !== 0;
  const requests = give(
    rig,
    ALICE,
    packets.map((packet, i) => [6, i + 1, packet]),
  ).filter(isPacket);
  assert.equal(requests.length, packets.length);
  for (const [i, said] of requests.entries()) {
    assert.deepEqual([said.what, said.account, said.source], ["Request", BOB, ALICE]);
    assert.ok(isForwarded(said.bytes, packets[i]!), `packet ${i} from ${from} to ${to}`);
  }
  const fulfills = sizes.map(
    (size, i) => codec.fulfill(PREIMAGE, Buffer.alloc(size, i + 99)).bytes,
  );
  const back = requests.map(({ id }, i): [number, number, Buffer] => [1, id, fulfills[i]!]);
  const replies = give(rig, BOB, back).filter(isPacket);
  assert.deepEqual(
    replies.map((said) => [said.what, said.account, said.source, said.id]),
    sizes.map((_, i) => ["Reply", ALICE, BOB, i + 1]),
  );
  for (const [i, said] of replies.entries()) assert.ok(said.bytes.equals(fulfills[i]!));
}

describe("how much is needed", () => {
  for (const kind of [WsServer, WsClient]) {
    test(`a ${LinkKind[kind]} says exactly how many bytes bring progress`, () => {
      const bytes = written(kind, [[6, 1, prepare(1, 400)]]);
      const rig = new Rig("test", [Raw, kind, Btp, Raw]);
      assert.equal(rig.feed(ALICE, bytes.subarray(0, 1)).length, 0);
      assert.equal(rig.needed[ALICE], 2);
      rig.feed(ALICE, bytes.subarray(1, 30));
      assert.equal(rig.needed[ALICE], bytes.length);
      const before = rig.calls;
      rig.feed(ALICE, bytes.subarray(30, -1));
      assert.equal(rig.calls, before, "it is not called in vain");
      assert.equal(rig.feed(ALICE, bytes.subarray(-1)).length, 1);
      assert.equal(rig.needed[ALICE], 1);
    });
  }

  test("a chunk of Pings is answered as far as the outputs go, then further", () => {
    for (const kind of [WsServer, WsClient]) {
      const rig = new Rig("test", [Raw, kind, Btp, Raw]);
      const writer = new WsWriter(new Random(SEED), kind === WsServer);
      const pings = Array.from({ length: 100 }, (_, i) => writer.frame(9, Buffer.alloc(i, i)));
      const said = rig.feed(ALICE, Buffer.concat(pings));
      assert.ok(rig.partial > 10);
      assert.deepEqual(
        said.map((s) => `${s.what} ${s.bytes.toString("hex")}`),
        pings.map((_, i) => `ws pong ${Buffer.alloc(i, i).toString("hex")}`),
      );
    }
  });

  test("mask keys of a client differ from frame to frame", () => {
    const rig = new Rig("gateway", [Raw, WsClient, Btp, Raw]);
    const writer = new WsWriter(new Random(SEED), false);
    const keys = new Set<number>();
    for (let i = 0; i < 100; i++) {
      rig.core.input.set(writer.frame(9, Buffer.alloc(0)));
      rig.core.stream(ALICE, 2, rig.nowMs);
      const o = rig.machine.call("poll");
      keys.add(rig.machine.bytes.readUInt32LE(rig.machine.u32(o + 12) + 2));
    }
    assert.ok(keys.size > 95);
  });
});

describe("the checks notice", () => {
  /** Runs a pair whose subject or host has a fault. */
  function plant(change: (rig: Rig) => void, kinds = MIXES[1]!, seed = 5): () => void {
    return () => {
      const pair = new Pair(new Random(seed), "test", kinds, { packetsMax: 6 });
      change(pair.subject);
      pair.run(150);
    };
  }

  test(
    "nothing when nothing is wrong",
    plant(() => undefined),
  );

  test("a tail kept as it came, not as it lies in the input", () => {
    const asItCame = (rig: Rig): void => {
      rig.keep = (_account, given, consumed) => given.subarray(consumed);
    };
    assert.throws(plant(asItCame));
  });

  test("a byte of the tail lost, or come twice", () => {
    for (const shift of [-1, 1]) {
      const shifted = (rig: Rig): void => {
        const { keep } = rig;
        rig.keep = (...args) => {
          const tail = keep.apply(rig, args);
          if (tail.length < 20) return tail;
          return shift > 0 ? tail.subarray(1) : Buffer.concat([tail.subarray(0, 1), tail]);
        };
      };
      assert.throws(plant(shifted));
    }
  });

  test("a byte of an output changed, an output lost, two exchanged", () => {
    const changes: ((said: Said[]) => Said[])[] = [
      (said) => said.map((s) => ({ ...s, bytes: s.bytes.map((b) => b ^ 1) as Buffer })),
      (said) => said.slice(1),
      (said) => [...said].reverse(),
    ];
    for (const [i, change] of changes.entries()) {
      const changed = (rig: Rig): void => {
        const { drain } = rig;
        rig.drain = (consumed) => change(drain.call(rig, consumed));
      };
      // On the test build every drain has one packet: order shows where calls are joined.
      if (i < 2) assert.throws(plant(changed));
    }
    const [one, two] = [1, 2].map((id) => {
      const none = { what: "Reply", account: 1, source: 2, packetType: 13, amount: 0n };
      return { ...none, id, bytes: Buffer.of(id) };
    });
    assert.throws(() => compareSaid([two!, one!], [one!, two!]));
  });

  test("a damaged byte among the unread ones", () => {
    const rig = new Rig("test", MIXES[0]!);
    const given = Buffer.from("0123456789");
    rig.core.input.set(given);
    assert.deepEqual(rig.keep(ALICE, given, 4), given.subarray(4));
    rig.core.input[7]! ^= 1;
    assert.throws(() => rig.keep(ALICE, given, 4), /not yet read/);
  });

  test("a Prepare that was changed on its way", () => {
    const packet = prepare(1, 40);
    const at = codec.contentAt(packet);
    for (let i = 0; i < packet.length; i++) {
      const other = Buffer.from(packet);
      other[i]! ^= 1;
      assert.equal(isForwarded(other, packet), i >= at && i < at + 25, `byte ${i}`);
    }
    assert.equal(isForwarded(packet.subarray(1), packet), false);
  });

  test("bytes that no WebSocket peer and no serial line would take", () => {
    for (const kind of [WsServer, WsClient].filter(isWebSocket)) {
      const good = new WsWriter(new Random(1), kind === WsClient).frame(2, Buffer.from("abc"));
      const data = new WsReader(kind === WsServer).read(good).data;
      assert.equal(data.toString(), "abc");
      assert.throws(() => new WsReader(kind === WsClient).read(good), "the wrong mask");
      assert.throws(() => new WsReader(kind === WsServer).read(good.subarray(0, -1)), "cut");
      assert.throws(() => new WsReader(kind === WsServer).read(Buffer.concat([good, good])), "two");
    }
    const line = serialFrame(1, 7, Buffer.from("abc"));
    assert.equal(readSerialFrame(line)!.payload.toString(), "abc");
    for (let i = 0; i < line.length; i++) {
      const bad = Buffer.from(line);
      bad[i]! ^= 1;
      assert.equal(readSerialFrame(bad), null);
    }
  });
});
