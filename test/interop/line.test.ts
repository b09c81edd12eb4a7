// Three connectors in a line, two kinds of them, and STREAM payments from end to end: every book on
// the way shows the same amount.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  connectBtp,
  dialAccount,
  freePort,
  IlpConnector,
  listenAccount,
  until,
  type Plugin,
} from "../support/peers.js";
import { Ferrule, idOf, OPEN_BTP, Payee, paySurely, StreamPayee } from "./support.js";

const AMOUNT = 123_456_789n;
const XRP = `assetCode = "XRP"\nassetScale = 9`;

describe("program – Ferrule – ilp-connector – Ferrule – program", () => {
  let left: Ferrule;
  let middle: IlpConnector;
  let right: Ferrule;
  let receiver: Plugin;
  let payee: StreamPayee;

  before(async () => {
    const [leftPort, rightPort] = [await freePort(), await freePort()];
    middle = await IlpConnector.start({
      ilpAddress: "test.middle",
      accounts: {
        left: listenAccount({ relation: "child" }, leftPort, "left"),
        right: listenAccount({ relation: "child" }, rightPort, "right"),
      },
    });
    const start = (port: number, token: string): Promise<Ferrule> =>
      Ferrule.start(`
        spread = 0
        [accounts.middle]
        relation = "parent"
        ${XRP}
        [accounts.middle.btp]
        url = "btp+ws://:${token}@127.0.0.1:${port}"
        reconnect = { min = 20, max = 100 }
        ${OPEN_BTP}
      `);
    [left, right] = [await start(leftPort, "left"), await start(rightPort, "right")];
    await Promise.all([left.hasAddress(), right.hasAddress()]);
    receiver = await connectBtp(right.url, "receiver");
    payee = await StreamPayee.start(receiver);
  });

  after(async () => {
    await receiver?.disconnect();
    await middle?.kill();
    await left?.stop();
    await right?.stop();
  });

  it("inherits addresses at both ends", () => {
    assert.equal(left.address, "test.middle.left");
    assert.equal(right.address, "test.middle.right");
    assert.ok(payee.address.startsWith(`test.middle.right.${idOf("receiver")}.`));
  });

  it("pays by STREAM and every book agrees", async () => {
    const sender = await connectBtp(left.url, "sender");
    const { sent, delivered } = await payee.bePaid(sender, AMOUNT, { slippage: 0 });
    assert.deepEqual([sent, delivered, payee.received], [AMOUNT, AMOUNT, AMOUNT]);
    await Promise.all([left.settles(), right.settles()]);
    await sender.disconnect();
    assert.equal(left.balance(idOf("sender")), AMOUNT);
    assert.equal(left.balance("middle"), -AMOUNT);
    assert.equal(await middle.balance("left"), AMOUNT);
    assert.equal(await middle.balance("right"), -AMOUNT);
    assert.equal(right.balance("middle"), AMOUNT);
    assert.equal(right.balance(idOf("receiver")), -AMOUNT);
  });
});

describe("program – ilp-connector – Ferrule – ilp-connector – program", () => {
  let left: IlpConnector;
  let middle: Ferrule;
  let right: IlpConnector;
  let receiver: Plugin;
  let payee: StreamPayee;
  let senderUrl: string;
  let receiverUrl: string;

  before(async () => {
    const account = (id: string): string => `
      [accounts.${id}]
      relation = "child"
      ${XRP}
      btp = { listen = true, token = "${id}" }
    `;
    middle = await Ferrule.start(
      `ilpAddress = "test.middle"\nspread = 0\n${account("left")}${account("right")}${OPEN_BTP}`,
    );
    const start = (id: string, appPort: number): Promise<IlpConnector> =>
      IlpConnector.start({
        accounts: {
          middle: dialAccount({ relation: "parent" }, middle.url, id),
          app: listenAccount({ relation: "child" }, appPort, "app"),
        },
      });
    const [leftPort, rightPort] = [await freePort(), await freePort()];
    [left, right] = await Promise.all([start("left", leftPort), start("right", rightPort)]);
    [senderUrl, receiverUrl] = [leftPort, rightPort].map((port) => `ws://127.0.0.1:${port}`) as [
      string,
      string,
    ];
    for (const connector of [left, right]) {
      await until("an address", async () => (await connector.address()).startsWith("test.middle."));
    }
    receiver = await connectBtp(receiverUrl, "app");
    payee = await StreamPayee.start(receiver);
  });

  after(async () => {
    await receiver?.disconnect();
    await left?.kill();
    await right?.kill();
    await middle?.stop();
  });

  it("gives both their addresses", async () => {
    assert.equal(await left.address(), "test.middle.left");
    assert.equal(await right.address(), "test.middle.right");
    assert.ok(payee.address.startsWith("test.middle.right.app."));
  });

  it("pays by STREAM and every book agrees", async () => {
    const sender = await connectBtp(senderUrl, "app");
    const { sent, delivered } = await payee.bePaid(sender, AMOUNT, { slippage: 0 });
    assert.deepEqual([sent, delivered, payee.received], [AMOUNT, AMOUNT, AMOUNT]);
    await middle.settles();
    await sender.disconnect();
    assert.equal(await left.balance("app"), AMOUNT);
    assert.equal(await left.balance("middle"), -AMOUNT);
    assert.equal(middle.balance("left"), AMOUNT);
    assert.equal(middle.balance("right"), -AMOUNT);
    assert.equal(await right.balance("middle"), AMOUNT);
    assert.equal(await right.balance("app"), -AMOUNT);
  });

  it("lets a program at the middle pay and be paid by both", async () => {
    const program = await connectBtp(middle.url, "program");
    const far = await connectBtp(senderUrl, "app");
    const farPayee = new Payee(far);
    const before = middle.balance("left");
    await paySurely(program, { destination: "test.middle.left.app", amount: 11 });
    await middle.settles();
    assert.equal(farPayee.received, 11n);
    assert.equal(middle.balance(idOf("program")), 11n);
    assert.equal(middle.balance("left"), before - 11n);
    await program.disconnect();
    await far.disconnect();
  });
});
