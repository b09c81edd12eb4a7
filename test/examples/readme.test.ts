// What the README says to paste, pasted: the STREAM script against a node without configuration,
// the configuration, the examples, the commands, and every link to a file of this repository.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { commands } from "../../host/cli/commands.js";
import { DEFAULT_TOML } from "../../host/config/load.js";
import { parseConfig } from "../../host/config/index.js";
import { createConnector } from "../../host/connector.js";
import { parse } from "../config/support.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const readme = read("README.md");

/** Code blocks of one language, in order. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(
    (match) => match[1]!,
  );
}

const scripts = blocks(readme, "js");

/** Runs a module from text where the repository's packages can be imported. */
async function runModule(source: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["--input-type=module"], { cwd: root });
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  child.stdin.end(source);
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, output };
}

describe("README", () => {
  it("has a STREAM payment that works on a node without configuration", async () => {
    const silent = "[http]\nenabled = false\n[admin]\nenabled = false\n";
    const toml = DEFAULT_TOML.replace("[btp]\n", "[btp]\nport = 0\n") + silent;
    const config = parseConfig(toml, "default.toml");
    const connector = createConnector({ ...config, dataDir: "" });
    await connector.start();
    try {
      const [script] = scripts;
      assert.ok(script!.includes("127.0.0.1:7768"));
      assert.ok(script!.trimEnd().split("\n").length <= 20);
      const { host } = new URL(connector.listening[0]!.url);
      const { code, output } = await runModule(script!.replace("127.0.0.1:7768", host));
      assert.match(output, /^alice pays test\.ferrule\.gbY32PzSxtpjWea.*\nbob got 1000\n/, output);
      assert.match(output, /\nalice sent 1000\n$/, output);
      assert.equal(code, 0);
      const balances = connector.registry.list().map(({ index }) => connector.core.account(index));
      assert.deepEqual(balances.map(({ balance }) => balance).sort(), [-1000n, 0n, 1000n]);
    } finally {
      await connector.stop();
    }
  });

  it("has a configuration without mistakes and without warnings", () => {
    const [toml] = blocks(readme, "toml");
    const config = parse(toml!);
    assert.deepEqual(config.warnings, []);
    assert.deepEqual(
      config.accounts.map(({ id, link }) => [id, link.kind]),
      [
        ["upstream", "btp-dial"],
        ["shop", "http"],
        ["lamp", "btp-listen"],
      ],
    );
    assert.deepEqual([config.ilpAddressInheritFrom, config.defaultRoute], ["upstream", "upstream"]);
  });

  it("shows the examples as they are", () => {
    assert.equal(scripts[1], read("host/examples/connector.mjs"));
    assert.equal(scripts[2], read("host/examples/core-browser.mjs"));
    assert.equal(scripts.length, 3);
  });

  it("of the host has a connector in ten lines", async () => {
    const [script] = blocks(read("host/README.md"), "js");
    const toml = `ilpAddress = "test.ferrule"\nbtp.port = 0\nhttp.port = 0\nadmin.port = 0\n`;
    const source = script!
      .replace("createConnector, defaultConfig", "createConnector, parseConfig")
      .replace("defaultConfig()", `parseConfig(${JSON.stringify(toml)}, "default.toml")`);
    assert.notEqual(source, script);
    const { code, output } = await runModule(source);
    assert.match(output, /^test\.ferrule \[.*reply: 'fulfill'/s);
    assert.equal(code, 0, output);
  });

  it("lists every command and no other", () => {
    const [, section] = /^## Commands\n(.*?)^## /ms.exec(readme)!;
    const rows = section!.split("\n").filter((line) => line.startsWith("| `"));
    const named = rows.flatMap((row) => {
      const [, first] = row.replaceAll("\\|", "/").split("|");
      return [...first!.matchAll(/`(\w+)/g)].map((match) => match[1]!);
    });
    assert.deepEqual(named.sort(), Object.keys(commands).sort());
  });

  const pages = ["README.md", "host/README.md", "test/README.md"];
  for (const page of pages) {
    it(`links to what is there: ${page}`, () => {
      const links = [...read(page).matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1]!);
      const missing = links.filter((link) => !existsSync(join(root, dirname(page), link)));
      assert.ok(links.length > 0);
      assert.deepEqual(missing, []);
    });
  }
});
