// The HTTP port against real sockets: who gets in and where (HTTP-01, HTTP-11, HTTP-12), what is
// answered (HTTP-08, HTTP-10, HTTP-13), and what clients can do that are slow, huge, hostile or
// gone.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { Agent, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import type { AuthenticateHttp } from "../../host/link/http-server.js";
import {
  fulfillOf,
  GOOD,
  head,
  makeCertificate,
  numberOf,
  PACKET_MAX,
  post,
  prepare,
  RawClient,
  serve,
  TOKEN,
  until,
  URL_PATH,
} from "./http-support.js";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function open(...args: Parameters<typeof serve>) {
  const opened = await serve(...args);
  closers.push(() => opened.server.close());
  return opened;
}

function connectRaw(url: string): RawClient {
  const client = new RawClient(url);
  closers.push(() => client.socket.destroy());
  return client;
}

function keepAlive(maxSockets: number): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets });
  closers.push(() => agent.destroy());
  return agent;
}

describe("a Prepare", () => {
  test("is taken at each path, with the token it came with", async () => {
    const asked: unknown[] = [];
    const authenticate: AuthenticateHttp = (accountId, token) => {
      asked.push([accountId, token]);
      return { account: 5 };
    };
    const { url, fake } = await open({}, {}, authenticate);
    fake.onRequest = (account, packet, done) => done(Uint8Array.of(account, ...packet));
    const paths: [string, string | null][] = [
      ["/accounts/bob/ilp", "bob"],
      ["/accounts/bob/ilp/", "bob"],
      ["/accounts/b%6fb/ilp?x=1", "bob"],
      ["/ilp", null],
      ["/ilp/", null],
    ];
    for (const [path, id] of paths) {
      const body = prepare(77, 300);
      const answer = await post(url, { path, body });
      assert.equal(answer.status, 200, path);
      assert.deepEqual(answer.body, Buffer.from([5, ...body]));
      assert.deepEqual(asked.pop(), [id, TOKEN]);
    }
  });

  test("is answered with the packet alone, Rejects too (HTTP-08)", async () => {
    const { url, fake } = await open();
    for (const type of [13, 14]) {
      const reply = Uint8Array.of(type, 1, 2, 3, 250);
      fake.onRequest = (_account, _packet, done) => queueMicrotask(() => done(reply));
      const { status, headers, body } = await post(url, {});
      assert.equal(status, 200);
      assert.equal(headers["content-type"], "application/octet-stream");
      assert.equal(headers["content-length"], "5");
      assert.deepEqual(body, Buffer.from(reply));
    }
  });

  test("may have either content type, with parameters and in capitals", async () => {
    const { url, fake } = await open();
    fake.onRequest = (_account, packet, done) => done(packet);
    const types = [
      "application/octet-stream",
      "application/ilp+octet-stream",
      "Application/Octet-Stream; charset=binary",
    ];
    for (const type of types) {
      const { status } = await post(url, { headers: { ...GOOD, "content-type": type } });
      assert.equal(status, 200, type);
    }
  });

  test("may show its token in each form that peers use", async () => {
    const { url, fake } = await open();
    fake.onRequest = (_account, packet, done) => done(packet);
    for (const authorization of [`bearer ${TOKEN}`, `BEARER  ${TOKEN}`, TOKEN]) {
      const { status } = await post(url, { headers: { ...GOOD, authorization } });
      assert.equal(status, 200);
    }
  });

  test("gets 503 when the core cannot take it", async () => {
    const { url, fake } = await open();
    fake.onRequest = (_account, _packet, done) => done(null);
    assert.equal((await post(url, {})).status, 503);
  });

  test("may come in pieces and be as long as the longest packet", async () => {
    const { url, fake } = await open();
    fake.onRequest = (_account, packet, done) => done(fulfillOf(packet));
    const body = prepare(5, PACKET_MAX);
    const { status, body: echo } = await post(url, { body });
    assert.equal(status, 200);
    assert.deepEqual(echo, Buffer.from(fulfillOf(body)));
    const client = connectRaw(url);
    client.socket.write(head("Transfer-Encoding: chunked"));
    for (let at = 0; at < 100; at += 10) {
      const piece = Buffer.from(prepare(6, 100).subarray(at, at + 10));
      client.socket.write(Buffer.concat([Buffer.from("a\r\n"), piece, Buffer.from("\r\n")]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.socket.write("0\r\n\r\n");
    await client.hears("HTTP/1.1 200");
    await until("the body", () => client.heard.split("\r\n\r\n")[1]?.length === 100);
    const [, heard] = client.heard.split("\r\n\r\n");
    assert.deepEqual(Buffer.from(heard!, "latin1"), Buffer.from(fulfillOf(prepare(6, 100))));
  });
});

describe("refused", () => {
  const json = { ...GOOD, "content-type": "application/json" };
  const { authorization, "content-type": type } = GOOD;
  const as = (value: string) => ({ "content-type": type, authorization: value });
  const cases: [what: string, status: number, request: Parameters<typeof post>[1]][] = [
    ["the root", 404, { path: "/" }],
    ["a path beyond", 404, { path: "/accounts/bob/ilp/btp" }],
    ["a path before", 404, { path: "/x/accounts/bob/ilp" }],
    ["no account", 404, { path: "/accounts//ilp" }],
    ["GET", 405, { method: "GET" }],
    ["OPTIONS", 405, { method: "OPTIONS" }],
    ["PUT", 405, { method: "PUT" }],
    ["a web page", 403, { headers: { ...GOOD, origin: "http://127.0.0.1" } }],
    ["a page without an origin", 403, { headers: { ...GOOD, origin: "null" } }],
    ["no token", 401, { headers: { "content-type": type } }],
    ["an empty token", 401, { headers: as("Bearer ") }],
    ["a wrong token", 401, { headers: as(`${authorization}x`) }],
    ["another scheme", 401, { headers: as(`Basic ${TOKEN}`) }],
    ["another account", 401, { path: "/accounts/alice/ilp" }],
    ["an id that is no text", 401, { path: "/accounts/%ff/ilp" }],
    ["JSON", 400, { headers: json }],
    ["no content type", 400, { headers: { authorization } }],
    ["an empty body", 400, { body: new Uint8Array(0) }],
    ["a Fulfill", 400, { body: fulfillOf(prepare(1)) }],
    ["text", 400, { body: Buffer.from("{}") }],
    ["a body too long", 413, { body: prepare(1, PACKET_MAX + 1) }],
  ];
  for (const [what, status, request] of cases) {
    test(`${what}: ${status}`, async () => {
      const { url, fake, log } = await open();
      const answer = await post(url, request);
      assert.equal(answer.status, status);
      assert.equal(fake.requests.length, 0);
      assert.equal(answer.headers["content-length"], String(answer.body.length));
      assert.match(answer.body.toString(), /^[A-Z].*\.\n$/);
      assert.equal(answer.headers["www-authenticate"] !== undefined, status === 401);
      assert.equal(answer.headers.allow, status === 405 ? "POST" : undefined);
      assert.equal(answer.headers["access-control-allow-origin"], undefined);
      assert.doesNotMatch(log.lines.join(), new RegExp(TOKEN));
    });
  }

  test("a thousand times in a line or two of the log", async () => {
    const { url, log } = await open();
    const agent = keepAlive(20);
    const attempt = () => post(url, { headers: as("Bearer wrong"), agent });
    await Promise.all(Array.from({ length: 1000 }, attempt));
    assert.ok(log.lines.length >= 1 && log.lines.length <= 10, `${log.lines.length} lines`);
  });

  test("the smaller of the two limits counts", async () => {
    const { url, fake } = await open({ maxBody: 1000 });
    fake.onRequest = (_account, packet, done) => done(packet);
    assert.equal((await post(url, { body: prepare(1, 1000) })).status, 200);
    assert.equal((await post(url, { body: prepare(1, 1001) })).status, 413);
  });
});

describe("hostile clients", () => {
  test("a body announced too long is not waited for (HTTP-13)", async () => {
    const { url } = await open();
    const client = connectRaw(url);
    client.socket.write(head(`Content-Length: ${PACKET_MAX + 1}`));
    await client.closed();
    assert.match(client.heard, /^HTTP\/1\.1 413 /);
  });

  test("a body that never ends is cut off where the limit is", async () => {
    const { url, fake } = await open();
    const client = connectRaw(url);
    client.socket.write(head("Transfer-Encoding: chunked"));
    const piece = `1000\r\n${"\x0c".repeat(4096)}\r\n`;
    let sent = 0;
    const pump = (): void => {
      while (!client.isClosed && client.socket.write(piece)) sent += 4096;
      sent += 4096;
    };
    client.socket.on("drain", pump);
    pump();
    await client.closed();
    assert.equal(fake.requests.length, 0);
    assert.ok(sent < 50_000_000, `${sent} bytes were taken`);
    assert.match(client.heard, /^(HTTP\/1\.1 413 |$)/);
  });

  test("slow headers, slow bodies and silence end in time", async () => {
    const limits = { headersTimeoutMs: 100, requestTimeoutMs: 200 };
    const { url, fake } = await open({}, limits);
    const started = performance.now();
    const silent = connectRaw(url);
    const header = connectRaw(url);
    header.socket.write(`POST ${URL_PATH} HTTP/1.1\r\nX-`);
    const body = connectRaw(url);
    body.socket.write(`${head("Content-Length: 100")}\x0c`);
    const drip = setInterval(() => {
      header.socket.write("a");
      body.socket.write("a");
    }, 20);
    closers.push(() => clearInterval(drip));
    await Promise.all([silent.closed(), header.closed(), body.closed()]);
    assert.ok(performance.now() - started < 2000);
    assert.match(header.heard, /^HTTP\/1\.1 408 /);
    assert.match(body.heard, /^HTTP\/1\.1 408 /);
    assert.equal(fake.requests.length, 0);
  });

  test("a connection that falls silent is closed, even with an answer due", async () => {
    const { url, fake } = await open({}, { silenceMs: 50 });
    const client = connectRaw(url);
    client.socket.write(`${head("Content-Length: 1")}\x0c`);
    await client.closed();
    assert.equal(client.heard, "");
    fake.requests[0]!.done(fulfillOf(prepare(1)));
  });

  test("a header too long gets 431", async () => {
    const { url } = await open();
    const client = connectRaw(url);
    client.socket.write(head(`X-Long: ${"a".repeat(9000)}`));
    await client.closed();
    assert.match(client.heard, /^HTTP\/1\.1 431 /);
  });

  test("connections are limited: the oldest that has shown no token makes room", async () => {
    const { url, fake, log } = await open({}, { connectionsMax: 2 });
    fake.onRequest = (_account, packet, done) => done(fulfillOf(packet));
    const known = [connectRaw(url), connectRaw(url)];
    known[0]!.socket.write(`${head("Content-Length: 1")}\x0c`);
    await known[0]!.hears("200 OK");
    await until("two connections", () => !known[1]!.socket.connecting);
    const third = connectRaw(url);
    await known[1]!.closed();
    assert.match(log.lines.join(), /too many connections/);
    third.socket.write(`${head("Content-Length: 1")}\x0c`);
    await third.hears("200 OK");
    // Nobody is left who could make room.
    await connectRaw(url).closed();
    assert.deepEqual([known[0]!.isClosed, third.isClosed], [false, false]);
  });

  test("of requests in a row, the first refusal is the last answer", async () => {
    let asked = 0;
    const { url } = await open({}, {}, () => (asked++, null));
    const { host } = new URL(url);
    const row = `POST /ilp HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer x\r\n\r\n`;
    for (const text of [
      row,
      "GET / HTTP/1.1\r\n\r\n",
      row.replace("\r\n\r\n", "\r\nExpect: x\r\n\r\n"),
    ]) {
      // More than any client has a reason to send before it was let in: not even one.
      for (const [count, answers] of [
        [2000, 0],
        [16, 1],
      ] as const) {
        asked = 0;
        const client = connectRaw(url);
        client.socket.write(text.repeat(count));
        await client.closed();
        assert.equal(client.heard.split("HTTP/1.1 4").length - 1, answers, text);
        assert.ok(asked <= answers, `${asked} tokens were looked up`);
      }
    }
  });

  test("many requests in a row are served once the first was let in", async () => {
    const { url, fake } = await open();
    const client = connectRaw(url);
    const one = `${head("Content-Length: 1")}\x0c`;
    client.socket.write(one);
    await until("the first", () => fake.requests.length === 1);
    client.socket.write(one.repeat(200));
    await until("all", () => fake.requests.length === 201);
    for (const { packet, done } of fake.requests) done(packet);
    await until("answers", () => client.heard.split("HTTP/1.1 200").length - 1 === 201);
    client.socket.destroy();
  });

  test("a connection that says nothing, or only goodbye, is closed", async () => {
    const { url } = await open({}, { headersTimeoutMs: 200 });
    const silent = connectRaw(url);
    const leaving = connectRaw(url);
    leaving.socket.end();
    await Promise.all([silent.closed(), leaving.closed()]);
  });

  test("an HTTP/1.1 request without a host is refused", async () => {
    const { url } = await open();
    const client = connectRaw(url);
    client.socket.write(head("Content-Length: 1").replace("Host: x\r\n", "") + "\x0c");
    await client.closed();
    assert.match(client.heard, /^HTTP\/1\.1 400 /);
  });

  test("a client that goes away does not matter to the others", async () => {
    const { url, fake } = await open();
    const client = connectRaw(url);
    client.socket.write(`${head("Content-Length: 1")}\x0c`);
    await until("the request", () => fake.requests.length === 1);
    client.socket.destroy();
    await client.closed();
    const half = connectRaw(url);
    half.socket.end(`${head("Content-Length: 10")}\x0c`);
    await half.closed();
    fake.requests[0]!.done(fulfillOf(prepare(1)));
    fake.onRequest = (_account, packet, done) => done(packet);
    assert.equal((await post(url, {})).status, 200);
    assert.equal(fake.requests.length, 1);
  });

  for (const token of ["right", "wrong"]) {
    test(`mutilated requests with the ${token} token`, async () => {
      const seed = (Math.random() * 2 ** 31) | 0;
      const { url, fake } = await open({}, { headersTimeoutMs: 200, requestTimeoutMs: 200 });
      const accepted: number[] = [];
      fake.onRequest = (account, packet, done) => {
        accepted.push(packet[0]!);
        assert.equal(account, 3);
        done(packet);
      };
      const text = `${head("Content-Length: 4")}\x0cabc`;
      const right = text.replace(
        TOKEN,
        TOKEN.replace("nobody", token === "right" ? "$&" : "NOBODY"),
      );
      const clients = Array.from({ length: 200 }, (_, round) => {
        const client = connectRaw(url);
        client.socket.end(mutilate(Buffer.from(right, "latin1"), randomFrom(seed + round)));
        return client;
      });
      for (const client of clients) await client.closed();
      const allowed = token === "right" ? [12] : [];
      assert.deepEqual([...new Set(accepted)], allowed, `seed ${seed}`);
      fake.onRequest = (_account, packet, done) => done(packet);
      assert.equal((await post(url, {})).status, 200, `seed ${seed}`);
    });
  }
});

/** Up to three bytes changed, none in the token, and every other time the end missing. */
function mutilate(bytes: Buffer, random: (below: number) => number): Buffer {
  const token = bytes.indexOf("Bearer ") + 7;
  for (let faults = random(4); faults > 0; faults--) {
    const at = random(bytes.length);
    if (at < token || at >= token + TOKEN.length) bytes[at] = random(256);
  }
  return random(2) ? bytes : bytes.subarray(0, random(bytes.length));
}

function randomFrom(seed: number): (below: number) => number {
  let state = Math.imul(seed | 1, 0x9e3779b1);
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

describe("many requests", () => {
  test("a thousand at once, answered in any order, each with its own reply", async () => {
    const { url, fake } = await open();
    const held: (() => void)[] = [];
    const flush = (): void => {
      for (const answer of held.splice(0).reverse()) answer();
    };
    fake.onRequest = (account, packet, done) => {
      assert.equal(account, 3);
      held.push(() => done(fulfillOf(packet)));
      if (held.length === 50) flush();
      else setImmediate(flush);
    };
    const agent = keepAlive(100);
    const numbers = Array.from({ length: 1000 }, (_, number) => number);
    const answers = await Promise.all(
      numbers.map((number) => post(url, { body: prepare(number), agent })),
    );
    assert.deepEqual(
      answers.map(({ body }) => numberOf(body)),
      numbers,
    );
    assert.ok(new Set(answers.map(({ port }) => port)).size <= 100);
  });

  test("one connection serves one after another", async () => {
    const { url, fake } = await open();
    fake.onRequest = (_account, packet, done) => done(packet);
    const agent = keepAlive(1);
    const ports = new Set<number>();
    for (let number = 0; number < 50; number++) {
      const { port, headers } = await post(url, { agent });
      ports.add(port);
      assert.equal(headers["keep-alive"], "timeout=60");
    }
    // A body that is no packet does not cost the connection.
    ports.add((await post(url, { agent, body: Buffer.from("x") })).port);
    ports.add((await post(url, { agent })).port);
    assert.equal(ports.size, 1);
  });

  test("pipelined requests are answered in their order", async () => {
    const { url, fake } = await open();
    const client = connectRaw(url);
    client.socket.write(`${head("Content-Length: 2")}\x0ca${head("Content-Length: 2")}\x0cb`);
    await until("two requests", () => fake.requests.length === 2);
    for (const { packet, done } of [...fake.requests].reverse()) done(packet);
    await client.hears("\x0cb");
    assert.ok(client.heard.indexOf("\x0ca") < client.heard.indexOf("\x0cb"));
  });
});

describe("the end", () => {
  test("what is under way is answered, the rest gets 503 or no connection", async () => {
    const { server, url, fake } = await open();
    const first = connectRaw(url);
    first.socket.write(`${head("Content-Length: 1")}\x0c`);
    const late = connectRaw(url);
    late.socket.write(`POST ${URL_PATH} HTTP/1.1\r\n`);
    await until("the request", () => fake.requests.length === 1);
    server.stopAccepting();
    late.socket.write("Host: x\r\nContent-Length: 0\r\n\r\n");
    await late.closed();
    assert.match(late.heard, /^HTTP\/1\.1 503 /);
    await assert.rejects(post(url, {}), /ECONNREFUSED/);
    fake.requests[0]!.done(Uint8Array.of(13, 0));
    await first.closed();
    assert.match(first.heard, /^HTTP\/1\.1 200 [^]*Connection: close[^]*\r\n\r\n\x0d\0$/);
  });

  test("close() waits a moment, then ends every connection", async () => {
    const { server, url, fake } = await open();
    const client = connectRaw(url);
    client.socket.write(`${head("Content-Length: 1")}\x0c`);
    const idle = connectRaw(url);
    await until("the request", () => fake.requests.length === 1);
    await Promise.all([server.close(), server.close()]);
    await Promise.all([client.closed(), idle.closed()]);
    fake.requests[0]!.done(Uint8Array.of(13, 0));
  });

  test("an answer given at the last moment arrives", async () => {
    const { server, url, fake } = await open();
    const answer = post(url, {});
    await until("the request", () => fake.requests.length === 1);
    fake.requests[0]!.done(null);
    await server.close();
    assert.equal((await answer).status, 503);
  });
});

describe("opening the port", () => {
  test("a port in use is told in a sentence", async () => {
    const { url } = await open();
    const port = Number(new URL(url).port);
    await assert.rejects(serve({ port }), {
      message:
        `HTTP cannot listen on 127.0.0.1 port ${port}: ` +
        "another program uses this port; stop it or choose another port.",
    });
  });

  test("TLS by paths of certificate and key", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
    closers.push(() => rmSync(folder, { recursive: true }));
    const tls = makeCertificate(folder);
    if (!tls) return t.skip("NOT TESTED: there is no openssl to make a certificate with");
    const { url, fake } = await open({ tls });
    assert.match(url, /^https:/);
    const agent = new HttpsAgent({ ca: readFileSync(tls.cert), keepAlive: true, maxSockets: 1 });
    closers.push(() => agent.destroy());
    const { hostname, port } = new URL(url);
    const options = { agent, hostname, port, method: "POST", path: URL_PATH, headers: GOOD };
    const ports = new Set<number | undefined>();
    for (let i = 0; i < 3; i++) {
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        requestHttps(options, resolve).on("error", reject).end(prepare(i));
      });
      await until("the request", () => fake.requests.length === i + 1);
      fake.requests[i]!.done(fulfillOf(prepare(i)));
      const response = await answered;
      assert.equal(response.statusCode, 200);
      ports.add(response.socket.localPort);
      await once(response.resume(), "end");
    }
    assert.equal(ports.size, 1, "one connection");
    const missing = { cert: tls.cert, key: join(folder, "none.pem") };
    await assert.rejects(serve({ tls: missing }), /^Error: The TLS key of the HTTP port cannot be/);
    const swapped = { cert: tls.key, key: tls.cert };
    await assert.rejects(
      serve({ tls: swapped }),
      /^Error: The TLS certificate and key of the HTTP/,
    );
  });
});
