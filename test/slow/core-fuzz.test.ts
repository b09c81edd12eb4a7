// The long run of test/core/fuzz.test.ts.
import { test } from "node:test";
import { fuzz } from "../support/model/fuzz-run.js";
import { SEED } from "../support/model/random.js";

const EXECUTIONS = Number(process.env.FERRULE_STEPS ?? 5_000_000);

test(`${EXECUTIONS} hostile calls from seed ${SEED}`, (t) => {
  const start = performance.now();
  const fuzzer = fuzz(SEED, EXECUTIONS);
  const rate = Math.round(fuzzer.executions / ((performance.now() - start) / 1000));
  t.diagnostic(`${fuzzer.executions} calls, ${fuzzer.forwards} forwards, ${rate} calls/s`);
});
