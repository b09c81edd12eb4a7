// The plugins ILP programs use, unmodified, at a Ferrule's accounts: `ilp-plugin` as programs
// written for moneyd call it, `ilp-plugin-btp` and `ilp-plugin-http` as client and as server;
// addresses and assets by `ilp-protocol-ildcp` (CFG-02).
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Counter } from "../../host/core.js";
import {
  connectBtp,
  freePort,
  ildcp,
  ilpPacket,
  pluginFromEnvironment,
  PluginBtp,
  PluginHttp,
  until,
  type Plugin,
} from "../support/peers.js";
import { Ferrule, idOf, pay, Payee, paySurely, StreamPayee } from "./support.js";

const ask = (plugin: Plugin): ReturnType<typeof ildcp.fetch> =>
  ildcp.fetch((packet) => plugin.sendData(packet));

describe("programs written for moneyd", () => {
  let ferrule: Ferrule;

  before(async () => {
    ferrule = await Ferrule.start(`
      ilpAddress = "test.local"
      spread = 0
      [btp]
      port = 0
      openTokens = true
      [btp.open]
      assetCode = "USD"
      assetScale = 6
      maxAccounts = 8
      [http]
      enabled = false
      [admin]
      enabled = false
    `);
  });

  after(() => ferrule.stop());

  it("find the port in ILP_BTP_SERVER, get an account each, and pay by STREAM", async () => {
    process.env["ILP_BTP_SERVER"] = ferrule.url.replace("ws://", "btp+ws://");
    const [sender, receiver] = [pluginFromEnvironment(), pluginFromEnvironment({ name: "shop" })];
    delete process.env["ILP_BTP_SERVER"];
    await Promise.all([sender.connect(), receiver.connect()]);
    const payee = await StreamPayee.start(receiver);
    await payee.bePaid(sender, 42_000_000n, { slippage: 0 });
    await ferrule.settles();
    assert.equal(payee.received, 42_000_000n);
    const accounts = ferrule.connector.registry.list().filter((entry) => entry.open);
    const balances = accounts.map(({ id }) => ferrule.balance(id)).sort((a, b) => Number(a - b));
    assert.deepEqual(balances, [-42_000_000n, 42_000_000n]);
    await Promise.all([sender.disconnect(), receiver.disconnect()]);
  });

  it("get an address that is the hash of their token, whatever the token", async () => {
    for (const token of ["a", "%C3%A9t%C3%A9", randomBytes(200).toString("hex")]) {
      const plugin = await connectBtp(ferrule.url, token);
      const answer = await ask(plugin);
      const id = createHash("sha256").update(token).digest("base64url");
      assert.deepEqual(answer, {
        clientAddress: `test.local.${id}`,
        assetCode: "USD",
        assetScale: 6,
      });
      await plugin.disconnect();
    }
  });

  it("find the same account when they come back", async () => {
    const first = await connectBtp(ferrule.url, "again");
    const { clientAddress } = await ask(first);
    const open = ferrule.connector.registry.list().length;
    await first.disconnect();
    const second = await connectBtp(ferrule.url, "again");
    assert.equal((await ask(second)).clientAddress, clientAddress);
    assert.equal(ferrule.connector.registry.list().length, open);
    await second.disconnect();
  });

  it("are told when there is no room for another account", async () => {
    const known = ferrule.connector.registry.list().filter((entry) => entry.open).length;
    const plugins: Plugin[] = [];
    for (let i = known; i < 8; i++) plugins.push(await connectBtp(ferrule.url, `fill ${i}`));
    const late = new PluginBtp({ server: `btp+ws://:late@${new URL(ferrule.url).host}` });
    late.connect().catch(() => {});
    await until("the refusal", () =>
      ferrule.logLines.some(({ fields }) => JSON.stringify(fields).includes("no room")),
    );
    assert.equal(ferrule.connector.registry.byId(idOf("late")), undefined);
    await late.disconnect();
    for (const plugin of plugins) await plugin.disconnect();
  });
});

describe("ilp-plugin-btp at configured accounts", () => {
  let ferrule: Ferrule;
  let client: Plugin;
  let server: Plugin;
  let clientPayee: Payee;
  let serverPayee: Payee;

  before(async () => {
    const port = await freePort();
    const listener = { port, secret: "listen", wsOpts: { port, host: "127.0.0.1" } };
    server = new PluginBtp({ listener });
    const connected = server.connect();
    const account = (id: string, scale: number, btp: string): string => `
      [accounts.${id}]
      relation = "child"
      assetCode = "XRP"
      assetScale = ${scale}
      btp = { ${btp} }
    `;
    const reconnect = "reconnect = { min = 20, max = 100 }";
    ferrule = await Ferrule.start(`
      ilpAddress = "test.node"
      spread = 0
      ${account("client", 9, `listen = true, token = "dial"`)}
      ${account("server", 6, `url = "ws://127.0.0.1:${port}", token = "listen", ${reconnect}`)}
      [btp]
      port = 0
      [http]
      enabled = false
      [admin]
      enabled = false
    `);
    client = await connectBtp(ferrule.url, "dial");
    await connected;
    await until("both links", () => ferrule.isLinked("client") && ferrule.isLinked("server"));
    clientPayee = new Payee(client);
    serverPayee = new Payee(server);
  });

  after(async () => {
    await client?.disconnect();
    await server?.disconnect();
    await ferrule?.stop();
  });

  it("tells both their addresses and assets", async () => {
    const asset = { assetCode: "XRP" };
    assert.deepEqual(await ask(client), {
      clientAddress: "test.node.client",
      ...asset,
      assetScale: 9,
    });
    assert.deepEqual(await ask(server), {
      clientAddress: "test.node.server",
      ...asset,
      assetScale: 6,
    });
  });

  it("pays both ways, rounding down at the node", async () => {
    await paySurely(client, { destination: "test.node.server", amount: 1_234_567 });
    assert.equal(serverPayee.packets.at(-1)!.amount, "1234");
    await paySurely(server, { destination: "test.node.client", amount: 3 });
    assert.equal(clientPayee.packets.at(-1)!.amount, "3000");
    await ferrule.settles();
    assert.equal(ferrule.balance("client"), 1_234_567n - 3000n);
    assert.equal(ferrule.balance("server"), 3n - 1234n);
    assert.equal(ferrule.income("XRP", 9), 1_231_567n);
    assert.equal(ferrule.income("XRP", 6), -1231n);
  });

  it("refuses what would become nothing", async () => {
    const reply = await pay(client, { destination: "test.node.server", amount: 999 });
    assert.equal(reply.type === 14 && reply.data.code, "R01");
  });

  it("answers route and settlement messages in the words peers know", async () => {
    const said: string[] = [];
    for (const destination of ["peer.route.control", "peer.route.update", "peer.settle"]) {
      const reply = await client.sendData(
        ilpPacket.serializeIlpPrepare({
          amount: "0",
          executionCondition: createHash("sha256").update(Buffer.alloc(32)).digest(),
          expiresAt: new Date(Date.now() + 10_000),
          destination,
          data: Buffer.alloc(0),
        }),
      );
      const packet = ilpPacket.deserializeIlpPacket(reply);
      said.push(packet.type === 14 ? `${packet.data.code} ${packet.data.message}` : "");
    }
    assert.deepEqual(said, [
      "F00 rejecting route control message, we are configured not to send routes to you.",
      "F00 rejecting route update, we are configured not to receive routes from you.",
      "F00 no settlement engine for this account.",
    ]);
    await paySurely(client, { destination: "test.node.server", amount: 1000 });
  });
});

describe("ilp-plugin-http at configured accounts", () => {
  let ferrule: Ferrule;
  let origin: string;
  const plugins: Record<string, Plugin> = {};
  const payees: Record<string, Payee> = {};

  before(async () => {
    const ports = { alice: await freePort(), bob: await freePort() };
    const account = ([id, port]: [string, number]): string => `
      [accounts.${id}]
      relation = "child"
      assetCode = "EUR"
      assetScale = 4
      [accounts.${id}.http]
      url = "http://127.0.0.1:${port}/ilp"
      outgoingToken = "to-${id}"
      incomingToken = "from-${id}"
    `;
    ferrule = await Ferrule.start(`
      ilpAddress = "test.node"
      spread = 0
      ${Object.entries(ports).map(account).join("")}
      [http]
      port = 0
      [btp]
      enabled = false
      [admin]
      enabled = false
    `);
    origin = ferrule.connector.listening.find(({ kind }) => kind === "http")!.url;
    for (const [id, port] of Object.entries(ports)) {
      // One names its account in the path, the other is known by its token alone.
      const path = id === "alice" ? "/accounts/alice/ilp" : "/ilp";
      const plugin = new PluginHttp({
        incoming: { port, staticToken: `to-${id}` },
        outgoing: { url: origin + path, staticToken: `from-${id}` },
      });
      await plugin.connect();
      plugins[id] = plugin;
      payees[id] = new Payee(plugin);
    }
  });

  after(async () => {
    for (const plugin of Object.values(plugins)) await plugin.disconnect();
    await ferrule?.stop();
  });

  it("tells their addresses and assets", async () => {
    for (const id of ["alice", "bob"]) {
      const clientAddress = `test.node.${id}`;
      assert.deepEqual(await ask(plugins[id]!), { clientAddress, assetCode: "EUR", assetScale: 4 });
    }
  });

  it("pays both ways, many at a time, and relays Rejects untouched", async () => {
    const amounts = Array.from({ length: 50 }, (_, i) => i + 1);
    await Promise.all(
      amounts.flatMap((amount) => [
        paySurely(plugins["alice"]!, { destination: "test.node.bob.x", amount: 3 * amount }),
        paySurely(plugins["bob"]!, { destination: "test.node.alice", amount }),
      ]),
    );
    await ferrule.settles();
    assert.equal(ferrule.balance("alice"), 2n * 1275n);
    assert.equal(ferrule.balance("bob"), -2n * 1275n);
    const reject = { code: "F99", triggeredBy: "test.x", message: "no", data: randomBytes(99) };
    payees["bob"]!.reject = reject;
    const reply = await pay(plugins["alice"]!, { destination: "test.node.bob", amount: 1 });
    payees["bob"]!.reject = null;
    assert.deepEqual(reply.type === 14 && reply.data, reject);
    await ferrule.settles();
    assert.equal(ferrule.balance("alice"), 2n * 1275n);
  });

  it("turns a peer that is not there into a Reject, and pays when it is back", async () => {
    await plugins["bob"]!.disconnect();
    const reply = await pay(plugins["alice"]!, { destination: "test.node.bob", amount: 1 });
    assert.equal(reply.type === 14 && reply.data.code[0], "T");
    await ferrule.settles();
    await plugins["bob"]!.connect();
    await paySurely(plugins["alice"]!, { destination: "test.node.bob", amount: 1 });
  });

  it("refuses a wrong token before it looks at the packet", async () => {
    const before = ferrule.connector.core.counter(Counter.Prepares);
    const eve = new PluginHttp({
      incoming: { port: await freePort(), staticToken: "x" },
      outgoing: { url: `${origin}/accounts/alice/ilp`, staticToken: "from-bob" },
    });
    await eve.connect();
    await assert.rejects(pay(eve, { destination: "test.node.bob", amount: 1 }), /401/);
    await eve.disconnect();
    assert.equal(ferrule.connector.core.counter(Counter.Prepares), before);
  });
});
