/* Plays a recorded script (test/slow/README.md) on the core translated to C by wasm2c, and says
 * where it differs from what was recorded. `verbs.h` is written by the test from the exports.
 *
 *   runner SCRIPT          every result, output and mark is compared
 *   runner SCRIPT --quick  results only, nothing is hashed: for measuring
 *
 * Ends with 0 when all is as recorded, 1 at the first difference, 2 when it cannot play, 3 when the
 * core trapped. The runtime below is all that wasm2c's output needs: no signals, no growth.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core.h"
#include "ferrule.h"

/* ---- the runtime of wasm2c ---- */

static const uint32_t PAGE_SIZE = 65536;

void wasm_rt_trap(wasm_rt_trap_t trap) {
  fprintf(stderr, "the core trapped: %d\n", (int)trap);
  exit(3);
}

void wasm_rt_allocate_memory(wasm_rt_memory_t* memory, uint32_t pages, uint32_t max_pages) {
  memory->data = calloc(pages, PAGE_SIZE);
  if (!memory->data) abort();
  memory->pages = pages;
  memory->max_pages = max_pages;
  memory->size = pages * PAGE_SIZE;
}

void wasm_rt_free_memory(wasm_rt_memory_t* memory) { free(memory->data); }

bool wasm_rt_is_initialized(void) { return true; }

uint32_t wasm_rt_register_func_type(uint32_t params, uint32_t results, ...) {
  (void)params;
  (void)results;
  return 0;
}

/* ---- the core's verbs, by name ---- */

typedef Z_core_instance_t Core;
typedef void (*Verb)(void);
typedef struct {
  const char* name;
  unsigned count;
  Verb call;
} Export;

static const Export exports[] = {
#define VERB(name, count) {#name, count, (Verb)Z_coreZ_##name},
#include "verbs.h"
#undef VERB
};

static u32 invoke(Core* core, const Export* e, const u32* a) {
  switch (e->count) {
    case 0: return ((u32(*)(Core*))e->call)(core);
    case 1: return ((u32(*)(Core*, u32))e->call)(core, a[0]);
    case 2: return ((u32(*)(Core*, u32, u32))e->call)(core, a[0], a[1]);
    case 3: return ((u32(*)(Core*, u32, u32, u32))e->call)(core, a[0], a[1], a[2]);
    case 4: return ((u32(*)(Core*, u32, u32, u32, u32))e->call)(core, a[0], a[1], a[2], a[3]);
    default:
      return ((u32(*)(Core*, u32, u32, u32, u32, u32))e->call)(core, a[0], a[1], a[2], a[3], a[4]);
  }
}

/* ---- the script ---- */

enum { END = 0, OBSERVE = 0xfd, DRAIN = 0xfe, MARK = 0xff, ARGUMENTS_MAX = 5, VERBS_MAX = 252 };

static const u8* script;
static size_t script_size;
static size_t script_at;

static const u8* take(size_t n) {
  if (n > script_size - script_at) {
    fprintf(stderr, "the script ends inside an entry\n");
    exit(2);
  }
  script_at += n;
  return script + script_at - n;
}

static u32 word(const u8* p) {
  return (u32)p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
}

static u32 take_word(void) { return word(take(4)); }

static u64 take_long(void) {
  u64 low = take_word();
  return low | (u64)take_word() << 32;
}

static void read_script(const char* path) {
  FILE* file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) {
    perror(path);
    exit(2);
  }
  script_size = (size_t)ftell(file);
  rewind(file);
  u8* bytes = malloc(script_size + 1);
  if (!bytes || fread(bytes, 1, script_size, file) != script_size) {
    fprintf(stderr, "%s could not be read\n", path);
    exit(2);
  }
  fclose(file);
  script = bytes;
}

/* ---- playing ---- */

static const u64 FNV_START = 0xcbf29ce484222325u;
static const u64 FNV_PRIME = 0x100000001b3u;

static Core core;
static u8* memory;
static u32 about; /* address of the descriptor */
static const Export* verbs[VERBS_MAX];
static u64 outputs;
static u64 steps;
static u64 marks;
static int quick;

static u64 fnv(u64 hash, const u8* p, size_t n) {
  for (; n; --n) hash = (hash ^ *p++) * FNV_PRIME;
  return hash;
}

static u32 describe(u32 index) { return word(memory + about + 4 * index); }

static void bind(void) {
  if (memcmp(take(8), "FRRLCALL", 8) || take_word() != 1 || take_word() != FERRULE_ABI_VERSION) {
    fprintf(stderr, "not a script of this version\n");
    exit(2);
  }
  take(4); /* seed */
  take(*take(1));
  unsigned count = *take(1);
  for (unsigned i = 0; i < count; ++i) {
    size_t length = *take(1);
    const char* name = (const char*)take(length);
    unsigned arguments = *take(1);
    for (size_t j = 0; j < sizeof exports / sizeof *exports; ++j) {
      const Export* e = &exports[j];
      if (strlen(e->name) == length && !memcmp(e->name, name, length)) verbs[i] = e;
    }
    if (!verbs[i] || verbs[i]->count != arguments || arguments > ARGUMENTS_MAX) {
      fprintf(stderr, "the core has no verb %.*s of %u arguments\n", (int)length, name, arguments);
      exit(2);
    }
  }
}

static void call(unsigned verb) {
  const Export* e = verbs[verb];
  u32 arguments[ARGUMENTS_MAX] = {0};
  if (!e) exit(2);
  for (unsigned i = 0; i < e->count; ++i) arguments[i] = take_word();
  u32 length = take_word();
  memcpy(memory + describe(FERRULE_DESCRIPTOR_INPUT_ADDRESS), take(length), length);
  u32 recorded = take_word();
  steps += 1;
  u32 result = invoke(&core, e, arguments);
  if (result == recorded) return;
  printf("step %llu: %s(", (unsigned long long)steps, e->name);
  for (unsigned i = 0; i < e->count; ++i) printf("%s%d", i ? ", " : "", (int)arguments[i]);
  printf(") returned %d, recorded %d\n", (int)result, (int)recorded);
  exit(1);
}

/* Of an output record everything but its address is hashed, and the bytes it points to. */
static void drain(void) {
  for (u32 at = Z_coreZ_poll(&core); at; at = Z_coreZ_poll(&core)) {
    const u8* o = memory + at;
    if (quick) continue;
    const size_t address = offsetof(ferrule_output, address);
    const size_t length = offsetof(ferrule_output, length);
    outputs = fnv(outputs, o, address);
    outputs = fnv(outputs, o + length, sizeof(ferrule_output) - length);
    outputs = fnv(outputs, memory + word(o + address), word(o + length));
  }
}

static void observe(void) {
  u32 base = describe(*take(1));
  int follow = *take(1);
  base += take_word();
  u32 length = take_word();
  if (follow) base = word(memory + base);
  if (!quick) outputs = fnv(outputs, memory + base, length);
}

static void mark(void) {
  u64 recorded_steps = take_word();
  u64 recorded_snapshot = take_long();
  u64 recorded_outputs = take_long();
  marks += 1;
  if (quick) return;
  u32 start = describe(FERRULE_DESCRIPTOR_SNAPSHOT_START);
  u64 snapshot =
      fnv(FNV_START, memory + start, describe(FERRULE_DESCRIPTOR_SNAPSHOT_END) - start);
  const char* what = "";
  if (recorded_steps != steps) what = "steps";
  else if (recorded_outputs != outputs) what = "outputs";
  else if (recorded_snapshot != snapshot) what = "snapshot";
  else return;
  printf("mark %llu, step %llu: other %s\n", (unsigned long long)marks, (unsigned long long)steps,
         what);
  exit(1);
}

int main(int count, char** arguments) {
  if (count < 2) {
    fprintf(stderr, "usage: runner SCRIPT [--quick]\n");
    return 2;
  }
  quick = count > 2 && !strcmp(arguments[2], "--quick");
  read_script(arguments[1]);
  Z_core_init_module();
  Z_core_instantiate(&core);
  memory = Z_coreZ_memory(&core)->data;
  about = Z_coreZ_describe(&core);
  outputs = FNV_START;
  bind();
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (unsigned entry = *take(1); entry != END; entry = *take(1)) {
    if (entry == MARK) mark();
    else if (entry == DRAIN) drain();
    else if (entry == OBSERVE) observe();
    else call(entry - 1);
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  double ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
  printf("{\"steps\":%llu,\"marks\":%llu,\"ms\":%.1f}\n", (unsigned long long)steps,
         (unsigned long long)marks, ms);
  return 0;
}
