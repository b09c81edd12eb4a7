// What is generated is what its generator writes now: ABI constants, C header, WIT, the tables of
// assembly/README.md, texts and hashes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const GENERATORS = ["abi.mjs", "texts.mjs", "sha256.mjs"];

function isFresh(folder: string, generator: string): boolean {
  const path = join(folder, "assembly/tools", generator);
  return spawnSync(process.execPath, [path, "--check"], { stdio: "ignore" }).status === 0;
}

describe("generated files", () => {
  for (const generator of GENERATORS) {
    it(`are what ${generator} writes`, () => assert.ok(isFresh(root, generator)));
  }
});

describe("the check", () => {
  let copy: string;

  before(() => {
    copy = mkdtempSync(join(tmpdir(), "ferrule-generated-"));
    for (const folder of ["assembly", "boards/include", "boards/embed"]) {
      cpSync(join(root, folder), join(copy, folder), { recursive: true });
    }
    cpSync(join(root, "host/abi.ts"), join(copy, "host/abi.ts"), { recursive: true });
    copyFileSync(join(root, "package.json"), join(copy, "package.json"));
  });

  after(() => rmSync(copy, { recursive: true }));

  it("sees a number that was changed in the source alone", () => {
    const path = join(copy, "assembly/abi.ts");
    const text = readFileSync(path, "utf8");
    assert.ok(isFresh(copy, "abi.mjs"));
    writeFileSync(path, text.replace("Undrained = -8", "Undrained = -80"));
    assert.ok(!isFresh(copy, "abi.mjs"));
  });

  it("sees a text that was changed by hand", () => {
    const path = join(copy, "assembly/texts.ts");
    writeFileSync(path, readFileSync(path, "utf8").replace("[\n  15,", "[\n  14,"));
    assert.ok(!isFresh(copy, "texts.mjs"));
  });
});
