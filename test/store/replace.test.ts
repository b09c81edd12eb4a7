// Putting other books into a folder: cut short anywhere, by a crash, a full disk or a failing one,
// the folder has the old books or the new ones.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { folderDisk } from "../../host/store/file-disk.js";
import { folderTools, replaceBooks, standing, type FolderTools } from "../../host/store/folder.js";
import { JOURNAL, SLOTS, recover } from "../../host/store/recover.js";
import { makeFolder } from "../interop/support.js";
import { Script, makeConfig, makeDisk, startLife } from "./rig.js";

/** A folder with books of two epochs. */
async function makeBooks(): Promise<string> {
  const life = startLife(makeConfig("group"), makeDisk(), 1);
  await life.start();
  new Script(life, 1).play(60);
  const folder = makeFolder();
  for (const name of life.disk.list()) {
    const file = life.disk.open(name)!;
    writeFileSync(join(folder, name), file.read(0, file.size));
  }
  return folder;
}

const copyOf = (folder: string): string => {
  const copy = makeFolder();
  cpSync(folder, copy, { recursive: true, filter: (path) => !/lock-[^/]*$/.test(path) });
  return copy;
};
const foundIn = (folder: string) => recover(folderDisk(folder, { readOnly: true }));

type Step = { name: keyof FolderTools; path: string };

/** Stops, or fails, before and after each step; `onStep` also sees what a power cut would leave. */
function watched(onStep: (step: Step) => void, made: Set<string>): FolderTools {
  const step = <A extends unknown[]>(name: keyof FolderTools, run: (...args: A) => void) => {
    return (...args: A): void => {
      onStep({ name, path: String(args[0]) });
      if (name === "write") made.add(String(args[0]));
      if (name === "rename") assert.ok(made.has(String(args[0])), "renamed before it was synced");
      run(...args);
    };
  };
  return {
    write: step("write", folderTools.write),
    link: step("link", folderTools.link),
    rename: step("rename", folderTools.rename),
    remove: folderTools.remove,
    sync: step("sync", folderTools.sync),
  };
}

describe("putting other books in a folder", () => {
  it("leaves the old books or the new ones, cut at any step", async () => {
    const source = await makeBooks();
    const old = foundIn(source)!;
    const { seen } = standing(folderDisk(source));
    const books = { image: old.image, sequence: 1000, epoch: seen!.epoch + 1, stamp: old.last };
    const size = 65536;
    const sequences = new Set<number>();
    const check = (folder: string, about: string): void => {
      const found = foundIn(folder);
      assert.ok(found, `${about}: nothing is left`);
      const { sequence } = found.last;
      assert.ok(sequence === old.last.sequence || sequence === 1000, `${about}: ${sequence}`);
      sequences.add(sequence);
    };
    const folder = copyOf(source);
    let steps = 0;
    // Names that no sync has made durable may be lost with the power.
    let durable = copyOf(folder);
    const tools = watched(({ name, path }) => {
      steps += 1;
      check(folder, `killed before step ${steps}, ${name} ${basename(path)}`);
      check(durable, `cut before step ${steps}, ${name} ${basename(path)}`);
      if (name === "sync") durable = copyOf(folder);
    }, new Set());
    const kept = await replaceBooks(folder, books, size, tools);
    assert.equal(steps, 13);
    assert.deepEqual([...sequences], [old.last.sequence, 1000]);
    check(folder, "done");
    assert.equal(foundIn(folder)!.last.sequence, 1000);
    for (const name of [JOURNAL, ...SLOTS]) {
      const path = kept.find((one) => basename(one).startsWith(name))!;
      assert.deepEqual(readFileSync(path), readFileSync(join(source, name)), "kept as it was");
      assert.ok(existsSync(join(folder, name)));
    }
  });
  it("changes nothing when there is no room, and keeps the books when a step fails", async () => {
    const source = await makeBooks();
    const old = foundIn(source)!;
    const books = { image: old.image, sequence: 1000, epoch: 99, stamp: old.last };
    for (let at = 1; at <= 13; at++) {
      const folder = copyOf(source);
      let steps = 0;
      const tools = watched(() => {
        if (++steps === at) throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
      }, new Set());
      await assert.rejects(replaceBooks(folder, books, 65536, tools), /ENOSPC/);
      const { sequence } = foundIn(folder)!.last;
      assert.equal(sequence, at <= 8 ? old.last.sequence : 1000, `step ${at}`);
      if (at > 7) continue;
      assert.deepEqual(readdirSync(folder).sort(), readdirSync(source).sort(), `step ${at}`);
    }
  });
  it("works in an empty folder", async () => {
    const old = foundIn(await makeBooks())!;
    const folder = join(makeFolder(), "new");
    const books = { image: old.image, sequence: 7, epoch: 1, stamp: old.last };
    assert.deepEqual(await replaceBooks(folder, books, 65536), []);
    assert.equal(foundIn(folder)!.last.sequence, 7);
  });
});
