// The store under power cuts, failing operations and flipped bits, in small; test/slow has more.
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { cutEverywhere, describeReport, killEverywhere } from "./crash.js";
import { damageEverywhere, failEverywhere } from "./faults.js";

const seed = Number(process.env["FERRULE_SEED"] ?? Math.floor(Math.random() * 1e6));

describe(`the store (seed ${seed})`, () => {
  for (const mode of ["group", "trail", "strict"] as const) {
    test(`${mode}: survives a cut at every write and sync`, async (t) => {
      const packets = mode === "strict" ? 60 : 150;
      const report = await cutEverywhere({ mode, seed, packets, startEvery: 40 });
      t.diagnostic(describeReport(report));
      assert.ok(report.points > 20 && report.started > 5, describeReport(report));
    });
  }
  for (const mode of ["group", "strict"] as const) {
    test(`${mode}: survives a kill anywhere and a cut while the next one starts`, async (t) => {
      const cuts = await killEverywhere({ mode, seed, packets: mode === "strict" ? 25 : 170 });
      t.diagnostic(`${cuts} cuts`);
      assert.ok(cuts > 500);
    });
  }
  test("strict: states of one run with the same sums are told apart by their holds", async () => {
    // States 65 and 67 of this seed: one packet of 983 rejected, another of 983 sent.
    const report = await cutEverywhere({
      mode: "strict",
      seed: 563385,
      packets: 50,
      startEvery: 1e6,
    });
    assert.equal(report.started, 0);
    assert.ok(report.points > 70, describeReport(report));
  });
  for (const mode of ["group", "strict"] as const) {
    test(`${mode}: stops when an operation fails, and starts again`, async (t) => {
      const report = await failEverywhere(mode, seed, 40, mode === "strict" ? 7 : 2);
      t.diagnostic(JSON.stringify(report));
      assert.ok(report.faults > 10);
    });
    test(`${mode}: refuses damage, or was not harmed by it`, async (t) => {
      const report = await damageEverywhere(mode, seed);
      t.diagnostic(JSON.stringify(report));
      assert.ok(report.refused > 20 && report.whole > 20 && report.cut > 0);
    });
  }
});
