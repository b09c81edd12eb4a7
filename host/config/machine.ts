// What resolving takes from outside the file: other files, environment variables, the user's
// folder. Tokens become Secrets here and are never part of a message.
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve as resolvePath, join } from "node:path";
import type { Problems } from "./check.js";
import type { FileValues } from "./schema.js";
import { Secret } from "./secret.js";
import type { Path } from "./toml.js";
import type { Tls } from "./types.js";

/** What resolving needs from the machine; tests give their own. */
export interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Reads a text file; throws when it cannot. */
  readonly readFile: (path: string) => string;
}

/** A service's user may have no entry among the users and no folder; then `~` is the root. */
function findHome(): string {
  try {
    return homedir();
  } catch {
    return "/";
  }
}

/** Longest file that a token or a certificate is read from. */
const SECRET_FILE_MAX = 1 << 20;

/**
 * A file or pipe of at most `max` bytes. Throws the system's error, or a sentence's end for what
 * is something else, or longer: a device may have no end.
 */
export function readBounded(path: string, max: number): Buffer {
  const stat = statSync(path);
  if (!stat.isFile() && !stat.isFIFO()) throw new Error("is neither a file nor a pipe");
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(max + 1);
    let length = 0;
    for (let read = 1; read > 0 && length < bytes.length; length += read) {
      read = readSync(file, bytes, length, bytes.length - length, null);
    }
    if (length > max) throw new Error(`has more than ${max} bytes`);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** The machine this process runs on. */
export function thisMachine(): Machine {
  return {
    env: process.env,
    home: findHome(),
    readFile: (path) => readBounded(path, SECRET_FILE_MAX).toString("utf8"),
  };
}

/** Resolving one document: where it is, what it may read, where mistakes go. */
export interface Context {
  readonly problems: Problems;
  readonly machine: Machine;
  /** Absolute folder that relative paths start from. */
  readonly folder: string;
}

/**
 * Makes a path absolute: `~/` is the user's folder, anything else relative starts at the file's
 * folder.
 */
export function resolveFile(path: string, context: Context): string {
  const expanded = path.startsWith("~/") ? join(context.machine.home, path.slice(2)) : path;
  return resolvePath(context.folder, expanded);
}

/** Whether only this machine can reach `host`. */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[(.*)\]$/, "$1");
  return plain === "localhost" || plain === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(plain);
}

/** Reads a token from the key, a file or the environment; null when neither key is there. */
export function resolveSecret(
  given: { readonly token: string | null; readonly tokenFile: string | null },
  path: Path,
  names: readonly [token: string, tokenFile: string],
  context: Context,
): Secret | null {
  const { problems, machine } = context;
  const [tokenPath, filePath] = [
    [...path, names[0]],
    [...path, names[1]],
  ];
  if (given.token !== null && given.tokenFile !== null) {
    problems.mistake(filePath, `cannot stand beside ${names[0]}; remove one of them`);
  }
  if (given.token?.startsWith("env:") === true) {
    const name = given.token.slice(4);
    const value = machine.env[name];
    if (value === undefined || value === "") {
      const shown = /^\w{1,64}$/.test(name) ? name : "its environment variable";
      problems.mistake(
        tokenPath,
        `takes its value from ${shown}, which is not set; set it in the environment`,
      );
    }
    return new Secret(value ?? "", { kind: "env", name });
  }
  if (given.token !== null) return new Secret(given.token);
  if (given.tokenFile === null) return null;
  const file = resolveFile(given.tokenFile, context);
  const content = readOrExplain(file, filePath, context)?.replace(/\r?\n$/, "") ?? "";
  if (/[\0\r\n]/.test(content)) {
    problems.mistake(filePath, `${file} has more than one line; leave only the token in it`);
  } else if (content === "") {
    problems.mistake(filePath, `${file} gives no token; write the token into it`);
  }
  return new Secret(content, { kind: "file", path: file });
}

function readOrExplain(file: string, path: Path, context: Context): string | null {
  try {
    return context.machine.readFile(file);
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    const unreadable = code === undefined ? message : `cannot be read (${code})`;
    const reason = code === "ENOENT" ? "does not exist" : unreadable;
    context.problems.mistake(path, `${file} ${reason}; create it or correct the path`);
    return null;
  }
}

/** Makes the paths of a `tls` table absolute and checks that both files can be read. */
export function resolveTls(
  tls: FileValues["http"]["tls"],
  path: Path,
  context: Context,
): Tls | null {
  if (tls === null) return null;
  const [cert, key] = [resolveFile(tls.cert, context), resolveFile(tls.key, context)];
  if (tls.cert !== "") readOrExplain(cert, [...path, "tls", "cert"], context);
  if (tls.key !== "") readOrExplain(key, [...path, "tls", "key"], context);
  return { cert, key };
}
