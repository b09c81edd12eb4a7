// Links that break and come back: each side killed or stopped in turn, and payments work again
// without anybody's help. Packets that were under way end at their expiry and hold nothing after.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Counter } from "../../host/core.js";
import {
  connectBtp,
  dialAccount,
  freePort,
  IlpConnector,
  killNode,
  listenAccount,
  until,
  type Plugin,
} from "../support/peers.js";
import {
  Ferrule,
  idOf,
  makeFolder,
  OPEN_BTP,
  pay,
  Payee,
  paySurely,
  startProcess,
} from "./support.js";

const XRP = `assetCode = "XRP"\nassetScale = 9`;

describe("ilp-connector, our parent, is killed and comes back", () => {
  let ferrule: Ferrule;
  let theirs: IlpConnector;
  let near: Plugin;
  let far: Plugin;
  let nearPayee: Payee;
  let farPayee: Payee;

  before(async () => {
    const [port, appPort] = [await freePort(), await freePort()];
    theirs = await IlpConnector.start({
      ilpAddress: "test.parent",
      accounts: {
        ferrule: listenAccount({ relation: "child" }, port, "secret"),
        app: listenAccount({ relation: "child" }, appPort, "app"),
      },
    });
    ferrule = await Ferrule.start(`
      spread = 0
      minMessageWindow = 100
      [accounts.theirs]
      relation = "parent"
      ${XRP}
      btp = { url = "btp+ws://:secret@127.0.0.1:${port}", reconnect = { min = 20, max = 100 } }
      ${OPEN_BTP}
    `);
    await ferrule.hasAddress();
    near = await connectBtp(ferrule.url, "near");
    far = await connectBtp(`ws://127.0.0.1:${appPort}`, "app");
    nearPayee = new Payee(near);
    farPayee = new Payee(far);
  });

  after(async () => {
    await near?.disconnect();
    await far?.disconnect();
    await theirs?.kill();
    await ferrule?.stop();
  });

  const payFar = (amount: number): Promise<void> =>
    paySurely(near, { destination: "test.parent.app", amount });

  for (const round of [1, 2]) {
    it(`round ${round}`, async () => {
      await payFar(1000);
      await ferrule.settles();
      const balance = ferrule.balance("theirs");

      farPayee.isSilent = true;
      const lost = pay(near, { destination: "test.parent.app", amount: 7, expiresInMs: 3000 });
      const heard = farPayee.packets.length;
      await until("the packet to arrive", () => farPayee.packets.length > heard);
      assert.equal(ferrule.account("theirs").creditsPending, 7n);
      await theirs.kill();
      farPayee.isSilent = false;
      await until("the link to go down", () => !ferrule.isLinked("theirs"));
      const refused = await pay(near, { destination: "test.parent.app", amount: 1 });
      assert.equal(refused.type === 14 && refused.data.code, "T01");

      await theirs.start();
      await until("the link", () => ferrule.isLinked("theirs"));
      await until("the other program", () => theirs.isConnected("app"));
      await payFar(50);
      await paySurely(far, { destination: `${ferrule.address}.${idOf("near")}`, amount: 20 });
      assert.equal(nearPayee.packets.at(-1)!.amount, "20");

      const expired = await lost;
      assert.equal(expired.type === 14 && expired.data.code, "R00");
      await ferrule.settles();
      // It forgot what came before; since then both sides agree.
      assert.equal(ferrule.balance("theirs"), balance - 30n);
      assert.equal(await theirs.balance("ferrule"), 30n);
    });
  }

  it("saw nothing it could not explain", () => {
    const { core } = ferrule.connector;
    for (const counter of [Counter.BadFrames, Counter.Unsolicited, Counter.WrongFulfillments]) {
      assert.equal(core.counter(counter), 0n, Counter[counter]);
    }
  });
});

describe("Ferrule is stopped or killed and comes back to its child ilp-connector", () => {
  let port: number;
  let toml: string;
  let theirs: IlpConnector;
  let near: Plugin;
  let far: Plugin;
  let farPayee: Payee;
  const folder = makeFolder();

  before(async () => {
    const appPort = await freePort();
    port = await freePort();
    toml = `
      ilpAddress = "test.ferrule"
      spread = 0
      [accounts.theirs]
      relation = "child"
      ${XRP}
      btp = { listen = true, token = "secret" }
      ${OPEN_BTP.replace("port = 0", `port = ${port}`)}
    `;
    const url = `ws://127.0.0.1:${port}`;
    const ferrule = await Ferrule.start(toml, folder);
    theirs = await IlpConnector.start({
      accounts: {
        ferrule: dialAccount({ relation: "parent" }, url, "secret"),
        app: listenAccount({ relation: "child" }, appPort, "app"),
      },
    });
    near = await connectBtp(url, "near");
    far = await connectBtp(`ws://127.0.0.1:${appPort}`, "app");
    new Payee(near);
    farPayee = new Payee(far);
    await until("the child's address", async () => (await theirs.address()) !== "unknown");
    await until("its program", () => theirs.isConnected("app"));
    await payBothWays();
    await ferrule.stop();
    await until("the program to notice", () => !near.isConnected());
  });

  after(async () => {
    await near?.disconnect();
    await far?.disconnect();
    await theirs?.kill();
  });

  /** 70 more to them, over and over until the links are up again. */
  async function payBothWays(): Promise<void> {
    await until("a payment", async () => {
      if (!near.isConnected()) return false;
      const there = await pay(near, { destination: "test.ferrule.theirs.app", amount: 100 });
      return there.type === 13;
    });
    const destination = `test.ferrule.${idOf("near")}`;
    await paySurely(far, { destination, amount: 30 });
  }

  it("stopped: both sides' books still agree", async () => {
    for (let round = 0; round < 2; round++) {
      const ferrule = await Ferrule.start(toml, folder);
      const paid = farPayee.received;
      await payBothWays();
      await ferrule.settles();
      assert.equal(farPayee.received - paid, 100n);
      assert.equal(await theirs.balance("ferrule"), -ferrule.balance("theirs"));
      assert.equal(ferrule.balance(idOf("near")), -ferrule.balance("theirs"));
      await ferrule.stop();
      // What a program sends before it has noticed is lost, and it waits 35 s for an answer.
      await until("the program to notice", () => !near.isConnected());
    }
  });

  it("killed: payments go on", async () => {
    const { child } = await startProcess(toml, folder);
    await payBothWays();
    await killNode(child);
    await until("the program to notice", () => !near.isConnected());
    const ferrule = await Ferrule.start(toml, folder);
    await payBothWays();
    await ferrule.settles();
    await ferrule.stop();
  });
});
