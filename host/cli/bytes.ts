// Text that people paste to bytes: hex (also `0x…`, with spaces or colons) or base64 and base64url.
// Text that could be both is hex first.

export interface Reading {
  readonly encoding: "hex" | "base64";
  readonly bytes: Uint8Array;
}

const HEX = /^(?:0x)?[0-9a-f\s:]*$/i;
/** The alphabets of base64 and base64url, not both in one text. */
const BASE64 = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/;

function readHex(text: string): Reading | string | null {
  if (!HEX.test(text)) return null;
  const digits = text.replace(/^0x/i, "").replace(/[\s:]/g, "");
  if (digits === "") return null;
  if (digits.length % 2 === 1) {
    return `The text has ${digits.length} hex digits, an odd number: one is missing.`;
  }
  return { encoding: "hex", bytes: Buffer.from(digits, "hex") };
}

function readBase64(text: string): Reading | null {
  if (!BASE64.test(text)) return null;
  const digits = text.replace(/=+$/, "");
  if (digits.length % 4 === 1 || (text.length > digits.length && text.length % 4 !== 0))
    return null;
  return { encoding: "base64", bytes: Buffer.from(digits, "base64") };
}

/** What a text can be read as, the likeliest first. */
export interface Readings {
  readonly readings: readonly Reading[];
  /** Why it cannot be read as what it looks like; null when it can. */
  readonly problem: string | null;
}

/** The ways a text can be read. An odd number of hex digits may still be base64. */
export function readBytes(text: string): Readings {
  const trimmed = text.trim();
  if (trimmed === "") {
    return { readings: [], problem: "The line is empty: give the bytes in hex or base64." };
  }
  const hex = readHex(trimmed);
  const base64 = readBase64(trimmed);
  const rest = base64 ? [base64] : [];
  if (typeof hex === "string") return { readings: rest, problem: hex };
  if (hex) return { readings: [hex, ...rest], problem: null };
  return { readings: rest, problem: base64 ? null : "The text is neither hex nor base64." };
}
