// Faults of a disk that goes on living: an operation fails, or a bit of something synced turns.
import assert from "node:assert/strict";
import { DamageError, JOURNAL, SLOTS, recover } from "../../host/store/recover.js";
import { PAGE_SIZE } from "../../host/store/disk.js";
import { AccountFlag, Counter } from "../../host/core.js";
import type { Fault, FaultyDisk } from "../support/faulty-disk.js";
import { checkLeft, cutNextStart, knownOf } from "./crash.js";
import type { Life } from "./rig.js";
import { Script, makeConfig, makeDisk, randomFrom, startLife, type Mode } from "./rig.js";

export interface FaultReport {
  mode: Mode;
  seed: number;
  points: number;
  faults: number;
}

/** A run in which one operation fails. @returns how many operations there were up to the end. */
async function playWithFault(
  mode: Mode,
  seed: number,
  packets: number,
  at: number,
  fault: Fault,
): Promise<number> {
  const random = randomFrom(seed + at);
  const disk = makeDisk({ random });
  const life = startLife(makeConfig(mode), disk, seed);
  let after = 0;
  disk.options.onPoint = (point) => {
    if (point.number > at) after += 1;
    return point.number === at ? fault : null;
  };
  life.history.push({ key: "", posted: new Map() });
  try {
    await life.start();
  } catch (error) {
    // Only making the files may end the start, and it says why.
    assert.match((error as Error).message, /room|creating/);
    assert.ok(at <= 3);
    return disk.points;
  }
  const script = new Script(life, seed);
  for (let i = 0; i < packets && life.failures === 0; i++) {
    script.pay();
    life.run(Math.floor(random() * 12));
  }
  life.run(100);
  // It may have begun in the last millisecond.
  if (disk.points >= at && life.failures === 0) life.run(50);
  if (disk.points >= at) assert.equal(life.failures, 1, "an error passed unnoticed");
  if (life.failures > 0) {
    assert.equal(after, 0, "the disk was used after it had failed");
    checkStopped(life, script);
    assert.equal(after, 0, "the disk was used after it had failed");
    await life.connector.stop();
  }
  for (const left of [disk.afterCut("mixed"), disk.afterKill()]) await checkStart(life, left);
  return disk.points;
}

/** Nothing new is taken; what is in flight ends. */
function checkStopped(life: Life, script: Script): void {
  const { core } = life.connector;
  assert.equal(life.failures, 1);
  const forwards = core.counter(Counter.Forwards);
  script.pay();
  assert.equal(core.counter(Counter.Forwards), forwards, "a Prepare was taken");
  life.run(1500);
  for (const { index } of life.connector.registry.list()) {
    const { flightsIn, flags } = core.account(index);
    assert.equal(flightsIn, 0, "a packet is still in flight");
    assert.equal(flags & AccountFlag.Open, AccountFlag.Open);
  }
  assert.ok(life.logLines.some((line) => line.startsWith("the books cannot be written")));
}

/** After a fault the disk holds what was durable, or something newer that was true as well. */
async function checkStart(life: Life, left: FaultyDisk): Promise<void> {
  delete left.options.onPoint;
  const found = recover(left);
  if (found) checkLeft(life, found);
  else assert.equal(life.durable, -1);
  const next = startLife(life.config, left, 77);
  const cut = left.afterKill();
  await next.start();
  next.run(100);
  assert.equal(next.failures, 0);
  if (life.durable >= 0) await cutNextStart(knownOf(life), cut, left.options.random);
}

/** Lets every `every`-th operation of a run fail in each way. */
export async function failEverywhere(
  mode: Mode,
  seed: number,
  packets: number,
  every = 1,
): Promise<FaultReport> {
  const report: FaultReport = { mode, seed, points: 0, faults: 0 };
  let last = Infinity;
  for (let at = 1; at <= last; at += every) {
    for (const fault of ["error", "full"] as const) {
      try {
        const points = await playWithFault(mode, seed, packets, at, fault);
        if (points < at) last = 0;
      } catch (error) {
        const about = `${mode}, seed ${seed}, operation ${at}, ${fault}`;
        throw new Error(`${about}: ${(error as Error).message}`, { cause: error });
      }
      report.faults += 1;
    }
    report.points += 1;
  }
  return report;
}

export interface DamageReport {
  flips: number;
  refused: number;
  /** Started with everything. */
  whole: number;
  /** The last batch was taken for a torn one. */
  cut: number;
}

/** Turns over bits of everything on the disk after a run, one at a time. */
export async function damageEverywhere(mode: Mode, seed: number): Promise<DamageReport> {
  const random = randomFrom(seed);
  const disk = makeDisk({ random });
  const life = startLife(makeConfig(mode), disk, seed);
  await life.start();
  const script = new Script(life, seed);
  // On until the journal has a few batches of an epoch.
  while (life.connector.books.store!.facts.journalUsed < 5 * PAGE_SIZE) {
    script.pay();
    life.run(20);
  }
  life.run(2000);
  const whole = recover(disk.afterKill())!;
  const report: DamageReport = { flips: 0, refused: 0, whole: 0, cut: 0 };
  for (const name of [...SLOTS, JOURNAL]) {
    for (let page = 0; page < 16; page++) {
      const offsets = [0, 5, 9, 13, 17, 41, 50, 70].map((at) => page * PAGE_SIZE + at);
      offsets.push(page * PAGE_SIZE + Math.floor(random() * PAGE_SIZE));
      for (const offset of offsets) {
        const left = disk.afterKill();
        left.damage(name, offset, 1 << Math.floor(random() * 8));
        report.flips += 1;
        judge(left, whole.last.sequence, `${name} at ${offset}`, report);
      }
    }
  }
  return report;
}

function judge(left: FaultyDisk, sequence: number, about: string, report: DamageReport): void {
  let found;
  try {
    found = recover(left);
  } catch (error) {
    assert.ok(error instanceof DamageError, `${about}: ${(error as Error).message}`);
    assert.match(error.message, /^(journal|snapshot-[ab]) is damaged at byte \d+: .*repair/);
    report.refused += 1;
    return;
  }
  assert.ok(found, `${about}: nothing was found`);
  if (found.last.sequence === sequence) report.whole += 1;
  else {
    assert.equal(found.last.sequence, sequence - 1, `${about}: more than the last batch is gone`);
    report.cut += 1;
  }
}
