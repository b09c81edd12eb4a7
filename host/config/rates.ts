// Exchange rates between the assets in use, as exact fractions of base units. Spread is not applied
// here: the core does that (money rule 5: no floating point, exact rationals, floor).
import { DENOMINATOR_MAX, U64_MAX, reduce } from "./numbers.js";
import type { Asset, DeclaredRate, ResolvedRate } from "./types.js";

/**
 * A pair of assets whose rate does not fit the core's 64-bit fraction. `rate` is null for equal
 * codes.
 */
export interface RateFailure {
  readonly from: Asset;
  readonly to: Asset;
  readonly rate: DeclaredRate | null;
  /** Continues "the rate from … to …". */
  readonly reason: string;
}

export interface RateTable {
  /**
   * One entry for each ordered pair of distinct assets that has a rate, and for each asset to
   * itself.
   */
  readonly table: readonly ResolvedRate[];
  readonly failures: readonly RateFailure[];
  /** Ordered pairs of codes in use without a rate. */
  readonly missing: readonly (readonly [from: string, to: string])[];
}

/**
 * Resolves `declared` rates for every ordered pair of `assets`; duplicates among the assets are
 * ignored.
 */
export function resolveRates(
  declared: readonly DeclaredRate[],
  assets: readonly Asset[],
): RateTable {
  const distinct = new Map(
    assets.map((asset) => [`${asset.assetScale} ${asset.assetCode}`, asset]),
  );
  const used = [...distinct.values()].map(({ assetCode, assetScale }) => ({
    assetCode,
    assetScale,
  }));
  const table: ResolvedRate[] = [];
  const failures: RateFailure[] = [];
  const missing = new Map<string, readonly [string, string]>();
  for (const from of used) {
    for (const to of used) {
      const price = findPrice(declared, from.assetCode, to.assetCode);
      if (price === null) {
        missing.set(`${from.assetCode} ${to.assetCode}`, [from.assetCode, to.assetCode]);
        continue;
      }
      const shift = to.assetScale - from.assetScale;
      const up = 10n ** BigInt(Math.max(0, shift));
      const down = 10n ** BigInt(Math.max(0, -shift));
      const exact = reduce(price.numerator * up, price.denominator * down);
      const reason = explainSize(exact.numerator, exact.denominator);
      if (reason === null) table.push({ from, to, ...exact });
      else failures.push({ from, to, rate: price.rate, reason });
    }
  }
  return { table, failures, missing: [...missing.values()] };
}

interface Price {
  readonly numerator: bigint;
  readonly denominator: bigint;
  readonly rate: DeclaredRate | null;
}

function findPrice(declared: readonly DeclaredRate[], from: string, to: string): Price | null {
  if (from === to) return { numerator: 1n, denominator: 1n, rate: null };
  const direct = declared.find((rate) => rate.from === from && rate.to === to);
  if (direct !== undefined) {
    return { numerator: direct.numerator, denominator: direct.denominator, rate: direct };
  }
  const inverse = declared.find((rate) => rate.both && rate.from === to && rate.to === from);
  if (inverse === undefined) return null;
  return { numerator: inverse.denominator, denominator: inverse.numerator, rate: inverse };
}

function explainSize(numerator: bigint, denominator: bigint): string | null {
  if (numerator > U64_MAX) {
    return (
      "is too large for exact 64-bit arithmetic with these scales; bring the " +
      "scales closer or use fewer digits"
    );
  }
  if (denominator > DENOMINATOR_MAX) {
    return (
      "is too fine for exact 64-bit arithmetic with these scales; bring the " +
      "scales closer or use fewer digits"
    );
  }
  return null;
}
