// A node goes on when nobody reads what it says, or there is no room for it, and ends in order when
// its terminal goes away. A command ends.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { after, describe, it } from "node:test";
import { SOURCE, launch, makeFolder, startNode, writeConfig } from "./support.js";

const TOKEN = "adm1n-token";

interface Greeting {
  listening: { kind: string; url: string }[];
}

/** The node logs a line for each of these. */
async function freeze(admin: string, action: "freeze" | "unfreeze"): Promise<number> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const url = `${admin}/accounts/carl/${action}`;
  return (await fetch(url, { method: "POST", headers })).status;
}

const CARL = `token = "${TOKEN}"
  [accounts.carl]
  relation = "child"
  assetCode = "XRP"
  assetScale = 9
  [accounts.carl.btp]
  listen = true
  token = "carl-token"`;

describe("output without readers", { concurrency: 2 }, () => {
  const folders = [makeFolder(), makeFolder(), makeFolder()] as const;
  after(() => folders.forEach(({ close }) => close()));

  it("a node outlives those who read its log and its greeting", async () => {
    const node = await startNode(writeConfig(folders[0].path, CARL));
    node.child.stderr.destroy();
    node.child.stdout.destroy();
    for (const action of ["freeze", "unfreeze", "freeze"] as const) {
      assert.equal(await freeze(node.admin, action), 200);
    }
    assert.equal(await node.stop("SIGHUP"), 0);
  });

  const skip = existsSync("/dev/full") ? false : "this system has no /dev/full";
  it("a node outlives a log on a full device", { skip }, async () => {
    const full = openSync("/dev/full", "w");
    const config = writeConfig(folders[1].path, CARL);
    const args = [...SOURCE, "start", "--json", "--log-level", "debug", "--config", config];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", full] });
    closeSync(full);
    const [greeting] = (await once(child.stdout!, "data")) as [Buffer];
    const { listening } = JSON.parse(greeting.toString()) as Greeting;
    const { url } = listening.find(({ kind }) => kind === "admin")!;
    for (const action of ["freeze", "unfreeze"] as const) {
      assert.equal(await freeze(url, action), 200);
    }
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });

  it("a command whose output has no room says so and ends with 74", { skip }, async () => {
    const full = openSync("/dev/full", "w");
    const args = [...SOURCE, "version"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", full, "pipe"] });
    closeSync(full);
    let said = "";
    child.stderr!.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    assert.deepEqual([code, said], [74, "The output cannot be written (ENOSPC).\n"]);
  });

  it("a command whose reader goes away ends quietly", async () => {
    const child = launch(["--help"]);
    child.stdout.destroy();
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    assert.deepEqual([code, said], [0, ""]);
  });

  it("SIGHUP right behind SIGTERM does not count as the second signal", async () => {
    const node = await startNode(writeConfig(folders[2].path, CARL));
    const ended = once(node.child, "exit");
    node.child.kill("SIGTERM");
    node.child.kill("SIGHUP");
    assert.deepEqual(await ended, [0, null]);
  });
});
