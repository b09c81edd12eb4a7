// The bytes on disk: a second reader written from FORMAT.md reads what the store has written, the
// committed sample of every version reads as it did, and books of older versions are taken over.
import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RecordRecord as R } from "../../host/abi.js";
import { createConnector } from "../../host/connector.js";
import { NO_HASH, writeBlock, type Block } from "../../host/store/block.js";
import { crc32c } from "../../host/crc32c.js";
import { wide } from "../../host/store/describe.js";
import { PAGE_SIZE } from "../../host/store/disk.js";
import { folderDisk } from "../../host/store/file-disk.js";
import { u64 } from "../../host/store/record.js";
import { DamageError, JOURNAL, SLOTS, recover, type Recovered } from "../../host/store/recover.js";
import { makeFolder } from "../interop/support.js";
import type { FaultyDisk } from "../support/faulty-disk.js";
import { Script, makeConfig, makeDisk, startLife } from "./rig.js";

const reader = fileURLToPath(new URL("reader.py", import.meta.url));
const samples = fileURLToPath(new URL("samples", import.meta.url));

/** What reader.py prints, of what this program reads. */
function summary({ image, last }: Recovered): object {
  const assetOf = (index: number): string => {
    const { code, scale } = image.assets.get(index)!;
    return `${code}:${scale}`;
  };
  const accounts = [...image.accounts.values()].map(({ id, asset, sums }) => [
    id,
    {
      asset: assetOf(asset),
      ...(sums && {
        debits: String(wide(sums, R.a)),
        credits: String(wide(sums, R.c)),
        pendingIn: String(u64(sums, R.e)),
        pendingOut: String(u64(sums, R.f)),
      }),
    },
  ]);
  const income = [...image.assets.values()]
    .filter((asset) => asset.income)
    .map((asset) => [
      assetOf(asset.index),
      String(wide(asset.income!, R.c) - wide(asset.income!, R.a)),
    ]);
  return {
    sequence: last.sequence,
    epoch: last.epoch,
    accounts: Object.fromEntries(accounts) as object,
    income: Object.fromEntries(income) as object,
    holds: image.holds.size,
    claims: [...image.claims.keys()].sort((a, b) => a - b),
    evidence: image.evidence.length,
  };
}

function writeFolder(disk: FaultyDisk): string {
  const folder = makeFolder();
  for (const name of disk.list()) {
    const file = disk.open(name)!;
    writeFileSync(join(folder, name), file.read(0, file.size));
  }
  return folder;
}

/** A folder with batches, holds, claims of an earlier life, evidence, long names. */
async function makeBooks(seed: number): Promise<FaultyDisk> {
  const first = makeDisk();
  const life = startLife(makeConfig("strict"), first, seed);
  await life.start();
  new Script(life, seed).play(25);
  const script = new Script(life, seed + 1);
  for (let i = 0; i < 4; i++) {
    script.pay();
    life.run(6);
  }
  const second = first.afterKill();
  const next = startLife(makeConfig("strict"), second, seed + 2);
  await next.start();
  const more = new Script(next, seed + 3);
  next.connector.registry.openChild(
    "a-name-that-takes-more-than-one-record-of-the-journal.really",
    { ...next.config.accounts[0]!, maxAccounts: 1 },
    false,
  );
  for (let i = 0; i < 12; i++) {
    more.pay();
    next.run(9);
  }
  return second.afterKill();
}

test("a reader written from FORMAT.md reads the same books", async (t) => {
  if (spawnSync("python3", ["--version"]).error) {
    if (process.env["CI"]) assert.fail("python3 is missing: apt-get install python3");
    return t.skip("python3 is missing: apt-get install python3");
  }
  for (const seed of [1, 2, 3]) {
    const disk = await makeBooks(seed);
    const folder = writeFolder(disk);
    const { stdout, stderr } = spawnSync("python3", [reader, folder], { encoding: "utf8" });
    assert.equal(stderr, "");
    const mine = summary(recover(folderDisk(folder))!);
    assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(mine)));
    const { claims, holds } = mine as { claims: number[]; holds: number };
    assert.ok(claims.length + holds > 0);
  }
});

/** `FERRULE_SAMPLE=1` writes the sample of today's version, once, when there is a new version. */
test("samples of every version read as they did", async () => {
  if (process.env["FERRULE_SAMPLE"]) {
    const folder = join(samples, "v1");
    mkdirSync(folder, { recursive: true });
    const disk = await makeBooks(11);
    for (const name of disk.list()) {
      const file = disk.open(name)!;
      // The samples are short: nothing but zeros and leftovers is behind this.
      writeFileSync(join(folder, name), file.read(0, name === JOURNAL ? 65_536 : 4 * PAGE_SIZE));
    }
    const found = recover(folderDisk(folder))!;
    writeFileSync(join(folder, "books.json"), `${JSON.stringify(summary(found), null, 2)}\n`);
  }
  const versions = readdirSync(samples);
  assert.ok(versions.includes("v1"));
  for (const version of versions) {
    const folder = join(samples, version);
    const copy = makeFolder();
    for (const name of [JOURNAL, ...SLOTS]) copyFileSync(join(folder, name), join(copy, name));
    const expected = JSON.parse(readFileSync(join(folder, "books.json"), "utf8")) as object;
    const found = recover(folderDisk(copy))!;
    assert.deepEqual(JSON.parse(JSON.stringify(summary(found))), expected, version);
  }
});

test("refuses a newer version with a sentence", async () => {
  const disk = await makeBooks(5);
  const folder = writeFolder(disk);
  for (const name of SLOTS) {
    const path = join(folder, name);
    const bytes = readFileSync(path);
    bytes.writeUInt16LE(2, 4);
    const covered = bytes.subarray(0, 64 + 64 * bytes.readUInt32LE(12));
    covered.fill(0, 40, 44);
    bytes.writeUInt32LE(crc32c(covered), 40);
    writeFileSync(path, bytes);
  }
  assert.throws(() => recover(folderDisk(folder)), /written in format 2.*newer Ferrule/);
});

test("refuses a batch that does not chain to the one before, good as it may be", async () => {
  const disk = await makeBooks(6);
  const folder = writeFolder(disk);
  const found = recover(folderDisk(folder))!;
  const [first, second] = found.batches;
  assert.ok(first && second);
  const forged: Block = { ...second, previous: NO_HASH };
  const path = join(folder, JOURNAL);
  const bytes = readFileSync(path);
  bytes.set(writeBlock(forged).bytes, first.size);
  writeFileSync(path, bytes);
  assert.throws(() => recover(folderDisk(folder)), DamageError);
});

test("takes over the books of the version before, once", async () => {
  const disk = await makeBooks(7);
  const { image } = recover(disk)!;
  const base64 = (record: Uint8Array | null): string =>
    record ? Buffer.from(record).toString("base64") : "";
  const accounts = [...image.accounts.values()].map(({ index, id, open, asset, sums }) => {
    const { code, scale } = image.assets.get(asset)!;
    return { index, id, open, assetCode: code, assetScale: scale, record: base64(sums) };
  });
  const assets = [...image.assets.values()].map(({ index, code, scale, income, settlement }) => {
    return { index, code, scale, income: base64(income), settlement: base64(settlement) };
  });
  const rest = { version: 1, sequence: 9, accounts, assets };
  const checksum = createHash("sha256").update(JSON.stringify(rest)).digest("hex");
  const folder = makeFolder();
  writeFileSync(join(folder, "books-b.json"), JSON.stringify({ ...rest, checksum }));
  const config = { ...makeConfig("group"), dataDir: folder };
  for (let round = 0; round < 2; round++) {
    const connector = createConnector(config);
    await connector.start();
    for (const { id, sums, index } of image.accounts.values()) {
      assert.equal(connector.registry.byIndex(index)?.id, id);
      const balance = sums ? wide(sums, R.a) - wide(sums, R.c) : 0n;
      assert.equal(connector.core.account(index).balance, balance, id);
    }
    await connector.stop();
    assert.ok(existsSync(join(folder, "books-b.json.migrated")));
    assert.ok(!existsSync(join(folder, "books-b.json")));
  }
});
