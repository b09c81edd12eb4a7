// A ferrule.toml under construction from another program's configuration: any value may still be
// wrong.

/**
 * Undefined and null entries are left out when it is written; `accounts` is a list of `[id, table]`
 * pairs.
 */
export type Draft = Record<string, unknown>;

/** Whether `value` is an object with keys. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A whole number given as number or text; other values pass unchanged and are explained when
 * checked.
 */
export function wholeNumber(value: unknown): unknown {
  return typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
}
