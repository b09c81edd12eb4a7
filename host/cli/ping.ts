// `ferrule ping`: an echo request to a node, over whatever lies between. Exit 1 if one fails.
import type { PingResult } from "../connector.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { CliError, Exit, numberOption, textOption, type Command, type Input } from "./command.js";
import { describeCode } from "./codes.js";
import { safe } from "./terminal.js";

const COUNT_MAX = 10_000;

interface PingAnswer {
  readonly results: readonly PingResult[];
}

function describeReply(destination: string, result: PingResult): string {
  const time = `${result.ms.toFixed(result.ms < 10 ? 2 : 0)} ms`;
  if (result.reply === "fulfill") return `${safe(destination)}: answered in ${time}`;
  const by = result.triggeredBy === "" ? "" : `, says ${safe(result.triggeredBy)}`;
  const said = result.message === "" ? "" : `: ${safe(result.message)}`;
  return `${safe(destination)}: ${describeCode(result.code)}${said} (${time}${by})`;
}

/** Base units. Checked here so that the sentence is about the command line. */
function readAmount(input: Input): string {
  const amount = textOption(input, "amount") ?? "0";
  if (/^\d{1,20}$/.test(amount)) return amount;
  throw new CliError(Exit.Usage, "--amount takes a whole number of base units.");
}

const ping: Command = {
  summary: "Send echo requests to an address and time the answers",
  usage: "<address>",
  arity: [1, 1],
  options: {
    count: { type: "string", short: "n", value: "n", help: "How many, one after the other; 1." },
    amount: { type: "string", value: "units", help: "Base units to send there and back; 0." },
    ...CLIENT_OPTIONS,
  },
  async run(input) {
    const { terminal, values, positionals } = input;
    const [destination = ""] = positionals;
    const count = numberOption(input, "count", 1, [1, COUNT_MAX]);
    const amount = readAmount(input);
    const results: PingResult[] = [];
    for (let i = 0; i < count; i++) {
      const answer = await ask<PingAnswer>(input, "/ping", { destination, amount, count: 1 });
      const [result] = answer.results;
      if (!result) throw new CliError(Exit.Unavailable, "The node is shutting down.");
      results.push(result);
      if (values["json"] !== true) terminal.print(describeReply(destination, result));
    }
    const good = results.filter(({ reply }) => reply === "fulfill");
    if (values["json"] === true) {
      terminal.printJson({ destination, amount, count, fulfilled: good.length, results });
    } else if (count > 1) {
      const times = good.map(({ ms }) => ms);
      const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
      const span =
        times.length === 0
          ? ""
          : `; fastest ${Math.min(...times).toFixed(2)} ms, mean ${mean.toFixed(2)} ms, ` +
            `slowest ${Math.max(...times).toFixed(2)} ms`;
      terminal.print(`${good.length} of ${count} answered${span}`);
    }
    return good.length === count ? Exit.Ok : Exit.Negative;
  },
};

export default ping;
