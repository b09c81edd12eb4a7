// A reporter for node:test: at the end, what was run and how long it took, what was skipped and
// why, what failed, and the figures that the tests measured.
const NOT_ASKED_FOR = "not asked for";

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`.padStart(9);

export default async function* summary(events) {
  const lines = [];
  let tests = [];
  const figures = [];
  let skipped = 0;
  for await (const { type, data } of events) {
    if (type === "test:stdout") {
      for (const [, figure] of data.message.matchAll(/^ {2}measured: (.*)$/gm))
        figures.push(figure);
    }
    if ((type !== "test:pass" && type !== "test:fail") || data.name.endsWith(".mjs")) continue;
    if (data.skip === NOT_ASKED_FOR) continue;
    if (data.skip !== undefined) skipped++;
    const what = data.skip === undefined ? (type === "test:pass" ? "ok" : "FAILED") : "SKIPPED";
    const why = typeof data.skip === "string" ? `: ${data.skip.replace(/^SKIPPED:? ?/, "")}` : "";
    const line = `${what.padEnd(8)}${seconds(data.details.duration_ms)}`;
    if (data.details.type === "suite") {
      // After its tests; its time has what was made before them.
      lines.push(`${line}  ${data.name}, all of it${why}`, ...tests);
      tests = [];
    } else tests.push(`${line}    ${data.name}${why}`);
  }
  yield `\nWhat was run:\n${lines.join("\n")}\n`;
  if (figures.length > 0) yield `\nMeasured:\n${figures.join("\n")}\n`;
  if (skipped > 0) yield `\n${skipped} tests were SKIPPED; the reasons are above.\n`;
}
