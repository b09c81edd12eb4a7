// `ferrule routes`: where packets go.
import type { RouteEntry } from "../connector.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { Exit, type Command } from "./command.js";
import { table } from "./terminal.js";

const routes: Command = {
  summary: "List the routes: where packets for an address go",
  usage: "",
  arity: [0, 0],
  options: CLIENT_OPTIONS,
  async run(input) {
    const { terminal, values } = input;
    const report = await ask<RouteEntry[]>(input, "/routes");
    if (values["json"] === true) terminal.printJson(report);
    else if (report.length === 0) terminal.print("There are no routes yet.");
    else {
      const rows = report.map(({ prefix, account, kind }) => [prefix || "*", account, kind]);
      terminal.print(table(terminal, ["address", "account", "kind"], rows));
    }
    return Exit.Ok;
  },
};

export default routes;
