// The core against a model of itself in unlimited integers: the same random steps, then outputs
// byte for byte and every sum, hold, counter and event compared (ILP-20..35, ATK-01..06).
// Capacities of 2 to 4, so that every limit is met. A failure names FERRULE_SEED: run again with
// it. FERRULE_STEPS sets the length.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Status } from "../../host/abi.js";
import type { Rate } from "../support/model/books.js";
import { sha256, type Parcel } from "../support/model/codec.js";
import { Driver, drive } from "../support/model/driver.js";
import type { Flight } from "../support/model/flights.js";
import { Machine } from "../support/model/machine.js";
import { Model, type Verdict } from "../support/model/model.js";
import { Random, SEED } from "../support/model/random.js";

const STEPS = Number(process.env.FERRULE_STEPS ?? 1_000_000);
/** Steps of one life: then a new core with new settings. */
const LIFE = 400;

function pair(profile: string): { machine: Machine; twin: Machine } {
  return { machine: new Machine(profile), twin: new Machine(profile) };
}

describe("the core does what the model does", () => {
  test(`test build, ${STEPS} steps from seed ${SEED}`, (t) => {
    const machines = pair("test");
    const start = performance.now();
    const done = drive(SEED, STEPS, LIFE, (seed) => new Driver(new Random(seed), {}, machines));
    const rate = Math.round(done.steps / ((performance.now() - start) / 1000));
    t.diagnostic(`${done.steps} steps, ${done.forwards} packets forwarded, ${rate} steps/s`);
    assert.ok(done.forwards > done.steps / 50, "too few packets are forwarded to prove anything");
  });

  for (const profile of ["gateway", "gateway-scalar"]) {
    test(`${profile} build, from seed ${SEED}`, () => {
      const options = { profile };
      const machines = pair(profile);
      drive(SEED, 6000, 3000, (seed) => new Driver(new Random(seed), options, machines));
    });
  }
});

// ---- each of these models is wrong in one way; if the comparison did not see it, it would see
// nothing of the kind in the core either

class RoundsUp extends Model {
  protected override convert(rate: Rate, amount: bigint): bigint {
    return (amount * rate.n + rate.d - 1n) / rate.d;
  }
}
class Wraps extends Model {
  protected override convert(rate: Rate, amount: bigint): bigint {
    return super.convert(rate, amount) & (2n ** 64n - 1n);
  }
}
class AnyPreimage extends Model {
  protected override matches(parcel: Parcel): boolean {
    return parcel.packet?.type === 13;
  }
}
class PaysLate extends Model {
  protected override inTime(f: Flight): boolean {
    return this.nowMs <= f.deadlineMs;
  }
}
class AnyLink extends Model {
  protected override ownsFlight(): boolean {
    return true;
  }
}
class NoIncome extends Model {
  protected override post(f: Flight): void {
    super.post(f);
    const asset = this.assets[this.accounts[f.source]!.s.asset]!;
    if (f.amountIn !== f.amountOut) asset.incomeCredits -= 1n;
  }
}
class NoMinimum extends Model {
  protected override judgeNext(v: Verdict): string {
    const refusal = super.judgeNext(v);
    return refusal === "BalanceMinimum" ? "" : refusal;
  }
}
class NoLoops extends Model {
  protected override judgeLoop(): string {
    return "";
  }
}
class LinkAfterRate extends Model {
  protected override judgeLink(v: Verdict): string {
    const refusal = super.judgeLink(v);
    return refusal === "LinkDown" ? "NextFrozen" : refusal;
  }
}
class LongerHold extends Model {
  protected override judgeExpiry(v: Verdict, p: Parameters<Model["judge"]>[1]): string {
    const refusal = super.judgeExpiry(v, p);
    if (!refusal) v.expiresAtMs += 1;
    return refusal;
  }
}
class SettlesTwice extends Model {
  protected override checkSettlement(index: number): void {
    this.accounts[index]!.said = false;
    super.checkSettlement(index);
  }
}
class EvidenceTwice extends Model {
  protected override isEvidence(slot: number, parcel: Parcel): boolean {
    const { flight, state } = this.flights.slots[slot]!;
    const genuine =
      parcel.packet?.type === 13 && sha256(parcel.packet.fulfillment).equals(flight.condition);
    return state !== "posted" && genuine;
  }
}
class ForgetsClaims extends Model {
  override pendingIn(index: number): bigint {
    return this.heldIn(index);
  }
}
class ClaimsFillCap extends Model {
  override heldOut(index: number): bigint {
    return super.heldOut(index) + this.accounts[index]!.claimCredits;
  }
  override pendingOut(index: number): bigint {
    return this.heldOut(index);
  }
}
class ClaimsWithoutIncome extends Model {
  override endClaim(...args: Parameters<Model["endClaim"]>): Status {
    const status = super.endClaim(...args);
    const [index, side, amount, posts] = args;
    const asset = this.assets[this.accounts[index]?.s?.asset ?? 0]!;
    if (status === Status.Ok && posts && side === 0) asset.incomeCredits -= amount;
    return status;
  }
}
class NoRisk extends Model {
  protected override exceedsRisk(): boolean {
    return false;
  }
}
class DurableTooSoon extends Model {
  override durable(): void {
    super.durable();
    for (const a of this.accounts) a.riskOpen = 0n;
  }
}

describe("the comparison sees a model that is wrong", () => {
  const mutants = [
    RoundsUp,
    Wraps,
    AnyPreimage,
    PaysLate,
    AnyLink,
    NoIncome,
    NoMinimum,
    NoLoops,
    LinkAfterRate,
    LongerHold,
    SettlesTwice,
    EvidenceTwice,
    ForgetsClaims,
    ClaimsFillCap,
    ClaimsWithoutIncome,
    NoRisk,
    DurableTooSoon,
  ];
  const machines = pair("test");
  for (const model of mutants) {
    test(model.name, () => {
      const make = (seed: number): Driver => new Driver(new Random(seed), { model }, machines);
      assert.throws(() => drive(1, 150_000, LIFE, make), /FERRULE_SEED=\d+: step \d+/);
    });
  }
});
