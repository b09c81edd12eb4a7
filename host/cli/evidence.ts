// `ferrule evidence`: genuine Fulfills that came too late. Nothing moved; a peer may still ask.
import type { EvidenceReport } from "../books-report.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { Exit, type Command } from "./command.js";
import { table } from "./terminal.js";

const evidence: Command = {
  summary: "List Fulfills that came too late",
  usage: "",
  arity: [0, 0],
  options: CLIENT_OPTIONS,
  details:
    "The SHA-256 of a fulfillment is the condition of its packet. The last 1,024 are kept,\n" +
    "or fewer with a journalSize below 1.5 MiB.",
  async run(input) {
    const { terminal, values } = input;
    const report = await ask<EvidenceReport[]>(input, "/evidence");
    if (values["json"] === true) terminal.printJson(report);
    else if (report.length === 0) terminal.print("No Fulfill came too late so far.");
    else {
      const rows = report.map(({ cameAt, expiredAt, account, source, amount, condition }) => [
        cameAt.slice(0, 19).replace("T", " "),
        expiredAt.slice(0, 19).replace("T", " "),
        source,
        account,
        { text: amount, right: true },
        condition.slice(0, 16),
      ]);
      const heading = ["came (UTC)", "had expired", "from", "fulfilled by", "amount", "condition"];
      terminal.print(table(terminal, heading, rows));
    }
    return Exit.Ok;
  },
};

export default evidence;
