// What a command is: its options, its help and its answer as an exit code. Nothing here knows any
// particular command.
import type { ParseArgsConfig } from "node:util";
import type { Terminal } from "./terminal.js";

/** Exit codes: 64 and up as in sysexits.h where it has a fitting one. */
export enum Exit {
  Ok = 0,
  /** The question was answered, and the answer is no: a failed ping, an invalid packet. */
  Negative = 1,
  /** The command line is wrong. */
  Usage = 2,
  /** Something needed is not there: no running node, a port that is taken. */
  Unavailable = 69,
  /** A fault of Ferrule's own. */
  Internal = 70,
  /** The disk failed while it ran: a supervisor should start it again. Or output had no room. */
  Disk = 74,
  /** The configuration has mistakes. */
  Config = 78,
  /** Stopped by a second signal, or while it was asking. */
  Interrupted = 130,
}

/** Ends a command with a sentence on standard error and an exit code. */
export class CliError extends Error {
  readonly exit: Exit;
  constructor(exit: Exit, message: string) {
    super(message);
    this.name = "CliError";
    this.exit = exit;
  }
}

/**
 * Runs what fails with sentences (the store does) and passes them on as such. Errors of the system
 * and of types other than these are faults.
 */
export async function saying<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof CliError || !(error instanceof Error)) throw error;
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === "ENOENT")
      throw new CliError(Exit.Unavailable, `${path ?? "The file"} is missing.`);
    if (error.name !== "Error" && error.name !== "DamageError") throw error;
    throw new CliError(Exit.Unavailable, error.message);
  }
}

/** An option of a command, as parseArgs takes it, with its line of help. */
export interface Option {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** Stands for the value in the help; none for a switch. */
  readonly value?: string;
  readonly help: string;
}

export interface Input {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
  readonly terminal: Terminal;
}

export interface Command {
  /** One line, without a period. */
  readonly summary: string;
  /** Positional arguments as shown in the help, e.g. `<address>`; "" for none. */
  readonly usage: string;
  /** Fewest and most positional arguments. */
  readonly arity: readonly [least: number, most: number];
  readonly options: Readonly<Record<string, Option>>;
  /** Further paragraphs of the help. */
  readonly details?: string;
  run(input: Input): Promise<Exit>;
}

/** Options that every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, Option>> = {
  json: { type: "boolean", help: "Print JSON." },
  help: { type: "boolean", short: "h", help: "Print this." },
};

/** The options in the form parseArgs takes. */
export function parseOptions(command: Command): NonNullable<ParseArgsConfig["options"]> {
  const all = { ...command.options, ...COMMON_OPTIONS };
  return Object.fromEntries(
    Object.entries(all).map(([name, { type, short }]) => [
      name,
      short === undefined ? { type } : { type, short },
    ]),
  );
}

/** A string option; undefined when it was not given. */
export function textOption(input: Input, name: string): string | undefined {
  const value = input.values[name];
  return typeof value === "string" ? value : undefined;
}

/** A whole number from an option. Throws a usage error when it is none or out of range. */
export function numberOption(
  input: Input,
  name: string,
  fallback: number,
  [least, most]: readonly [number, number],
): number {
  const text = textOption(input, name);
  if (text === undefined) return fallback;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new CliError(Exit.Usage, `--${name} takes a whole number from ${least} to ${most}.`);
}
