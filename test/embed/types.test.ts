// The published declarations, read by strict consumers as npm would install the package: without
// this repository's other types around, and without skipLibCheck wherever that can be asked.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Drives the core; needs no types but the language's own. */
const CORE = `
import { Core, CoreError, LOCAL_ACCOUNT, LinkKind, Relation, Status } from "ferrule/core";
import { writeFulfill, writePrepare, type AccountOptions, type Sink } from "ferrule/core";
import { ABI_VERSION, Rule } from "ferrule/abi";

export function run(wasm: Uint8Array, sink: Sink): bigint {
  const core: Core = new Core(wasm, new Uint8Array(8));
  const options: AccountOptions = { name: "alice", relation: Relation.Child, asset: 0 };
  core.setAccount(LOCAL_ACCOUNT + 1, { ...options, balanceMaximum: 10n });
  core.linkUp(1, LinkKind.Raw);
  const packet = writePrepare({
    amount: 1n, expiresAtMs: 0, condition: new Uint8Array(32), destination: "test.bob",
  });
  core.input.set(packet);
  const status: Status = core.request(1, 7, packet.length, 0);
  core.drain(sink);
  if (status < 0) throw new CoreError("request", status);
  const verdict = core.explain(1, writeFulfill(wasm.subarray(0, 32), wasm.subarray(32)));
  const version: number = ABI_VERSION + Rule.Expired;
  // @ts-expect-error: a name is text
  core.setAccount(2, { ...options, name: version });
  // @ts-expect-error: a core is not made of text
  new Core("gateway.wasm", new Uint8Array(8));
  return verdict.amountOut + core.account(1).balance;
}
`;

/** What a page does: lib "dom" has its own idea of a module. */
const PAGE = `
import { Core } from "ferrule/core";
import { coreUrl } from "ferrule/core-url";

export async function load(url: URL = coreUrl): Promise<Core> {
  const wasm: WebAssembly.Module = await WebAssembly.compileStreaming(fetch(url));
  return new Core(wasm, crypto.getRandomValues(new Uint8Array(8)));
}
`;

const CONNECTOR = `
import { readFileSync } from "node:fs";
import { createConnector, createLog, loadConfig, parseConfig, ConfigError } from "ferrule";
import type { Config, Connector, Log, PingResult } from "ferrule";

export async function run(path: string): Promise<bigint> {
  const config: Config = path ? loadConfig(path) : parseConfig('ilpAddress = "test.me"', "me.toml");
  const log: Log = createLog("info", true);
  const wasm = readFileSync("gateway.wasm");
  const connector: Connector = createConnector({ ...config, dataDir: "" }, { log, wasm });
  await connector.start();
  const answer: PingResult = await connector.ping(connector.address ?? "", 0n);
  // @ts-expect-error: amounts are bigint
  await connector.ping("test.me", 1);
  if (answer.reply === "reject") throw new ConfigError([]);
  await connector.stop();
  return connector.core.account(0).balance;
}
`;

const { ModuleKind, ModuleResolutionKind } = ts;
const RESOLUTIONS: [name: string, options: ts.CompilerOptions][] = [
  ["nodenext", { module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext }],
  ["bundler", { module: ModuleKind.ESNext, moduleResolution: ModuleResolutionKind.Bundler }],
];
const LANGUAGE = ["lib.es2023.d.ts"];
const DOM = [...LANGUAGE, "lib.dom.d.ts"];

describe("declarations of the package", () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ferrule-types-"));
    install(folder);
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const [name, options] of RESOLUTIONS) {
    const check = (source: string, lib: string[], types: string[], skipLibCheck: boolean) => {
      const found = compile(folder, source, { ...options, lib, types, skipLibCheck });
      assert.deepEqual(found, []);
    };
    it(`core, ${name}, language only`, () => check(CORE, LANGUAGE, [], false));
    it(`core, ${name}, in a page`, () => check(PAGE, DOM, [], false));
    it(`core, ${name}, with Node's types`, () => check(CORE, LANGUAGE, ["node"], true));
    it(`connector, ${name}, with Node's types`, () => check(CONNECTOR, LANGUAGE, ["node"], true));
    // Checking all of Node's types takes seconds; they are the same whatever the resolution.
    if (name === "nodenext") {
      it("connector, all checked", () => check(CONNECTOR, DOM, ["node"], false));
    }
    it(`a mistake is found, ${name}`, () => {
      const wrong = CORE.replace("wasm: Uint8Array", "wasm: string");
      const found = compile(folder, wrong, { ...options, lib: LANGUAGE, types: [] });
      assert.match(found.join(), /string/);
    });
  }
});

/** Puts the package where npm would, with what it publishes of types; and Node's types. */
function install(folder: string): void {
  const modules = join(folder, "node_modules");
  const isType = (path: string): boolean => !path.endsWith(".js");
  mkdirSync(join(modules, "ferrule", "build"), { recursive: true });
  cpSync(join(root, "package.json"), join(modules, "ferrule", "package.json"));
  const built = join(root, "build", "host");
  cpSync(built, join(modules, "ferrule", "build", "host"), { recursive: true, filter: isType });
  mkdirSync(join(modules, "@types"));
  const nodeTypes = fileURLToPath(import.meta.resolve("@types/node/package.json"));
  symlinkSync(dirname(nodeTypes), join(modules, "@types", "node"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
}

/** What the compiler says about a consumer's file, one line each. */
function compile(folder: string, source: string, options: ts.CompilerOptions): string[] {
  const file = join(folder, "consumer.ts");
  writeFileSync(file, source);
  const program = ts.createProgram([file], {
    ...options,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    noEmit: true,
    skipDefaultLibCheck: true,
    typeRoots: [join(folder, "node_modules", "@types")],
  });
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, " ");
    return `${diagnostic.file?.fileName ?? ""}: ${text}`;
  });
}
