/* The books in flash: what the core commits, so that a power cut costs one commit period at most.
 *
 * Sectors are written in turn. Each begins with a copy of all sums, and commits are appended behind
 * it until it is full. Its first page is written last and makes it valid, so a cut at any moment
 * leaves the sector before, whole. Every page carries a CRC32C; a commit of several pages counts
 * only when its last one is there. */
#ifndef FERRULE_JOURNAL_H
#define FERRULE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

enum journal_state {
  JOURNAL_NONE = 0, /* this board has no flash for it */
  JOURNAL_OK = 1,
  JOURNAL_DAMAGED = 2, /* what is there cannot be read: nothing is written over it */
  JOURNAL_FOREIGN = 3, /* it has sums of accounts that the settings do not know */
  JOURNAL_REFUSED = 4, /* the flash does not take what is written */
};

typedef struct {
  enum journal_state state;
  uint32_t boots;   /* starts, this one included */
  uint32_t commits; /* since the start */
} journal_status;

extern journal_status journal;

/* Reads what is there. Needs settings, not the core. */
void journal_load(void);
/* Puts the sums into the core, whose accounts are open, and begins a sector of its own. */
void journal_open(void);
/* Writes what has changed since the last call. */
void journal_commit(void);

#endif
