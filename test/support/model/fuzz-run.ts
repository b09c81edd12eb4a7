// Runs fuzzed lives until enough calls were made, and keeps the first life that fails.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fuzzer, loadCorpus } from "../../fuzz/fuzzer.js";

/** Throws with the file of the calls that failed: it belongs into test/fuzz/crashes. */
export function fuzz(seed: number, executions: number): Fuzzer {
  const fuzzer = new Fuzzer(seed, loadCorpus());
  while (fuzzer.executions < executions) {
    try {
      fuzzer.live();
    } catch (error) {
      const file = join(mkdtempSync(join(tmpdir(), "ferrule-fuzz-")), `crash-${seed}.json`);
      writeFileSync(file, JSON.stringify(fuzzer.calls, null, 0).replaceAll('],["', '],\n["'));
      const { message } = error as Error;
      throw new Error(`FERRULE_SEED=${seed}: ${message}; its calls are in ${file}`, {
        cause: error,
      });
    }
  }
  return fuzzer;
}
