// Builds the core: `node assembly/tools/build.mjs [profile…]`, all profiles without an argument.
// A profile whose sources have not changed since its last build is left alone (`--force` rebuilds).
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { profiles } from "./profiles.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

/** Arguments for asc, without the entry's folder: also what asconfig.json is checked against. */
export function compilerArguments(name) {
  const { entry, pages, simd, size, checked, capacities } = profiles[name];
  return [
    entry,
    ...["--outFile", `build/${name}.wasm`, "--runtime", "stub", "--use", "abort="],
    ...["--optimizeLevel", size ? "2" : "3", "--shrinkLevel", size ? "2" : "0"],
    ...(checked ? [] : ["--noAssert"]),
    // Where memory is short it begins behind what a null pointer reaches, not at 1024.
    ...(size ? ["--memoryBase", "64"] : []),
    ...["--initialMemory", String(pages), "--maximumMemory", String(pages)],
    ...Object.entries(capacities).flatMap(([key, value]) => ["--use", `${key}=${value}`]),
    ...(simd ? ["--enable", "simd"] : []),
  ];
}

/** Newest change among the core's sources and this folder. */
function newest(folder) {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    time = Math.max(time, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return time;
}

async function build(name, force, changed) {
  const out = join(root, `build/${name}.wasm`);
  if (!force && existsSync(out) && statSync(out).mtimeMs > changed) return;
  const asc = join(root, "node_modules/assemblyscript/bin/asc.js");
  const { stderr } = await run(process.execPath, [asc, ...compilerArguments(name)], { cwd: root });
  if (stderr.trim()) console.error(stderr);
  const { inline, size } = profiles[name];
  if (inline || size) {
    // Binaryen is 12 MB of JavaScript: whoever only wants the arguments does not load it.
    const { inlineMore, shrink } = await import("./inline.mjs");
    if (inline) inlineMore(out);
    else shrink(out);
  }
  console.log(`build/${name}.wasm ${statSync(out).size} bytes`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const force = process.argv.includes("--force");
  const changed = newest(join(root, "assembly"));
  mkdirSync(join(root, "build"), { recursive: true });
  try {
    await Promise.all(
      (names.length ? names : Object.keys(profiles)).map((n) => build(n, force, changed)),
    );
  } catch (error) {
    console.error(error.stderr || error.message);
    process.exit(1);
  }
}
