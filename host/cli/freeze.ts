// `ferrule freeze` and `ferrule unfreeze`: stop or resume an account's new packets at once. It
// lasts until the node stops; the configuration's `frozen` is what it starts with.
import type { AccountReport } from "../report.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { Exit, type Command } from "./command.js";
import { safe } from "./terminal.js";

function createCommand(verb: "freeze" | "unfreeze", summary: string): Command {
  return {
    summary,
    usage: "<account>",
    arity: [1, 1],
    options: CLIENT_OPTIONS,
    details:
      "Packets in flight finish either way. To keep it over a restart, write frozen in the file.",
    async run(input) {
      const { terminal, values, positionals } = input;
      const [id = ""] = positionals;
      const path = `/accounts/${encodeURIComponent(id)}/${verb}`;
      const report = await ask<AccountReport>(input, path, {});
      if (values["json"] === true) terminal.printJson(report);
      else {
        const state = report.frozen ? "frozen" : "not frozen";
        terminal.print(`${safe(report.id)} is ${state}; ${report.balanceText}.`);
      }
      return Exit.Ok;
    },
  };
}

export const freeze = createCommand("freeze", "Take no new packets from or to an account");
export const unfreeze = createCommand("unfreeze", "Take packets of a frozen account again");
