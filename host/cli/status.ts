// `ferrule status`: is it running, and how is it? Exit 1 while it takes no packets.
import { describeDuration } from "../admin/amount.js";
import type { StatusReport } from "../report.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { Exit, type Command } from "./command.js";
import { fields, safe } from "./terminal.js";

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
