// `ferrule init`: a first ferrule.toml, from answers on a terminal or from options. The file holds
// tokens, so only its owner may read it.
import { existsSync } from "node:fs";
import {
  ConfigError,
  parseConfig,
  renderInit,
  type InitAccount,
  type InitAnswers,
} from "../config/index.js";
import { CliError, Exit, textOption, type Command, type Input } from "./command.js";
import {
  DEFAULT_ASSET,
  DEFAULT_SCALE,
  interviewOperator,
  newToken,
  readRelation,
  readScale,
} from "./interview.js";
import { refuseExisting, writeSecretFile } from "./output-file.js";
import { CONFIG_FILE, programName } from "./settings.js";
import { safe } from "./terminal.js";

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
    if (existsSync(file) && values["force"] !== true) refuseExisting(file);
    const answers = asks
      ? await interviewOperator(process.stdin, process.stderr)
      : answersFromOptions(input);
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
