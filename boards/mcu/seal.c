/* ChaCha20 and Poly1305 (RFC 8439), in constant time: no table, no branch on a secret. Every
 * byte of a line passes here twice, so this file is compiled for speed. */
#pragma GCC optimize("O2")

#include "seal.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { CHACHA_BLOCK = 64, POLY_BLOCK = 16 };

/* Little-endian words at any address, as the processors of these boards have them. */
INLINE uint32_t load(const uint8_t* p) {
  uint32_t x;
  memcpy(&x, p, sizeof x);
  return x;
}

INLINE void store(uint8_t* p, uint32_t x) { memcpy(p, &x, sizeof x); }

/* ---- ChaCha20 ---- */

INLINE uint32_t rotate(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }

INLINE void quarter(uint32_t* x, unsigned a, unsigned b, unsigned c, unsigned d) {
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
    quarter(x, 0, 4, 8, 12);
    quarter(x, 1, 5, 9, 13);
    quarter(x, 2, 6, 10, 14);
    quarter(x, 3, 7, 11, 15);
    quarter(x, 0, 5, 10, 15);
    quarter(x, 1, 6, 11, 12);
    quarter(x, 2, 7, 8, 13);
    quarter(x, 3, 4, 9, 14);
  }
  for (unsigned i = 0; i < 16; ++i) store(out + 4 * i, x[i] + start[i]);
}

/* The text is under the blocks from 1 on. */
static void mix(const seal_state* s, uint8_t* bytes, uint32_t length) {
  uint8_t stream[CHACHA_BLOCK];
  for (uint32_t number = 1; length; ++number) {
    uint32_t part = length < CHACHA_BLOCK ? length : CHACHA_BLOCK;
    key_stream(s->key, s->count, number, stream);
    uint32_t i = 0;
    for (; i + 4 <= part; i += 4) store(bytes + i, load(bytes + i) ^ load(stream + i));
    for (; i < part; ++i) bytes[i] ^= stream[i];
    bytes += part;
    length -= part;
  }
}

/* ---- Poly1305: numbers modulo 2^130 - 5 as five limbs of 26 bits ---- */

typedef struct {
  uint32_t r[5];
  uint32_t r5[5]; /* five times as much */
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
    p->r5[i] = 5 * p->r[i];
  }
  for (unsigned i = 0; i < 4; ++i) p->end[i] = load(key + 16 + 4 * i);
}

INLINE uint64_t wide(uint32_t a, uint32_t b) { return (uint64_t)a * b; }

static void poly_block(poly* p, const uint8_t block[POLY_BLOCK]) {
  uint32_t a = p->h[0] + (load(block) & LIMB);
  uint32_t b = p->h[1] + (load(block + 3) >> 2 & LIMB);
  uint32_t c = p->h[2] + (load(block + 6) >> 4 & LIMB);
  uint32_t d = p->h[3] + (load(block + 9) >> 6 & LIMB);
  uint32_t e = p->h[4] + (load(block + 12) >> 8 | 1u << 24);
  const uint32_t* r = p->r;
  /* What is above 2^130 comes back five times at the bottom. */
  const uint32_t* r5 = p->r5;
  uint64_t x = wide(a, r[0]) + wide(b, r5[4]) + wide(c, r5[3]) + wide(d, r5[2]) + wide(e, r5[1]);
  p->h[0] = (uint32_t)x & LIMB;
  x = (x >> 26) + wide(a, r[1]) + wide(b, r[0]) + wide(c, r5[4]) + wide(d, r5[3]) + wide(e, r5[2]);
  p->h[1] = (uint32_t)x & LIMB;
  x = (x >> 26) + wide(a, r[2]) + wide(b, r[1]) + wide(c, r[0]) + wide(d, r5[4]) + wide(e, r5[3]);
  p->h[2] = (uint32_t)x & LIMB;
  x = (x >> 26) + wide(a, r[3]) + wide(b, r[2]) + wide(c, r[1]) + wide(d, r[0]) + wide(e, r5[4]);
  p->h[3] = (uint32_t)x & LIMB;
  x = (x >> 26) + wide(a, r[4]) + wide(b, r[3]) + wide(c, r[2]) + wide(d, r[1]) + wide(e, r[0]);
  p->h[4] = (uint32_t)x & LIMB;
  x = (x >> 26) * 5 + p->h[0];
  p->h[0] = (uint32_t)x & LIMB;
  p->h[1] += (uint32_t)(x >> 26);
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
