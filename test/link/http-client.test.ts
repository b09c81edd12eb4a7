// HTTP links against real peers, good and bad: what is sent (HTTP-01), what comes of every answer
// (HTTP-08, HTTP-09, HTTP-14), how connections are used, and that every request ends exactly once.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { codeOfStatus, REQUESTS_MAX } from "../../host/link/http-client.js";
import {
  dial,
  fulfillOf,
  makeCertificate,
  numberOf,
  PACKET_MAX,
  prepare,
  startPeer,
  startRawPeer,
  TOKEN,
  until,
  URL_PATH,
  type Ending,
  type Peer,
} from "./http-support.js";

const closers: (() => unknown)[] = [];
const links: ReturnType<typeof dial>[] = [];

afterEach(async () => {
  for (const { client } of links) client.close("the test is over");
  for (const close of closers.splice(0)) await close();
  for (const { fake, log } of links.splice(0)) {
    assert.deepEqual(fake.errors, []);
    assert.doesNotMatch(log.lines.join(), new RegExp(TOKEN));
  }
});

function link(...args: Parameters<typeof dial>) {
  const opened = dial(...args);
  links.push(opened);
  return opened;
}

async function peer(listener: RequestListener): Promise<Peer> {
  const started = await startPeer(listener);
  closers.push(() => started.close());
  return started;
}

async function rawPeer(listener: (socket: Socket) => void): Promise<Peer> {
  const started = await startRawPeer(listener);
  closers.push(() => started.close());
  return started;
}

/** A peer that says these bytes to whatever it is asked. */
function saying(text: string | Buffer, end = false): Promise<Peer> {
  return rawPeer((socket) =>
    socket.on("data", () => {
      socket.write(text);
      if (end) socket.end();
    }),
  );
}

/** Reads the body, then answers. */
function answering(
  answer: (body: Buffer) => { status?: number; body: Uint8Array },
): RequestListener {
  return (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { status, body } = answer(Buffer.concat(chunks));
      response.writeHead(status ?? 200, { "content-type": "application/octet-stream" });
      response.end(body);
    });
  };
}

const echo = answering((body) => ({ body: fulfillOf(body) }));
const packetOf = (ending: Ending): Uint8Array => {
  assert.ok("packet" in ending, `ended with ${JSON.stringify(ending)}`);
  return ending.packet;
};

describe("a request", () => {
  test("has the packet, the token and nothing unexpected (HTTP-01)", async () => {
    const seen: unknown[] = [];
    const { url } = await peer((request, response) => {
      seen.push(request.method, request.url, request.headers);
      echo(request, response);
    });
    const { send } = link(`${url}/a/ilp?b=c`);
    const ending = await send(1, prepare(9, 500));
    assert.deepEqual(packetOf(ending), fulfillOf(prepare(9, 500)));
    assert.deepEqual(seen, [
      "POST",
      "/a/ilp?b=c",
      {
        host: new URL(url).host,
        connection: "keep-alive",
        "content-type": "application/octet-stream",
        accept: "application/octet-stream",
        authorization: `Bearer ${TOKEN}`,
        "content-length": "500",
      },
    ]);
  });

  test("has no authorization without a token", async () => {
    let authorization: string | undefined = "none yet";
    const { url } = await peer((request, response) => {
      authorization = request.headers.authorization;
      echo(request, response);
    });
    const { send } = link(url, { outgoingToken: null });
    await send(1);
    assert.equal(authorization, undefined);
  });

  test("ends at once, but after the call, on an account that only receives", async () => {
    const { client, send } = link(null, { timeoutMs: 0, maxConnections: 0 });
    assert.deepEqual(await send(1), { code: "F00" });
    assert.equal(client.describe(), "HTTP, receiving only");
    client.close("twice");
    client.close("is fine");
  });

  test("a link's description holds no key", () => {
    const { client } = link("http://127.0.0.1:1/ilp?key=hidden");
    assert.equal(client.describe(), "HTTP http://127.0.0.1:1/ilp");
  });

  test("a frame is refused without harm", () => {
    const { client, log } = link("http://127.0.0.1:1/ilp");
    client.write();
    assert.match(log.lines.join(), /^error a frame for an HTTP link/);
  });
});

describe("the code of an answer that is no packet (HTTP-09)", () => {
  const codes: [statuses: number[], code: string][] = [
    [[201, 202, 204, 206], "F00"],
    [[301, 302, 307, 308], "F00"],
    [[400, 402, 405, 406, 409, 410, 411, 413, 415, 418, 422, 431, 451, 499], "F00"],
    [[401, 403, 404, 408], "T01"],
    [[429], "T03"],
    [[500, 501, 502, 503, 504, 505, 599, 999], "T00"],
  ];
  for (const [statuses, code] of codes) {
    test(`${statuses.join(", ")}: ${code}`, async () => {
      let status = 0;
      const started = await peer((_request, response) => {
        // The body would be a fine reply; the status says that it is none.
        response.writeHead(status, { location: `${URL_PATH}/elsewhere` }).end("\x0d\x00");
      });
      const { send } = link(started.url + URL_PATH);
      let id = 0;
      for (status of statuses) {
        assert.deepEqual(await send(id++), { code }, String(status));
        assert.equal(codeOfStatus(status), code);
      }
      // Two, because the code is known before the end of the answer; then they are used again.
      assert.ok(started.connections <= 2, `${started.connections} connections`);
    });
  }

  test("redirects are not followed", async () => {
    const paths: unknown[] = [];
    const { url } = await peer((request, response) => {
      paths.push(request.url);
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    const { send } = link(url + URL_PATH);
    await send(1);
    assert.deepEqual(paths, [URL_PATH]);
  });
});

describe("the answer's body", () => {
  const bodies: [what: string, body: Uint8Array, passed?: Uint8Array][] = [
    ["empty", new Uint8Array(0)],
    ["garbage", Buffer.from("<html>")],
    ["a Prepare", prepare(4)],
    ["as long as the longest packet", fulfillOf(prepare(4, PACKET_MAX))],
    ["a byte longer", fulfillOf(prepare(4, PACKET_MAX + 1)), new Uint8Array(0)],
    ["far longer", fulfillOf(prepare(4, 3_000_000)), new Uint8Array(0)],
  ];
  for (const [what, body, passed] of bodies) {
    test(`${what} (HTTP-14)`, async () => {
      const { url } = await peer(answering(() => ({ body })));
      const { send } = link(url);
      const packet = packetOf(await send(1));
      assert.deepEqual(Buffer.from(packet), Buffer.from(passed ?? body));
      // The link goes on.
      assert.ok("packet" in (await send(2)));
    });
  }

  test("in pieces, after informational answers, without a length", async () => {
    const early = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n";
    const say = async (socket: Socket): Promise<void> => {
      for (const piece of [early, "HTTP/1.1 200 OK\r\n\r", "\n\x0d", "abc", "def"]) {
        await new Promise((resolve) => setImmediate(resolve));
        socket.write(piece);
      }
      socket.end();
    };
    const { url } = await rawPeer((socket) => socket.once("data", () => void say(socket)));
    const { send } = link(url);
    assert.deepEqual(Buffer.from(packetOf(await send(1))), Buffer.from("\rabcdef"));
  });
});

describe("a peer that breaks", () => {
  const nonsense: [what: string, says: string][] = [
    ["nothing", ""],
    ["no HTTP", "\x0d\x01\x02\x03\r\n\r\n"],
    ["half a header", "HTTP/1.1 200 OK\r\ncontent-le"],
    ["a body cut short", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n\x0dabc"],
    ["a chunk cut short", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n\x0dabc"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n\x0dabc"],
    ["an endless header", `HTTP/1.1 200 OK\r\nx: ${"a".repeat(20_000)}`],
    ["another protocol", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"],
  ];
  for (const [what, says] of nonsense) {
    test(`says ${what} and closes: T01`, async () => {
      const { url } = await saying(says, true);
      const { send, log } = link(url);
      assert.deepEqual(await send(1), { code: "T01" });
      assert.match(log.lines.join(), /"reason":"[^"]+"/);
    });
  }

  test("nobody listens: T01, and later somebody does", async () => {
    const gone = await startPeer(echo);
    await gone.close();
    const { send } = link(gone.url);
    const endings = await Promise.all(Array.from({ length: 50 }, (_, id) => send(id)));
    assert.deepEqual(endings, Array(50).fill({ code: "T01" }));
  });

  test("a resting connection that the peer closed is replaced", async () => {
    const started = await peer(echo);
    const { send } = link(started.url);
    await send(1);
    for (const socket of started.sockets) socket.end();
    await until("no connection", () => started.sockets.size === 0);
    assert.ok("packet" in (await send(2)));
    assert.equal(started.connections, 2);
  });

  test("an answer for nobody does not answer the next request", async () => {
    const reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\x0d";
    let count = 0;
    const { url } = await rawPeer((socket) =>
      socket.on("data", () => socket.write(count++ === 0 ? `${reply}1${reply}X` : `${reply}2`)),
    );
    const { send } = link(url, { maxConnections: 1 });
    assert.deepEqual(Buffer.from(packetOf(await send(1))), Buffer.from("\r1"));
    const second = await send(2);
    if ("packet" in second) assert.deepEqual(Buffer.from(second.packet), Buffer.from("\r2"));
  });

  test("an endless answer that is no packet is cut off", async () => {
    const started = await peer((_request, response) => {
      response.writeHead(500);
      const pump = (): void => {
        if (!response.destroyed && response.write(Buffer.alloc(16_384))) setImmediate(pump);
      };
      response.on("drain", () => setImmediate(pump));
      pump();
    });
    const { send } = link(started.url);
    assert.deepEqual(await send(1), { code: "T00" });
    await until("the connection is gone", () => started.ended === 1);
  });
});

describe("time", () => {
  test("no answer: T00 for what was sent, T01 for what was not, and it never is", async () => {
    let asked = 0;
    const started = await peer(() => void asked++);
    const { send } = link(started.url, { timeoutMs: 1200, maxConnections: 2 });
    const from = performance.now();
    const endings = await Promise.all([1, 2, 3, 4, 5].map((id) => send(id)));
    assert.ok(performance.now() - from < 6000);
    const codes = endings.map((ending) => "code" in ending && ending.code);
    assert.deepEqual(codes, ["T00", "T00", "T01", "T01", "T01"]);
    await until("both connections are gone", () => started.ended === 2);
    assert.equal(asked, 2);
  });

  test("an answer that trickles is too late as a whole", async () => {
    const started = await peer((_request, response) => {
      response.writeHead(200, { "content-length": 1000 });
      const drip = setInterval(() => response.write("\x0d"), 10);
      response.on("close", () => clearInterval(drip));
    });
    const { send } = link(started.url, { timeoutMs: 100 });
    assert.deepEqual(await send(1), { code: "T00" });
    await until("the connection is gone", () => started.ended === 1);
  });

  test("so is an answer that is no packet, after it has counted", async () => {
    const started = await peer((_request, response) => {
      response.writeHead(404).write("x");
    });
    const { send } = link(started.url, { timeoutMs: 100 });
    assert.deepEqual(await send(1), { code: "T01" });
    assert.equal(started.ended, 0);
    await until("the connection is gone", () => started.ended === 1);
  });

  test("each request has its own deadline", async () => {
    const started = await peer((request, response) => {
      if (request.url === "/") setTimeout(() => echo(request, response), 1200);
    });
    const { send } = link(started.url, { timeoutMs: 2200 });
    const early = await Promise.all([send(1), send(2)]);
    const late = await send(3);
    for (const ending of [...early, late]) packetOf(ending);
  });
});

describe("many requests", () => {
  test("one after another share two connections", async () => {
    const started = await peer(echo);
    const { send } = link(started.url);
    for (let id = 0; id < 200; id++) assert.equal(numberOf(packetOf(await send(id))), id);
    assert.ok(started.connections <= 2, `${started.connections} connections`);
  });

  test("a thousand at once, answered out of order, over ten connections", async () => {
    let most = 0;
    let now = 0;
    const started = await peer((request, response) => {
      most = Math.max(most, ++now);
      response.on("finish", () => now--);
      setImmediate(() => echo(request, response));
    });
    const { send } = link(started.url, { maxConnections: 10, timeoutMs: 30_000 });
    const ids = Array.from({ length: 1000 }, (_, id) => id);
    const endings = await Promise.all(ids.map((id) => send(id)));
    assert.deepEqual(
      endings.map((ending) => numberOf(packetOf(ending))),
      ids,
    );
    assert.equal(started.connections, 10);
    assert.ok(most > 1 && most <= 10);
  });

  test("those beyond the limit fail at once, the others when the link closes", async () => {
    const started = await peer(() => {});
    const { client, fake, send } = link(started.url, { maxConnections: 3 });
    for (let id = 0; id < REQUESTS_MAX; id++) void send(id);
    assert.deepEqual(await send(REQUESTS_MAX), { code: "T03" });
    assert.equal(fake.endings.size, 1);
    client.close("enough");
    await until("all ended", () => fake.endings.size === REQUESTS_MAX + 1);
    fake.endings.delete(REQUESTS_MAX);
    assert.ok(
      [...fake.endings.values()].every((ending) => "code" in ending && ending.code === "T01"),
    );
    assert.deepEqual(await send(-1), { code: "T01" });
    await until("no connection", () => started.sockets.size === 0);
  });

  test("those given up make room", async () => {
    const started = await peer(() => {});
    const { send } = link(started.url, { maxConnections: 2, timeoutMs: 100 });
    const first = Array.from({ length: REQUESTS_MAX }, (_, id) => send(id));
    assert.deepEqual(await send(REQUESTS_MAX), { code: "T03" });
    await Promise.all(first);
    assert.deepEqual(await send(REQUESTS_MAX + 1), { code: "T00" });
    // Not one for each that was given up; undici opens a few that it does not need.
    assert.ok(started.connections <= 10, `${started.connections} connections`);
  });

  test("failures are a line or two of the log", async () => {
    const { url } = await peer(answering(() => ({ status: 500, body: new Uint8Array(0) })));
    const { send, log } = link(url);
    await Promise.all(Array.from({ length: 1000 }, (_, id) => send(id)));
    assert.ok(log.lines.length >= 1 && log.lines.length <= 10, `${log.lines.length} lines`);
  });
});

describe("TLS", () => {
  test("a certificate that nobody vouches for is refused, whatever the environment", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
    closers.push(() => rmSync(folder, { recursive: true }));
    const tls = makeCertificate(folder);
    if (!tls) return t.skip("NOT TESTED: there is no openssl to make a certificate with");
    const pair = { cert: readFileSync(tls.cert), key: readFileSync(tls.key) };
    let asked = 0;
    const server = createHttpsServer(pair, () => void asked++);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(
      () => server.closeAllConnections(),
      () => server.close(),
    );
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/ilp`;
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    closers.push(() => {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      if (before !== undefined) process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    });
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    const { send, log } = link(url);
    assert.deepEqual(await send(1), { code: "T01" });
    assert.match(log.lines.join(), /self-signed certificate/);
    assert.equal(asked, 0);
  });
});
