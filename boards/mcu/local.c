/* The node's own account; local.h says what it does. Packets were checked by the core. */
#include "local.h"

#include <string.h>

#include "node.h"
#include "settings.h"

enum {
  FIXED = 8 + 17 + 32, /* amount, expiry, condition */
  ECHO_SIZE = 16,
  ECHO_REQUEST = 0,
  ECHO_RESPONSE = 1,
  RETRY_MS = 5000,
  PARENT_MS = 30000,
  ADDRESS_MAX = 1023,
};

/* Request id of our question to the parent; others are ids of the core's. */
static const uint32_t QUESTION = 0xffffffff;
static const char ECHO[] = "ECHOECHOECHOECHO";
/* SHA-256 of 32 zero bytes, the condition of peers' requests (RFC 31). */
static const uint8_t PEER_CONDITION[32] = {
    0x66, 0x68, 0x7a, 0xad, 0xf8, 0x62, 0xbd, 0x77, 0x6c, 0x8f, 0xc1, 0x8b, 0x8e, 0x9f, 0x8e, 0x20,
    0x08, 0x97, 0x14, 0x85, 0x6e, 0xe2, 0x33, 0xb3, 0x90, 0x2a, 0x59, 0x1d, 0x0d, 0x5f, 0x29, 0x25,
};

typedef struct {
  const uint8_t* at;
  uint32_t size;
} bytes;

enum address_state local_address;

/* The packet that waits; kind 0: none. */
static struct {
  uint32_t kind;
  uint32_t id;
  uint32_t address;
  uint32_t length;
} waiting;

static bool asking;
static uint64_t ask_next; /* when to ask again, or to give up waiting */

/* ---- packets ---- */

/* A length as OER writes it, then so many bytes; `p` goes behind them. */
static bytes take_variable(const uint8_t** p) {
  const uint8_t* at = *p;
  uint32_t size = *at++;
  if (size & 0x80) {
    uint32_t count = size & 0x7f;
    for (size = 0; count; --count) size = size << 8 | *at++;
  }
  *p = at + size;
  return (bytes){at, size};
}

static uint32_t length_size(uint32_t size) { return size < 0x80 ? 1 : size < 0x100 ? 2 : 3; }

static uint8_t* put_length(uint8_t* to, uint32_t size) {
  uint32_t count = length_size(size) - 1;
  if (count) *to++ = (uint8_t)(0x80 | count);
  if (count == 2) *to++ = (uint8_t)(size >> 8);
  *to++ = (uint8_t)size;
  return to;
}

static uint8_t* put_variable(uint8_t* to, const void* from, uint32_t size) {
  to = put_length(to, size);
  memcpy(to, from, size);
  return to + size;
}

/* A Prepare in the input; the destination may lie in it too. Returns its size. */
static uint32_t put_prepare(const uint8_t fixed[FIXED], bytes destination, const uint8_t* data,
                            uint32_t size) {
  uint32_t content = FIXED + length_size(destination.size) + destination.size +
                     length_size(size) + size;
  uint8_t* p = node_input();
  uint8_t* address = p + 1 + length_size(content) + FIXED + length_size(destination.size);
  memmove(address, destination.at, destination.size);
  *p++ = FERRULE_PACKET_TYPE_PREPARE;
  p = put_length(p, content);
  memcpy(p, fixed, FIXED);
  put_length(p + FIXED, destination.size);
  p = put_variable(address + destination.size, data, size);
  return (uint32_t)(p - node_input());
}

static void reject(uint32_t id, const char* code, const char* message, uint64_t now) {
  uint32_t own;
  const uint8_t* address = node_address(&own);
  uint32_t said = (uint32_t)strlen(message);
  uint32_t content = 3 + length_size(own) + own + length_size(said) + said + 1;
  uint8_t* p = node_input();
  *p++ = FERRULE_PACKET_TYPE_REJECT;
  p = put_length(p, content);
  memcpy(p, code, 3);
  p = put_variable(p + 3, address, own);
  p = put_variable(p, message, said);
  *p++ = 0; /* no data */
  node_reply(LOCAL_ACCOUNT, id, (uint32_t)(p - node_input()), now);
}

/* ---- requests ---- */

static bool is(bytes b, const char* text) {
  return b.size == strlen(text) && memcmp(b.at, text, b.size) == 0;
}

static void answer_peer(uint32_t id, bytes destination, uint64_t now) {
  const char* message = NULL;
  if (is(destination, "peer.route.control")) {
    message = "rejecting route control message, we are configured not to send routes to you.";
  } else if (is(destination, "peer.route.update")) {
    message = "rejecting route update, we are configured not to receive routes from you.";
  } else if (is(destination, "peer.settle")) {
    message = "no settlement engine for this account.";
  }
  if (message) reject(id, "F00", message, now);
  else reject(id, "F01", "unknown peer protocol.", now);
}

/* Sends a Prepare of the same amount, expiry and condition to the address in the data; its answer
 * is the answer. */
static void echo(uint32_t id, const uint8_t* fixed, bytes data, uint64_t now) {
  const uint8_t* p = data.at + ECHO_SIZE + 1;
  const uint8_t* end = data.at + data.size;
  bytes source = {NULL, 0};
  /* Nobody has checked what is in the data: a length of 1 to 3 bytes, and all of it there. */
  if (p < end && p[0] <= 0x82 && p + (p[0] < 0x80 ? 1 : p[0] - 0x7f) <= end) {
    source = take_variable(&p);
  }
  if (!source.at || source.size > ADDRESS_MAX || p > end) {
    reject(id, "F01", "packet data too short for echo request.", now);
    return;
  }
  uint8_t copy[FIXED];
  uint8_t answer[ECHO_SIZE + 1];
  memcpy(copy, fixed, FIXED);
  memcpy(answer, ECHO, ECHO_SIZE);
  answer[ECHO_SIZE] = ECHO_RESPONSE;
  uint32_t size = put_prepare(copy, source, answer, sizeof answer);
  if (node_request(LOCAL_ACCOUNT, id, size, now) < 0) {
    reject(id, "T00", "no echo is possible now.", now);
  }
}

static void answer_request(uint32_t id, const uint8_t* packet, uint64_t now) {
  const uint8_t* p = packet + 1;
  const uint8_t* fixed = take_variable(&p).at;
  p = fixed + FIXED;
  bytes destination = take_variable(&p);
  bytes data = take_variable(&p);
  if (destination.size >= 5 && memcmp(destination.at, "peer.", 5) == 0) {
    answer_peer(id, destination, now);
    return;
  }
  uint32_t own;
  const uint8_t* address = node_address(&own);
  if (destination.size != own || memcmp(destination.at, address, own) != 0) {
    reject(id, "F02", "no account at this address.", now);
  } else if (id != QUESTION && data.size > ECHO_SIZE && memcmp(data.at, ECHO, ECHO_SIZE) == 0 &&
             data.at[ECHO_SIZE] == ECHO_REQUEST) {
    echo(id, fixed, data, now);
  } else {
    reject(id, "F06", "this connector does not take payments itself.", now);
  }
}

/* ---- the address ---- */

static bool is_zero(const uint8_t* p, uint32_t size) {
  while (size && !*p) ++p, --size;
  return size == 0;
}

static bool is_our_asset(bytes code, uint8_t scale) {
  const ferrule_asset* a = node_asset(node_account(settings.inherit_from)->asset);
  return scale == a->scale && code.size == a->code_length &&
         memcmp(code.at, &a->code0, code.size) == 0;
}

/* Routes to the children, whose addresses begin with ours. */
static bool route_children(void) {
  uint32_t own;
  const uint8_t* address = node_address(&own);
  uint32_t name_size = node_about(FERRULE_DESCRIPTOR_NAME_BYTES);
  for (uint32_t i = 0; i < node_about(FERRULE_DESCRIPTOR_ACCOUNTS); ++i) {
    const ferrule_account* a = node_account(i);
    if (!(a->flags & FERRULE_ACCOUNT_FLAG_OPEN) || a->segment_length == 0) continue;
    const uint8_t* segment = node_name(i) + name_size;
    uint8_t* p = node_input();
    memcpy(p, address, own);
    p[own] = '.';
    memcpy(p + own + 1, segment, a->segment_length);
    if (node_set(FERRULE_VERB_ROUTE_SET, own + 1 + a->segment_length, i) < 0) return false;
  }
  return true;
}

static enum address_state read_answer(const uint8_t* packet, uint32_t length) {
  if (packet[0] != FERRULE_PACKET_TYPE_FULFILL) return ADDRESS_REFUSED;
  const uint8_t* p = packet + 1;
  p = take_variable(&p).at;
  if (!is_zero(p, 32)) return ADDRESS_REFUSED;
  p += 32;
  bytes data = take_variable(&p);
  const uint8_t* end = data.at + data.size;
  if (end > packet + length || data.size < 4) return ADDRESS_REFUSED;
  p = data.at;
  if (p[0] > 0x82) return ADDRESS_REFUSED;
  bytes address = take_variable(&p);
  if (address.size > ADDRESS_MAX || p + 2 > end || p[1] > 0x7f) return ADDRESS_REFUSED;
  uint8_t scale = *p++;
  bytes code = take_variable(&p);
  if (p > end) return ADDRESS_REFUSED;
  if (!is_our_asset(code, scale)) return ADDRESS_ASSET;
  const char* foreign = settings.production ? "test" : "g.";
  if (address.size > 4 && memcmp(address.at, foreign, strlen(foreign)) == 0) return ADDRESS_NETWORK;
  memmove(node_input(), address.at, address.size);
  if (node_set(FERRULE_VERB_ADDRESS_SET, address.size, 0) < 0) return ADDRESS_REFUSED;
  return route_children() ? ADDRESS_OWN : ADDRESS_REFUSED;
}

static uint8_t* put_digits(uint8_t* to, uint32_t value, unsigned digits) {
  for (unsigned i = digits; i-- > 0; value /= 10) to[i] = (uint8_t)('0' + value % 10);
  return to + digits;
}

/* A time as packets write it (RFC 27), from milliseconds since 1970. */
static void put_time(uint8_t* to, uint64_t wall) {
  uint32_t days = (uint32_t)(wall / 86400000);
  uint32_t rest = (uint32_t)(wall % 86400000);
  /* Years that begin in March, so that the leap day ends one; 719468 days before 1970 is year 0. */
  uint32_t z = days + 719468;
  uint32_t era = z / 146097;
  uint32_t of_era = z % 146097;
  uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
  uint32_t month = (5 * of_year + 2) / 153;
  uint32_t day = of_year - (153 * month + 2) / 5 + 1;
  month = month < 10 ? month + 3 : month - 9;
  to = put_digits(to, era * 400 + year + (month <= 2), 4);
  to = put_digits(to, month, 2);
  to = put_digits(to, day, 2);
  to = put_digits(to, rest / 3600000, 2);
  to = put_digits(to, rest / 60000 % 60, 2);
  to = put_digits(to, rest / 1000 % 60, 2);
  put_digits(to, rest % 1000, 3);
}

bool local_ask(uint64_t now, uint64_t wall) {
  if (local_address == ADDRESS_OWN || !wall || now < ask_next) return false;
  asking = false;
  uint8_t fixed[FIXED];
  memset(fixed, 0, 8);
  put_time(fixed + 8, wall + PARENT_MS);
  memcpy(fixed + 8 + 17, PEER_CONDITION, sizeof PEER_CONDITION);
  static const char destination[] = "peer.config";
  bytes to = {(const uint8_t*)destination, sizeof destination - 1};
  uint32_t size = put_prepare(fixed, to, NULL, 0);
  asking = node_direct(settings.inherit_from, QUESTION, size, now) == FERRULE_STATUS_OK;
  ask_next = now + (asking ? PARENT_MS + RETRY_MS : RETRY_MS);
  return asking;
}

/* ---- the core's outputs ---- */

bool local_open(void) {
  waiting.kind = 0;
  asking = false;
  ask_next = 0;
  local_address = settings.inherits ? ADDRESS_ASKED : ADDRESS_OWN;
  return node_set(FERRULE_VERB_LINK_UP, LOCAL_ACCOUNT, FERRULE_LINK_KIND_RAW) >= 0;
}

void local_take(const ferrule_output* o) {
  bool ours = o->kind == FERRULE_OUTPUT_KIND_REQUEST || o->kind == FERRULE_OUTPUT_KIND_REPLY;
  if (waiting.kind || !ours) return;
  waiting.kind = o->kind;
  waiting.id = o->request_id;
  waiting.address = o->address;
  waiting.length = o->length;
}

bool local_answer(uint64_t now) {
  uint32_t kind = waiting.kind;
  waiting.kind = 0;
  const uint8_t* packet = node_at(waiting.address);
  if (kind == FERRULE_OUTPUT_KIND_REQUEST) {
    answer_request(waiting.id, packet, now);
    return true;
  }
  if (kind != FERRULE_OUTPUT_KIND_REPLY) return false;
  if (waiting.id == QUESTION) {
    if (asking) local_address = read_answer(packet, waiting.length);
    asking = false;
    ask_next = now + RETRY_MS;
    return false;
  }
  memmove(node_input(), packet, waiting.length);
  node_reply(LOCAL_ACCOUNT, waiting.id, waiting.length, now);
  return true;
}
