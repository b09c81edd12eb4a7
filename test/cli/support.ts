// What the command-line tests share: running the command as a person would, and starting a node.
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../host/cli/main.ts", import.meta.url));
/** The command line from its sources. */
export const SOURCE = ["--import", import.meta.resolve("tsx"), MAIN];

export interface Result {
  code: number | null;
  out: string;
  err: string;
}

export interface RunOptions {
  cwd?: string;
  input?: string | Buffer;
  env?: Record<string, string>;
}

/** Starts the command; nothing of this process's environment that could colour or steer it. */
export function launch(
  args: string[],
  options: RunOptions = {},
  program = SOURCE,
): ChildProcessWithoutNullStreams {
  const { PATH = "", HOME = "" } = process.env;
  return spawn(process.execPath, [...program, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { PATH, HOME, ...options.env },
  });
}

/** Runs the command to its end. */
export async function ferrule(args: string[], options: RunOptions = {}): Promise<Result> {
  const child = launch(args, options);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
}

/** A folder of its own for one test; `close` removes it. */
export function makeFolder(): { path: string; close: () => void } {
  const path = mkdtempSync(join(tmpdir(), "ferrule-cli-"));
  return { path, close: () => rmSync(path, { recursive: true, force: true }) };
}

/** A configuration on free ports, in `folder`. */
export function writeConfig(folder: string, more = ""): string {
  const path = join(folder, "ferrule.toml");
  const text = `
    ilpAddress = "test.ferrule"
    dataDir = "data"
    spread = 0
    [btp]
    port = 0
    openTokens = true
    [http]
    port = 0
    [admin]
    port = 0
    ${more}
  `;
  writeFileSync(path, text);
  return path;
}

export interface Node {
  child: ChildProcessWithoutNullStreams;
  admin: string;
  btp: string;
  /** Resolves at a line of the node's standard error that contains `text`. */
  hears(text: string): Promise<void>;
  /** Exit code after `signal`. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a node and waits until it says what it listens on. */
export async function startNode(config: string, program = SOURCE): Promise<Node> {
  const child = launch(["start", "--json", "--config", config], {}, program);
  const lines = createInterface({ input: child.stderr });
  const heard: string[] = [];
  const waiting: { text: string; done: () => void }[] = [];
  lines.on("line", (line) => {
    heard.push(line);
    for (const { text, done } of waiting) if (line.includes(text)) done();
  });
  const output = createInterface({ input: child.stdout });
  const greeting = once(output, "line") as Promise<[string]>;
  const early = once(child, "exit").then(() => {
    throw new Error(`The node ended:\n${heard.join("\n")}`);
  });
  const [line] = await Promise.race([greeting, early]);
  early.catch(() => {});
  const { listening } = JSON.parse(line) as { listening: { kind: string; url: string }[] };
  const urlOf = (kind: string): string => listening.find((one) => one.kind === kind)!.url;
  return {
    child,
    admin: urlOf("admin"),
    btp: urlOf("btp"),
    hears: (text) =>
      new Promise((resolve) => {
        if (heard.some((one) => one.includes(text))) resolve();
        else waiting.push({ text, done: resolve });
      }),
    stop: async (signal = "SIGINT") => {
      if (child.exitCode !== null) return child.exitCode;
      const ended = once(child, "exit") as Promise<[number | null]>;
      child.kill(signal);
      return (await ended)[0];
    },
  };
}
