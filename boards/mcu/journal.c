/* The journal; journal.h says how it is laid out and why. */
#include "journal.h"

#include <string.h>

#include "board.h"
#include "digest.h"
#include "node.h"
#include "settings.h"

journal_status journal;

#if HAS_FLASH

enum {
  PAGES = SECTOR_SIZE / PAGE_SIZE,
  RECORDS_MAX = 3, /* in a page */
  ACCOUNTS = 16,
  ASSETS = 4,
  SUMS = ACCOUNTS + 2 * ASSETS,
  ATTEMPTS = 3, /* sectors tried before the flash counts as broken */
};

static const uint32_t MAGIC = 0x4b4f4246; /* "FBOK" */
static const uint32_t VERSION = 1;

/* First page of a sector. */
typedef struct {
  uint32_t crc;
  uint32_t magic;
  uint32_t version;
  uint32_t sequence;
  uint32_t boots;
  uint32_t revision; /* of the settings it was written under */
  uint32_t names[NAMES_MAX];
  uint32_t reserved[38];
} first_page;

/* Every other page. */
typedef struct {
  uint32_t crc;
  uint32_t sequence; /* of its sector */
  uint16_t page;
  uint8_t count;
  uint8_t last; /* ends a commit */
  uint32_t reserved;
  ferrule_record records[RECORDS_MAX];
  uint8_t blank[48];
} record_page;

_Static_assert(sizeof(first_page) == PAGE_SIZE, "first page");
_Static_assert(sizeof(record_page) == PAGE_SIZE, "record page");

/* Newest record of each account and asset; kind 0: there is none. */
static ferrule_record sums[SUMS];
static first_page found;
static const uint8_t* area;
static uint32_t sectors;
static uint32_t sector;    /* in use */
static uint32_t sequence;  /* of it */
static uint32_t next_page; /* free in it */

static const uint8_t* page_at(uint32_t in, uint32_t page) {
  return area + in * SECTOR_SIZE + page * PAGE_SIZE;
}

static bool is_sealed(const void* page) {
  uint32_t crc;
  memcpy(&crc, page, sizeof crc);
  return crc == crc32c((const uint8_t*)page + sizeof crc, PAGE_SIZE - sizeof crc);
}

static bool write_page(uint32_t page, void* bytes) {
  uint32_t crc = crc32c((uint8_t*)bytes + sizeof crc, PAGE_SIZE - sizeof crc);
  memcpy(bytes, &crc, sizeof crc);
  const uint8_t* to = page_at(sector, page);
  board_program(to, bytes);
  return memcmp(to, bytes, PAGE_SIZE) == 0;
}

/* Where the sums of a record are kept; SUMS when it is not one of sums. */
static uint32_t place_of(const ferrule_record* r) {
  if (r->kind == FERRULE_RECORD_KIND_ACCOUNT && r->index < ACCOUNTS) return r->index;
  if (r->index >= ASSETS) return SUMS;
  if (r->kind == FERRULE_RECORD_KIND_INCOME) return ACCOUNTS + 2u * r->index;
  if (r->kind == FERRULE_RECORD_KIND_SETTLEMENT) return ACCOUNTS + 2u * r->index + 1;
  return SUMS;
}

static bool keep(const ferrule_record* r) {
  uint32_t place = place_of(r);
  if (place == SUMS) return false;
  sums[place] = *r;
  return true;
}

/* ---- reading ---- */

static bool find_newest(void) {
  bool any = false;
  for (uint32_t s = 0; s < sectors; ++s) {
    first_page f;
    memcpy(&f, page_at(s, 0), sizeof f);
    if (f.magic != MAGIC || f.version != VERSION || !is_sealed(&f)) continue;
    if (any && f.sequence < found.sequence) continue;
    any = true;
    found = f;
    sector = s;
    sequence = f.sequence;
  }
  return any;
}

/* Pages behind the copy of all sums are written to a sector that counts already. Where there are
 * such behind a first page that cannot be read, it has decayed, and what the sector before says is
 * out of date. Returns the highest sequence of these sectors, if above that of the one found. */
static uint32_t find_decayed(void) {
  uint32_t highest = 0;
  for (uint32_t s = 0; s < sectors; ++s) {
    if (is_sealed(page_at(s, 0))) continue;
    bool behind_copy = false;
    for (uint32_t page = 1; page < PAGES; ++page) {
      const record_page* p = (const void*)page_at(s, page);
      /* The checksum last: of an empty flash it would take long. */
      if (p->page != page || p->sequence <= sequence || !is_sealed(p)) continue;
      if (behind_copy && p->sequence > highest) highest = p->sequence;
      behind_copy |= p->last != 0;
    }
  }
  return highest;
}

static bool read_page(uint32_t page, record_page* to) {
  memcpy(to, page_at(sector, page), sizeof *to);
  return is_sealed(to) && to->sequence == sequence && to->page == page &&
         to->count <= RECORDS_MAX;
}

/* Applies whole commits. False: a page is damaged that was once whole. */
static bool read_sector(void) {
  record_page p;
  uint32_t page = 1;
  uint32_t whole = 1; /* pages before this one are of whole commits */
  while (page < PAGES && read_page(page, &p)) {
    page += 1;
    if (p.last) whole = page;
  }
  /* The copy of all sums was there before the sector counted. */
  if (whole == 1) return false;
  for (uint32_t later = page + 1; later < PAGES; ++later) {
    if (read_page(later, &p)) return false;
  }
  for (page = 1; page < whole; ++page) {
    read_page(page, &p);
    for (unsigned i = 0; i < p.count; ++i) {
      if (!keep(&p.records[i])) return false;
    }
  }
  return true;
}

static bool is_zero(const ferrule_record* r) {
  return r->a == r->c && r->b == r->d;
}

/* Are all sums those of accounts and assets that the settings know under the same index? */
static bool are_ours(void) {
  for (uint32_t i = 0; i < NAMES_MAX; ++i) {
    if (found.names[i] == settings.names[i]) continue;
    if (i < ACCOUNTS) {
      if (sums[i].kind && !is_zero(&sums[i])) return false;
      memset(&sums[i], 0, sizeof *sums);
    } else {
      ferrule_record* r = &sums[ACCOUNTS + 2 * (i - ACCOUNTS)];
      if ((r[0].kind && !is_zero(&r[0])) || (r[1].kind && !is_zero(&r[1]))) return false;
      memset(r, 0, 2 * sizeof *r);
    }
  }
  return true;
}

void journal_load(void) {
  area = board_journal(&sectors);
  memset(sums, 0, sizeof sums);
  journal.boots = 1;
  journal.commits = 0;
  sector = 0;
  sequence = 0;
  journal.state = JOURNAL_OK;
  bool any = find_newest();
  if (any) journal.boots = found.boots + 1;
  uint32_t decayed = find_decayed();
  if (settings.found && settings.forget && settings.revision > found.revision) {
    /* What is written from here on is above all that there is. */
    if (decayed) sequence = decayed;
    return;
  }
  if (decayed) journal.state = JOURNAL_DAMAGED;
  if (decayed || !any) return;
  if (!read_sector()) journal.state = JOURNAL_DAMAGED;
  else if (settings.found && !are_ours()) journal.state = JOURNAL_FOREIGN;
}

/* ---- writing ---- */

/* Writes records as one commit from page `page` on. Returns the page behind it, 0 when refused. */
static uint32_t write_commit(uint32_t page, const ferrule_record* records, uint32_t count) {
  do {
    record_page p;
    memset(&p, 0, sizeof p);
    p.count = (uint8_t)(count < RECORDS_MAX ? count : RECORDS_MAX);
    memcpy(p.records, records, p.count * sizeof *records);
    records += p.count;
    count -= p.count;
    p.sequence = sequence;
    p.page = (uint16_t)page;
    p.last = count == 0;
    if (!write_page(page, &p)) return 0;
    page += 1;
  } while (count);
  return page;
}

/* Begins the next sector with a copy of all sums. */
static bool begin_sector(void) {
  static ferrule_record copy[SUMS];
  uint32_t count = 0;
  for (uint32_t i = 0; i < SUMS; ++i) {
    if (sums[i].kind) copy[count++] = sums[i];
  }
  for (unsigned attempt = 0; attempt < ATTEMPTS; ++attempt) {
    sector = (sector + 1) % sectors;
    sequence += 1;
    board_erase(page_at(sector, 0));
    next_page = write_commit(1, copy, count);
    if (!next_page) continue;
    first_page f;
    memset(&f, 0, sizeof f);
    f.magic = MAGIC;
    f.version = VERSION;
    f.sequence = sequence;
    f.boots = journal.boots;
    f.revision = settings.revision;
    memcpy(f.names, settings.names, sizeof f.names);
    if (write_page(0, &f)) return true;
  }
  return false;
}

static void refuse(void) {
  journal.state = JOURNAL_REFUSED;
  node_set_mode(FERRULE_MODE_DRAINING, 0);
}

void journal_open(void) {
  if (journal.state != JOURNAL_OK) return;
  for (uint32_t i = 0; i < SUMS; ++i) {
    if (sums[i].kind && !node_replay(&sums[i])) {
      journal.state = JOURNAL_DAMAGED;
      return;
    }
  }
  if (!begin_sector()) refuse();
}

void journal_commit(void) {
  if (journal.state != JOURNAL_OK) return;
  static ferrule_record changed[SUMS];
  uint32_t count = 0;
  for (uint32_t more = 1; more;) {
    const ferrule_record* records;
    more = node_commit();
    uint32_t n = node_take_records(&records);
    for (uint32_t i = 0; i < n && count < SUMS; ++i) {
      if (keep(&records[i])) changed[count++] = records[i];
    }
  }
  if (!count) return;
  journal.commits += 1;
  uint32_t pages = (count + RECORDS_MAX - 1) / RECORDS_MAX;
  if (next_page + pages <= PAGES) {
    next_page = write_commit(next_page, changed, count);
    if (next_page) return;
  }
  if (!begin_sector()) refuse();
}

#else

void journal_load(void) {
  journal.state = JOURNAL_NONE;
  journal.boots = 1;
}

void journal_open(void) {}

/* Records that nobody takes would fill the core's room for them. */
void journal_commit(void) {
  const ferrule_record* records;
  while (node_commit()) node_take_records(&records);
  node_take_records(&records);
}

#endif
