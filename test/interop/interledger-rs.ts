// `npm run test:interledger-rs`: Ferrule and interledger-rs as peers, over each kind of link they
// share. Apps at either end pay each other with STREAM, and both nodes' books say the same. Not in
// `npm test`: the program must have been built (`npm run bench:interledger-rs`).
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { Running } from "../bench/contender.js";
import { describeNode, missing, tell } from "../bench/interledger-rs/contender.js";
import { connectBtp, freePorts, stream, until } from "../support/peers.js";
import { Ferrule, makeFolder } from "./support.js";

const XRP = { asset_code: "XRP", asset_scale: 9, max_packet_amount: 1e12, min_balance: -1e15 };
/** It takes what comes before the colon for a user name, and sends both. */
const THEIRS = "ferrule:shown-by-ferrule";
const OURS = "them:shown-by-them";

interface Link {
  title: string;
  /** The account's link in Ferrule's configuration. */
  toml: (ports: Ports) => string;
  /** The account's link for interledger-rs. */
  settings: (ports: Ports) => object;
}
interface Ports {
  api: number;
  btp: number;
  http: number;
}

const LINKS: Link[] = [
  {
    title: "ILP-over-HTTP",
    toml: ({ api }) =>
      `http = { url = "http://127.0.0.1:${api}/ilp", outgoingToken = "${THEIRS}", ` +
      `incomingToken = "${OURS}" }`,
    settings: ({ http }) => ({
      ilp_over_http_incoming_token: "shown-by-ferrule",
      ilp_over_http_url: `http://127.0.0.1:${http}/accounts/them/ilp`,
      ilp_over_http_outgoing_token: OURS,
    }),
  },
  {
    title: "BTP, Ferrule dials",
    toml: ({ api }) => `btp = { url = "btp+ws://${THEIRS}@127.0.0.1:${api}/ilp/btp" }`,
    settings: () => ({ ilp_over_btp_incoming_token: "shown-by-ferrule" }),
  },
  {
    title: "BTP, interledger-rs dials",
    toml: () => 'btp = { listen = true, token = "shown-by-them" }',
    settings: ({ btp }) => ({
      ilp_over_btp_url: `ws://127.0.0.1:${btp}/`,
      ilp_over_btp_outgoing_token: "shown-by-them",
    }),
  },
];

/** Both nodes, with an account of each at the other and an app's account, `alice`, at theirs. */
class Peering {
  private constructor(
    readonly ferrule: Ferrule,
    readonly them: Running,
    readonly api: number,
  ) {}

  static async start({ toml, settings }: Link): Promise<Peering> {
    const [api, settlement, btp, http] = (await freePorts(4)) as [number, number, number, number];
    const ports = { api, btp, http };
    const node = describeNode("test.them", { api, settlement }, makeFolder());
    const them = await Running.start({ ...node, pairs: [], wire: "ws" }, "");
    const ferrule = await Ferrule.start(`
      ilpAddress = "test.ferrule"
      spread = 0
      btp = { port = ${btp}, openTokens = true }
      http = { port = ${http} }
      admin = { enabled = false }
      routes = [{ targetPrefix = "test.them", peerId = "them" }]
      [accounts.them]
      relation = "peer"
      assetCode = "XRP"
      assetScale = 9
      ${toml(ports)}
    `);
    const account = { ...XRP, username: "ferrule", ilp_address: "test.ferrule" };
    const peer = { ...account, routing_relation: "Peer", ...settings(ports) };
    await tell(api, "POST", "/accounts", peer);
    const app = { ...XRP, username: "alice", routing_relation: "NonRoutingAccount" };
    await tell(api, "POST", "/accounts", { ...app, ilp_over_http_incoming_token: "alice" });
    await tell(api, "PUT", "/routes/static", { "test.ferrule": "ferrule" });
    await until("a link", () => ferrule.isLinked("them"));
    return new Peering(ferrule, them, api);
  }

  async stop(): Promise<void> {
    await this.ferrule.stop();
    await this.them.stop();
  }

  /** Positive: interledger-rs owes the account. */
  async balance(username: string): Promise<bigint> {
    const text = await tell(this.api, "GET", `/accounts/${username}/balance`);
    return BigInt((JSON.parse(text) as { balance: number }).balance);
  }

  /** Alice has `amount`, and both nodes say that Ferrule owes interledger-rs as much. */
  async agreeOn(amount: bigint): Promise<void> {
    await this.ferrule.settles();
    assert.equal(this.ferrule.balance("them"), -amount);
    assert.equal(await this.balance("ferrule"), -amount);
    assert.equal(await this.balance("alice"), amount);
  }
}

const why = missing();
if (why !== null) {
  console.error(why.replace("did not take part", "is not here"));
  process.exit(1);
}

for (const link of LINKS) {
  describe(link.title, () => {
    let peering: Peering;
    before(async () => void (peering = await Peering.start(link)));
    after(() => peering.stop());

    test("an app at Ferrule pays an app at interledger-rs", async () => {
      const spsp = await tell(peering.api, "GET", "/accounts/alice/spsp");
      const said = JSON.parse(spsp) as { destination_account: string; shared_secret: string };
      const connection = await stream.createConnection({
        plugin: await connectBtp(peering.ferrule.url, "sender"),
        destinationAccount: said.destination_account,
        sharedSecret: Buffer.from(said.shared_secret, "base64"),
        slippage: 0,
      });
      await connection.createStream().sendTotal("123456");
      await connection.end();
      await peering.agreeOn(123_456n);
    });

    test("and the other way", async () => {
      let received = 0n;
      const plugin = await connectBtp(peering.ferrule.url, "receiver");
      const server = await stream.createServer({ plugin });
      server.on("connection", (connection) =>
        connection.on("stream", (incoming) => {
          incoming.setReceiveMax("1000000");
          incoming.on("money", (amount) => (received += BigInt(amount)));
        }),
      );
      const pointer = createServer((_request, response) => {
        const { destinationAccount, sharedSecret } = server.generateAddressAndSecret();
        const secret = sharedSecret.toString("base64");
        response.setHeader("content-type", "application/spsp4+json");
        response.end(
          JSON.stringify({ destination_account: destinationAccount, shared_secret: secret }),
        );
      }).listen(0, "127.0.0.1");
      await once(pointer, "listening");
      const { port } = pointer.address() as AddressInfo;
      const payment = { receiver: `http://127.0.0.1:${port}/pay`, source_amount: 5000 };
      const text = await tell(
        peering.api,
        "POST",
        "/accounts/alice/payments",
        payment,
        "alice:alice",
      );
      pointer.close();
      assert.equal((JSON.parse(text) as { delivered_amount: number }).delivered_amount, 5000);
      assert.equal(received, 5000n);
      await peering.agreeOn(118_456n);
      await plugin.disconnect();
    });

    test("its echo answers a ping", async () => {
      const { reply } = await peering.ferrule.connector.ping("test.them");
      assert.equal(reply, "fulfill");
    });

    test("a Prepare it cannot deliver comes back with its Reject", async () => {
      const { reply, code, triggeredBy } = await peering.ferrule.connector.ping("test.them.nobody");
      assert.deepEqual([reply, code, triggeredBy], ["reject", "F02", "test.them"]);
    });
  });
}
