// The admin API of a real node: what it reports, what it refuses, and who may ask.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import type { AccountReport, EventReport, Explanation, StatusReport } from "../../host/report.js";
import { connectBtp, type Plugin } from "../support/peers.js";

const MUTABLE = { configurable: true };
/** A name, not a place. */
const SVG = "http://www.w3.org/2000/svg";
const OPEN_TOKEN = "any-token";
const OPEN = createHash("sha256").update(OPEN_TOKEN).digest("base64url");
const CARL_TOKEN = "c4rl-secret";

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

interface Asking {
  body?: unknown;
  raw?: string | Buffer;
  headers?: Record<string, string>;
}

/** One request; `body` goes as JSON, `raw` as it is. */
function ask(base: string, method: string, path: string, asking: Asking = {}): Promise<Answer> {
  const { body, raw, headers = {} } = asking;
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const options = { host: hostname, port, path, method, headers, agent: false };
    const sent = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode!, headers: response.headers, text });
      });
    });
    sent.on("error", reject);
    sent.end(raw ?? (body === undefined ? "" : JSON.stringify(body)));
  });
}

function toml(folder: string, admin: string): string {
  return `
    ilpAddress = "test.ferrule"
    dataDir = "${folder}"
    spread = 0.002
    [accounts.carl]
    relation = "child"
    assetCode = "USD"
    assetScale = 2
    maxPacketAmount = "5000"
    [accounts.carl.balance]
    minimum = "-1000"
    maximum = "2000"
    [accounts.carl.btp]
    listen = true
    token = "${CARL_TOKEN}"
    [[rates]]
    from = "USD"
    to = "XRP"
    rate = "2"
    both = true
    [btp]
    port = 0
    openTokens = true
    [http]
    enabled = false
    [admin]
    port = 0
    ${admin}
  `;
}

interface Running {
  connector: Connector;
  url: string;
  btp: string;
  close(): Promise<void>;
}

async function run(admin = ""): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-admin-"));
  const connector = createConnector(parseConfig(toml(folder, admin), "test.toml"));
  await connector.start();
  const urlOf = (kind: string): string => connector.listening.find((one) => one.kind === kind)!.url;
  return {
    connector,
    url: urlOf("admin"),
    btp: urlOf("btp"),
    close: async () => {
      await connector.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

function errorOf({ text }: Answer): string {
  const { error } = JSON.parse(text) as { error: string };
  assert.match(error, /^[A-Z"].*[.]$/);
  return error;
}

describe("the admin API", () => {
  let node: Running;
  let carl: Plugin;
  let open: Plugin;
  const get = async <T>(path: string): Promise<T> => {
    const { status, text, headers } = await ask(node.url, "GET", path);
    assert.equal(status, 200, text);
    assert.equal(headers["cache-control"], "no-store");
    return JSON.parse(text) as T;
  };
  const post = (path: string, body: unknown): Promise<Answer> =>
    ask(node.url, "POST", path, { body });
  const explain = async (account: string, to: string, amount: string): Promise<Explanation> => {
    const { status, text } = await post("/explain", { account, destination: to, amount });
    assert.equal(status, 200, text);
    return JSON.parse(text) as Explanation;
  };

  before(async () => {
    node = await run();
    carl = await connectBtp(node.btp, CARL_TOKEN);
    open = await connectBtp(node.btp, OPEN_TOKEN);
  });
  after(async () => {
    await carl.disconnect();
    await open.disconnect();
    await node.close();
  });

  it("reports the node", async () => {
    const report = await get<StatusReport>("/status");
    assert.match(report.line, /^ok 2 links, address test\.ferrule, 2 accounts, 0 in flight/);
    assert.equal(report.coreSha256, node.connector.coreHash);
    assert.match(report.coreSha256, /^[0-9a-f]{64}$/);
    assert.ok(report.uptimeMs >= 0);
  });
  it("reports accounts with their balances in words", async () => {
    const { core, registry } = node.connector;
    const { index } = registry.byId("carl")!;
    const balanceOf = async (): Promise<AccountReport> => await get("/accounts/carl");
    assert.equal((await balanceOf()).balanceText, "even");
    core.bookSettlement(index, true, 1234n);
    assert.equal((await balanceOf()).balanceText, "they owe you 12.34 USD");
    assert.equal((await balanceOf()).balance, "1234");
    core.bookSettlement(index, false, 1534n);
    assert.equal((await balanceOf()).balanceText, "you owe them 3 USD");
    core.bookSettlement(index, true, 300n);
    const all = await get<AccountReport[]>("/accounts");
    assert.deepEqual(
      all.map(({ id, relation, link }) => [id, relation, link]),
      [
        ["local", "local", "up"],
        ["carl", "child", "up"],
        [OPEN, "child", "up"],
      ].sort((a, b) => registry.byId(a[0]!)!.index - registry.byId(b[0]!)!.index),
    );
    assert.equal(all.find(({ id }) => id === OPEN)!.address, `test.ferrule.${OPEN}`);
  });
  it("reports routes and rates", async () => {
    const routes = await get<object[]>("/routes");
    assert.deepEqual(routes[0], { prefix: "test.ferrule", account: "local", kind: "own" });
    const rates = await get<{ text: string }[]>("/rates");
    assert.ok(rates.some(({ text }) => text === "1 USD = 1.996 XRP"));
    assert.ok(rates.some(({ text }) => text === "1 XRP = 0.499 USD"));
  });
  it("explains what would go through: route, rate, amount, time", async () => {
    const found = await explain(OPEN, "test.ferrule.carl.shop", "2000000000");
    assert.equal(found.forwarded, true);
    assert.equal(found.next, "carl");
    assert.deepEqual(found.route, { prefix: "test.ferrule.carl", account: "carl", kind: "child" });
    assert.equal(found.amountOut, "99");
    assert.equal(found.holdMs, 29_000);
    assert.deepEqual(found.text, [
      `${OPEN} sends 2 XRP to test.ferrule.carl.shop.`,
      "Route: child route test.ferrule.carl leads to carl.",
      "Rate: 1 XRP = 0.499 USD; carl is sent 0.99 USD.",
      "Time: of 30 seconds, carl has 29 seconds to answer.",
    ]);
  });
  it("explains refusals with limit and value", async () => {
    const cases: [account: string, to: string, amount: string, rule: string, words: RegExp][] = [
      ["carl", "test.ferrule", "5001", "MaxPacketAmount", /50\.01 USD .* 50 USD/],
      ["carl", "test.ferrule", "2001", "BalanceMaximum", /20\.01 USD, .* 20 USD/],
      [OPEN, "test.ferrule.carl", "60000000000", "BalanceMinimum", /-29\.94 USD, .* -10 USD/],
      ["carl", "g.other", "1", "Scheme", /another network/],
      ["carl", "test.elsewhere", "1", "NoRoute", /no route/],
      ["carl", "test.ferrule.carl.a", "1", "Reflection", /back to carl/],
      [OPEN, "test.ferrule.carl", "1", "RoundsToZero", /nothing is left/],
    ];
    for (const [account, to, amount, rule, words] of cases) {
      const found = await explain(account, to, amount);
      assert.equal(found.rule, rule);
      assert.match(found.text.join(" "), words);
    }
    const tooBig = await explain("carl", "test.ferrule", "5001");
    assert.equal(tooBig.code, "F08");
    assert.equal(tooBig.maximum, "5000");
    assert.match(tooBig.message, /maxAmount=5000 actualAmount=5001/);
  });
  it("explains without moving anything", async () => {
    const before = await get<AccountReport[]>("/accounts");
    await explain(OPEN, "test.ferrule.carl", "2000000000");
    assert.deepEqual(await get<AccountReport[]>("/accounts"), before);
    assert.equal((await get<StatusReport>("/status")).inFlight, 0);
  });
  it("pings, and shows refusals as events with their reason", async () => {
    const self = await post("/ping", { destination: "test.ferrule", count: 3 });
    assert.equal((JSON.parse(self.text) as { fulfilled: number }).fulfilled, 3);
    const lost = await post("/ping", { destination: "test.nowhere" });
    const { fulfilled, results } = JSON.parse(lost.text) as {
      fulfilled: number;
      results: { code: string }[];
    };
    assert.equal(fulfilled, 0);
    assert.equal(results[0]!.code, "F02");
    const [event] = await get<EventReport[]>("/events?count=1");
    assert.equal(event!.rule, "NoRoute");
    assert.equal(event!.account, "local");
    assert.equal(event!.code, "F02");
    assert.match(event!.text, /no route/);
  });
  it("has an operator wait while a Fulfill could still decide a claim", async () => {
    const { claims } = node.connector;
    const untilMs = Date.now() + 5000;
    claims.answerableUntil = (_entry, side) => (side === "owing" ? untilMs : 0);
    const claim = { side: "owing", action: "void", amount: "1" };
    const early = await post("/accounts/carl/claims", claim);
    assert.equal(early.status, 409);
    assert.match(early.text, /can still fulfill packets of these claims/);
    const other = await post("/accounts/carl/claims", { ...claim, side: "owed" });
    assert.match(other.text, /0 units are open/);
    Object.defineProperty(node.connector.books, "failure", { value: new Error("EIO"), ...MUTABLE });
    const failed = await post("/accounts/carl/claims", { ...claim, side: "owed" });
    Reflect.deleteProperty(node.connector.books, "failure");
    assert.equal(failed.status, 503);
  });
  it("freezes and unfreezes", async () => {
    const frozen = JSON.parse((await post("/accounts/carl/freeze", {})).text) as AccountReport;
    assert.equal(frozen.frozen, true);
    assert.equal((await explain("carl", "test.ferrule", "1")).rule, "AccountFrozen");
    assert.equal((await explain(OPEN, "test.ferrule.carl", "100000000")).rule, "NextFrozen");
    await post("/accounts/carl/unfreeze", {});
    assert.notEqual((await explain("carl", "test.ferrule", "1")).rule, "AccountFrozen");
    assert.equal((await post("/accounts/local/freeze", {})).status, 409);
  });
  it("shows the configuration without secrets", async () => {
    const { text } = await ask(node.url, "GET", "/config");
    assert.ok(text.includes("carl") && !text.includes(CARL_TOKEN));
  });
  it("is alive and ready", async () => {
    assert.equal((await ask(node.url, "GET", "/healthz")).status, 200);
    assert.equal((await ask(node.url, "GET", "/readyz")).status, 200);
    const head = await ask(node.url, "HEAD", "/status");
    assert.equal(head.status, 200);
    assert.equal(head.text, "");
  });

  const mistakes: [string, string, Asking, number, RegExp][] = [
    ["GET", "/nothing", {}, 404, /There are GET \/status/],
    ["GET", "/__proto__", {}, 404, /nothing here/],
    ["POST", "/status", {}, 405, /Use GET/],
    ["GET", "/ping", {}, 405, /Use POST/],
    ["DELETE", "/accounts/carl", {}, 405, /Use GET/],
    ["GET", "/accounts/nobody", {}, 404, /no account "nobody"/],
    ["GET", "/accounts/%ff", {}, 400, /URL-encoded/],
    ["GET", "/events?count=0", {}, 400, /"count" must be/],
    ["GET", "/events?count=abc", {}, 400, /"count" must be/],
    ["POST", "/explain", { raw: "{" }, 400, /not JSON/],
    ["POST", "/explain", { raw: "[]" }, 400, /JSON object/],
    ["POST", "/explain", { raw: Buffer.alloc(20_000, "a") }, 413, /at most/],
    ["POST", "/explain", { body: {} }, 400, /"account" must be/],
    ["POST", "/ping", { body: { destination: "a..b" } }, 400, /not an ILP address/],
    [
      "POST",
      "/ping",
      { body: { destination: `g.${"a".repeat(9000)}` } },
      400,
      /not an ILP address/,
    ],
    ["POST", "/ping", { body: { destination: "test.a", amount: 1.5 } }, 400, /"amount" must be/],
    ["POST", "/ping", { body: { destination: "test.a", amount: "-1" } }, 400, /"amount" must be/],
    ["POST", "/ping", { body: { destination: "test.a", count: 101 } }, 400, /"count" must be/],
  ];
  for (const [method, path, asking, status, expected] of mistakes) {
    it(`answers ${method} ${path} ${String(status)} with a sentence`, async () => {
      const answer = await ask(node.url, method, path, asking);
      assert.equal(answer.status, status, answer.text);
      assert.match(errorOf(answer), expected);
    });
  }
  it("takes amounts of 64 bits and no more", async () => {
    const body = { account: "local", destination: "test.ferrule.carl" };
    const most = await post("/explain", { ...body, amount: (2n ** 64n - 1n).toString() });
    assert.equal(most.status, 200);
    const more = await post("/explain", { ...body, amount: (2n ** 64n).toString() });
    assert.equal(more.status, 400);
  });
  it("answers whatever it is sent", async () => {
    const field = fc.constantFrom("account", "destination", "amount", "count", "expiresInMs");
    const bodies = fc.oneof(fc.dictionary(field, fc.jsonValue()), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("/explain", "/ping"), bodies, async (path, body) => {
        const answer = await ask(node.url, "POST", path, { raw: JSON.stringify(body) });
        assert.ok(answer.status === 200 || answer.status === 400 || answer.status === 404);
        if (answer.status !== 200) errorOf(answer);
      }),
      { numRuns: 100 },
    );
  });

  it("serves its page, which loads nothing from elsewhere, and answers it", async () => {
    const files = { "/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript" };
    for (const [path, type] of Object.entries(files)) {
      const { status, headers, text } = await ask(node.url, "GET", path);
      assert.equal(status, 200);
      assert.equal(headers["content-type"], `${type}; charset=utf-8`);
      assert.match(
        String(headers["content-security-policy"]),
        /^default-src 'none'; script-src 's/,
      );
      const addresses = text.match(/\bhttps?:[^"'\s]+/g) ?? [];
      assert.deepEqual(new Set(addresses), new Set(path === "/page.js" ? [SVG] : []));
      assert.doesNotMatch(text, /innerHTML|insertAdjacentHTML|document\.write|<script>|style="/);
    }
    const own = { headers: { "sec-fetch-site": "same-origin" } };
    assert.equal((await ask(node.url, "GET", "/status", own)).status, 200);
    assert.equal((await ask(node.url, "GET", "/page.html", own)).status, 404);
  });
  it("is not for other web pages", async () => {
    const { port } = new URL(node.url);
    const refused: Record<string, string>[] = [
      { origin: "http://example.com" },
      { origin: node.url },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { host: "example.com" },
      { host: `example.com:${port}` },
      { host: `127.0.0.1.example.com:${port}` },
      { host: `127.0.0.1@example.com` },
    ];
    for (const headers of refused) {
      for (const path of ["/status", "/healthz", "/metrics"]) {
        const answer = await ask(node.url, "GET", path, { headers });
        assert.equal(answer.status, 403, JSON.stringify(headers));
        errorOf(answer);
      }
    }
    for (const host of [`127.0.0.1:${port}`, "localhost", `[::1]:${port}`, "LOCALHOST:1"]) {
      assert.equal((await ask(node.url, "GET", "/status", { headers: { host } })).status, 200);
    }
  });
});

describe("metrics", () => {
  it("are Prometheus text with ilp-connector's names", async () => {
    const node = await run();
    const before = await connectBtp(node.btp, OPEN_TOKEN);
    await node.connector.ping("test.ferrule", 5n);
    await node.connector.ping("test.nowhere", 5n);
    const { text, headers } = await ask(node.url, "GET", "/metrics");
    await before.disconnect();
    await node.close();
    assert.match(String(headers["content-type"]), /^text\/plain; version=0\.0\.4/);
    const names = new Set<string>();
    let typed = "";
    for (const line of text.trimEnd().split("\n")) {
      const type = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line);
      if (type) {
        assert.ok(!names.has(type[1]!), `${type[1]} twice`);
        names.add((typed = type[1]!));
        continue;
      }
      if (line.startsWith("# HELP ")) continue;
      assert.match(line, /^\w+(\{(\w+="([^"\\]|\\.)*"(,(?!\}))?)*\})? -?\d+(\.\d+)?(e-?\d+)?$/);
      assert.ok(line.startsWith(typed));
    }
    const local = 'account="local",asset="XRP",scale="9"';
    for (const line of [
      `ilp_connector_incoming_ilp_packets{result="rejected",${local}} 1`,
      `ilp_connector_balance{${local}} `,
      `ilp_connector_rate_limited_ilp_packets{${local}} 0`,
      `ferrule_link_up{account="${OPEN}",asset="XRP",scale="9"} 1`,
      "ferrule_ready 1",
      "ferrule_refusals_total 1",
    ]) {
      assert.ok(text.includes(`\n${line}`), line);
    }
  });
});

describe("with a token", () => {
  let node: Running;
  before(async () => {
    node = await run('token = "0p3n-sesame"');
  });
  after(() => node.close());

  it("only who shows it gets an answer", async () => {
    const right = { authorization: "Bearer 0p3n-sesame" };
    for (const path of ["/status", "/metrics", "/config", "/nothing"]) {
      for (const headers of [
        {},
        { authorization: "" },
        { authorization: "Bearer" },
        { authorization: "Bearer 0p3n-sesam" },
        { authorization: "Bearer 0p3n-sesame2" },
        { authorization: "Basic 0p3n-sesame" },
        { authorization: "0p3n-sesame" },
      ] as Record<string, string>[]) {
        const answer = await ask(node.url, "GET", path, { headers });
        assert.equal(answer.status, 401, `${path} ${JSON.stringify(headers)}`);
        assert.match(String(answer.headers["www-authenticate"]), /^Bearer/);
        assert.ok(!errorOf(answer).includes("sesame"));
      }
    }
    assert.equal((await ask(node.url, "GET", "/status", { headers: right })).status, 200);
    const elsewhere = { ...right, host: "node.example.com" };
    assert.equal((await ask(node.url, "GET", "/status", { headers: elsewhere })).status, 200);
    const { text } = await ask(node.url, "GET", "/config", { headers: right });
    assert.ok(!text.includes("sesame"));
  });
  it("health needs none and says nothing", async () => {
    const { status, text } = await ask(node.url, "GET", "/healthz");
    assert.deepEqual([status, text], [200, '{"ok":true}\n']);
  });
  it("is not ready while it shuts down", async () => {
    await node.connector.drain();
    assert.equal((await ask(node.url, "GET", "/readyz")).status, 503);
    assert.equal((await ask(node.url, "GET", "/healthz")).status, 200);
  });
});
