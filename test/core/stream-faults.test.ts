// Streams that end: a Close frame with the right code (RFC 6455 7.4), an output that asks the host
// to close, packets before the fault worked on, nothing after it, in this chunk or a later one
// (BTP-08). Serial lines never end: what is damaged is skipped and counted.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Counter, LinkKind, Status } from "../../host/core.js";
import * as codec from "../support/model/codec.js";
import { Random, SEED } from "../support/model/random.js";
import { ITEM_REPLY, ITEM_REQUEST, Rig, WALL_MS, type Said } from "../support/stream-rig.js";
import { MESSAGE_MAX, Opcode, WsWriter, serialFrame } from "../support/stream-wire.js";

const PREIMAGE = Buffer.alloc(32, 7);
const CONDITION = codec.sha256(PREIMAGE);
const ALICE = 1;
const BOB = 2;

function packet(tag: string): Buffer {
  const data = Buffer.from(tag);
  // The same condition to the same destination thrice would be a loop.
  return codec.prepare(5n, WALL_MS + 20_000, CONDITION, `test.b.${tag}`, data).bytes;
}

const message = (id: number, tag: string): Buffer => codec.frame(6, id, packet(tag));
const what = (said: Said[]): string[] => said.map((s) => `${s.what} ${s.account} ${s.id}`);

interface Fault {
  name: string;
  code: number;
  make(writer: WsWriter): Buffer;
}

/** Sets bits of a frame's first bytes. */
function altered(frame: Buffer, at: number, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(frame);
  copy[at] = change(copy[at]!) & 255;
  return copy;
}

const code = (n: number, reason = ""): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(n);
  return Buffer.concat([bytes, Buffer.from(reason, "latin1")]);
};

const FAULTS: Fault[] = [
  { name: "text", code: 1003, make: (w) => w.frame(Opcode.Text, Buffer.from("hello")) },
  { name: "not BTP", code: 1002, make: (w) => w.frame(Opcode.Binary, Buffer.from("hello")) },
  { name: "empty message", code: 1002, make: (w) => w.frame(Opcode.Binary, Buffer.alloc(0)) },
  {
    name: "reserved bit",
    code: 1002,
    make: (w) => altered(w.frame(2, message(9, "r")), 0, (b) => b | 0x40),
  },
  {
    name: "unknown opcode",
    code: 1002,
    make: (w) => altered(w.frame(2, message(9, "u")), 0, () => 0x83),
  },
  {
    name: "mask of the other side",
    code: 1002,
    make: (w) => altered(w.frame(2, message(9, "m")), 1, (b) => b ^ 0x80),
  },
  { name: "continuation of nothing", code: 1002, make: (w) => w.frame(0, message(9, "c")) },
  {
    name: "message within a message",
    code: 1002,
    make: (w) => Buffer.concat([w.frame(2, message(9, "i"), false), w.frame(2, message(10, "n"))]),
  },
  {
    name: "too big",
    code: 1009,
    make: (w) => w.frame(2, Buffer.alloc(MESSAGE_MAX + 1, 6)).subarray(0, 20),
  },
  {
    name: "too big in fragments",
    code: 1009,
    make: (w) =>
      Buffer.concat([w.frame(2, Buffer.alloc(40_000), false), w.frame(0, Buffer.alloc(4000))]),
  },
  { name: "Close", code: 1000, make: (w) => w.frame(Opcode.Close, code(1000, "bye")) },
  { name: "Close, private code", code: 4321, make: (w) => w.frame(Opcode.Close, code(4321)) },
  { name: "Close without a code", code: 0, make: (w) => w.frame(Opcode.Close, Buffer.alloc(0)) },
  { name: "Close with a code of none", code: 1002, make: (w) => w.frame(Opcode.Close, code(1005)) },
  { name: "Close, reason not UTF-8", code: 1007, make: (w) => w.frame(8, code(1000, "\xff")) },
];

const KINDS: [string, LinkKind][] = [
  ["server", LinkKind.WsServer],
  ["client", LinkKind.WsClient],
];

for (const [role, kind] of KINDS) {
  for (const profile of ["test", "gateway", "gateway-scalar"]) {
    describe(`a ${role}'s stream that ends, ${profile} build`, () => {
      for (const fault of FAULTS) {
        test(fault.name, () => {
          const rig = new Rig(profile, [LinkKind.Raw, kind, LinkKind.Raw, LinkKind.Raw]);
          const writer = new WsWriter(new Random(SEED), kind === LinkKind.WsServer);
          const before = [1, 2].map((id) => writer.frame(2, message(id, `before${id}`)));
          const after = writer.frame(2, message(3, "after"));
          const said = rig.feed(ALICE, Buffer.concat([...before, fault.make(writer), after]));
          assert.deepEqual(
            said.map((s) => s.what),
            ["Request", "Request", "ws close", "Close"],
          );
          assert.equal(said[2]!.id, fault.code || 1005, "code in the Close frame");
          assert.equal(said[3]!.id, fault.code, "code in the output");
          assert.equal(said[3]!.account, ALICE);
          assert.equal(rig.tails[ALICE]!.length, 0, "nothing is kept");
          assert.deepEqual(what(rig.feed(ALICE, after, true)), [], "a later chunk is not read");
          assert.equal(rig.machine.counter(Counter.Prepares), 2);
          const faulty =
            !fault.name.startsWith("Close") || fault.code === 1002 || fault.code === 1007;
          const counted = faulty && fault.name !== "text" ? 1 : 0;
          assert.equal(rig.machine.counter(Counter.BadFrames), counted);
          rig.linkDown(ALICE);
          rig.linkUp(ALICE);
          assert.deepEqual(
            what(rig.feed(ALICE, after)).map((text) => text.slice(0, 9)),
            [`Request ${BOB}`],
            "a new link begins afresh",
          );
        });
      }
    });
  }
}

describe("replies of a stream that ends", () => {
  test("a Fulfill in the chunk of a fault is paid", () => {
    const rig = new Rig("gateway", [LinkKind.Raw, LinkKind.Raw, LinkKind.WsClient, LinkKind.Raw]);
    const items = [{ kind: ITEM_REQUEST, id: 1, packet: packet("x") }];
    const [request] = rig.batch(ALICE, items);
    const writer = new WsWriter(new Random(SEED), false);
    const fulfill = codec.frame(1, request!.id, codec.fulfill(PREIMAGE).bytes);
    const chunk = [writer.frame(2, fulfill), writer.frame(1, Buffer.from("text"))];
    assert.deepEqual(what(rig.feed(BOB, Buffer.concat(chunk))), [
      `Reply ${ALICE} 1`,
      `ws close ${BOB} 1003`,
      `Close ${BOB} 1003`,
    ]);
    assert.equal(rig.core.account(BOB).balance, -5n);
  });

  test("a Fulfill behind a fault is not", () => {
    const rig = new Rig("gateway", [LinkKind.Raw, LinkKind.Raw, LinkKind.WsClient, LinkKind.Raw]);
    const [request] = rig.batch(ALICE, [{ kind: ITEM_REQUEST, id: 1, packet: packet("x") }]);
    const writer = new WsWriter(new Random(SEED), false);
    const fulfill = codec.frame(1, request!.id, codec.fulfill(PREIMAGE).bytes);
    const chunk = [writer.frame(1, Buffer.from("text")), writer.frame(2, fulfill)];
    assert.deepEqual(what(rig.feed(BOB, Buffer.concat(chunk))), [
      `ws close ${BOB} 1003`,
      `Close ${BOB} 1003`,
    ]);
    assert.equal(rig.core.account(BOB).balance, 0n);
  });
});

describe("which verb a link takes", () => {
  const rig = new Rig("test", [LinkKind.Raw, LinkKind.WsServer, LinkKind.Btp, LinkKind.Serial]);
  test("the other ones are refused and change nothing", () => {
    const before = Buffer.from(rig.snapshot);
    const { core } = rig;
    const calls: [string, number][] = [
      ["stream of a raw link", core.stream(0, 0, 1000)],
      ["stream of BTP frames", core.stream(2, 0, 1000)],
      ["stream of no account", core.stream(4, 0, 1000)],
      ["more than the input", core.stream(1, core.input.length + 1, 1000)],
      ["batch of a WebSocket", core.batch(1, 0, 1000)],
      ["batch of a serial line", core.batch(3, 0, 1000)],
      ["frame of a WebSocket", core.frame(1, 0, 1000)],
      ["request of a WebSocket", core.request(1, 1, 0, 1000)],
      ["reply of a serial line", core.reply(3, 1, 0, 1000)],
      ["fail of a serial line", core.fail(3, 1, "T00", 1000)],
    ];
    for (const [name, status] of calls) assert.equal(status, Status.BadArgument, name);
    rig.linkDown(1);
    assert.equal(core.stream(1, 0, 1000), Status.NotFound);
    rig.core.linkUp(1, LinkKind.WsServer);
    core.closeAccount(1);
    assert.equal(core.stream(1, 0, 1000), Status.BadArgument);
    assert.notDeepEqual(before, rig.snapshot);
  });
});

describe("serial lines", () => {
  const kinds = [LinkKind.Raw, LinkKind.Serial, LinkKind.Raw, LinkKind.Raw];
  const frame = (id: number): Buffer => serialFrame(1, id, packet(`line${id}`));

  test("every flipped bit costs that frame and at most the next, and is counted", () => {
    // Answered at once, because nothing leads there.
    const refused = codec.prepare(5n, WALL_MS + 20_000, CONDITION, "g.else", Buffer.from("x"));
    const line = (id: number): Buffer => serialFrame(1, id, refused.bytes);
    const good = line(1);
    const rig = new Rig("gateway", kinds);
    let bad = 0;
    for (let bit = 0; bit < good.length * 8; bit++) {
      const damaged = altered(good, bit >> 3, (byte) => byte ^ (1 << (bit & 7)));
      const said = rig.feed(ALICE, Buffer.concat([damaged, line(2), line(3)]));
      const ids = said.map((s) => s.id);
      // Without its delimiter a frame takes the next one with it.
      const lostTwo = bit >> 3 === good.length - 1;
      assert.deepEqual(ids, lostTwo ? [3] : [2, 3], `bit ${bit}`);
      // A byte that became a delimiter cuts the frame in two, if there is something on both sides.
      bad += damaged.subarray(0, -1).toString("latin1").split("\0").filter(Boolean).length;
      assert.equal(rig.machine.counter(Counter.BadFrames), bad, `bit ${bit}`);
    }
  });

  test("noise before, between and behind; a line that never says 0 is given up", () => {
    const rig = new Rig("test", kinds);
    const noise = Buffer.alloc(60_000, 0x55);
    assert.deepEqual(rig.feed(ALICE, noise), []);
    assert.ok(rig.tails[ALICE]!.length < 43_000, "its tail is bounded");
    const said = rig.feed(ALICE, Buffer.concat([Buffer.of(0, 0, 0), frame(4), Buffer.of(0, 9)]));
    assert.deepEqual(
      said.map((s) => s.what),
      ["Request"],
    );
    assert.ok(rig.machine.counter(Counter.BadFrames) >= 1);
  });

  test("replies come in and go out; status frames are for the hosts", () => {
    const rig = new Rig("test", [LinkKind.Raw, LinkKind.Serial, LinkKind.Serial, LinkKind.Raw]);
    const [request] = rig.feed(ALICE, Buffer.concat([serialFrame(3, 8, Buffer.of(1)), frame(5)]));
    assert.equal(`${request!.what} ${request!.account}`, `Request ${BOB}`);
    const fulfill = codec.fulfill(PREIMAGE, Buffer.alloc(300)).bytes;
    const reply = serialFrame(ITEM_REPLY, request!.id, fulfill);
    const [relayed] = rig.feed(BOB, reply);
    assert.equal(`${relayed!.what} ${relayed!.account} ${relayed!.id}`, `Reply ${ALICE} 5`);
    assert.ok(relayed!.bytes.equals(fulfill));
    assert.equal(rig.core.account(ALICE).balance, 5n);
  });
});
