// asconfig.json says the same as the build: `npx asc --target board` is not a second truth.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
// @ts-expect-error plain JavaScript
import { asconfig as writeAsconfig } from "../../assembly/tools/asconfig.mjs";
// @ts-expect-error plain JavaScript
import { compilerArguments } from "../../assembly/tools/build.mjs";
// @ts-expect-error plain JavaScript
import { profiles } from "../../assembly/tools/profiles.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Shown {
  options: Record<string, unknown>;
  entries: string[];
}

/** What asc understands by its arguments. */
function show(args: string[]): Shown {
  const asc = "node_modules/assemblyscript/bin/asc.js";
  const { stdout, stderr } = spawnSync(process.execPath, [asc, ...args, "--showConfig"], {
    cwd: root,
    encoding: "utf8",
  });
  const shown = JSON.parse(stdout + stderr) as Shown;
  for (const key of ["target", "config", "showConfig"]) delete shown.options[key];
  return shown;
}

test("asconfig.json is up to date", () => {
  const expected = (writeAsconfig as () => string)();
  const stale = "asconfig.json is stale: run `node assembly/tools/asconfig.mjs`";
  assert.equal(readFileSync(`${root}asconfig.json`, "utf8"), expected, stale);
});

for (const name of Object.keys(profiles as object)) {
  test(`asc reads target ${name} as the build's arguments`, () => {
    const args = (compilerArguments as (name: string) => string[])(name);
    assert.deepEqual(show(["--target", name]), show([...args, "--config", "none"]));
  });
}
