// Connections whose frames the core reads and writes, through the whole connector, against `ws`:
// bytes that begin and end anywhere, fragments, control frames, the largest packets, both ends of
// the handshake, and every way to part.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { after, test } from "node:test";
import { WebSocketServer, type WebSocket } from "ws";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector, type ConnectorOptions } from "../../host/connector.js";
import { LinkKind } from "../../host/core.js";
import { writeAuth, writeResponse } from "../../host/link/btp-frame.js";
import { writeFulfill, writePrepare } from "../../host/packet.js";
import { contentOffset, ilpFrame, packetOffset } from "../support/btp-peer.js";
import { Client, clientFrame, dialWebSocket, until } from "./btp-support.js";

const seed = Number(process.env["FERRULE_SEED"] ?? Date.now() & 0xffffff);
const connectors: Connector[] = [];
const cleanUps: (() => void)[] = [];
after(async () => {
  for (const cleanUp of cleanUps) cleanUp();
  await Promise.all(connectors.map((connector) => connector.stop()));
});

const { Receiver } = createRequire(import.meta.url)("ws") as {
  Receiver: new (options: object) => NodeJS.WritableStream;
};

/** A seeded generator (mulberry32): numbers below `n`. */
function generator(from: number): (n: number) => number {
  let state = from >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const listening = (id: string): string => accountToml(id, `listen = true, token = "token-${id}"`);

function accountToml(id: string, btp: string): string {
  return `[accounts.${id}]\nrelation = "child"\nassetCode = "XRP"\nassetScale = 9
rateLimit = { refillCount = 1000000 }\nmaxInFlight = 5000\nbtp = { ${btp} }\n`;
}

/** A connector with these accounts; nothing on disk. */
async function start(
  accounts: string,
  options: ConnectorOptions = {},
): Promise<[Connector, string]> {
  const toml = `ilpAddress = "test.node"\nspread = 0\n[btp]\nport = 0\n[http]\nenabled = false
[admin]\nenabled = false\n${accounts}`;
  const config = { ...parseConfig(toml, "stream.toml"), dataDir: "" };
  const connector = createConnector(config, options);
  connectors.push(connector);
  await connector.start();
  return [connector, connector.listening[0]!.url];
}

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

/** A Message with a Prepare whose data ends with its fulfillment. */
function prepareFrame(id: number, destination: string, dataSize: number): Buffer {
  const data = randomBytes(Math.max(32, dataSize));
  const condition = sha256(data.subarray(-32));
  const expiresAtMs = Date.now() + 20_000;
  return ilpFrame(6, id, writePrepare({ amount: 1n, expiresAtMs, condition, destination, data }));
}

/** Answers every Message with the fulfillment at its end. */
function fulfill(ws: WebSocket): void {
  ws.on("message", (frame: Buffer) => {
    if (frame[0] !== 6) return;
    const reply = writeFulfill(frame.subarray(-32), frame.subarray(-1032, -32));
    ws.send(ilpFrame(1, frame.readUInt32BE(1), reply));
  });
}

/** A client that writes its frames itself; what it hears goes through the receiver of `ws`. */
class RawClient {
  readonly heard: Buffer[] = [];
  readonly pongs: Buffer[] = [];
  closeCode = 0;
  ended = false;

  constructor(readonly socket: Socket) {
    const receiver = new Receiver({ isServer: false, skipUTF8Validation: true });
    receiver.on("message", (data: Buffer) => this.heard.push(Buffer.from(data)));
    receiver.on("pong", (data: Buffer) => this.pongs.push(Buffer.from(data)));
    receiver.on("conclude", (code: number) => (this.closeCode = code));
    socket.on("data", (chunk: Buffer) => void receiver.write(chunk));
    socket.on("end", () => (this.ended = true));
    socket.on("error", () => {});
  }

  static async connect(url: string): Promise<RawClient> {
    return new RawClient(await dialWebSocket(url));
  }

  /** Numbers of the packets that were fulfilled. */
  fulfilled(): number[] {
    return this.heard.flatMap((frame) => {
      const isFulfill = frame[0] === 1 && frame[packetOffset(frame)] === 13;
      return isFulfill ? [frame.readUInt32BE(1)] : [];
    });
  }
}

/** A masked frame with a random key. */
function masked(opcode: number, payload: Uint8Array, fin = true): Buffer {
  const frame = clientFrame(opcode, payload);
  if (!fin) frame[0]! &= 0x7f;
  const at = frame.length - payload.length;
  const key = randomBytes(4);
  frame.set(key, at - 4);
  for (let i = 0; i < payload.length; i++) frame[at + i]! ^= key[i & 3]!;
  return frame;
}

/** One message in one to five frames, control frames in between; says what it pinged. */
function fragments(below: (n: number) => number, message: Buffer, pings: Buffer[]): Buffer[] {
  const frames: Buffer[] = [];
  const control = (): void => {
    if (below(4) > 0) return;
    if (below(3) === 0) frames.push(masked(10, randomBytes(below(126))));
    const ping = randomBytes(below(126));
    pings.push(ping);
    frames.push(masked(9, ping));
  };
  const cuts = Array.from({ length: below(3) === 0 ? below(5) : 0 }, () => below(message.length));
  const edges = [0, ...cuts.sort((a, b) => a - b), message.length];
  for (let i = 0; i + 1 < edges.length; i++) {
    control();
    const part = message.subarray(edges[i], edges[i + 1]);
    frames.push(masked(i === 0 ? 2 : 0, part, i + 2 === edges.length));
  }
  control();
  return frames;
}

/** Writes `bytes` in pieces of random size, some of them in turns of their own. */
async function writeInPieces(
  socket: Socket,
  bytes: Buffer,
  below: (n: number) => number,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const size = 1 + below([10, 200, 5000, 100_000][below(4)]!);
    socket.write(bytes.subarray(at, at + size));
    at += size;
    if (below(8) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

test(`any chunks, fragments and sizes: every packet is answered once (seed ${seed})`, async () => {
  const [connector, url] = await start(listening("alice") + listening("bob"));
  fulfill((await new Client(url).enter("token-bob")).ws);
  const below = generator(seed);
  for (let life = 0; life < 6; life++) {
    const alice = await RawClient.connect(url);
    const pings: Buffer[] = [];
    const count = 60;
    const frames = [masked(2, writeAuth(1, "", "token-alice"))];
    for (let i = 0; i < count; i++) {
      const size = [0, 40, 1000, 20_000, 32_767][below(5)]!;
      const message = prepareFrame(1000 + i, "test.node.bob.x", size);
      frames.push(...fragments(below, message, pings));
    }
    // Authentication and packets come in one go: the first bytes of the core's follow `ws`'s last.
    await writeInPieces(alice.socket, Buffer.concat(frames), below);
    await until("all answers", () => alice.fulfilled().length === count);
    const expected = Array.from({ length: count }, (_, i) => 1000 + i);
    assert.deepEqual(
      alice.fulfilled().sort((a, b) => a - b),
      expected,
    );
    assert.deepEqual(alice.pongs, pings);
    alice.socket.destroy();
  }
  const [a, b] = ["alice", "bob"].map((id) => connector.registry.byId(id)!.index);
  assert.equal(connector.core.account(a!).balance, 360n);
  assert.equal(connector.core.account(b!).balance, -360n);
});

test("the chunk that authenticates may end at any byte of the packet behind it", async () => {
  const [, url] = await start(listening("alice") + listening("bob"));
  fulfill((await new Client(url).enter("token-bob")).ws);
  const auth = masked(2, writeAuth(1, "", "token-alice"));
  const bytes = Buffer.concat([auth, masked(2, prepareFrame(7, "test.node.bob.x", 0))]);
  for (let cut = auth.length - 3; cut <= bytes.length; cut += cut < auth.length + 20 ? 1 : 37) {
    const alice = await RawClient.connect(url);
    alice.socket.write(bytes.subarray(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    alice.socket.write(bytes.subarray(cut));
    await until(`the answer, cut at ${cut}`, () => alice.fulfilled().length === 1);
    alice.socket.destroy();
  }
});

test("dialled: the core masks what it sends, up to the largest packets", async () => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  cleanUps.push(() => {
    for (const ws of server.clients) ws.terminate();
    server.close();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  let far: WebSocket | undefined;
  server.on("connection", (ws) => {
    ws.once("message", (frame: Buffer) => {
      ws.send(writeResponse(frame.readUInt32BE(1)));
      fulfill((far = ws));
    });
  });
  const { port } = server.address() as { port: number };
  const dialled = accountToml("bob", `url = "btp+ws://:secret@127.0.0.1:${port}"`);
  const [connector, url] = await start(listening("alice") + dialled);
  const { index } = connector.registry.byId("bob")!;
  await until("the dialled link", () => connector.linkOf(index) !== null);
  assert.equal(connector.core.account(index).linkKind, LinkKind.WsClient);
  const alice = await new Client(url).enter("token-alice");
  const sizes = [0, 1, 60, 100, 1000, 30_000, 32_767];
  for (const [i, size] of sizes.entries()) {
    alice.ws.send(prepareFrame(i, "test.node.bob.x", size));
  }
  await alice.answered(1 + sizes.length);
  for (const frame of alice.heard.slice(1)) assert.equal(frame[packetOffset(frame)], 13);
  // And the other way: what the far side sends is not masked.
  const heard = new Promise<Buffer>((resolve) => far!.once("message", resolve));
  fulfill(alice.ws);
  far!.send(prepareFrame(99, "test.node.alice.x", 32_767));
  const reply = await heard;
  assert.equal(reply.readUInt32BE(1), 99);
  assert.equal(reply[packetOffset(reply)], 13);
});

test("partings: each side's close code arrives, and the connection is gone at once", async () => {
  const [connector, url] = await start(listening("alice"));
  const { index } = connector.registry.byId("alice")!;
  const endings: [string, (ws: WebSocket) => void, number][] = [
    ["a close with a code", (ws) => ws.close(1000, "bye"), 1000],
    ["a close without one", (ws) => ws.close(), 1005],
    ["text", (ws) => ws.send("text"), 1003],
    ["what is no BTP frame", (ws) => ws.send(Buffer.alloc(50, 0xcc)), 1002],
    ["a message longer than any", (ws) => ws.send(Buffer.alloc(100_000)), 1009],
    ["the switch", () => connector.linkOf(index)!.close("enough"), 1001],
  ];
  for (const [what, end, code] of endings) {
    const client = await new Client(url).enter("token-alice");
    await until("the link", () => connector.linkOf(index) !== null);
    const started = performance.now();
    end(client.ws);
    await client.closed();
    assert.equal(client.code, code, what);
    assert.ok(performance.now() - started < 1500, `${what} waited for a timeout`);
    if (what === "the switch") assert.equal(client.reason, "enough");
  }
});

test("a peer that half-closes gets what was said before, and is let go", async () => {
  const [connector, url] = await start(listening("alice"));
  const { index } = connector.registry.byId("alice")!;
  const alice = await RawClient.connect(url);
  const count = 40;
  const frames = [masked(2, writeAuth(1, "", "token-alice"))];
  for (let i = 0; i < count; i++) frames.push(masked(2, prepareFrame(i, "test.nowhere", 500)));
  alice.socket.end(Buffer.concat(frames));
  await until("its end", () => alice.ended);
  assert.equal(alice.heard.length, 1 + count, "every Reject left before the connection ended");
  await until("detach", () => connector.linkOf(index) === null);
});

test("a slow reader loses nothing that was sent to it, and is read again", async () => {
  const [connector, url] = await start(listening("alice") + listening("bob"));
  const bob = await new Client(url).enter("token-bob");
  const alice = await new Client(url).enter("token-alice");
  const { index } = connector.registry.byId("bob")!;
  fulfill(bob.ws);
  bob.ws.pause();
  let sent = 0;
  while (alice.heard.length === 1) {
    for (let i = 0; i < 16; i++) alice.ws.send(prepareFrame(sent++, "test.node.bob.x", 32_000));
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(sent < 4000, "nothing was refused");
  }
  bob.ws.resume();
  await until("every answer", () => alice.heard.length === 1 + sent, 15_000);
  const replies = alice.heard.slice(1).map((frame) => frame[packetOffset(frame)]);
  const fulfilled = replies.filter((type) => type === 13).length;
  assert.equal(connector.core.account(index).balance, BigInt(-fulfilled));
  const refused = alice.heard.slice(1).filter((frame) => frame[packetOffset(frame)] === 14);
  for (const frame of refused) {
    const at = contentOffset(frame, packetOffset(frame));
    assert.match(frame.toString("latin1", at, at + 3), /^T0/);
  }
  const from = alice.heard.length;
  alice.ws.send(prepareFrame(sent, "test.node.bob.x", 0));
  await alice.answered(from + 1);
  assert.equal(alice.heard[from]![packetOffset(alice.heard[from]!)], 13);
});

test("a core that reads no streams: `ws` does the framing", async () => {
  const wasm = readFileSync(new URL("../../build/board.wasm", import.meta.url));
  const accounts = (listening("alice") + listening("bob")).replace(/5000/g, "50");
  const [connector, url] = await start(accounts, { wasm: new Uint8Array(wasm) });
  fulfill((await new Client(url).enter("token-bob")).ws);
  const alice = await new Client(url).enter("token-alice");
  const { index } = connector.registry.byId("alice")!;
  assert.equal(connector.core.account(index).linkKind, LinkKind.Btp);
  for (let i = 0; i < 5; i++) alice.ws.send(prepareFrame(i, "test.node.bob.x", 1000 * i));
  await alice.answered(6);
  for (const frame of alice.heard.slice(1)) assert.equal(frame[packetOffset(frame)], 13);
});
