// Replays a script in Node, Deno or Bun:
//   node boards/runtimes/javascript/runner.mjs CORE SCRIPT [--steps N | --time]
// Ends with 0 when all is as recorded, 1 at the first difference, 2 when it cannot play.
import { readFileSync } from "node:fs";
import process from "node:process";
import { Difference, measure, play } from "./player.mjs";

/** The most memory this process has had, in KiB; 0 where Linux does not say. */
function peakKiB() {
  try {
    return Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
  } catch {
    return 0;
  }
}

const [core, path, mode, steps] = process.argv.slice(2);
try {
  const module = new WebAssembly.Module(readFileSync(core));
  const script = new Uint8Array(readFileSync(path));
  if (mode === "--time") console.log(JSON.stringify(measure(module, script)));
  else {
    const result = play(module, script, mode === "--steps" ? Number(steps) : Infinity);
    console.log(JSON.stringify({ ...result, peakKiB: peakKiB() }));
  }
} catch (error) {
  console.log(error.message);
  process.exitCode = error instanceof Difference ? 1 : 2;
}
