// The BTP port against real sockets: who gets in (BTP-01..05, BTP-09), browsers, TLS, ports and
// liveness.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { Status } from "../../host/core.js";
import { writeAuth, writeResponse } from "../../host/link/btp-frame.js";
import type { BtpServer } from "../../host/link/btp-server.js";
import { Client, clientFrame, core, dialRaw, dialWebSocket, serve, until } from "./btp-support.js";

const BtpPacket = createRequire(import.meta.url)("btp-packet");
const servers: BtpServer[] = [];
after(() => Promise.all(servers.map((server) => server.close())));

const open: typeof serve = async (...options) => {
  const served = await serve(...options);
  servers.push(served.server);
  return served;
};

/** A Message of the library peers use, so that neither side of a test is our own writer. */
function message(requestId: number, protocols: [string, number, string][]): Buffer {
  const protocolData = protocols.map(([protocolName, contentType, text]) => ({
    protocolName,
    contentType,
    data: Buffer.from(text),
  }));
  return BtpPacket.serializeMessage(requestId, protocolData);
}

const AUTH: [string, number, string] = ["auth", 0, ""];

test("BTP-01, BTP-02: a token opens its account, the answer comes first", async () => {
  const { url, fake, server } = await open();
  const attach = fake.attach.bind(fake);
  fake.attach = (account, link, kind) => {
    const write = () => fake.links.get(account)!.write(Uint8Array.of(9, 9, 1, 2, 3, 9), 2, 3);
    queueMicrotask(write);
    return attach(account, link, kind);
  };
  const client = new Client(url);
  await client.opened();
  client.ws.send(
    message(0xfedcba98, [AUTH, ["auth_username", 1, ""], ["auth_token", 1, "token-4"]]),
  );
  await client.answered(2);
  assert.equal(client.heard[0].toString("hex"), "01fedcba98020100");
  assert.deepEqual([...client.heard[1]], [1, 2, 3]);
  assert.deepEqual([...fake.links.keys()], [4]);
  assert.equal(server.connectionCount, 1);
});

test("auth with and without a name, a name from the path, protocols in any order", async () => {
  const seen: string[] = [];
  const { url } = await open({}, (token, username, remote) => {
    assert.match(remote, /^127\.0\.0\.1:\d+$/);
    seen.push(`${username}/${token}`);
    return { account: 1 };
  });
  const frames: [string, Buffer][] = [
    ["", message(1, [AUTH, ["auth_token", 1, "a"]])],
    ["/", message(1, [AUTH, ["auth_token", 0, "b"], ["auth_username", 1, "bob"]])],
    ["/accounts/al%69ce/ilp/btp", message(1, [AUTH, ["auth_token", 1, "c"]])],
    ["/accounts/alice/ilp/btp?x=1", message(1, [AUTH, ["other", 1, "y"], ["auth_token", 1, ""]])],
    ["/accounts/%ff/ilp/btp", message(1, [AUTH, ["auth_token", 1, "d"]])],
    [
      "/accounts/x/ilp/btp",
      message(1, [AUTH, ["auth_username", 1, "eve"], ["auth_token", 1, "e"]]),
    ],
  ];
  for (const [path, frame] of frames) {
    const client = new Client(url + path);
    await client.opened();
    client.ws.send(frame);
    await client.answered(1);
  }
  assert.deepEqual(seen, ["/a", "bob/b", "alice/c", "alice/", "/d", "eve/e"]);
});

test("BTP-03, BTP-09, BTP-15: a bad auth gets one Error that peers can read", async () => {
  const { url, fake } = await open();
  const twice: [string, number, string] = ["auth_token", 1, "token-1"];
  const bad: [string, Buffer][] = [
    ["wrong token", message(5, [AUTH, ["auth_token", 1, "nonsense"]])],
    ["no token", message(5, [AUTH])],
    ["auth not first", message(5, [twice, AUTH])],
    ["no sub-protocol", message(5, [])],
    ["token twice", message(5, [AUTH, twice, twice])],
    ["ILP first", message(5, [["ilp", 0, "x"]])],
    ["Transfer", BtpPacket.serializeTransfer({ amount: "1" }, 5, [])],
  ];
  for (const [what, frame] of bad) {
    const client = new Client(url);
    await client.opened();
    client.ws.send(frame);
    await client.closed();
    assert.equal(client.heard.length, 1, what);
    const answer = BtpPacket.deserialize(client.heard[0]);
    assert.equal(answer.type, BtpPacket.TYPE_ERROR, what);
    assert.equal(answer.requestId, 5, what);
    assert.equal(answer.data.code, "F00");
    assert.equal(answer.data.name, "NotAcceptedError");
    assert.ok(Math.abs(Number(answer.data.triggeredAt) - Date.now()) < 60_000, what);
    assert.match(String(answer.data.data), /^[A-Z].*\.$/, what);
    core.input.set(client.heard[0]);
    assert.notEqual(
      typeof core.inspectFrame(client.heard[0].length),
      "number",
      "our core reads it",
    );
    assert.equal(client.code, 1008, what);
  }
  assert.deepEqual(fake.calls, []);
});

test("garbage, text, Responses and invalid UTF-8 before auth end the connection", async () => {
  const { url, fake } = await open();
  const badToken = message(5, [AUTH, ["auth_token", 1, "token-1"]]);
  badToken[badToken.length - 1] = 0xff;
  const bad: [string | Buffer, number, number][] = [
    [Buffer.from("garbage"), 1002, 0],
    [Buffer.alloc(0), 1002, 0],
    [Buffer.alloc(40_000, 0xff), 1002, 0],
    [Buffer.from(writeResponse(1)), 1002, 0],
    ["hello", 1003, 0],
    [badToken, 1008, 1],
  ];
  for (const [frame, code, answers] of bad) {
    const client = new Client(url);
    await client.opened();
    client.ws.send(frame);
    await client.closed();
    assert.equal(client.code, code);
    assert.equal(client.heard.length, answers);
  }
  assert.deepEqual(fake.calls, []);
});

test("a client that never authenticates is closed in time, one that does is not", async () => {
  const { url, server } = await open({ authTimeoutMs: 100 });
  const good = await new Client(url).enter("token-1");
  const idle = new Client(url);
  await idle.opened();
  idle.ws.ping(); // BTP-03: may precede auth, and does not prolong it
  await idle.closed();
  assert.equal(idle.code, 1008);
  await until("one connection", () => server.connectionCount === 1);
  assert.equal(good.isClosed, false);
});

test("sockets that send no request, or half of one, are closed in time", async () => {
  const { url } = await open({ authTimeoutMs: 100 });
  const sockets = await Promise.all([dialRaw(url), dialRaw(url)]);
  sockets[1].write("GET / HTTP/1.1\r\nHost: x\r\n");
  const closed = sockets.map((socket) => {
    socket.resume();
    return new Promise((resolve) => socket.once("close", resolve));
  });
  await Promise.all(closed);
});

test("web pages are refused by their Origin unless it is allowed", async () => {
  const { url, fake } = await open({ allowedOrigins: ["https://wallet.example"] });
  for (const origin of ["https://evil.example", "null", "https://wallet.example.evil.example"]) {
    const page = new Client(url, { origin });
    await page.closed();
    assert.equal(page.status, 403, origin);
    const old = new Client(url, { origin, protocolVersion: 8 });
    await old.closed();
    assert.equal(old.status, 403, origin);
  }
  assert.deepEqual(fake.calls, []);
  await new Client(url, { origin: "https://wallet.example" }).enter("token-1");
  assert.deepEqual(fake.calls, ["attach 1"]);
});

test("plain HTTP gets one sentence", async () => {
  const { url } = await open();
  const [status, text] = await new Promise<[number, string]>((resolve, reject) => {
    get(url.replace("ws:", "http:"), (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part) => (body += part));
      response.on("end", () => resolve([response.statusCode!, body]));
    }).on("error", reject);
  });
  assert.equal(status, 426);
  assert.match(text, /^[^.\n]+\.\n$/);
});

test("connections beyond the limit are refused and a freed place can be taken", async () => {
  const { url, server } = await open({ maxConnections: 2 });
  const first = await new Client(url).enter("token-1");
  await new Client(url).enter("token-2");
  const third = new Client(url);
  await third.closed();
  assert.equal(third.status, 503);
  first.ws.close();
  await until("a free place", () => server.connectionCount === 1);
  await new Client(url).enter("token-3");
});

test("strangers make room for one another, and take no place of those who are known", async () => {
  const { url } = await open({ maxConnections: 2 });
  const known = await new Client(url).enter("token-1");
  const silent = Array.from({ length: 65 }, () => new Client(url));
  await Promise.all(silent.map((client) => client.opened()));
  const second = await new Client(url).enter("token-2");
  const gone = () => silent.filter(({ isClosed }) => isClosed).length;
  await until("one stranger is gone", () => gone() > 0);
  assert.equal(gone(), 1);
  assert.deepEqual([known.isClosed, second.isClosed], [false, false]);
});

test("two that authenticate at once cannot both have the last place", async () => {
  const { url } = await open({ maxConnections: 1 });
  const clients = [new Client(url), new Client(url)];
  await Promise.all(clients.map((client) => client.opened()));
  await clients[0]!.enter("token-1");
  clients[1]!.ws.send(writeAuth(1, "", "token-2"));
  await clients[1]!.closed();
  assert.equal(clients[0]!.isClosed, false);
});

test("of plain HTTP requests in a row only the first is answered", async () => {
  const { url } = await open();
  const socket = await dialRaw(url);
  let heard = "";
  socket.on("data", (chunk: Buffer) => (heard += chunk.toString("latin1")));
  socket.on("error", () => {});
  socket.write("GET / HTTP/1.1\r\n\r\n".repeat(3000));
  await once(socket, "close");
  assert.equal(heard.split("HTTP/1.1 426").length - 1, 1);
});

test("frames that come with the upgrade are read, however long its header", async () => {
  const { url } = await open();
  const socket = await dialRaw(url);
  let heard = "";
  socket.on("data", (chunk: Buffer) => (heard += chunk.toString("latin1")));
  const lines = [
    "GET / HTTP/1.1",
    "Host: x",
    `X-Long: ${"x".repeat(1000)}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  const upgrade = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
  const ping = clientFrame(9, Buffer.alloc(100, "p"));
  const auth = clientFrame(2, writeAuth(77, "", "token-1"));
  socket.write(Buffer.concat([upgrade, ...Array<Buffer>(10).fill(ping), auth]));
  // The Response to request 77: type 1, the id, nothing in it.
  await until("the answer", () => heard.includes("\x82\x08\x01\0\0\0\x4d"));
  socket.destroy();
});

test("frames after auth go to the switch as they are; BadFrame ends the connection", async () => {
  const { url, fake } = await open();
  fake.onFrame = (account, frame) => {
    assert.equal(account, 3);
    return frame[0] === 6 ? Status.Ok : Status.BadFrame;
  };
  const client = await new Client(url).enter("token-3");
  client.ws.send(Buffer.from([6, 1, 2, 3]));
  client.ws.send(Buffer.alloc(41_997 + 30, 6));
  client.ws.send(Buffer.from([5]));
  client.ws.send(Buffer.from([6, 4]));
  await client.closed();
  assert.equal(client.code, 1002);
  const lengths = fake.frames.map((frame) => frame.length);
  assert.deepEqual(lengths, [4, 41_997 + 30, 1], "nothing after the bad frame");
  assert.deepEqual(fake.calls, ["attach 3", "detach 3"]);
});

test("text after auth is refused", async () => {
  const { url, fake } = await open();
  const client = await new Client(url).enter("token-3");
  client.ws.send("text");
  await client.closed();
  assert.equal(client.code, 1003);
  assert.deepEqual(fake.calls, ["attach 3", "detach 3"]);
  assert.equal(fake.frames.length, 0);
});

test("BTP-05: a new connection of an account replaces the old one", async () => {
  const { url, fake } = await open();
  const old = await new Client(url).enter("token-3");
  await new Client(url).enter("token-3");
  await old.closed();
  assert.match(old.reason, /replaced/);
  assert.deepEqual(fake.calls, ["attach 3", "attach 3"], "the new link stays");
  fake.links.get(3)!.close("once");
  fake.links.get(3)!.close("twice");
});

test("a frame longer than any packet is refused at its header, whole or in parts", async () => {
  const { url, fake } = await open();
  for (const opcode of [2, 0]) {
    const socket = await dialWebSocket(url);
    const closed = new Promise<Buffer>((resolve) => {
      socket.on("data", (bytes: Buffer) => bytes[0] === 0x88 && resolve(bytes));
    });
    if (opcode === 0) {
      const part = clientFrame(2, Buffer.alloc(40_000));
      part[0] = 0x02; // not the last part
      socket.write(part);
    }
    // The header alone: the answer cannot have waited for ten million bytes.
    socket.write(clientFrame(opcode, Buffer.alloc(0), 10_000_000));
    assert.equal((await closed).readUInt16BE(2), 1009);
    socket.on("error", () => {});
    socket.destroy();
  }
  assert.deepEqual(fake.calls, []);
});

test("a message in very many parts is refused", async () => {
  const { url } = await open();
  const socket = await dialWebSocket(url);
  const closed = new Promise<Buffer>((resolve) => {
    socket.on("data", (bytes: Buffer) => bytes[0] === 0x88 && resolve(bytes));
  });
  const crumb = (opcode: number): Buffer => {
    const part = clientFrame(opcode, Buffer.alloc(1));
    part[0] = opcode;
    return part;
  };
  socket.write(Buffer.concat([crumb(2), ...Array.from({ length: 2000 }, () => crumb(0))]));
  assert.equal((await closed).readUInt16BE(2), 1008);
  socket.destroy();
});

test("a half-open socket is found by its missing pong, a living one is kept", async () => {
  const pinged = (token: string) => ({ account: Number(token.slice(6)), pingIntervalMs: 40 });
  const { url, fake, server } = await open({}, pinged);
  const living = await new Client(url).enter("token-1");
  let pings = 0;
  living.ws.on("ping", () => pings++);
  const dead = await dialWebSocket(url);
  dead.on("error", () => {});
  dead.resume();
  dead.write(clientFrame(2, writeAuth(1, "", "token-2")));
  await until("the dead link to go", () => fake.calls.includes("detach 2"));
  await until("pings to go on", () => pings >= 4);
  assert.deepEqual([...fake.links.keys()], [1]);
  assert.equal(server.connectionCount, 1);
});

test("a peer that vanishes is detached", async () => {
  const { url, fake, server } = await open();
  const client = await new Client(url).enter("token-1");
  client.ws.terminate();
  await until("detach", () => fake.calls.includes("detach 1"));
  await until("an empty server", () => server.connectionCount === 0);
});

test("several ports; one in use is a sentence and leaves none open", async () => {
  const { server, url } = await serve({ ports: [0, 0] });
  const { port } = new URL(url);
  await assert.rejects(
    serve({ ports: [0, Number(port)] }),
    new RegExp(`^Error: BTP cannot listen on 127.0.0.1 port ${port}: another program`),
  );
  await server.close();
  await assert.rejects(dialRaw(url));
});

test("stopAccepting keeps who is there; close says goodbye to all, also to the deaf", async () => {
  const { server, url, fake } = await serve();
  const client = await new Client(url).enter("token-1");
  const deaf = await dialWebSocket(url);
  deaf.on("error", () => {});
  server.stopAccepting();
  await assert.rejects(dialRaw(url));
  client.ws.send(Buffer.from([6]));
  await until("a frame", () => fake.frames.length === 1);
  await server.close();
  await client.closed();
  assert.equal(client.code, 1001);
  assert.equal(server.connectionCount, 0);
  assert.deepEqual(fake.calls, ["attach 1", "detach 1"]);
});

test("refusals are logged without secrets and not line by line", async () => {
  const { url, log } = await open();
  for (let i = 0; i < 20; i++) {
    const client = new Client(url);
    await client.opened();
    client.ws.send(writeAuth(1, "", `hush-${i}`));
    await client.closed();
  }
  assert.ok(!JSON.stringify(log.lines).includes("hush"));
  const refused = log.lines.filter((line) => line.level === "warn");
  assert.ok(refused.length >= 1 && refused.length < 5, `${refused.length} lines`);
});

/** A self-signed certificate for 127.0.0.1; null without openssl. */
function makeCertificate(folder: string): { cert: string; key: string } | null {
  const tls = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
  const { status } = spawnSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-keyout", tls.key, "-out", tls.cert, "-days", "1", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=IP:127.0.0.1"],
  ]);
  return status === 0 ? tls : null;
}

test("TLS by paths of certificate and key", async (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-btp-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const tls = makeCertificate(folder);
  if (!tls) return t.skip("NOT TESTED: there is no openssl to make a certificate with");
  const { url, fake } = await open({ tls });
  assert.match(url, /^wss:/);
  await new Client(url, { ca: readFileSync(tls.cert) }).enter("token-1");
  assert.deepEqual(fake.calls, ["attach 1"]);
  const wary = new Client(url);
  await wary.closed();
  assert.equal(wary.isOpen, false, "a certificate nobody vouches for");
  const missing = { cert: tls.cert, key: join(folder, "none.pem") };
  await assert.rejects(
    serve({ tls: missing }),
    /The TLS key of the BTP port cannot be read: .*none/,
  );
  writeFileSync(missing.key, "not a key");
  await assert.rejects(serve({ tls: missing }), /The TLS certificate and key .* cannot be used/);
});
