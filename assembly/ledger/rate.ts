// Exchange: outgoing = floor(incoming × numerator / denominator), exact over all of u64, with the
// node's spread folded into the fraction when the rate is set. A precomputed reciprocal replaces
// the division on the hot path: R = floor(numerator × 2^s / denominator) with 2^63 <= R < 2^64, and
// the estimate floor(amount × R / 2^s) is at most 2 too small (proof in README.md).
import { RateSettings, Status } from "../abi";
import { ASSETS } from "../config";
import { RATES, RATE_STRIDE } from "../layout";
import { multiplyDivide, multiplyHigh } from "./wide";

const PPB: u64 = 1000000000;
/** The correction step needs 3 × denominator to fit 64 bits. */
const DENOMINATOR_MAX: u64 = u64.MAX_VALUE / 3;


@unmanaged
export class Rate {
  numerator: u64;
  /** 0: no rate is set. */
  denominator: u64;
  reciprocal: u64;
  shift: u32;
  /** 1: numerator equals denominator. */
  identity: u32;
}

if (offsetof<Rate>() != RATE_STRIDE) ERROR("rate record");

// @ts-ignore: decorator
@inline
export function rateOf(from: u32, to: u32): Rate {
  return changetype<Rate>(RATES + <usize>((from * ASSETS + to) * RATE_STRIDE));
}

/** Removes the rates from and to an asset. */
export function forgetRates(index: u32): void {
  for (let other: u32 = 0; other < ASSETS; ++other) {
    memory.fill(changetype<usize>(rateOf(index, other)), 0, RATE_STRIDE);
    memory.fill(changetype<usize>(rateOf(other, index)), 0, RATE_STRIDE);
  }
}

/**
 * Converts `amount` and stores the result at `out`.
 * @returns false when the result does not fit u64; nothing is stored then.
 */
export function convert(rate: Rate, amount: u64, out: usize): bool {
  if (rate.identity) {
    store<u64>(out, amount);
    return true;
  }
  const reciprocal = rate.reciprocal;
  const shift = <u64>rate.shift;
  const high = multiplyHigh(amount, reciprocal);
  let quotient: u64;
  if (shift >= 64) {
    quotient = high >> (shift - 64);
  } else if (high >> shift) {
    return false;
  } else {
    const low = amount * reciprocal;
    quotient = shift ? (high << (64 - shift)) | (low >> shift) : low;
  }
  const denominator = rate.denominator;
  let rest = amount * rate.numerator - quotient * denominator;
  while (rest >= denominator) {
    rest -= denominator;
    quotient += 1;
    if (!quotient) return false;
  }
  store<u64>(out, quotient);
  return true;
}

/** Largest incoming amount that converts to at most `outMax`; u64.MAX when every amount does. */
export function inverseMaximum(rate: Rate, outMax: u64): u64 {
  // floor(a n / d) <= m  <=>  a n <= m d + d - 1
  return multiplyDivide(outMax, rate.denominator, rate.denominator - 1, rate.numerator);
}

function greatestCommonDivisor(a: u64, b: u64): u64 {
  // Euclid on u64 ends within 93 steps.
  for (let i = 0; i < 100 && b; ++i) {
    const r = a % b;
    a = b;
    b = r;
  }
  return a;
}

/** a × b, or 0 when it does not fit u64. */
// @ts-ignore: decorator
@inline
function multiplyExact(a: u64, b: u64): u64 {
  return multiplyHigh(a, b) ? 0 : a * b;
}

/**
 * Sets the rate from one asset to another, folding in the spread.
 * @returns BadRate when numerator or denominator is 0, spread is not below 100 %, or the reduced
 * fraction does not fit (denominator at most (2^64 - 1) / 3).
 */
export function setRate(rate: Rate, settings: RateSettings): Status {
  let numerator = settings.numerator;
  let denominator = settings.denominator;
  if (!numerator || !denominator || <u64>settings.spreadPpb >= PPB) return Status.BadRate;
  let divisor = greatestCommonDivisor(numerator, denominator);
  numerator /= divisor;
  denominator /= divisor;
  if (settings.spreadPpb) {
    let keep = PPB - <u64>settings.spreadPpb;
    let whole = PPB;
    divisor = greatestCommonDivisor(keep, whole);
    keep /= divisor;
    whole /= divisor;
    divisor = greatestCommonDivisor(numerator, whole);
    numerator /= divisor;
    whole /= divisor;
    divisor = greatestCommonDivisor(keep, denominator);
    keep /= divisor;
    denominator /= divisor;
    numerator = multiplyExact(numerator, keep);
    denominator = multiplyExact(denominator, whole);
  }
  if (!numerator || !denominator || denominator > DENOMINATOR_MAX) return Status.BadRate;
  // Long division, one quotient bit a turn, until the quotient fills 64 bits: at most 127 turns.
  let quotient = numerator / denominator;
  let rest = numerator % denominator;
  let shift: u32 = 0;
  while (<i64>quotient >= 0 && shift < 128) {
    rest <<= 1;
    quotient <<= 1;
    if (rest >= denominator) {
      rest -= denominator;
      quotient |= 1;
    }
    shift += 1;
  }
  rate.numerator = numerator;
  rate.denominator = denominator;
  rate.reciprocal = quotient;
  rate.shift = shift;
  rate.identity = u32(numerator == denominator);
  return Status.Ok;
}
