// The lock of a data folder: one owner at a time, across containers, and none that has died.
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findOwner, lockFolder, refuseRunning } from "../../host/store/lock.js";
import { makeFolder } from "../interop/support.js";

const source = new URL("../../host/store/lock.ts", import.meta.url).href;
const options = (sockets: boolean): string => JSON.stringify({ sockets });
/** Takes the lock, says what came of it, and stays when it was got. */
const taker = (folder: string, sockets: boolean): string => `
  const { lockFolder } = await import(${JSON.stringify(source)});
  try {
    await lockFolder(${JSON.stringify(folder)}, ${options(sockets)});
    console.log("held");
    setInterval(() => {}, 1000);
  } catch (error) { console.log(error.message); }`;
const nodeArgs = (code: string): string[] => [
  ...["--import", import.meta.resolve("tsx"), "--input-type=module", "-e", code],
];

async function start(
  folder: string,
  sockets: boolean,
  before: string[] = [],
): Promise<{ child: ChildProcess; said: string }> {
  const [command = "", ...args] = [
    ...before,
    process.execPath,
    ...nodeArgs(taker(folder, sockets)),
  ];
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  return { child, said: said.toString().trim() };
}

const locks = (folder: string): string[] =>
  readdirSync(folder).filter((name) => name.startsWith("lock"));

for (const sockets of [true, false]) {
  describe(`the lock of a folder ${sockets ? "that takes sockets" : "without sockets"}`, () => {
    it("is held once, in one process and in several, and given back", async () => {
      const folder = makeFolder();
      const unlock = await lockFolder(folder, { sockets });
      await assert.rejects(lockFolder(folder, { sockets }), /already running/);
      assert.equal((await findOwner(folder))?.pid, process.pid);
      const { said } = await start(folder, sockets);
      assert.match(said, new RegExp(`^Process ${process.pid} is already running`));
      unlock();
      assert.deepEqual(locks(folder), []);
      assert.equal(await findOwner(folder), null);
      (await lockFolder(folder, { sockets }))();
    });
    it("is free at once when its owner was killed", async () => {
      const folder = makeFolder();
      const { child, said } = await start(folder, sockets);
      assert.equal(said, "held");
      await assert.rejects(refuseRunning(folder), /already running/);
      child.kill("SIGKILL");
      // Dead it holds nothing, waited for or not, once the last of its threads has ended.
      while (await findOwner(folder)) spawnSync("sleep", ["0.01"]);
      (await lockFolder(folder, { sockets }))();
      assert.deepEqual(locks(folder), [], "what was left is gone");
    });
    it("goes to one of many that begin together beside a dead one", async () => {
      const folder = makeFolder();
      const dead = await start(folder, sockets);
      dead.child.kill("SIGKILL");
      await once(dead.child, "exit");
      const tries = Array.from({ length: 8 }, () => lockFolder(folder, { sockets }));
      const got = (await Promise.allSettled(tries)).filter(({ status }) => status === "fulfilled");
      assert.equal(got.length, 1);
    });
  });
}

describe("the lock of a data folder", () => {
  it("is seen from another container, and not believed once that is dead", async (t) => {
    const container = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
    if (spawnSync(container[0]!, [...container.slice(1), "true"]).status !== 0) {
      return t.skip("processes cannot be put into a namespace of their own here: run as root");
    }
    const folder = makeFolder();
    const first = await start(folder, true, container);
    assert.equal(first.said, "held");
    const second = await start(folder, true, container);
    assert.match(second.said, /^Process 1 of another container is already running/);
    await assert.rejects(refuseRunning(folder), /of another container/);
    first.child.kill("SIGKILL");
    await once(first.child, "exit");
    while (await findOwner(folder)) await new Promise(setImmediate);
    const third = await start(folder, true, container);
    assert.equal(third.said, "held");
    third.child.kill("SIGKILL");
  });
  it("works in a folder with a long path", async () => {
    const folder = join(makeFolder(), "a".repeat(90), "b".repeat(90));
    mkdirSync(folder, { recursive: true });
    const unlock = await lockFolder(folder);
    await assert.rejects(lockFolder(folder), /already running/);
    unlock();
    assert.deepEqual(locks(folder), []);
  });
  it("of versions before counts while its owner lives", async () => {
    const folder = makeFolder();
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    writeFileSync(join(folder, "lock"), `${process.ppid} ${boot}\n`);
    await assert.rejects(lockFolder(folder), /already running/);
    for (const text of ["1", `1 ${boot}`, `${process.ppid} of-another-start`, `4194304 ${boot}`]) {
      writeFileSync(join(folder, "lock"), `${text}\n`);
      assert.equal(await findOwner(folder), null, text);
      (await lockFolder(folder))();
      assert.deepEqual(locks(folder), []);
    }
  });
});
