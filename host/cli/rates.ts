// `ferrule rates`: what one asset buys of another, after this node's spread.
import { formatFraction } from "../admin/amount.js";
import type { RateReport } from "../report.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { Exit, type Command } from "./command.js";
import { table } from "./terminal.js";

function spreadText(ppb: number): string {
  return `${formatFraction(BigInt(ppb), 10_000_000n).text} %`;
}

const rates: Command = {
  summary: "List the exchange rates and the spread in them",
  usage: "",
  arity: [0, 0],
  options: CLIENT_OPTIONS,
  async run(input) {
    const { terminal, values } = input;
    const report = await ask<RateReport[]>(input, "/rates");
    if (values["json"] === true) terminal.printJson(report);
    else if (report.length === 0) terminal.print("There are no rates yet.");
    else {
      const rows = report.map(({ from, to, text, spreadPpb }) => [
        `${from.assetCode} (scale ${from.assetScale})`,
        `${to.assetCode} (scale ${to.assetScale})`,
        text,
        spreadText(spreadPpb),
      ]);
      terminal.print(table(terminal, ["from", "to", "price", "spread"], rows));
    }
    return Exit.Ok;
  },
};

export default rates;
