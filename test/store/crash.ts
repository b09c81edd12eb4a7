// Crash points: a scripted run, the power cut at every write and every sync of it, each way that a
// card may lose what it had not synced. What is found then must be a state that was once true, with
// everything in it that had been reported durable, and a node must start from it and go on.
import assert from "node:assert/strict";
import { recover, type Recovered } from "../../host/store/recover.js";
import { RecordRecord as R } from "../../host/abi.js";
import { u64 } from "../../host/store/record.js";
import type { FaultyDisk } from "../support/faulty-disk.js";
import { type Loss, type Point } from "../support/faulty-disk.js";
import type { Life } from "./rig.js";
import { Script, makeConfig, makeDisk, randomFrom, startLife, type Mode } from "./rig.js";

/** Ways to lose what was not synced; those with chance in them more than once. */
const LOSSES: readonly Loss[] = [
  ...["lost", "kept", "torn", "torn", "torn", "reordered", "reordered", "reordered"],
  ...["flipped", "mixed", "mixed"],
] as Loss[];

export interface CrashReport {
  mode: Mode;
  seed: number;
  points: number;
  recovered: number;
  /** Nodes started from what was left, of these how many cut a second time. */
  started: number;
  secondCuts: number;
  /** Largest value of one account that was fulfilled and not there after the cut. */
  worstLost: bigint;
  /** Most that the node said was at risk at any of the cuts, of one account. */
  worstRisk: bigint;
  worstMs: number;
}

/** The books of an image in the form of `Life.stateKey`. */
function imageKey({ image }: Recovered): string {
  const accounts = [...image.accounts.values()]
    .sort((a, b) => a.index - b.index)
    .map(({ id, sums }) => {
      if (!sums) return `${id} 0 0 0 0`;
      const wide = (at: number): bigint => (u64(sums, at + 8) << 64n) | u64(sums, at);
      return `${id} ${wide(R.a)} ${wide(R.c)} ${u64(sums, R.e)} ${u64(sums, R.f)}`;
    });
  const assets = [...image.assets.values()]
    .sort((a, b) => a.index - b.index)
    .map(({ code, income }) => {
      if (!income) return `${code} 0 0`;
      return `${code} ${u64(income, R.a)} ${u64(income, R.c)}`;
    });
  return [...accounts, ...assets].filter((line) => !/^\S+( 0)+$/.test(line)).join("\n");
}

/** Value posted from each account in an image. */
function postedIn({ image }: Recovered): Map<string, bigint> {
  return new Map(
    [...image.accounts.values()].map(({ id, sums }) => [id, sums ? u64(sums, R.a) : 0n]),
  );
}

/** Conditions of packets whose outcome the image does not know. */
function openIn({ image }: Recovered): Set<string> {
  const conditions = [...image.holds.values()].map(({ condition }) =>
    condition.subarray(R.a, R.a + 32),
  );
  for (const claim of image.claims.values()) conditions.push(claim.condition);
  return new Set(conditions.map((bytes) => Buffer.from(bytes).toString("hex")));
}

/** What is known of a life: what it was, what had become durable, which Prepares had left. */
type Known = Pick<Life, "config" | "durable" | "history" | "left">;

/** Everything that must hold of what a cut has left. @returns the index of the state it is. */
export function checkLeft(life: Known, found: Recovered, since = 0): number {
  const key = imageKey(found);
  const from = Math.max(life.durable, since);
  // Equal sums come again: one packet rejected and another of its amount sent. Newest first.
  const alike = life.history.flatMap((state, i) => (state.key === key ? [i] : [])).reverse();
  const indexes = alike.filter((index) => index >= from);
  if (indexes.length === 0) {
    assert.fail(
      alike.length === 0
        ? `these books never were:\n${key}`
        : `state ${alike[0]} came back, ${life.durable} of ${life.history.length - 1} was durable`,
    );
  }
  if (life.config.durability !== "strict") return indexes[0]!;
  const open = openIn(found);
  const faults = indexes.map((index) => faultOfHolds(life, open, index));
  const index = faults.indexOf(null);
  assert.ok(index >= 0, faults.join("; "));
  return indexes[index]!;
}

/** A Prepare that has left is known: its hold is open, or its outcome is in the books. */
function faultOfHolds(life: Known, open: ReadonlySet<string>, index: number): string | null {
  for (const { condition, heldAt, endedAt } of life.left) {
    if (heldAt > index) return `a Prepare had left, state ${index} is before its hold ${heldAt}`;
    if (open.has(condition) === endedAt > index) continue;
    const is = open.has(condition) ? "open" : "not open";
    return `a hold of ${heldAt}-${endedAt} is ${is} in state ${index}`;
  }
  return null;
}

export interface CrashOptions {
  mode: Mode;
  seed: number;
  packets: number;
  /** Every so many points a node is started from what is left; every point when 1. */
  startEvery?: number;
}

/** Cuts at every point of one run. Throws with the seed, the point and the loss that failed. */
export async function cutEverywhere(options: CrashOptions): Promise<CrashReport> {
  const { mode, seed, packets, startEvery = 1 } = options;
  const report: CrashReport = {
    ...{ mode, seed, points: 0, recovered: 0, started: 0, secondCuts: 0 },
    ...{ worstLost: 0n, worstRisk: 0n, worstMs: 0 },
  };
  const random = randomFrom(seed ^ 0x5eed);
  const config = makeConfig(mode);
  const later: (() => Promise<void>)[] = [];
  let failed: unknown = null;
  const onPoint = (point: Point, disk: FaultyDisk): null => {
    try {
      cutAt(point, disk);
    } catch (error) {
      // Thrown here it would look like a failing disk.
      failed ??= error;
      disk.cutNow();
    }
    return null;
  };
  const cutAt = (point: Point, disk: FaultyDisk): void => {
    report.points += 1;
    for (const loss of LOSSES) {
      const where = `point ${point.number} (${point.kind} ${point.file} at ${point.offset})`;
      const about = `${mode}, seed ${seed}, ${where}, ${loss}`;
      const left = disk.afterCut(loss, { random });
      delete left.options.onPoint;
      const started = performance.now();
      const index = within(about, () => {
        const found = recover(left);
        if (found) return noteLoss(life, found, checkLeft(life, found), report);
        assert.equal(life.durable, -1, "nothing was found, but something was durable");
        return -1;
      });
      report.worstMs = Math.max(report.worstMs, performance.now() - started);
      report.recovered += 1;
      const isChosen = report.recovered % startEvery === 0;
      if (isChosen) later.push(() => restart(about, life, left, index, { random, report }));
    }
  };
  const disk = makeDisk({ random });
  const life = startLife(config, disk, seed);
  disk.options.onPoint = onPoint;
  life.history.push({ key: "", posted: new Map() });
  await life.start();
  new Script(life, seed).play(packets);
  disk.cutNow();
  if (failed) throw failed;
  for (const start of later) await start();
  return report;
}

function within<T>(about: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new Error(`${about}: ${(error as Error).message}`, { cause: error });
  }
}

function noteLoss(life: Life, found: Recovered, index: number, report: CrashReport): number {
  const now = life.history.at(-1)!.posted;
  const kept = postedIn(found);
  for (const [id, posted] of now) {
    const lost = posted - (kept.get(id) ?? 0n);
    const { core, registry } = life.connector;
    const risk = core.account(registry.byId(id)!.index).atRisk;
    assert.ok(lost <= risk, `${id} lost ${lost}, at risk were ${risk}`);
    if (lost > report.worstLost) report.worstLost = lost;
    if (risk > report.worstRisk) report.worstRisk = risk;
  }
  return index;
}

/** Starts a node from what a cut has left, lets it work, and cuts it again somewhere. */
async function restart(
  about: string,
  before: Life,
  left: FaultyDisk,
  index: number,
  { random, report }: { random: () => number; report: CrashReport },
): Promise<void> {
  const { config } = before;
  const cutAt = left.points + 1 + Math.floor(random() * 30);
  const disk = left.afterCut("kept", { random });
  disk.options.onPoint = (point, self) => {
    if (point.number >= cutAt) self.cutNow();
    return null;
  };
  const life = startLife(config, disk, report.seed + 1);
  try {
    await life.start();
    assert.equal(life.failures, 0);
    if (index >= 0) {
      assert.equal(life.history[0]!.key, before.history[index]!.key, "the node has other books");
    }
    new Script(life, report.seed + 1).play(6);
    report.started += 1;
    if (!disk.isCut) disk.cutNow();
    else report.secondCuts += 1;
    const again = recover(disk.afterCut("mixed", { random }));
    if (again) checkLeft(life, again);
    else assert.equal(life.durable, -1);
  } catch (error) {
    throw new Error(`${about}, second cut at ${cutAt}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** A life as it is known now, whatever it does later. */
export function knownOf({ config, durable, history, left }: Life): Known {
  return { config, durable, history: [...history], left: left.map((one) => ({ ...one })) };
}

/**
 * Starts a node from what a process that was killed has left, and cuts the power at every point of
 * its start: what the dead one had reported durable is still there. @returns the number of cuts
 */
export async function cutNextStart(
  before: Known,
  left: FaultyDisk,
  random: () => number,
): Promise<number> {
  let cuts = 0;
  let failed: unknown = null;
  const life = startLife(before.config, left, 99);
  const cut = (disk: FaultyDisk, about: string): void => {
    for (const loss of ["lost", "torn", "torn", "reordered", "flipped", "mixed"] as const) {
      cuts += 1;
      within(`${about}, ${loss}`, () => {
        const found = recover(disk.afterCut(loss, { random }));
        if (found) checkLeft(life.durable >= 0 ? life : before, found);
        else assert.equal(Math.max(before.durable, life.durable), -1, "nothing was found");
      });
    }
  };
  left.options.onPoint = (point, disk) => {
    try {
      cut(disk, `cut at ${point.kind} ${point.file} at ${point.offset} of the next start`);
    } catch (error) {
      failed ??= error;
      disk.cutNow();
    }
    return null;
  };
  await life.start();
  life.run(200);
  if (failed) throw failed;
  assert.equal(life.failures, 0);
  cut(left, "cut after the next start");
  return cuts;
}

/** Kills the process at every point of one run and cuts the power while the next one starts. */
export async function killEverywhere(options: CrashOptions): Promise<number> {
  const { mode, seed, packets } = options;
  const random = randomFrom(seed ^ 0x5eed);
  const disk = makeDisk({ random });
  const life = startLife(makeConfig(mode), disk, seed);
  const killed: { about: string; known: Known; left: FaultyDisk }[] = [];
  disk.options.onPoint = (point, self) => {
    const about = `${mode}, seed ${seed}, killed at point ${point.number} (${point.kind})`;
    const left = self.afterKill({ random });
    delete left.options.onPoint;
    killed.push({ about, known: knownOf(life), left });
    return null;
  };
  life.history.push({ key: "", posted: new Map() });
  await life.start();
  new Script(life, seed).play(packets);
  disk.cutNow();
  let cuts = 0;
  for (const { about, known, left } of killed) {
    try {
      cuts += await cutNextStart(known, left, random);
    } catch (error) {
      throw new Error(`${about}: ${(error as Error).message}`, { cause: error });
    }
  }
  return cuts;
}

/** One line for people. */
export function describeReport(report: CrashReport): string {
  const { mode, seed, points, recovered, started, secondCuts, worstLost, worstRisk } = report;
  return (
    `${mode}, seed ${seed}: ${points} points, ${recovered} cuts, all recovered; ${started} nodes ` +
    `started again, ${secondCuts} of them cut again; worst loss ${worstLost} of ${worstRisk} at ` +
    `risk; longest recovery ${report.worstMs.toFixed(1)} ms`
  );
}
