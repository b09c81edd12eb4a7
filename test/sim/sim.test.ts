// The simulator in the small: a few seeds, every seed that has failed before, the same seed twice,
// and every planted bug, each seen by exactly the checker that is for it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { PLANTS } from "./plants.js";
import type { Profile } from "./node.js";
import { run, type RunOptions } from "./run.js";

const HOURS = 20 / 3600;

async function holds(options: RunOptions): Promise<string> {
  const { violation, trace, hash } = await run(options);
  assert.equal(violation, null, `${violation?.message}\n${trace.join("\n")}`);
  return hash;
}

describe("a simulated network", () => {
  const builds: Profile[] = ["board", "test", "gateway-scalar"];
  for (const [i, profile] of builds.entries()) {
    test(`of ${profile} builds keeps its books`, async () => {
      const crashes = 3_000_000;
      await holds({ seed: 101 + i, nodes: 3, hours: HOURS, profile, swarm: { load: 50, crashes } });
    });
  }
  test("is the same each time", async () => {
    const swarm = { load: 50, crashes: 2_000_000, liars: 2 };
    const options = { seed: 7, nodes: 4, hours: HOURS, swarm };
    assert.equal(await holds(options), await holds(options));
  });
});

describe("a planted bug is seen", () => {
  for (const [name, { checker, what }] of Object.entries(PLANTS)) {
    test(`${name}: ${what}`, async () => {
      const { violation } = await run({ seed: 2, nodes: 0, hours: 0, plant: name });
      assert.equal(violation?.checker, checker, violation?.message);
    });
  }
});

test("an interrupted run reports what it has done so far", async () => {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", main, "--seconds", "300"]);
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (!out.includes("payments") && `${out}${text}`.includes("payments")) child.kill("SIGINT");
    out += text;
  });
  const [code] = (await once(child, "close")) as [number];
  assert.match(out, /^runs {9}\d+, failed 0$/m);
  assert.match(out, /^checks {7}\d+$/m);
  assert.equal(code, 130);
});

test("past failures are in the list by what they were", () => {
  const url = new URL("seeds.json", import.meta.url);
  const seeds = JSON.parse(readFileSync(url, "utf8")) as { seed: number; found: string }[];
  for (const { seed, found } of seeds) assert.ok(Number.isInteger(seed) && found.length > 0);
});
