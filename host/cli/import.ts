// `ferrule import`: an ilp-connector configuration becomes a ferrule.toml. The file is printed or
// written, what could not be carried over is said on standard error.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { importIlpConnector, type ImportSource } from "../config/index.js";
import { CliError, Exit, textOption, type Command } from "./command.js";
import { writeSecretFile } from "./output-file.js";

const STDIN = 0;
const SIZE_MAX = 1 << 20;

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path === "-" ? STDIN : path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(Exit.Usage, `${path} cannot be read (${code ?? String(error)}).`);
  }
  if (bytes.length > SIZE_MAX) {
    throw new CliError(
      Exit.Usage,
      `${path} has more than ${SIZE_MAX} bytes: is it the right file?`,
    );
  }
  return bytes.toString("utf8");
}

function chooseSource(path: string | undefined): ImportSource {
  if (path === undefined) return { kind: "environment", variables: process.env };
  const text = readText(path);
  if (path !== "-") return { kind: "file", name: basename(path), text };
  const isJson = /^\s*[{[]/.test(text);
  return { kind: "file", name: isJson ? "stdin.json" : "stdin", text };
}

const importCommand: Command = {
  summary: "Convert an ilp-connector configuration",
  usage: "[file|-]",
  arity: [0, 1],
  options: {
    out: { type: "string", short: "o", value: "file", help: "Write it there (mode 0600)." },
    force: { type: "boolean", help: "Replace the file if it is there." },
  },
  details:
    "Reads an env file, a pm2 file, JSON, or a script that calls createApp; without a file, the\n" +
    "CONNECTOR_ variables of this shell. The result holds the tokens that were found.",
  run(input) {
    const { values, positionals, terminal } = input;
    const source = chooseSource(positionals[0]);
    let result: ReturnType<typeof importIlpConnector>;
    try {
      result = importIlpConnector(source);
    } catch (error) {
      throw new CliError(Exit.Config, (error as Error).message);
    }
    const out = textOption(input, "out");
    if (out !== undefined) writeSecretFile(out, result.toml, values["force"] === true);
    if (values["json"] === true) {
      const { toml, notes } = result;
      terminal.printJson(out === undefined ? { toml, notes } : { file: out, notes });
      return Promise.resolve(Exit.Ok);
    }
    for (const note of result.notes) terminal.complain(note);
    if (out === undefined) terminal.print(result.toml.trimEnd());
    else terminal.print(`${out} is written: check it, then run \`ferrule start --config ${out}\`.`);
    return Promise.resolve(Exit.Ok);
  },
};

export default importCommand;
