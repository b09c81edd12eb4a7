// Exact numbers from text: decimals and fractions become BigInt ratios. No floating point touches
// an amount or a rate.

/** A fraction in lowest terms with a positive denominator. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export const U64_MAX = (1n << 64n) - 1n;
export const I64_MAX = (1n << 63n) - 1n;
/** The core multiplies a denominator by up to three; see the rate setter. */
export const DENOMINATOR_MAX = U64_MAX / 3n;
/** Parts of one in a spread. */
export const SPREAD_ONE = 1_000_000_000n;

const DECIMAL = /^(\d{1,40})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/;

/** Greatest common divisor of two numbers that are not both zero. */
export function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

/** Lowest terms; `denominator` must be positive. */
export function reduce(numerator: bigint, denominator: bigint): Fraction {
  const divisor = gcd(numerator, denominator);
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

/**
 * Reads an unsigned decimal, with an exponent if need be, exactly; null when it is something else.
 */
export function parseDecimal(text: string): Fraction | null {
  const match = DECIMAL.exec(text);
  if (match === null) return null;
  const [, whole = "", fraction = "", exponent = "0"] = match;
  const digits = BigInt(whole + fraction);
  const shift = Number(exponent) - fraction.length;
  return shift >= 0
    ? reduce(digits * 10n ** BigInt(shift), 1n)
    : reduce(digits, 10n ** BigInt(-shift));
}

/** Reads a decimal or "a/b" with whole a and b; null when it is something else or b is zero. */
export function parseFraction(text: string): Fraction | null {
  const match = /^(\d{1,80})\s*\/\s*(\d{1,80})$/.exec(text);
  if (match === null) return parseDecimal(text);
  const denominator = BigInt(match[2] ?? "0");
  return denominator === 0n ? null : reduce(BigInt(match[1] ?? "0"), denominator);
}

/** Writes parts per 10^9 as a decimal, shortest form: 2000000n is "0.002". */
export function formatSpread(ppb: bigint): string {
  const digits = (ppb % SPREAD_ONE).toString().padStart(9, "0").replace(/0+$/, "");
  return digits === "" ? `${ppb / SPREAD_ONE}` : `${ppb / SPREAD_ONE}.${digits}`;
}
