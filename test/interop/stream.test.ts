// Two unmodified STREAM programs pay each other through a zero-configuration connector, and the
// books agree with both ends to the unit.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import { connectBtp, stream, type Plugin, type StreamServer } from "../support/peers.js";

const idOf = (token: string): string => createHash("sha256").update(token).digest("base64url");

describe("STREAM over BTP", () => {
  let folder: string;
  let connector: Connector;
  let receiver: Plugin;
  let url: string;
  let server: StreamServer;
  let received = 0n;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "ferrule-"));
    const toml = `
      ilpAddress = "test.ferrule"
      dataDir = "${folder}"
      spread = 0
      [btp]
      port = 0
      openTokens = true
      [http]
      enabled = false
      [admin]
      enabled = false
    `;
    connector = createConnector(parseConfig(toml, "test.toml"));
    await connector.start();
    url = connector.listening[0]!.url;
    receiver = await connectBtp(url, "receiver-token");
    server = await stream.createServer({ plugin: receiver });
    server.on("connection", (connection) => {
      connection.on("stream", (incoming) => {
        incoming.setReceiveMax("10000000000000");
        incoming.on("money", (amount) => (received += BigInt(amount)));
      });
    });
  });

  after(async () => {
    await receiver.disconnect();
    await connector.stop();
    rmSync(folder, { recursive: true });
  });

  for (const amount of [1n, 1_000_000_000n]) {
    it(`pays ${amount} units`, async () => {
      const before = received;
      const { destinationAccount, sharedSecret } = server.generateAddressAndSecret();
      assert.ok(destinationAccount.startsWith(`test.ferrule.${idOf("receiver-token")}.`));
      // STREAM disconnects the plugin it was given when the connection ends.
      const sender = await connectBtp(url, "sender-token");
      const connection = await stream.createConnection({
        plugin: sender,
        destinationAccount,
        sharedSecret,
        slippage: 0,
      });
      await connection.createStream().sendTotal(amount.toString());
      await connection.end();
      assert.equal(received - before, amount);
      const alice = connector.core.account(connector.registry.byId(idOf("sender-token"))!.index);
      const bob = connector.core.account(connector.registry.byId(idOf("receiver-token"))!.index);
      assert.equal(alice.balance, received);
      assert.equal(bob.balance, -received);
      assert.equal(alice.debitsPending + bob.creditsPending, 0n);
    });
  }
});
