// `ferrule init`: a first ferrule.toml, from answers on a terminal or from options. The file holds
// tokens, so only its owner may read it.
import { randomBytes } from "node:crypto";
import { createInterface, type Interface } from "node:readline/promises";
import {
  ConfigError,
  parseConfig,
  renderInit,
  type InitAccount,
  type InitAnswers,
  type Relation,
} from "../config/index.js";
import { CliError, Exit, textOption, type Command, type Input } from "./command.js";
import { writeSecretFile } from "./output-file.js";
import { CONFIG_FILE, programName } from "./settings.js";
import { safe } from "./terminal.js";

const RELATIONS: readonly Relation[] = ["parent", "peer", "child"];
const DEFAULT_ADDRESS = "test.ferrule";
const DEFAULT_ASSET = "XRP";
const DEFAULT_SCALE = "9";

function newToken(): string {
  return randomBytes(24).toString("base64url");
}

function readRelation(text: string): Relation {
  const relation = RELATIONS.find((one) => one === text);
  if (relation) return relation;
  throw new CliError(Exit.Usage, `A relation is one of ${RELATIONS.join(", ")}, not "${text}".`);
}

function readScale(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) <= 255) return Number(text);
  throw new CliError(Exit.Usage, `An asset scale is a whole number from 0 to 255, not "${text}".`);
}

// ---- from options

function accountFromOptions(input: Input): InitAccount[] {
  const id = textOption(input, "account");
  const rest = ["relation", "asset", "scale", "url", "token", "minimum", "maximum"] as const;
  if (id === undefined) {
    const stray = rest.find((name) => input.values[name] !== undefined);
    if (stray === undefined) return [];
    throw new CliError(Exit.Usage, `--${stray} describes an account: name it with --account.`);
  }
  const url = textOption(input, "url");
  const minimum = textOption(input, "minimum");
  const maximum = textOption(input, "maximum");
  return [
    {
      id,
      relation: readRelation(textOption(input, "relation") ?? "peer"),
      assetCode: textOption(input, "asset") ?? DEFAULT_ASSET,
      assetScale: readScale(textOption(input, "scale") ?? DEFAULT_SCALE),
      token: textOption(input, "token") ?? newToken(),
      ...(url === undefined ? {} : { url }),
      ...(minimum === undefined ? {} : { balanceMinimum: minimum }),
      ...(maximum === undefined ? {} : { balanceMaximum: maximum }),
    },
  ];
}

function answersFromOptions(input: Input): InitAnswers {
  const accounts = accountFromOptions(input);
  const inherits = accounts.some(({ relation }) => relation === "parent");
  const address = textOption(input, "address");
  if (address === undefined && !inherits) {
    throw new CliError(
      Exit.Usage,
      "Say --address, or an account with --relation parent to get an address from; " +
        "on a terminal `ferrule init` asks.",
    );
  }
  const dataDir = textOption(input, "data-dir");
  const spread = textOption(input, "spread");
  return {
    ilpAddress: address ?? null,
    accounts,
    openTokens: input.values["open"] === true,
    ...(dataDir === undefined ? {} : { dataDir }),
    ...(spread === undefined ? {} : { spread }),
  };
}

// ---- from questions

class Interview {
  readonly #lines: Interface;

  constructor() {
    this.#lines = createInterface({ input: process.stdin, output: process.stderr });
  }

  /** An empty answer is the proposal. */
  async ask(question: string, proposal: string): Promise<string> {
    const shown = proposal === "" ? "" : ` [${proposal}]`;
    return (await this.#lines.question(`${question}${shown}: `)).trim() || proposal;
  }

  async confirm(question: string, proposal: boolean): Promise<boolean> {
    return /^y/i.test(await this.ask(`${question} (y/n)`, proposal ? "y" : "n"));
  }

  close(): void {
    this.#lines.close();
  }
}

async function askAccount(interview: Interview): Promise<InitAccount> {
  const id = await interview.ask("  Name of the account", "bob");
  const relation = readRelation(await interview.ask("  Relation: parent, peer or child", "peer"));
  const assetCode = await interview.ask("  Asset", DEFAULT_ASSET);
  const assetScale = readScale(await interview.ask("  Scale of the asset", DEFAULT_SCALE));
  const url = await interview.ask("  URL to connect to (empty: they connect to you)", "");
  const token = await interview.ask("  Token (empty: a new random one)", "");
  const maximum = await interview.ask(
    "  Most they may owe you, in base units (empty: no limit)",
    "",
  );
  return {
    id,
    relation,
    assetCode,
    assetScale,
    token: token || newToken(),
    ...(url === "" ? {} : { url }),
    ...(maximum === "" ? {} : { balanceMaximum: maximum }),
  };
}

async function answersFromQuestions(): Promise<InitAnswers> {
  const interview = new Interview();
  try {
    const inherit = "empty: a parent gives one";
    const address = await interview.ask(
      `ILP address, \`-\` for none (${inherit})`,
      DEFAULT_ADDRESS,
    );
    const ilpAddress = address === "-" ? null : address;
    const isPublic = ilpAddress === null || /^g\./.test(ilpAddress);
    const openTokens =
      !isPublic && (await interview.confirm("May any app on this machine connect?", true));
    const accounts: InitAccount[] = [];
    while (await interview.confirm("Add an account?", ilpAddress === null && !accounts.length)) {
      accounts.push(await askAccount(interview));
    }
    return { ilpAddress, openTokens, accounts };
  } finally {
    interview.close();
  }
}

/** Refuses answers that would not load, before anything is written. */
function checkAnswers(toml: string, file: string): readonly string[] {
  try {
    return parseConfig(toml, file).warnings.map(({ message }) => message);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const reasons = error.problems.map(({ message }) => message).join("\n");
    throw new CliError(Exit.Usage, `Nothing is written:\n${reasons}`);
  }
}

const ASKED = ["address", "account", "open", "data-dir", "spread", "relation", "url"];

const init: Command = {
  summary: "Write a first ferrule.toml",
  usage: "",
  arity: [0, 0],
  options: {
    out: { type: "string", short: "o", value: "file", help: `File to write; ${CONFIG_FILE}.` },
    force: { type: "boolean", help: "Replace the file if it is there." },
    address: { type: "string", value: "address", help: "ILP address of this node." },
    open: { type: "boolean", help: "Let any app on this machine connect (test networks)." },
    "data-dir": { type: "string", value: "folder", help: "Where balances are kept." },
    spread: { type: "string", value: "part", help: "What this node keeps, e.g. 0.002." },
    account: { type: "string", value: "id", help: "Name of a first account." },
    relation: { type: "string", value: "relation", help: "Its relation: parent, peer or child." },
    asset: { type: "string", value: "code", help: `Its asset; ${DEFAULT_ASSET}.` },
    scale: { type: "string", value: "n", help: `Scale of its asset; ${DEFAULT_SCALE}.` },
    url: { type: "string", value: "url", help: "Where to connect; absent: they connect to you." },
    token: { type: "string", value: "token", help: "Its token, or env:NAME; absent: random." },
    minimum: { type: "string", value: "units", help: "Most you may owe it, negative." },
    maximum: { type: "string", value: "units", help: "Most it may owe you." },
  },
  details: "Without options it asks, on a terminal. The file may hold tokens: its mode is 0600.",
  async run(input) {
    const { terminal, values } = input;
    const file = textOption(input, "out") ?? CONFIG_FILE;
    const asks = process.stdin.isTTY && !ASKED.some((name) => values[name] !== undefined);
    const answers = asks ? await answersFromQuestions() : answersFromOptions(input);
    const toml = renderInit(answers);
    const warnings = checkAnswers(toml, file);
    writeSecretFile(file, toml, values["force"] === true);
    if (values["json"] === true) {
      terminal.printJson({ file, warnings });
      return Exit.Ok;
    }
    for (const warning of warnings) terminal.complain(`Note: ${warning}`);
    const option = file === CONFIG_FILE ? "" : ` --config ${file}`;
    terminal.print(`${safe(file)} is written. Next:\n\n  ${programName()} start${option}\n`);
    return Exit.Ok;
  },
};

export default init;
