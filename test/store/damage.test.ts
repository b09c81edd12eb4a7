// Files that are gone, cut short or cannot be read, and tears in the one place that looks clean.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { DamageError, JOURNAL, SLOTS, recover } from "../../host/store/recover.js";
import { PAGE_SIZE } from "../../host/store/disk.js";
import { SECTOR_SIZE, type FaultyDisk } from "../support/faulty-disk.js";
import { Script, makeConfig, makeDisk, randomFrom, startLife } from "./rig.js";

/** Books of which both snapshots are good and the newer one has a few batches. */
async function makeBooks(): Promise<FaultyDisk> {
  const life = startLife(makeConfig("group"), makeDisk(), 5);
  await life.start();
  const script = new Script(life, 5);
  const { facts } = life.connector.books.store!;
  while (facts.epoch < 3 || facts.journalUsed < 4 * PAGE_SIZE) {
    script.pay();
    life.run(15);
  }
  life.run(2000);
  const disk = life.disk.afterCut("lost");
  assert.ok(recover(disk)!.spare);
  return disk;
}

const refuses = (disk: FaultyDisk, what: RegExp): void => {
  assert.throws(
    () => recover(disk),
    (error) => error instanceof DamageError && what.test(error.message),
  );
  assert.ok(recover(disk, { repair: true }), "repair keeps what is left");
};

describe("a journal", () => {
  it("that is gone, cut short or blank is missed", async () => {
    const disk = await makeBooks();
    for (const [size, what] of [
      [0, /journal is damaged at byte 0: it is not there/],
      [PAGE_SIZE, /at byte 4096: it ends there, and was made with 65536/],
      [60_000, /at byte 60000: it ends there/],
    ] as const) {
      const left = disk.afterKill();
      left.truncate(JOURNAL, size);
      refuses(left, what);
    }
    const blank = disk.afterKill();
    blank.truncate(JOURNAL, 0);
    blank.create(JOURNAL, 65536).close();
    refuses(blank, /it is blank/);
  });
});

describe("a page that cannot be read", () => {
  it("is damage: refused, cut off like a torn end, or of no matter", async () => {
    const disk = await makeBooks();
    const found = recover(disk)!;
    const without = (file: string, page: number): FaultyDisk =>
      disk.afterKill({ isUnreadable: (name, at) => name === file && at === page });
    refuses(without(JOURNAL, 1), /journal is damaged at byte 4096: a batch there cannot be read/);
    refuses(without(SLOTS[found.slot], 0), /snapshot-. is damaged at byte 0/);
    const spare = recover(without(SLOTS[1 - found.slot]!, 0))!;
    assert.equal(spare.last.sequence, found.last.sequence);
    assert.equal(spare.spare, false);
    const last = recover(without(JOURNAL, found.end / PAGE_SIZE - 1))!;
    assert.equal(last.last.sequence, found.last.sequence - 1);
    assert.match(last.torn!, /cannot be read and was cut off/);
  });
});

describe("a tear in the first sector of the last batch", () => {
  it("is reported, whatever stood there before", async () => {
    const disk = await makeBooks();
    const found = recover(disk)!;
    assert.equal(found.torn, null);
    for (const before of ["blank", "an older batch"]) {
      const at = found.end;
      const left = disk.afterKill({ random: randomFrom(1), later: (_ms, then) => then() });
      const file = left.open(JOURNAL)!;
      const page = file.read(at, PAGE_SIZE).fill(7, SECTOR_SIZE);
      if (before === "blank") page.fill(0, 0, SECTOR_SIZE);
      file.write(at, page, () => {});
      assert.match(recover(left)!.torn!, /was not finished and was cut off/, before);
    }
  });
});
