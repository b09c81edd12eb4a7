// How the benchmark starts and ends what it measures, and changes the sources of what it builds.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { freePorts } from "../support/peers.js";
import { Running, type Recipe } from "./contender.js";
import { makeChange } from "./interledger-rs/changes.js";

/** Listens on a Unix socket. */
const HELPER = `require("node:net").createServer().listen(process.argv[1])`;
/** Listens on a port once it has reached the helper; else ends. */
const MAIN = `const net = require("node:net");
net.connect(process.argv[1])
  .on("connect", () => net.createServer().listen(Number(process.argv[2]), "127.0.0.1"))
  .on("error", () => process.exit(1))`;

async function makeRecipe(main = MAIN): Promise<Recipe & { folder: string }> {
  const [port] = await freePorts(1);
  const folder = mkdtempSync(join(tmpdir(), "ferrule-bench-"));
  const socket = join(folder, "helper.sock");
  return {
    helpers: [{ args: ["-e", HELPER, socket], ports: [socket] }],
    args: ["-e", main, socket, String(port)],
    ports: [port!],
    pairs: [],
    wire: "tcp",
    folder,
    cleanUp: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** One that has ended and that nobody asked for yet does not. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = `/proc/${pid}/stat`;
    return !existsSync(stat) || !/\) [ZX] /.test(readFileSync(stat, "latin1"));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe("a contender with a helper", () => {
  test("starts after it, is told what to do once it listens, and ends with it", async () => {
    const recipe = await makeRecipe();
    let told = 0;
    const running = await Running.start({ ...recipe, setUp: async () => void told++ }, "");
    const { pid, pids } = running;
    assert.equal(told, 1);
    assert.equal(pids.length, 2);
    assert.equal(pids[1], pid);
    assert.deepEqual(pids.map(lives), [true, true]);
    await running.stop();
    assert.deepEqual(pids.map(lives), [false, false]);
    assert.equal(existsSync(recipe.folder), false);
  });

  test("that does not start leaves nothing behind", async () => {
    const recipe = await makeRecipe(`console.error("no such luck"); process.exit(1)`);
    await assert.rejects(Running.start(recipe, ""), /did not start listening:\nno such luck/);
    assert.equal(existsSync(recipe.folder), false);
  });

  test("ends when the benchmark is ended", async () => {
    const recipe = await makeRecipe();
    const url = new URL("contender.ts", import.meta.url).href;
    const { folder, ...rest } = recipe;
    const script = `import { rmSync } from "node:fs";
import { Running } from ${JSON.stringify(url)};
const cleanUp = () => rmSync(${JSON.stringify(folder)}, { recursive: true, force: true });
const { pids } = await Running.start({ ...${JSON.stringify(rest)}, cleanUp }, "");
console.log(pids.join(" "));`;
    const args = ["--import", "tsx", "--input-type=module", "-e", script];
    const bench = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(bench.stdout, "data")) as [Buffer];
    const pids = line.toString().trim().split(" ").map(Number);
    assert.deepEqual(pids.map(lives), [true, true]);
    bench.kill("SIGTERM");
    const [code] = (await once(bench, "exit")) as [number];
    assert.equal(code, 128 + 15);
    await until(() => !pids.some(lives));
    assert.equal(existsSync(folder), false);
  });
});

describe("a change of a source", () => {
  const change = { file: "a.rs", from: "old()", times: 2, to: "new()" };

  test("is made wherever it is due", () => {
    assert.equal(makeChange("old(); old();", change, "a.rs"), "new(); new();");
  });

  test("is refused when the source is not as expected", () => {
    for (const text of ["old();", "old(); old(); old();", ""]) {
      assert.throws(() => makeChange(text, change, "a.rs"), /a\.rs is not as expected.*not 2/);
    }
  });
});
