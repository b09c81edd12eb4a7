// The programs in host/examples run exactly as they are written, through the package's own exports:
// the connector in a Node process, the core in Node and, bundled, where nothing of Node is left.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { webcrypto } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import ts from "typescript";

const root = fileURLToPath(new URL("../../", import.meta.url));
const BROWSER_EXAMPLE = join(root, "host/examples/core-browser.mjs");

type Print = (line: string) => void;
type PayOnce = (wasmUrl: string, print: Print) => Promise<void>;

const PAID = ["reply 77 to 1: type 13", "alice owes 250, bob -250"];

describe("the connector in a program", () => {
  it("listens, pings itself, explains and ends", async () => {
    const child = spawn(process.execPath, ["host/examples/connector.mjs"], { cwd: root });
    let output = "";
    child.stdout.on("data", (chunk) => (output += String(chunk)));
    child.stderr.on("data", (chunk) => (output += String(chunk)));
    const code = await new Promise((resolve) => child.on("close", resolve));
    const lines = output.trimEnd().split("\n");
    assert.match(lines.shift() ?? "", /^btp ws:\/\/127\.0\.0\.1:\d+$/, output);
    assert.deepEqual(lines, [
      "ping test.shop: fulfill",
      "pay test.nobody: F02 no route found. source=local destination=test.nobody (NoRoute)",
      "local owes 0",
    ]);
    assert.equal(code, 0);
  });
});

describe("the core without Node", () => {
  let server: Server;
  let url: string;

  before(async () => {
    server = createServer((request, response) => {
      response.setHeader("content-type", "application/wasm");
      createReadStream(join(root, "build", request.url!.slice(1))).pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => {
    server.close();
    server.closeAllConnections();
  });

  for (const core of ["gateway.wasm", "gateway-scalar.wasm", "board.wasm"]) {
    it(`pays once with ${core}`, async () => {
      const { payOnce } = (await import(BROWSER_EXAMPLE)) as { payOnce: PayOnce };
      const lines: string[] = [];
      await payOnce(`${url}/${core}`, (line) => lines.push(line));
      assert.deepEqual(lines, PAID);
    });
  }

  it("pays once as a browser's bundle, with nothing there but what every browser has", async () => {
    const lines: string[] = [];
    const context = createContext({ TextEncoder, TextDecoder, performance, fetch, URL });
    // Both belong to the context's own realm in a browser: so they do here.
    context["crypto"] = {
      getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => webcrypto.getRandomValues(bytes),
      subtle: webcrypto.subtle,
    };
    runInContext(
      `WebAssembly.compileStreaming = async (response) =>
         WebAssembly.compile(await (await response).arrayBuffer());`,
      context,
    );
    assert.equal(runInContext("typeof process + typeof require + typeof Buffer", context), NOTHING);
    runInContext(await bundle(), context);
    const { payOnce } = context["example"] as { payOnce: PayOnce };
    await payOnce(`${url}/gateway.wasm`, (line) => lines.push(line));
    assert.deepEqual(lines, PAID);
  });

  it("imports nothing of Node, in any file", () => {
    const entry = join(root, "build/host/core.js");
    const { files, packages } = walkImports(entry);
    assert.ok(files.size >= 3, [...files].join());
    assert.deepEqual([...packages], ["@assemblyscript/loader"]);
    const loader = fileURLToPath(import.meta.resolve("@assemblyscript/loader"));
    assert.deepEqual([...walkImports(loader).packages], []);
    // The walk sees what it should: the whole host does import Node.
    assert.ok(walkImports(join(root, "build/host/index.js")).packages.has("node:crypto"));
  });
});

const NOTHING = "undefined".repeat(3);

/** The browser example as one script that sets `example`. */
async function bundle(): Promise<string> {
  const result = await build({
    entryPoints: [BROWSER_EXAMPLE],
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "example",
    target: "es2022",
    logLevel: "silent",
  });
  assert.deepEqual(result.warnings, []);
  return result.outputFiles[0]!.text.replace("var example =", "globalThis.example =");
}

/** Files an entry file reaches by relative imports of any kind, and the packages they name. */
function walkImports(entry: string): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    const { importedFiles } = ts.preProcessFile(readFileSync(file, "utf8"), true, true);
    for (const { fileName } of importedFiles) {
      if (fileName.startsWith(".")) visit(join(dirname(file), fileName));
      else packages.add(fileName);
    }
  };
  visit(entry);
  return { files, packages };
}
