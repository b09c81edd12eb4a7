// Reads a parsed TOML document against the schema: values with defaults filled in, and every
// mistake with its line. It knows the form of each key, not how keys depend on each other; that is
// resolve.ts.
import { distance } from "./distance.js";
import { explainAccountId, nameKind, type Key } from "./keys.js";
import { foreignKeys, listSections, schema } from "./schema.js";
import type { FileValues, Section } from "./schema.js";
import { locateKeys, type KeyMap, type Path } from "./toml.js";
import type { ConfigProblem } from "./types.js";

/** Collects mistakes and warnings, each tied to a key. */
export class Problems {
  readonly mistakes: ConfigProblem[] = [];
  readonly warnings: ConfigProblem[] = [];
  readonly #file: string;
  readonly #keys: KeyMap;

  constructor(file: string, keys: KeyMap) {
    this.#file = file;
    this.#keys = keys;
  }

  /**
   * `clause` continues the key's name: `must be …; fix`. A mistake is dropped when the same key, or
   * a key below it, has one already: it would only be its consequence.
   */
  mistake(path: Path, clause: string): void {
    const problem = this.#problem(path, clause);
    const { key } = problem;
    const known = this.mistakes.some(
      (other) => other.key === key || (key !== "" && other.key.startsWith(`${key}.`)),
    );
    if (!known) this.mistakes.push(problem);
  }

  warn(path: Path, clause: string): void {
    this.warnings.push(this.#problem(path, clause));
  }

  #problem(path: Path, clause: string): ConfigProblem {
    const key = formatPath(path);
    const sentence = key === "" ? clause : `${key} ${clause}`;
    const message = sentence.endsWith("?") ? sentence : `${sentence}.`;
    return { file: this.#file, line: this.#keys.lineOf(path), key, message };
  }
}

/** Writes a path as in TOML, list entries counted from 1: `routes[1].peerId`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part + 1}]`;
    else text += `${text === "" ? "" : "."}${/^[\w-]+$/.test(part) ? part : JSON.stringify(part)}`;
  }
  return text;
}

type Table = Readonly<Record<string, unknown>>;

function isTable(value: unknown): value is Table {
  if (typeof value !== "object" || value === null) return false;
  return !Array.isArray(value) && !(value instanceof Date);
}

/**
 * Checks `document` (parsed from `text` with integers as bigint) and returns its values; see
 * `problems`.
 */
export function checkDocument(
  document: Table,
  text: string,
  file: string,
): { values: FileValues; problems: Problems; keys: KeyMap } {
  const keys = locateKeys(text);
  const problems = new Problems(file, keys);
  const values = new Checker(keys, problems).table(schema, document, []);
  return { values: values as unknown as FileValues, problems, keys };
}

class Checker {
  readonly #keys: KeyMap;
  readonly #problems: Problems;

  constructor(keys: KeyMap, problems: Problems) {
    this.#keys = keys;
    this.#problems = problems;
  }

  table(section: Section, table: Table, path: Path): Table {
    for (const name of Object.keys(table)) {
      if (!Object.hasOwn(section.keys, name) && !Object.hasOwn(section.tables, name)) {
        this.#problems.mistake([...path, name], explainUnknown(section, name));
      }
    }
    const values: Record<string, unknown> = {};
    for (const [name, key] of Object.entries(section.keys)) {
      values[name] = this.#key(key, table, [...path, name], name);
    }
    for (const [name, inner] of Object.entries(section.tables)) {
      const given = Object.hasOwn(table, name) ? table[name] : undefined;
      values[name] = this.#section(inner, given, [...path, name]);
    }
    return values;
  }

  #key(key: Key<unknown>, table: Table, path: Path, name: string): unknown {
    const given = Object.hasOwn(table, name);
    if (!given && key.fallback === undefined) {
      if (key.required) {
        this.#problems.mistake(path, `is missing; add ${name} = ${key.example}`);
      }
      return key.absent;
    }
    const value = given ? table[name] : key.fallback;
    const reading = key.read({ value, written: given ? this.#keys.numberText(path) : null });
    if (!("mistake" in reading)) return reading.value;
    this.#problems.mistake(path, reading.mistake);
    const fallback = key.read({ value: key.fallback, written: null });
    return key.fallback === undefined || "mistake" in fallback ? key.absent : fallback.value;
  }

  #section(section: Section, given: unknown, path: Path): unknown {
    if (section.form === "named") return this.#named(section, given, path);
    if (section.form === "list") return this.#list(section, given, path);
    if (given === undefined)
      return section.form === "optional" ? null : this.table(section, {}, path);
    if (isTable(given)) return this.table(section, given, path);
    this.#problems.mistake(
      path,
      `must be a table, not ${nameKind(given)}; write it as [${formatPath(path)}]`,
    );
    return section.form === "optional" ? null : this.table(section, {}, path);
  }

  #named(section: Section, given: unknown, path: Path): ReadonlyMap<string, Table> {
    const tables = new Map<string, Table>();
    if (given === undefined) return tables;
    const heading = `[${formatPath(path)}.<id>]`;
    if (!isTable(given)) {
      this.#problems.mistake(
        path,
        `must be tables, not ${nameKind(given)}; write each as ${heading}`,
      );
      return tables;
    }
    // Object keys that look like numbers come first in JavaScript; the order of the file is what
    // counts.
    const order = (id: string): number => this.#keys.orderOf([...path, id]);
    for (const id of Object.keys(given).sort((a, b) => order(a) - order(b))) {
      const inner = given[id];
      const wrong = explainAccountId(id);
      if (wrong !== null) this.#problems.mistake([...path, id], wrong);
      else if (isTable(inner)) tables.set(id, this.table(section, inner, [...path, id]));
      else {
        this.#problems.mistake(
          [...path, id],
          `must be a table, not ${nameKind(inner)}; write it as ${heading}`,
        );
      }
    }
    return tables;
  }

  #list(section: Section, given: unknown, path: Path): readonly Table[] {
    if (given === undefined) return [];
    const heading = `[[${formatPath(path)}]]`;
    if (!Array.isArray(given)) {
      this.#problems.mistake(
        path,
        `must be a list of tables, not ${nameKind(given)}; write each as ${heading}`,
      );
      return [];
    }
    return (given as unknown[]).map((entry, index) => {
      const at = [...path, index];
      if (isTable(entry)) return this.table(section, entry, at);
      this.#problems.mistake(at, `must be a table, not ${nameKind(entry)}; write it as ${heading}`);
      return this.table(section, {}, at);
    });
  }
}

/**
 * Says what to do about a key that does not exist here: a spelling, another place, another
 * program's key.
 */
function explainUnknown(section: Section, name: string): string {
  const near = nearest(name, [...Object.keys(section.keys), ...Object.keys(section.tables)]);
  if (near !== null) return `is not a key; did you mean "${near}"?`;
  const elsewhere = listSections().filter(
    ({ section: other }) => Object.hasOwn(other.keys, name) || Object.hasOwn(other.tables, name),
  );
  const foreign = Object.hasOwn(foreignKeys, name) ? foreignKeys[name] : undefined;
  if (foreign !== undefined) return `is not a key of Ferrule; ${foreign}`;
  if (elsewhere.some(({ path }) => path === "")) {
    return "is not a key here; it belongs at the top of the file, before the first [table]";
  }
  if (elsewhere.length > 0) {
    const place = elsewhere[0]?.path.replace("*", "<id>").replace("[]", "") ?? "";
    return `is not a key here; it belongs under [${place}]`;
  }
  return "is not a key; remove it, or see the reference for the keys there are";
}

/** The word nearest to `name`, if near enough to be a slip. */
export function nearest(name: string, words: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const word of words) {
    const d = word.toLowerCase() === name.toLowerCase() ? 0 : distance(word, name);
    if (d < bestDistance) [best, bestDistance] = [word, d];
  }
  return best;
}
