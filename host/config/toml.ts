// Where the keys of a TOML text stand. The parser gives values without positions, so this second
// reader walks the same text and notes line and offset of each key. It expects text that already
// parsed: it does not validate, decode values or report errors; on anything unexpected it stops,
// and later keys are then placed at their nearest known parent.

/**
 * Position of a key: `line` from 1, `valueOffset` where its value starts (-1 for a table header).
 */
export interface KeyPosition {
  readonly line: number;
  readonly valueOffset: number;
}

export type Path = readonly (string | number)[];

/** Positions by path; array elements are numbers: `['routes', 0, 'peerId']`. */
export class KeyMap {
  readonly #positions = new Map<string, KeyPosition & { readonly order: number }>();
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Notes the first appearance of a path; later ones are the same key reopened. */
  note(path: Path, position: KeyPosition): void {
    const name = JSON.stringify(path);
    if (this.#positions.has(name)) return;
    this.#positions.set(name, { ...position, order: this.#positions.size });
  }

  has(path: Path): boolean {
    return this.#positions.has(JSON.stringify(path));
  }

  /** Every path noted, in order of appearance. */
  paths(): Path[] {
    return [...this.#positions.keys()].map((name) => JSON.parse(name) as Path);
  }

  /** Line of the key, or of its nearest parent that stands in the text; 0 when there is none. */
  lineOf(path: Path): number {
    for (let length = path.length; length > 0; length--) {
      const position = this.#positions.get(JSON.stringify(path.slice(0, length)));
      if (position !== undefined) return position.line;
    }
    return 0;
  }

  /** Place in the order of appearance; keys that do not stand in the text come last. */
  orderOf(path: Path): number {
    return this.#positions.get(JSON.stringify(path))?.order ?? Number.MAX_SAFE_INTEGER;
  }

  /** The characters of a number as written, without underscores, or null. */
  numberText(path: Path): string | null {
    const position = this.#positions.get(JSON.stringify(path));
    if (position === undefined || position.valueOffset < 0) return null;
    const number = /[+-]?[0-9][0-9A-Za-z_.+-]*/y;
    number.lastIndex = position.valueOffset;
    return number.exec(this.#text)?.[0].replaceAll("_", "") ?? null;
  }
}

/** Walks `text` and returns the position of each key and table. */
export function locateKeys(text: string): KeyMap {
  return new Walker(text).walk();
}

type Segment = string | number;
const END = Symbol("end");

class Walker {
  readonly #text: string;
  readonly #map: KeyMap;
  readonly #lineStarts: number[] = [0];
  /** Number of elements so far of each array of tables, by path. */
  readonly #counts = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#map = new KeyMap(text);
    for (let i = 0; i < text.length; i++) if (text[i] === "\n") this.#lineStarts.push(i + 1);
  }

  walk(): KeyMap {
    let base: Segment[] = [];
    try {
      for (this.#skipBlank(); this.#at < this.#text.length; this.#skipBlank()) {
        if (this.#text[this.#at] === "[") base = this.#header();
        else this.#assignment(base);
      }
    } catch (thrown) {
      if (thrown !== END) throw thrown;
    }
    return this.#map;
  }

  /** Reads `[a.b]` or `[[a.b]]` and returns the path that following keys belong to. */
  #header(): Segment[] {
    const line = this.#line(this.#at);
    const isArray = this.#text.startsWith("[[", this.#at);
    this.#at += isArray ? 2 : 1;
    const keys = this.#dottedKey();
    this.#at += isArray ? 2 : 1;
    const path: Segment[] = [];
    keys.forEach((key, index) => {
      path.push(key);
      this.#map.note(path, { line, valueOffset: -1 });
      const last = index === keys.length - 1;
      const count = this.#counts.get(JSON.stringify(path)) ?? 0;
      if (last && isArray) {
        this.#counts.set(JSON.stringify(path), count + 1);
        path.push(count);
        this.#map.note(path, { line, valueOffset: -1 });
      } else if (count > 0) {
        path.push(count - 1);
      }
    });
    return path;
  }

  #assignment(base: readonly Segment[]): void {
    const line = this.#line(this.#at);
    const keys = this.#dottedKey();
    this.#skipSpaces();
    if (this.#text[this.#at] !== "=") throw END;
    this.#at++;
    this.#skipSpaces();
    const path = [...base];
    keys.forEach((key, index) => {
      path.push(key);
      const valueOffset = index === keys.length - 1 ? this.#at : -1;
      this.#map.note(path, { line, valueOffset });
    });
    this.#value(path);
  }

  #value(path: readonly Segment[]): void {
    const character = this.#text[this.#at];
    if (character === '"' || character === "'") this.#string();
    else if (character === "[") this.#array(path);
    else if (character === "{") this.#inlineTable(path);
    else this.#match(/[^\s,\]}#]+(?: [0-9][^\s,\]}#]*)?/y);
  }

  #array(path: readonly Segment[]): void {
    this.#at++;
    for (let index = 0; ; index++) {
      this.#skipBlank();
      if (this.#text[this.#at] === "]") break;
      const element = [...path, index];
      this.#map.note(element, { line: this.#line(this.#at), valueOffset: this.#at });
      this.#value(element);
      this.#skipBlank();
      if (this.#text[this.#at] === ",") this.#at++;
      else if (this.#text[this.#at] !== "]") throw END;
    }
    this.#at++;
  }

  #inlineTable(path: readonly Segment[]): void {
    this.#at++;
    for (;;) {
      this.#skipBlank();
      if (this.#text[this.#at] === "}") break;
      this.#assignment(path);
      this.#skipBlank();
      if (this.#text[this.#at] === ",") this.#at++;
      else if (this.#text[this.#at] !== "}") throw END;
    }
    this.#at++;
  }

  /**
   * Reads one string of any of the four kinds and returns its content (escapes decoded for one-line
   * strings).
   */
  #string(): string {
    if (this.#text.startsWith('"""', this.#at))
      return this.#match(/"""(?:\\[^]|[^\\])*?"{3,5}(?!")/y);
    if (this.#text.startsWith("'''", this.#at)) return this.#match(/'''[^]*?'{3,5}(?!')/y);
    if (this.#text[this.#at] === "'") return this.#match(/'[^'\n]*'/y).slice(1, -1);
    return unescape(this.#match(/"(?:\\[^\n]|[^"\\\n])*"/y).slice(1, -1));
  }

  #dottedKey(): string[] {
    const keys: string[] = [];
    for (;;) {
      this.#skipSpaces();
      const quoted = this.#text[this.#at] === '"' || this.#text[this.#at] === "'";
      keys.push(quoted ? this.#string() : this.#match(/[A-Za-z0-9_-]+/y));
      this.#skipSpaces();
      if (this.#text[this.#at] !== ".") return keys;
      this.#at++;
    }
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) throw END;
    this.#at += found[0].length;
    return found[0];
  }

  #skipSpaces(): void {
    this.#match(/[ \t]*/y);
  }

  /** Skips white space, newlines and comments. */
  #skipBlank(): void {
    for (;;) {
      this.#match(/[ \t\r\n\uFEFF]*/y);
      if (this.#text[this.#at] !== "#") return;
      this.#match(/#[^\n]*/y);
    }
  }

  #line(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\u001b",
};

function unescape(text: string): string {
  const pattern = /\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([^]))/g;
  return text.replace(pattern, (_, x?: string, u?: string, long?: string, single?: string) => {
    const hex = x ?? u ?? long;
    if (hex !== undefined) return String.fromCodePoint(Math.min(parseInt(hex, 16), 0x10ffff));
    return ESCAPES[single ?? ""] ?? single ?? "";
  });
}
