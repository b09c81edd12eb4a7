/* Small rather than fast: a handful of frames a minute pass here, never a packet. */
#include "digest.h"

#include <string.h>

uint32_t crc32c(const void* bytes, size_t size) {
  static const uint32_t table[16] = {
      0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
      0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
      0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
  };
  uint32_t crc = 0xffffffff;
  for (const uint8_t* p = bytes; size; --size) {
    crc ^= *p++;
    crc = (crc >> 4) ^ table[crc & 15];
    crc = (crc >> 4) ^ table[crc & 15];
  }
  return ~crc;
}

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }

static void compress(sha256* s) {
  uint32_t w[64];
  uint32_t h[8];
  for (unsigned i = 0; i < 16; ++i) {
    const uint8_t* p = s->block + 4 * i;
    w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  }
  for (unsigned i = 16; i < 64; ++i) {
    uint32_t a = w[i - 15];
    uint32_t b = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
           (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
  }
  memcpy(h, s->state, sizeof h);
  for (unsigned i = 0; i < 64; ++i) {
    uint32_t e = h[4];
    uint32_t a = h[0];
    uint32_t t = h[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                 ((e & h[5]) ^ (~e & h[6])) + K[i] + w[i];
    uint32_t u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                 ((a & h[1]) ^ (a & h[2]) ^ (h[1] & h[2]));
    memmove(h + 1, h, 7 * sizeof *h);
    h[4] += t;
    h[0] = t + u;
  }
  for (unsigned i = 0; i < 8; ++i) s->state[i] += h[i];
}

void sha256_start(sha256* s) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(s->state, start, sizeof start);
  s->length = 0;
}

void sha256_add(sha256* s, const void* bytes, size_t size) {
  for (const uint8_t* p = bytes; size; --size) {
    s->block[s->length++ & 63] = *p++;
    if ((s->length & 63) == 0) compress(s);
  }
}

void sha256_end(sha256* s, uint8_t digest[DIGEST_SIZE]) {
  uint64_t bits = (uint64_t)s->length * 8;
  uint8_t byte = 0x80;
  do {
    sha256_add(s, &byte, 1);
    byte = 0;
  } while ((s->length & 63) != 56);
  for (unsigned i = 0; i < 8; ++i) {
    byte = (uint8_t)(bits >> (56 - 8 * i));
    sha256_add(s, &byte, 1);
  }
  for (unsigned i = 0; i < DIGEST_SIZE; ++i) {
    digest[i] = (uint8_t)(s->state[i / 4] >> (24 - 8 * (i & 3)));
  }
}

static void hmac_start(sha256* s, const uint8_t key[DIGEST_SIZE], uint8_t pad) {
  uint8_t block[64];
  memset(block, pad, sizeof block);
  for (unsigned i = 0; i < DIGEST_SIZE; ++i) block[i] ^= key[i];
  sha256_start(s);
  sha256_add(s, block, sizeof block);
}

void hmac(const uint8_t key[DIGEST_SIZE], const void* first, size_t first_size, const void* second,
          size_t second_size, uint8_t mac[DIGEST_SIZE]) {
  sha256 s;
  uint8_t inner[DIGEST_SIZE];
  hmac_start(&s, key, 0x36);
  sha256_add(&s, first, first_size);
  sha256_add(&s, second, second_size);
  sha256_end(&s, inner);
  hmac_start(&s, key, 0x5c);
  sha256_add(&s, inner, sizeof inner);
  sha256_end(&s, mac);
}
