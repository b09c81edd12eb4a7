// `npm run test:pi [part of a name…]`: the tests of executables, Debian package and card image, one
// after the other, because each starts machines. `npm run test:pi -- --long`: raspi3b as well, and
// twenty power cuts.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("./", import.meta.url));
const long = process.argv.includes("--long");
const parts = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const files = readdirSync(folder)
  .filter((name) => name.endsWith(".test.mjs"))
  .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
  .sort()
  .map((name) => folder + name);
if (files.length === 0) {
  console.error(`No test file in boards/pi/test has such a name: ${parts.join(", ")}`);
  process.exit(1);
}
const env = long ? { ...process.env, FERRULE_LONG: "1", FERRULE_CUTS: "20" } : process.env;
const flags = ["--import", "tsx", "--test", "--test-reporter=spec", "--test-concurrency=1"];
const { status } = spawnSync(process.execPath, [...flags, ...files], { env, stdio: "inherit" });
process.exit(status ?? 1);
