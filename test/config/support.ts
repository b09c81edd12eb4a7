// What the configuration tests share: a machine without files or environment of its own, and short
// ways to a result.
import { ConfigError, parseConfig, type Config, type Machine } from "../../host/config/index.js";

/** A key of a board's line. */
export const LINE_KEY = "0f".repeat(32);

/** Any variable named *_TOKEN or *_KEY is set; any file but `missing*` holds one line. */
export const machine: Machine = {
  env: new Proxy({} as Record<string, string>, {
    get: (_, name) => {
      if (/_KEY$/.test(String(name))) return LINE_KEY;
      return /_TOKEN$/.test(String(name)) ? `value-of-${String(name)}` : undefined;
    },
  }),
  home: "/home/operator",
  readFile: (path) => {
    if (path.includes("missing")) throw Object.assign(new Error("gone"), { code: "ENOENT" });
    if (path.includes("locked")) throw Object.assign(new Error("no"), { code: "EACCES" });
    if (path.includes("empty")) return "\n";
    if (path.endsWith("line.key")) return `${LINE_KEY}\n`;
    if (path.endsWith("word")) return "only-one-word\r\n";
    return `content of ${path}\n`;
  },
};

export function parse(text: string): Config {
  return parseConfig(text, "/etc/ferrule.toml", machine);
}

/** The mistakes of `text` as `line: message`. */
export function mistakes(text: string): string[] {
  try {
    parse(text);
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    return thrown.problems.map(({ line, message }) => `${line}: ${message}`);
  }
  return [];
}

/** Keys of one table, as TOML text. */
export type Lines = Record<string, string>;

/**
 * TOML text from tables by heading (`""` for the top level), and the line of each `heading key`.
 */
export function write(tables: Record<string, Lines>): { text: string; lines: Map<string, number> } {
  const out: string[] = [];
  const lines = new Map<string, number>();
  for (const [heading, keys] of Object.entries(tables)) {
    if (heading !== "") out.push(heading);
    for (const [key, value] of Object.entries(keys)) {
      out.push(`${key} = ${value}`);
      lines.set(`${heading} ${key}`, out.length);
    }
  }
  return { text: `${out.join("\n")}\n`, lines };
}
