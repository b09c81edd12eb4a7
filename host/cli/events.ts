// `ferrule events`: the last packets that did not go through, and which rule decided.
import type { EventReport } from "../report.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { Exit, numberOption, type Command } from "./command.js";
import { table } from "./terminal.js";

const COUNT_DEFAULT = 20;
const COUNT_MAX = 10_000;

const events: Command = {
  summary: "List the last packets that failed, with the reasons",
  usage: "",
  arity: [0, 0],
  options: {
    count: {
      type: "string",
      short: "n",
      value: "n",
      help: `How many; ${COUNT_DEFAULT} if absent.`,
    },
    ...CLIENT_OPTIONS,
  },
  async run(input) {
    const { terminal, values } = input;
    const count = numberOption(input, "count", COUNT_DEFAULT, [1, COUNT_MAX]);
    const report = await ask<EventReport[]>(input, `/events?count=${count}`);
    if (values["json"] === true) terminal.printJson(report);
    else if (report.length === 0) terminal.print("Nothing was refused or rejected so far.");
    else {
      const rows = report
        .reverse()
        .map(({ time, account, amountText, code, text }) => [
          time.slice(0, 19).replace("T", " "),
          account,
          { text: amountText, right: true },
          code,
          text,
        ]);
      terminal.print(table(terminal, ["time (UTC)", "from", "amount", "code", "reason"], rows));
    }
    return Exit.Ok;
  },
};

export default events;
