// Loads a configuration: text → TOML → checked values → resolved configuration. Mistakes of all
// steps but the first are collected and thrown together; a TOML syntax error stops at itself.
import { readFileSync } from "node:fs";
import { dirname, resolve as resolvePath } from "node:path";
import { loadToml } from "../require.js";
import { checkDocument } from "./check.js";
import { thisMachine, type Machine } from "./machine.js";
import { resolveAdmin, resolveConfig } from "./resolve.js";
import type { AdminListener, Config, ConfigProblem } from "./types.js";

const { TomlError, parse } = loadToml();

const FILE_SIZE_MAX = 1 << 20;

/** Thrown when a configuration has mistakes; the message has one line for each. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** `file:line: sentence`, on one line. */
export function formatProblem({ file, line, message }: ConfigProblem): string {
  return line === 0 ? `${file}: ${message}` : `${file}:${line}: ${message}`;
}

/** Reads the file at `path`. Throws ConfigError when it cannot be read or has mistakes. */
export function loadConfig(path: string, machine: Machine = thisMachine()): Config {
  return parseConfig(readConfigFile(path), path, machine);
}

/**
 * Reads the admin listener alone from the file at `path`, for who asks a running node: the other
 * keys' secrets need not be there, and with `hasToken` not the listener's own. Throws ConfigError.
 */
export function loadAdmin(
  path: string,
  hasToken: boolean,
  machine: Machine = thisMachine(),
): AdminListener {
  const text = readConfigFile(path).replace(/^\uFEFF/, "");
  const { values, problems } = checkDocument(parseToml(text, path), text, path);
  const token = hasToken ? { token: null, tokenFile: null } : {};
  const context = { problems, machine, folder: resolvePath(dirname(path)) };
  const listener = resolveAdmin({ ...values.admin, ...token }, context);
  const mistakes = problems.mistakes.filter(
    ({ key }) => /^admin(\.|$)/.test(key) && !(hasToken && /^admin\.token/.test(key)),
  );
  if (mistakes.length > 0) throw new ConfigError(inOrder(mistakes));
  return listener;
}

function readConfigFile(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (thrown) {
    const { code = "unknown error" } = thrown as NodeJS.ErrnoException;
    const sentence =
      code === "ENOENT"
        ? "There is no such file; write one with `ferrule init`."
        : `The file cannot be read (${code}); check its permissions.`;
    throw new ConfigError([{ file: path, line: 0, key: "", message: sentence }]);
  }
  if (bytes.length > FILE_SIZE_MAX) {
    const message =
      `The file has ${bytes.length} bytes; a configuration has at most ` + `${FILE_SIZE_MAX}.`;
    throw new ConfigError([{ file: path, line: 0, key: "", message }]);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const message = "The file is not UTF-8 text; save it as UTF-8.";
    throw new ConfigError([{ file: path, line: 0, key: "", message }]);
  }
}

/**
 * Parses configuration `text`. `file` is its name in messages, and relative paths start at its
 * folder; null stands for the built-in defaults. Throws ConfigError with every mistake, in the
 * order of the file.
 */
export function parseConfig(
  text: string,
  file: string | null,
  machine: Machine = thisMachine(),
): Config {
  const name = file ?? "built-in defaults";
  const plain = text.replace(/^\uFEFF/, "");
  const { values, problems } = checkDocument(parseToml(plain, name), plain, name);
  const folder = resolvePath(file === null ? "." : dirname(file));
  const config = resolveConfig(values, file, { problems, machine, folder });
  if (problems.mistakes.length > 0) throw new ConfigError(inOrder(problems.mistakes));
  return { ...config, warnings: inOrder(problems.warnings) };
}

function inOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort((a, b) => a.line - b.line);
}

function parseToml(text: string, file: string): Record<string, unknown> {
  try {
    return parse(text, { integersAsBigInt: true });
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    // Only the first line of the message: the rest shows the text of the file, which may hold a
    // token.
    const reason = thrown.message.split("\n", 1)[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    const message =
      `This is not TOML (${reason} at column ${thrown.column}); ` + `${adviseToml(reason)}.`;
    throw new ConfigError([{ file, line: thrown.line, key: "", message }]);
  }
}

function adviseToml(reason: string): string {
  if (reason.includes("redefine")) return "this key or table stands twice, remove one of them";
  if (reason.startsWith("unfinished")) return "close the quote or bracket";
  if (reason.includes("invalid value")) return "put text in quotes";
  if (reason.includes("key")) return "write key = value, one per line";
  return "correct this line";
}

/**
 * What runs without a configuration file: a local test network that accepts any app on this machine
 * (moneyd's port), with no parent, no spread and no limits but a generous packet rate.
 */
export const DEFAULT_TOML = `# A local test network: apps on this machine connect with any token.
ilpAddress = "test.ferrule"
spread = 0

[btp]
openTokens = true

[btp.open]
assetCode = "XRP"
assetScale = 9

[btp.open.rateLimit]
refillCount = 1000000
`;

/** The configuration of DEFAULT_TOML. */
export function defaultConfig(machine: Machine = thisMachine()): Config {
  return parseConfig(DEFAULT_TOML, null, machine);
}
