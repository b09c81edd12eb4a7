// Every checker of test/support/model/invariants.ts is shown a planted fault, and silence without.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  AccountRecord as A,
  AssetRecord as S,
  Descriptor,
  FlightRecord as F,
  FlightTableRecord as T,
} from "../../host/abi.js";
import { Driver } from "../support/model/driver.js";
import * as invariants from "../support/model/invariants.js";
import type { Machine } from "../support/model/machine.js";
import { Random } from "../support/model/random.js";

/** A core with a packet in flight, one slot free and one of evidence. */
function busy(): Driver {
  for (let seed = 1; seed < 500; seed++) {
    const driver = new Driver(new Random(seed));
    for (let i = 0; i < 40; i++) {
      driver.run(10);
      const { flights } = driver.model;
      const held = flights.held();
      const valued = held.some((f) => f.amountIn > 0n && f.amountOut > 0n);
      if (valued && flights.free.length && flights.evidence.length) return driver;
    }
  }
  throw new Error("No seed brings about a busy core.");
}

const driver = busy();
const { machine: m, map } = driver;
const slot = driver.model.flights.slots.findIndex(
  (s) => s.state === "held" && s.flight.amountIn > 0n && s.flight.amountOut > 0n,
);
const held = m.flight(slot);
const source = m.account(driver.model.flights.slots[slot]!.flight.source);

/** Changes memory, asks, and puts it back. */
function planted(change: () => void, ask: () => string | undefined): string | undefined {
  const before = Buffer.from(m.bytes);
  change();
  try {
    return ask();
  } finally {
    m.bytes.set(before);
  }
}

function add(machine: Machine, at: number, n: number): void {
  machine.words[at >> 2]! += n;
}

const table = map.table;
const faults: [checker: keyof typeof invariants.CHECKERS, what: string, change: () => void][] = [
  ["postedBalance", "an account's debits", () => add(m, source + A.debitsLo, 1)],
  ["postedBalance", "income", () => add(m, m.asset(0) + S.incomeCreditsLo, 1)],
  [
    "postedBalance",
    "the high word of settlements",
    () => add(m, m.asset(0) + S.settledDebitsHi, 1),
  ],
  ["pendingBalance", "a pending", () => add(m, source + A.debitsPending, 1)],
  ["pendingBalance", "income's pending", () => add(m, m.asset(1) + S.incomeDebitsPendingLo, 1)],
  ["holds", "the amount in a slot", () => add(m, held + F.amountIn, 1)],
  ["holds", "a claim", () => add(m, source + A.claimDebits, 1)],
  ["holds", "an account's count", () => add(m, source + A.flightsIn, 1)],
  ["holds", "a slot that ended", () => (m.bytes[held + F.state] = 3)],
  ["slots", "the free list", () => (m.words[(table + T.free) >> 2] = 0xffffffff)],
  [
    "slots",
    "a ring of free slots",
    () => {
      const free = m.u32(table + T.free);
      m.words[(m.flight(free) + F.next) >> 2] = free;
    },
  ],
  ["slots", "the end of the evidence queue", () => (m.words[(table + T.evidenceLast) >> 2] = slot)],
  ["slots", "the number held", () => add(m, table + T.held, 1)],
  ["wheel", "a deadline", () => add(m, held + F.deadlineMs, 1 << map.shift)],
  ["wheel", "a back link", () => (m.words[(held + F.wheelPrevious) >> 2] = 2)],
  ["wheel", "a bit", () => (m.words[map.wheelBits >> 2]! ^= 15)],
  [
    "loops",
    "a chain",
    () => m.words.fill(0xffffffff, map.loopHeads >> 2, (map.loopHeads >> 2) + 4),
  ],
];

describe("every checker fires", () => {
  test("and is silent on a sound core", () => {
    assert.equal(invariants.violation(m, map), undefined);
  });
  for (const [name, what, change] of faults) {
    test(`${name}: ${what}`, () => {
      const wrong = planted(change, () => invariants.CHECKERS[name]!(m, map));
      assert.equal(typeof wrong, "string");
    });
  }
  test("limits: an account over its maximum, under its minimum", () => {
    const before = invariants.excesses(m);
    assert.equal(invariants.excessGrown(before, before), undefined);
    for (const field of [A.debitsHi, A.creditsHi]) {
      const grown = planted(
        () => add(m, source + field + 4, 1 << 26),
        () => invariants.excessGrown(before, invariants.excesses(m)),
      );
      assert.equal(typeof grown, "string");
    }
  });
  test("guards: a constant, and a byte between two regions", () => {
    const guarded = new Driver(new Random(1)).machine;
    const guards = new invariants.Guards(guarded);
    assert.equal(guards.check(), undefined);
    const end = guarded.get(Descriptor.MemoryEnd);
    const constant = guarded.bytes.indexOf("too many requests");
    for (const at of [constant, end - 1, guarded.input - 65, guarded.bytes.length - 1]) {
      guarded.bytes[at]! ^= 1;
      assert.equal(typeof guards.check(), "string");
      guarded.bytes[at]! ^= 1;
    }
    assert.equal(guards.check(), undefined);
  });
});
