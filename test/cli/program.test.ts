// The `ferrule` program as `npm run build` makes it: one script and its compiled code. What is
// wrong with the compiled code must never show in what the program does.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { makeFolder, startNode, writeConfig } from "./support.js";

const BUILD = fileURLToPath(new URL("../../build/", import.meta.url));
const PROGRAM = join(BUILD, "host/ferrule.cjs");
const run = promisify(execFile);

interface CodeCache {
  compile(file: string): { isKept: boolean };
}
const { compile } = createRequire(import.meta.url)(join(BUILD, "host/code-cache.cjs")) as CodeCache;

async function said(program: string, args: string[], options: string[] = []): Promise<string> {
  return (await run(process.execPath, [...options, program, ...args])).stdout;
}

describe("the built program", () => {
  const folder = makeFolder();
  after(folder.close);

  test("uses the code this Node compiled when it was built", () => {
    const message = "run `npm run build` with this version of Node";
    assert.ok(compile(join(BUILD, "host/main.cjs")).isKept, message);
  });

  test("starts a node, says how to go on, and asks it", async () => {
    const node = await startNode(writeConfig(folder.path), [PROGRAM]);
    const pinged = await said(PROGRAM, ["ping", "test.ferrule", "--admin", node.admin]);
    assert.match(pinged, /test\.ferrule/);
    const status = JSON.parse(await said(PROGRAM, ["status", "--json", "--admin", node.admin]));
    assert.equal(status.address, "test.ferrule");
    assert.equal(await node.stop(), 0);
  });

  test("ends with what the command line says", async () => {
    const config = join(folder.path, "none.toml");
    await assert.rejects(said(PROGRAM, ["start", "--config", config]), (error: Error) => {
      const { code, stderr } = error as Error & { code: number; stderr: string };
      return code === 78 && stderr.includes("none.toml");
    });
  });
});

describe("compiled code that cannot be used", () => {
  const folder = makeFolder();
  const host = join(folder.path, "build/host");
  const program = join(host, "ferrule.cjs");
  const script = join(host, "main.cjs");
  const cache = join(host, "main.cache");
  let expected = "";
  before(async () => {
    mkdirSync(host, { recursive: true });
    for (const name of ["ferrule.cjs", "code-cache.cjs", "main.cjs", "main.cache"]) {
      cpSync(join(BUILD, "host", name), join(host, name));
    }
    for (const name of ["gateway.wasm", "gateway-scalar.wasm"]) {
      cpSync(join(BUILD, name), join(folder.path, "build", name));
    }
    cpSync(join(BUILD, "../package.json"), join(folder.path, "package.json"));
    expected = await said(PROGRAM, ["version"]);
  });
  after(folder.close);

  /** Runs with this for compiled code, and puts the right one back. */
  async function withCode(change: (good: Buffer) => Buffer | null): Promise<string> {
    const good = readFileSync(cache);
    const bytes = change(Buffer.from(good));
    if (bytes) writeFileSync(cache, bytes);
    else rmSync(cache);
    try {
      assert.equal(compile(script).isKept, false);
      return await said(program, ["version"]);
    } finally {
      writeFileSync(cache, good);
    }
  }

  test("is used here when nothing was changed", async () => {
    assert.equal(compile(script).isKept, true);
    assert.equal(await said(program, ["version"]), expected);
  });

  const flip = (at: (length: number) => number) => (good: Buffer) => {
    good[at(good.length)]! ^= 1;
    return good;
  };
  const CASES: [string, (good: Buffer) => Buffer | null][] = [
    ["is missing", () => null],
    ["is empty", () => Buffer.alloc(0)],
    ["ends within the digest", (good) => good.subarray(0, 31)],
    ["is cut short", (good) => good.subarray(0, good.length >> 1)],
    ["has a flipped bit in the digest", flip(() => 3)],
    ["has a flipped bit in V8's header", flip(() => 40)],
    ["has a flipped bit in the code", flip((length) => length >> 1)],
    ["has a flipped last bit", flip((length) => length - 1)],
  ];
  for (const [what, change] of CASES) {
    test(what, async () => assert.equal(await withCode(change), expected));
  }

  test("is of a script that was changed since", async () => {
    const good = readFileSync(script, "latin1");
    // V8 itself would take it: the script is as long as it was.
    writeFileSync(script, good.replace("Print the version", "Say a version now"), "latin1");
    try {
      assert.match(await said(program, ["--help"]), /Say a version now/);
    } finally {
      writeFileSync(script, good, "latin1");
    }
  });

  test("was made with other settings of V8", async () => {
    const settings = ["--max-semi-space-size=4"];
    assert.equal(await said(program, ["version"], settings), expected);
  });
});
