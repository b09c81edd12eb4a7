// Loading: every key with good and bad values, their lines, sentences and suggestions.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  ConfigError,
  REDACTED,
  Secret,
  defaultConfig,
  dumpConfig,
  loadConfig,
  parseConfig,
  redact,
} from "../../host/config/index.js";
import { machine, mistakes, parse } from "./support.js";

const PEER = 'relation = "peer"\nassetCode = "XRP"\nassetScale = 9\n';
const LISTEN = (id: string, token = `token-of-${id}`) =>
  `[accounts.${id}]\n${PEER}[accounts.${id}.btp]\nlisten = true\ntoken = "${token}"\n`;

test("the built-in defaults are a local test network", () => {
  const config = defaultConfig(machine);
  assert.equal(config.file, null);
  assert.equal(config.ilpAddress, "test.ferrule");
  assert.equal(config.env, "test");
  assert.equal(config.spreadPpb, 0n);
  assert.equal(config.dataDir, "/home/operator/.local/state/ferrule");
  assert.deepEqual([config.btp.host, config.btp.ports], ["127.0.0.1", [7768]]);
  assert.deepEqual([config.http.host, config.http.port], ["127.0.0.1", 7770]);
  assert.deepEqual([config.admin.host, config.admin.port], ["127.0.0.1", 7769]);
  assert.equal(config.btp.openTokens, true);
  const { open } = config.btp;
  assert.deepEqual([open?.assetCode, open?.assetScale], ["XRP", 9]);
  assert.deepEqual([open?.balance.minimum, open?.balance.maximum], [null, null]);
  assert.deepEqual(open?.rateLimit, {
    refillPeriodMs: 60_000,
    refillCount: 1_000_000,
    capacity: 1_000_000,
  });
  assert.deepEqual(config.accounts, []);
  assert.deepEqual(config.warnings, []);
});

test("dataDir follows XDG_STATE_HOME when it is absolute", () => {
  const at = (state: string) =>
    defaultConfig({ ...machine, env: { XDG_STATE_HOME: state } }).dataDir;
  assert.equal(at("/state"), "/state/ferrule");
  assert.equal(at("state"), "/home/operator/.local/state/ferrule");
});

test("a file has ilp-connector's defaults", () => {
  const config = parse(`ilpAddress = "g.me"\n${LISTEN("bob")}`);
  assert.equal(config.env, "production");
  assert.equal(config.spreadPpb, 2_000_000n);
  assert.deepEqual([config.minMessageWindowMs, config.maxHoldTimeMs], [1000, 30_000]);
  const [bob] = config.accounts;
  assert.ok(bob);
  assert.deepEqual([bob.sendRoutes, bob.receiveRoutes], [true, true]);
  assert.deepEqual(bob.rateLimit, {
    refillPeriodMs: 60_000,
    refillCount: 10_000,
    capacity: 10_000,
  });
  assert.equal(bob.throughput.refillPeriodMs, 1000);
  assert.deepEqual(bob.balance, {
    minimum: null,
    maximum: null,
    settleThreshold: null,
    settleTo: 0n,
  });
  assert.deepEqual(
    config.warnings.map(({ line, key }) => [line, key]),
    [[2, "accounts.bob"]],
    "no balance is unlimited, with a warning",
  );
});

test("the sentence of the manual, to the letter", () => {
  const balance = '[accounts.bob.balance]\nmaximum = "1e6"\n';
  const text = `ilpAddress = "test.a"\n${LISTEN("bob")}\n\n${balance}`;
  assert.throws(() => parseConfig(text, "ferrule.toml", machine), {
    name: "ConfigError",
    message:
      "ferrule.toml:12: accounts.bob.balance.maximum must be a whole number of units such as " +
      '"1000000", not "1e6"; write it without an exponent.',
  });
});

test("unknown keys get the nearest key, the right place, or what replaced them", () => {
  assert.deepEqual(
    mistakes(
      'ilpAdress = "x"\nilpAddress = "test.a"\n[acounts]\n[accounts.b]\nspread = 0\n' +
        "listen = true\n" +
        `plugin = "x"\nzzzzzzzzz = 1\n${PEER}[accounts.b.btp]\nlisten = true\ntoken = "t"\n`,
    ),
    [
      '1: ilpAdress is not a key; did you mean "ilpAddress"?',
      '3: acounts is not a key; did you mean "accounts"?',
      "5: accounts.b.spread is not a key here; it belongs at the top of the file, before the " +
        "first [table].",
      "6: accounts.b.listen is not a key here; it belongs under [accounts.<id>.btp].",
      "7: accounts.b.plugin is not a key of Ferrule; links are written as [accounts.<id>.btp] or " +
        "[accounts.<id>.http]; `ferrule import` converts plugins.",
      "8: accounts.b.zzzzzzzzz is not a key; remove it, or see the reference for the keys " +
        "there are.",
    ],
  );
});

test("keys of JavaScript objects are no keys and no accounts", () => {
  assert.match(
    mistakes('ilpAddress = "test.a"\nconstructor = 1')[0] ?? "",
    /^2: constructor is not/,
  );
  assert.match(mistakes('ilpAddress = "test.a"\n__proto__ = 1')[0] ?? "", /^2: __proto__ is not/);
  assert.match(mistakes(`ilpAddress = "test.a"\n${LISTEN("__proto__")}`)[0] ?? "", /no account id/);
  assert.equal(
    parse(`ilpAddress = "test.a"\n${LISTEN("constructor")}`).accounts[0]?.id,
    "constructor",
  );
});

test("text that is not TOML is placed, explained and not quoted", () => {
  const cases: [string, string][] = [
    ['a = 1\ntoken = "not-a-secret', "2: This is not TOML (unfinished"],
    ["a = not-a-secret", "1: This is not TOML (invalid value at column 5); put text in quotes."],
    ["a = 1\n\na = 2", "3: This is not TOML ("],
    ["not-a-secret", "1: This is not TOML ("],
  ];
  for (const [text, start] of cases) {
    const [found, ...more] = mistakes(text);
    assert.ok(found?.startsWith(start), found);
    assert.ok(found?.endsWith(".") && !found.includes("\n"), found);
    assert.doesNotMatch(found ?? "", /not-a-secret/);
    assert.deepEqual(more, []);
  }
});

test("own addresses (ADR-01 to ADR-05, ADR-11)", () => {
  const wrong = (address: string, more = "") => mistakes(`ilpAddress = "${address}"\n${more}`);
  for (const address of ["g.a", "test.a", "test1.a", "private.a", "local.a.b", "test.A_~-9"]) {
    assert.deepEqual(wrong(address), [], address);
  }
  const long = `test.${"a".repeat(1019)}`;
  for (const address of ["g", "G.a", "peer.a", "self.a", "example.a", "x.a", "test.", "test..a"]) {
    assert.equal(wrong(address).length, 1, address);
  }
  for (const address of ["test.a b", "test.é", "", long]) assert.equal(wrong(address).length, 1);
  assert.match(wrong("test.a", 'env = "production"')[0] ?? "", /^2: env is "production" but/);
  assert.equal(parse('ilpAddress = "private.a"\nenv = "production"').env, "production");
});

test("the address is inherited from the first parent in the order of the file", () => {
  const parent = (id: string) => LISTEN(id).replace("peer", "parent");
  const config = parse(parent("9") + parent("1") + LISTEN("0"));
  assert.deepEqual(
    config.accounts.map(({ id }) => id),
    ["9", "1", "0"],
  );
  assert.deepEqual([config.ilpAddress, config.ilpAddressInheritFrom], [null, "9"]);
  assert.equal(config.defaultRoute, "9");
  assert.equal(config.env, "test");
  assert.match(mistakes("")[0] ?? "", /^0: ilpAddress is missing and there is no parent/);
  assert.match(
    mistakes(`ilpAddressInheritFrom = "a"\n${LISTEN("a")}`)[0] ?? "",
    /^1: .*not a parent; name a parent, or write relation = "parent" under \[accounts.a\]/,
  );
  assert.match(
    mistakes(`ilpAddress = "test.a"\nilpAddressInheritFrom = "a"\n${parent("a")}`)[0] ?? "",
    /^2: .*beside ilpAddress/,
  );
});

test("an account has exactly one link", () => {
  const head = `ilpAddress = "test.a"\n[accounts.bob]\n${PEER}`;
  const one = (rest: string) => {
    const found = mistakes(head + rest);
    assert.equal(found.length, 1, found.join("\n"));
    return found[0] ?? "";
  };
  assert.match(
    one(""),
    /^2: accounts.bob.btp is missing, so the account has no link; add \[accounts.bob.btp\]/,
  );
  const listen = '[accounts.bob.btp]\nlisten = true\ntoken = "t"\n';
  assert.match(
    one(`${listen}[accounts.bob.http]\nurl = "https://h"`),
    /^9: .*one link per account/,
  );
  assert.match(one(`${listen}url = "wss://h"`), /^9: .*url cannot stand beside listen/);
  assert.match(one('[accounts.bob.btp]\ntoken = "t"'), /^6: .*neither listen nor url/);
  assert.match(one("[accounts.bob.btp]\nlisten = true"), /^6: .*token is missing/);
  assert.match(one('[accounts.bob.btp]\nlisten = true\ntoken = ""'), /^8: .*token is empty/);
  assert.match(one('[accounts.bob.btp]\nurl = "wss://h"'), /^6: .*token is missing/);
  assert.match(one("[accounts.bob.http]"), /^6: .*neither url nor incomingToken/);
  assert.match(one('[accounts.bob.http]\nurl = "https://u:p@h"'), /^7: .*use outgoingToken/);
  assert.match(
    one('[accounts.bob.btp]\nurl = "wss://:a@h"\ntoken = "b"'),
    /^7: .*has a token in it beside/,
  );
  assert.deepEqual(mistakes(`${head}[accounts.bob.btp]\nurl = "wss://h"\ntoken = ""`), []);
});

test("tokens that peers show must differ", () => {
  const [bob, eve] = [LISTEN("bob", "same-token"), LISTEN("eve", "same-token")];
  const text = `ilpAddress = "test.a"\n${bob}${eve}`;
  assert.deepEqual(mistakes(text), [
    "15: accounts.eve.btp.token is the same as for accounts.bob; give each account its own token.",
  ]);
  const file = text.replaceAll('token = "same-token"', 'tokenFile = "word"');
  assert.match(mistakes(file)[0] ?? "", /^15: accounts.eve.btp.tokenFile is the same/);
});

test("balances whose limits contradict each other", () => {
  const with_ = (keys: string) =>
    mistakes(`ilpAddress = "test.a"\n${LISTEN("bob")}[accounts.bob.balance]\n${keys}`);
  assert.match(with_("maximum = 1\nminimum = 2")[0] ?? "", /^11: .*minimum is above maximum 1/);
  assert.match(
    with_("maximum = 9\nsettleThreshold = 1")[0] ?? "",
    /settleTo is below settleThresh/,
  );
  assert.match(
    with_("maximum = -1\nminimum = -9\nsettleThreshold = -5")[0] ?? "",
    /settleTo is above/,
  );
  assert.match(
    with_("maximum = 9\nminimum = -5\nsettleThreshold = -5")[0] ?? "",
    /settleThreshold is not above minimum -5/,
  );
  assert.deepEqual(with_("maximum = 9\nminimum = -5\nsettleThreshold = -4\nsettleTo = 0"), []);
});

test("children have their own legal segments (ADR-13)", () => {
  const child = (id: string, more = "") =>
    LISTEN(id).replace('relation = "peer"', `relation = "child"${more}`);
  const head = 'ilpAddress = "test.a"\n';
  assert.match(
    mistakes(head + child("z").replaceAll("accounts.z", 'accounts."a.b"'))[0] ?? "",
    /accounts."a.b".ilpAddressSegment is missing/,
  );
  assert.match(
    mistakes(head + child("a") + child("b", '\nilpAddressSegment = "a"'))[0] ?? "",
    /^11: accounts.b.ilpAddressSegment is "a" as for accounts.a/,
  );
  const long = `ilpAddress = "test.${"a".repeat(1018)}"\n`;
  assert.match(mistakes(long + child("b"))[0] ?? "", /more than 1023 characters/);
});

test("open tokens: loopback and not the live network, else the reason", () => {
  const open = (address: string, host = "127.0.0.1") =>
    mistakes(`ilpAddress = "${address}"\n[btp]\nhost = "${host}"\nopenTokens = true`)[0];
  for (const address of ["test.a", "test2.a", "private.moneyd", "local.a"]) {
    assert.equal(open(address), undefined, address);
  }
  assert.equal(open("test.a", "::1"), undefined);
  assert.match(open("g.a") ?? "", /^4: btp.openTokens would let .* live network/);
  assert.match(open("test.a", "0.0.0.0") ?? "", /^4: .*anyone who can reach btp.host "0.0.0.0"/);
  assert.match(open("test.a", "127.example.org") ?? "", /anyone who can reach/);
  const parent = LISTEN("up").replace("peer", "parent");
  const inherited = (env: string) =>
    mistakes(`env = "${env}"\n[btp]\nopenTokens = true\n${parent}`);
  assert.deepEqual(inherited("test"), []);
  assert.match(inherited("production")[0] ?? "", /live network/);
});

test("a port that is off, taken, or open without a token", () => {
  const of = (text: string) => mistakes(`ilpAddress = "test.a"\n${text}`)[0] ?? "";
  assert.match(of(`[btp]\nenabled = false\n${LISTEN("bob")}`), /accounts.bob.btp.listen needs/);
  assert.match(of("[btp]\nenabled = false\nopenTokens = true"), /openTokens needs the BTP port/);
  const http = `[accounts.b]\n${PEER}[accounts.b.http]\nincomingToken = "t"`;
  assert.match(of(`[http]\nenabled = false\n${http}`), /incomingToken needs the HTTP port/);
  assert.match(
    of("[btp]\nadditionalPorts = [7769]"),
    /admin.port is 7769, which btp.additionalPorts/,
  );
  assert.match(of('[admin]\nhost = "0.0.0.0"'), /^2: admin.token is missing though admin.host/);
  assert.equal(of('[admin]\nhost = "0.0.0.0"\ntoken = "t"'), "");
  assert.equal(of("[btp]\nport = 0\n[http]\nport = 0\n[admin]\nport = 0"), "");
});

test("rates: repeated, reversed, unused and impossible", () => {
  const scaled = (id: string, code: string, scale: number) =>
    LISTEN(id).replace("XRP", code).replace("= 9", `= ${scale}`);
  const head = `ilpAddress = "test.a"\n${scaled("x", "XRP", 9)}${scaled("u", "USD", 2)}`;
  const usd = '[[rates]]\nfrom = "USD"\nto = "XRP"\nrate = "0.5"\n';
  const back = '[[rates]]\nfrom = "XRP"\nto = "USD"\nrate = 2\n';
  assert.match(
    mistakes(head + usd + usd)[0] ?? "",
    /rates\[2\] gives USD to XRP again after rates\[1\]/,
  );
  assert.match(
    mistakes(`${head}${usd}both = true\n${back}`)[0] ?? "",
    /rates\[2\] gives XRP to USD/,
  );
  assert.deepEqual(mistakes(head + usd + back), []);
  const keys = (text: string) => parse(text).warnings.map(({ message }) => message);
  assert.ok(keys(head + usd).some((text) => text.includes("no rate from XRP to USD")));
  assert.ok(keys(head + usd.replace("USD", "UDS")).some((text) => text.includes("UDS, which no")));
  const tiny = usd.replace('"0.5"', '"0.0000000000000000000000000001"');
  assert.match(
    mistakes(head + tiny)[0] ?? "",
    /^\d+: rates\[1\].rate makes a rate from USD \(scale 2/,
  );
  assert.match(
    mistakes(head + scaled("y", "XRP", 40))[0] ?? "",
    /accounts.y.assetScale makes a rate from XRP .*bring the scales closer/,
  );
});

test("all mistakes are reported, in the order of the file, each on one line", () => {
  const text = 'spread = 2\nilpAddress = "x"\n[btp]\nport = -1\n[admin]\nport = "7"\n[[routes]]\n';
  const found = mistakes(text);
  assert.deepEqual(
    found.map((line) => line.split(":")[0]),
    ["1", "2", "4", "6", "7", "7"],
  );
  assert.throws(
    () => parse(text),
    (thrown) => thrown instanceof ConfigError && thrown.message.split("\n").length === 6,
  );
});

test("secrets are in no message, dump, inspection or JSON", () => {
  const secrets = [
    `ilpAddress = "test.a"\n[accounts.b]\n${PEER}[accounts.b.btp]\nurl = "wss://:not-a-secret@h"`,
    `ilpAddress = "test.a"\n${LISTEN("b", "not-a-secret")}`,
    `ilpAddress = "test.a"\n[admin]\ntoken = "not-a-secret"`,
  ];
  for (const text of secrets) {
    const config = parse(text);
    for (const shown of [
      dumpConfig(config),
      JSON.stringify(redact(config)),
      inspect(config, { depth: 9 }),
    ]) {
      assert.doesNotMatch(shown, /not-a-secret/);
      assert.ok(shown.includes(REDACTED));
    }
    assert.throws(
      () => parse(dumpConfig(config)),
      /oken is the placeholder of a printed configuration/,
    );
  }
  const broken = [
    '[admin]\ntoken = ["not-a-secret"]',
    '[admin]\ntoken = "not-a-secret\\nx"',
    '[admin]\ntokem = "not-a-secret"',
    '[accounts.b.btp]\nurl = "gopher://:not-a-secret@h"',
    '[accounts.b.btp]\nurl = "wss://:not-a-secret@h:port"',
    '[accounts.b.btp]\nurl = "wss://:not-a-secret@h"\ntoken = "not-a-secret-either"',
    '[accounts.b.http]\nurl = "https://:not-a-secret@h"\nincomingToken = "not-a-secret\\t"',
    '[admin]\ntoken = "env:not-a-secret"',
  ];
  for (const text of broken) {
    const found = mistakes(text).join("\n");
    assert.notEqual(found, "");
    assert.doesNotMatch(found, /not-a-secret/, text);
  }
});

test("a Secret compares in constant time and prints as nothing", () => {
  const secret = new Secret("not-a-secret");
  assert.equal(secret.matches("not-a-secret"), true);
  assert.equal(secret.matches("not-a-secres"), false);
  assert.equal(secret.matches(""), false);
  assert.equal(`${secret}`, REDACTED);
  assert.equal(JSON.stringify({ secret }), `{"secret":"${REDACTED}"}`);
  assert.equal(inspect({ secret }), `{ secret: ${REDACTED} }`);
  assert.equal(secret.fingerprint(), new Secret("not-a-secret").fingerprint());
});

test("a file with many accounts and many mistakes is checked in good time", () => {
  const accounts = Array.from({ length: 2000 }, (_, index) => LISTEN(`a${index}`));
  const text = `ilpAddress = "test.a"\n${accounts.join("")}`;
  assert.equal(parse(text).accounts.length, 2000);
  assert.equal(mistakes(text.replaceAll("assetScale = 9", "assetScale = 256")).length, 2000);
});

test("files: absent, unreadable, too large, not UTF-8, with a byte order mark", () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-config-"));
  try {
    const path = join(folder, "ferrule.toml");
    assert.throws(() => loadConfig(path), /ferrule.toml: There is no such file; write one with/);
    assert.throws(() => loadConfig(folder), /cannot be read \(EISDIR\)/);
    writeFileSync(path, Buffer.from([0x61, 0xff]));
    assert.throws(() => loadConfig(path), /is not UTF-8/);
    writeFileSync(path, "#".repeat((1 << 20) + 1));
    assert.throws(() => loadConfig(path), /1048577 bytes/);
    writeFileSync(path, '\uFEFFilpAddress = "test.a"\ndataDir = "data"\n');
    const config = loadConfig(path);
    assert.equal(config.dataDir, join(folder, "data"));
    assert.equal(config.file, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
