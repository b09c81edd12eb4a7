// The young generation stays small, whatever survives in it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { YOUNG_BYTES } from "../../host/memory.js";

const MEMORY = fileURLToPath(new URL("../../host/memory.ts", import.meta.url));

/** Bytes of the young generation after objects enough have lived for a while. */
function grown(prepare: string): number {
  const script = `
    import { limitYoungGeneration, youngBytes } from ${JSON.stringify(MEMORY)};
    ${prepare}
    const kept = [];
    let made = 0;
    let most = 0;
    const step = () => {
      for (let i = 0; i < 20000; i++) kept[made++ % 30000] = { made, list: [made] };
      most = Math.max(most, youngBytes());
      if (made < 4e6) setImmediate(step);
      else console.log(most);
    };
    step();`;
  const args = ["--import", import.meta.resolve("tsx"), "--input-type=module", "-e", script];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

test("grows as V8 likes it without the limit: these objects survive", () => {
  assert.ok(grown("") > 2 * YOUNG_BYTES);
});

test("stays within the limit", () => {
  // Newer V8 has a page or two more for what does not fit.
  assert.ok(grown("limitYoungGeneration();") < 1.5 * YOUNG_BYTES);
});
