// HTTP links under a whole connector: a Prepare posted to one account goes out over HTTP to
// another, and what the peer answers, or does, comes back as a Fulfill or Reject; the books agree.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import { writeFulfill, writePrepare } from "../../host/packet.js";
import { post, startPeer, TOKEN } from "./http-support.js";

/** What unlocks payment `number`. Each has its own: two of one kind at once look like a loop. */
const fulfillmentOf = (number: number): Buffer => Buffer.alloc(32, number);
const conditionOf = (number: number): Buffer =>
  createHash("sha256").update(fulfillmentOf(number)).digest();
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Alice posts to us; bob is whoever answers as `listener` does. */
async function start(listener: RequestListener): Promise<{ connector: Connector; url: string }> {
  const bob = await startPeer(listener);
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  const account = `relation = "peer"\nassetCode = "XRP"\nassetScale = 9`;
  const toml = `
    ilpAddress = "test.us"
    dataDir = "${folder}"
    spread = 0
    [accounts.alice]
    ${account}
    http = { incomingToken = "${TOKEN}" }
    [accounts.bob]
    ${account}
    http = { url = "${bob.url}/ilp", outgoingToken = "ours", timeout = 300 }
    [[routes]]
    targetPrefix = "test.bob"
    peerId = "bob"
    [[routes]]
    targetPrefix = "test.alice"
    peerId = "alice"
    [btp]
    enabled = false
    [http]
    port = 0
    [admin]
    enabled = false
  `;
  const connector = createConnector(parseConfig(toml, "test.toml"));
  await connector.start();
  closers.push(
    () => connector.stop(),
    () => bob.close(),
    () => rmSync(folder, { recursive: true }),
  );
  return { connector, url: connector.listening[0]!.url };
}

/** Payment `number`, which a destination of bob's ends with. */
function pay(url: string, path: string, number = 0): ReturnType<typeof post> {
  const expiresAtMs = Date.now() + 20_000;
  const destination = `test.bob.n-${number}`;
  const condition = conditionOf(number);
  return post(url, {
    path,
    body: writePrepare({ amount: 10n, expiresAtMs, condition, destination }),
  });
}

function codeOf(connector: Connector, reply: Uint8Array): string {
  connector.core.input.set(reply);
  const packet = connector.core.inspectPacket(reply.length);
  assert.ok(packet && packet.type === "reject");
  return packet.code;
}

const balance = (connector: Connector, id: string): bigint =>
  connector.core.account(connector.registry.byId(id)!.index).balance;

test("payments go through, by either path, and the books show them", async () => {
  const { connector, url } = await start((request, response) => {
    request.on("data", (packet: Buffer) => {
      const [, number] = /n-(\d+)/.exec(packet.toString("latin1")) ?? [];
      response.end(writeFulfill(fulfillmentOf(Number(number))));
    });
  });
  const paths = Array.from({ length: 200 }, (_, i) => (i % 2 ? "/ilp" : "/accounts/alice/ilp"));
  const replies = await Promise.all(paths.map((path, number) => pay(url, path, number)));
  for (const [number, { status, body }] of replies.entries()) {
    assert.equal(status, 200);
    assert.deepEqual(body, Buffer.from(writeFulfill(fulfillmentOf(number))));
  }
  assert.equal(balance(connector, "alice"), 2000n);
  assert.equal(balance(connector, "bob"), -2000n);
  assert.equal((await pay(url, "/accounts/bob/ilp")).status, 401);
});

test("a malformed Prepare is answered by the core, with a Reject (HTTP-10)", async () => {
  const { connector, url } = await start(() => {});
  const { status, body } = await post(url, { path: "/ilp", body: Uint8Array.of(12, 3, 1, 2, 3) });
  assert.equal(status, 200);
  assert.equal(codeOf(connector, body), "F01");
});

const answers: [what: string, code: string, listener: RequestListener, destination?: string][] = [
  ["500", "T00", (_request, response) => response.writeHead(500).end()],
  ["400", "F00", (_request, response) => response.writeHead(400).end()],
  ["429", "T03", (_request, response) => response.writeHead(429).end()],
  ["no token", "T01", (_request, response) => response.writeHead(401).end()],
  ["an empty body", "T00", (_request, response) => response.end()],
  ["a page", "T00", (_request, response) => response.end("<html>")],
  ["a Prepare", "T00", (request, response) => request.pipe(response)],
  [
    "a wrong fulfillment",
    "F05",
    (_request, response) => response.end(writeFulfill(conditionOf(1))),
  ],
  ["a closed connection", "T01", (request) => request.socket.destroy()],
  ["silence", "T00", () => {}],
  ["an account that only receives", "F00", () => {}, "test.alice.x"],
];
for (const [what, code, listener, destination] of answers) {
  test(`${what} becomes ${code} and costs nothing`, async () => {
    const { connector, url } = await start(listener);
    // Alice may not route back to herself: bob's account has no token, so the node itself asks.
    if (destination) return assert.equal((await connector.ping(destination)).code, code);
    const { status, body } = await pay(url, "/ilp");
    assert.equal(status, 200);
    assert.equal(codeOf(connector, body), code);
    assert.equal(balance(connector, "alice"), 0n);
    assert.equal(balance(connector, "bob"), 0n);
  });
}
