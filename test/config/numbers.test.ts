// Exact numbers and rates: decimals as fractions, never as floats.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nearest } from "../../host/config/check.js";
import { distance } from "../../host/config/distance.js";
import {
  DENOMINATOR_MAX,
  U64_MAX,
  formatSpread,
  gcd,
  parseDecimal,
  parseFraction,
} from "../../host/config/numbers.js";
import { resolveRates } from "../../host/config/rates.js";
import type { DeclaredRate } from "../../host/config/index.js";

const SEED = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

test("decimals are read exactly", () => {
  const good: [string, bigint, bigint][] = [
    ["0", 0n, 1n],
    ["0.51", 51n, 100n],
    ["1.50", 3n, 2n],
    ["1e3", 1000n, 1n],
    ["2.5E-3", 1n, 400n],
    ["0.1234567890123456789", 1234567890123456789n, 10n ** 19n],
  ];
  for (const [text, numerator, denominator] of good) {
    assert.deepEqual(parseDecimal(text), { numerator, denominator }, text);
  }
  for (const text of [
    "",
    ".5",
    "1.",
    "-1",
    "+1",
    "1e100",
    "inf",
    "nan",
    "0x1",
    "1 ",
    "1,5",
    "1/2",
  ]) {
    assert.equal(parseDecimal(text), null, text);
  }
  assert.deepEqual(parseFraction("51/100"), { numerator: 51n, denominator: 100n });
  assert.deepEqual(parseFraction("10 / 4"), { numerator: 5n, denominator: 2n });
  assert.equal(parseFraction("1/0"), null);
  assert.equal(parseFraction("1.5/2"), null);
});

test(`spreads print as they read (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 999_999_999n }), (ppb) => {
      const read = parseDecimal(formatSpread(ppb));
      assert.ok(read);
      assert.equal(read.numerator * 10n ** 9n, ppb * read.denominator);
    }),
    { seed: SEED },
  );
});

const rate = (from: string, to: string, price: string, both = false): DeclaredRate => {
  const fraction = parseFraction(price);
  assert.ok(fraction);
  return { from, to, both, ...fraction };
};
const asset = (assetCode: string, assetScale: number) => ({ assetCode, assetScale });

test("a rate includes the difference of scales, and one code is 1:1", () => {
  const assets = [asset("USD", 2), asset("XRP", 9), asset("XRP", 6)];
  const { table, failures, missing } = resolveRates([rate("USD", "XRP", "0.51")], assets);
  const find = (from: number, to: number) => {
    const found = table.find((r) => r.from === from_(from, table) && r.to === from_(to, table));
    return found && `${found.numerator}/${found.denominator}`;
  };
  const from_ = (index: number, rows: typeof table) =>
    rows.find(
      ({ from }) =>
        from.assetCode === assets[index]?.assetCode && from.assetScale === assets[index].assetScale,
    )?.from;
  // One cent is 0.0051 XRP: 5 100 000 units at scale 9, 5100 at scale 6.
  assert.equal(find(0, 1), "5100000/1");
  assert.equal(find(0, 2), "5100/1");
  assert.equal(find(1, 2), "1/1000");
  assert.equal(find(2, 1), "1000/1");
  assert.equal(find(0, 0), "1/1");
  assert.equal(find(1, 0), undefined, "the inverse is not implied");
  assert.deepEqual(missing, [["XRP", "USD"]]);
  assert.deepEqual(failures, []);
  const both = resolveRates([rate("USD", "XRP", "0.51", true)], assets);
  const back = both.table.find((r) => r.from.assetScale === 9 && r.to.assetCode === "USD");
  assert.deepEqual([back?.numerator, back?.denominator], [1n, 5_100_000n]);
  assert.deepEqual(both.missing, []);
});

test("a rate at the limit of 64 bits passes, one beyond is refused", () => {
  const assets = [asset("A", 0), asset("B", 0)];
  const reasonOf = (price: string) =>
    resolveRates([rate("A", "B", price)], assets).failures[0]?.reason;
  assert.equal(reasonOf(`${U64_MAX}/1`), undefined);
  assert.match(reasonOf(`${U64_MAX + 1n}/1`) ?? "", /too large/);
  assert.equal(reasonOf(`1/${DENOMINATOR_MAX}`), undefined);
  assert.match(reasonOf(`1/${DENOMINATOR_MAX + 1n}`) ?? "", /too fine/);
  assert.equal(resolveRates([], [asset("A", 0), asset("A", 19)]).failures.length, 1, "10^19 down");
  assert.equal(resolveRates([], [asset("A", 0), asset("A", 18)]).failures.length, 0);
});

test(`resolved rates are the declared price in base units, reduced (seed ${SEED})`, () => {
  const scale = fc.integer({ min: 0, max: 9 });
  const part = fc.bigInt({ min: 1n, max: 10n ** 8n });
  fc.assert(
    fc.property(scale, scale, part, part, (fromScale, toScale, n, d) => {
      const assets = [asset("A", fromScale), asset("B", toScale)];
      const { table } = resolveRates([rate("A", "B", `${n}/${d}`)], assets);
      const found = table.find(({ from, to }) => from.assetCode === "A" && to.assetCode === "B");
      assert.ok(found);
      const { numerator, denominator } = found;
      assert.equal(gcd(numerator, denominator), 1n);
      // One whole A is n/d whole B.
      const left = 10n ** BigInt(fromScale) * numerator * d;
      assert.equal(left, n * 10n ** BigInt(toScale) * denominator);
    }),
    { seed: SEED },
  );
});

test("edit distance and suggestions", () => {
  assert.equal(distance("spread", "spred"), 1);
  assert.equal(distance("relation", "realtion"), 1, "a swap is one edit");
  assert.equal(distance("", "abc"), 3);
  assert.equal(distance("kitten", "sitting"), 3);
  assert.equal(nearest("asset_code", ["assetCode", "assetScale"]), "assetCode");
  assert.equal(nearest("ASSETCODE", ["assetCode"]), "assetCode");
  assert.equal(nearest("bananas", ["assetCode", "spread"]), null);
});
