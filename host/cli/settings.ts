// Where the configuration is: `--config`, else ./ferrule.toml, else the built-in test network.
import { existsSync } from "node:fs";
import { basename, relative } from "node:path";
import { defaultConfig, loadConfig, type Config } from "../config/index.js";
import { textOption, type Input, type Option } from "./command.js";

export const CONFIG_FILE = "ferrule.toml";

export const CONFIG_OPTION: Option = {
  type: "string",
  short: "c",
  value: "file",
  help: `Configuration file; ./${CONFIG_FILE} if absent.`,
};

/** The file to read, null when there is none. */
export function findConfigFile(input: Input): string | null {
  return textOption(input, "config") ?? (existsSync(CONFIG_FILE) ? CONFIG_FILE : null);
}

/** Throws ConfigError. */
export function readConfig(input: Input): Config {
  const file = findConfigFile(input);
  return file === null ? defaultConfig() : loadConfig(file);
}

/** How this program was called, for commands that can be pasted into the same shell. */
export function programName(): string {
  const script = process.argv[1] ?? "ferrule";
  if (!/\.[cm]?[jt]s$/.test(script)) return basename(script);
  const path = relative(process.cwd(), script);
  const shown = path.startsWith("..") ? script : path;
  return ["node", ...process.execArgv, /\s/.test(shown) ? `"${shown}"` : shown].join(" ");
}
