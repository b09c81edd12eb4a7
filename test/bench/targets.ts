// What Ferrule holds itself to, as ratios within one run: which figure, against whose, how much.
import type { Install } from "./install.js";
import { BASE_NAME, type Result } from "./run.js";
import { median } from "./stats.js";

export interface Start {
  contender: string;
  ms: number[];
}

export interface Verdict {
  what: string;
  measured: string;
  target: string;
  isMet: boolean;
}

type Figure = (result: Result) => number;

const cpu: Figure = (result) => result.cpuUs.median;
const p99: Figure = (result) => result.p99Ms.median;

class Judge {
  readonly verdicts: Verdict[] = [];
  constructor(readonly results: readonly Result[]) {}

  find(name: string, contender: string): Result | undefined {
    return this.results.find((r) => r.case === name && r.contender === contender);
  }

  /** Ferrule's figure in a case against another's, or its own in another case. */
  ratio(what: string, name: string, against: string, most: number, of: Figure): void {
    const ours = this.find(name, "ferrule");
    const theirs = this.find(name, against);
    if (!ours || !theirs) return;
    this.multiple(what, of(ours) / of(theirs), most);
  }

  multiple(what: string, ratio: number, most: number): void {
    const text = (value: number): string =>
      value < 0.2 ? `1/${(1 / value).toFixed(1)}` : `${value.toFixed(2)}×`;
    this.verdicts.push({
      what,
      measured: text(ratio),
      target: `≤ ${text(most)}`,
      isMet: ratio <= most,
    });
  }

  bound(what: string, value: number, most: number, unit: string, digits = 0): void {
    const measured = `${value.toFixed(digits)} ${unit}`.trim();
    this.verdicts.push({
      what,
      measured,
      target: `≤ ${most} ${unit}`.trim(),
      isMet: value <= most,
    });
  }
}

export function judge(
  results: readonly Result[],
  starts: readonly Start[],
  installs: readonly Install[],
): Verdict[] {
  const j = new Judge(results);
  for (const size of ["0B", "1KiB"]) {
    for (const inFlight of [100, 1000]) {
      const what = `CPU a round trip, ${size}, ${inFlight} in flight, to`;
      const name = `btp-${size}-${inFlight}`;
      j.ratio(`${what} the bare ws relay`, name, "ws", 0.7, cpu);
      j.ratio(`${what} ilp-connector`, name, "ilp-connector", 1 / 14, cpu);
      j.ratio(`${what} the corked ws relay (aim)`, name, "ws-cork", 1, cpu);
    }
  }
  const large = "CPU a round trip, 32 KiB, 100 in flight, to the bare ws relay";
  j.ratio(large, "btp-32KiB-100", "ws", 0.6, cpu);
  j.ratio("p99 at 100 in flight, to the bare ws relay", "btp-0B-100", "ws", 1, p99);
  const p50: Figure = (result) => result.p50Ms.median;
  j.ratio("p50 at 1 in flight, to the bare ws relay", "btp-0B-1", "ws", 1.15, p50);
  j.ratio("CPU over HTTP, to the bare HTTP relay", "http-0B-100", "http", 1.15, cpu);
  const tables = "CPU at 1,000 accounts and 100,000 routes, to 2 and 10";
  j.ratio(tables, "btp-1000-accounts-100000-routes", BASE_NAME, 1.2, cpu);
  const base = j.find("btp-0B-100", "ferrule");
  if (base) j.bound("resident memory idle", base.rssIdleMiB, 60, "MiB");
  const startOf = (name: string): number =>
    median(starts.find(({ contender }) => contender === name)?.ms ?? []);
  const start = startOf("ferrule");
  if (starts.length > 0) {
    j.bound("start to listening, empty store", start, 150, "ms");
    // The machine's state is in both: where 150 ms come from, the relay takes 78.
    j.multiple("the same, to the bare ws relay", start / startOf("ws"), 150 / 78);
  }
  const install = installs.find(({ contender }) => contender === "ferrule");
  if (install) {
    j.bound("runtime install", install.bytes / 1e6, 5, "MB", 1);
    j.bound("packages of it", install.packages, 8, "");
  }
  return j.verdicts;
}
