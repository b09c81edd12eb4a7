// Hostile calls to every verb: no trap, no write outside the regions, sound books (OER-01, ILP-01,
// RSK-03). The long run is test/slow/core-fuzz.test.ts.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadCrashes, replayCalls } from "../fuzz/fuzzer.js";
import { fuzz } from "../support/model/fuzz-run.js";
import { SEED } from "../support/model/random.js";

const EXECUTIONS = Number(process.env.FERRULE_STEPS ?? 400_000);

describe("fuzzing the core", () => {
  test(`${EXECUTIONS} calls from seed ${SEED}`, (t) => {
    const start = performance.now();
    const fuzzer = fuzz(SEED, EXECUTIONS);
    const seconds = (performance.now() - start) / 1000;
    const rate = Math.round(fuzzer.executions / seconds);
    t.diagnostic(`${fuzzer.executions} calls, ${fuzzer.forwards} forwards, ${rate} calls/s`);
    const never = Object.keys(fuzzer.called).filter((verb) => !fuzzer.called[verb]);
    assert.deepEqual(never, [], "verbs that were never called");
    assert.ok(fuzzer.forwards > EXECUTIONS / 100, "too few packets get through to prove anything");
  });
  for (const [name, calls] of loadCrashes()) {
    test(`found before: ${name}`, () => assert.equal(replayCalls(calls), undefined));
  }
});
