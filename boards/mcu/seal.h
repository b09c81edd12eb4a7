/* Records of a sealed line: ChaCha20-Poly1305 (RFC 8439) under a key of one direction of one
 * connection. README.md has the format. */
#ifndef FERRULE_SEAL_H
#define FERRULE_SEAL_H

#include <stdbool.h>
#include <stdint.h>

enum {
  SEAL_KEY = 32,
  RECORD_HEAD = 2,
  RECORD_TAG = 16,
  RECORD_EXTRA = RECORD_HEAD + RECORD_TAG,
  RECORD_TEXT_MAX = 1024,
  RECORD_MAX = RECORD_TEXT_MAX + RECORD_EXTRA,
};

typedef struct {
  uint32_t key[8];
  uint64_t count; /* records so far: the nonce */
} seal_state;

void seal_start(seal_state* s, const uint8_t key[SEAL_KEY]);
/* Seals `length` bytes (1 to RECORD_TEXT_MAX) at `record` + RECORD_HEAD in place; the record is
 * RECORD_EXTRA longer. The caller counts it when it is certain to be sent. */
void seal_record(const seal_state* s, uint8_t* record, uint32_t length);
/* Opens a record of so many bytes of text in place, and counts it. False: it is not the peer's. */
bool seal_open(seal_state* s, uint8_t* record, uint32_t length);

#endif
