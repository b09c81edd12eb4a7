// The command as a person runs it: exit codes, sentences, and what stands on which stream.
import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { loadConfig } from "../../host/config/index.js";
import { ferrule, makeFolder, type Result } from "./support.js";
import { readVectors } from "./vectors.js";

const folder = makeFolder();
after(folder.close);

/** One sentence or more on standard error, nothing else, and no stack. */
function assertRefused(result: Result, code: number, expected: RegExp): void {
  assert.equal(result.code, code, result.err);
  assert.equal(result.out, "");
  assert.match(result.err, expected);
  assert.doesNotMatch(result.err, /^\s+at /m);
}

describe("ferrule", { concurrency: 2 }, () => {
  it("shows its commands and exit codes", async () => {
    const { code, out, err } = await ferrule(["--help"]);
    assert.equal(code, 0);
    assert.equal(err, "");
    for (const name of ["start", "status", "ping", "explain", "inspect", "import", "config"]) {
      assert.match(out, new RegExp(`^  ${name}\\b`, "m"));
    }
    for (const exit of [0, 1, 2, 69, 70, 78]) assert.match(out, new RegExp(`^  ${exit}  `, "m"));
    // No colours where no terminal is, and no line wider than a terminal.
    assert.doesNotMatch(out, /\u001b/);
    for (const line of out.split("\n")) assert.ok(line.length <= 100, line);
  });
  it("says when there is no such command", async () => {
    assertRefused(await ferrule(["stats"]), 2, /no command "stats".*--help/);
    assertRefused(await ferrule(["toString"]), 2, /no command/);
  });
  it("says when there is no such option", async () => {
    assertRefused(await ferrule(["ping", "--nope", "test.a"]), 2, /--nope/);
    assertRefused(await ferrule(["ping"]), 2, /Usage: ferrule ping <address>/);
  });
  it("prints its version and core as JSON", async () => {
    const { code, out } = await ferrule(["version", "--json"]);
    assert.equal(code, 0);
    const about = JSON.parse(out) as { version: string; coreSha256: string };
    const { version } = JSON.parse(
      readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
    ) as { version: string };
    assert.equal(about.version, version);
    assert.match(about.coreSha256, /^[0-9a-f]{64}$/);
  });
  it("says when no node is running", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const result = await ferrule(["status", "--admin", `http://127.0.0.1:${port}`]);
    assertRefused(result, 69, /Ferrule is not running at http.*start it with `ferrule start`/);
  });
  it("prints the reference, which is a configuration", async () => {
    const { code, out } = await ferrule(["config", "--reference"]);
    assert.equal(code, 0);
    const path = join(folder.path, "reference.toml");
    writeFileSync(path, out);
    assert.equal(loadConfig(path).ilpAddress, "test.mynode");
  });
});

describe("ferrule start", { concurrency: 2 }, () => {
  it("lists every mistake of the configuration", async () => {
    const path = join(folder.path, "bad.toml");
    writeFileSync(path, 'ilpAddress = "nonsense"\nfoo = 1\n');
    const result = await ferrule(["start", "--config", path]);
    assertRefused(result, 78, /bad\.toml:1: .*\n.*bad\.toml:2: foo/);
  });
  it("says when the configuration is not there", async () => {
    assertRefused(await ferrule(["start", "--config", "/nowhere.toml"]), 78, /no such file/);
  });
  it("says which port is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    for (const section of ["btp", "admin"]) {
      const path = join(folder.path, `${section}.toml`);
      const others = section === "btp" ? "" : "[btp]\nenabled = false\n";
      const text = `ilpAddress = "test.a"\ndataDir = "${section}"\n${others}[http]\nenabled = false
        [${section}]\nport = ${port}\n`;
      writeFileSync(path, text);
      const result = await ferrule(["start", "--config", path]);
      assertRefused(result, 69, new RegExp(`cannot listen on 127.0.0.1 port ${port}: another`));
    }
    server.close();
  });
  it("refuses a log it does not know", async () => {
    assertRefused(await ferrule(["start", "--log", "xml"]), 2, /--log takes text or json/);
  });
});

describe("ferrule init", { concurrency: 2 }, () => {
  const file = join(folder.path, "new.toml");
  const args = ["init", "--out", file, "--address", "test.me", "--open", "--account", "bob"];
  it("writes a configuration that loads, for its owner only, and not twice", async () => {
    const first = await ferrule([...args, "--maximum", "1000"]);
    assert.equal(first.code, 0, first.err);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { ilpAddress, accounts, btp } = loadConfig(file);
    assert.equal(ilpAddress, "test.me");
    assert.equal(btp.openTokens, true);
    assert.equal(accounts[0]!.id, "bob");
    assert.equal(accounts[0]!.balance.maximum, 1000n);
    const { link } = accounts[0]!;
    assert.ok(link.kind === "btp-listen");
    assert.ok(!first.out.includes(link.token.reveal()));
    const before = readFileSync(file, "utf8");
    assertRefused(await ferrule(args), 2, /is there already.*--force/);
    assert.equal(readFileSync(file, "utf8"), before);
    writeFileSync(file, "", { mode: 0o644 });
    assert.equal((await ferrule([...args, "--force"])).code, 0);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.notEqual(readFileSync(file, "utf8"), before);
  });
  it("writes nothing that would not load", async () => {
    const out = join(folder.path, "wrong.toml");
    const result = await ferrule(["init", "--out", out, "--address", "not an address"]);
    assertRefused(result, 2, /ilpAddress/);
    assert.equal(existsSync(out), false);
  });
  it("wants an address or a parent", async () => {
    assertRefused(await ferrule(["init"]), 2, /--address/);
  });
});

describe("ferrule import", { concurrency: 2 }, () => {
  const accounts = JSON.stringify({
    bob: {
      relation: "peer",
      plugin: "ilp-plugin-btp",
      assetCode: "XRP",
      assetScale: 9,
      options: { server: "btp+wss://:t0p-secret@example.com/" },
    },
  });
  const CONNECTOR = { CONNECTOR_ILP_ADDRESS: "test.old", CONNECTOR_ACCOUNTS: accounts };
  it("reads the environment and prints a configuration", async () => {
    const { code, out } = await ferrule(["import"], { env: CONNECTOR });
    assert.equal(code, 0);
    const path = join(folder.path, "imported.toml");
    writeFileSync(path, out);
    assert.equal(loadConfig(path).ilpAddress, "test.old");
  });
  it("reads standard input and writes a file", async () => {
    const input = Object.entries(CONNECTOR)
      .map(([key, value]) => `${key}='${value}'\n`)
      .join("");
    const path = join(folder.path, "piped.toml");
    const { code, out, err } = await ferrule(["import", "-", "--out", path], { input });
    assert.equal(code, 0, err);
    assert.ok(!(out + err).includes("t0p-secret"));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(loadConfig(path).accounts[0]!.id, "bob");
  });
  it("says when there is nothing to convert", async () => {
    assertRefused(await ferrule(["import"]), 78, /no CONNECTOR_ variables/);
  });
});

describe("ferrule inspect", { concurrency: 2 }, () => {
  let vectors: { out: string; code: number | null };
  const cases = readVectors("ilp/");
  before(async () => {
    const input = cases.map(({ bytes }) => `${bytes.toString("hex")}\n`).join("");
    vectors = await ferrule(["inspect", "--json"], { input });
  });
  it("agrees with every vector, one object per line", () => {
    const lines = vectors.out.trimEnd().split("\n");
    assert.equal(lines.length, cases.length);
    assert.equal(vectors.code, 1);
    for (const [i, { id, core }] of cases.entries()) {
      const { ok } = JSON.parse(lines[i]!) as { ok: boolean };
      assert.equal(ok ? "ACC" : "REJ", core, id);
    }
  });
  it("answers every line of garbage, huge ones too", async () => {
    const garbage = fc.sample(fc.uint8Array({ minLength: 0, maxLength: 80 }), 200);
    const lines = garbage.map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10)));
    lines.push(Buffer.alloc(3_000_000, "0c"), Buffer.from(""), Buffer.from("0c4"));
    const input = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]));
    const { code, out, err } = await ferrule(["inspect", "--json"], { input });
    assert.equal(err, "");
    assert.equal(code, 1);
    const answers = out.trimEnd().split("\n");
    assert.equal(answers.length, lines.length);
    for (const answer of answers) {
      const { ok, error } = JSON.parse(answer) as { ok: boolean; error?: string };
      assert.equal(ok ? "undefined" : "string", typeof error);
    }
    assert.match(answers.at(-3)!, /The line has 3000000 characters/);
  });
  it("shows a packet given as an argument, and exits 0", async () => {
    const { bytes } = cases.find(({ core }) => core === "ACC")!;
    const { code, out } = await ferrule(["inspect", bytes.toString("base64")]);
    assert.equal(code, 0);
    assert.match(out, /ILP prepare/);
    assert.match(out, /destination +test\.alice/);
  });
});
