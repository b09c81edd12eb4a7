// ILP addresses as configuration needs them (RFC 15; ADR-01 to ADR-05, ADR-08 to ADR-11). The
// per-packet check is the core's; this one explains a mistake to a person.
import type { Environment } from "./types.js";

const SCHEMES = [
  "g",
  "private",
  "example",
  "peer",
  "self",
  "local",
  "test",
  "test1",
  "test2",
  "test3",
];
const SEGMENT = /^[A-Za-z0-9_~-]+$/;
const LENGTH_MAX = 1023;

/** Whether `text` is one address segment. */
export function isSegment(text: string): boolean {
  return SEGMENT.test(text);
}

/** The part before the first period. */
export function schemeOf(address: string): string {
  return address.split(".", 1)[0] ?? "";
}

/**
 * `production` for `g.`, `test` for the test schemes, null where either is possible (private,
 * local).
 */
export function environmentOf(address: string): Environment | null {
  const scheme = schemeOf(address);
  if (scheme === "g") return "production";
  return scheme.startsWith("test") ? "test" : null;
}

/**
 * Null when `text` is a route prefix (an address or a bare scheme), else what is wrong with it and
 * the fix.
 */
export function explainPrefix(text: string): string | null {
  if (text.length > LENGTH_MAX)
    return `is ${text.length} characters long; use at most ${LENGTH_MAX}`;
  const segments = text.split(".");
  const scheme = segments[0] ?? "";
  if (!SCHEMES.includes(scheme)) {
    const known = SCHEMES.filter((s) => !["peer", "self", "example"].includes(s)).join(", ");
    return `starts with "${shorten(scheme)}", which is no address scheme; use one of ${known}`;
  }
  if (segments.includes("")) return "has an empty segment; remove the extra period";
  const bad = segments.find((segment) => !isSegment(segment));
  if (bad !== undefined) {
    return `has the segment "${shorten(bad)}"; use only letters, digits, "_", "~" and "-"`;
  }
  return null;
}

/** Null when `text` may be a node's own address, else what is wrong with it and the fix. */
export function explainOwnAddress(text: string): string | null {
  const wrong = explainPrefix(text);
  if (wrong !== null) return wrong;
  const scheme = schemeOf(text);
  if (scheme === "peer" || scheme === "self" || scheme === "example") {
    return `is in "${scheme}.", which no node can own; use for example "test.mynode"`;
  }
  if (!text.includes(".")) return `is only a scheme; add a segment, for example "${text}.mynode"`;
  return null;
}

function shorten(text: string): string {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return JSON.stringify(shown).slice(1, -1);
}
