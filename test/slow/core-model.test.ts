// The long run of test/core/model.test.ts: five million steps, every seed another node.
import { test } from "node:test";
import { Driver, drive } from "../support/model/driver.js";
import { Machine } from "../support/model/machine.js";
import { Random, SEED } from "../support/model/random.js";

const STEPS = Number(process.env.FERRULE_STEPS ?? 5_000_000);

test(`core and model, ${STEPS} steps from seed ${SEED}`, (t) => {
  const machines = { machine: new Machine("test"), twin: new Machine("test") };
  const start = performance.now();
  const done = drive(SEED, STEPS, 1000, (seed) => new Driver(new Random(seed), {}, machines));
  const rate = Math.round(done.steps / ((performance.now() - start) / 1000));
  t.diagnostic(`${done.steps} steps, ${done.forwards} packets forwarded, ${rate} steps/s`);
});
