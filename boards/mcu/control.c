/* Status frames: time, report, setup, settlements. */
#include "control.h"

#include <string.h>

#include "board.h"
#include "digest.h"
#include "journal.h"
#include "line.h"
#include "local.h"
#include "memory.h"
#include "node.h"
#include "settings.h"

enum op {
  OP_TIME = 1,
  OP_REPORT = 2,
  OP_CHALLENGE = 3,
  OP_SETUP = 4,
  OP_HELLO = 5,
  /* 6 is a greeting, network.c's. */
  OP_SETTLE = 7,
  OP_ANSWER = 0x80, /* added to the op that is answered */
};

/* Whether it was done; these are bytes of an answer. */
enum outcome { DONE = 0, NOT_ALLOWED = 1, MALFORMED = 2, OLDER = 3, NOT_WRITTEN = 4, UNKNOWN = 5 };

enum {
  REPORT_VERSION = 2,
  CHALLENGE_SIZE = 16,
  /* Places in the core's input, which is free while a status frame is worked on. */
  ANSWER_AT = 4096,
  ANSWER_FRAME_AT = 6144,
};

typedef struct {
  uint8_t op;
  uint8_t version;
  uint8_t state;
  uint8_t reset_cause;
  uint32_t boots;
  uint64_t uptime_ms;
  uint64_t wall_ms; /* 0: no clock yet */
  uint8_t core[8];  /* first bytes of the SHA-256 of the core's wasm file */
  uint32_t revision;
  uint32_t commits;
  uint8_t journal;
  uint8_t links;
  uint8_t counters;
  uint8_t accounts;
  uint8_t assets;
  uint8_t address; /* an address_state */
  uint8_t reserved[2];
} report_head;

typedef struct {
  uint32_t account;
  uint32_t overruns;
  uint32_t dropped;
  uint32_t faults;
} report_link;

/* The asset's code follows. */
typedef struct {
  uint8_t index;
  uint8_t scale;
  uint8_t code_length;
} report_asset;

/* The account's name follows. */
typedef struct {
  uint16_t index;
  uint8_t asset;
  uint8_t name_length;
  uint8_t relation;
  uint8_t reserved;
  uint16_t flags;
  uint64_t debits[2];
  uint64_t credits[2];
  uint64_t debits_pending;
  uint64_t credits_pending;
  uint64_t settlement_due; /* what is to be paid to its owner; 0: nothing */
} report_account;

/* What is signed to book a settlement. */
typedef struct {
  uint32_t magic;
  uint16_t account;
  uint8_t paid; /* 1: we paid its owner, 0: we were paid */
  uint8_t reserved;
  uint64_t amount;
} settlement;

static const uint32_t SETTLE_MAGIC = 0x4c545346; /* "FSTL" */

_Static_assert(sizeof(report_head) == 48, "report");
_Static_assert(sizeof(report_link) == 16, "report link");
_Static_assert(sizeof(report_asset) == 3, "report asset");
_Static_assert(sizeof(report_account) == 64, "report account");
_Static_assert(sizeof(settlement) == 16, "settlement");

static uint8_t pool[DIGEST_SIZE]; /* what challenges are made from */
static uint8_t challenge[CHALLENGE_SIZE];
static bool challenged;
static uint64_t wall_offset; /* wall clock minus board_now_ms(); 0: unknown */

enum firmware_state control_state(void) {
  if (!settings.found) return STATE_NO_SETTINGS;
  if (!settings.accepted) return STATE_SETTINGS;
  if (journal.state == JOURNAL_DAMAGED || journal.state == JOURNAL_FOREIGN) return STATE_BOOKS;
  if (journal.state == JOURNAL_REFUSED) return STATE_FLASH;
  if (!wall_offset) return STATE_NO_CLOCK;
  return local_address == ADDRESS_OWN ? STATE_RUNNING : STATE_NO_ADDRESS;
}

uint64_t control_wall(uint64_t now) { return wall_offset ? now + wall_offset : 0; }

/* Nothing that was once given out can be foreseen from what is given out later: the secret of the
 * settings and the count of starts go in as well as what the hardware has of chance. */
uint64_t control_seed(void) {
  sha256 s;
  sha256_start(&s);
  sha256_add(&s, settings.seed, sizeof settings.seed);
  sha256_add(&s, &journal.boots, sizeof journal.boots);
  for (unsigned i = 0; i < 8; ++i) {
    uint32_t chance = board_entropy();
    sha256_add(&s, &chance, sizeof chance);
  }
  sha256_end(&s, pool);
  uint64_t seed;
  memcpy(&seed, pool, sizeof seed);
  hmac(pool, "pool", 4, NULL, 0, pool);
  return seed;
}

#if HAS_NETWORK
void control_stir(const uint8_t* chance, uint32_t size) {
  hmac(pool, "stir", 4, chance, size, pool);
}

void control_random(uint8_t* bytes, uint32_t size) {
  uint64_t chance[2] = {board_entropy(), board_now_ms()};
  uint8_t digest[DIGEST_SIZE];
  control_stir((const uint8_t*)chance, sizeof chance);
  hmac(pool, "next", 4, NULL, 0, digest);
  memcpy(bytes, digest, size < sizeof digest ? size : sizeof digest);
}
#endif

static void answer(unsigned link, uint32_t id, uint32_t length) {
  uint8_t* out = node_input() + ANSWER_FRAME_AT;
  line_write(link, out, frame_status(out, id, node_input() + ANSWER_AT, length));
}

static void answer_outcome(unsigned link, uint32_t id, enum op op, enum outcome outcome) {
  uint8_t* p = node_input() + ANSWER_AT;
  p[0] = (uint8_t)(OP_ANSWER + op);
  p[1] = (uint8_t)outcome;
  answer(link, id, 2);
}

static void send_time(unsigned link, uint64_t now) {
  uint8_t* p = node_input() + ANSWER_AT;
  uint64_t wall = now + wall_offset;
  p[0] = OP_TIME;
  memcpy(p + 1, &wall, sizeof wall);
  answer(link, 0, 1 + sizeof wall);
}

void control_hello(unsigned link) {
  uint8_t* p = node_input() + ANSWER_AT;
  p[0] = OP_HELLO;
  p[1] = REPORT_VERSION;
  p[2] = (uint8_t)control_state();
  /* A delimiter first: noise before it is a frame of its own. */
  static const uint8_t delimiter = 0;
  line_write(link, &delimiter, 1);
  answer(link, 0, 3);
}

static enum outcome set_time(unsigned link, const uint8_t* body, uint32_t size, uint64_t now) {
  if (!(settings.links[link].flags & LINK_MAY_SET_CLOCK)) return NOT_ALLOWED;
  uint64_t wall;
  if (size != sizeof wall) return MALFORMED;
  memcpy(&wall, body, sizeof wall);
  if (wall <= now || node_clock(now, wall) < 0) return MALFORMED;
  wall_offset = wall - now;
  return DONE;
}

static uint8_t* put(uint8_t* to, const void* from, uint32_t size) {
  memcpy(to, from, size);
  return to + size;
}

static uint8_t* report_assets(report_head* h, uint8_t* p) {
  for (uint32_t i = 0; i < node_about(FERRULE_DESCRIPTOR_ASSETS); ++i) {
    const ferrule_asset* a = node_asset(i);
    if (!a->open) continue;
    report_asset r = {(uint8_t)i, a->scale, a->code_length};
    p = put(p, &r, sizeof r);
    p = put(p, &a->code0, r.code_length);
    h->assets += 1;
  }
  return p;
}

/* As the core reckons it when it says so (settlementDue): from the balance up to settleTo, once the
 * balance is below the threshold. Debits and credits count up for ever; their difference is small. */
static uint64_t settlement_due(const ferrule_account* a) {
  if (!(a->flags & FERRULE_ACCOUNT_FLAG_SETTLES)) return 0;
  int64_t high = (int64_t)(a->debits_hi - a->credits_hi - (a->debits_lo < a->credits_lo));
  uint64_t low = a->debits_lo - a->credits_lo;
  int64_t threshold = (int64_t)a->settle_threshold_hi;
  int64_t to = (int64_t)a->settle_to_hi;
  if (high > threshold || (high == threshold && low >= a->settle_threshold_lo)) return 0;
  if (high > to || (high == to && low >= a->settle_to_lo)) return 0;
  return a->settle_to_lo - low;
}

static uint8_t* report_accounts(report_head* h, uint8_t* p) {
  for (uint32_t i = 0; i < node_about(FERRULE_DESCRIPTOR_ACCOUNTS); ++i) {
    const ferrule_account* a = node_account(i);
    if (!(a->flags & FERRULE_ACCOUNT_FLAG_OPEN)) continue;
    report_account r = {.index = (uint16_t)i,
                        .asset = (uint8_t)a->asset,
                        .name_length = (uint8_t)a->name_length,
                        .relation = (uint8_t)a->relation,
                        .flags = (uint16_t)a->flags,
                        .debits = {a->debits_lo, a->debits_hi},
                        .credits = {a->credits_lo, a->credits_hi},
                        .debits_pending = a->debits_pending,
                        .credits_pending = a->credits_pending,
                        .settlement_due = settlement_due(a)};
    p = put(p, &r, sizeof r);
    p = put(p, node_name(i), r.name_length);
    h->accounts += 1;
  }
  return p;
}

static void report(unsigned link, uint32_t id, uint64_t now) {
  static const uint8_t core_hash[8] = CORE_HASH;
  uint8_t* start = node_input() + ANSWER_AT;
  uint8_t* p = start + sizeof(report_head);
  report_head h = {.op = OP_ANSWER + OP_REPORT, .version = REPORT_VERSION};
  h.state = (uint8_t)control_state();
  h.reset_cause = (uint8_t)board_reset_cause();
  h.boots = journal.boots;
  h.uptime_ms = now;
  h.wall_ms = control_wall(now);
  h.address = (uint8_t)local_address;
  memcpy(h.core, core_hash, sizeof h.core);
  h.revision = settings.revision;
  h.commits = journal.commits;
  h.journal = (uint8_t)journal.state;
  for (unsigned i = 0; i < LINKS; ++i, ++h.links) {
    report_link l = {settings.links[i].account, board_overruns(i), lines[i].dropped,
                     lines[i].faults};
    p = put(p, &l, sizeof l);
  }
  for (unsigned i = 0; i < FERRULE_COUNTER_COUNT; ++i, ++h.counters) {
    uint64_t value = node_counter((enum ferrule_counter)i);
    p = put(p, &value, sizeof value);
  }
  p = report_assets(&h, p);
  p = report_accounts(&h, p);
  memcpy(start, &h, sizeof h);
  answer(link, id, (uint32_t)(p - start));
}

/* There is one challenge for all lines, so those that may not use it must not replace it. */
static void give_challenge(unsigned link, uint32_t id, uint64_t now) {
  if (!(settings.links[link].flags & LINK_MAY_SET_UP)) {
    answer_outcome(link, id, OP_CHALLENGE, NOT_ALLOWED);
    return;
  }
  hmac(pool, "next", 4, &now, sizeof now, pool);
  memcpy(challenge, pool, sizeof challenge);
  hmac(pool, "pool", 4, NULL, 0, pool);
  challenged = true;
  uint8_t* p = node_input() + ANSWER_AT;
  p[0] = OP_ANSWER + OP_CHALLENGE;
  memcpy(p + 1, challenge, sizeof challenge);
  answer(link, id, 1 + sizeof challenge);
}

/* Is `mac` the HMAC-SHA256 of challenge and message under the key? Every challenge is good for one
 * attempt. */
static bool is_signed(const uint8_t* mac, const uint8_t* message, uint32_t size) {
  if (!settings.has_key || !challenged) return false;
  challenged = false;
  uint8_t right[DIGEST_SIZE];
  uint8_t difference = 0;
  hmac(settings.key, challenge, sizeof challenge, message, size, right);
  for (unsigned i = 0; i < DIGEST_SIZE; ++i) difference |= right[i] ^ mac[i];
  return !difference;
}

/* A board without settings takes its first from whoever holds the wire. */
static enum outcome set_up(unsigned link, const uint8_t* body, uint32_t size) {
  if (!(settings.links[link].flags & LINK_MAY_SET_UP)) return NOT_ALLOWED;
  if (size < DIGEST_SIZE) return MALFORMED;
  const uint8_t* block = body + DIGEST_SIZE;
  uint32_t length = size - DIGEST_SIZE;
  if (settings.found && !is_signed(body, block, length)) return NOT_ALLOWED;
  if (!settings_check(block, length)) return MALFORMED;
  if (!settings_are_possible(block)) return MALFORMED;
  if (!settings_is_newer(block)) return OLDER;
  journal_commit();
  return settings_store(block, length) ? DONE : NOT_WRITTEN;
}

/* Books a settlement, and says so only when it is in flash (where there is one). */
static enum outcome settle(unsigned link, const uint8_t* body, uint32_t size) {
  if (!(settings.links[link].flags & LINK_MAY_SET_UP)) return NOT_ALLOWED;
  settlement s;
  if (size != DIGEST_SIZE + sizeof s) return MALFORMED;
  memcpy(&s, body + DIGEST_SIZE, sizeof s);
  if (!is_signed(body, body + DIGEST_SIZE, sizeof s)) return NOT_ALLOWED;
  enum firmware_state state = control_state();
  bool open = state == STATE_RUNNING || state == STATE_NO_CLOCK || state == STATE_NO_ADDRESS;
  if (!open) return NOT_WRITTEN;
  if (s.magic != SETTLE_MAGIC || s.reserved || s.amount == 0) return MALFORMED;
  memcpy(node_input(), &s.amount, sizeof s.amount);
  if (node_settle(s.account, s.paid) < 0) return MALFORMED;
  journal_commit();
  return journal.state == JOURNAL_REFUSED ? NOT_WRITTEN : DONE;
}

/* Waits until an answer is on the wire, as far as that can be seen, then starts over. */
static void start_over(unsigned link, uint64_t now) {
  while (line_room(link) < TX_SIZE && board_now_ms() - now < 500) board_wait(1);
  uint64_t empty = board_now_ms();
  while (board_now_ms() - empty < 20) board_wait(1);
  board_restart(RESET_SETUP);
}

void control_frame(unsigned link, uint32_t length, uint64_t now) {
  uint8_t* frame = node_input();
  uint32_t size = frame_open(frame, length);
  if (size <= FRAME_HEADER) {
    lines[link].faults += 1;
    return;
  }
  uint32_t id;
  memcpy(&id, frame + 1, sizeof id);
  const uint8_t* body = frame + FRAME_HEADER + 1;
  size -= FRAME_HEADER + 1;
  uint8_t op = frame[FRAME_HEADER];
  bool may_read = settings.links[link].flags & LINK_MAY_READ_REPORT;
  switch (op) {
    case OP_TIME:
      answer_outcome(link, id, OP_TIME, set_time(link, body, size, now));
      return;
    case OP_REPORT:
      if (may_read) report(link, id, now);
      else answer_outcome(link, id, OP_REPORT, NOT_ALLOWED);
      return;
    case OP_CHALLENGE:
      give_challenge(link, id, now);
      return;
    case OP_SETUP: {
      enum outcome outcome = set_up(link, body, size);
      answer_outcome(link, id, OP_SETUP, outcome);
      if (outcome == DONE) start_over(link, now);
      return;
    }
    case OP_SETTLE:
      answer_outcome(link, id, OP_SETTLE, settle(link, body, size));
      return;
    case OP_HELLO:
      if (wall_offset) send_time(link, now);
      return;
    default:
      if (op < OP_ANSWER) answer_outcome(link, id, op, UNKNOWN);
  }
}
