// The results as people read them: ratios first, then what was measured.
import type { Case } from "./cases.js";
import type { Contender } from "./contender.js";
import type { Install } from "./install.js";
import type { Machine } from "./machine.js";
import { BASE_NAME, type Result } from "./run.js";
import { median, type Spread } from "./stats.js";
import { judge, type Start } from "./targets.js";

export interface Report {
  command: string;
  machine: Machine;
  rounds: number;
  roundMs: number;
  results: Result[];
  starts: Start[];
  installs: Install[];
  /** What could not be run, in sentences. */
  absent: string[];
}

/** Three digits that matter. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function table(head: readonly string[], rows: readonly string[][], left = 1): string {
  const rule = head.map((_, i) => (i < left ? "---" : "---:"));
  return [row(head), row(rule), ...rows.map(row)].join("\n");
}

const range = ({ median, low, high }: Spread): string =>
  `${short(median)} (${short(low)}–${short(high)})`;

type Names = ReadonlyMap<string, string>;

function head(report: Report): string {
  const { machine, command, rounds, roundMs } = report;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    "# Benchmark results",
    "",
    `Written by \`${command}\`, ${machine.date}, commit ${machine.commit}.`,
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, load ` +
      `${machine.load.toFixed(1)} when it began. ${versions.join(", ")}.`,
    `Medians of ${rounds} rounds of ${roundMs} ms, contenders in turn. A round trip is a Prepare ` +
      "and its Fulfill: four messages. CPU is user and system time of the contender's process, " +
      "and of what it cannot run without, all threads. [README.md](README.md) says how it is " +
      "measured.",
  ].join("\n");
}

function targets({ results, starts, installs }: Report): string {
  const rows = judge(results, starts, installs).map(({ what, measured, target, isMet }) => [
    what,
    measured,
    target,
    isMet ? "met" : "**missed**",
  ]);
  return `## Targets\n\n${table(["", "measured", "target", ""], rows)}`;
}

/** CPU of everyone as a multiple of one contender's, cases that it took part in. */
function ratios(report: Report, cases: readonly Case[], titles: Names, against: string): string {
  const { results } = report;
  const names = [...titles.keys()];
  const rows = cases.flatMap((one) => {
    const own = results.filter((result) => result.case === one.name);
    const base = own.find(({ contender }) => contender === against);
    if (!base) return [];
    const cells = names.map((name) => {
      const found = own.find(({ contender }) => contender === name);
      return found ? (found.cpuUs.median / base.cpuUs.median).toFixed(2) : "";
    });
    return [[one.title, ...cells]];
  });
  if (rows.length === 0) return "";
  const used = names.map((_, i) => rows.some((cells) => cells[i + 1] !== ""));
  const keep = (cells: readonly string[]): string[] =>
    cells.filter((_, i) => i === 0 || used[i - 1] === true);
  const columns = keep(["case", ...titles.values()]);
  const title = titles.get(against) ?? against;
  const text = table(columns, rows.map(keep));
  return `## CPU a round trip, as a multiple of the ${title}'s\n\n${text}`;
}

/** Cases measured against another case of the same contender. */
function growth({ results }: Report, cases: readonly Case[]): string {
  const rows = cases.flatMap((one) => {
    const find = (name: string): Result | undefined =>
      results.find((result) => result.case === one.name && result.contender === name);
    const own = find("ferrule");
    const base = find(BASE_NAME);
    if (!own || !base) return [];
    const ratio = (own.cpuUs.median / base.cpuUs.median).toFixed(2);
    return [[one.title, ratio, range(own.cpuUs), short(own.rssIdleMiB), short(own.startMs)]];
  });
  const head = ["Ferrule", "CPU to 2 accounts, 10 routes", "µs", "RSS idle, MiB", "start, ms"];
  return rows.length === 0 ? "" : `## Larger tables\n\n${table(head, rows)}`;
}

function measured({ results }: Report, cases: readonly Case[], titles: Names): string {
  const head = [
    "",
    "CPU µs",
    "round trips/s",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "RSS idle, end, peak MiB",
    "disk B per 1,000",
    "refused",
  ];
  const parts = cases.flatMap((one) => {
    const own = results.filter((result) => result.case === one.name);
    if (own.length === 0) return [];
    const rows = own.map((r) => [
      titles.get(r.contender) ?? r.contender,
      range(r.cpuUs) + (r.aloneUs ? `, itself ${short(r.aloneUs.median)}` : ""),
      short(r.perSecond.median),
      short(r.p50Ms.median),
      range(r.p99Ms),
      short(r.p999Ms.median),
      [r.rssIdleMiB, r.rssEndMiB, r.rssPeakMiB].map((mib) => mib.toFixed(0)).join(", "),
      short(r.diskBytes),
      r.refused === 0 ? "" : r.refused.toLocaleString("en"),
    ]);
    return [`### ${one.title}\n\n${table(head, rows)}`];
  });
  return `## Measured\n\nMedian (lowest–highest).\n\n${parts.join("\n\n")}`;
}

function around({ starts, installs }: Report, titles: Names): string {
  const rows = starts.map(({ contender, ms }) => {
    const install = installs.find((candidate) => candidate.contender === contender);
    return [
      titles.get(contender) ?? contender,
      `${short(median(ms))} (${short(Math.min(...ms))}–${short(Math.max(...ms))})`,
      install ? (install.bytes / 1e6).toFixed(1) : "",
      install ? String(install.packages) : "",
    ];
  });
  const head = ["", "start to listening, ms", "install, MB", "packages"];
  return `## Around it\n\n${table(head, rows)}`;
}

export function writeReport(
  report: Report,
  cases: readonly Case[],
  contenders: readonly Contender[],
): string {
  const titles: Names = new Map(contenders.map(({ name, title }) => [name, title]));
  const parts = [
    head(report),
    targets(report),
    ratios(report, cases, titles, "ws"),
    ratios(report, cases, titles, "http"),
    growth(report, cases),
    around(report, titles),
    report.absent.map((sentence) => `${sentence}\n`).join("\n"),
    measured(report, cases, titles),
  ];
  return parts.filter((part) => part.trim() !== "").join("\n\n") + "\n";
}
