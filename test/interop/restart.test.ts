// A Ferrule stopped, killed and started again on the same data folder: balances, indices and income
// are what they were, open-token accounts included, and payments go on. Two on one folder: the
// second says why not.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { connectBtp, killNode, type Plugin } from "../support/peers.js";
import { Ferrule, idOf, makeFolder, pay, Payee, paySurely, startProcess } from "./support.js";

const toml = (more = ""): string => `
  ilpAddress = "test.node"
  spread = "0.01"
  rates = [{ from = "USD", to = "XRP", rate = "2.5", both = true }]
  ${more}
  [accounts.shop]
  relation = "child"
  assetCode = "USD"
  assetScale = 2
  btp = { listen = true, token = "shop-token" }
  [accounts.other]
  relation = "peer"
  assetCode = "XRP"
  assetScale = 6
  btp = { listen = true, token = "other-token" }
  [btp]
  port = 0
  openTokens = true
  [http]
  enabled = false
  [admin]
  enabled = false
`;

const plugins: Plugin[] = [];
async function connect(ferrule: { url: string }, token: string): Promise<Plugin> {
  const plugin = await connectBtp(ferrule.url, token);
  plugins.push(plugin);
  return plugin;
}

/** Disconnects before a node stops, so that no plugin dials a port that is gone. */
async function disconnectAll(): Promise<void> {
  for (const plugin of plugins.splice(0)) await plugin.disconnect();
}

/** Everything that must be the same after a restart. */
function booksOf(ferrule: Ferrule): unknown {
  const { registry, core } = ferrule.connector;
  return {
    accounts: registry.list().map(({ index, id, open, assetCode, assetScale }) => {
      const { debits, credits, balance } = core.account(index);
      return { index, id, open, assetCode, assetScale, debits, credits, balance };
    }),
    assets: registry.assets().map((asset) => {
      const state = core.asset(asset.index);
      return { ...asset, debits: state.incomeDebits, credits: state.incomeCredits };
    }),
  };
}

describe("restart", () => {
  after(disconnectAll);

  it("keeps books and indices of configured and open accounts, and goes on", async () => {
    const folder = makeFolder();
    let ferrule = await Ferrule.start(toml(), folder);
    // In an order that is not the configuration's.
    const names = ["first", "second", "third"];
    for (const name of names) await connect(ferrule, name);
    new Payee(await connect(ferrule, "shop-token"));
    const payer = await connect(ferrule, "fourth");
    for (let i = 1; i <= 20; i++) {
      await paySurely(payer, { destination: "test.node.shop", amount: 1_000_000_000 * i });
    }
    await ferrule.settles();
    const before = booksOf(ferrule);
    assert.notEqual(ferrule.balance(idOf("fourth")), 0n);
    await disconnectAll();
    await ferrule.stop();

    for (let round = 0; round < 2; round++) {
      ferrule = await Ferrule.start(toml(), folder);
      assert.deepEqual(booksOf(ferrule), before);
      await ferrule.settles();
      if (round === 0) await ferrule.stop();
    }

    const owed = ferrule.balance(idOf("fourth"));
    const payee = new Payee(await connect(ferrule, "fourth"));
    const shop = await connect(ferrule, "shop-token");
    await paySurely(shop, { destination: `test.node.${idOf("fourth")}`, amount: 3 });
    await ferrule.settles();
    assert.equal(payee.received, (3n * 10_000_000n * 25n * 99n) / 1000n);
    assert.equal(ferrule.balance(idOf("fourth")), owed - payee.received);
    await disconnectAll();
    await ferrule.stop();
  });

  it("keeps what a configuration says about accounts that strangers opened", async () => {
    const folder = makeFolder();
    for (let round = 0; round < 2; round++) {
      const ferrule = await Ferrule.start(toml("reflectPayments = true"), folder);
      const plugin = await connect(ferrule, "mirror");
      new Payee(plugin);
      await paySurely(plugin, { destination: `test.node.${idOf("mirror")}`, amount: 1000 });
      await disconnectAll();
      await ferrule.stop();
    }
  });

  it("keeps strangers' accounts while they are not wanted, and lets them go on after", async () => {
    const folder = makeFolder();
    const closed = toml().replace("openTokens = true", "");
    let balance = 0n;
    for (const text of [toml(), closed, closed, toml()]) {
      const ferrule = await Ferrule.start(text, folder);
      assert.equal(ferrule.connector.registry.byId(idOf("guest"))?.index, balance ? 3 : undefined);
      if (text === closed) {
        assert.equal(ferrule.balance(idOf("guest")), balance);
      } else {
        const plugin = await connect(ferrule, "guest");
        new Payee(await connect(ferrule, "shop-token"));
        const { type } = await pay(plugin, { destination: "test.node.shop", amount: 1e9 });
        assert.equal(type, 13, "paid");
        balance += 1_000_000_000n;
        await ferrule.settles();
        assert.equal(ferrule.balance(idOf("guest")), balance);
      }
      await disconnectAll();
      await ferrule.stop();
    }
  });

  it("lets one process at a time use a data folder", async () => {
    const folder = makeFolder();
    const first = await startProcess(toml(), folder);
    assert.equal(first.problem, "");
    await assert.rejects(Ferrule.start(toml(), folder), (error: Error) => {
      assert.match(error.message, new RegExp(`${first.child.pid}.*${folder}.*\\.$`));
      return true;
    });
    const second = await startProcess(toml(), folder);
    assert.match(second.problem, /dataDir/);
    await killNode(first.child);
    const third = await Ferrule.start(toml(), folder);
    await third.stop();
  });

  it("starts after SIGKILL with books that were once true", async () => {
    const folder = makeFolder();
    const { child, url } = await startProcess(toml(), folder);
    const payer = await connect({ url }, "payer");
    new Payee(await connect({ url }, "payee"));
    const destination = `test.node.${idOf("payee")}`;
    // The balance after payment n is n(n+1)/2 × 10000: only true states have this form.
    for (let n = 1; n <= 300; n++) await paySurely(payer, { destination, amount: n * 10_000 });
    await disconnectAll();
    await killNode(child);
    const ferrule = await Ferrule.start(toml(), folder);
    await ferrule.settles();
    const known = ferrule.connector.registry.byId(idOf("payer"));
    const balance = known ? ferrule.balance(idOf("payer")) : 0n;
    const owed = known ? ferrule.balance(idOf("payee")) : 0n;
    const states = new Set<bigint>();
    for (let n = 0n; n <= 300n; n++) states.add((n * (n + 1n) * 10_000n) / 2n);
    assert.ok(states.has(balance), `${balance}`);
    assert.equal(owed, (-balance * 99n) / 100n);
    await ferrule.stop();
  });

  it("leaves nothing behind that keeps a process alive after stop", async () => {
    const { child, url } = await startProcess(toml(), makeFolder());
    const payer = await connect({ url }, "payer");
    new Payee(await connect({ url }, "payee"));
    await paySurely(payer, { destination: `test.node.${idOf("payee")}`, amount: 1000 });
    const started = performance.now();
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    assert.equal(await exited, 0);
    assert.ok(performance.now() - started < 5000);
    await disconnectAll();
  });
});
