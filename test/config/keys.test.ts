// Every key of the schema with a good and a bad value: the good one arrives in the configuration,
// the bad one is reported on its line. A key without a case here fails the last test.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Account, Config } from "../../host/config/index.js";
import { listSections } from "../../host/config/schema.js";
import { LINE_KEY, machine, mistakes, parse, write, type Lines } from "./support.js";

interface Case {
  readonly good: string;
  readonly get: (config: Config) => unknown;
  readonly want: unknown;
  readonly bad: string;
  /** Part of the sentence about the bad value. */
  readonly says: RegExp;
  /** Keys of the same table that must be absent for the good value. */
  readonly without?: readonly string[];
}

const account = (config: Config, id: string): Account => {
  const found = config.accounts.find((each) => each.id === id);
  assert.ok(found);
  return found;
};
const bob = (config: Config): Account => account(config, "bob");
const link = (config: Config, id: string) =>
  account(config, id).link as unknown as Record<string, unknown>;
const token = (value: unknown) => (value as { reveal(): string }).reveal();

const c = (
  good: string,
  get: Case["get"],
  want: unknown,
  bad: string,
  says: RegExp,
  without: readonly string[] = [],
): Case => ({ good, get, want, bad, says, without });

/** Tables that make each section's keys valid. `dan` dials, `bob` listens, `carol` uses HTTP. */
const base = (): Record<string, Lines> => ({
  "": { ilpAddress: '"test.node"' },
  "[accounts.bob]": { relation: '"child"', assetCode: '"XRP"', assetScale: "9" },
  "[accounts.bob.balance]": { maximum: '"1000"' },
  "[accounts.bob.rateLimit]": {},
  "[accounts.bob.throughput]": {},
  "[accounts.bob.btp]": { listen: "true", token: '"not-a-secret"' },
  "[accounts.dan]": { relation: '"parent"', assetCode: '"XRP"', assetScale: "9" },
  "[accounts.dan.btp]": { url: '"btp+wss://h.example"', token: '"also-no-secret"' },
  "[accounts.dan.btp.reconnect]": {},
  "[accounts.carol]": { relation: '"peer"', assetCode: '"USD"', assetScale: "2" },
  "[accounts.carol.http]": { url: '"https://h.example/ilp"' },
  "[btp]": { openTokens: "true" },
  "[btp.tls]": { cert: '"a.pem"', key: '"b.pem"' },
  "[btp.open]": {},
  "[btp.open.balance]": { maximum: '"1000"' },
  "[btp.open.rateLimit]": {},
  "[btp.open.throughput]": {},
  "[http]": {},
  "[http.tls]": { cert: '"a.pem"', key: '"b.pem"' },
  "[admin]": {},
  "[claims]": {},
  "[[routes]]": { targetPrefix: '"test.x"', peerId: '"bob"' },
  "[[rates]]": { from: '"USD"', to: '"XRP"', rate: '"0.5"' },
});

const limits = (get: (config: Config) => Account | NonNullable<Config["btp"]["open"]>) => ({
  keys: {
    maxPacketAmount: c('"5"', (f) => get(f).maxPacketAmount, 5n, '"0"', /between 1 and 18446/),
    maxPacketAmountOut: c('"Infinity"', (f) => get(f).maxPacketAmountOut, null, '"-5"', /between/),
    maxInFlight: c("5", (f) => get(f).maxInFlight, 5, "0", /between 1 and 1000000, not 0/),
    maxAtRisk: c('"8"', (f) => get(f).maxAtRisk, 8n, '"0"', /between 1 and 18446/),
    maxInFlightAmount: c("7", (f) => get(f).maxInFlightAmount, 7n, '"1.5"', /without a fraction/),
  },
  balance: {
    minimum: c(
      '"-5"',
      (f) => get(f).balance.minimum,
      -5n,
      '"Infinity"',
      /"-Infinity" for no limit/,
    ),
    maximum: c('"Infinity"', (f) => get(f).balance.maximum, null, '"1e6"', /exponent/),
    settleThreshold: c("-5", (f) => get(f).balance.settleThreshold, -5n, '"5 000"', /separators/),
    settleTo: c("-1", (f) => get(f).balance.settleTo, -1n, '"Infinity"', /write a number/),
  },
  rateLimit: {
    refillPeriod: c("100", (f) => get(f).rateLimit.refillPeriodMs, 100, "99", /between 100/),
    refillCount: c("1", (f) => get(f).rateLimit.refillCount, 1, '"1"', /without quotes/),
    capacity: c("3", (f) => get(f).rateLimit.capacity, 3, "1.5", /whole number, not 1.5/),
  },
  throughput: {
    refillPeriod: c("100", (f) => get(f).throughput.refillPeriodMs, 100, "true", /whole number/),
    incomingAmount: c('"9"', (f) => get(f).throughput.incomingAmount, 9n, '"x"', /digits only/),
    outgoingAmount: c('"9"', (f) => get(f).throughput.outgoingAmount, 9n, "[]", /not a list/),
  },
});
const accountLimits = limits(bob);
const openLimits = limits((config) => {
  assert.ok(config.btp.open);
  return config.btp.open;
});
const tls = (get: (config: Config) => Config["http"]) => ({
  cert: c('"~/c.pem"', (f) => get(f).tls?.cert, "/home/operator/c.pem", '"missing"', /not exist/),
  key: c('"k.pem"', (f) => get(f).tls?.key, "/etc/k.pem", '"locked"', /EACCES/),
});

const cases: Record<string, { heading: string; keys: Record<string, Case> }> = {
  "": {
    heading: "",
    keys: {
      ilpAddress: c('"test.x"', (f) => f.ilpAddress, "test.x", '"self.x"', /no node can own/),
      ilpAddressInheritFrom: c(
        '"dan"',
        (f) => f.ilpAddressInheritFrom,
        "dan",
        '"bob"',
        /not a parent|beside/,
        ["ilpAddress"],
      ),
      env: c('"test"', (f) => f.env, "test", '"production"', /ilpAddress "test.node" is not/),
      dataDir: c('"d"', (f) => f.dataDir, "/etc/d", '""', /is empty/),
      durability: c('"strict"', (f) => f.durability, "strict", '"fast"', /"group" or "strict"/),
      commitPeriod: c("20", (f) => f.commitPeriodMs, 20, "0", /between 1 and 10000 \(ms\)/),
      trail: c("true", (f) => f.trail, true, "1", /true or false/),
      journalSize: c("65_537", (f) => f.journalSize, 69_632, "65_535", /between 65536/),
      clockFile: c('"set"', (f) => f.clockFile, "/etc/set", '""', /is empty/),
      spread: c("0.000_000_001", (f) => f.spreadPpb, 1n, "0.0000000001", /9 decimal places/),
      minMessageWindow: c("500", (f) => f.minMessageWindowMs, 500, '"1s"', /whole number \(ms\)/),
      maxHoldTime: c("60_000", (f) => f.maxHoldTimeMs, 60_000, "1000", /not above minMessage/),
      defaultRoute: c('"bob"', (f) => f.defaultRoute, "bob", '"bop"', /did you mean "bob"/),
      reflectPayments: c("true", (f) => f.reflectPayments, true, '"yes"', /true or false/),
      routeBroadcastEnabled: c("false", (f) => f.routeBroadcastEnabled, false, "0", /true or/),
      routeBroadcastInterval: c("1000", (f) => f.routeBroadcastIntervalMs, 1000, "1", /between/),
      routeExpiry: c("31_000", (f) => f.routeExpiryMs, 31_000, "30_000", /not above routeBroad/),
    },
  },
  "accounts.*": {
    heading: "[accounts.bob]",
    keys: {
      relation: c('"peer"', (f) => bob(f).relation, "peer", '"friend"', /"parent" or "peer"/),
      assetCode: c('"EUR"', (f) => bob(f).assetCode, "EUR", '"€"', /1 to 32 visible ASCII/),
      assetScale: c("0", (f) => bob(f).assetScale, 0, "256", /between 0 and 255, not 256/),
      ilpAddressSegment: c('"b_~-1"', (f) => bob(f).ilpAddressSegment, "b_~-1", '"a.b"', /no addr/),
      sendRoutes: c("true", (f) => bob(f).sendRoutes, true, "1", /true or false/),
      receiveRoutes: c("true", (f) => bob(f).receiveRoutes, true, "1", /true or false/),
      frozen: c("true", (f) => bob(f).frozen, true, '"true"', /without quotes/),
      serial: c(
        '"tcp://127.0.0.1:5555"',
        (f) => link(f, "bob")["device"],
        "tcp://127.0.0.1:5555",
        '"ttyACM0"',
        /no serial line/,
      ),
      serialBaud: c("9600", (f) => bob(f).id, "bob", "110", /between 300/),
      serialKey: c(
        `"${LINE_KEY}"`,
        (f) => token(link(f, "bob")["key"]),
        LINE_KEY,
        '"0f0f"',
        /64 hexadecimal digits/,
        ["serialKeyFile"],
      ),
      serialKeyFile: c(
        '"line.key"',
        (f) => token(link(f, "bob")["key"]),
        LINE_KEY,
        '"missing.key"',
        /does not exist/,
        ["serialKey"],
      ),
      ...accountLimits.keys,
    },
  },
  "accounts.*.balance": { heading: "[accounts.bob.balance]", keys: accountLimits.balance },
  "accounts.*.rateLimit": { heading: "[accounts.bob.rateLimit]", keys: accountLimits.rateLimit },
  "accounts.*.throughput": { heading: "[accounts.bob.throughput]", keys: accountLimits.throughput },
  "accounts.*.btp": {
    heading: "[accounts.dan.btp]",
    keys: {
      listen: c("true", (f) => link(f, "dan")["kind"], "btp-listen", "1", /true or false/, ["url"]),
      url: c(
        '"btp+ws://:not-a-secret@127.0.0.1:7/p?q=1"',
        (f) => [link(f, "dan")["url"], token(link(f, "dan")["token"])],
        ["ws://127.0.0.1:7/p?q=1", "not-a-secret"],
        '"http://h"',
        /must start with one of btp\+wss/,
        ["token"],
      ),
      username: c('"u"', (f) => link(f, "dan")["username"], "u", "1", /put it in quotes/),
      token: c(
        '"env:DAN_TOKEN"',
        (f) => token(link(f, "dan")["token"]),
        "value-of-DAN_TOKEN",
        '"env:UNSET"',
        /from UNSET, which is not set/,
      ),
      tokenFile: c(
        '"dan.token"',
        (f) => token(link(f, "dan")["token"]),
        "content of /etc/dan.token",
        '"missing"',
        /\/etc\/missing does not exist|beside token/,
        ["token"],
      ),
      pingInterval: c("0", (f) => link(f, "dan")["pingIntervalMs"], 0, "-1", /between 0/),
      authTimeout: c("100", (f) => link(f, "dan")["authTimeoutMs"], 100, "9", /between 100/),
    },
  },
  "accounts.*.btp.reconnect": {
    heading: "[accounts.dan.btp.reconnect]",
    keys: {
      min: c("10", (f) => link(f, "dan")["reconnectMinMs"], 10, "70_000", /above reconnect.max/),
      max: c("2000", (f) => link(f, "dan")["reconnectMaxMs"], 2000, "1", /between 10/),
    },
  },
  "accounts.*.http": {
    heading: "[accounts.carol.http]",
    keys: {
      url: c(
        '"http://[::1]:9/x"',
        (f) => link(f, "carol")["url"],
        "http://[::1]:9/x",
        "7",
        /a URL/,
      ),
      outgoingToken: c(
        '"out"',
        (f) => token(link(f, "carol")["outgoingToken"]),
        "out",
        '"a b"',
        /visible ASCII/,
      ),
      outgoingTokenFile: c(
        '"word"',
        (f) => token(link(f, "carol")["outgoingToken"]),
        "only-one-word",
        '"empty"',
        /gives no token/,
      ),
      incomingToken: c(
        '"in"',
        (f) => token(link(f, "carol")["incomingToken"]),
        "in",
        '""',
        /is empty/,
      ),
      incomingTokenFile: c(
        '"word"',
        (f) => token(link(f, "carol")["incomingToken"]),
        "only-one-word",
        "1",
        /a path/,
      ),
      timeout: c("100", (f) => link(f, "carol")["timeoutMs"], 100, "0", /between 100/),
      maxConnections: c("1", (f) => link(f, "carol")["maxConnections"], 1, "0", /between 1/),
    },
  },
  btp: {
    heading: "[btp]",
    keys: {
      enabled: c("true", (f) => f.btp.enabled, true, "1", /true or false/),
      host: c('"::1"', (f) => f.btp.host, "::1", '"http://x"', /is no host/),
      port: c("0", (f) => f.btp.ports, [0], "65536", /between 0 and 65535/),
      additionalPorts: c("[1, 2]", (f) => f.btp.ports, [7768, 1, 2], "[0]", /an entry that must/),
      allowedOrigins: c(
        '["https://a:1"]',
        (f) => f.btp.allowedOrigins,
        ["https://a:1"],
        '["*"]',
        /any web/,
      ),
      maxConnections: c("1", (f) => f.btp.maxConnections, 1, "0", /between 1/),
      authTimeout: c("100", (f) => f.btp.authTimeoutMs, 100, "99", /between 100/),
      openTokens: c("false", (f) => [f.btp.openTokens, f.btp.open], [false, null], "1", /true or/),
    },
  },
  "btp.tls": { heading: "[btp.tls]", keys: tls((f) => ({ ...f.http, tls: f.btp.tls })) },
  "btp.open": {
    heading: "[btp.open]",
    keys: {
      assetCode: c('"EUR"', (f) => f.btp.open?.assetCode, "EUR", '""', /no asset code/),
      assetScale: c("6", (f) => f.btp.open?.assetScale, 6, "-1", /between 0 and 255/),
      maxAccounts: c("1", (f) => f.btp.open?.maxAccounts, 1, "0", /between 1/),
      ...openLimits.keys,
    },
  },
  "btp.open.balance": { heading: "[btp.open.balance]", keys: openLimits.balance },
  "btp.open.rateLimit": { heading: "[btp.open.rateLimit]", keys: openLimits.rateLimit },
  "btp.open.throughput": { heading: "[btp.open.throughput]", keys: openLimits.throughput },
  http: {
    heading: "[http]",
    keys: {
      enabled: c("false", (f) => f.http.enabled, false, "[]", /true or false/),
      host: c('"0.0.0.0"', (f) => f.http.host, "0.0.0.0", '"a b"', /is no host/),
      port: c("80", (f) => f.http.port, 80, "7769", /which http.port has|choose another/),
      maxBody: c("41_997", (f) => f.http.maxBody, 41_997, "41_996", /between 41997/),
    },
  },
  "http.tls": { heading: "[http.tls]", keys: tls((f) => f.http) },
  admin: {
    heading: "[admin]",
    keys: {
      enabled: c("false", (f) => f.admin.enabled, false, '""', /true or false/),
      host: c('"localhost"', (f) => f.admin.host, "localhost", "1", /put it in quotes/),
      port: c("1", (f) => f.admin.port, 1, "7768", /which btp.port has already/),
      token: c('"t"', (f) => token(f.admin.token), "t", '""', /is empty/),
      tokenFile: c('"t"', (f) => token(f.admin.token), "content of /etc/t", '"locked"', /EACCES/),
    },
  },
  claims: {
    heading: "[claims]",
    keys: {
      expiry: c("0", (f) => f.claims.expiryMs, 0, "-1", /between 0/),
      owing: c('"void"', (f) => f.claims.owing, "void", '"forget"', /"keep" or "void"/),
    },
  },
  "routes[]": {
    heading: "[[routes]]",
    keys: {
      targetPrefix: c(
        '"test"',
        (f) => f.routes[0]?.targetPrefix,
        "test",
        '"g.x"',
        /production netw/,
      ),
      peerId: c('"dan"', (f) => f.routes[0]?.peerId, "dan", '"dam"', /did you mean "dan"/),
    },
  },
  "rates[]": {
    heading: "[[rates]]",
    keys: {
      from: c('"EUR"', (f) => f.rates[0]?.from, "EUR", '"XR P"', /no asset code/),
      to: c('"EUR"', (f) => f.rates[0]?.to, "EUR", '"USD"', /always 1:1/),
      rate: c('"2/4"', (f) => f.rates[0]?.denominator, 2n, '"0"', /more than zero/),
      both: c("true", (f) => f.rates[0]?.both, true, '"x"', /true or false/),
    },
  },
};

/** Keys whose bad value is reported at another key of the pair. */
const reportedAt: Record<string, string> = { "http.port": "admin.port" };

for (const [section, { heading, keys }] of Object.entries(cases)) {
  for (const [key, { good, get, want, bad, says, without }] of Object.entries(keys)) {
    const name = section === "" ? key : `${section}.${key}`;
    test(`${name}: ${good} is taken, ${bad} is refused`, () => {
      const tables = base();
      const table = tables[heading];
      assert.ok(table);
      for (const other of without ?? []) delete table[other];
      table[key] = good;
      const sealed = name.startsWith("accounts.*.serialKey");
      if (sealed) table["serial"] = '"tcp://127.0.0.1:7768"';
      if (sealed || name === "accounts.*.serial") delete tables["[accounts.bob.btp]"];
      if (name === "http.port") tables["[admin]"] = { port: "7769" };
      assert.deepEqual(get(parse(write(tables).text)), want);

      // Without a line the account needs its other link back.
      if (!sealed) tables["[accounts.bob.btp]"] ??= base()["[accounts.bob.btp]"]!;
      table[key] = bad;
      const { text, lines } = write(tables);
      const line =
        reportedAt[name] === undefined ? lines.get(`${heading} ${key}`) : lines.get("[admin] port");
      const found = mistakes(text);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", says);
      assert.ok(
        found[0]?.startsWith(`${String(line)}: `),
        `${found[0] ?? ""} on line ${String(line)}`,
      );
      assert.match(found[0] ?? "", /^\d+: [\w.[\]]+ .*[.?]$/, "one sentence on one line");
    });
  }
}

test("every key of the schema has a case", () => {
  for (const { path, section } of listSections()) {
    assert.deepEqual(
      Object.keys(cases[path]?.keys ?? {}).sort(),
      Object.keys(section.keys).sort(),
      path,
    );
  }
});

test("every required key is missed on the line of its table", () => {
  for (const { path, section } of listSections()) {
    for (const [key] of Object.entries(section.keys).filter(([, { required }]) => required)) {
      const heading = cases[path]?.heading ?? "";
      const tables = base();
      delete tables[heading]?.[key];
      const { text } = write(tables);
      const line = text.split("\n").indexOf(heading) + 1;
      const found = mistakes(text);
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", new RegExp(`^${line}: .*${key} is missing; add ${key} = `));
    }
  }
});

test("the machine of these tests reads nothing real", () => {
  assert.equal(machine.env["PATH"], undefined);
});
