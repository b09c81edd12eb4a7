// `ferrule board`: how a board on a serial line is, new settings for it, a settlement booked. It
// speaks to the board itself, so no node may hold the line meanwhile.
import { readFileSync } from "node:fs";
import { describeBalance, describeDuration, formatAmount } from "../admin/amount.js";
import { Secret } from "../config/secret.js";
import type { SerialLink } from "../config/types.js";
import {
  BOARD_ADDRESSES,
  BOARD_JOURNALS,
  BOARD_KEY_SIZE,
  BOARD_RESETS,
  BOARD_STATES,
  BoardOutcome,
  boardSettlement,
  readBoardReport,
  signForBoard,
  type BoardAccount,
  type BoardReport,
} from "../link/board-report.js";
import { BoardLine } from "../link/board-line.js";
import { BoardOp } from "../link/serial-frame.js";
import { CliError, Exit, numberOption, saying, type Command, type Input } from "./command.js";
import { fields, safe, table } from "./terminal.js";

const KEY_VARIABLE = "FERRULE_BOARD_KEY";
const LINE_KEY_VARIABLE = "FERRULE_LINE_KEY";
const BAUD = 115_200;
const USAGE =
  "ferrule board status <line>, ferrule board setup <line> <settings.bin> or " +
  "ferrule board settle <line> <account> paid|received <amount>";

const REFUSALS: Readonly<Record<number, string>> = {
  [BoardOutcome.NotAllowed]:
    "it does not allow that: not on this line (see [board.lines] of its settings), or not with " +
    `this key (${KEY_VARIABLE}).`,
  [BoardOutcome.Malformed]: "it does not understand what it was sent.",
  [BoardOutcome.Older]: "these settings are not newer than its own.",
  [BoardOutcome.NotWritten]: "it could not keep it: it has no flash for it, or is not running.",
  [BoardOutcome.Unknown]: "its firmware does not know this command.",
};

/** A key of a board's from the environment; null without one. */
function readKey(variable: string): Buffer | null {
  const text = process.env[variable] ?? "";
  if (text === "") return null;
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, "hex");
  throw new CliError(
    Exit.Usage,
    `${variable} must be a key: ${2 * BOARD_KEY_SIZE} hexadecimal digits.`,
  );
}

/** The key of a line over a network, which is sealed; null without one. */
function lineKey(): Secret | null {
  const key = readKey(LINE_KEY_VARIABLE);
  return key && new Secret(key.toString("hex"), { kind: "env", name: LINE_KEY_VARIABLE });
}

/** `serial:/dev/ttyACM0`, `/dev/ttyACM0` or `tcp://host:port`. */
function lineOf(input: Input, text: string): SerialLink {
  const device = text.replace(/^serial:/, "");
  const baud = numberOption(input, "baud", BAUD, [300, 3_000_000]);
  const tcp = URL.canParse(device) ? new URL(device) : null;
  const isTcp = tcp?.protocol === "tcp:" && tcp.hostname !== "" && tcp.port !== "";
  if (isTcp || device.startsWith("/")) return { kind: "serial", device, baud, key: lineKey() };
  throw new CliError(
    Exit.Usage,
    `"${safe(text)}" is no line: write serial:/dev/ttyACM0 or tcp://host:port.`,
  );
}

/** Runs with the line open; what goes wrong on it becomes a sentence. */
async function withLine<T>(
  input: Input,
  text: string,
  run: (line: BoardLine) => Promise<T>,
): Promise<T> {
  const settings = lineOf(input, text);
  const failed = (error: unknown): never => {
    const { message } = error as Error;
    throw new CliError(
      Exit.Unavailable,
      `${safe(settings.device)}: ${safe(message)}. Is it the board's line, and does nothing else ` +
        "hold it (a running node does)?",
    );
  };
  const line = await BoardLine.open(settings).catch(failed);
  try {
    return await run(line).catch((error: unknown) => {
      if (error instanceof CliError) throw error;
      return failed(error);
    });
  } finally {
    line.close();
  }
}

function refused(what: string, outcome: number | undefined): CliError {
  const reason = REFUSALS[outcome ?? -1] ?? `it answers ${outcome}.`;
  return new CliError(Exit.Negative, `The board refuses ${what}: ${reason}`);
}

async function askReport(line: BoardLine): Promise<BoardReport> {
  const payload = await line.ask(BoardOp.Report, new Uint8Array(0), true);
  if (payload.length === 2) throw refused("its report", payload[1]);
  return readBoardReport(payload);
}

/** Sends what needs the key. */
async function askSigned(
  line: BoardLine,
  op: number,
  message: Buffer,
  what: string,
): Promise<void> {
  const challenge = await line.ask(BoardOp.Challenge, new Uint8Array(0), true);
  const key = readKey(KEY_VARIABLE) ?? Buffer.alloc(BOARD_KEY_SIZE);
  const answer = await line.ask(op, signForBoard(key, challenge.subarray(1), message), false);
  if (answer[1] !== BoardOutcome.Done) throw refused(what, answer[1]);
}

function describeAccount(account: BoardAccount): string[] {
  const due = account.settlementDue;
  return [
    account.id,
    describeBalance(account.balance, account),
    due > 0n ? `${formatAmount(due, account.assetScale)} ${account.assetCode}` : "",
  ];
}

function json(report: BoardReport): object {
  return {
    ...report,
    state: BOARD_STATES[report.state] ?? report.state,
    resetCause: BOARD_RESETS[report.resetCause] ?? report.resetCause,
    journal: BOARD_JOURNALS[report.journal] ?? report.journal,
    address: BOARD_ADDRESSES[report.address] ?? report.address,
  };
}

async function status(input: Input, text: string): Promise<Exit> {
  const { terminal, values } = input;
  const report = await withLine(input, text, askReport);
  const exit = report.state === 0 ? Exit.Ok : Exit.Negative;
  if (values["json"] === true) {
    terminal.printJson(json(report));
    return exit;
  }
  const state = BOARD_STATES[report.state] ?? `state ${report.state}`;
  const reset = BOARD_RESETS[report.resetCause] ?? `cause ${report.resetCause}`;
  const counters = Object.entries(report.counters).filter(([, count]) => count > 0n);
  const name = (index: number | null): string =>
    report.accounts.find((account) => account.index === index)?.id ?? "nobody";
  terminal.print(terminal.paint(exit === Exit.Ok ? "green" : "yellow", state));
  const pairs: (readonly [string, string])[] = [
    ["uptime", `${describeDuration(report.uptimeMs)}, start ${report.boots}, by ${reset}`],
    ["clock", report.wallMs === 0 ? "not told yet" : new Date(report.wallMs).toISOString()],
    ["address", BOARD_ADDRESSES[report.address] ?? `${report.address}`],
    ["books", `${BOARD_JOURNALS[report.journal] ?? report.journal}, ${report.commits} commits`],
    ["settings", `revision ${report.revision}`],
    ["core", report.core],
    ["packets", counters.map(([key, count]) => `${count} ${key}`).join(", ") || "none"],
    ...report.lines.map(
      (line, i) =>
        [
          `line ${i}`,
          `${name(line.account)}; ${line.overruns} overruns, ${line.dropped} dropped, ` +
            `${line.faults} faults`,
        ] as const,
    ),
  ];
  terminal.print(`\n${fields(terminal, pairs)}`);
  if (report.accounts.length > 0) {
    const heading = ["account", "balance", "settlement due"];
    terminal.print(`\n${table(terminal, heading, report.accounts.map(describeAccount))}`);
  }
  return exit;
}

async function setup(input: Input, text: string, file: string): Promise<Exit> {
  const { terminal, values } = input;
  const block = await saying(() => readFileSync(file));
  if (block.toString("latin1", 0, 4) !== "FSET") {
    throw new CliError(
      Exit.Usage,
      `${safe(file)} is no settings block: make one with ` +
        "`node boards/mcu/settings.mjs board.toml board.bin`.",
    );
  }
  await withLine(input, text, (line) => askSigned(line, BoardOp.Setup, block, "these settings"));
  const revision = block.readUInt32LE(8);
  if (values["json"] === true) terminal.printJson({ revision });
  else terminal.print(`The board has taken settings of revision ${revision} and starts over.`);
  return Exit.Ok;
}

async function settle(input: Input, text: string, rest: readonly string[]): Promise<Exit> {
  const { terminal, values } = input;
  const [id = "", side = "", given = ""] = rest;
  const amount = /^\d{1,20}$/.test(given) ? BigInt(given) : 0n;
  if ((side !== "paid" && side !== "received") || amount === 0n || amount >= 1n << 64n) {
    throw new CliError(Exit.Usage, `Write \`${USAGE.slice(USAGE.lastIndexOf("ferrule"))}\`.`);
  }
  const [before, after] = await withLine(input, text, async (line) => {
    const find = async (): Promise<BoardAccount> => {
      const { accounts } = await askReport(line);
      const found = accounts.find((account) => account.id === id && account.index !== 0);
      if (found) return found;
      const ids = accounts.slice(1).map((account) => safe(account.id));
      throw new CliError(
        Exit.Negative,
        `The board has no account "${safe(id)}"; it has ${ids.join(", ") || "none"}.`,
      );
    };
    const old = await find();
    const message = boardSettlement(old.index, side === "paid", amount);
    await askSigned(line, BoardOp.Settle, message, "this settlement");
    return [old, await find()] as const;
  });
  if (values["json"] === true) {
    terminal.printJson({ account: id, before: before.balance, after: after.balance });
  } else {
    const was = describeBalance(before.balance, before);
    terminal.print(`${safe(id)}: ${was} before; now ${describeBalance(after.balance, after)}.`);
  }
  return Exit.Ok;
}

const board: Command = {
  summary: "Ask a board how it is, set it up, book a settlement",
  usage: "status|setup|settle <line> …",
  arity: [2, 5],
  options: {
    baud: { type: "string", value: "number", help: `Speed of the line; ${BAUD} if absent.` },
  },
  details:
    "ferrule board status <line>\n" +
    "ferrule board setup <line> <settings.bin>\n" +
    "ferrule board settle <line> <account> paid|received <amount>\n\n" +
    "<line>: serial:/dev/ttyACM0, or tcp://host:port. No node may hold it meanwhile.\n" +
    `setup and settle need the board's key in ${KEY_VARIABLE}, and a line with setup = true.\n` +
    `A sealed line over a network needs its own key in ${LINE_KEY_VARIABLE}.\n` +
    "paid: you paid the account's owner; received: they paid you. Amounts are base units.",
  async run(input) {
    const [verb, line = "", ...rest] = input.positionals;
    if (verb === "status" && rest.length === 0) return await status(input, line);
    if (verb === "setup" && rest.length === 1) return await setup(input, line, rest[0]!);
    if (verb === "settle" && rest.length === 3) return await settle(input, line, rest);
    throw new CliError(Exit.Usage, `Write \`${USAGE}\`.`);
  },
};

export default board;
