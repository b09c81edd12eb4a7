// The store under power cuts and failing operations, at length: see test/store.
import { describe, test } from "node:test";
import { cutEverywhere, describeReport } from "../store/crash.js";
import { failEverywhere } from "../store/faults.js";

const first = Number(process.env["FERRULE_SEED"] ?? Math.floor(Math.random() * 1e6));

describe(`the store, at length (seeds from ${first})`, () => {
  for (const mode of ["group", "trail", "strict"] as const) {
    test(`${mode}: survives a cut at every write and sync, a second one after it`, async (t) => {
      for (let seed = first; seed < first + 8; seed++) {
        t.diagnostic(
          describeReport(await cutEverywhere({ mode, seed, packets: 250, startEvery: 8 })),
        );
      }
    });
    test(`${mode}: stops when any operation fails, and starts again`, async (t) => {
      t.diagnostic(JSON.stringify(await failEverywhere(mode, first, 120)));
    });
  }
});
