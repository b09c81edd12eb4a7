// The log: one line per event on standard error, `time level message key=value…`, or JSON. Values
// are printed as they are, so callers never pass secrets.
import { writeSync } from "node:fs";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

function render(value: unknown): string {
  const text = typeof value === "bigint" ? value.toString() : String(value);
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

let isWatched = false;

/**
 * Writes to standard error and never fails: a log whose reader has gone, or whose disk is full,
 * must not end a node. The stream is over after its first error; the file may have room again.
 */
export function writeToStderr(text: string): void {
  const { stderr } = process;
  if (!isWatched) stderr.on("error", () => {});
  isWatched = true;
  if (!stderr.destroyed) return void stderr.write(text);
  try {
    writeSync(2, text);
  } catch {
    // Nobody can be told.
  }
}

/** A log from `least` upwards; `json`: one JSON object per line. */
export function createLog(
  least: LogLevel,
  json: boolean,
  write: (line: string) => void = writeToStderr,
): Log {
  const at = (level: LogLevel) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return () => {};
    return (message: string, fields: Record<string, unknown> = {}) => {
      const time = new Date().toISOString();
      if (json) {
        const line = { time, level, message, ...fields };
        const plain = (_: string, v: unknown) => (typeof v === "bigint" ? v.toString() : v);
        write(JSON.stringify(line, plain) + "\n");
        return;
      }
      const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${render(value)}`);
      write(`${time} ${level.padEnd(5)} ${message}${rest.join("")}\n`);
    };
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Says nothing: the default for embedders. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
