// Writes asconfig.json from profiles.mjs, so that `npx asc --target board` builds what build.mjs
// builds: `node assembly/tools/asconfig.mjs`. A test fails when the file is stale, or when asc
// reads it otherwise than build.mjs's arguments.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { profiles } from "./profiles.mjs";

function target(name) {
  const { pages, simd, size, checked, capacities } = profiles[name];
  return {
    outFile: `build/${name}.wasm`,
    runtime: "stub",
    use: ["abort=", ...Object.entries(capacities).map(([key, value]) => `${key}=${value}`)],
    optimizeLevel: size ? 2 : 3,
    shrinkLevel: size ? 2 : 0,
    ...(checked ? {} : { noAssert: true }),
    ...(size ? { memoryBase: 64 } : {}),
    initialMemory: pages,
    maximumMemory: pages,
    ...(simd ? { enable: ["simd"] } : {}),
  };
}

/** The text of asconfig.json. */
export function asconfig() {
  const names = Object.keys(profiles);
  const entries = [...new Set(names.map((name) => profiles[name].entry))];
  if (entries.length !== 1) throw new Error("asconfig.json can name one entry only");
  const targets = Object.fromEntries(names.map((name) => [name, target(name)]));
  return `${JSON.stringify({ entries, targets }, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(fileURLToPath(new URL("../../asconfig.json", import.meta.url)), asconfig());
}
