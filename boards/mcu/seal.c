/* ChaCha20 and Poly1305 (RFC 8439), small and in constant time: no table, no branch on a secret. */
#include "seal.h"

#include <string.h>

enum { CHACHA_BLOCK = 64, POLY_BLOCK = 16 };

static uint32_t load(const uint8_t* p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store(uint8_t* p, uint32_t x) {
  for (unsigned i = 0; i < 4; ++i) p[i] = (uint8_t)(x >> (8 * i));
}

/* ---- ChaCha20 ---- */

static uint32_t rotate(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }

static void quarter(uint32_t* x, unsigned a, unsigned b, unsigned c, unsigned d) {
  x[a] += x[b];
  x[d] = rotate(x[d] ^ x[a], 16);
  x[c] += x[d];
  x[b] = rotate(x[b] ^ x[c], 12);
  x[a] += x[b];
  x[d] = rotate(x[d] ^ x[a], 8);
  x[c] += x[d];
  x[b] = rotate(x[b] ^ x[c], 7);
}

/* Block `number` of the key stream of record `count`: its nonce is four zeros and the count. */
static void key_stream(const uint32_t key[8], uint64_t count, uint32_t number,
                       uint8_t out[CHACHA_BLOCK]) {
  uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  uint32_t x[16];
  memcpy(start + 4, key, 8 * sizeof *key);
  start[12] = number;
  start[14] = (uint32_t)count;
  start[15] = (uint32_t)(count >> 32);
  memcpy(x, start, sizeof x);
  for (unsigned round = 0; round < 10; ++round) {
    for (unsigned i = 0; i < 4; ++i) quarter(x, i, 4 + i, 8 + i, 12 + i);
    for (unsigned i = 0; i < 4; ++i) {
      quarter(x, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3));
    }
  }
  for (unsigned i = 0; i < 16; ++i) store(out + 4 * i, x[i] + start[i]);
}

/* The text is under the blocks from 1 on. */
static void mix(const seal_state* s, uint8_t* bytes, uint32_t length) {
  uint8_t stream[CHACHA_BLOCK];
  for (uint32_t at = 0; at < length; ++at) {
    uint32_t i = at % CHACHA_BLOCK;
    if (i == 0) key_stream(s->key, s->count, 1 + at / CHACHA_BLOCK, stream);
    bytes[at] ^= stream[i];
  }
}

/* ---- Poly1305: numbers modulo 2^130 - 5 as five limbs of 26 bits ---- */

typedef struct {
  uint32_t r[5];
  uint32_t h[5];
  uint32_t end[4]; /* added to the result */
} poly;

static const uint32_t LIMB = 0x3ffffff;

static void poly_start(poly* p, const uint8_t key[32]) {
  static const uint32_t clamp[5] = {0x3ffffff, 0x3ffff03, 0x3ffc0ff, 0x3f03fff, 0x00fffff};
  memset(p, 0, sizeof *p);
  for (unsigned i = 0; i < 5; ++i) {
    /* Limb i begins at bit 26 i; the last one reads the four bytes that end the number. */
    uint32_t word = i < 4 ? load(key + 3 * i) >> (2 * i) : load(key + 12) >> 8;
    p->r[i] = word & clamp[i];
  }
  for (unsigned i = 0; i < 4; ++i) p->end[i] = load(key + 16 + 4 * i);
}

static void poly_block(poly* p, const uint8_t block[POLY_BLOCK]) {
  for (unsigned i = 0; i < 4; ++i) p->h[i] += (load(block + 3 * i) >> (2 * i)) & LIMB;
  p->h[4] += load(block + 12) >> 8 | 1u << 24;
  uint64_t d[5];
  for (unsigned i = 0; i < 5; ++i) {
    d[i] = 0;
    for (unsigned j = 0; j < 5; ++j) {
      uint32_t r = j <= i ? p->r[i - j] : 5 * p->r[5 + i - j];
      d[i] += (uint64_t)p->h[j] * r;
    }
  }
  uint64_t carry = 0;
  for (unsigned i = 0; i < 5; ++i) {
    d[i] += carry;
    p->h[i] = (uint32_t)d[i] & LIMB;
    carry = d[i] >> 26;
  }
  /* What is above 2^130 comes back five times at the bottom. */
  carry = carry * 5 + p->h[0];
  p->h[0] = (uint32_t)carry & LIMB;
  p->h[1] += (uint32_t)(carry >> 26);
}

/* The last piece of each part is filled up with zeros. */
static void poly_add(poly* p, const uint8_t* bytes, uint32_t length) {
  for (; length >= POLY_BLOCK; bytes += POLY_BLOCK, length -= POLY_BLOCK) poly_block(p, bytes);
  if (!length) return;
  uint8_t block[POLY_BLOCK] = {0};
  memcpy(block, bytes, length);
  poly_block(p, block);
}

static uint32_t carry_all(uint32_t* h) {
  uint32_t carry = 0;
  for (unsigned i = 0; i < 5; ++i) {
    h[i] += carry;
    carry = h[i] >> 26;
    h[i] &= LIMB;
  }
  return carry;
}

static void poly_end(poly* p, uint8_t tag[RECORD_TAG]) {
  uint32_t* h = p->h;
  /* Twice: the first round may leave a carry that only the second one takes to its place. */
  for (unsigned i = 0; i < 2; ++i) {
    uint32_t carry = carry_all(h);
    h[0] += 5 * carry;
  }
  carry_all(h);
  /* h - (2^130 - 5) if that is not below zero. */
  uint32_t g[5];
  memcpy(g, h, sizeof g);
  g[0] += 5;
  uint32_t over = 0 - carry_all(g);
  for (unsigned i = 0; i < 5; ++i) h[i] = (h[i] & ~over) | (g[i] & over);
  uint64_t sum = 0;
  for (unsigned i = 0; i < 4; ++i) {
    uint32_t word = h[i] >> (6 * i) | h[i + 1] << (26 - 6 * i);
    sum += (uint64_t)word + p->end[i];
    store(tag + 4 * i, (uint32_t)sum);
    sum >>= 32;
  }
}

/* ---- records ---- */

static void make_tag(const seal_state* s, const uint8_t* record, uint32_t length,
                     uint8_t tag[RECORD_TAG]) {
  uint8_t block[CHACHA_BLOCK];
  poly p;
  key_stream(s->key, s->count, 0, block);
  poly_start(&p, block);
  poly_add(&p, record, RECORD_HEAD);
  poly_add(&p, record + RECORD_HEAD, length);
  uint8_t sizes[POLY_BLOCK] = {RECORD_HEAD};
  store(sizes + 8, length);
  poly_add(&p, sizes, sizeof sizes);
  poly_end(&p, tag);
}

void seal_start(seal_state* s, const uint8_t key[SEAL_KEY]) {
  for (unsigned i = 0; i < 8; ++i) s->key[i] = load(key + 4 * i);
  s->count = 0;
}

void seal_record(const seal_state* s, uint8_t* record, uint32_t length) {
  record[0] = (uint8_t)length;
  record[1] = (uint8_t)(length >> 8);
  mix(s, record + RECORD_HEAD, length);
  make_tag(s, record, length, record + RECORD_HEAD + length);
}

bool seal_open(seal_state* s, uint8_t* record, uint32_t length) {
  uint8_t tag[RECORD_TAG];
  uint8_t difference = 0;
  make_tag(s, record, length, tag);
  for (unsigned i = 0; i < RECORD_TAG; ++i) difference |= tag[i] ^ record[RECORD_HEAD + length + i];
  if (difference) return false;
  mix(s, record + RECORD_HEAD, length);
  s->count += 1;
  return true;
}
