// `ferrule accounts`: who is connected and who owes whom.
import { describeAmount } from "../admin/amount.js";
import type { AccountReport } from "../report.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { Exit, type Command } from "./command.js";
import { table, type Cell, type Terminal } from "./terminal.js";

/** Accounts made by open tokens are named by a hash of 43 characters. */
const ID_MAX = 24;

function shorten(id: string, open: boolean): string {
  return open && id.length > ID_MAX ? `${id.slice(0, ID_MAX - 1)}…` : id;
}

function linkCell({ link, frozen }: AccountReport): Cell {
  if (frozen) return { text: "frozen", style: "cyan" };
  return { text: link, style: link === "up" ? "green" : "red" };
}

function limitText(account: AccountReport): string {
  const { balanceMinimum: minimum, balanceMaximum: maximum } = account;
  const limits: string[] = [];
  if (maximum !== null) limits.push(`they owe at most ${describeAmount(BigInt(maximum), account)}`);
  if (minimum !== null) limits.push(`you owe at most ${describeAmount(-BigInt(minimum), account)}`);
  return account.relation === "local" ? "" : limits.join(", ") || "no limits";
}

function claimText({ claimOwed, claimOwing }: AccountReport): string {
  const parts: string[] = [];
  if (claimOwed !== "0") parts.push(`they may owe ${claimOwed}`);
  if (claimOwing !== "0") parts.push(`you may owe ${claimOwing}`);
  return parts.join(", ");
}

function render(accounts: readonly AccountReport[], terminal: Terminal): string {
  const rows = accounts.map((account) => [
    shorten(account.id, account.open),
    account.relation,
    linkCell(account),
    account.balanceText,
    { text: String(account.inFlightIn + account.inFlightOut), right: true },
    { text: String(account.packets.inFulfilled), right: true },
    { text: String(account.packets.outFulfilled), right: true },
    { text: account.atRiskText, right: true },
    [limitText(account), claimText(account)].filter(Boolean).join("; "),
  ]);
  const heading = [
    "account",
    "relation",
    "link",
    "balance",
    "in flight",
    "in",
    "out",
    "at risk",
    "limits",
  ];
  return table(terminal, heading, rows);
}

const accounts: Command = {
  summary: "List accounts: who is connected and who owes whom",
  usage: "",
  arity: [0, 0],
  options: CLIENT_OPTIONS,
  details:
    "in and out count the packets from and to the account that were fulfilled; at risk is what\n" +
    "is not on disk yet. What a power cut left open is in `ferrule claims`.",
  async run(input) {
    const { terminal, values } = input;
    const report = await ask<AccountReport[]>(input, "/accounts");
    if (values["json"] === true) terminal.printJson(report);
    else terminal.print(render(report, terminal));
    return Exit.Ok;
  },
};

export default accounts;
