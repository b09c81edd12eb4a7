// Peers that lie, end to end: replies nobody asked for, wrong, late, doubled and stolen ones, and
// floods that are never answered. Money moves only for a right fulfillment in time from the peer
// that was asked (ILP-26..33), holds always end, and those who behave notice nothing.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, afterEach, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { Counter, Rule } from "../../host/core.js";
import { writeAuth } from "../../host/link/btp-frame.js";
import {
  btpPacket,
  connectBtp,
  ilpPacket,
  until,
  type BtpFrame,
  type Plugin,
  type Prepare,
} from "../support/peers.js";
import { Ferrule, fulfillmentOf, pay, Payee, paySurely } from "./support.js";

const IN_FLIGHT_MAX = 40;

/** A BTP client that does what it is told and nothing by itself. */
class Liar {
  readonly #ws: WebSocket;
  /** Prepares it was sent, with the ids they came under. */
  readonly asked: { id: number; prepare: Prepare }[] = [];
  /** Answers to what it sent. */
  readonly answers: BtpFrame[] = [];
  isClosed = false;

  private constructor(url: string) {
    this.#ws = new WebSocket(url);
    this.#ws.on("message", (data: Buffer) => {
      const frame = btpPacket.deserialize(data);
      if (frame.type !== btpPacket.TYPE_MESSAGE) return void this.answers.push(frame);
      const prepare = ilpPacket.deserializeIlpPrepare(frame.data.protocolData[0]!.data);
      this.asked.push({ id: frame.requestId, prepare });
    });
    this.#ws.on("close", () => (this.isClosed = true));
  }

  static async connect(url: string, token: string): Promise<Liar> {
    const liar = new Liar(url);
    await new Promise((resolve) => liar.#ws.once("open", resolve));
    liar.#ws.send(writeAuth(1, "", token));
    await until("the answer to auth", () => liar.answers.length === 1);
    liar.answers.pop();
    return liar;
  }

  send(type: number, id: number, packet: Buffer | null): void {
    const ilp = { protocolName: "ilp", contentType: btpPacket.MIME_APPLICATION_OCTET_STREAM };
    const protocolData = packet ? [{ ...ilp, data: packet }] : [];
    this.#ws.send(btpPacket.serialize({ type, requestId: id, data: { protocolData } }));
  }

  reply(id: number, packet: Buffer | null): void {
    this.send(btpPacket.TYPE_RESPONSE, id, packet);
  }

  fulfill(id: number, fulfillment: Buffer): void {
    this.reply(id, ilpPacket.serializeIlpFulfill({ fulfillment, data: Buffer.alloc(0) }));
  }

  close(): void {
    this.#ws.terminate();
  }
}

const reject = ilpPacket.serializeIlpReject({
  code: "F99",
  triggeredBy: "test.liar",
  message: "no",
  data: Buffer.alloc(0),
});

describe("hostile peers", () => {
  let ferrule: Ferrule;
  let liar: Liar;
  let alice: Plugin;
  let carol: Plugin;
  let payee: Payee;

  before(async () => {
    const account = (id: string, more = ""): string => `
      [accounts.${id}]
      relation = "child"
      assetCode = "XRP"
      assetScale = 9
      btp = { listen = true, token = "${id}" }
      ${more}
    `;
    const bounds = `maxInFlight = ${IN_FLIGHT_MAX}\nbalance = { maximum = "1000000" }`;
    ferrule = await Ferrule.start(`
      ilpAddress = "test.node"
      spread = 0
      minMessageWindow = 50
      ${account("alice")}${account("carol")}${account("liar", bounds)}${account("thief", bounds)}
      [btp]
      port = 0
      [http]
      enabled = false
      [admin]
      enabled = false
    `);
    liar = await Liar.connect(ferrule.url, "liar");
    alice = await connectBtp(ferrule.url, "alice");
    carol = await connectBtp(ferrule.url, "carol");
    payee = new Payee(carol);
  });

  after(async () => {
    liar?.close();
    await alice?.disconnect();
    await carol?.disconnect();
    await ferrule?.stop();
  });

  // Whatever a liar did: it is still connected, the books are sound, and others can pay.
  afterEach(async () => {
    assert.equal(liar.isClosed, false);
    await ferrule.settles();
    payee.isSilent = false;
    await paySurely(alice, { destination: "test.node.carol", amount: 1 });
  });

  const counter = (which: Counter): bigint => ferrule.connector.core.counter(which);

  /** Alice pays the liar; resolves when the liar has been asked. */
  async function askLiar(
    amount: number,
    expiresInMs = 10_000,
  ): Promise<{ id: number; right: Buffer; paid: ReturnType<typeof pay> }> {
    const heard = liar.asked.length;
    const paid = pay(alice, { destination: "test.node.liar", amount, expiresInMs });
    await until("the liar to be asked", () => liar.asked.length > heard);
    const { id, prepare } = liar.asked[heard]!;
    return { id, right: fulfillmentOf(prepare.data), paid };
  }

  async function codeOf(paid: ReturnType<typeof pay>): Promise<string> {
    const reply = await paid;
    return reply.type === 14 ? reply.data.code : "fulfilled";
  }

  it("replies to nothing move nothing", async () => {
    const before = counter(Counter.Unsolicited);
    for (const id of [0, 1, 0xffffffff, ...Array.from({ length: 97 }, (_, i) => i * 43_000_001)]) {
      liar.fulfill(id % 0x100000000, randomBytes(32));
    }
    await until("all of them", () => counter(Counter.Unsolicited) === before + 100n);
    assert.equal(ferrule.balance("liar"), 0n);
  });

  it("a wrong fulfillment is F05 upstream, ends the hold and is counted", async () => {
    const { id, right, paid } = await askLiar(500);
    assert.equal(ferrule.account("liar").creditsPending, 500n);
    liar.fulfill(id, randomBytes(32));
    assert.equal(await codeOf(paid), "F05");
    assert.equal(ferrule.account("liar").creditsPending, 0n);
    assert.equal(counter(Counter.WrongFulfillments), 1n);
    const { registry, core } = ferrule.connector;
    assert.equal(core.meter(registry.byId("liar")!.index).outWrong, 1n);
    assert.equal(core.events(1)[0]!.rule, Rule[Rule.WrongFulfillment]);
    // It had its one chance.
    const doubled = counter(Counter.Duplicates);
    liar.fulfill(id, right);
    await until("the right one to be ignored", () => counter(Counter.Duplicates) === doubled + 1n);
    assert.equal(ferrule.balance("liar"), 0n);
  });

  it("a right fulfillment counts once", async () => {
    const { id, right, paid } = await askLiar(600);
    const before = ferrule.balance("liar");
    const doubled = counter(Counter.Duplicates);
    liar.fulfill(id, right);
    liar.fulfill(id, right);
    liar.reply(id, reject);
    liar.reply(id, null);
    assert.equal(await codeOf(paid), "fulfilled");
    await until("the rest to be ignored", () => counter(Counter.Duplicates) === doubled + 3n);
    assert.equal(ferrule.balance("liar"), before - 600n);
  });

  it("a fulfillment after a Reject is too late", async () => {
    const { id, right, paid } = await askLiar(700);
    const before = ferrule.balance("liar");
    const doubled = counter(Counter.Duplicates);
    liar.reply(id, reject);
    liar.fulfill(id, right);
    assert.equal(await codeOf(paid), "F99");
    await until("it to be ignored", () => counter(Counter.Duplicates) === doubled + 1n);
    assert.equal(ferrule.balance("liar"), before);
  });

  it("a fulfillment after the expiry moves nothing and is kept as evidence", async () => {
    const { id, right, paid } = await askLiar(800, 400);
    const before = ferrule.balance("liar");
    assert.equal(await codeOf(paid), "R00");
    assert.equal(ferrule.account("alice").debitsPending, 0n);
    liar.fulfill(id, randomBytes(32));
    liar.fulfill(id, right);
    await until("the evidence", () => counter(Counter.LateFulfills) === 1n);
    const line = ferrule.logLines.find(({ message }) => message.includes("kept as evidence"))!;
    assert.deepEqual(line.fields, { account: "liar", source: "alice", amount: 800n });
    assert.equal(ferrule.balance("liar"), before);
  });

  it("what is no reply at all ends the packet with T00", async () => {
    const prepare = (): Buffer =>
      ilpPacket.serializeIlpPrepare({ ...liar.asked[0]!.prepare, expiresAt: new Date() });
    for (const packet of [null, Buffer.alloc(1), randomBytes(200), prepare(), reject.subarray(1)]) {
      const { id, paid } = await askLiar(5);
      liar.reply(id, packet);
      assert.equal(await codeOf(paid), "T00");
    }
  });

  it("one account cannot answer for another", async () => {
    const thief = await Liar.connect(ferrule.url, "thief");
    const { id, right, paid } = await askLiar(900);
    const before = ferrule.balance("liar");
    thief.fulfill(id, right);
    thief.reply(id, reject);
    await until("the theft", () => counter(Counter.CrossLink) === 2n);
    assert.equal(ferrule.balance("thief"), 0n);
    assert.equal(ferrule.account("liar").creditsPending, 900n);
    liar.fulfill(id, right);
    assert.equal(await codeOf(paid), "fulfilled");
    assert.equal(ferrule.balance("liar"), before - 900n);
    thief.close();
  });

  it("a flood towards one who never answers is bounded, and others can pay", async () => {
    const flood = Array.from({ length: 3 * IN_FLIGHT_MAX }, () =>
      pay(alice, { destination: "test.node.liar", amount: 1, expiresInMs: 2000 }),
    );
    await until("the flood", () => ferrule.account("liar").flightsOut === IN_FLIGHT_MAX);
    await paySurely(alice, { destination: "test.node.carol", amount: 1 });
    assert.ok(ferrule.account("liar").flightsOut <= IN_FLIGHT_MAX);
    const codes = await Promise.all(flood.map(codeOf));
    assert.equal(codes.filter((code) => code === "T03").length, 2 * IN_FLIGHT_MAX);
    assert.equal(codes.filter((code) => code === "R00").length, IN_FLIGHT_MAX);
  });

  it("a flood from one whose packets nobody answers is bounded, and others can pay", async () => {
    payee.isSilent = true;
    const answered = liar.answers.length;
    for (let id = 1; id <= 1000; id++) {
      const data = randomBytes(16);
      const executionCondition = createHash("sha256").update(data).digest();
      const expiresAt = new Date(Date.now() + 1500);
      const destination = "test.node.carol";
      const prepare = { amount: "1", executionCondition, expiresAt, destination, data };
      liar.send(btpPacket.TYPE_MESSAGE, id, ilpPacket.serializeIlpPrepare(prepare));
    }
    const refused = 1000 - IN_FLIGHT_MAX;
    await until("the refusals", () => liar.answers.length >= answered + refused);
    assert.equal(ferrule.account("liar").flightsIn, IN_FLIGHT_MAX);
    payee.isSilent = false;
    const others = Array.from({ length: 20 }, () =>
      paySurely(alice, { destination: "test.node.carol", amount: 1 }),
    );
    await Promise.all(others);
    await until("the rest", () => liar.answers.length === answered + 1000);
    const codes = liar.answers.slice(answered).map(({ data }) => {
      const packet = ilpPacket.deserializeIlpPacket(data.protocolData[0]!.data);
      return packet.type === 14 ? packet.data.code : "fulfilled";
    });
    assert.deepEqual(
      [codes.filter((code) => code === "T03").length, codes.filter((c) => c === "R00").length],
      [refused, IN_FLIGHT_MAX],
    );
    assert.equal(ferrule.account("liar").flightsIn, 0);
  });

  it("a peer at its credit limit is refused, and may pay again once it has earned", async () => {
    const owed = ferrule.balance("liar");
    const room = 1_000_000n - owed;
    const send = async (id: number, amount: bigint): Promise<string> => {
      const answered = liar.answers.length;
      const data = randomBytes(16);
      const executionCondition = createHash("sha256").update(fulfillmentOf(data)).digest();
      const expiresAt = new Date(Date.now() + 10_000);
      const destination = "test.node.carol";
      const prepare = { executionCondition, expiresAt, destination, data };
      const packet = ilpPacket.serializeIlpPrepare({ ...prepare, amount: amount.toString() });
      liar.send(btpPacket.TYPE_MESSAGE, id, packet);
      await until("an answer", () => liar.answers.length > answered);
      const reply = ilpPacket.deserializeIlpPacket(
        liar.answers[answered]!.data.protocolData[0]!.data,
      );
      return reply.type === 14 ? `${reply.data.code} ${reply.data.message}` : "fulfilled";
    };
    assert.equal(await send(1, room + 1n), "T04 exceeded maximum balance.");
    assert.equal(await send(2, room), "fulfilled");
    assert.equal(await send(3, 1n), "T04 exceeded maximum balance.");
    const { id, right, paid } = await askLiar(10);
    liar.fulfill(id, right);
    assert.equal(await codeOf(paid), "fulfilled");
    assert.equal(await send(4, 10n), "fulfilled");
    assert.equal(ferrule.balance("liar"), 1_000_000n);
  });
});
