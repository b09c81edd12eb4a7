// Runs the tests: `node test/run.mjs [--slow] [part of a path…]`. Builds first what is out of
// date. Suites in test/slow/ run with --slow only, and then alone. Ends with node's summary.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { profiles } from "../assembly/tools/profiles.mjs";

const root = fileURLToPath(new URL("../", import.meta.url));
/** Longest time of one test file: a hang must not look like a slow machine. */
const FILE_LIMIT_MS = 300_000;
const SLOW_FILE_LIMIT_MS = 1_200_000;

function listFiles(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .map((path) => path.split(sep).join("/"))
    .sort();
}

function newest(paths) {
  return Math.max(0, ...paths.map((path) => statSync(join(root, path)).mtimeMs));
}

/** When the oldest of these was built; 0 when one is missing. */
function oldest(paths) {
  const times = paths.map((path) => (existsSync(join(root, path)) ? newest([path]) : 0));
  return Math.min(...times);
}

function run(command, args) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (error) throw error;
  if (signal) console.error(`${command} was ended by ${signal}`);
  return status ?? 1;
}

/** Runs a script of package.json; a failed build ends the run. */
function build(script) {
  const status = run("npm", ["run", "--silent", script]);
  if (status !== 0) process.exit(status);
}

function buildStale() {
  const core = Object.keys(profiles).map((name) => `build/${name}.wasm`);
  if (oldest(core) < newest(listFiles("assembly"))) build("build:core");
  const host = ["build/host/index.js", "build/host/main.cjs"];
  if (oldest(host) < newest(listFiles("host"))) build("build:host");
}

function chooseTests(slow, parts) {
  return listFiles("test")
    .filter((path) => path.endsWith(".test.ts"))
    .filter((path) => path.startsWith("test/slow/") === slow)
    .filter((path) => parts.length === 0 || parts.some((part) => path.includes(part)));
}

const slow = process.argv.includes("--slow");
const parts = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const files = chooseTests(slow, parts);
if (files.length === 0) {
  console.error(`No test file${slow ? " in test/slow/" : ""} has such a path: ${parts.join(", ")}`);
  process.exit(1);
}
buildStale();
console.log(`${files.length} test files:\n${files.map((path) => `  ${path}`).join("\n")}\n`);
process.exit(
  run(process.execPath, [
    ...["--import", "tsx", "--test", "--test-reporter=spec", "--test-concurrency=2"],
    `--test-timeout=${slow ? SLOW_FILE_LIMIT_MS : FILE_LIMIT_MS}`,
    ...files,
  ]),
);
