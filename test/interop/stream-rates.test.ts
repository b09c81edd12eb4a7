// STREAM across one, two and three Ferrules with different assets, scales, rates and spreads. Every
// packet that arrives has exactly the amount that exact arithmetic gives: floor at each hop of
// amount × rate × (1 − spread), here with bigints that share no code with the core (EX-01). Nothing
// is lost: each node's books sum to zero in every asset, and its income is what it kept.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectBtp, ilpPacket, type Plugin } from "../support/peers.js";
import { Ferrule, StreamPayee } from "./support.js";

interface Asset {
  code: string;
  scale: number;
}

/** What one node does between its left and its right account. */
interface Hop {
  /** Price of one whole unit of the left asset in whole units of the right, as a decimal. */
  rate: string;
  spread: string;
}

interface Scene {
  name: string;
  /** One more than there are hops. */
  assets: Asset[];
  hops: Hop[];
  amount: bigint;
}

const asset = (code: string, scale: number): Asset => ({ code, scale });
const XRP = asset("XRP", 9);
const scenes: Scene[] = [
  {
    name: "one, same asset, spread",
    assets: [XRP, XRP],
    hops: [{ rate: "1", spread: "0.002" }],
    amount: 1_000_000_007n,
  },
  {
    name: "one, cents to drops",
    assets: [asset("USD", 2), asset("XRP", 6)],
    hops: [{ rate: "1.960784", spread: "0" }],
    amount: 123_457n,
  },
  {
    name: "two, three assets",
    assets: [XRP, asset("USD", 6), asset("EUR", 2)],
    hops: [
      { rate: "0.5103", spread: "0.002" },
      { rate: "0.92", spread: "0.01" },
    ],
    amount: 1_234_567_890_123n,
  },
  {
    name: "three, four assets, down to no decimals",
    assets: [asset("BTC", 8), asset("USD", 4), asset("XRP", 6), asset("JPY", 0)],
    hops: [
      { rate: "64123.77", spread: "0.000001" },
      { rate: "1.9531", spread: "0.005" },
      { rate: "76.543", spread: "0" },
    ],
    amount: 98_765_432n,
  },
  {
    name: "three, one asset in three scales",
    assets: [XRP, asset("XRP", 6), asset("XRP", 3), XRP],
    hops: [
      { rate: "1", spread: "0" },
      { rate: "1", spread: "0.0001" },
      { rate: "1", spread: "0" },
    ],
    amount: 5_000_000_000_001n,
  },
];

/** A decimal as a fraction. */
function fraction(decimal: string): [bigint, bigint] {
  const [whole, digits = ""] = decimal.split(".");
  return [BigInt(whole + digits), 10n ** BigInt(digits.length)];
}

/** One hop, exactly. `from` and `to` may be either way round; `inverse` says which. */
function convert(amount: bigint, hop: Hop, from: Asset, to: Asset, inverse: boolean): bigint {
  const [n, d] = fraction(hop.rate);
  const [s, t] = fraction(hop.spread);
  const [up, down] = inverse ? [d, n] : [n, d];
  const numerator = amount * up * (t - s) * 10n ** BigInt(to.scale);
  return numerator / (down * t * 10n ** BigInt(from.scale));
}

/** Amounts before the first hop, between hops and after the last. */
function walk(scene: Scene, amount: bigint, backwards: boolean): bigint[] {
  const amounts = [amount];
  const order = scene.hops.map((_, i) => (backwards ? scene.hops.length - 1 - i : i));
  for (const i of order) {
    const [left, right] = [scene.assets[i]!, scene.assets[i + 1]!];
    const [from, to] = backwards ? [right, left] : [left, right];
    amounts.push(convert(amounts.at(-1)!, scene.hops[i]!, from, to, backwards));
  }
  return amounts;
}

function nodeToml(scene: Scene, i: number, nextUrl: string | null): string {
  const { rate, spread } = scene.hops[i]!;
  const [left, right] = [scene.assets[i]!, scene.assets[i + 1]!];
  const account = (id: string, relation: string, { code, scale }: Asset, btp: string): string => `
    [accounts.${id}]
    relation = "${relation}"
    assetCode = "${code}"
    assetScale = ${scale}
    btp = { ${btp} }
  `;
  const listen = (token: string): string => `listen = true, token = "${token}"`;
  const dial = `url = "${nextUrl}", token = "link", reconnect = { min = 20, max = 100 }`;
  const routes = scene.hops
    .map((_, j) => j)
    .filter((j) => j !== i)
    .map((j) => `{ targetPrefix = "test.n${j}", peerId = "${j < i ? "left" : "right"}" }`);
  const rates =
    left.code === right.code
      ? ""
      : `rates = [{ from = "${left.code}", to = "${right.code}", rate = "${rate}", both = true }]`;
  return `
    ilpAddress = "test.n${i}"
    spread = "${spread}"
    routes = [${routes.join(", ")}]
    ${rates}
    ${account("left", i === 0 ? "child" : "peer", left, listen(i === 0 ? "sender" : "link"))}
    ${account("right", nextUrl ? "peer" : "child", right, nextUrl ? dial : listen("receiver"))}
    [btp]
    port = 0
    [http]
    enabled = false
    [admin]
    enabled = false
  `;
}

/** Packets a plugin sent and was sent, with what became of them. */
class Tap {
  readonly sent = new Map<string, { amount: bigint; isFulfilled: boolean }>();
  readonly arrived = new Map<string, bigint>();

  constructor(plugin: Plugin) {
    const sendData = plugin.sendData.bind(plugin);
    plugin.sendData = async (packet) => {
      const { amount, data } = ilpPacket.deserializeIlpPrepare(packet);
      const note = { amount: BigInt(amount), isFulfilled: false };
      this.sent.set(data.toString("hex"), note);
      const reply = await sendData(packet);
      note.isFulfilled = reply[0] === 13;
      return reply;
    };
    const register = plugin.registerDataHandler.bind(plugin);
    plugin.registerDataHandler = (handler) =>
      register((packet) => {
        const { amount, data } = ilpPacket.deserializeIlpPrepare(packet);
        this.arrived.set(data.toString("hex"), BigInt(amount));
        return handler(packet);
      });
  }
}

/** Every packet that arrived has the exact amount; adds up what was fulfilled at each place. */
function checkPackets(scene: Scene, from: Tap, to: Tap, backwards: boolean): bigint[] {
  const totals = scene.assets.map(() => 0n);
  let seen = 0;
  for (const [data, { amount, isFulfilled }] of from.sent) {
    const amounts = walk(scene, amount, backwards);
    const arrived = to.arrived.get(data);
    if (arrived !== undefined) {
      seen++;
      assert.equal(arrived, amounts.at(-1), `${amount} became ${arrived}`);
    }
    if (isFulfilled) amounts.forEach((value, i) => (totals[i]! += value));
  }
  if (!backwards) assert.ok(seen >= 3, "packets arrived");
  return totals;
}

describe("STREAM across Ferrules with different assets", () => {
  for (const scene of scenes) {
    it(scene.name, async () => {
      const nodes: Ferrule[] = [];
      for (let i = scene.hops.length - 1; i >= 0; i--) {
        nodes.unshift(await Ferrule.start(nodeToml(scene, i, nodes[0]?.url ?? null)));
      }
      const receiver = await connectBtp(nodes.at(-1)!.url, "receiver");
      const sender = await connectBtp(nodes[0]!.url, "sender");
      const [senderTap, receiverTap] = [new Tap(sender), new Tap(receiver)];
      const payee = await StreamPayee.start(receiver);
      const { sent, delivered } = await payee.bePaid(sender, scene.amount);
      for (const node of nodes) await node.settles();
      await sender.disconnect();
      await receiver.disconnect();

      checkPackets(scene, receiverTap, senderTap, true);
      const totals = checkPackets(scene, senderTap, receiverTap, false);
      assert.equal(sent, scene.amount);
      assert.deepEqual([sent, delivered, payee.received], [totals[0], totals.at(-1), delivered]);
      nodes.forEach((node, i) => {
        const [left, right] = [totals[i]!, totals[i + 1]!];
        assert.deepEqual([node.balance("left"), node.balance("right")], [left, -right]);
        checkIncome(node, scene.assets[i]!, scene.assets[i + 1]!, left, right);
      });
      for (const node of nodes) await node.stop();
    });
  }
});

function checkIncome(node: Ferrule, from: Asset, to: Asset, left: bigint, right: bigint): void {
  if (from.code === to.code && from.scale === to.scale) {
    assert.equal(node.income(from.code, from.scale), left - right);
    assert.ok(left >= right);
  } else {
    assert.equal(node.income(from.code, from.scale), left);
    assert.equal(node.income(to.code, to.scale), -right);
  }
}
