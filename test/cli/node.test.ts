// The commands that talk to a running node, and how the node ends.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connectBtp, type Plugin } from "../support/peers.js";
import { ferrule, makeFolder, startNode, writeConfig, type Node, type Result } from "./support.js";

const TOKEN = "token-of-bob";
const idOf = (token: string): string => createHash("sha256").update(token).digest("base64url");
const BOB = idOf(TOKEN);

describe("a running node", { concurrency: 2 }, () => {
  const folder = makeFolder();
  let node: Node;
  let config: string;
  let bob: Plugin;
  const ask = (...args: string[]): Promise<Result> =>
    ferrule([...args, "--admin", node.admin, "--config", config]);

  before(async () => {
    config = writeConfig(folder.path, 'token = "adm1n-token"');
    node = await startNode(config);
    bob = await connectBtp(node.btp, TOKEN);
  });
  after(async () => {
    await bob.disconnect();
    await node.stop();
    folder.close();
  });

  it("says how it is", async () => {
    const { code, out } = await ask("status");
    assert.equal(code, 0);
    assert.match(out, /^ok \d links?, address test\.ferrule, \d accounts?, 0 in flight/);
  });
  it("takes the token from the environment, and none from a file that was not named", async () => {
    const wrong = await ferrule(["status", "--admin", node.admin], { cwd: folder.path });
    assert.equal(wrong.code, 69);
    assert.match(wrong.err, /needs its token.*FERRULE_ADMIN_TOKEN/);
    const env = { FERRULE_ADMIN_TOKEN: "adm1n-token" };
    const right = await ferrule(["status", "--json", "--admin", node.admin], { env });
    assert.equal(right.code, 0);
    assert.equal((JSON.parse(right.out) as { state: string }).state, "ok");
  });
  it("lists accounts in words", async () => {
    const { code, out } = await ask("accounts");
    assert.equal(code, 0);
    assert.match(out, new RegExp(`^${BOB.slice(0, 20)}.*child +up +even`, "m"));
  });
  it("lists routes, rates and events", async () => {
    const routes = await ask("routes");
    assert.match(routes.out, new RegExp(`test\\.ferrule\\.${BOB} +${BOB} +child`));
    const rates = await ask("rates");
    assert.match(rates.out, /1 XRP = 1 XRP +0 %/);
    await ask("ping", "test.ferrule.nobody");
    const events = await ask("events");
    assert.match(events.out, /F02 +/);
  });
  it("answers a ping, and exits 1 when nobody does", async () => {
    const self = await ask("ping", "test.ferrule", "--count", "2", "--amount", "7");
    assert.equal(self.code, 0, self.out + self.err);
    assert.match(self.out, /answered in .*\n.*answered in .*\n2 of 2 answered/);
    const nobody = await ask("ping", "g.nobody");
    assert.equal(nobody.code, 1);
    assert.match(nobody.out, /g\.nobody: F02 Unreachable: no route found/);
    const wrong = await ask("ping", "no address");
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /is not an ILP address/);
  });
  it("explains a packet that would go through, and one that would not", async () => {
    const good = await ask("explain", "local", `test.ferrule.${BOB}`, "12340000000");
    assert.equal(good.code, 0, good.err);
    assert.match(good.out, /local sends 12\.34 XRP to test\.ferrule\./);
    assert.match(good.out, /Time: of 30 seconds, .* has 29 seconds to answer/);
    assert.match(good.out, /would be forwarded/);
    const bad = await ask("explain", BOB, "g.elsewhere", "1");
    assert.equal(bad.code, 1);
    assert.match(bad.out, /another network[^]*refused with F02 Unreachable/);
    const nobody = await ask("explain", "carol", "test.a", "1");
    assert.equal(nobody.code, 2);
    assert.match(nobody.err, /no account "carol"/);
  });
  it("freezes and unfreezes an account", async () => {
    const [other, id] = [await connectBtp(node.btp, "other"), idOf("other")];
    const frozen = await ask("freeze", id);
    assert.match(frozen.out, /is frozen; even/);
    const { code, out } = await ask("explain", id, "test.ferrule", "1");
    assert.equal(code, 1);
    assert.match(out, /is frozen: unfreeze it/);
    assert.match((await ask("unfreeze", id)).out, /is not frozen/);
    await other.disconnect();
  });
  it("shows its configuration without its token", async () => {
    for (const options of [[], ["--json"]]) {
      const { code, out } = await ask("config", ...options);
      assert.equal(code, 0);
      assert.ok(out.includes("test.ferrule") && !out.includes("adm1n"));
    }
  });
});

describe("the end of a node", { concurrency: 2 }, () => {
  it("is quick and clean when nothing is in flight", async () => {
    const folder = makeFolder();
    const node = await startNode(writeConfig(folder.path));
    const locks = (): string[] =>
      readdirSync(join(folder.path, "data")).filter((name) => name.startsWith("lock"));
    assert.equal(locks().length, 1);
    assert.equal(await node.stop("SIGTERM"), 0);
    assert.deepEqual(locks(), []);
    folder.close();
  });
  it("waits for packets in flight, but not after a second signal", async () => {
    const folder = makeFolder();
    const config = writeConfig(folder.path);
    const node = await startNode(config);
    const silent = await connectBtp(node.btp, TOKEN);
    const asked = new Promise<void>((resolve) => {
      silent.registerDataHandler(() => {
        resolve();
        return new Promise(() => {});
      });
    });
    const ping = ferrule(["ping", `test.ferrule.${BOB}`, "--admin", node.admin]);
    await asked;
    node.child.kill("SIGINT");
    await node.hears("in flight");
    assert.equal(node.child.exitCode, null);
    const ended = once(node.child, "exit");
    node.child.kill("SIGINT");
    assert.deepEqual(await ended, [130, null]);
    assert.equal((await ping).code, 69);
    await silent.disconnect().catch(() => {});
    folder.close();
  });
});
