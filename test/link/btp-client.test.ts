// The dialer against real servers: it comes back, it waits longer each time, it gives nothing away.
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { after, test } from "node:test";
import { WebSocketServer, type WebSocket } from "ws";
import { Secret } from "../../host/config/secret.js";
import type { BtpDialLink } from "../../host/config/types.js";
import { BtpDialer, pause } from "../../host/link/btp-client.js";
import { writeAuth, writeNotAccepted, writeResponse } from "../../host/link/btp-frame.js";
import { DIAL, makeDeps, serve, until } from "./btp-support.js";

const cleanUps: (() => unknown)[] = [];
after(() => Promise.all(cleanUps.map((cleanUp) => cleanUp())));

function dial(link: Partial<BtpDialLink>) {
  const deps = makeDeps();
  const dialer = new BtpDialer(5, "bob", { ...DIAL, ...link }, deps);
  cleanUps.push(() => dialer.stop());
  dialer.start();
  const reasons = () => deps.log.lines.map((line) => String(line.fields.reason));
  return { dialer, fake: deps.switch, log: deps.log, reasons };
}

/** A WebSocket server that does with the first frame what `onAuth` says. */
async function impersonate(onAuth: (ws: WebSocket, frame: Buffer, path: string) => void) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  let connections = 0;
  server.on("connection", (ws, request) => {
    connections++;
    ws.once("message", (frame: Buffer) => onAuth(ws, frame, request.url ?? ""));
  });
  cleanUps.push(() => {
    for (const ws of server.clients) ws.terminate();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `ws://127.0.0.1:${port}`, count: () => connections };
}

test("BTP-01: the first frame is auth with its parts in order; the path goes along", async () => {
  let seen: [Buffer, string] | undefined;
  const { url } = await impersonate((ws, frame, path) => {
    seen = [frame, path];
    ws.send(writeResponse(frame.readUInt32BE(1)));
  });
  const link = { url: `${url}/accounts/alice/ilp/btp?k=v`, username: "alice" };
  const { dialer, fake, log } = dial(link);
  assert.equal(dialer.state, "connecting");
  await until("the link", () => fake.links.has(5));
  assert.equal(dialer.state, "connected");
  const [frame, path] = seen!;
  assert.deepEqual(frame, Buffer.from(writeAuth(frame.readUInt32BE(1), "alice", "sesame")));
  assert.equal(path, "/accounts/alice/ilp/btp?k=v");
  const shown = `${fake.links.get(5)!.describe()}${JSON.stringify(log.lines)}`;
  assert.ok(!shown.includes("sesame") && !shown.includes("k=v"), shown);
});

test("frames before the Response are ignored, garbage ends the attempt", async () => {
  const { url, count } = await impersonate((ws, frame) => {
    const id = frame.readUInt32BE(1);
    ws.send(writeResponse(id ^ 1)); // BTP-07: not our id
    if (count() === 1) return ws.send(Buffer.from("garbage"));
    ws.send(writeResponse(id));
  });
  const { fake, reasons } = dial({ url });
  await until("the link", () => fake.links.has(5));
  assert.deepEqual(reasons(), ["the server's answer was not a BTP frame"]);
  assert.equal(count(), 2);
});

test("a refusal is told once, in a sentence, without the token, and tried again", async () => {
  const { url, count } = await impersonate((ws, frame) => {
    ws.send(writeNotAccepted(frame.readUInt32BE(1), "No such\naccount.", 0));
    ws.close();
  });
  const { dialer, fake, log, reasons } = dial({ url });
  await until("more attempts", () => count() >= 3);
  dialer.stop();
  const said = "the server refused the token: F00 NotAcceptedError No such?account.";
  assert.equal(reasons()[0], said);
  const levels = log.lines.map((line) => line.level);
  assert.deepEqual(levels.slice(0, 2), ["warn", "debug"]);
  assert.ok(!JSON.stringify(log.lines).includes("sesame"));
  assert.deepEqual(fake.calls, []);
});

test("BTP-02: a server that closes without an Error, as interledger-rs does", async () => {
  const { url, count } = await impersonate((ws) => ws.close());
  const { fake, reasons } = dial({ url });
  await until("more attempts", () => count() >= 2);
  assert.match(reasons()[0], /^the peer closed the connection/);
  assert.deepEqual(fake.calls, []);
});

test("a server that does not answer auth, or not even HTTP, is given up in time", async () => {
  const silent = await impersonate(() => {});
  const first = dial({ url: silent.url, authTimeoutMs: 50 });
  await until("two attempts", () => silent.count() >= 2);
  assert.match(first.reasons()[0], /did not answer the auth message in 50 ms/);
  first.dialer.stop();

  const sockets: Socket[] = [];
  const mute: Server = createServer((socket) => sockets.push(socket.on("error", () => {})));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  cleanUps.push(() => sockets.map((socket) => socket.destroy()) && mute.close());
  const { port } = mute.address() as { port: number };
  dial({ url: `ws://127.0.0.1:${port}`, authTimeoutMs: 50 });
  await until("two attempts", () => sockets.length >= 2);
});

test("it comes back when the server does, and authenticates anew (BTP-05)", async () => {
  const first = await serve();
  const link = { url: first.url, token: new Secret("token-8") };
  const { dialer, fake, reasons } = dial(link);
  await until("the first link", () => fake.links.has(5) && first.fake.links.has(8));
  const before = fake.links.get(5);
  await first.server.close();
  await until("the loss to be noticed", () => !fake.links.has(5));
  await until("a failed attempt", () => reasons().some((reason) => /nothing listens/.test(reason)));
  assert.equal(dialer.state, "waiting");
  const second = await serve({ ports: [Number(new URL(first.url).port)] });
  cleanUps.push(() => second.server.close());
  await until("the second link", () => fake.links.has(5) && second.fake.links.has(8));
  assert.notEqual(fake.links.get(5), before);
  assert.deepEqual(fake.calls, ["attach 5", "detach 5", "attach 5"]);
});

test("a link the switch closes is dialled again", async () => {
  const { server, url, fake: far } = await serve();
  cleanUps.push(() => server.close());
  const { fake } = dial({ url, token: new Secret("token-8") });
  await until("the link", () => fake.links.has(5));
  fake.links.get(5)!.close("the switch says so");
  await until("another", () => far.calls.filter((call) => call === "attach 8").length === 2);
});

test("stop ends it in every state, for good", async () => {
  const { server, url, fake: far } = await serve();
  cleanUps.push(() => server.close());
  const connecting = dial({ url, token: new Secret("token-1") });
  connecting.dialer.stop();
  const connected = dial({ url, token: new Secret("token-2") });
  await until("both links", () => far.links.has(2) && connected.fake.links.has(5));
  connected.dialer.stop();
  connected.dialer.stop();
  await until("the end of the link", () => !far.links.has(2));
  const waiting = dial({ reconnectMinMs: 1, reconnectMaxMs: 1 });
  await until("a wait", () => waiting.dialer.state === "waiting");
  waiting.dialer.stop();
  const lines = waiting.log.lines.length;
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(waiting.log.lines.length, lines);
  assert.equal(far.calls.includes("attach 1"), false);
  for (const { dialer } of [connecting, connected, waiting]) assert.equal(dialer.state, "stopped");
  assert.deepEqual(connected.fake.calls, ["attach 5", "detach 5"]);
});

test("pauses double, are spread, and stay within their bounds", () => {
  for (let failures = 0; failures < 100; failures++) {
    const full = Math.min(60_000, 100 * 2 ** failures);
    const seen = Array.from({ length: 50 }, () => pause(failures, 100, 60_000));
    for (const ms of seen) assert.ok(ms >= Math.max(100, full / 2 - 1) && ms <= full, `${ms}`);
    if (failures > 0) assert.ok(new Set(seen).size > 5, "spread");
  }
});
