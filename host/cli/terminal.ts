// The two output streams of a command, colours where a person reads them, and aligned tables.
import { styleText } from "node:util";
import { writeToStderr } from "../log.js";
import { Exit } from "./command.js";

export type Style = Parameters<typeof styleText>[0];

export interface Terminal {
  /** Results: standard output. A newline is added. */
  print(text: string): void;
  /** Problems and progress: standard error. A newline is added. */
  complain(text: string): void;
  /** A result as one line of JSON; BigInts become strings. */
  printJson(value: unknown): void;
  /** From now on the process goes on without readers: what cannot be written is lost. */
  outliveReaders(): void;
  /** Colours `text` if standard output is a terminal and NO_COLOR is not set. */
  paint(style: Style, text: string): string;
}

/** NO_COLOR counts when it is there and not empty (no-color.org). */
function wantsColour(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
}

/** JSON with BigInts as strings. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "bigint" ? inner.toString() : inner,
  );
}

/**
 * The process's own streams. A reader that goes away (`| head`) ends the process quietly, and an
 * output that cannot be written ends it with 74, unless it is to outlive them.
 */
export function processTerminal(): Terminal {
  const { stdout } = process;
  let outlives = false;
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (outlives) return;
    if (error.code === "EPIPE") process.exit(Exit.Ok);
    writeToStderr(`The output cannot be written (${error.code ?? error.message}).\n`);
    process.exit(Exit.Disk);
  });
  const colour = wantsColour(stdout);
  return {
    print: (text) => void stdout.write(`${text}\n`),
    complain: (text) => writeToStderr(`${text}\n`),
    printJson: (value) => void stdout.write(`${toJson(value)}\n`),
    outliveReaders: () => (outlives = true),
    paint: (style, text) => (colour ? styleText(style, text) : text),
  };
}

// Escape sequences and control characters in text from elsewhere (peers' messages, ids) must not
// reach the terminal as such.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text from elsewhere with control characters shown as `\u{…}`. */
export function safe(text: string): string {
  return text.replace(CONTROL, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** What a cell looks like and takes up, without colours. */
export interface Cell {
  readonly text: string;
  readonly style?: Style;
  /** Numbers are aligned right. */
  readonly right?: boolean;
}

function width(text: string): number {
  return [...text].length;
}

/** Aligned columns, two spaces apart, under a heading. The last column is not padded. */
export function table(
  terminal: Terminal,
  heading: readonly string[],
  rows: readonly (readonly (string | Cell)[])[],
): string {
  const cells: Cell[][] = rows.map((row) =>
    row.map((cell) => {
      const { text, ...rest } = typeof cell === "string" ? { text: cell } : cell;
      return { ...rest, text: safe(text) };
    }),
  );
  const right = heading.map((_, column) => cells.some((row) => row[column]?.right === true));
  const head = heading.map<Cell>((text) => ({ text, style: "bold" }));
  const all = heading.length > 0 ? [head, ...cells] : cells;
  const columns = Math.max(0, ...all.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(0, ...all.map((row) => width(row[column]?.text ?? ""))),
  );
  const line = (row: readonly Cell[]): string =>
    row
      .map(({ text, style }, column) => {
        const gap = " ".repeat(widths[column]! - width(text));
        const painted = style === undefined ? text : terminal.paint(style, text);
        if (right[column]) return gap + painted;
        return column === row.length - 1 ? painted : painted + gap;
      })
      .join("  ")
      .trimEnd();
  return all.map(line).join("\n");
}

/** `name  value` lines, indented. */
export function fields(
  terminal: Terminal,
  pairs: readonly (readonly [name: string, value: string])[],
  indent = 2,
): string {
  const longest = Math.max(0, ...pairs.map(([name]) => width(name)));
  const pad = " ".repeat(indent);
  return pairs
    .map(([name, value]) => {
      const gap = " ".repeat(longest - width(name) + 2);
      return `${pad}${terminal.paint("dim", name)}${gap}${safe(value)}`;
    })
    .join("\n");
}
