// The plot for the README: bars for throughput and for CPU a round trip, on a logarithmic scale,
// readable on light and dark pages.
import type { Case } from "./cases.js";
import type { Contender } from "./contender.js";
import { short, type Report } from "./report.js";

const WIDTH = 820;
const NAME_WIDTH = 150;
const PANEL_WIDTH = 320;
const BAR = 18;
const PITCH = 26;
const TOP = 52;
const OURS = "#d9480f";
const OTHERS = "#868e96";

interface Bar {
  title: string;
  isOurs: boolean;
  value: number;
}

function escape(text: string): string {
  return text.replace(/[`]/g, "").replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

function text(x: number, y: number, content: string, extra = ""): string {
  return `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}"${extra}>${escape(content)}</text>`;
}

/** Bars between the smallest and the largest value, a decade as wide wherever it is. */
function panel(left: number, title: string, bars: readonly Bar[]): string[] {
  const logs = bars.map(({ value }) => Math.log10(value));
  const low = Math.min(...logs) - 0.5;
  const high = Math.max(...logs);
  return [
    text(left, TOP - 14, title, ' style="font-weight:bold"'),
    ...bars.flatMap(({ isOurs, value }, i) => {
      const width = ((Math.log10(value) - low) / (high - low)) * (PANEL_WIDTH - 70);
      const y = TOP + i * PITCH;
      const colour = isOurs ? OURS : OTHERS;
      const box = `x="${left}" y="${y}" width="${width.toFixed(1)}" height="${BAR}"`;
      return [
        `<rect ${box} fill="${colour}" rx="2"/>`,
        text(left + width + 6, y + BAR - 4, short(value)),
      ];
    }),
  ];
}

/** The plot of one case of a run; null when the run did not have it. */
export function writePlot(
  report: Report,
  one: Case,
  contenders: readonly Contender[],
): string | null {
  const rows = contenders.flatMap(({ name, title }) => {
    const found = report.results.find((r) => r.case === one.name && r.contender === name);
    return found ? [{ title, isOurs: name === "ferrule", found }] : [];
  });
  if (rows.length === 0) return null;
  const bars = (value: (row: (typeof rows)[number]) => number): Bar[] =>
    rows.map((row) => ({ title: row.title, isOurs: row.isOurs, value: value(row) }));
  const { machine } = report;
  const height = TOP + rows.length * PITCH + 30;
  const right = NAME_WIDTH + PANEL_WIDTH + 20;
  const names = rows.map(({ title }, i) =>
    text(NAME_WIDTH - 10, TOP + i * PITCH + BAR - 4, title, ' text-anchor="end"'),
  );
  const note = `${one.title}; ${machine.date}, commit ${machine.commit}; logarithmic scale`;
  const style = "text{font:13px system-ui,sans-serif;fill:#495057}";
  const dark = "@media(prefers-color-scheme:dark){text{fill:#ced4da}}";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${escape(`Round trips a second and CPU a round trip: ${one.title}`)}</title>`,
    `<style>${style}${dark}</style>`,
    ...names,
    ...panel(
      NAME_WIDTH,
      "round trips a second (more is better)",
      bars(({ found }) => found.perSecond.median),
    ),
    ...panel(
      right,
      "CPU a round trip, µs (less is better)",
      bars(({ found }) => found.cpuUs.median),
    ),
    text(NAME_WIDTH, height - 8, note, ' style="font-size:11px;opacity:0.8"'),
    "</svg>",
    "",
  ].join("\n");
}
