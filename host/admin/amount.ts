// Amounts, balances and prices in words. BigInt only: no amount passes through a float.

/** What an amount is counted in. */
export interface Unit {
  readonly assetCode: string;
  /** One whole unit is 10^assetScale base units. */
  readonly assetScale: number;
}

/** Digits of a price that are shown; more are cut off, and the price is then said to be "about". */
const PRICE_DIGITS = 12;

/** Base units as whole units, exactly: 12340000000 at scale 9 is "12.34". */
export function formatAmount(amount: bigint, assetScale: number): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(assetScale + 1, "0");
  const whole = digits.slice(0, digits.length - assetScale);
  const part = digits.slice(digits.length - assetScale).replace(/0+$/, "");
  return `${amount < 0n ? "-" : ""}${whole}${part === "" ? "" : `.${part}`}`;
}

/** "12.34 XRP". */
export function describeAmount(amount: bigint, { assetCode, assetScale }: Unit): string {
  return `${formatAmount(amount, assetScale)} ${assetCode}`;
}

/** A positive balance is what the account's owner owes this node. */
export function describeBalance(balance: bigint, unit: Unit): string {
  if (balance > 0n) return `they owe you ${describeAmount(balance, unit)}`;
  if (balance < 0n) return `you owe them ${describeAmount(-balance, unit)}`;
  return "even";
}

/** The balance of the node's own account: what it sent itself, less what it received. */
export function describeOwnBalance(balance: bigint, unit: Unit): string {
  if (balance > 0n) return `you have sent ${describeAmount(balance, unit)}`;
  if (balance < 0n) return `you have received ${describeAmount(-balance, unit)}`;
  return "even";
}

/** A positive fraction in decimal, cut after 12 significant digits; `exact`: nothing was cut. */
export function formatFraction(
  numerator: bigint,
  denominator: bigint,
): { text: string; exact: boolean } {
  const whole = (numerator / denominator).toString();
  let rest = numerator % denominator;
  let part = "";
  let significant = whole === "0" ? 0 : whole.length;
  // A scale is at most 255 and a rate's terms have 64 bits, so the zeros in front are bounded too.
  while (rest > 0n && significant < PRICE_DIGITS) {
    rest *= 10n;
    const digit = rest / denominator;
    rest %= denominator;
    part += digit.toString();
    if (significant > 0 || digit > 0n) significant += 1;
  }
  part = part.replace(/0+$/, "");
  return { text: part === "" ? whole : `${whole}.${part}`, exact: rest === 0n };
}

const PPB = 1_000_000_000n;

/** What one whole unit of `from` buys in whole units of `to`: "1 XRP = 0.5 USD". */
export function describeRate(
  from: Unit,
  to: Unit,
  rate: { readonly numerator: bigint; readonly denominator: bigint },
  spreadPpb: bigint,
): string {
  const numerator = rate.numerator * 10n ** BigInt(from.assetScale) * (PPB - spreadPpb);
  const denominator = rate.denominator * 10n ** BigInt(to.assetScale) * PPB;
  const { text, exact } = formatFraction(numerator, denominator);
  return `1 ${from.assetCode} = ${exact ? "" : "about "}${text} ${to.assetCode}`;
}

const SPANS: readonly (readonly [string, number])[] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** A duration in its two largest units: "3 days 4 hours", "12.5 seconds", "40 ms". */
export function describeDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Math.floor(ms / 100) / 10} seconds`;
  const words: string[] = [];
  let rest = ms;
  for (const [name, span] of SPANS) {
    const count = Math.floor(rest / span);
    rest -= count * span;
    if (count > 0 && words.length < 2) words.push(`${count} ${name}${count === 1 ? "" : "s"}`);
    else if (words.length > 0) break;
  }
  return words.join(" ");
}
