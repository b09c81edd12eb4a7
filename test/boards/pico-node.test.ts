// The Pico's release as a node of its own: it answers pings, gets its address from a parent and
// gives addresses to children, and shows and books settlements.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { SerialKind, type SerialFrame } from "../../host/link/serial-frame.js";
import { boardSettlement, signForBoard } from "../../host/link/board-report.js";
import { PEER_CONDITION, writeFulfill, writePrepare, writeReject } from "../../host/packet.js";
import { Random } from "../support/model/random.js";
import {
  KEY,
  Op,
  Outcome,
  SETTINGS,
  payment,
  reply,
  request,
  settingsBlock,
  setup,
  status,
} from "./board-line.js";
import { WALL_MS, ask, check, flashed, report, seed, start } from "./pico-rig.js";
import type { Pico } from "./pico.js";

const ECHO = Buffer.from("ECHOECHOECHOECHO");
const OWN = "test.gateway.board";
const SECRET = Buffer.alloc(32, 3);
const variable = (text: string): Buffer => Buffer.from([text.length, ...Buffer.from(text)]);

function prepare(destination: string, data: Uint8Array, amount = 0n): Buffer {
  const condition = createHash("sha256").update(SECRET).digest();
  const expiresAtMs = WALL_MS + 20_000;
  return Buffer.from(writePrepare({ amount, expiresAtMs, condition, destination, data }));
}

function peer(destination: string): Buffer {
  const expiresAtMs = WALL_MS + 20_000;
  const condition = PEER_CONDITION;
  return Buffer.from(writePrepare({ amount: 0n, expiresAtMs, condition, destination }));
}

const echo = (source: string): Buffer =>
  prepare(OWN, Buffer.concat([ECHO, Buffer.from([0]), variable(source)]), 3n);

/** The next frame the board sends on a line. */
function next(pico: Pico, line: 0 | 1, ms = 1000): SerialFrame {
  const { frames } = pico.wires[line];
  assert.ok(
    pico.runUntil(() => frames.length > 0, ms),
    `nothing on line ${line}`,
  );
  return frames.shift()!;
}

/** Sends a request and reads the Reject it is answered with, as text. */
function rejected(pico: Pico, line: 0 | 1, id: number, packet: Buffer): string {
  const { payload } = ask(pico, line, id, request(id, packet));
  assert.equal(payload[0], 14);
  return Buffer.from(payload).toString("latin1");
}

describe(`the Pico's own address, seed ${seed}`, () => {
  for (const [line, source] of [
    [0, "test.gateway.alice.ping.1"],
    [1, `${OWN}.meter.ping.1`],
  ] as const) {
    test(`answers a ping that comes on line ${line}`, () => {
      const pico = start(flashed());
      pico.wires[line].send(request(5, echo(source)));
      const back = next(pico, line);
      assert.equal(back.kind, SerialKind.Request);
      const packet = Buffer.from(back.payload);
      assert.equal(packet.readBigUInt64BE(2), 3n);
      assert.deepEqual(packet.subarray(27, 59), echo(source).subarray(27, 59), "the condition");
      const data = Buffer.concat([ECHO, Buffer.from([1])]);
      const end = Buffer.concat([variable(source), Buffer.from([data.length]), data]);
      assert.deepEqual(packet.subarray(59), end);
      pico.wires[line].send(reply(back.id, Buffer.from(writeFulfill(SECRET))));
      const answer = next(pico, line);
      assert.deepEqual([answer.kind, answer.id, answer.payload[0]], [SerialKind.Reply, 5, 13]);
      const { balances, pending } = report(pico);
      assert.deepEqual([balances[0], balances[1], balances[2]], [0n, 0n, 0n]);
      assert.deepEqual([pending[0], pending[1], pending[2]], [0n, 0n, 0n]);
      check(pico);
    });
  }

  test("passes on why a ping does not come back", () => {
    const pico = start(flashed());
    assert.match(rejected(pico, 0, 1, echo("g.elsewhere")), /F02/);
    pico.wires[0].send(request(2, echo("test.gateway.alice")));
    const no = writeReject({ code: "F99", triggeredBy: "test.gateway.alice", message: "no" });
    pico.wires[0].send(reply(next(pico, 0).id, Buffer.from(no)));
    assert.match(Buffer.from(next(pico, 0).payload).toString("latin1"), /F99.*no/);
    pico.wires[0].send(request(3, echo("test.gateway.alice")));
    next(pico, 0);
    const late = Buffer.from(next(pico, 0, 30_000).payload).toString("latin1");
    assert.match(late, /R00/);
    assert.deepEqual(Object.values(report(pico).pending), [0n, 0n, 0n]);
    check(pico);
  });

  test("refuses everything else, in the words of a gateway", () => {
    const pico = start(flashed());
    const { prepare: paid } = payment(OWN, 5n, WALL_MS, 1);
    assert.match(rejected(pico, 0, 1, paid), /F06.*does not take payments/);
    const { prepare: lost } = payment(`${OWN}.nobody`, 5n, WALL_MS, 2);
    assert.match(rejected(pico, 0, 2, lost), /F02/);
    assert.match(rejected(pico, 1, 3, peer("peer.settle")), /F00.*no settlement engine/);
    assert.match(rejected(pico, 1, 4, peer("peer.route.control")), /F00.*rejecting route control/);
    assert.match(rejected(pico, 1, 5, peer("peer.whatever")), /F01/);
    assert.match(rejected(pico, 1, 6, echo(OWN)), /F06/, "a ping that would answer itself");
    check(pico);
  });

  test("survives echo requests that are none", () => {
    const random = new Random(seed);
    const pico = start(flashed());
    for (let i = 0; i < 60; i++) {
      const size = random.below(12);
      const junk = Buffer.from(Array.from({ length: size }, () => random.below(256)));
      if (random.chance(30) && size > 0) junk[0] = random.pick([0, 1, 0x81, 0x82, 0x83, 0xff]);
      pico.wires[0].send(
        request(i + 1, prepare(OWN, Buffer.concat([ECHO, Buffer.from([0]), junk]))),
      );
      const answer = next(pico, 0);
      assert.deepEqual([answer.kind, answer.id], [SerialKind.Reply, i + 1], junk.toString("hex"));
    }
    check(pico);
  });
});

const INHERITED = SETTINGS.replace(
  'ilpAddress = "test.gateway.board"',
  'ilpAddressInheritFrom = "gateway"',
);

/** A parent's answer to ILDCP. */
function ildcp(address: string, scale = 9, code = "XRP"): Buffer {
  const data = Buffer.concat([variable(address), Buffer.from([scale]), variable(code)]);
  return Buffer.from(writeFulfill(new Uint8Array(32), data));
}

/** The board's question to its parent, which comes once it knows the time. */
function question(pico: Pico, ms = 1000): SerialFrame {
  const asked = next(pico, 0, ms);
  assert.equal(asked.kind, SerialKind.Request);
  const text = Buffer.from(asked.payload).toString("latin1");
  assert.ok(text.includes("peer.config"), text);
  return asked;
}

describe("the Pico's parent", () => {
  test("gives it an address, and it gives its child one", () => {
    const pico = start(flashed(settingsBlock(INHERITED)));
    const asked = question(pico);
    const time = Buffer.from(asked.payload).toString("latin1", 10, 27);
    assert.equal(time.slice(0, 14), "20261101000030", "expires half a minute later");
    assert.equal(report(pico).state, 6);
    const { prepare: early } = payment("test.parent.pico.meter", 5n, WALL_MS, 1);
    assert.match(rejected(pico, 0, 50, early), /F02/);
    pico.wires[0].send(reply(asked.id, ildcp("test.parent.pico")));
    pico.run(20);
    assert.deepEqual([report(pico).state, report(pico).address], [0, 0]);
    const answer = ask(pico, 1, 9, request(9, peer("peer.config"))).payload;
    assert.equal(answer[0], 13);
    assert.ok(Buffer.from(answer).toString("latin1").includes("test.parent.pico.meter"));
    const { prepare: later } = payment("test.parent.pico.meter.x", 5n, WALL_MS, 2);
    pico.wires[0].send(request(51, later));
    assert.equal(next(pico, 1).kind, SerialKind.Request);
    check(pico);
  });

  test("is asked again when it refuses, and not believed when it is somebody else's", () => {
    const pico = start(flashed(settingsBlock(INHERITED)));
    const no = writeReject({ code: "T00", triggeredBy: "test.parent", message: "not now" });
    const answers: [Buffer, number][] = [
      [Buffer.from(no), 2],
      [ildcp("test.parent.pico", 6), 3],
      [ildcp("test.parent.pico", 9, "USD"), 3],
      [ildcp("g.parent.pico"), 4],
      [ildcp("test.parent..pico"), 2],
      [Buffer.from(writeFulfill(new Uint8Array(32), Buffer.from([0x82, 0xff, 0xff, 1]))), 2],
      [Buffer.from(writeFulfill(new Uint8Array(32), Buffer.alloc(4, 0xff))), 2],
    ];
    let ms = 1000;
    for (const [answer, expected] of answers) {
      pico.wires[0].send(reply(question(pico, ms).id, answer));
      pico.run(20);
      assert.deepEqual([report(pico).state, report(pico).address], [6, expected]);
      ms = 6000;
    }
    pico.wires[0].send(reply(question(pico, ms).id, ildcp("test.parent.pico")));
    pico.run(20);
    assert.equal(report(pico).state, 0);
    check(pico);
  });
});

/** The child's balance, the last one written, has a threshold. */
const SETTLING = SETTINGS.replace(
  /minimum = "-1000000" }(?=[^{}]*{[^{}]*}\s*\[board\])/,
  'minimum = "-1000000", settleThreshold = "-200", settleTo = "-50" }',
);

describe("the Pico's settlements", () => {
  function pay(pico: Pico, amount: bigint, n: number): void {
    const { prepare: packet, fulfill } = payment(`${OWN}.meter`, amount, WALL_MS, n);
    pico.wires[0].send(request(n, packet));
    pico.wires[1].send(reply(next(pico, 1).id, fulfill));
    assert.equal(next(pico, 0).payload[0], 13);
  }
  const due = (pico: Pico): bigint => report(pico).accounts[2]!.settlementDue;
  function settle(pico: Pico, message: Buffer, key = KEY, line: 0 | 1 = 0): number {
    const challenge = ask(pico, line, 30, status(30, Op.Challenge)).payload.subarray(1);
    return ask(pico, line, 31, status(31, Op.Settle, signForBoard(key, challenge, message)))
      .payload[1]!;
  }

  test("are shown when due, booked with the key only, and outlive a power cut at once", () => {
    assert.notEqual(SETTLING, SETTINGS);
    const flash = flashed(settingsBlock(SETTLING));
    let pico = start(flash);
    pay(pico, 200n, 1);
    assert.equal(due(pico), 0n, "the threshold is reached, not passed");
    pay(pico, 50n, 2);
    assert.equal(due(pico), 200n);
    const paid = boardSettlement(2, true, 200n);
    assert.equal(settle(pico, paid, Buffer.alloc(32)), Outcome.NotAllowed);
    assert.equal(settle(pico, paid, KEY, 1), Outcome.NotAllowed, "a line without setup");
    const unsigned = ask(pico, 0, 32, status(32, Op.Settle, signForBoard(KEY, SECRET, paid)));
    assert.equal(unsigned.payload[1], Outcome.NotAllowed, "without a challenge");
    for (const wrong of [
      boardSettlement(9, true, 1n),
      boardSettlement(2, true, 0n),
      Buffer.concat([paid.subarray(0, 6), Buffer.from([2]), paid.subarray(7)]),
      Buffer.concat([Buffer.from("FSET"), paid.subarray(4)]),
    ]) {
      assert.equal(settle(pico, wrong), Outcome.Malformed);
    }
    assert.equal(report(pico).balances[2], -250n);
    assert.equal(settle(pico, paid), Outcome.Done);
    pico = start(flash);
    assert.deepEqual([report(pico).balances[2], due(pico)], [-50n, 0n]);
    assert.equal(settle(pico, boardSettlement(1, false, 250n)), Outcome.Done);
    assert.equal(report(pico).balances[1], 0n);
    check(pico);
  });

  test("are not settings, and settings are no settlement", () => {
    const pico = start(flashed());
    const challenge = (): Uint8Array => ask(pico, 0, 1, status(1, Op.Challenge)).payload.slice(1);
    const message = boardSettlement(2, true, 5n);
    assert.equal(ask(pico, 0, 2, setup(2, KEY, challenge(), message)).payload[1], 2);
    const block = settingsBlock(SETTINGS, 2);
    const frame = status(3, Op.Settle, signForBoard(KEY, challenge(), block));
    assert.equal(ask(pico, 0, 3, frame).payload[1], Outcome.Malformed);
    check(pico);
  });
});

test("a report with every place taken fits its frame", () => {
  const name = (i: number): string => `${"n".repeat(30)}${i.toString().padStart(2, "0")}`;
  const accounts = Array.from({ length: 15 }, (_, i) => {
    const code = ["XRP", "USD", "EUR", "C".repeat(32)][i % 4]!;
    return `[accounts."${name(i)}"]\nrelation = "child"\nassetCode = "${code}"\nassetScale = 9\n`;
  });
  const text = `ilpAddress = "test.b"\n${accounts.join("")}
[board.lines.0]
account = "${name(0)}"
report = true
clock = true
`;
  const pico = start(flashed(settingsBlock(text)));
  const { accounts: shown, state } = report(pico);
  assert.equal(state, 0);
  assert.deepEqual(
    shown.slice(1).map(({ id }) => id),
    accounts.map((_, i) => name(i)),
  );
  assert.equal(shown[4]!.assetCode, "C".repeat(32));
  check(pico);
});
