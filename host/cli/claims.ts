// `ferrule claims`: packets whose outcome the end of the node left open, and what becomes of them.
import type { ClaimReport } from "../books-report.js";
import type { AccountReport } from "../report.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { CliError, Exit, type Command, type Input } from "./command.js";
import { safe, table } from "./terminal.js";

async function list(input: Input): Promise<void> {
  const { terminal, values } = input;
  const report = await ask<ClaimReport[]>(input, "/claims");
  if (values["json"] === true) return terminal.printJson(report);
  if (report.length === 0) return terminal.print("There are no possible claims.");
  const rows = report.map(({ account, owedText, owingText, since, voidAt, packets }) => [
    account,
    { text: owedText, right: true },
    { text: owingText, right: true },
    { text: String(packets.length), right: true },
    since?.slice(0, 19).replace("T", " ") ?? "",
    voidAt?.slice(0, 19).replace("T", " ") ?? "never",
  ]);
  const heading = ["account", "they may owe", "you may owe", "packets", "since (UTC)", "void at"];
  terminal.print(table(terminal, heading, rows));
}

async function resolve(input: Input): Promise<void> {
  const { terminal, values, positionals } = input;
  const [, id = "", side = "", action = "", amount = ""] = positionals;
  const body = { side, action, ...(amount === "all" ? {} : { amount }) };
  const report = await ask<AccountReport>(
    input,
    `/accounts/${encodeURIComponent(id)}/claims`,
    body,
  );
  if (values["json"] === true) return terminal.printJson(report);
  const { balanceText, claimOwed, claimOwing } = report;
  terminal.print(
    `${safe(report.id)}: ${balanceText}; still open: ${claimOwed} owed, ${claimOwing} owing.`,
  );
}

const claims: Command = {
  summary: "List what a power cut left open, or resolve it",
  usage: "[resolve <account> …]",
  arity: [0, 5],
  options: CLIENT_OPTIONS,
  details:
    "ferrule claims resolve <account> owed|owing post|void <amount|all>\n\n" +
    "owed: what they may owe you; owing: what you may owe them. Ask the peer: post what was\n" +
    "fulfilled, void what was not. Amounts are base units.",
  async run(input) {
    const [verb] = input.positionals;
    if (verb === undefined) await list(input);
    else if (verb === "resolve" && input.positionals.length === 5) await resolve(input);
    else {
      const usage = "ferrule claims resolve <account> owed|owing post|void <amount|all>";
      throw new CliError(Exit.Usage, `Write \`${usage}\`, or nothing behind claims.`);
    }
    return Exit.Ok;
  },
};

export default claims;
