// `ferrule explain`: what would happen to a packet, without sending it. Exit 1 if it is refused.
import type { Explanation } from "../report.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { CliError, Exit, numberOption, type Command } from "./command.js";
import { describeCode } from "./codes.js";
import { safe } from "./terminal.js";

const DAY_MS = 86_400_000;

const explain: Command = {
  summary: "Say what would happen to a packet, without sending it",
  usage: "<account> <destination> <amount>",
  arity: [3, 3],
  options: {
    expiry: { type: "string", value: "ms", help: "Time the packet has; maxHoldTime if absent." },
    ...CLIENT_OPTIONS,
  },
  details:
    "<account> is where the packet comes from (`local`: this node), <amount> is in base\n" +
    "units of its asset. Nothing is sent.",
  async run(input) {
    const { terminal, values, positionals } = input;
    const [account, destination, amount = ""] = positionals;
    if (!/^\d{1,20}$/.test(amount)) {
      throw new CliError(Exit.Usage, "<amount> is a whole number of base units.");
    }
    const given = values["expiry"] !== undefined;
    const expiry = given ? { expiresInMs: numberOption(input, "expiry", 0, [0, DAY_MS]) } : {};
    const body = { account, destination, amount, ...expiry };
    const found = await ask<Explanation>(input, "/explain", body);
    const exit = found.forwarded ? Exit.Ok : Exit.Negative;
    if (values["json"] === true) {
      terminal.printJson(found);
      return exit;
    }
    for (const sentence of found.text) terminal.print(safe(sentence));
    if (found.forwarded) terminal.print(terminal.paint("green", "It would be forwarded."));
    else {
      const said = found.message === "" ? "" : ` "${safe(found.message)}"`;
      const verdict = terminal.paint("red", "It would be refused");
      terminal.print(`${verdict} with ${describeCode(found.code)}:${said}`);
    }
    return exit;
  },
};

export default explain;
