// The kinds of key a configuration has: each knows how to read a TOML value, how to say what is
// wrong with one, and how to describe itself in the documentation. schema.ts puts them in a table.
import { explainOwnAddress, explainPrefix, isSegment } from "./address.js";
import {
  I64_MAX,
  SPREAD_ONE,
  U64_MAX,
  parseDecimal,
  parseFraction,
  type Fraction,
} from "./numbers.js";
import { REDACTED } from "./secret.js";

/**
 * A value as the TOML parser gives it; integers are bigint. `written` is a number's text in the
 * file.
 */
export interface Raw {
  readonly value: unknown;
  readonly written: string | null;
}

/** Either the value, or the rest of a sentence that starts with the key: `must be …; fix`. */
export type Reading<T> = { readonly value: T } | { readonly mistake: string };

export interface Key<T> {
  /** One line for the reference and the key table, without a full stop. */
  readonly doc: string;
  /** What a value looks like, in words. */
  readonly kind: string;
  /** TOML text of the default; null when there is none. */
  readonly defaultText: string | null;
  /** In words, what holds when the key is absent and there is no fixed default. */
  readonly absence: string;
  /** TOML text of an example. */
  readonly example: string;
  readonly required: boolean;
  /** Shown in prose only, because the example file uses another key instead. */
  readonly alternative: boolean;
  /** What `read` is given when the key is absent; undefined = `absent`. */
  readonly fallback: unknown;
  /**
   * The value when the key is absent and has no default; for a required key, a stand-in that checks
   * can go on with.
   */
  readonly absent: T;
  readonly read: (raw: Raw) => Reading<T>;
}

interface Common {
  readonly doc: string;
  readonly example?: string;
  readonly absence?: string;
  readonly alternative?: boolean;
}

type Reader<T> = (raw: Raw) => Reading<T>;
type Default = string | number | boolean | readonly (string | number)[];

/** A key that must be there. */
export interface Required extends Common {
  readonly required: true;
}
/** A key with a fixed default. */
export interface Defaulted extends Common {
  readonly default: Default;
}

function build<T>(spec: Common, kind: string, read: Reader<T>, absent: T): Key<T> {
  const fixed = "default" in spec ? (spec as Defaulted).default : undefined;
  const defaultText = fixed === undefined ? null : JSON.stringify(fixed);
  return {
    doc: spec.doc,
    kind,
    defaultText,
    absence: spec.absence ?? (defaultText === null ? "not set" : ""),
    example: spec.example ?? defaultText ?? '""',
    required: "required" in spec,
    alternative: spec.alternative ?? false,
    fallback: typeof fixed === "number" ? BigInt(fixed) : fixed,
    absent,
    read,
  };
}

/** Shows a value in a sentence: short, on one line. */
export function show(raw: Raw): string {
  const { value, written } = raw;
  if (typeof value === "number") return written ?? String(value);
  if (typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  }
  return nameKind(value);
}

/** The kind of a value, for messages that must not show it. */
export function nameKind(value: unknown): string {
  if (typeof value === "string") return "a string";
  if (typeof value === "boolean") return "true or false";
  if (typeof value === "bigint" || typeof value === "number") return "a number";
  if (Array.isArray(value)) return "a list";
  return value instanceof Date ? "a date" : "a table";
}

const ok = <T>(value: T): Reading<T> => ({ value });
const bad = (mistake: string): { readonly mistake: string } => ({ mistake });

// --- text ----------------------------------------------------------------------------------------

interface TextRule {
  /** In words: "an ILP address". */
  readonly kind: string;
  /** Null when right, else a clause such as `has an empty segment; remove it`. */
  readonly explain?: (text: string) => string | null;
}

function readText(rule: TextRule): Reader<string> {
  return (raw) => {
    const { value } = raw;
    if (typeof value !== "string") {
      return bad(`must be ${rule.kind}, not ${show(raw)}; put it in quotes`);
    }
    const wrong = rule.explain?.(value) ?? null;
    return wrong === null ? ok(value) : bad(`${show(raw)} ${wrong}`);
  };
}

export function text(spec: (Required | Defaulted) & TextSpec): Key<string>;
export function text(spec: Common & TextSpec): Key<string | null>;
export function text(spec: Common & TextSpec): Key<string | null> {
  const rule = TEXT_RULES[spec.rule];
  return build<string | null>(spec, rule.kind, readText(rule), "required" in spec ? "" : null);
}

interface TextSpec {
  readonly rule: keyof typeof TEXT_RULES;
}

const ACCOUNT_ID = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,62}$/;

/** Null when `id` may name an account, else what is wrong and the fix. */
export function explainAccountId(id: string): string | null {
  if (id === "auto") return 'means "the first parent" in defaultRoute; choose another name';
  if (id === "local") return "is the node's own account; choose another name";
  if (ACCOUNT_ID.test(id)) return null;
  return (
    "is no account id; start with a letter or digit and use at most 63 of " +
    'letters, digits, ".", "_", "~" and "-"'
  );
}

function nonEmpty(text: string): string | null {
  if (text === "") return "is empty; write a value or remove the key";
  return /[\0\r\n]/.test(text) ? "has a line break in it; write it on one line" : null;
}

function explainAsset(text: string): string | null {
  if (/^[!-~]{1,32}$/.test(text)) return null;
  return 'is no asset code; use 1 to 32 visible ASCII characters such as "XRP"';
}

function explainOrigin(origin: string): string | null {
  const wrong = 'is no origin; write scheme, host and port only, such as "https://app.example"';
  if (origin === "*") return "would let any web page spend; name the origins";
  if (!URL.canParse(origin)) return wrong;
  return new URL(origin).origin === origin ? null : wrong;
}

const TEXT_RULES = {
  any: { kind: "text", explain: nonEmpty },
  path: { kind: "a path", explain: nonEmpty },
  line: {
    kind: "a device or tcp:// address",
    explain: (line: string) =>
      /^(\/[^\0]+|tcp:\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5})$/.test(line)
        ? null
        : 'is no serial line; write a device such as "/dev/ttyACM0", or "tcp://127.0.0.1:5555"',
  },
  host: {
    kind: "an IP address or host name",
    explain: (host: string) =>
      /^[A-Za-z0-9.:_%-]+$/.test(host)
        ? null
        : 'is no host; write an IP address such as "127.0.0.1", without brackets or port',
  },
  asset: { kind: "an asset code", explain: explainAsset },
  address: { kind: "an ILP address", explain: explainOwnAddress },
  prefix: {
    kind: "an ILP address prefix",
    explain: (prefix: string) => {
      const scheme = prefix.split(".", 1)[0] ?? "";
      if (scheme === "peer" || scheme === "self") {
        return `is in "${scheme}.", which is never forwarded; remove the route`;
      }
      return explainPrefix(prefix);
    },
  },
  segment: {
    kind: "one address segment",
    explain: (segment: string) =>
      isSegment(segment)
        ? null
        : 'is no address segment; use only letters, digits, "_", "~" and "-"',
  },
  account: { kind: "an account id", explain: nonEmpty },
  defaultRoute: { kind: '"auto", an account id, or "" for none' },
  username: { kind: "text" },
} as const satisfies Record<string, TextRule>;

/** One of a few words. */
export function choice<const W extends string>(
  words: readonly W[],
  spec: Required | Defaulted,
): Key<W>;
export function choice<const W extends string>(words: readonly W[], spec: Common): Key<W | null>;
export function choice<W extends string>(words: readonly W[], spec: Common): Key<W | null> {
  const kind = words.map((word) => `"${word}"`).join(" or ");
  const read: Reader<W | null> = (raw) => {
    const found = words.find((word) => word === raw.value);
    return found === undefined ? bad(`must be ${kind}, not ${show(raw)}`) : ok(found);
  };
  return build<W | null>(spec, kind, read, "required" in spec ? (words[0] ?? null) : null);
}

/** A list of browser origins. */
export function origins(spec: Defaulted): Key<readonly string[]> {
  const read: Reader<readonly string[]> = (raw) => {
    if (!Array.isArray(raw.value)) return bad(`must be a list of origins, not ${show(raw)}`);
    for (const item of raw.value as unknown[]) {
      const shown = show({ value: item, written: null });
      if (typeof item !== "string") return bad(`must hold origins in quotes, not ${shown}`);
      const wrong = explainOrigin(item);
      if (wrong !== null) return bad(`entry ${shown} ${wrong}`);
    }
    return ok(raw.value as string[]);
  };
  return build(spec, "a list of origins", read, []);
}

/** A URL with one of the schemes; its text is never shown, because it may carry a token. */
export function url(schemes: readonly string[], spec: Common): Key<URL | null> {
  const kind = `a URL (${schemes.join(", ")})`;
  const read: Reader<URL | null> = (raw) => {
    if (typeof raw.value !== "string") return bad(`must be ${kind}, not ${nameKind(raw.value)}`);
    const scheme = /^([a-z0-9+.-]*):\/\//i.exec(raw.value)?.[1]?.toLowerCase();
    const allowed = schemes.map((s) => `${s}://`).join(", ");
    if (scheme === undefined || !schemes.includes(scheme)) {
      return bad(`must start with one of ${allowed}; write for example ${spec.example ?? ""}`);
    }
    const plain = raw.value.slice(scheme.startsWith("btp+") ? 4 : 0);
    if (!URL.canParse(plain)) return bad(`is not a URL; write for example ${spec.example ?? ""}`);
    return ok(new URL(plain));
  };
  return build<URL | null>(spec, kind, read, null);
}

/** A token: text, or `env:NAME`. Messages never show it. */
export function secret(spec: Common): Key<string | null> {
  const read: Reader<string | null> = (raw) => {
    if (typeof raw.value !== "string") {
      return bad(`must be text or "env:NAME", not ${nameKind(raw.value)}; put it in quotes`);
    }
    if (raw.value === REDACTED) {
      return bad(`is the placeholder of a printed configuration; put the token itself back`);
    }
    if (/[\0\r\n]/.test(raw.value)) return bad("has a line break in it; write it on one line");
    return ok(raw.value);
  };
  return build<string | null>(spec, 'a token, or "env:NAME"', read, null);
}

// --- true or false, whole numbers ----------------------------------------------------------------

export function flag(spec: Defaulted): Key<boolean>;
export function flag(spec: Common): Key<boolean | null>;
export function flag(spec: Common): Key<boolean | null> {
  const read: Reader<boolean | null> = (raw) =>
    typeof raw.value === "boolean"
      ? ok(raw.value)
      : bad(`must be true or false, not ${show(raw)}; write it without quotes`);
  return build<boolean | null>(spec, "true or false", read, null);
}

export interface Range {
  readonly min: number;
  readonly max: number;
  /** e.g. "ms". */
  readonly unit?: string;
}

function readWhole(range: Range): Reader<number> {
  const unit = range.unit === undefined ? "" : ` (${range.unit})`;
  return (raw) => {
    const { value } = raw;
    if (typeof value !== "bigint") {
      const fix = typeof value === "string" ? "write it without quotes" : "write digits only";
      return bad(`must be a whole number${unit}, not ${show(raw)}; ${fix}`);
    }
    if (value < BigInt(range.min) || value > BigInt(range.max)) {
      return bad(`must be between ${range.min} and ${range.max}${unit}, not ${value}`);
    }
    return ok(Number(value));
  };
}

export function whole(range: Range, spec: Required | Defaulted): Key<number>;
export function whole(range: Range, spec: Common): Key<number | null>;
export function whole(range: Range, spec: Common): Key<number | null> {
  const unit = range.unit === undefined ? "" : ` ${range.unit}`;
  const kind = `whole number, ${range.min} to ${range.max}${unit}`;
  return build<number | null>(spec, kind, readWhole(range), "required" in spec ? range.min : null);
}

/** A list of whole numbers. */
export function wholes(range: Range, spec: Defaulted): Key<readonly number[]> {
  const read: Reader<readonly number[]> = (raw) => {
    if (!Array.isArray(raw.value)) return bad(`must be a list of numbers, not ${show(raw)}`);
    const numbers: number[] = [];
    for (const item of raw.value as unknown[]) {
      const reading = readWhole(range)({ value: item, written: null });
      if ("mistake" in reading) return bad(`holds an entry that ${reading.mistake}`);
      numbers.push(reading.value);
    }
    return ok(numbers);
  };
  return build(spec, `a list of whole numbers, ${range.min} to ${range.max}`, read, []);
}

// --- amounts -------------------------------------------------------------------------------------

interface AmountRule {
  readonly min: bigint;
  readonly max: bigint;
  /** The word for "no limit" this key takes, if any. */
  readonly unlimited: "Infinity" | "-Infinity" | null;
}

function adviseAmount(raw: Raw): string {
  const written = typeof raw.value === "string" ? raw.value : (raw.written ?? "");
  if (/^[+-]?[\d._]+e[+-]?\d+$/i.test(written)) return "write it without an exponent";
  if (/^[+-]?\d+\.\d*$/.test(written)) return "write it in base units, without a fraction";
  if (/^[+-]?\d[\d_, ']*$/.test(written))
    return "write digits only, without signs, separators or leading zeros";
  return "write digits only";
}

function readAmount(rule: AmountRule): Reader<bigint | null> {
  return (raw) => {
    const { value } = raw;
    if (value === "Infinity" || value === "-Infinity") {
      if (value === rule.unlimited) return ok(null);
      const fix =
        rule.unlimited === null ? "write a number" : `write "${rule.unlimited}" for no limit`;
      return bad(`cannot be "${value}"; ${fix}`);
    }
    const isText = typeof value === "string" && /^(?:0|-?[1-9]\d{0,39})$/.test(value);
    const amount = typeof value === "bigint" ? value : isText ? BigInt(value) : null;
    if (amount === null) {
      const wanted = 'must be a whole number of units such as "1000000"';
      return bad(`${wanted}, not ${show(raw)}; ${adviseAmount(raw)}`);
    }
    if (amount < rule.min || amount > rule.max) {
      return bad(`must be between ${rule.min} and ${rule.max}, not ${amount}`);
    }
    return ok(amount);
  };
}

/** A positive amount in base units (u64); null = unlimited. */
export function amount(spec: Common): Key<bigint | null> {
  const read = readAmount({ min: 1n, max: U64_MAX, unlimited: "Infinity" });
  return build(spec, 'amount in base units, or "Infinity"', read, null);
}

/** A signed balance in base units (i64); null = no limit (`unlimited` is how that is written). */
export function balance(
  unlimited: "Infinity" | "-Infinity",
  spec: Common | Required | Defaulted,
): Key<bigint | null> {
  const read = readAmount({ min: -I64_MAX, max: I64_MAX, unlimited });
  return build(spec, `signed amount in base units, or "${unlimited}"`, read, null);
}

/** A signed balance in base units (i64) that must be a number. */
export function target(spec: Defaulted): Key<bigint> {
  const reader = readAmount({ min: -I64_MAX, max: I64_MAX, unlimited: null });
  const read: Reader<bigint> = (raw) => {
    const reading = reader(raw);
    return "mistake" in reading ? reading : ok(reading.value ?? 0n);
  };
  return build(spec, "signed amount in base units", read, 0n);
}

// --- ratios --------------------------------------------------------------------------------------

function ratioText(raw: Raw): string | null {
  if (typeof raw.value === "string") return raw.value.trim();
  return typeof raw.value === "number" || typeof raw.value === "bigint"
    ? (raw.written ?? String(raw.value))
    : null;
}

/** A spread, read exactly into parts per 10^9. */
export function spread(spec: Defaulted): Key<bigint> {
  const read: Reader<bigint> = (raw) => {
    const decimal = parseDecimal(ratioText(raw) ?? "");
    if (decimal === null) {
      return bad(`must be a decimal such as 0.002, not ${show(raw)}; 0.002 means 0.2 percent`);
    }
    const scaled = decimal.numerator * SPREAD_ONE;
    if (scaled % decimal.denominator !== 0n) {
      return bad(`${show(raw)} has more than 9 decimal places; round it to parts per billion`);
    }
    const ppb = scaled / decimal.denominator;
    if (ppb >= SPREAD_ONE) {
      return bad(`must be at least 0 and below 1, not ${show(raw)}; 0.002 means 0.2 percent`);
    }
    return ok(ppb);
  };
  return build(spec, "decimal, at most 9 places, 0 to below 1", read, 0n);
}

/** The price of one whole unit in whole units of another asset, exact. */
export function rate(spec: Required): Key<Fraction> {
  const read: Reader<Fraction> = (raw) => {
    const fraction = parseFraction(ratioText(raw) ?? "");
    if (fraction === null) {
      return bad(
        `must be a decimal such as "0.51" or a fraction such as "51/100", not ${show(raw)}`,
      );
    }
    return fraction.numerator === 0n ? bad("must be more than zero") : ok(fraction);
  };
  return build(spec, 'decimal or fraction "a/b"', read, { numerator: 1n, denominator: 1n });
}
