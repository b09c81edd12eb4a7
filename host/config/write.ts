// Writes TOML with the keys in the order given: plain values first, then tables. A list of `[id,
// table]` pairs becomes `[name.<id>]` tables, a list of tables becomes `[[name]]`; null is left
// out.

export type TomlPlain = string | number | boolean | readonly (string | number)[];
export type TomlEntry = TomlPlain | null | TomlTable | TomlNamed | readonly TomlTable[];
export interface TomlTable {
  readonly [name: string]: TomlEntry;
}
/** Tables by id; pairs and not an object, because an object reorders ids that look like numbers. */
export type TomlNamed = readonly (readonly [id: string, table: TomlTable])[];

/** Writes a document. Numbers must be whole. */
export function writeToml(document: TomlTable): string {
  const blocks: string[] = [];
  writeTable(document, [], "", blocks);
  return blocks.length === 0 ? "" : `${blocks.join("\n\n")}\n`;
}

function writeTable(
  table: TomlTable,
  path: readonly string[],
  head: string,
  blocks: string[],
): void {
  const lines = head === "" ? [] : [head];
  const inner: (() => void)[] = [];
  for (const [name, entry] of Object.entries(table)) {
    const at = [...path, name];
    if (entry === null) continue;
    if (isPlain(entry)) lines.push(`${formatKey(name)} = ${formatPlain(entry)}`);
    else if (isNamed(entry)) {
      for (const [id, each] of entry) inner.push(() => writeHeaded(each, [...at, id], "[", blocks));
    } else if (isList(entry)) {
      for (const each of entry) inner.push(() => writeHeaded(each, at, "[[", blocks));
    } else inner.push(() => writeHeaded(entry, at, "[", blocks));
  }
  if (lines.length > 0) blocks.push(lines.join("\n"));
  for (const write of inner) write();
}

function writeHeaded(
  table: TomlTable,
  path: readonly string[],
  open: string,
  blocks: string[],
): void {
  const name = path.map(formatKey).join(".");
  writeTable(table, path, `${open}${name}${open === "[" ? "]" : "]]"}`, blocks);
}

function isPlain(entry: TomlEntry): entry is TomlPlain {
  if (Array.isArray(entry)) return entry.every((item) => typeof item !== "object");
  return typeof entry !== "object";
}

function isNamed(entry: TomlEntry): entry is TomlNamed {
  return Array.isArray(entry) && Array.isArray(entry[0]);
}

function isList(entry: TomlEntry): entry is readonly TomlTable[] {
  return Array.isArray(entry);
}

function formatKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : formatText(key);
}

function formatPlain(value: TomlPlain): string {
  if (typeof value === "string") return formatText(value);
  if (typeof value === "object") return `[${value.map((item) => formatPlain(item)).join(", ")}]`;
  return String(value);
}

/** A basic string: JSON's escapes are TOML's, but TOML also wants DEL escaped. */
function formatText(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}
