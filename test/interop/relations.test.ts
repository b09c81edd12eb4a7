// ilp-connector as parent, child and peer of a Ferrule: payments both ways with real conditions,
// Rejects untouched (ILP-27), addresses by ILDCP (CFG-02, CFG-06), route messages refused without
// breaking the link, and after everything both sides' balances agree.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Counter } from "../../host/core.js";
import {
  connectBtp,
  dialAccount,
  freePort,
  httpAccount,
  IlpConnector,
  listenAccount,
  peerVersions,
  until,
  type Plugin,
  type Reject,
} from "../support/peers.js";
import { Ferrule, idOf, OPEN_BTP, pay, Payee, payRaw, paySurely } from "./support.js";

/** A Ferrule and an ilp-connector with a program at each. */
interface Pair {
  ferrule: Ferrule;
  theirs: IlpConnector;
  /** Port of ilp-connector's own app. */
  appPort: number;
}

const XRP = `assetCode = "XRP"\nassetScale = 9`;
const APP = { relation: "child" } as const;

/** ilp-connector listens; Ferrule dials and inherits its address. */
async function startParent(): Promise<Pair> {
  const [port, appPort] = [await freePort(), await freePort()];
  const theirs = await IlpConnector.start({
    ilpAddress: "test.parent",
    accounts: {
      ferrule: listenAccount({ relation: "child" }, port, "secret"),
      app: listenAccount(APP, appPort, "app"),
    },
  });
  const ferrule = await Ferrule.start(`
    ilpAddressInheritFrom = "theirs"
    spread = 0
    [accounts.theirs]
    relation = "parent"
    ${XRP}
    btp = { url = "btp+ws://:secret@127.0.0.1:${port}", reconnect = { min = 20, max = 100 } }
    ${OPEN_BTP}
  `);
  return { ferrule, theirs, appPort };
}

/** Ferrule listens; ilp-connector dials and inherits its address. */
async function startChild(): Promise<Pair> {
  const appPort = await freePort();
  const ferrule = await Ferrule.start(`
    ilpAddress = "test.ferrule"
    spread = 0
    [accounts.theirs]
    relation = "child"
    ${XRP}
    btp = { listen = true, token = "secret" }
    ${OPEN_BTP}
  `);
  const theirs = await IlpConnector.start({
    accounts: {
      ferrule: dialAccount({ relation: "parent" }, ferrule.url, "secret"),
      app: listenAccount(APP, appPort, "app"),
    },
  });
  return { ferrule, theirs, appPort };
}

const PEER_ROUTES = [{ targetPrefix: "test.ferrule", peerId: "ferrule" }];
const peerToml = (btp: string): string => `
    ilpAddress = "test.ferrule"
    spread = 0
    routes = [{ targetPrefix = "test.theirs", peerId = "theirs" }]
    [accounts.theirs]
    relation = "peer"
    ${XRP}
    btp = { ${btp} }
    ${OPEN_BTP}
  `;

async function startPeerWeDial(): Promise<Pair> {
  const [port, appPort] = [await freePort(), await freePort()];
  const theirs = await IlpConnector.start({
    ilpAddress: "test.theirs",
    accounts: {
      ferrule: listenAccount({ relation: "peer" }, port, "secret"),
      app: listenAccount(APP, appPort, "app"),
    },
    routes: PEER_ROUTES,
  });
  const url = `url = "btp+ws://:secret@127.0.0.1:${port}"`;
  const ferrule = await Ferrule.start(peerToml(`${url}, reconnect = { min = 20, max = 100 }`));
  return { ferrule, theirs, appPort };
}

async function startPeerTheyDial(): Promise<Pair> {
  const appPort = await freePort();
  const ferrule = await Ferrule.start(peerToml(`listen = true, token = "secret"`));
  const theirs = await IlpConnector.start({
    ilpAddress: "test.theirs",
    accounts: {
      ferrule: dialAccount({ relation: "peer" }, ferrule.url, "secret"),
      app: listenAccount(APP, appPort, "app"),
    },
    routes: PEER_ROUTES,
  });
  return { ferrule, theirs, appPort };
}

/** As `startChild`, over HTTP: both sides post to each other. */
async function startChildHttp(): Promise<Pair> {
  const [port, appPort] = [await freePort(), await freePort()];
  const ferrule = await Ferrule.start(`
    ilpAddress = "test.ferrule"
    spread = 0
    [accounts.theirs]
    relation = "child"
    ${XRP}
    [accounts.theirs.http]
    url = "http://127.0.0.1:${port}/"
    outgoingToken = "to-them"
    incomingToken = "to-us"
    ${OPEN_BTP.replace("[http]\nenabled = false", "[http]\nport = 0")}
  `);
  const { url } = ferrule.connector.listening.find(({ kind }) => kind === "http")!;
  const theirs = await IlpConnector.start({
    accounts: {
      ferrule: httpAccount(
        { relation: "parent" },
        { port, staticToken: "to-them" },
        { url: `${url}/accounts/theirs/ilp`, staticToken: "to-us" },
      ),
      app: listenAccount(APP, appPort, "app"),
    },
  });
  return { ferrule, theirs, appPort };
}

const scenes = [
  { name: "parent", start: startParent, ours: "test.parent.ferrule", theirs: "test.parent" },
  { name: "child", start: startChild, ours: "test.ferrule", theirs: "test.ferrule.theirs" },
  { name: "peer we dial", start: startPeerWeDial, ours: "test.ferrule", theirs: "test.theirs" },
  {
    name: "peer that dials us",
    start: startPeerTheyDial,
    ours: "test.ferrule",
    theirs: "test.theirs",
  },
  {
    name: "child over HTTP",
    start: startChildHttp,
    ours: "test.ferrule",
    theirs: "test.ferrule.theirs",
  },
];

console.log(`Peers: ${peerVersions()}`);

for (const scene of scenes) {
  describe(`ilp-connector as ${scene.name}`, () => {
    let pair: Pair;
    let near: Plugin;
    let far: Plugin;
    let nearPayee: Payee;
    let farPayee: Payee;
    const nearAddress = `${scene.ours}.${idOf("near")}`;
    const farAddress = `${scene.theirs}.app`;

    before(async () => {
      pair = await scene.start();
      const { ferrule, theirs, appPort } = pair;
      await ferrule.hasAddress();
      await until("the link", () => ferrule.isLinked("theirs"));
      near = await connectBtp(ferrule.url, "near");
      far = await connectBtp(`ws://127.0.0.1:${appPort}`, "app");
      nearPayee = new Payee(near);
      farPayee = new Payee(far);
      await until("both links at ilp-connector", async () => {
        return (await theirs.isConnected("ferrule")) && (await theirs.isConnected("app"));
      });
    });

    after(async () => {
      await near?.disconnect();
      await far?.disconnect();
      await pair?.theirs.kill();
      await pair?.ferrule.stop();
    });

    /** Both sides say the same, with opposite signs. */
    async function agrees(): Promise<bigint> {
      await pair.ferrule.settles();
      const ours = pair.ferrule.balance("theirs");
      await until("equal balances", async () => (await pair.theirs.balance("ferrule")) === -ours);
      assert.equal(pair.ferrule.balance(idOf("near")), -ours);
      return ours;
    }

    it("has the expected addresses", async () => {
      assert.equal(pair.ferrule.address, scene.ours);
      assert.equal(await pair.theirs.address(), scene.theirs);
    });

    it("pays both ways", async () => {
      const before = await agrees();
      await paySurely(near, { destination: farAddress, amount: 1_000_003 });
      assert.equal(await agrees(), before - 1_000_003n);
      await paySurely(far, { destination: nearAddress, amount: 500 });
      assert.equal(await agrees(), before - 1_000_003n + 500n);
      assert.equal(farPayee.packets.at(-1)!.amount, "1000003");
      assert.equal(nearPayee.packets.at(-1)!.amount, "500");
      assert.ok(nearPayee.packets.at(-1)!.destination === nearAddress);
    });

    it("carries long data and a long odd destination there and back", async () => {
      const data = randomBytes(31_000);
      await paySurely(near, { destination: `${farAddress}.~a_b-c`, amount: 1, data });
      assert.deepEqual(farPayee.packets.at(-1)!.data, data);
      await paySurely(far, { destination: `${nearAddress}.${"x".repeat(500)}`, amount: 1, data });
      assert.deepEqual(nearPayee.packets.at(-1)!.data, data);
      await agrees();
    });

    it("relays Rejects untouched and moves nothing", async () => {
      const before = await agrees();
      const reject: Reject = {
        code: "F99",
        triggeredBy: "test.somewhere.else",
        message: "not today, ünïcode",
        data: randomBytes(300),
      };
      for (const [from, payee, destination] of [
        [near, farPayee, farAddress],
        [far, nearPayee, nearAddress],
      ] as const) {
        payee.reject = reject;
        const reply = await pay(from, { destination, amount: 77 });
        payee.reject = null;
        assert.deepEqual(reply, { ...reply, type: 14, data: reject });
      }
      assert.equal(await agrees(), before);
    });

    it("hands back the byte-identical Fulfill", async () => {
      const data = randomBytes(64);
      const there = await payRaw(near, { destination: farAddress, amount: 5, data });
      const back = await payRaw(far, { destination: nearAddress, amount: 5, data });
      assert.deepEqual(there, back);
      await agrees();
    });

    it("carries packets without an amount and leaves the books alone", async () => {
      const before = await agrees();
      await paySurely(near, { destination: farAddress, amount: 0 });
      await paySurely(far, { destination: nearAddress, amount: 0 });
      assert.equal(await agrees(), before);
    });

    it("names no route as ilp-connector does", async () => {
      const nowhere = { destination: `${scene.ours}.nobody`, amount: 1 };
      for (const plugin of [near, far]) {
        const reply = await pay(plugin, nowhere);
        assert.equal(reply.type === 14 && reply.data.code, "F02");
        assert.equal(reply.type === 14 && reply.data.triggeredBy, scene.ours);
      }
      await agrees();
    });

    it("keeps two hundred packets in flight apart", async () => {
      const before = await agrees();
      const amounts = Array.from({ length: 100 }, (_, i) => i + 1);
      await Promise.all([
        ...amounts.map((amount) => paySurely(near, { destination: farAddress, amount })),
        ...amounts.map((amount) =>
          paySurely(far, { destination: nearAddress, amount: 2 * amount }),
        ),
      ]);
      assert.equal(await agrees(), before + 5050n);
    });

    if (scene.name !== "parent") {
      it("refuses ilp-connector's route messages and keeps the link", async () => {
        await until("the refusal", () =>
          pair.theirs.log.includes("route control message was rejec"),
        );
        assert.match(pair.theirs.log, /we are configured not to send routes to you/);
        await paySurely(near, { destination: farAddress, amount: 3 });
        await agrees();
      });
    }

    it("saw nothing odd on the link", () => {
      const odd = [
        Counter.BadFrames,
        Counter.Unsolicited,
        Counter.Duplicates,
        Counter.WrongFulfillments,
        Counter.CrossLink,
        Counter.Orphans,
        Counter.LoopBreaks,
      ];
      for (const counter of odd) {
        assert.equal(pair.ferrule.connector.core.counter(counter), 0n, Counter[counter]);
      }
    });
  });
}
