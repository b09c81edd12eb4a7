/* Plays packets through the core translated to C by wasm2c, to be counted: every Prepare and its
 * Fulfill, then every Prepare and a Reject, BATCH of them in flight. See ../instructions.ts, which
 * writes the files. On a computer callgrind counts; on the microcontroller that QEMU shows (TICKS
 * is defined) the program counts itself, by the ticks of a clock that instructions drive.
 *
 *   count IMAGE PACKETS INPUT-ADDRESS MONOTONIC-MS
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

/* What boards/embed/c/runtime.c calls, and boards/mcu/runtime.c. */
void ferrule_trapped(int trap) {
  fprintf(stderr, "the core trapped: %d\n", trap);
  exit(3);
}
_Noreturn void core_trapped(void) {
  fprintf(stderr, "the core trapped\n");
  exit(3);
}

#ifndef BATCH
#define BATCH 1024
#endif
enum { COUNT = 1024, SLOT = 256, REQUEST = 2, REPLY = 3 };
_Static_assert(COUNT % BATCH == 0, "COUNT packets in whole batches");

/* What a verb takes, added up by its kind. */
enum { NOTHING, PREPARE, FULFILL, REJECT, KINDS };
#ifdef TICKS
uint32_t ticks_now(void); /* counts down, 24 bits */
static uint64_t ticks[KINDS];
#define COUNTED(kind, call)                       \
  do {                                            \
    uint32_t from = ticks_now();                  \
    call;                                         \
    ticks[kind] += (from - ticks_now()) & 0xffffff; \
  } while (0)
#else
#define COUNTED(kind, call) call
#endif

static Z_core_instance_t core;
static uint8_t packets[(2 * COUNT + 1) * SLOT];
static uint32_t ids[COUNT];
static uint8_t* memory;
static uint32_t input, now;

static void read_file(const char* path, uint8_t* to, size_t size) {
  FILE* file = fopen(path, "rb");
  if (!file || fread(to, 1, size, file) != size) {
    perror(path);
    exit(2);
  }
  fclose(file);
}

static uint32_t put(unsigned slot) {
  uint32_t length;
  memcpy(&length, packets + slot * SLOT, 4);
  memcpy(memory + input, packets + slot * SLOT + 4, length);
  return length;
}

/* Takes the one output there must be; returns its request id. */
static uint32_t take(uint16_t expected) {
  uint32_t at = Z_coreZ_poll(&core);
  uint16_t kind;
  uint32_t id;
  memcpy(&kind, memory + at, 2);
  memcpy(&id, memory + at + 8, 4);
  if (!at || kind != expected || Z_coreZ_poll(&core)) {
    fprintf(stderr, "output of kind %u, not %u\n", kind, expected);
    exit(1);
  }
  return id;
}

static void prepares(unsigned first) {
  for (unsigned i = first; i < first + BATCH; ++i) {
    uint32_t length = put(i);
    COUNTED(PREPARE, Z_coreZ_request(&core, 1, i, length, now, 0));
    ids[i] = take(REQUEST);
  }
}

/* Apart, so that callgrind counts each by its name. */
__attribute__((noinline)) void fulfills(unsigned first) {
  for (unsigned i = first; i < first + BATCH; ++i) {
    uint32_t length = put(COUNT + i);
    COUNTED(FULFILL, Z_coreZ_reply(&core, 2, ids[i], length, now, 0));
    take(REPLY);
  }
}

__attribute__((noinline)) void rejects(unsigned first) {
  for (unsigned i = first; i < first + BATCH; ++i) {
    uint32_t length = put(2 * COUNT);
    COUNTED(REJECT, Z_coreZ_reply(&core, 2, ids[i], length, now, 0));
    take(REPLY);
  }
}

int main(int count, char** arguments) {
  if (count != 5) return 2;
  Z_core_init_module();
  Z_core_instantiate(&core);
  wasm_rt_memory_t* m = Z_coreZ_memory(&core);
  memory = m->data;
  read_file(arguments[1], memory, m->size);
  read_file(arguments[2], packets, sizeof packets);
  input = (uint32_t)strtoul(arguments[3], 0, 10);
  now = (uint32_t)strtoul(arguments[4], 0, 10);
  for (unsigned first = 0; first < COUNT; first += BATCH) {
    prepares(first);
    fulfills(first);
  }
  for (unsigned first = 0; first < COUNT; first += BATCH) {
    prepares(first);
    rejects(first);
  }
#ifdef TICKS
  for (unsigned i = 0; i < COUNT; ++i) COUNTED(NOTHING, (void)0);
  printf("{");
  for (unsigned i = NOTHING; i < KINDS; ++i) {
    printf("%s\"%u\":%lu", i ? "," : "", i, (unsigned long)ticks[i]);
  }
  printf("}\n");
#endif
  return 0;
}
