// Amounts in words: exact whatever the scale, against a second way of computing them.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  describeBalance,
  describeDuration,
  describeOwnBalance,
  describeRate,
  formatAmount,
  formatFraction,
} from "../../host/admin/amount.js";

const XRP = { assetCode: "XRP", assetScale: 9 };
const USD = { assetCode: "USD", assetScale: 2 };

describe("amounts", () => {
  for (const [amount, scale, expected] of [
    [0n, 9, "0"],
    [1n, 9, "0.000000001"],
    [12_340_000_000n, 9, "12.34"],
    [-12_340_000_000n, 9, "-12.34"],
    [1_000_000_000n, 9, "1"],
    [100n, 0, "100"],
    [2n ** 64n, 0, "18446744073709551616"],
    [10n, 255, `0.${"0".repeat(253)}1`],
  ] as const) {
    it(`${amount} at scale ${scale} is ${expected}`, () => {
      assert.equal(formatAmount(amount, scale), expected);
    });
  }
  it("read back give the same amount, without needless zeros", () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 127n), 2n ** 127n), fc.nat(255), (amount, scale) => {
        const text = formatAmount(amount, scale);
        const [whole = "", part = ""] = text.replace("-", "").split(".");
        const back = BigInt(whole + part.padEnd(scale, "0"));
        assert.equal(text.startsWith("-") ? -back : back, amount);
        assert.match(text, /^-?(0|[1-9]\d*)(\.\d*[1-9])?$/);
      }),
    );
  });
  it("of a balance say who owes", () => {
    assert.equal(describeBalance(12_340_000_000n, XRP), "they owe you 12.34 XRP");
    assert.equal(describeBalance(-3_000_000_000n, XRP), "you owe them 3 XRP");
    assert.equal(describeBalance(0n, XRP), "even");
    assert.equal(describeOwnBalance(1n, USD), "you have sent 0.01 USD");
    assert.equal(describeOwnBalance(-1n, USD), "you have received 0.01 USD");
  });
});

describe("prices", () => {
  it("count whole units, after the spread", () => {
    const half = { numerator: 1n, denominator: 20_000_000n };
    assert.equal(describeRate(XRP, USD, half, 0n), "1 XRP = 0.5 USD");
    assert.equal(describeRate(XRP, USD, half, 2_000_000n), "1 XRP = 0.499 USD");
    const third = { numerator: 1n, denominator: 3n };
    assert.equal(describeRate(XRP, XRP, third, 0n), "1 XRP = about 0.333333333333 XRP");
  });
  it("are cut, never rounded up, and say so", () => {
    const u64 = fc.bigInt(1n, 2n ** 64n - 1n);
    fc.assert(
      fc.property(u64, u64, (numerator, denominator) => {
        const { text, exact } = formatFraction(numerator, denominator);
        const [whole = "", part = ""] = text.split(".");
        const unit = 10n ** BigInt(part.length);
        const shown = BigInt(whole + part);
        const rest = numerator * unit - shown * denominator;
        assert.ok(rest >= 0n);
        assert.equal(exact, rest === 0n);
        // Twelve digits, so the error is below 10^-11 of the value.
        assert.ok(rest * 10n ** 11n <= numerator * unit);
      }),
    );
  });
});

describe("durations", () => {
  for (const [ms, expected] of [
    [0, "0 ms"],
    [999, "999 ms"],
    [29_500, "29.5 seconds"],
    [60_000, "1 minute"],
    [3_661_000, "1 hour 1 minute"],
    [86_400_000, "1 day"],
    [2 * 86_400_000 + 59_000, "2 days"],
  ] as const) {
    it(`${ms} ms are ${expected}`, () => assert.equal(describeDuration(ms), expected));
  }
});
