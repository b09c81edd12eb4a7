// Every rule of the core has words, and those of a limit show the limit and the value.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Counter, Rule } from "../../host/abi.js";
import { CORE_METRICS } from "../../host/admin/metrics.js";
import { describeRule, type RuleName } from "../../host/admin/rules.js";

const names = (table: object): string[] => Object.keys(table).filter((key) => isNaN(Number(key)));
const alice = { id: "alice", assetCode: "XRP", assetScale: 9 };
const bob = { id: "bob", assetCode: "USD", assetScale: 2 };

/** Rules with an amount as limit, and whose asset it is in. */
const AMOUNTS: Partial<Record<RuleName, "XRP" | "USD">> = {
  MaxPacketAmount: "XRP",
  ThroughputIn: "XRP",
  BalanceMaximum: "XRP",
  InFlightAmount: "XRP",
  MaxPacketAmountOut: "USD",
  ThroughputOut: "USD",
  BalanceMinimum: "USD",
  NextInFlightAmount: "USD",
};

describe("rules in words", () => {
  for (const rule of names(Rule) as RuleName[]) {
    it(rule, () => {
      const facts = { account: alice, code: "T04", limit: 4_000_000_000n, value: 5_000_000_000n };
      const text = describeRule(rule, { ...facts, next: bob });
      assert.match(text, /^[A-Za-z0-9].*\.$/);
      assert.doesNotMatch(text, /undefined|null|NaN|\[object/);
      const asset = AMOUNTS[rule];
      if (asset === "XRP") assert.match(text, /(?=.*\b4 XRP)(?=.*\b5 XRP)/);
      if (asset === "USD") assert.match(text, /(?=.*\b40000000 USD)(?=.*\b50000000 USD)/);
      const alone = describeRule(rule, { ...facts, next: null });
      assert.doesNotMatch(alone, /undefined|null|NaN/);
    });
  }
  it("tell a late fulfill from no answer", () => {
    const facts = { account: alice, next: bob, limit: 0n, value: 0n };
    assert.match(describeRule("Timeout", { ...facts, code: "" }), /may claim/);
    assert.match(describeRule("Timeout", { ...facts, code: "R00" }), /did not answer/);
  });
});

describe("metrics of the core", () => {
  it("are one for each counter", () => {
    const counters = names(Counter).filter((name) => name !== "Count");
    assert.deepEqual(Object.keys(CORE_METRICS).sort(), counters.sort());
    const metrics = Object.values(CORE_METRICS).map(([name]) => name);
    assert.equal(new Set(metrics).size, metrics.length);
  });
});
