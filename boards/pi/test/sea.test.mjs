// The single-file executables: the one for this machine's processor, and the other one under
// qemu-user. Each starts a node, asks it how it is, pings it, and ends it.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { promisify } from "node:util";
import { buildHost } from "../tools/bundle.mjs";
import { readLock, sha256 } from "../tools/common.mjs";
import { debianPackages, lockOrPresent } from "../tools/debian.mjs";
import { makeExecutables } from "../tools/sea.mjs";
import { arm64Runner, cannotRun, freePort, measured, until } from "./support.mjs";

const runFile = promisify(execFile);
const PROGRAMS = {
  "qemu-aarch64-static": "qemu-user-static",
  "aarch64-linux-gnu-strip": "binutils-aarch64-linux-gnu",
  "x86_64-linux-gnu-strip": "binutils-x86-64-linux-gnu",
  "dpkg-deb": "dpkg",
};
/** An emulated processor on a busy machine. */
const PATIENCE_MS = 180_000;

/** How to run an executable of `arch` here: program and first arguments. */
const runner = (arch, path) => (arch === process.arch ? [path] : [...arm64Runner(), path]);

async function exercise([program, ...first]) {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-sea-"));
  const ports = { btp: await freePort(), admin: await freePort() };
  const file = join(folder, "ferrule.toml");
  writeFileSync(
    file,
    `ilpAddress = "test.sea"\ndataDir = "data"\n[btp]\nport = ${ports.btp}\nopenTokens = true\n` +
      `[http]\nenabled = false\n[admin]\nport = ${ports.admin}\n`,
  );
  const ferrule = (...args) => runFile(program, [...first, ...args], { timeout: PATIENCE_MS });
  const started = performance.now();
  const args = [...first, "start", "--config", file, "--log-level", "warn"];
  const node = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [node.stdout, node.stderr]) stream.on("data", (chunk) => (text += chunk));
  const ended = new Promise((resolve) => node.once("exit", resolve));
  try {
    await until("the start", PATIENCE_MS, () => /is running/.test(text) || node.exitCode !== null);
    const readyMs = Math.round(performance.now() - started);
    assert.equal(node.exitCode, null, text);
    const status = await ferrule("status", "--config", file);
    assert.match(status.stdout, /^ok .*address test\.sea/);
    assert.match((await ferrule("ping", "test.sea", "--config", file)).stdout, /test\.sea/);
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.pid}/status`, "utf8"))[1];
    node.kill("SIGTERM");
    assert.equal(await ended, 0, text);
    assert.ok(existsSync(join(folder, "data")), "the books were kept");
    return { readyMs, rssMb: Math.round(Number(rss) / 1024) };
  } finally {
    node.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

const skip = cannotRun(PROGRAMS);

it("what runs arm64 programs here outlives the archive", { skip }, () => {
  const { suite } = readLock().debian;
  const packages = {
    "libgcc-s1": { version: "0~gone", sha256: "0".repeat(64) },
    "linux-image-gone": { version: "0~gone", sha256: "0".repeat(64) },
  };
  const names = ["libgcc-s1"];
  const lock = lockOrPresent(names, { suite, packages });
  assert.deepEqual(Object.keys(lock.packages), names);
  assert.ok(existsSync(join(debianPackages(lock, names)["libgcc-s1"], "lib")));
});

describe("single-file executable", { skip }, () => {
  const architectures = ["x64", "arm64"];
  let paths;
  before(async () => {
    buildHost();
    paths = await makeExecutables(architectures);
  });

  it("is the same when it is made again", async () => {
    const sums = (files) => files.map((path) => sha256(readFileSync(path)));
    const first = sums(paths);
    assert.deepEqual(sums(await makeExecutables(architectures)), first);
  });

  for (const [index, arch] of architectures.entries()) {
    it(`starts, says how it is and pings: ${arch}`, async () => {
      const { readyMs, rssMb } = await exercise(runner(arch, paths[index]));
      measured(`executable, ${arch}: ready after ${readyMs} ms, ${rssMb} MB`);
    });
  }
});
