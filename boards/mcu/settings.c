/* Settings: found, checked, applied, replaced. Nothing is read before its checksum is right. */
#include "settings.h"

#include <string.h>

#include "node.h"

enum { SLOTS = 2, BAUD_MIN = 300, BAUD_MAX = 3000000, BAUD_DEFAULT = 115200 };
enum { COMMIT_DEFAULT_MS = 1000 };

/* The firmware's own commands; those below 0x80 are `ferrule_verb`. */
enum command_verb {
  COMMAND_LINK = 0x80,
  COMMAND_KEY = 0x81,
  COMMAND_COMMIT = 0x82,
  COMMAND_SEED = 0x83,
  COMMAND_FORGET = 0x84,
  /* Boards without a network refuse these, and all of the settings with them. */
  COMMAND_NETWORK = 0x85,
  COMMAND_LISTEN = 0x86,
  COMMAND_INHERIT = 0x87,
};

typedef struct {
  uint32_t magic;
  uint32_t version;
  uint32_t revision;
  uint32_t size; /* of the commands behind it */
  uint32_t crc;  /* CRC32C of the four words before and the commands */
  uint32_t reserved[3];
} header;

typedef struct {
  uint8_t verb;
  uint8_t reserved;
  uint16_t length; /* of the parameters behind it, padded to 4 */
  uint32_t a;
  uint32_t b;
} command;

static const uint32_t MAGIC = 0x54455346; /* "FSET" */
static const uint32_t VERSION = 1;

settings_state settings;
static const uint8_t* block_in_use;
static unsigned slot_in_use;

static header header_of(const uint8_t* block) {
  header h;
  memcpy(&h, block, sizeof h);
  return h;
}

/* CRC32C of two pieces, without a copy: the first is short. */
static uint32_t checksum(const header* h, const uint8_t* commands) {
  uint32_t words[5] = {h->magic, h->version, h->revision, h->size, 0};
  words[4] = crc32c(commands, h->size);
  return crc32c(words, sizeof words);
}

bool settings_check(const uint8_t* block, uint32_t size) {
  if (size < sizeof(header)) return false;
  header h = header_of(block);
  if (h.magic != MAGIC || h.version != VERSION) return false;
  if (h.size > size - sizeof h) return false;
  return checksum(&h, block + sizeof h) == h.crc;
}

bool settings_is_newer(const uint8_t* block) {
  return !settings.found || header_of(block).revision > settings.revision;
}

/* Calls `visit` for every command. False: one does not fit its place, or `visit` said so; those
 * behind it are visited all the same, so that key and lines hold and others can be sent. */
static bool each(const uint8_t* block, bool (*visit)(const command*, const uint8_t* parameters)) {
  const uint8_t* at = block + sizeof(header);
  uint32_t left = header_of(block).size;
  bool good = true;
  while (left >= sizeof(command)) {
    command c;
    memcpy(&c, at, sizeof c);
    uint32_t size = sizeof c + ((c.length + 3u) & ~3u);
    if (size > left) return false;
    good &= visit(&c, at + sizeof c);
    at += size;
    left -= size;
  }
  return good && left == 0;
}

static bool read_link(const command* c, const uint8_t* parameters) {
  if (c->a >= LINKS || c->length != 8) return false;
  link_settings* l = &settings.links[c->a];
  l->account = c->b;
  memcpy(&l->baud, parameters, 4);
  memcpy(&l->flags, parameters + 4, 4);
  if (l->baud >= BAUD_MIN && l->baud <= BAUD_MAX) return true;
  l->baud = BAUD_DEFAULT;
  return false;
}

#if HAS_NETWORK
static bool read_network(const command* c, const uint8_t* parameters) {
  if (c->length != sizeof settings.network) return false;
  memcpy(&settings.network, parameters, sizeof settings.network);
  return true;
}

/* A port of its own, and a key that is not nothing. */
static bool read_listen(const command* c, const uint8_t* parameters) {
  if (c->a >= LINKS || c->b == 0 || c->b > 0xffff || c->length != DIGEST_SIZE) return false;
  for (unsigned link = 0; link < LINKS; ++link) {
    if (link != c->a && settings.links[link].port == c->b) return false;
  }
  link_settings* l = &settings.links[c->a];
  l->port = (uint16_t)c->b;
  memcpy(l->key, parameters, DIGEST_SIZE);
  uint8_t any = 0;
  for (unsigned i = 0; i < DIGEST_SIZE; ++i) any |= l->key[i];
  return any != 0;
}
#endif

/* Which account or asset is which index, so that the books are never read as somebody else's. */
static bool read_name(const command* c, const uint8_t* parameters) {
  if (c->verb == FERRULE_VERB_ASSET_SET) {
    if (c->a >= NAMES_MAX - ACCOUNT_NAMES) return false;
    settings.names[ACCOUNT_NAMES + c->a] = crc32c(parameters, c->length) | 1;
    return true;
  }
  ferrule_account_settings s;
  if (c->a >= ACCOUNT_NAMES || c->length < sizeof s) return false;
  memcpy(&s, parameters, sizeof s);
  if (s.name_length > c->length - sizeof s || s.asset >= NAMES_MAX - ACCOUNT_NAMES) return false;
  uint32_t words[2] = {crc32c(parameters + sizeof s, s.name_length),
                       settings.names[ACCOUNT_NAMES + s.asset]};
  settings.names[c->a] = crc32c(words, sizeof words) | 1;
  return true;
}

static bool read_own(const command* c, const uint8_t* parameters) {
  switch (c->verb) {
    case FERRULE_VERB_ASSET_SET:
    case FERRULE_VERB_ACCOUNT_SET:
      return read_name(c, parameters);
    case COMMAND_LINK:
      return read_link(c, parameters);
    case COMMAND_KEY:
      if (c->length != DIGEST_SIZE) return false;
      memcpy(settings.key, parameters, DIGEST_SIZE);
      settings.has_key = true;
      return true;
    case COMMAND_COMMIT:
      settings.commit_ms = c->a;
      return c->a >= 100;
    case COMMAND_SEED:
      memcpy(settings.seed, parameters, c->length < SEED_MAX ? c->length : SEED_MAX);
      return true;
    case COMMAND_FORGET:
      settings.forget = true;
      return true;
    case COMMAND_INHERIT:
      settings.inherits = true;
      settings.inherit_from = c->a;
      settings.production = c->b;
      return c->a < ACCOUNT_NAMES;
#if HAS_NETWORK
    case COMMAND_NETWORK:
      return read_network(c, parameters);
    case COMMAND_LISTEN:
      return read_listen(c, parameters);
#endif
    default:
      return c->verb < COMMAND_LINK;
  }
}

static bool apply_core(const command* c, const uint8_t* parameters) {
  if (c->verb >= COMMAND_LINK) return true;
  if (c->length > node_about(FERRULE_DESCRIPTOR_INPUT_BYTES)) return false;
  memcpy(node_input(), parameters, c->length);
  return node_set((enum ferrule_verb)c->verb, c->a, c->b) == FERRULE_STATUS_OK;
}

/* What holds without settings. */
static void set_defaults(void) {
  memset(&settings, 0, sizeof settings);
  settings.commit_ms = COMMIT_DEFAULT_MS;
  for (unsigned link = 0; link < LINKS; ++link) {
    /* Without settings the first line takes them, and everybody may ask how the board is. */
    settings.links[link] = (link_settings){
        .account = NO_ACCOUNT, .baud = BAUD_DEFAULT, .flags = LINK_MAY_READ_REPORT};
  }
  settings.links[0].flags |= LINK_MAY_SET_UP;
}

/* Reads the firmware's part of a block that is whole. */
static void read_block(const uint8_t* block) {
  settings.found = true;
  settings.revision = header_of(block).revision;
  /* The place of a line without a command is a line that does nothing. */
  for (unsigned link = 0; link < LINKS; ++link) settings.links[link].flags = 0;
  settings.accepted = each(block, read_own);
}

void settings_load(void) {
  set_defaults();
  block_in_use = NULL;
  for (unsigned slot = 0; slot < SLOTS; ++slot) {
    uint32_t sectors = 0;
    const uint8_t* block = board_settings(slot, &sectors);
    if (!block || !settings_check(block, sectors * SECTOR_SIZE)) continue;
    if (block_in_use && header_of(block).revision <= header_of(block_in_use).revision) continue;
    block_in_use = block;
    slot_in_use = slot;
  }
  if (block_in_use) read_block(block_in_use);
}

/* Does every line have an account that there is, and a way to its peer? */
static bool are_lines_good(void) {
  uint32_t accounts = node_about(FERRULE_DESCRIPTOR_ACCOUNTS);
  for (unsigned link = 0; link < LINKS; ++link) {
    uint32_t account = settings.links[link].account;
    if (account == NO_ACCOUNT) continue;
    if (account >= accounts) return false;
    for (unsigned other = 0; other < link; ++other) {
      if (settings.links[other].account == account) return false;
    }
#if HAS_NETWORK
    if (link >= SERIAL_LINES && !settings.links[link].port) return false;
#endif
  }
  return !settings.inherits || settings.inherit_from < accounts;
}

bool settings_are_possible(const uint8_t* block) {
  settings_state in_use = settings;
  set_defaults();
  read_block(block);
  bool possible = settings.accepted && are_lines_good();
  settings = in_use;
  return possible;
}

void settings_apply(void) {
  if (settings.accepted) settings.accepted = each(block_in_use, apply_core);
  if (!are_lines_good()) settings.accepted = false;
}

bool settings_store(const uint8_t* block, uint32_t size) {
  unsigned slot = settings.found ? slot_in_use ^ 1 : 0;
  uint32_t sectors = 0;
  const uint8_t* to = board_settings(slot, &sectors);
  if (!to || size > sectors * SECTOR_SIZE) return false;
  for (uint32_t at = 0; at < size; at += SECTOR_SIZE) board_erase(to + at);
  /* The first page last: a cut before it leaves the slot without a header. */
  uint32_t pages = (size + PAGE_SIZE - 1) / PAGE_SIZE;
  for (uint32_t page = pages; page-- > 0;) {
    uint8_t bytes[PAGE_SIZE];
    uint32_t at = page * PAGE_SIZE;
    uint32_t length = size - at < PAGE_SIZE ? size - at : PAGE_SIZE;
    memset(bytes, 0xff, sizeof bytes);
    memcpy(bytes, block + at, length);
    board_program(to + at, bytes);
  }
  return memcmp(to, block, size) == 0;
}
