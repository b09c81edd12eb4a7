// The `ferrule` command: finds the subcommand, reads its options, turns what goes wrong into a
// sentence and an exit code. Commands are loaded when they are used.
import { parseArgs } from "node:util";
import { ConfigError } from "../config/load.js";
import { CliError, Exit, parseOptions, type Command } from "./command.js";
import { renderCommandHelp, renderHelp } from "./help.js";
import { processTerminal, safe, type Terminal } from "./terminal.js";
import { commands } from "./commands.js";

/** parseArgs' own messages are sentences but for their advice on `--`. */
function readArguments(
  command: Command,
  args: string[],
): { values: Record<string, string | boolean | undefined>; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: parseOptions(command),
      allowPositionals: true,
    });
    return { values: values as Record<string, string | boolean | undefined>, positionals };
  } catch (error) {
    const { message } = error as Error;
    const [, dashed] = /^Option '[^']*?(--[\w-]+)[^']*' argument is ambiguous/.exec(message) ?? [];
    if (dashed !== undefined) {
      const sentence = `${dashed} needs a value; one that begins with "-" is written ${dashed}=-…`;
      throw new CliError(Exit.Usage, `${sentence}.`);
    }
    const [sentence = ""] = message.split(". To specify");
    throw new CliError(Exit.Usage, `${sentence.replace(/\.$/, "")}.`);
  }
}

async function runCommand(name: string, args: string[], terminal: Terminal): Promise<Exit> {
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!load) {
    throw new CliError(Exit.Usage, `There is no command "${safe(name)}": see \`ferrule --help\`.`);
  }
  const command = (await load()).default;
  const { values, positionals } = readArguments(command, args);
  if (values["help"] === true) {
    terminal.print(renderCommandHelp(name, command, terminal));
    return Exit.Ok;
  }
  const [least, most] = command.arity;
  if (positionals.length < least || positionals.length > most) {
    const usage = `ferrule ${name} ${command.usage}`.trimEnd();
    throw new CliError(Exit.Usage, `Usage: ${usage} (\`ferrule ${name} --help\` says more).`);
  }
  return await command.run({ values, positionals, terminal });
}

/** Says what went wrong; a fault of our own with its stack, for a report. */
function explainFailure(error: unknown, terminal: Terminal): Exit {
  if (error instanceof CliError) {
    terminal.complain(error.message);
    return error.exit;
  }
  if (error instanceof ConfigError) {
    terminal.complain(error.message);
    return Exit.Config;
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  terminal.complain(`Ferrule failed in a way it should not. Please report this:\n${detail}`);
  return Exit.Internal;
}

async function main(args: string[]): Promise<Exit> {
  const terminal = processTerminal();
  try {
    const [name, ...rest] = args;
    if (name === undefined || name === "--help" || name === "-h" || name === "help") {
      const [topic] = name === "help" ? rest : [];
      if (topic !== undefined) return await runCommand(topic, ["--help"], terminal);
      terminal.print(await renderHelp(terminal));
      return name === undefined ? Exit.Usage : Exit.Ok;
    }
    if (name === "--version" || name === "-v") return await runCommand("version", rest, terminal);
    return await runCommand(name, rest, terminal);
  } catch (error) {
    return explainFailure(error, terminal);
  }
}

// No top-level await: a single-file executable is a CommonJS script.
void main(process.argv.slice(2)).then((exit) => {
  process.exitCode = exit;
});
