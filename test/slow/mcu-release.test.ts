// The Pico's release is what the sources give: built again with the same tools, byte for byte.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { missingTools } from "../../boards/mcu/build.mjs";
import { buildPico, type PicoRelease } from "../../boards/pico/build.mjs";
import { makeFolder } from "./identity-native.js";

const release = new URL("../../boards/pico/release/", import.meta.url);
const missing = missingTools();
if (missing && process.env.CI) throw new Error(`NOT RUN, ${missing}`);

test("boards/pico/release is what the sources give", { skip: missing || false }, () => {
  const text = readFileSync(new URL("ferrule-pico.json", release), "utf8");
  const kept = JSON.parse(text) as PicoRelease;
  const { uf2, about } = buildPico(makeFolder());
  const again = buildPico(makeFolder());
  assert.deepEqual(again.about, about, "two builds in two folders differ");
  assert.equal(
    `${about.gcc}, ${about.wasm2c}`,
    `${kept.gcc}, ${kept.wasm2c}`,
    "the release was built with other tools; build it again with npm run board:pico",
  );
  assert.deepEqual(about, kept, "the release is out of date: npm run board:pico");
  assert.ok(readFileSync(new URL(kept.firmware, release)).equals(uf2));
});
