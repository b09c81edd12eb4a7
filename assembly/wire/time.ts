// Timestamps: the 17-digit form of an ILP Prepare (RFC 27, RFC 30; OER-13..17, D3), the
// GeneralizedTime of a BTP Error (OER-18) and ISO 8601 for texts. Proleptic Gregorian calendar,
// years 0000 to 9999, UTC. It reads no clock.
//
// The date of nearly every packet is the one of the packet before, so parsing and writing each
// remember one day. The memory starts as zeros and zeros mean 1970-01-01: dates are kept as their
// difference from that date's digits.

/** What `parseTimestamp` returns for anything that is not a timestamp. */
export const BAD_TIME: i64 = i64.MIN_VALUE;
/** Bytes of a timestamp in a Prepare. */
export const TIMESTAMP_SIZE: u32 = 17;
/** Bytes that `writeIso` writes. */
export const ISO_SIZE: u32 = 24;
/** Bytes that `writeGeneralizedTime` writes. */
export const GENERALIZED_TIME_SIZE: u32 = 19;

const DAY_MS: i64 = 86400000;
/** 1970-01-01 counted in days from 0000-03-01, the start of the calculation's year. */
const EPOCH_DAY: i32 = 719468;
/** Days in 400 years. */
const ERA_DAYS: u32 = 146097;
/** "19700101" as it stands in memory. */
const EPOCH_DIGITS: u64 = 0x3130313030373931;
const ZEROS: u64 = 0x3030303030303030;


@unmanaged
class Day {
  /** Eight digits as they stand in memory, xor EPOCH_DIGITS. */
  digits: u64;
  startMs: i64;
}

const PARSED: usize = memory.data(16, 8);
const WRITTEN: usize = memory.data(16, 8);
const SCRATCH: usize = memory.data(24, 8);

/** True if all eight bytes are ASCII digits. */
// @ts-ignore: decorator
@inline
function areDigits(x: u64): bool {
  return (((x + 0x4646464646464646) | (x - ZEROS)) & 0x8080808080808080) == 0;
}

/** Four numbers of two digits, in the 16-bit lanes, from eight ASCII digits. */
// @ts-ignore: decorator
@inline
function pairs(x: u64): u64 {
  const d = x - ZEROS;
  return (d * 10 + (d >> 8)) & 0x00ff00ff00ff00ff;
}

/** The two digits of 0..99 as they stand in memory. */
// @ts-ignore: decorator
@inline
function twoDigits(n: u32): u64 {
  const tens = (n * 103) >> 10;
  return <u64>((tens | ((n - tens * 10) << 8)) + 0x3030);
}

// @ts-ignore: decorator
@inline
function daysInMonth(year: u32, month: u32): u32 {
  if (month != 2) return 30 + ((month + (month >> 3)) & 1);
  const leap = (year & 3) == 0 && (year % 100 != 0 || year % 400 == 0);
  return 28 + u32(leap);
}

/** Days from 1970-01-01 to a valid date; negative before. */
function dayOf(year: u32, month: u32, day: u32): i32 {
  // Years start in March, so the leap day comes last; one era is added to stay positive in year 0.
  const y = year + 400 - u32(month <= 2);
  const era = y / 400;
  const yearOfEra = y - era * 400;
  const fromMarch = month > 2 ? month - 3 : month + 9;
  const dayOfYear = (153 * fromMarch + 2) / 5 + day - 1;
  const dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
  return <i32>(era * ERA_DAYS + dayOfEra) - <i32>ERA_DAYS - EPOCH_DAY;
}

/** Milliseconds of the start of the day given by eight bytes, or BAD_TIME. */
function parseDate(x: u64): i64 {
  if (!areDigits(x)) return BAD_TIME;
  const v = pairs(x);
  const year = ((<u32>v) & 0xff) * 100 + (((<u32>v) >> 16) & 0xff);
  const month = (<u32>(v >> 32)) & 0xff;
  const day = <u32>(v >> 48);
  if (month - 1 > 11 || day - 1 >= daysInMonth(year, month)) return BAD_TIME;
  return <i64>dayOf(year, month, day) * DAY_MS;
}

/** The eight digits, as they stand in memory, of a day counted from 1970-01-01. */
function dateDigits(day: i32): u64 {
  const z = <u32>(day + EPOCH_DAY + <i32>ERA_DAYS);
  const era = z / ERA_DAYS;
  const dayOfEra = z - era * ERA_DAYS;
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365;
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const fromMarch = (5 * dayOfYear + 2) / 153;
  const d = dayOfYear - (153 * fromMarch + 2) / 5 + 1;
  const m = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const y = yearOfEra + era * 400 - 400 + u32(m <= 2);
  const century = y / 100;
  const years = twoDigits(century) | (twoDigits(y - century * 100) << 16);
  return years | (twoDigits(m) << 32) | (twoDigits(d) << 48);
}

/**
 * Parses 17 ASCII digits `YYYYMMDDHHmmSSfff` into milliseconds since the Unix epoch, or returns
 * BAD_TIME: a byte that is no digit, a date not in the calendar, hour 24, minute or second 60.
 */
export function parseTimestamp(p: usize): i64 {
  const date = load<u64>(p, 0, 1);
  const time = load<u64>(p, 8, 1);
  const last = <u32>load<u8>(p, 16) - 0x30;
  const cache = changetype<Day>(PARSED);
  let startMs = cache.startMs;
  if ((date ^ EPOCH_DIGITS) != cache.digits) {
    startMs = parseDate(date);
    if (startMs == BAD_TIME) return BAD_TIME;
    cache.digits = date ^ EPOCH_DIGITS;
    cache.startMs = startMs;
  }
  if (!areDigits(time) || last > 9) return BAD_TIME;
  const v = pairs(time);
  const hour = (<u32>v) & 0xff;
  const minute = ((<u32>v) >> 16) & 0xff;
  const second = (<u32>(v >> 32)) & 0xff;
  const hundredths = <u32>(v >> 48);
  if (hour > 23 || minute > 59 || second > 59) return BAD_TIME;
  return startMs + <i64>(((hour * 60 + minute) * 60 + second) * 1000 + hundredths * 10 + last);
}

/** Writes 17 digits; `ms` must lie within the years 0000 to 9999. */
export function writeTimestamp(p: usize, ms: i64): void {
  const cache = changetype<Day>(WRITTEN);
  if (<u64>(ms - cache.startMs) >= <u64>DAY_MS) {
    // Division rounds towards zero; days before the epoch must round down.
    const day = <i32>((ms - (ms < 0 ? DAY_MS - 1 : 0)) / DAY_MS);
    cache.digits = dateDigits(day) ^ EPOCH_DIGITS;
    cache.startMs = <i64>day * DAY_MS;
  }
  store<u64>(p, cache.digits ^ EPOCH_DIGITS, 0, 1);
  const ofDay = <u32>(ms - cache.startMs);
  const seconds = ofDay / 1000;
  const millis = ofDay - seconds * 1000;
  const minutes = seconds / 60;
  const hour = minutes / 60;
  const hundredths = millis / 10;
  const head = twoDigits(hour) | (twoDigits(minutes - hour * 60) << 16);
  const tail = twoDigits(seconds - minutes * 60) | (twoDigits(hundredths) << 16);
  store<u64>(p, head | (tail << 32), 8, 1);
  store<u8>(p, 0x30 + millis - hundredths * 10, 16);
}

/** Writes `2026-11-23T19:08:53.123Z`; `ms` within the years 0000 to 9999. Returns 24. */
export function writeIso(p: usize, ms: i64): u32 {
  writeTimestamp(SCRATCH, ms);
  store<u32>(p, load<u32>(SCRATCH), 0, 1);
  store<u8>(p, 0x2d, 4);
  store<u16>(p, load<u16>(SCRATCH, 4), 5, 1);
  store<u8>(p, 0x2d, 7);
  store<u16>(p, load<u16>(SCRATCH, 6), 8, 1);
  store<u8>(p, 0x54, 10);
  store<u16>(p, load<u16>(SCRATCH, 8), 11, 1);
  store<u8>(p, 0x3a, 13);
  store<u16>(p, load<u16>(SCRATCH, 10), 14, 1);
  store<u8>(p, 0x3a, 16);
  store<u16>(p, load<u16>(SCRATCH, 12), 17, 1);
  store<u8>(p, 0x2e, 19);
  store<u16>(p, load<u16>(SCRATCH, 14), 20, 1);
  store<u8>(p, load<u8>(SCRATCH, 16), 22);
  store<u8>(p, 0x5a, 23);
  return ISO_SIZE;
}

/** Writes `YYYYMMDDHHmmSS.fffZ`, three fraction digits always (BTP-15). Returns 19. */
export function writeGeneralizedTime(p: usize, ms: i64): u32 {
  writeTimestamp(SCRATCH, ms);
  store<u64>(p, load<u64>(SCRATCH), 0, 1);
  store<u32>(p, load<u32>(SCRATCH, 8), 8, 1);
  store<u16>(p, load<u16>(SCRATCH, 12), 12, 1);
  store<u8>(p, 0x2e, 14);
  store<u16>(p, load<u16>(SCRATCH, 14), 15, 1);
  store<u8>(p, load<u8>(SCRATCH, 16), 17);
  store<u8>(p, 0x5a, 18);
  return GENERALIZED_TIME_SIZE;
}

/**
 * True if `length` bytes are `YYYYMMDDHHmmSS[.f{1,3}]Z` of a calendar date (OER-18). The leap
 * second 23:59:60 is allowed; trailing zeros of the fraction are too, because btp-packet always
 * sends them.
 */
export function checkGeneralizedTime(p: usize, length: u32): bool {
  if (length < 15 || length > 19 || length == 16) return false;
  if (load<u8>(p + length - 1) != 0x5a) return false;
  store<u64>(SCRATCH, load<u64>(p, 0, 1));
  store<u64>(SCRATCH, ZEROS, 8);
  store<u8>(SCRATCH, 0x30, 16);
  store<u32>(SCRATCH, load<u32>(p, 8, 1), 8);
  const second = load<u16>(p, 12, 1);
  // "2359" then "60": checked as second 59.
  const leap = second == 0x3036 && load<u32>(p, 8, 1) == 0x39353332;
  store<u16>(SCRATCH, leap ? 0x3935 : second, 12);
  if (length > 15) {
    if (load<u8>(p, 14) != 0x2e) return false;
    for (let i: u32 = 15; i < length - 1; ++i) store<u8>(SCRATCH + i - 1, load<u8>(p + i));
  }
  return parseTimestamp(SCRATCH) != BAD_TIME;
}
