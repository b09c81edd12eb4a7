// Hostile streams for some seconds (WebSocket and serial; RFC 6455 5, BTP-08). The long run is
// test/slow/stream-fuzz.test.ts; FERRULE_SEED repeats a life.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SEED } from "../support/model/random.js";
import { fuzzStreams } from "../support/stream-fuzz.js";

test(`hostile streams from seed ${SEED}`, (t) => {
  const tally = fuzzStreams(SEED, 5000);
  t.diagnostic(JSON.stringify(tally));
  for (const [name, count] of Object.entries(tally)) assert.ok(count > 0, `no ${name}`);
});
