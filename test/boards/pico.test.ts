// The Pico's firmware as it is released, run on an emulated RP2040 with two emulated lines. Time is
// the emulator's: nothing here waits.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { PICO_SETTINGS } from "../../boards/mcu/settings.mjs";
import { isBootable, readUf2, writeUf2 } from "../../boards/pico/uf2.mjs";
import { SerialKind } from "../../host/link/serial-frame.js";
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
  time,
} from "./board-line.js";
import { WALL_MS, about, ask, check, flashed, report, seed, start, uf2 } from "./pico-rig.js";
import { Pico, PowerCut, type Flash } from "./pico.js";

let payments = 0;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** One payment from line 0 to line 1, fulfilled; the request id on line 1 is the board's. */
function pay(pico: Pico, amount: bigint, noise: Buffer = Buffer.alloc(0)): void {
  const n = ++payments;
  const { prepare, fulfill } = payment("test.gateway.board.meter.x", amount, WALL_MS, n);
  const [near, far] = pico.wires;
  near.send(noise, request(n, prepare));
  assert.ok(
    pico.runUntil(() => far.frames.length > 0),
    "nothing comes out on line 1",
  );
  const forwarded = far.frames.shift()!;
  assert.equal(forwarded.kind, SerialKind.Request);
  const same = (from: number, to: number): void =>
    assert.equal(hex(forwarded.payload.subarray(from, to)), hex(prepare.subarray(from, to)));
  assert.equal(Buffer.from(forwarded.payload).readBigUInt64BE(2), amount);
  same(27, prepare.length); // condition, destination and data are untouched
  far.send(reply(forwarded.id, fulfill));
  assert.ok(
    pico.runUntil(() => near.frames.length > 0),
    "no answer comes back on line 0",
  );
  const answer = near.frames.shift()!;
  assert.deepEqual([answer.kind, answer.id], [SerialKind.Reply, n]);
  assert.equal(hex(answer.payload), hex(fulfill));
}

describe(`the Pico's release, seed ${seed}`, () => {
  test("is what its description says, and bootable", (t) => {
    assert.equal(createHash("sha256").update(uf2).digest("hex"), about.sha256);
    const pieces = readUf2(uf2);
    const flash = flashed(null);
    assert.ok(isBootable(flash.bytes));
    flash.bytes[17]! ^= 1;
    assert.ok(!isBootable(flash.bytes));
    const end = Math.max(...pieces.map(({ address, bytes }) => address + bytes.length));
    assert.ok(end <= PICO_SETTINGS, "the firmware reaches into the settings");
    const core = readFileSync(new URL("../../build/board.wasm", import.meta.url));
    if (createHash("sha256").update(core).digest("hex") !== about.coreSha256) {
      t.diagnostic("The release has another core than build/board.wasm: npm run board:pico");
    }
  });

  test("carries a packet from one line to the other and the fulfillment back", () => {
    const pico = start(flashed());
    pico.run(2);
    assert.ok(pico.led, "the LED of a running board is on");
    pay(pico, 250n);
    pay(pico, 1n);
    const { balances, counters, state, core, lines } = report(pico);
    assert.equal(state, 0);
    assert.equal(core, about.coreSha256.slice(0, 16));
    assert.deepEqual([balances[1], balances[2]], [251n, -251n]);
    assert.deepEqual([counters.Fulfills, counters.BadFrames], [2n, 0n]);
    assert.deepEqual(
      lines.map(({ overruns, dropped, faults }) => overruns + dropped + faults),
      [0, 0],
    );
    check(pico);
  });

  test("refuses what its core refuses, and expires what nobody answers", () => {
    const pico = start(flashed());
    const { prepare } = payment("test.gateway.board.meter", 1_000_001n, WALL_MS, 1);
    const rejected = ask(pico, 0, 1, request(1, prepare));
    assert.equal(rejected.payload[0], 14);
    const soon = payment("test.gateway.board.meter", 5n, WALL_MS - 17_500, 2);
    pico.wires[0].send(request(2, soon.prepare));
    assert.ok(
      pico.runUntil(() => pico.wires[0].frames.length > 0, 3000),
      "it never expires",
    );
    assert.equal(
      Buffer.from(pico.wires[0].frames.shift()!.payload).toString().includes("R00"),
      true,
    );
    const { counters, pending } = report(pico);
    assert.deepEqual([counters.Expiries, pending[1], pending[2]], [1n, 0n, 0n]);
    check(pico);
  });

  test("takes the time from its gateway only, and forwards nothing without it", () => {
    const pico = new Pico(flashed());
    assert.ok(pico.runUntil(() => pico.wires.every((wire) => wire.frames.length > 0), 500));
    for (const wire of pico.wires) wire.frames.length = 0;
    assert.equal(ask(pico, 1, 1, time(1, WALL_MS)).payload[1], Outcome.NotAllowed);
    assert.equal(ask(pico, 1, 2, status(2, Op.Report)).payload[1], Outcome.NotAllowed);
    assert.equal(report(pico).state, 2);
    const { prepare } = payment("test.gateway.board.meter", 1n, WALL_MS, 1);
    assert.equal(ask(pico, 0, 3, request(3, prepare)).payload[0], 14);
    assert.equal(pico.wires[1].frames.length, 0);
    assert.equal(ask(pico, 0, 4, status(4, 77)).payload[1], 5);
    check(pico);
  });
});

describe(`the Pico's lines, seed ${seed}`, () => {
  test("survive garbage, truncated frames and bit flips", () => {
    const random = new Random(seed);
    const pico = start(flashed());
    const { prepare } = payment("test.gateway.board.meter", 9n, WALL_MS - 60_000, 0);
    const good = request(77, prepare);
    let faults = 0;
    for (let i = 0; i < 6; i++) {
      const garbage = Buffer.from(Array.from({ length: 200 }, () => random.below(255) + 1));
      const cut = good.subarray(0, 2 + random.below(good.length - 3));
      const flipped = Buffer.from(good);
      const bit = random.below(8 * (good.length - 1));
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const end = Buffer.from([0]);
      const noise = [garbage, cut, flipped][i % 3]!;
      faults += 1;
      pay(pico, 1n, Buffer.concat([noise, end]));
      pico.wires[0].frames.length = pico.wires[1].frames.length = 0;
    }
    const { counters, balances, lines } = report(pico);
    // A flip may make two damaged frames of one, or a delimiter disappear into a longer one.
    const seen = Number(counters.BadFrames) + lines[0]!.faults;
    assert.ok(seen >= faults && seen <= 2 * faults, `${seen} of ${faults} damaged frames counted`);
    assert.equal(balances[2], -6n);
    check(pico);
  });

  test("resynchronise after a frame without end, longer than anything", () => {
    const pico = start(flashed());
    const endless = Buffer.alloc(40_000, 0x55);
    pay(pico, 3n, Buffer.concat([endless, Buffer.from([0])]));
    assert.ok(report(pico).lines[0]!.faults >= 1);
    check(pico);
  });

  test("lose bytes that come faster than allowed, count them, and go on", () => {
    const pico = start(flashed());
    // Faster than the interrupt can take it, without anybody looking at RTS.
    pico.byteNs = 20;
    const { prepare } = payment("test.gateway.board.nobody", 1n, WALL_MS, 1);
    for (let i = 0; i < 150; i++) pico.wires[0].send(request(i, prepare));
    assert.ok(pico.runUntil(() => pico.wires[0].queue.length === 0, 2000));
    pico.byteNs = 0;
    pico.wires[0].send(Buffer.from([0]));
    pico.run(100);
    pico.wires[0].frames.length = 0;
    pay(pico, 4n);
    assert.ok(report(pico).counters.BadFrames! > 0n, "nothing was lost: the test is too slow");
    check(pico);
  });

  test("carry the largest packets at the speed of the line", () => {
    const pico = start(flashed());
    pico.byteNs = 10_000; // 1 Mbaud
    const { fulfill } = payment("test.gateway.board.meter", 5n, WALL_MS, 12);
    const big = payment("test.gateway.board.meter", 5n, WALL_MS, 12, 7800).prepare;
    pico.wires[0].send(request(12, big));
    assert.ok(
      pico.runUntil(() => pico.wires[1].frames.length > 0, 2000),
      "it does not come out",
    );
    const forwarded = pico.wires[1].frames.shift()!;
    assert.equal(forwarded.payload.length, big.length);
    pico.wires[1].send(reply(forwarded.id, fulfill));
    assert.ok(pico.runUntil(() => pico.wires[0].frames.length > 0, 2000));
    assert.equal(pico.wires[0].frames.shift()!.payload[0], 13);
    check(pico);
  });
});

describe(`the Pico's books, seed ${seed}`, () => {
  test("outlive a power cut, at most one commit period old", () => {
    const flash = flashed();
    let pico = start(flash);
    pay(pico, 100n);
    pico.run(250); // longer than the commit period
    pay(pico, 7n); // and this one may be lost
    pico = start(flash);
    const { balances, boots } = report(pico);
    assert.equal(boots, 2);
    assert.ok(balances[2] === -100n || balances[2] === -107n, `${balances[2]}`);
    assert.equal(balances[1], -balances[2]!);
    pay(pico, 1n);
    check(pico);
  });

  test("are true after a cut in the middle of any write", () => {
    const flash = flashed();
    const truths = new Set([0n]);
    let sum = 0n;
    let least = 0n;
    for (let cut = 1; cut <= 8; cut++) {
      try {
        const pico = start(flash);
        const before = -report(pico).balances[2]!;
        assert.ok(truths.has(before), `cut ${cut}: ${before} was never true`);
        assert.ok(before >= least, `cut ${cut}: ${before} is older than ${least}`);
        sum = least = before;
        flash.cutAfter = cut;
        for (let i = 0; i < 3; i++) {
          pay(pico, BigInt(cut));
          sum += BigInt(cut);
          truths.add(sum);
          pico.run(250);
          least = sum;
        }
        flash.cutAfter = Infinity;
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        flash.cutAfter = Infinity;
      }
    }
    const { balances, state } = report(start(flash));
    assert.equal(balances[1], -balances[2]!);
    assert.equal(state, 0);
  });

  test("are not read as somebody else's", () => {
    const flash = flashed();
    let pico = start(flash);
    pay(pico, 10n);
    pico.run(300);
    const renamed = SETTINGS.replaceAll("meter", "other");
    flash.load(writeUf2(settingsBlock(renamed, 2), PICO_SETTINGS));
    pico = new Pico(flash);
    pico.run(60);
    assert.equal(report(pico).state, 3, "books of other accounts");
    const { prepare } = payment("test.gateway.board.other", 1n, WALL_MS, 1);
    pico.wires[0].send(request(1, prepare));
    pico.run(20);
    assert.deepEqual(
      pico.wires[1].frames.filter(({ kind }) => kind === 1),
      [],
    );
    const forgotten = renamed.replace("[board]", "[board]\nforgetBooks = true");
    flash.load(writeUf2(settingsBlock(forgotten, 3), PICO_SETTINGS));
    pico = start(flash);
    assert.equal(report(pico).balances[2], 0n);
    check(pico);
  });

  /** Where the newest sector begins. */
  function newest(flash: Flash): number {
    const bytes = Buffer.from(flash.bytes.buffer);
    let [at, sequence] = [0, -1];
    for (let sector = 0x180000; sector < bytes.length; sector += 4096) {
      if (bytes.toString("latin1", sector + 4, sector + 8) !== "FBOK") continue;
      const its = bytes.readUInt32LE(sector + 12);
      if (its > sequence) [at, sequence] = [sector, its];
    }
    return at;
  }

  test("do not go back in silence when the newest sector's first page decays", () => {
    const flash = flashed();
    let pico = start(flash);
    pay(pico, 100n);
    pico.run(250);
    pico = start(flash);
    pay(pico, 50n);
    pico.run(250);
    pay(pico, 7n);
    pico.run(250);
    const sector = newest(flash);
    const intact = flash.bytes.slice();
    for (let bit = 0; bit < 3; bit++) {
      flash.bytes.set(intact);
      flash.bytes[sector + [0, 5, 200][bit]!]! ^= 1 << bit;
      pico = new Pico(flash);
      pico.run(60);
      assert.equal(report(pico).state, 3, "books that are out of date");
    }
    const forgotten = SETTINGS.replace("[board]", "[board]\nforgetBooks = true");
    flash.load(writeUf2(settingsBlock(forgotten, 2), PICO_SETTINGS));
    pico = start(flash);
    assert.equal(report(pico).balances[2], 0n);
    pay(pico, 3n);
    pico.run(250);
    assert.equal(report(start(flash)).balances[2], -3n, "forgotten once and for all");
  });

  test("go back to the sector before when the copy of all sums was not finished", () => {
    const flash = flashed();
    let pico = start(flash);
    pay(pico, 100n);
    pico.run(250);
    pico = start(flash);
    // As a power cut in the middle of its first page leaves it.
    flash.bytes[newest(flash) + 20]! ^= 1;
    pico = start(flash);
    assert.equal(report(pico).balances[2], -100n);
    check(pico);
  });

  test("damaged, they stop the board instead of being guessed", () => {
    const flash = flashed();
    const pico = start(flash);
    pay(pico, 10n);
    pico.run(300);
    // The copy of all sums that the newest sector begins with.
    const first = Buffer.from(flash.bytes.buffer).indexOf("FBOK", 0x180000) & ~4095;
    flash.bytes[first + 256 + 48]! ^= 0xff;
    const again = new Pico(flash);
    again.run(60);
    assert.equal(report(again).state, 3);
  });
});

describe(`the Pico's setup, seed ${seed}`, () => {
  test("a new board takes its first settings over line 0 and starts with them", () => {
    const flash = flashed(null);
    const pico = new Pico(flash);
    assert.ok(pico.runUntil(() => pico.wires[0].frames.length > 0, 500));
    pico.wires[0].frames.length = 0;
    assert.equal(report(pico).state, 1);
    const none = Buffer.alloc(16);
    assert.equal(ask(pico, 1, 1, setup(1, KEY, none, settingsBlock())).payload[1], 1);
    const answer = ask(pico, 0, 2, setup(2, KEY, none, settingsBlock()));
    assert.deepEqual([...answer.payload], [Op.Answer + Op.Setup, Outcome.Done]);
    assert.ok(
      pico.runUntil(() => pico.resets === 1, 1000),
      "it does not start over",
    );
    pico.run(60);
    pico.wires[0].frames.length = pico.wires[1].frames.length = 0;
    assert.equal(ask(pico, 0, 3, time(3, WALL_MS)).payload[1], Outcome.Done);
    assert.deepEqual([report(pico).state, report(pico).resetCause], [0, 3]);
    pay(pico, 2n);
    check(pico, 1);
  });

  test("a board with settings takes others only with the key, and only newer ones", () => {
    const pico = start(flashed());
    const newer = settingsBlock(SETTINGS, 2);
    const challenge = (): Uint8Array =>
      ask(pico, 0, 10, status(10, Op.Challenge)).payload.subarray(1);
    const attempt = (key: Buffer, by: Uint8Array, block: Buffer): number =>
      ask(pico, 0, 11, setup(11, key, by, block)).payload[1]!;
    assert.equal(attempt(KEY, Buffer.alloc(16), newer), Outcome.NotAllowed, "without a challenge");
    assert.equal(attempt(Buffer.alloc(32), challenge(), newer), Outcome.NotAllowed);
    const used = challenge();
    assert.equal(attempt(KEY, used, settingsBlock(SETTINGS, 1)), Outcome.Older);
    assert.equal(attempt(KEY, used, newer), Outcome.NotAllowed, "a challenge is good for one");
    const damaged = Buffer.from(newer);
    damaged[100]! ^= 1;
    assert.equal(attempt(KEY, challenge(), damaged), Outcome.Malformed);
    assert.notDeepEqual(challenge(), challenge());
    assert.equal(attempt(KEY, challenge(), newer), Outcome.Done);
    assert.ok(pico.runUntil(() => pico.resets === 1, 1000));
    pico.run(60);
    assert.equal(report(pico).revision, 2);
    check(pico, 1);
  });

  test("settings for another kind of board are refused before they are kept", () => {
    const flash = flashed();
    let pico = start(flash);
    const send = (block: Buffer): number => {
      const { payload } = ask(pico, 0, 10, status(10, Op.Challenge));
      return ask(pico, 0, 11, setup(11, KEY, payload.subarray(1), block)).payload[1]!;
    };
    const networked = `${SETTINGS}[board.network]\naddress = "dhcp"\n`;
    assert.equal(send(settingsBlock(networked, 2)), Outcome.Malformed);
    assert.equal(
      send(settingsBlock(`${SETTINGS}[board.lines.3]\nlisten = 1\nkey = "${"1".repeat(64)}"`, 2)),
      Outcome.Malformed,
    );
    pico.run(1000);
    assert.deepEqual([pico.resets, report(pico).state, report(pico).revision], [0, 0, 1]);
    pay(pico, 1n);
    // By BOOTSEL they come unasked: the board stands still, and takes others by its line and key.
    flash.load(writeUf2(settingsBlock(networked, 2), PICO_SETTINGS));
    pico = new Pico(flash);
    pico.run(60);
    assert.deepEqual([report(pico).state, report(pico).revision], [4, 2]);
    assert.equal(send(settingsBlock(SETTINGS, 3)), Outcome.Done);
    assert.ok(pico.runUntil(() => pico.resets === 1, 1000));
    pico.run(60);
    assert.deepEqual([report(pico).state, report(pico).revision], [2, 3]);
  });

  test("only a line that may send settings asks for a challenge", () => {
    const pico = start(flashed());
    const challenge = ask(pico, 0, 1, status(1, Op.Challenge)).payload.subarray(1);
    const refusal = [Op.Answer + Op.Challenge, Outcome.NotAllowed];
    assert.deepEqual([...ask(pico, 1, 2, status(2, Op.Challenge)).payload], refusal);
    const answer = ask(pico, 0, 3, setup(3, KEY, challenge, settingsBlock(SETTINGS, 2)));
    assert.equal(answer.payload[1], Outcome.Done, "another line has replaced the challenge");
  });

  test("a firmware that hangs is started over by the watchdog", () => {
    const pico = start(flashed());
    pay(pico, 5n);
    pico.run(300);
    pico.hang();
    assert.ok(
      pico.runUntil(() => pico.resets === 1, 3000),
      "the watchdog does not bite",
    );
    pico.run(60);
    pico.wires[0].frames.length = 0;
    const { resetCause, balances } = report(pico);
    assert.deepEqual([resetCause, balances[2]], [1, -5n]);
  });
});
