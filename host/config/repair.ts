// Makes a converted document load: each mistake the check finds is turned into a note and what
// caused it is left out, until none is left. Only keys are removed; an account whose link is wrong
// goes as a whole.
import { formatPath } from "./check.js";
import type { Draft } from "./draft.js";
import { ConfigError, parseConfig } from "./load.js";
import type { Machine } from "./machine.js";
import type { Path } from "./toml.js";
import type { ConfigProblem } from "./types.js";
import { writeToml, type TomlTable } from "./write.js";

/** Every round removes at least one entry, so this is only reached by absurd input. */
const ROUNDS_MAX = 1000;

/** Accepts any environment variable: the tokens are not there at the time of conversion. */
const anyMachine: Machine = {
  env: new Proxy({}, { get: (_, name) => `value of ${String(name)}` }),
  home: "/",
  readFile: () => "content",
};

/** Returns `draft` without what does not load; adds a note for each thing left out. */
export function repair(draft: Draft, notes: string[]): TomlTable {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const document = clean(draft) as TomlTable;
    try {
      parseConfig(writeToml(document), "ferrule.toml", anyMachine);
      return document;
    } catch (thrown) {
      if (!(thrown instanceof ConfigError)) throw thrown;
      const [problem] = thrown.problems;
      if (problem === undefined) throw thrown;
      leaveOut(draft, problem, notes);
    }
  }
  throw new Error("The configuration has too many mistakes to convert; correct it first.");
}

function leaveOut(draft: Draft, problem: ConfigProblem, notes: string[]): void {
  const { key, message } = problem;
  const account = /^accounts\.("(?:[^"\\]|\\.)*"|[^.]+)(?=\.|$)/.exec(key)?.[0];
  const inLink = account !== undefined && /^\.(?:btp|http)(?:\.|$)/.test(key.slice(account.length));
  if (!inLink && remove(draft, [], key)) notes.push(`${key} was left out: ${message}`);
  else if (account !== undefined && remove(draft, [], account)) {
    notes.push(`${account} was left out: ${message}`);
  } else if (key === "ilpAddress") {
    draft["ilpAddress"] = "test.ferrule";
    notes.push(
      "There is no ILP address and no parent to ask for one: ilpAddress is " +
        '"test.ferrule" until you change it.',
    );
  } else {
    // The mistake is a missing key: the table it is missing from goes.
    const parent = key.replace(/\.[^.]*$/, "");
    if (parent === key || !remove(draft, [], parent)) throw new Error(message);
    notes.push(`${parent} was left out: ${message}`);
  }
}

/** Removes the entry whose formatted path is `key`; false when there is none. */
function remove(value: unknown, path: Path, key: string): boolean {
  if (Array.isArray(value)) {
    const items = value as unknown[];
    for (const [index, item] of items.entries()) {
      const isNamed = Array.isArray(item);
      const at = [...path, isNamed ? (item[0] as string) : index];
      if (formatPath(at) === key) {
        items.splice(index, 1);
        return true;
      }
      if (remove(isNamed ? item[1] : item, at, key)) return true;
    }
    return false;
  }
  if (typeof value !== "object" || value === null) return false;
  const table = value as Draft;
  for (const [name, inner] of Object.entries(table)) {
    if (inner === undefined) continue;
    const at = [...path, name];
    if (formatPath(at) === key) {
      table[name] = undefined;
      return true;
    }
    if (remove(inner, at, key)) return true;
  }
  return false;
}

/**
 * Drops what TOML cannot hold (undefined, null, empty named lists), so that the rest can be written
 * and checked.
 */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = (value as unknown[]).map(clean).filter((item) => item !== null);
    return items.length === 0 && value.some((item) => typeof item === "object") ? null : items;
  }
  if (typeof value !== "object" || value === null) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, clean(inner)]));
}
