// `ferrule status`: is it running, and how is it? Exit 1 while it takes no packets.
import { describeDuration } from "../admin/amount.js";
import type { StatusReport } from "../report.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { Exit, type Command } from "./command.js";
import { fields, safe } from "./terminal.js";

function storePairs({ store, claims }: StatusReport): (readonly [string, string])[] {
  if (!store) return [];
  const { durability, commitPeriodMs, journalUsed, journalSize, sequence } = store;
  const every = durability === "group" ? `, at risk: ${commitPeriodMs} ms` : "";
  const used = `journal ${Math.round((100 * journalUsed) / journalSize)} % full`;
  const slow = store.syncP99Ms === null ? "over 5 s" : `at most ${store.syncP99Ms} ms`;
  const pairs: (readonly [string, string])[] = [
    ["books", `${durability}${every}; batch ${sequence}, ${used}; 99 in 100 syncs ${slow}`],
  ];
  if (store.failure !== null) pairs.push(["disk", store.failure]);
  if (store.recovered.torn !== null) pairs.push(["start", store.recovered.torn]);
  if (claims > 0) pairs.push(["claims", `possible claims of ${claims}: see \`ferrule claims\``]);
  return pairs;
}

const status: Command = {
  summary: "Say how the running node is, in a line and in detail",
  usage: "",
  arity: [0, 0],
  options: CLIENT_OPTIONS,
  async run(input) {
    const { terminal, values } = input;
    const report = await ask<StatusReport>(input, "/status");
    const exit = report.state === "ok" ? Exit.Ok : Exit.Negative;
    if (values["json"] === true) {
      terminal.printJson(report);
      return exit;
    }
    const rest = safe(report.line).slice(report.state.length);
    const colour = report.state === "ok" ? "green" : "yellow";
    terminal.print(terminal.paint(colour, report.state) + rest);
    const packets = Object.entries(report.packets).filter(([, count]) => count > 0);
    const pairs: (readonly [string, string])[] = [
      ["uptime", describeDuration(report.uptimeMs)],
      ...report.listening.map(({ kind, url }) => [kind, url] as const),
      ["data", report.dataDir || "nowhere: balances are lost when it stops"],
      ...storePairs(report),
      ["config", report.configFile ?? "built-in: a local test network"],
      ["version", report.version],
      ["core", report.coreSha256],
    ];
    if (packets.length > 0) {
      pairs.push(["packets", packets.map(([name, count]) => `${count} ${name}`).join(", ")]);
    }
    if (report.linksDown.length > 0) pairs.push(["down", report.linksDown.join(", ")]);
    terminal.print(`\n${fields(terminal, pairs)}`);
    return exit;
  },
};

export default status;
