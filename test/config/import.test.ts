// ferrule import: ilp-connector's environments and launch files, and what is said about the rest.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { importIlpConnector, type Config, type ImportSource } from "../../host/config/index.js";
import { parseEnvFile } from "../../host/config/import.js";
import { evaluateFile } from "../../host/config/sandbox.js";
import { parse } from "./support.js";

function importFile(name: string): { config: Config; notes: readonly string[]; toml: string } {
  const text = readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
  return importSource({ kind: "file", name, text });
}

function importSource(source: ImportSource): {
  config: Config;
  notes: readonly string[];
  toml: string;
} {
  const { toml, notes } = importIlpConnector(source);
  for (const note of notes) {
    assert.doesNotMatch(note, /not-a-secret|\n/, "no secret in a note, one line each");
    assert.match(note, /[.?]$/);
    assert.ok(toml.includes(`# ${note}\n`));
  }
  return { config: parse(toml), notes, toml };
}

const noted = (notes: readonly string[], pattern: RegExp): void => {
  assert.ok(
    notes.some((note) => pattern.test(note)),
    `${String(pattern)} in\n${notes.join("\n")}`,
  );
};

test("a shop's env file: BTP both ways, HTTP, a payment channel that stays behind", () => {
  const { config, notes } = importFile("shop.env");
  assert.equal(config.ilpAddress, "g.upstream.shop");
  assert.equal(config.env, "production");
  assert.equal(config.spreadPpb, 12_500_000n);
  assert.equal(config.maxHoldTimeMs, 45_000);
  assert.equal(config.admin.port, 7780);
  assert.deepEqual(
    config.accounts.map(({ id }) => id),
    ["upstream", "till", "partner"],
  );
  const [upstream, till, partner] = config.accounts;
  assert.ok(upstream?.link.kind === "btp-dial");
  assert.equal(upstream.link.url, "wss://upstream.example:7768/btp");
  assert.equal(upstream.link.username, "shop");
  assert.equal(upstream.link.token.reveal(), "not-a-secret-1");
  assert.deepEqual([upstream.link.reconnectMinMs, upstream.link.reconnectMaxMs], [5000, 5000]);
  assert.deepEqual(upstream.balance, {
    minimum: -20_000_000n,
    maximum: 10_000_000n,
    settleThreshold: -15_000_000n,
    settleTo: 0n,
  });
  assert.deepEqual(upstream.rateLimit, { refillPeriodMs: 60_000, refillCount: 500, capacity: 500 });
  assert.ok(till?.link.kind === "btp-listen");
  assert.equal(till.link.token.reveal(), "not-a-secret-2");
  assert.deepEqual(
    [till.ilpAddressSegment, till.maxPacketAmount, till.throughput.incomingAmount],
    ["till-1", 5000n, 100_000n],
  );
  assert.equal(till.balance.maximum, 0n);
  assert.ok(partner?.link.kind === "http");
  assert.equal(partner.link.url, "https://partner.example/ilp");
  assert.equal(partner.link.incomingToken?.reveal(), "not-a-secret-3");
  assert.equal(partner.link.outgoingToken?.reveal(), "not-a-secret-4");
  assert.deepEqual([partner.sendRoutes, partner.receiveRoutes], [false, true]);
  assert.equal(partner.balance.maximum, null);
  assert.deepEqual([config.btp.host, config.btp.ports], ["::", [9000]]);
  assert.deepEqual([config.http.host, config.http.port], ["::", 4000]);
  assert.equal(config.defaultRoute, "upstream");
  assert.deepEqual(config.routes, [{ targetPrefix: "g.partner", peerId: "partner" }]);
  noted(notes, /accounts\.channel was left out: its plugin \(ilp-plugin-xrp-paychan\)/);
  noted(notes, /routes\[2\].*"channel", which is no account/);
  noted(notes, /store ilp-store-redis was left out/);
  noted(notes, /storeConfig was left out/);
  noted(notes, /routingSecret was left out/);
  noted(notes, /backend ecb has no counterpart; .*EUR, USD/);
  noted(notes, /CONNECTOR_COLOUR is not a variable/);
  noted(notes, /till\.deduplicate was left out/);
  noted(notes, /option responseTimeout was left out/);
  noted(notes, /partner: tell the peer to post to \/accounts\/partner\/ilp/);
});

test("a pm2 file like moneyd's: a parent and open tokens", () => {
  const { config, notes } = importFile("launch.config.cjs");
  assert.equal(config.env, "test");
  assert.equal(config.ilpAddressInheritFrom, "parent");
  assert.equal(config.spreadPpb, 0n);
  assert.deepEqual(
    config.accounts.map(({ id }) => id),
    ["parent"],
  );
  const link = config.accounts[0]?.link;
  assert.ok(link?.kind === "btp-dial");
  assert.equal(link.url, "ws://parent.example:7768/");
  assert.deepEqual(link.token.source, { kind: "env", name: "PARENT_TOKEN" });
  assert.deepEqual(
    [config.btp.openTokens, config.btp.host, config.btp.ports],
    [true, "127.0.0.1", [7768]],
  );
  assert.deepEqual(config.btp.allowedOrigins, ["http://localhost:8080"]);
  assert.equal(config.btp.open?.balance.maximum, 500_000_000n);
  assert.deepEqual([config.admin.host, config.admin.port], ["127.0.0.1", 7780]);
  noted(notes, /reads PARENT_TOKEN from the environment/);
  noted(notes, /allowedOrigins that are patterns/);
  noted(notes, /local became \[btp\] openTokens/);
  noted(notes, /middleware tax was left out/);
  noted(notes, /disableMiddleware deduplicate was left out/);
  noted(notes, /adminApiHost was left out/);
  noted(notes, /reflectPayments was on/);
});

test("a script that calls createApp: ports, equal secrets, wrong values", () => {
  const { config, notes } = importFile("run-connector.cjs");
  assert.equal(config.ilpAddress, "test.hub");
  assert.equal(config.spreadPpb, 1_000_000n);
  assert.equal(config.maxHoldTimeMs, 30_000);
  assert.deepEqual(
    config.accounts.map(({ id }) => id),
    ["alice", "bob", "jwt"],
  );
  assert.deepEqual(config.btp.ports, [9001, 9002, 9003, 9004]);
  assert.deepEqual(
    config.rates.map(({ from, to, numerator, denominator, both }) => [
      [from, to].sort().join(),
      numerator,
      denominator,
      both,
    ]),
    [["EUR,USD", 1n, 1n, true]],
  );
  const jwt = config.accounts[2]?.link;
  assert.ok(jwt?.kind === "http");
  assert.deepEqual([jwt.incomingToken, jwt.outgoingToken], [null, null]);
  noted(notes, /accounts\.copy was left out: .*same as for accounts\.bob/);
  noted(notes, /accounts\."bad id" was left out/);
  noted(notes, /custom was left out: its plugin \(given as an object\)/);
  noted(notes, /multi was left out: .*multi mode/);
  noted(notes, /jwt used JWT tokens/);
  noted(notes, /jwt\.colour is not a key/);
  noted(notes, /maxHoldTime was left out/);
  noted(notes, /routes\[1\].*extra period/);
});

test("a process environment, with and without what Ferrule needs", () => {
  const accounts = JSON.stringify({
    a: {
      relation: "peer",
      plugin: "ilp-plugin-btp",
      assetCode: "XRP",
      assetScale: "9",
      options: {},
    },
  });
  const { config, notes } = importSource({
    kind: "environment",
    variables: { PATH: "/bin", CONNECTOR_ACCOUNTS: accounts, CONNECTOR_ROUTES: "{oops" },
  });
  assert.equal(config.ilpAddress, "test.ferrule");
  assert.deepEqual(config.accounts, []);
  noted(notes, /CONNECTOR_ROUTES cannot be read/);
  noted(notes, /no ILP address and no parent/);
  noted(notes, /a was left out: its plugin has neither server nor listener/);
  assert.throws(
    () => importIlpConnector({ kind: "environment", variables: { PATH: "/bin" } }),
    /The environment has no CONNECTOR_ variables; set them/,
  );
});

test("open tokens are not carried over to the live network", () => {
  const { config, notes } = importSource({
    kind: "environment",
    variables: {
      CONNECTOR_ILP_ADDRESS: "g.me",
      CONNECTOR_ACCOUNTS: {
        local: {
          relation: "child",
          plugin: "ilp-plugin-mini-accounts",
          assetCode: "XRP",
          assetScale: 9,
        },
      },
    },
  });
  assert.equal(config.btp.openTokens, false);
  noted(notes, /btp\.openTokens was left out: .*live network/);
});

test("env files: quotes, export, comments, several lines", () => {
  assert.deepEqual(
    parseEnvFile(
      [
        "# A=0",
        "A=1",
        " export B = 'x # y'",
        'C="a\\"b\\nc"',
        'D={"k":"a #b"}',
        "E=plain # comment\r",
        "F='{",
        '"G": 1',
        "H=2",
        "}'",
        "I=",
      ].join("\n"),
    ),
    {
      A: "1",
      B: "x # y",
      C: 'a"b\nc',
      D: '{"k":"a #b"}',
      E: "plain",
      F: '{\n"G": 1\nH=2\n}',
      I: "",
    },
  );
});

test("an evaluated file reaches nothing of this process", () => {
  const probes = [
    "this.constructor.constructor('return process')().pid",
    "require('fs').readFileSync('/etc/passwd', 'utf8')",
    "require.constructor('return process')().pid",
    "process.constructor.constructor('return process')().pid",
    "module.constructor.constructor('return this')().process.pid",
    "(async function () {}).constructor('return process')()",
    "new Function('return 1')()",
    "eval('1')",
    "typeof setTimeout + typeof fetch + typeof Buffer",
    "process.env.HOME",
  ];
  for (const probe of probes) {
    const text = `let out;
      try { out = ${probe}; } catch (e) { out = 'threw'; }
      module.exports = { out: typeof out === 'string' ? out : typeof out };`;
    const { exported } = evaluateFile(text, "x.js");
    const { out } = exported as { out?: unknown };
    const harmless = ["threw", "undefinedundefinedundefined", "env:HOME", "function"];
    assert.ok(harmless.includes(out as string), `${probe} gave ${String(out)}`);
  }
});

test("files that do not end, do not parse or throw are refused without quoting them", () => {
  const cases: [string, RegExp][] = [
    ["for (;;) {}", /x\.js cannot be evaluated \(it does not end\)/],
    ["const not-a-secret = 1", /not plain JavaScript/],
    ["export default {}", /not plain JavaScript/],
    ["throw new Proxy({}, { getPrototypeOf() { for (;;) {} } })", /it throws/],
    ["throw new Error('not-a-secret')", /it throws/],
    ["throw { get name() { for (;;) {} } }", /it throws/],
    ["module.exports = 1", /exports no settings/],
    ["module.exports = {}", /no CONNECTOR_ variables and no accounts/],
    ["JSON.stringify = () => 1", /no CONNECTOR_ variables/],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => importIlpConnector({ kind: "file", name: "x.js", text }),
      (thrown) =>
        thrown instanceof Error &&
        message.test(thrown.message) &&
        !thrown.message.includes("not-a-secret"),
      text,
    );
  }
  assert.throws(() => importIlpConnector({ kind: "file", name: "a.json", text: "{" }), /not JSON/);
});

test("an account called local gets another name, wherever it is named", () => {
  const peer = (port: number) => ({
    relation: "parent",
    assetCode: "USD",
    assetScale: 2,
    plugin: "ilp-plugin-http",
    options: {
      incoming: { port, staticToken: "a" },
      outgoing: { url: "https://a.example/ilp", staticToken: "b" },
    },
  });
  const accounts = { local: peer(4000) };
  const variables = {
    CONNECTOR_ILP_ADDRESS: "test.a",
    CONNECTOR_DEFAULT_ROUTE: "local",
    CONNECTOR_ACCOUNTS: JSON.stringify(accounts),
    CONNECTOR_ROUTES: JSON.stringify([{ targetPrefix: "test.b", peerId: "local" }]),
  };
  const { config, notes } = importSource({ kind: "environment", variables });
  assert.deepEqual(
    [config.accounts[0]?.id, config.defaultRoute, config.routes[0]?.peerId],
    ["local-peer", "local-peer", "local-peer"],
  );
  noted(notes, /accounts\.local became accounts\.local-peer/);
  noted(notes, /\/accounts\/local-peer\/ilp/);
});
