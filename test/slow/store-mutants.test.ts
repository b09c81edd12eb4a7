// Bugs planted in the store, one at a time, in a copy of the host: the store's tests must see each.
import { after, describe, test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const home = join(root, "build", "mutants");
/** What is copied, beside the mutated host. */
const PARTS = ["test/store", "test/support/faulty-disk.ts"];
const CORES = ["gateway.wasm", "gateway-scalar.wasm"];
const SUITES = ["test/store/crash.test.ts", "test/store/books.test.ts"];

/** Name, file below host/, what stands there, what is put in its place. */
const MUTANTS: readonly (readonly [name: string, file: string, from: string, to: string])[] = [
  [
    "commits reported before they are synced",
    "store/store.ts",
    "file.sync((error) => {",
    "((then: Written) => then(null))((error) => {",
  ],
  [
    "snapshots not synced before the journal starts over",
    "store/store.ts",
    "file.sync((error) => {",
    '((t: Written) => (block.kind === "batch" ? file.sync(t) : t(null)))((error) => {',
  ],
  ["the newer snapshot overwritten", "store/store.ts", "= 1 - this.#slot;", "= this.#slot;"],
  [
    "snapshots that leave no trace in the journal",
    "store/store.ts",
    "else this.#batch([], stamp, done);",
    "else done(null);",
  ],
  ["one snapshot only", "store/store.ts", "found?.spare ? 1 : 2", "1"],
  [
    "the journal not started over",
    "store/store.ts",
    "if (isFull && this.#owed === 0) this.#owed = 1;",
    "if (isFull && this.#owed === 0) this.#end = 0;",
  ],
  [
    "batches of any epoch and sequence taken",
    "store/recover.ts",
    "if (!isNext(block, last)) break;",
    "void isNext;",
  ],
  [
    "checksums not looked at",
    "store/block.ts",
    'if (crc32c(covered) !== crc) return "damaged";',
    "",
  ],
  [
    "damage taken for the end",
    "store/recover.ts",
    "if (!options.repair && !run.stopped) refuseDamage(",
    "if (options.repair && !run.stopped) refuseDamage(",
  ],
  ["Prepares not kept back", "bookkeeper.ts", "this.#waiting.push({ id, send })", "send()"],
  ["the trail forgotten", "bookkeeper.ts", "...this.#records, ...sums]", "...sums]"],
  ["names forgotten", "bookkeeper.ts", "[...this.#nameOwners(store, sums), ", "["],
  [
    "sums of one account left out",
    "bookkeeper.ts",
    "const sums = [...core.commit()];",
    "const sums = [...core.commit()].slice(0, -1);",
  ],
  [
    "packets taken after the disk has failed",
    "bookkeeper.ts",
    "core.setMode(Mode.Draining);\n    this.#waiting = [];",
    "void core;\n    this.#waiting = [];",
  ],
  [
    "written again after an error",
    "store/store.ts",
    "if (error) this.#failed = error;",
    "if (error) return this.#batch(records, stamp, done);",
  ],
  ["claims forgotten", "store/image.ts", "this.claims.set(this.claimNumber, {", "void ({"],
  ["durable never said", "bookkeeper.ts", "core.durable();", ""],
];

function plant(index: number): string {
  const [name, file, from, to] = MUTANTS[index]!;
  const folder = join(home, String(index));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of ["host", ...PARTS])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  for (const core of CORES) cpSync(join(root, "build", core), join(folder, core));
  const path = join(folder, "host", file);
  const text = readFileSync(path, "utf8");
  assert.equal(text.split(from).length, 2, `${name}: ${file} has changed, plant it anew`);
  writeFileSync(
    path,
    text.replace(from, () => to),
  );
  return folder;
}

/** Runs the store's suites in a copy. @returns whether they found anything wrong */
function isSeen(folder: string): { seen: boolean; output: string } {
  // Inside a test run, node would otherwise take the run for a part of this one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, signal } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--test", "--test-timeout=120000", ...SUITES],
    { cwd: folder, encoding: "utf8", env: { ...env, FERRULE_SEED: "7" } },
  );
  return { seen: status !== 0 || signal !== null, output: stdout };
}

describe("bugs planted in the store", () => {
  after(() => rmSync(home, { recursive: true, force: true }));

  test("are not there to begin with", () => {
    const folder = plant(MUTANTS.length - 1);
    cpSync(join(root, "host"), join(folder, "host"), { recursive: true });
    const { seen, output } = isSeen(folder);
    assert.equal(seen, false, output);
    assert.match(output, /pass [1-9][0-9]/);
  });
  MUTANTS.forEach(([name], index) => {
    test(name, () => assert.ok(isSeen(plant(index)).seen, "nobody noticed"));
  });
});
