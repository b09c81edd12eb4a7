/* Checksums of frames, settings and journal pages; SHA-256 for seeds and for setup messages. The
 * core has its own of both, but exports neither. */
#ifndef FERRULE_DIGEST_H
#define FERRULE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32 };

/* CRC32C (Castagnoli), as in iSCSI (RFC 3720); "123456789" gives e3069283. */
uint32_t crc32c(const void* bytes, size_t size);

typedef struct {
  uint32_t state[8];
  uint32_t length;
  uint8_t block[64];
} sha256;

void sha256_start(sha256* s);
void sha256_add(sha256* s, const void* bytes, size_t size);
void sha256_end(sha256* s, uint8_t digest[DIGEST_SIZE]);

/* HMAC-SHA256 (RFC 2104) of two parts, one behind the other. The key has DIGEST_SIZE bytes. */
void hmac(const uint8_t key[DIGEST_SIZE], const void* first, size_t first_size, const void* second,
          size_t second_size, uint8_t mac[DIGEST_SIZE]);

#endif
