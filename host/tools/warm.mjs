// Runs the bundled command line until a node has started, and keeps what V8 has compiled by then.
// No settings of V8: Node would not take its own compiled code then either, which costs 20 ms.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../build/host/main.cjs", import.meta.url));
const require = createRequire(main);
const { compile, keep, run } = require("./code-cache.cjs");

const folder = mkdtempSync(join(tmpdir(), "ferrule-build-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const config = join(folder, "ferrule.toml");
// What the built-in test network has, on ports that are free.
const sections = ["[btp]\nopenTokens = true", "[http]", "[admin]"];
const settings = ['ilpAddress = "test.ferrule"', 'dataDir = "data"'];
writeFileSync(
  config,
  [...settings, ...sections.map((section) => `${section}\nport = 0`), ""].join("\n"),
);

process.argv = [process.argv[0], main, "start", "--config", config, "--log-level", "error"];
const compiled = compile(main);
process.stdout.write = () => {
  // The greeting: it listens.
  keep(compiled);
  process.exit(0);
};
setTimeout(() => {
  console.error("The node has not started within 20 seconds.");
  process.exit(1);
}, 20_000);
run(compiled, require);
