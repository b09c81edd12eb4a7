// What a power cut leaves behind: holds come back as possible claims, which count, end and survive
// another cut; and what a cut could lose has a bound.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClaimSide, CoreError, LinkKind, Relation, Status } from "../../host/core.js";
import type { AccountOptions } from "../../host/core.js";
import * as codec from "../support/model/codec.js";
import { ALICE, BOB, Node, PREIMAGE, rejection } from "../support/model/node.js";
import { accountRecord } from "../support/model/record.js";

const FULFILL = codec.fulfill(PREIMAGE).bytes;
const U64 = 2n ** 64n - 1n;
type Options = Record<number, Partial<AccountOptions>>;

const refused =
  (status: Status) =>
  (error: unknown): boolean =>
    error instanceof CoreError && error.status === status;

/** A new life with what the one before had committed. */
function restart(node: Node, options: Options = {}): Node {
  const records = [...node.core.commit()];
  const next = new Node(options);
  next.core.replay(records);
  return next;
}

/** Alice's packet of 10 is on hold. */
function held(): Node {
  const node = new Node();
  node.request(ALICE, 1, node.packet(10n).bytes);
  return node;
}

function claims(node: Node, account: number): bigint[] {
  const { claimDebits, claimCredits, debitsPending, creditsPending } = node.core.account(account);
  return [claimDebits, claimCredits, debitsPending, creditsPending];
}

/** Pays and gets the Fulfill; the refusal otherwise. */
function pay(node: Node, amount: bigint): string {
  const out = node.request(ALICE, 1, node.packet(amount).bytes);
  if (out[0]!.kind === "reply") return rejection(out);
  node.reply(BOB, out[0]!.id, FULFILL);
  return "";
}

describe("possible claims", () => {
  test("a hold comes back as a claim of both sides, and as income's", () => {
    const node = new Node();
    assert.equal(pay(node, 7n), "");
    node.request(ALICE, 1, node.packet(10n).bytes);
    const next = restart(node);
    assert.deepEqual(claims(next, ALICE), [10n, 0n, 10n, 0n]);
    assert.deepEqual(claims(next, BOB), [0n, 10n, 0n, 10n]);
    assert.deepEqual([next.balance(ALICE), next.balance(BOB)], [7n, -7n]);
    const { incomeDebitsPending, incomeCreditsPending } = next.core.asset(0);
    assert.deepEqual([incomeDebitsPending, incomeCreditsPending], [10n, 10n]);
    assert.equal(next.core.account(ALICE).flightsIn, 0);
  });
  test("replayed twice, or the newest alone, it is the same; a second cut keeps it", () => {
    const node = new Node();
    const early = [...node.core.commit()];
    node.request(ALICE, 1, node.packet(10n).bytes);
    const late = [...node.core.commit()];
    for (const records of [late, [...late, ...late], [...early, ...late], [...late, ...late]]) {
      const next = new Node();
      next.core.replay(records);
      assert.deepEqual(claims(next, ALICE), [10n, 0n, 10n, 0n]);
    }
    const second = restart(restart(held()));
    assert.deepEqual(claims(second, BOB), [0n, 10n, 0n, 10n]);
  });
  test("every change of what is pending is in the next commit", () => {
    const node = new Node();
    const pending = (): [number, bigint, bigint][] =>
      [...node.core.commit()]
        .filter((record) => record[0] === 1)
        .map((record) => {
          const view = new DataView(record.buffer, record.byteOffset);
          return [record[2]!, view.getBigUint64(48, true), view.getBigUint64(56, true)];
        });
    pending();
    const [out] = node.request(ALICE, 1, node.packet(10n).bytes);
    assert.deepEqual(pending(), [
      [ALICE, 10n, 0n],
      [BOB, 0n, 10n],
    ]);
    node.reply(BOB, out!.id, codec.reject("F99", "", "").bytes);
    assert.deepEqual(pending(), [
      [ALICE, 0n, 0n],
      [BOB, 0n, 0n],
    ]);
    node.request(ALICE, 1, node.packet(4n).bytes);
    assert.equal(pending().length, 2);
    node.wait(30_000);
    node.tick();
    assert.equal(pending().length, 2);
    assert.equal(pending().length, 0);
  });
  test("packets in flight of the running life stay, whatever is replayed", () => {
    const node = new Node();
    const [out] = node.request(ALICE, 1, node.packet(10n).bytes);
    node.core.replay([accountRecord(ALICE, [0n, 0n], [3n, 4n])]);
    assert.deepEqual(claims(node, ALICE), [3n, 4n, 13n, 4n]);
    node.core.replay([accountRecord(ALICE, [0n, 0n], [2n, 0n])]);
    assert.deepEqual(claims(node, ALICE), [2n, 0n, 12n, 0n]);
    node.reply(BOB, out!.id, FULFILL);
    assert.deepEqual(claims(node, ALICE), [2n, 0n, 2n, 0n]);
    assert.equal(node.balance(ALICE), 10n);
  });
  test("what would not fit 64 bits with the packets in flight is refused whole", () => {
    const node = new Node();
    node.request(ALICE, 1, node.packet(10n).bytes);
    const record = accountRecord(ALICE, [5n, 0n], [U64 - 9n, 0n]);
    assert.throws(() => node.core.replay([record]), refused(Status.BadRecord));
    assert.deepEqual([node.balance(ALICE), ...claims(node, ALICE)], [0n, 0n, 0n, 10n, 0n]);
    node.core.replay([accountRecord(ALICE, [0n, 0n], [U64 - 10n, 0n])]);
    const full = rejection(node.request(ALICE, 2, node.packet(1n).bytes));
    assert.equal(full, "T04 too much value in flight, throttling.");
  });
  test("posted and voided in parts, never more than is open", () => {
    const node = new Node();
    node.core.replay([
      accountRecord(ALICE, [0n, 0n], [10n, 0n]),
      accountRecord(BOB, [0n, 0n], [0n, 10n]),
    ]);
    const { core } = node;
    assert.throws(() => core.postClaim(ALICE, ClaimSide.Debits, 11n), refused(Status.Unbalanced));
    assert.throws(() => core.voidClaim(ALICE, ClaimSide.Credits, 1n), refused(Status.Unbalanced));
    assert.throws(() => core.voidClaim(ALICE, 2 as ClaimSide, 1n), refused(Status.BadArgument));
    assert.throws(() => core.postClaim(9, ClaimSide.Debits, 1n), refused(Status.NotFound));
    core.postClaim(ALICE, ClaimSide.Debits, 4n);
    core.voidClaim(ALICE, ClaimSide.Debits, 6n);
    core.postClaim(BOB, ClaimSide.Credits, 10n);
    assert.deepEqual([...claims(node, ALICE), ...claims(node, BOB)], Array(8).fill(0n));
    assert.deepEqual([node.balance(ALICE), node.balance(BOB)], [4n, -10n]);
    const { incomeDebits, incomeCredits } = core.asset(0);
    assert.deepEqual([incomeDebits, incomeCredits], [10n, 4n]);
    assert.throws(() => core.postClaim(ALICE, ClaimSide.Debits, 1n), refused(Status.Unbalanced));
  });
  test("they count against balance limits, not against the cap on value in flight", () => {
    const options = {
      [ALICE]: { balanceMaximum: 20n, pendingMax: 12n },
      [BOB]: { pendingMax: 12n },
    };
    const next = restart(held(), options);
    assert.equal(pay(next, 11n), "T04 exceeded maximum balance.");
    assert.equal(pay(next, 10n), "");
    const other = restart(held(), { [BOB]: { balanceMinimum: -20n } });
    assert.equal(pay(other, 11n), "T04 exceeded minimum balance.");
    assert.equal(pay(other, 10n), "");
  });
  test("an account with open claims is neither closed nor moved to another asset", () => {
    const { core } = restart(held());
    core.setAsset(1, "USD", 2);
    assert.throws(() => core.closeAccount(ALICE), refused(Status.Busy));
    const moved = { name: "alice", relation: Relation.Peer, asset: 1 };
    assert.throws(() => core.setAccount(ALICE, moved), refused(Status.Busy));
    core.voidClaim(ALICE, ClaimSide.Debits, 10n);
    core.closeAccount(ALICE);
  });
  test("records may come before the account does, and its asset is the one that counts", () => {
    const { core } = new Node();
    core.closeAccount(3);
    core.replay([accountRecord(3, [0n, 0n], [8n, 9n])]);
    core.setAsset(1, "USD", 2);
    core.setAccount(3, { name: "dora", relation: Relation.Peer, asset: 1 });
    const pending = (asset: number): bigint[] => {
      const { incomeDebitsPending, incomeCreditsPending } = core.asset(asset);
      return [incomeDebitsPending, incomeCreditsPending];
    };
    assert.deepEqual(
      [pending(0), pending(1)],
      [
        [0n, 0n],
        [9n, 8n],
      ],
    );
  });
  test("posting what we owe may make a settlement due, once the outputs are drained", () => {
    const next = restart(held(), { [BOB]: { settleThreshold: -5n, settleTo: 0n } });
    next.core.postClaim(BOB, ClaimSide.Credits, 4n);
    assert.deepEqual(next.drain(), []);
    next.core.postClaim(BOB, ClaimSide.Credits, 6n);
    assert.throws(
      () => next.core.postClaim(ALICE, ClaimSide.Debits, 1n),
      refused(Status.Undrained),
    );
    assert.deepEqual(
      next.drain().map((o) => [o.kind, o.account, o.amount]),
      [["settle", BOB, 10n]],
    );
  });
});

describe("value at risk", () => {
  const REFUSAL = "T04 exceeded value at risk, retry soon.";
  const save = (node: Node): void => {
    assert.ok([...node.core.commit()].length > 0);
    node.core.durable();
  };

  test("in flight and posted since the last durable commit, up to the cap", () => {
    const node = new Node({ [ALICE]: { riskMax: 20n } });
    assert.equal(pay(node, 21n), REFUSAL);
    const [event] = node.core.events(1);
    assert.deepEqual([event!.rule, event!.limit, event!.value], ["ValueAtRisk", 20n, 0n]);
    assert.equal(pay(node, 12n), "");
    assert.equal(node.core.account(ALICE).atRisk, 12n);
    const [out] = node.request(ALICE, 1, node.packet(8n).bytes);
    assert.equal(out!.kind, "request");
    assert.equal(pay(node, 1n), REFUSAL);
    assert.equal(pay(node, 0n), "");
    const verdict = node.core.explain(ALICE, node.packet(1n).bytes);
    assert.deepEqual(
      [verdict.rule, verdict.message, verdict.limit, verdict.value],
      ["ValueAtRisk", "exceeded value at risk, retry soon.", 20n, 20n],
    );
    node.reply(BOB, out!.id, FULFILL);
    assert.equal(node.core.account(ALICE).atRisk, 20n);
    save(node);
    assert.equal(node.core.account(ALICE).atRisk, 0n);
    assert.equal(pay(node, 20n), "");
  });
  test("what is posted between a commit and its sync stays at risk", () => {
    const node = new Node();
    assert.equal(pay(node, 5n), "");
    assert.ok([...node.core.commit()].length > 0);
    assert.equal(node.core.account(ALICE).atRisk, 5n);
    assert.equal(pay(node, 3n), "");
    assert.equal(node.core.account(ALICE).atRisk, 8n);
    node.core.durable();
    assert.equal(node.core.account(ALICE).atRisk, 3n);
    node.core.durable();
    assert.equal(node.core.account(ALICE).atRisk, 3n);
    save(node);
    assert.equal(node.core.account(ALICE).atRisk, 0n);
  });
  test("commits that were not synced add up, and only incoming value counts", () => {
    const node = new Node({ [ALICE]: { riskMax: 100n }, [BOB]: { riskMax: 0n } });
    for (let i = 0; i < 10; i++) {
      assert.equal(pay(node, 10n), "");
      assert.ok([...node.core.commit()].length > 0);
    }
    assert.equal(pay(node, 1n), REFUSAL);
    assert.equal(node.core.account(BOB).atRisk, 0n);
    node.core.durable();
    assert.equal(pay(node, 1n), "");
  });
  test("a limit holds from when it is set, and the sum is clamped, not wrapped", () => {
    const node = new Node();
    assert.equal(pay(node, U64), "");
    assert.equal(pay(node, U64), "");
    assert.equal(node.core.account(ALICE).atRisk, U64);
    const options = { name: "alice", relation: Relation.Peer, asset: 0 };
    node.core.setAccount(ALICE, { ...options, riskMax: U64 - 1n });
    node.core.linkUp(ALICE, LinkKind.Raw);
    assert.equal(pay(node, 1n), REFUSAL);
    save(node);
    assert.equal(pay(node, U64), REFUSAL);
    assert.equal(pay(node, U64 - 1n), "");
  });
  test("claims are known to the disk: they are not at risk", () => {
    const next = restart(held(), { [ALICE]: { riskMax: 10n } });
    assert.equal(next.core.account(ALICE).atRisk, 0n);
    assert.equal(pay(next, 10n), "");
  });
});
