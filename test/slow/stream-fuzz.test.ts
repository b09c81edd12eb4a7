// The long run of test/core/stream-fuzz.test.ts, on every build that reads streams.
import { test } from "node:test";
import { SEED } from "../support/model/random.js";
import { fuzzStreams } from "../support/stream-fuzz.js";

const DURATION_MS = Number(process.env.FERRULE_STEPS ?? 120_000);

for (const [profile, share] of [
  ["test", 0.6],
  ["gateway", 0.2],
  ["gateway-scalar", 0.2],
] as const) {
  test(`hostile streams, ${profile} build, from seed ${SEED}`, (t) => {
    t.diagnostic(JSON.stringify(fuzzStreams(SEED, DURATION_MS * share, profile)));
  });
}
