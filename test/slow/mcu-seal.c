/* The firmware's seal as a program, for comparison with another implementation. Reads, again and
 * again: what u8 ('r' a record, 'p' a Poly1305 tag) | key 32 | count u64 | length u32 | text. */
#include "seal.c"

#include <stdio.h>

static uint8_t bytes[RECORD_MAX];
static uint8_t copy[RECORD_MAX];

static int record(const uint8_t* key, uint64_t count, uint32_t length) {
  seal_state s;
  uint8_t* text = bytes + RECORD_HEAD;
  memcpy(copy, text, length);
  seal_start(&s, key);
  s.count = count;
  seal_record(&s, bytes, length);
  fwrite(bytes, 1, length + RECORD_EXTRA, stdout);
  /* What one bit has changed is not opened, and not counted. */
  uint32_t at = (uint32_t)(count % (length + RECORD_TAG));
  text[at] ^= 4;
  if (seal_open(&s, bytes, length) || s.count != count) return 2;
  text[at] ^= 4;
  if (!seal_open(&s, bytes, length) || s.count != count + 1) return 3;
  return memcmp(text, copy, length) ? 4 : 0;
}

int main(void) {
  uint8_t what;
  uint8_t key[32];
  uint64_t count;
  uint32_t length;
  int status = 0;
  while (!status && fread(&what, 1, 1, stdin) == 1) {
    if (fread(key, 1, sizeof key, stdin) != sizeof key) return 1;
    if (fread(&count, sizeof count, 1, stdin) != 1) return 1;
    if (fread(&length, sizeof length, 1, stdin) != 1 || length > RECORD_TEXT_MAX) return 1;
    if (fread(bytes + RECORD_HEAD, 1, length, stdin) != length) return 1;
    if (what == 'p') {
      poly p;
      uint8_t tag[RECORD_TAG];
      poly_start(&p, key);
      poly_add(&p, bytes + RECORD_HEAD, length);
      poly_end(&p, tag);
      fwrite(tag, 1, sizeof tag, stdout);
    } else {
      status = record(key, count, length);
    }
  }
  return status;
}
