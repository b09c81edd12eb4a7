// The documents made from the schema: reference, key table, first file, dump.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse as parseToml } from "smol-toml";
import {
  DEFAULT_TOML,
  defaultConfig,
  dumpConfig,
  redact,
  renderInit,
  renderKeyTable,
  renderReference,
  type Config,
  type InitAnswers,
} from "../../host/config/index.js";
import { Secret } from "../../host/config/secret.js";
import { listSections } from "../../host/config/schema.js";
import { writeToml } from "../../host/config/write.js";
import { machine, parse } from "./support.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

/**
 * The configuration as data that can be compared: secrets open, without what depends on the text.
 */
function comparable(config: Config): unknown {
  const open = (value: unknown): unknown => {
    if (value instanceof Secret) return { token: value.reveal(), source: value.source };
    if (Array.isArray(value)) return value.map(open);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, open(inner)]));
  };
  return open({ ...config, warnings: [], file: null });
}

test("the reference is a valid file and equals the defaults", () => {
  const reference = parse(renderReference());
  assert.deepEqual(comparable(reference), comparable(parse('ilpAddress = "test.mynode"')));
  assert.deepEqual(reference.warnings, []);
});

test("the reference with every key in use is valid, and its defaults are the defaults", () => {
  const text = renderReference().replace(/^#(?=[\w[])/gm, "");
  const config = parse(text);
  assert.deepEqual(
    config.accounts.map(({ id }) => id),
    ["bob", "carol"],
  );
  const plain = parse('ilpAddress = "test.mynode"');
  for (const key of ["spreadPpb", "maxHoldTimeMs", "routeExpiryMs", "durability"] as const) {
    assert.deepEqual(config[key], plain[key], key);
  }
  const withoutTls = ({ btp, http }: Config) => [btp, http].map((each) => ({ ...each, tls: null }));
  assert.deepEqual(withoutTls(config), withoutTls(plain));
  const bob = config.accounts[0];
  const open = defaultConfig(machine).btp.open;
  assert.deepEqual(bob?.throughput.refillPeriodMs, open?.throughput.refillPeriodMs);
  assert.equal(config.rates.length, 1);
  assert.equal(config.routes.length, 1);
});

test("reference and key table have every key of the schema, on short lines", () => {
  const reference = renderReference();
  const table = renderKeyTable();
  for (const { path, section } of listSections()) {
    const id = path === "accounts.*.http" ? "carol" : "bob";
    const heading = `[${path.replace("*", id).replace("[]", "")}]`;
    const from =
      path === "" ? 0 : reference.indexOf(`#${section.form === "list" ? `[${heading}]` : heading}`);
    assert.ok(from >= 0, heading);
    const end = reference.indexOf("\n\n", from + 400 * Number(path === "")) + 1 || reference.length;
    const block = reference.slice(from, end);
    const title = path === "" ? "### Top level" : path.replace("*", "<id>").replace("[]", "");
    const start = table.indexOf(path === "" ? title : `[${title}]`);
    const next = table.indexOf("\n###", start);
    const rows = table.slice(start, next < 0 ? undefined : next);
    for (const [name, { doc, defaultText }] of Object.entries(section.keys)) {
      assert.match(block, new RegExp(`^(?:|#|# )${name} = `, "m"), `${path} ${name}`);
      assert.ok(rows.includes(`| \`${name}\` |`), `${path} ${name} in the key table`);
      assert.ok(doc.length > 3 && !doc.endsWith("."), `${name}: ${doc}`);
      if (defaultText !== null) assert.ok(block.includes(`#${name} = ${defaultText}\n`), name);
    }
  }
  for (const line of reference.split("\n")) assert.ok(line.length <= 100, line);
  for (const line of table.split("\n").filter((each) => each.startsWith("|"))) {
    assert.equal(line.replaceAll("\\|", "").split("|").length, 6, line);
  }
});

test("the built-in defaults as `ferrule init` would write them", () => {
  const answers: InitAnswers = {
    ilpAddress: "test.ferrule",
    spread: "0",
    openTokens: true,
    openAsset: { assetCode: "XRP", assetScale: 9 },
    accounts: [],
  };
  const mine = comparable(parse(renderInit(answers))) as Config;
  const built = comparable(parse(DEFAULT_TOML)) as Config;
  assert.deepEqual(
    { ...mine, btp: { ...mine.btp, open: null } },
    { ...built, btp: { ...built.btp, open: null } },
  );
});

test("init writes each kind of account", () => {
  const asset = { assetCode: "XRP", assetScale: 9 };
  const config = parse(
    renderInit({
      ilpAddress: null,
      dataDir: "/data",
      adminToken: "env:ADMIN_TOKEN",
      accounts: [
        { id: "up", relation: "parent", ...asset, url: "btp+wss://h.example", token: "t" },
        { id: "7", relation: "child", ...asset, token: "u", balanceMaximum: "9" },
        {
          id: "web",
          relation: "peer",
          ...asset,
          url: "https://h.example/ilp",
          token: "out",
          incomingToken: "in",
          balanceMinimum: "-5",
        },
      ],
    }),
  );
  assert.equal(config.ilpAddressInheritFrom, "up");
  assert.deepEqual(
    config.accounts.map(({ id, link }) => [id, link.kind]),
    [
      ["up", "btp-dial"],
      ["7", "btp-listen"],
      ["web", "http"],
    ],
  );
  assert.equal(config.accounts[1]?.balance.maximum, 9n);
  assert.equal(config.accounts[2]?.balance.minimum, -5n);
  assert.equal(config.admin.token?.reveal(), "value-of-ADMIN_TOKEN");
});

// --- random configurations: printed and read back -----------------------------------------------

const units = fc.oneof(
  fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }).map(String),
  fc.constant("Infinity"),
);
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const ms = fc.integer({ min: 100, max: 86_400_000 });

const limits = fc.record({
  maxPacketAmount: some(units),
  maxPacketAmountOut: some(units),
  maxInFlight: some(fc.integer({ min: 1, max: 1_000_000 })),
  maxInFlightAmount: some(units),
  balance: some(
    fc
      .array(fc.bigInt({ min: -(1n << 62n), max: 1n << 62n }), { minLength: 4, maxLength: 4 })
      .map((four) => [...four].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)))
      .map(([a = 0n, b = 0n, c = 0n, d = 0n]) => ({
        minimum: String(a - 1n),
        settleThreshold: String(b),
        settleTo: String(c),
        maximum: String(d),
      })),
  ),
  rateLimit: fc.record({ refillPeriod: ms, refillCount: fc.integer({ min: 1, max: 99_999 }) }),
  throughput: fc.record({ refillPeriod: some(ms), incomingAmount: units, outgoingAmount: units }),
});

const id = fc
  .stringMatching(/^[A-Za-z0-9][A-Za-z0-9_~-]{0,9}$/)
  .filter((text) => text !== "auto" && text !== "local");
const asset = fc.record({
  assetCode: fc.constantFrom("USD", "XRP", "EUR"),
  assetScale: fc.integer({ min: 0, max: 9 }),
});

/** A link whose tokens come from the environment, so that they survive printing. */
const link = (name: string) =>
  fc.oneof(
    fc.record({
      btp: fc.record({
        listen: fc.constant(true),
        token: fc.constant(`env:${name}_TOKEN`),
        pingInterval: some(ms),
      }),
    }),
    fc.record({
      btp: fc.record({
        url: fc.webUrl({ validSchemes: ["ws", "wss"] }).map((url) => `btp+${url}`),
        username: some(fc.string({ minLength: 1 })),
        tokenFile: fc.constant(`${name} é.token`),
        authTimeout: some(ms),
        reconnect: fc.record({
          min: fc.integer({ min: 10, max: 1000 }),
          max: fc.integer({ min: 1000, max: 9999 }),
        }),
      }),
    }),
    fc.record({ serial: fc.constant("/dev/ttyACM0"), serialBaud: some(fc.constant(9600)) }),
    fc.record({
      serial: fc.constant("tcp://192.0.2.7:7768"),
      serialKey: some(fc.constant("env:LINE_KEY")),
    }),
    fc.record({
      http: fc.record({
        url: fc.webUrl({ validSchemes: ["http", "https"], withQueryParameters: true }),
        outgoingToken: some(fc.constant("env:OUT_TOKEN")),
        incomingToken: some(fc.constant(`env:${name}_TOKEN`)),
        timeout: some(ms),
      }),
    }),
  );

const account = (name: string) =>
  fc
    .tuple(
      fc.record({
        relation: fc.constantFrom("peer", "child"),
        sendRoutes: some(fc.boolean()),
        receiveRoutes: some(fc.boolean()),
        frozen: some(fc.boolean()),
      }),
      asset,
      limits,
      link(name),
    )
    .map(([a, b, c, d]) => ({ ...a, ...b, ...c, ...d }));

const document = fc.uniqueArray(id, { maxLength: 4 }).chain((ids) =>
  fc.record({
    ilpAddress: fc.constantFrom("test.a", "private.b.c", "local.x"),
    durability: fc.constantFrom("group", "strict"),
    spread: fc.integer({ min: 0, max: 999_999_999 }).map((n) => `0.${String(n).padStart(9, "0")}`),
    minMessageWindow: fc.integer({ min: 1, max: 999 }),
    maxHoldTime: fc.integer({ min: 1000, max: 60_000 }),
    reflectPayments: fc.boolean(),
    defaultRoute: fc.constantFrom("auto", "", ...ids),
    dataDir: some(fc.string({ minLength: 1 }).filter((text) => !/[\0\r\n]/.test(text))),
    accounts:
      ids.length === 0
        ? fc.constant(null)
        : fc.tuple(
            ...ids.map((name, index) => account(`N${index}`).map((a) => [name, a] as const)),
          ),
    btp: fc.record({
      port: fc.constantFrom(0, 7768, 1234),
      additionalPorts: fc.constantFrom([], [1, 2]),
      allowedOrigins: fc.constantFrom([], ["https://a.example", "http://[::1]:8"]),
      openTokens: fc.constant(true),
      open: some(fc.tuple(asset, limits).map(([a, b]) => ({ ...a, ...b }))),
    }),
    admin: some(fc.constant({ tokenFile: "/run/admin", port: 0 })),
    routes: fc.constant(ids.map((peerId, index) => ({ targetPrefix: `local.r${index}`, peerId }))),
    rates: fc.constantFrom(
      [],
      [
        { from: "USD", to: "XRP", rate: "0.51", both: true },
        { from: "EUR", to: "USD", rate: "108/100", both: false },
      ],
    ),
  }),
);

test(`any configuration can be printed and read back (seed ${SEED})`, () => {
  fc.assert(
    fc.property(document, (input) => {
      const first = parse(writeToml(input));
      const second = parse(dumpConfig(first));
      assert.deepEqual(comparable(second), comparable(first));
      assert.equal(dumpConfig(second), dumpConfig(first));
      JSON.stringify(redact(first));
    }),
    { seed: SEED, numRuns: 200 },
  );
});

test("text with control characters, quotes and odd keys is written so that it reads back", () => {
  const text = '\u0000\u0008\t\n\r\u001f"\\\u007f\u0085é\u{1f600}';
  const written = writeToml({ a: text, table: { "odd key.\u007f": text }, list: [{ b: [text] }] });
  assert.deepEqual(JSON.parse(JSON.stringify(parseToml(written))), {
    a: text,
    table: { "odd key.\u007f": text },
    list: [{ b: [text] }],
  });
  assert.doesNotMatch(written, /\u007f/);
});
