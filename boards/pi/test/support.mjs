// What the board tests share: which programs are here, machines in QEMU, waiting with a limit.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { emptyFolder, environment, missing, out, run } from "../tools/common.mjs";
import { debianPackages, lockOrPresent } from "../tools/debian.mjs";

/**
 * Why a test of these programs cannot run; false when it can. Where CI is set nothing may be
 * skipped: it throws.
 */
export function cannotRun(programs) {
  const command = missing(programs);
  if (command === null) return false;
  const sentence = `SKIPPED: programs are missing. As root: ${command}`;
  if (process.env.CI) throw new Error(sentence);
  console.log(sentence);
  return sentence;
}

/** Parts that were asked for by name; none means all of them. */
const parts = (process.env.FERRULE_PI_PARTS ?? "").split(",").filter(Boolean);
const isLong = process.env.FERRULE_LONG === "1";

/** Options of a test of `part`; `long`: it is run by `--long` only, or when asked for by name. */
export function unlessChosen(part, long) {
  if (parts.length > 0 && !parts.includes(part)) return { skip: "not asked for" };
  const isAsked = isLong || parts.includes(part);
  return { skip: long && !isAsked && `SKIPPED: npm run test:pi -- ${part} or --long runs it` };
}

/** Says a figure; the summary at the end repeats it. */
export const measured = (text) => console.log(`  measured: ${text}`);

const ARM64_LIBRARIES = ["libc6", "libgcc-s1", "libstdc++6"];

/** How to run an arm64 program here: qemu-user with Debian's C and C++ libraries for arm64. */
export function arm64Runner() {
  const folder = emptyFolder(join(out, "arm64-system"));
  const packages = debianPackages(lockOrPresent(ARM64_LIBRARIES), ARM64_LIBRARIES);
  for (const name of ARM64_LIBRARIES) {
    run("cp", ["-a", `${packages[name]}/.`, folder]);
  }
  return ["qemu-aarch64-static", "-L", folder];
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Waits until `ready` gives something true, at most `limitMs`; what it gave. A promise of its that
 * is rejected says "not yet"; what it throws itself ends the waiting.
 */
export async function until(what, limitMs, ready) {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await Promise.resolve(ready()).catch(() => null);
    if (found) return found;
    if (performance.now() > end) throw new Error(`${what} did not happen in ${limitMs} ms`);
    await pause(100);
  }
}

/** A port of this machine that is free now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const running = new Set();
process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")));
// Ended from outside, it must not leave machines behind.
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => process.exit(1));

/** A machine in QEMU; its serial console is `text`. */
export class Machine {
  text = "";
  readyMs = 0;
  #started = performance.now();
  #ended;

  constructor(program, args, onText = () => {}) {
    this.child = spawn(program, args, { env: environment, stdio: ["pipe", "pipe", "pipe"] });
    running.add(this.child);
    const take = (chunk) => {
      this.text += chunk;
      onText(String(chunk));
      if (process.env.FERRULE_CONSOLE) process.stdout.write(chunk);
    };
    this.child.stdout.on("data", take);
    this.child.stderr.on("data", take);
    this.#ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("exit", (code) => {
        running.delete(this.child);
        resolve(code);
      });
    });
  }

  get elapsedMs() {
    return performance.now() - this.#started;
  }

  get hasEnded() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Resolves when the console has shown `pattern`; the match. */
  async shows(pattern, limitMs) {
    try {
      return await until(`${pattern} on the console`, limitMs, () => {
        const match = pattern.exec(this.text);
        if (!match && this.hasEnded) throw new Error("the machine has ended");
        return match;
      });
    } catch (error) {
      throw new Error(`${error.message}; its console ends with:\n${this.text.slice(-4000)}`);
    }
  }

  /** Resolves to the exit code when the machine has switched itself off. */
  async ends(limitMs) {
    await until("the machine's end", limitMs, () => this.hasEnded);
    return this.#ended;
  }

  /** As if the plug were pulled. */
  async pullPlug() {
    this.child.kill("SIGKILL");
    await this.#ended;
  }
}
