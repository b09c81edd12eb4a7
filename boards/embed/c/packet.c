/* ILP packets (RFC 27): writes what the core will check, reads what it has checked. */
#include "packet.h"
#include <stdio.h>
#include <string.h>

static const uint64_t DAY_MS = 86400000;

/* ---- writing; `out` counts on even when there is no room, so that the end is checked once */

static void put(ferrule_writer* out, const void* from, size_t length) {
  if (length > 0 && out->used + length <= out->room) memcpy(out->at + out->used, from, length);
  out->used += length;
}

static void put_byte(ferrule_writer* out, unsigned value) {
  uint8_t byte = (uint8_t)value;
  put(out, &byte, 1);
}

/* A length prefix in its shortest form (OER). */
static void put_length(ferrule_writer* out, size_t n) {
  unsigned size = n < 0x80 ? 0 : n < 0x100 ? 1 : n < 0x10000 ? 2 : 3;
  if (size) put_byte(out, 0x80 + size);
  for (unsigned i = size ? size : 1; i > 0; --i) put_byte(out, (unsigned)(n >> (8 * (i - 1))));
}

static void put_field(ferrule_writer* out, ferrule_bytes field) {
  put_length(out, field.length);
  put(out, field.at, field.length);
}

/* Year, month and day of a day since 1970: days_from_civil, inverted. */
static void civil(uint64_t day, unsigned* year, unsigned* month, unsigned* day_of_month) {
  uint64_t z = day + 719468;
  unsigned doe = (unsigned)(z % 146097);
  unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  unsigned m = (5 * doy + 2) / 153;
  *month = m < 10 ? m + 3 : m - 9;
  *year = (unsigned)(yoe + z / 146097 * 400) + (*month <= 2);
  *day_of_month = doy - (153 * m + 2) / 5 + 1;
}

static void put_time(ferrule_writer* out, uint64_t ms) {
  unsigned year, month, day, t = (unsigned)(ms % DAY_MS);
  char text[32];
  civil(ms / DAY_MS, &year, &month, &day);
  snprintf(text, sizeof text, "%04u%02u%02u%02u%02u%02u%03u", year % 10000, month, day, t / 3600000,
           t / 60000 % 60, t / 1000 % 60, t % 1000);
  put(out, text, 17);
}

static void put_body(ferrule_writer* out, const ferrule_packet* p) {
  if (p->type == FERRULE_PACKET_TYPE_PREPARE) {
    for (int i = 56; i >= 0; i -= 8) put_byte(out, (unsigned)(p->amount >> i) & 0xff);
    put_time(out, p->expires_at_ms);
    put(out, p->condition, 32);
    put_field(out, p->destination);
  } else if (p->type == FERRULE_PACKET_TYPE_FULFILL) {
    put(out, p->condition, 32);
  } else {
    put(out, p->code, 3);
    put_field(out, p->triggered_by);
    put_field(out, p->message);
  }
  put_field(out, p->data);
}

size_t ferrule_encode(const ferrule_packet* packet, uint8_t* at, size_t room) {
  ferrule_writer counter = {NULL, 0, 0};
  put_body(&counter, packet);
  ferrule_writer out = {at, 0, room};
  put_byte(&out, packet->type);
  put_length(&out, counter.used);
  put_body(&out, packet);
  return out.used <= room ? out.used : 0;
}

/* ---- reading */

static bool take(ferrule_bytes* from, size_t length, ferrule_bytes* taken) {
  if (length > from->length) return false;
  *taken = (ferrule_bytes){from->at, length};
  from->at += length;
  from->length -= length;
  return true;
}

static bool take_field(ferrule_bytes* from, ferrule_bytes* field) {
  ferrule_bytes prefix;
  if (!take(from, 1, &prefix)) return false;
  size_t length = prefix.at[0];
  if (length >= 0x80) {
    if (length == 0x80 || length > 0x83 || !take(from, length - 0x80, &prefix)) return false;
    length = 0;
    for (size_t i = 0; i < prefix.length; ++i) length = length << 8 | prefix.at[i];
  }
  return take(from, length, field);
}

static uint64_t number(const uint8_t* digits, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value * 10 + (uint64_t)(digits[i] - '0');
  return value;
}

static uint64_t time_of(const uint8_t* text) {
  uint64_t month = number(text + 4, 2), year = number(text, 4) - (month <= 2);
  uint64_t m = month > 2 ? month - 3 : month + 9;
  uint64_t days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * m + 2) / 5 +
                  number(text + 6, 2) - 719469;
  return days * DAY_MS + number(text + 8, 2) * 3600000 + number(text + 10, 2) * 60000 +
         number(text + 12, 5);
}

bool ferrule_decode(ferrule_bytes bytes, ferrule_packet* p) {
  ferrule_bytes body, fixed;
  memset(p, 0, sizeof *p);
  if (!take(&bytes, 1, &fixed) || !take_field(&bytes, &body)) return false;
  p->type = fixed.at[0];
  if (p->type == FERRULE_PACKET_TYPE_PREPARE) {
    if (!take(&body, 57, &fixed)) return false;
    for (int i = 0; i < 8; ++i) p->amount = p->amount << 8 | fixed.at[i];
    p->expires_at_ms = time_of(fixed.at + 8);
    memcpy(p->condition, fixed.at + 25, 32);
    if (!take_field(&body, &p->destination)) return false;
  } else if (p->type == FERRULE_PACKET_TYPE_FULFILL) {
    if (!take(&body, 32, &fixed)) return false;
    memcpy(p->condition, fixed.at, 32);
  } else if (p->type == FERRULE_PACKET_TYPE_REJECT) {
    if (!take(&body, 3, &fixed)) return false;
    memcpy(p->code, fixed.at, 3);
    if (!take_field(&body, &p->triggered_by) || !take_field(&body, &p->message)) return false;
  } else {
    return false;
  }
  return take_field(&body, &p->data);
}
