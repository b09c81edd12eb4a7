// The commands about the books: reading, saving, putting back and mending them while no node runs,
// claims and evidence while one does, and how a node ends whose disk fails.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { writeBlock } from "../../host/store/block.js";
import { readBackup } from "../../host/store/folder.js";
import { Script, makeConfig, makeDisk, startLife } from "../store/rig.js";
import { freePorts } from "../support/peers.js";
import { ferrule, makeFolder, startNode, writeConfig, type Result } from "./support.js";

/** Files of a node of the store's tests, which alice, bob and carol have used. */
async function makeBooks(packets: number): Promise<Map<string, Uint8Array>> {
  const disk = makeDisk();
  const life = startLife(makeConfig("trail"), disk, 3);
  await life.start();
  const script = new Script(life, 3);
  script.play(packets);
  for (let i = 0; i < 20; i++) script.pay();
  life.run(65);
  const files = disk.afterCut("lost");
  return new Map(
    files.list().map((name) => {
      const file = files.open(name)!;
      return [name, file.read(0, file.size)];
    }),
  );
}

describe("the books of a stopped node", () => {
  const folder = makeFolder();
  const data = join(folder.path, "data");
  const file = join(folder.path, "books.ferrule");
  let config: string;
  let books: Map<string, Uint8Array>;
  const run = (...args: string[]): Promise<Result> => ferrule([...args, "--config", config]);
  const put = (files: Map<string, Uint8Array>): void => {
    for (const [name, bytes] of files) writeFileSync(join(data, name), bytes);
  };

  before(async () => {
    config = writeConfig(folder.path, "[claims]\nexpiry = 0");
    await (await startNode(config)).stop();
    books = await makeBooks(60);
    put(books);
  });
  after(() => folder.close());

  it("can be read, record by record, and add up", async () => {
    const { code, out } = await run("replay", "--print", "--verify");
    assert.equal(code, 0, out);
    assert.match(out, /^ {2}hold \d+: alice \d+ to bob \d+$/m);
    assert.match(out, /^alice +they owe you 0\.\d+ XRP/m);
    assert.match(out, /The books add up after every batch; \d\d posts of the trail agree/);
  });
  it("can be read up to a batch", async () => {
    const all = JSON.parse((await run("replay", "--json")).out) as { sequence: number };
    const until = JSON.parse(
      (await run("replay", "--json", "--until", String(all.sequence - 3))).out,
    ) as { sequence: number };
    assert.equal(until.sequence, all.sequence - 3);
  });
  it("of another node are not taken for those in this folder", async () => {
    const elsewhere = join(folder.path, "elsewhere.books");
    const { code, err } = await run("backup", elsewhere, "--admin", "http://127.0.0.1:1");
    assert.equal(code, 69);
    assert.match(err, /not running at http:\/\/127\.0\.0\.1:1/);
    assert.equal(existsSync(elsewhere), false);
  });
  it("are not shown as of a time before what is kept", async () => {
    const early = await run("replay", "--until", "2020-01-01T00:00Z");
    assert.equal(early.code, 69);
    assert.match(early.err, /^The snapshot that the journal goes on from is at batch \d+, \d{4}-/m);
    assert.equal((await run("backup", file, "--force")).code, 0);
    const backup = await ferrule(["replay", file, "--until", "0"]);
    assert.equal(backup.code, 69);
    assert.match(backup.err, /has the books as they were at batch \d+/);
    assert.equal((await ferrule(["replay", file, "--until", "999999"])).code, 0);
    rmSync(file);
  });
  it("are read where nothing can be written", async (t) => {
    // The superuser may write to any file: a mount is what stops it.
    const mount = spawnSync("mount", ["--bind", "-o", "ro", data, data]);
    const isReadOnly = mount.status === 0 && spawnSync("touch", [join(data, "x")]).status !== 0;
    if (!isReadOnly) {
      spawnSync("umount", [data]);
      return t.skip("folders cannot be mounted here: run as root");
    }
    try {
      const { code, err } = await run("replay", "--verify");
      assert.equal(code, 0, err);
      assert.equal((await run("backup", file)).code, 0);
      assert.match((await run("repair")).out, /nothing to repair/);
      const doctor = await run("doctor");
      assert.equal(doctor.code, 1, doctor.err);
      assert.match(doctor.out, /^disk +! .* cannot be written \(EROFS\)/m);
    } finally {
      spawnSync("umount", [data]);
    }
    rmSync(file, { force: true });
  });
  it("replace a backup only as a whole", { timeout: 60_000 }, async () => {
    assert.equal((await run("backup", file)).code, 0);
    const before = readFileSync(file);
    // No file may be longer than half a kilobyte: what is new cannot be written.
    const main = fileURLToPath(new URL("../../host/cli/main.ts", import.meta.url));
    const command =
      'ulimit -f 1; trap "" XFSZ; exec "$0" --import "$1" "$2" backup "$3" --force ' +
      '--config "$4"';
    const tsx = import.meta.resolve("tsx");
    const env = { PATH: process.env["PATH"] ?? "", HOME: folder.path };
    const args = ["-c", command, process.execPath, tsx, main, file, config];
    const { status, stderr } = spawnSync("sh", args, { env, encoding: "utf8" });
    assert.equal(status, 69, stderr);
    assert.match(stderr, /cannot be written \(EFBIG\)/);
    assert.deepEqual(readFileSync(file), before);
    assert.ok(!readdirSync(folder.path).some((name) => name.endsWith(".new")));
    rmSync(file);
  });
  it("do not add up when somebody has changed them", async () => {
    const journal = Buffer.from(books.get("journal")!);
    journal[4096 + 70]! ^= 1;
    writeFileSync(join(data, "journal"), journal);
    const { code, err } = await run("replay");
    put(books);
    assert.notEqual(code, 0);
    assert.match(err, /damaged at byte 4096.*ferrule repair/);
  });
  it("are saved to a file and put back, unless they would be older", async () => {
    const saved = await run("backup", file);
    assert.equal(saved.code, 0, saved.err);
    assert.equal((await run("backup", file)).code, 2, "there already");
    assert.equal((await ferrule(["replay", file, "--verify"])).code, 0);
    const same = await run("restore", file);
    assert.equal(same.code, 0, same.err);
    const node = await startNode(config);
    const busy = await run("restore", file);
    assert.equal(busy.code, 69);
    assert.match(busy.err, /already running/);
    await node.stop();
    const older = await run("restore", file);
    assert.equal(older.code, 1);
    assert.match(older.err, /peers have seen newer.*--force/);
    assert.equal((await run("restore", file, "--force")).code, 0);
    assert.equal((await run("replay", "--verify")).code, 0);
    assert.ok(readdirSync(data).some((name) => name.startsWith("journal.replaced-")));
  });
  it("are not replaced by those of another node, or older by the clock", async () => {
    put(books);
    assert.equal((await run("backup", file, "--force")).code, 0);
    const mine = readBackup(file);
    for (const [change, what] of [
      [{ identity: mine.identity + 1, sequence: mine.sequence + 9 }, /other books than those/],
      [{ wallMs: mine.wallMs - 1, sequence: mine.sequence + 9 }, /peers have seen newer/],
    ] as const) {
      const other = join(folder.path, "other.ferrule");
      writeFileSync(other, writeBlock({ ...mine, ...change }).bytes);
      const refused = await run("restore", other);
      assert.equal(refused.code, 1);
      assert.match(refused.err, what);
    }
    // Versions before gave books no name.
    writeFileSync(file, writeBlock({ ...mine, identity: 0 }).bytes);
    assert.equal((await run("restore", file)).code, 0);
  });
  it("are not used when damaged, and mended only when told", async () => {
    const journal = Buffer.from(books.get("journal")!);
    journal[4096 * 2 + 100]! ^= 4;
    put(books);
    writeFileSync(join(data, "journal"), journal);
    const refused = await run("start");
    assert.equal(refused.code, 69);
    assert.match(refused.err, /journal is damaged at byte 8192.*ferrule repair/);
    const dry = await run("repair");
    assert.equal(dry.code, 0, dry.err);
    assert.match(dry.out, /What is lost: \d+ batches.*\n?.*--apply/s);
    assert.deepEqual(readFileSync(join(data, "journal")), journal, "a dry run changes nothing");
    assert.equal((await run("repair", "--apply")).code, 0);
    assert.match((await run("repair")).out, /nothing to repair/);
    await (await startNode(config)).stop();
  });
  it("a file that is no backup is refused", async () => {
    for (const path of [config, join(folder.path, "nothing")]) {
      const { code, err } = await ferrule(["replay", path]);
      assert.equal(code, 69);
      assert.match(err, /no backup|is missing/);
    }
  });
  it("claims are listed and resolved while it runs", async () => {
    put(books);
    const node = await startNode(config);
    after(() => node.stop("SIGKILL"));
    const ask = (...args: string[]): Promise<Result> => run(...args, "--admin", node.admin);
    const { out } = await ask("claims");
    assert.match(out, /^alice +0\.\d+ XRP/m);
    type Claim = { account: string; owed: string; owing: string };
    const [claim] = JSON.parse((await ask("claims", "--json")).out) as Claim[];
    const half = String(BigInt(claim!.owed) / 2n);
    const resolve = ["claims", "resolve", claim!.account, "owed"];
    assert.equal((await ask(...resolve, "post", half)).code, 0);
    const tooMuch = await ask(...resolve, "post", claim!.owed);
    assert.equal(tooMuch.code, 2);
    assert.match(tooMuch.err, /units are open at/);
    assert.match((await ask(...resolve, "void", "all")).out, /still open: 0 owed/);
    assert.equal((await ask("claims", "resolve")).code, 2);
    assert.equal((await ask("evidence")).code, 0);
    assert.match((await ask("status")).out, /possible claims of/);
    await node.stop();
    const verified = await run("replay", "--verify");
    assert.equal(verified.code, 0, verified.out);
  });
});

describe("a disk that fails", () => {
  it("ends the node with 74 once packets in flight have ended", { timeout: 60_000 }, async () => {
    const folder = makeFolder();
    const config = writeConfig(folder.path);
    await (await startNode(config)).stop();
    const main = fileURLToPath(new URL("../../host/cli/main.ts", import.meta.url));
    // A limit on the size of files: the third page of the journal cannot be written.
    const command = 'ulimit -f 16; exec "$0" --import "$1" "$2" start --json --config "$3"';
    const tsx = import.meta.resolve("tsx");
    const child = spawn("sh", ["-c", command, process.execPath, tsx, main, config], {
      env: { PATH: process.env["PATH"] ?? "", HOME: folder.path },
    });
    let err = "";
    let out = "";
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    while (!out.includes("\n")) await once(child.stdout, "data");
    const { listening } = JSON.parse(out) as { listening: { kind: string; url: string }[] };
    const admin = listening.find(({ kind }) => kind === "admin")!.url;
    const ended = once(child, "exit") as Promise<[number | null]>;
    const body = JSON.stringify({ destination: "test.ferrule" });
    const headers = { "content-type": "application/json" };
    for (let i = 0; i < 20 && child.exitCode === null; i++) {
      await fetch(`${admin}/ping`, { method: "POST", body, headers }).catch(() => null);
      await new Promise((resolve) => setTimeout(resolve, 80));
    }
    assert.equal((await ended)[0], 74, err);
    assert.match(err, /the books cannot be written/);
    await (await startNode(config)).stop();
    folder.close();
  });
  it("is measured by doctor", async () => {
    const folder = makeFolder();
    const config = writeConfig(folder.path);
    const { code, out } = await ferrule(["doctor", "--config", config]);
    assert.ok(code === 0 || code === 1);
    assert.match(out, /^disk +.*99 in 100 after [\d.]+ ms; commitPeriod = 50/m);
    assert.match(out, /^clock +20\d\d-/m);
    folder.close();
  });
  it("has doctor tell its ports from those that others have", async () => {
    const folder = makeFolder();
    const [btp, admin] = await freePorts(2);
    const path = writeConfig(folder.path);
    const toml = readFileSync(path, "utf8");
    const set = (text: string, part: string, port: number): string =>
      text.replace(new RegExp(`(\\[${part}\\]\\s+port = )0`), `$1${port}`);
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const mine = set(set(toml, "btp", btp!), "admin", admin!);
    writeFileSync(path, mine);
    const node = await startNode(path);
    const ports = async (text: string): Promise<string> => {
      writeFileSync(path, text);
      const { out } = await ferrule(["doctor", "--config", path]);
      return out;
    };
    const { pid } = node.child;
    const known = await ports(set(mine, "http", port));
    assert.match(known, new RegExp(`port ${btp}: the running node has it, process ${pid}$`, "m"));
    assert.match(known, new RegExp(`port ${admin}: the running node has it`));
    assert.match(known, new RegExp(`^HTTP +! .*port ${port}: another program has it`, "m"));
    // A node that cannot be asked is known by the lock of its folder.
    const silent = mine.replace(/\[admin\]\s+port/, "[admin]\nenabled = false\nport");
    assert.match(await ports(silent), new RegExp(`port ${btp}: taken, by all .* process ${pid}`));
    await node.stop();
    assert.match(await ports(mine), new RegExp(`port ${btp}: free`));
    other.close();
    folder.close();
  });
});
