// What strangers and bad peers do to the BTP port while two honest accounts pay each other through
// the whole connector: these must not notice, and the sums must be right to the unit.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import { writeAuth } from "../../host/link/btp-frame.js";
import { writeFulfill, writePrepare } from "../../host/packet.js";
import { Client, clientFrame, dialDeaf, dialRaw, dialWebSocket, until } from "./btp-support.js";

const BtpPacket = createRequire(import.meta.url)("btp-packet");

const folder = mkdtempSync(join(tmpdir(), "ferrule-hostile-"));
const account = (id: string) => `
[accounts.${id}]
relation = "child"
assetCode = "XRP"
assetScale = 9
balance = { minimum = "-1000000000", maximum = "1000000000" }
rateLimit = { refillCount = 1000000 }
btp = { listen = true, token = "token-of-${id}" }
`;

let connector: Connector;
let url: string;
let bob: Client;
let alice: Client;
let paid = 0n;
let nextId = 10;

before(async () => {
  const text = `
ilpAddress = "test.ferrule"
spread = 0
dataDir = "${folder}"
[btp]
port = 0
maxConnections = 300
authTimeout = 300
[http]
enabled = false
[admin]
enabled = false
${["alice", "bob", "mallory"].map(account).join("")}`;
  connector = createConnector(parseConfig(text, join(folder, "ferrule.toml")));
  await connector.start();
  url = connector.listening.find(({ kind }) => kind === "btp")!.url;
  bob = await new Client(url).enter("token-of-bob");
  bob.ws.on("message", (bytes: Buffer) => {
    const { type, requestId, data } = BtpPacket.deserialize(bytes);
    if (type !== BtpPacket.TYPE_MESSAGE) return;
    const fulfillment = data.protocolData[0].data.subarray(-32);
    bob.ws.send(response(requestId, writeFulfill(fulfillment)));
  });
  alice = await new Client(url).enter("token-of-alice");
});

after(async () => {
  await connector.stop();
  rmSync(folder, { recursive: true });
});

const ilp = (data: Uint8Array) => [
  { protocolName: "ilp", contentType: 0, data: Buffer.from(data) },
];
const message = (id: number, packet: Uint8Array): Buffer =>
  BtpPacket.serializeMessage(id, ilp(packet));
const response = (id: number, packet: Uint8Array): Buffer =>
  BtpPacket.serializeResponse(id, ilp(packet));

/** A Prepare that carries its own fulfillment as the last 32 bytes of its data. */
function prepare(destination: string, amount: bigint, dataSize = 32): Uint8Array {
  const expiresAtMs = Date.now() + 20_000;
  const data = randomBytes(dataSize);
  const condition = createHash("sha256").update(data.subarray(-32)).digest();
  return writePrepare({ amount, expiresAtMs, condition, destination, data });
}

/** Alice pays Bob `count` times at once; every payment must be fulfilled. */
async function pay(count = 50): Promise<void> {
  const from = alice.heard.length;
  for (let i = 0; i < count; i++) {
    alice.ws.send(message(nextId++, prepare("test.ferrule.bob.x", BigInt(i + 1))));
    paid += BigInt(i + 1);
  }
  await alice.answered(from + count);
  for (const bytes of alice.heard.slice(from)) {
    const { data } = BtpPacket.deserialize(bytes);
    assert.equal(data.protocolData[0].data[0], 13, "a Fulfill");
  }
}

const stateOf = (id: string) => connector.core.account(connector.registry.byId(id)!.index);

function checkBooks(): void {
  assert.equal(stateOf("alice").balance, paid);
  assert.equal(stateOf("bob").balance, -paid);
  assert.equal(stateOf("alice").debitsPending, 0n);
}

test("strangers by the hundred: idle, wrong, garbage, half a handshake", async () => {
  await pay();
  const sockets: Socket[] = [];
  for (let i = 0; i < 100; i++) {
    const socket = await (i % 2 ? dialWebSocket(url) : dialRaw(url));
    socket.on("error", () => {}).resume();
    if (i % 10 === 1) socket.write(clientFrame(2, writeAuth(1, "", `guess-${i}`)));
    if (i % 10 === 3) socket.write(clientFrame(2, Buffer.alloc(30_000, i)));
    if (i % 10 === 5) socket.write(clientFrame(2, Buffer.alloc(10), 10_000_000));
    if (i % 10 === 7) socket.write(Buffer.alloc(1000, 0xff));
    if (i % 10 === 2) socket.write(Buffer.alloc(20_000, 0x41));
    if (i % 10 === 4) socket.write("GET / HTTP/1.1\r\nUpgrade: websocket\r\n");
    sockets.push(socket);
    if (i % 20 === 0) await pay();
  }
  await until("all to be gone", () => sockets.every((socket) => socket.destroyed));
  await pay();
  checkBooks();
});

test("a peer that talks rubbish is closed, rubbish inside BTP is answered", async () => {
  const mallory = await new Client(url).enter("token-of-mallory");
  mallory.ws.send(message(9, Buffer.alloc(5000, 0xcc)));
  mallory.ws.send(response(77, writeFulfill(randomBytes(32)))); // BTP-07: nobody asked
  mallory.ws.send(Buffer.from(writeAuth(10, "", "token-of-mallory")));
  await mallory.answered(3);
  mallory.ws.send(Buffer.alloc(100, 0xcc));
  await mallory.closed();
  assert.equal(mallory.code, 1002);
  await pay();
  checkBooks();
  assert.equal(stateOf("mallory").balance, 0n);
});

test("a deaf peer: who sends to it hears T-codes, everyone else is not held up", async () => {
  const deaf = await dialDeaf(url, "token-of-mallory");
  deaf.on("error", () => {});
  const { index } = connector.registry.byId("mallory")!;
  const start = process.memoryUsage().rss;
  const before = alice.heard.length;
  let sent = 0;
  const isRejected = () => alice.heard.length > before;
  while (!isRejected() && sent < 3000) {
    for (let i = 0; i < 20; i++, sent++) {
      alice.ws.send(message(nextId++, prepare("test.ferrule.mallory", 1n, 32_000)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(isRejected(), `${sent} packets were taken for a peer that reads nothing`);
  const { data } = BtpPacket.deserialize(alice.heard[before]);
  assert.match(data.protocolData[0].data.toString("latin1", 0, 12), /T0[0-9]/);
  const mib = (process.memoryUsage().rss - start) / (1 << 20);
  assert.ok(mib < 150, `${mib} MiB more for one deaf peer`);
  // The connector is free for others while the deaf peer's queue is full.
  const from = bob.heard.length;
  bob.ws.send(message(1, prepare("test.ferrule.nobody", 1n)));
  await until("Bob's answer", () => bob.heard.length > from);
  assert.ok(connector.linkOf(index), "still given its chance");
  deaf.destroy();
  await until("the deaf link to go", () => connector.linkOf(index) === null);
});
