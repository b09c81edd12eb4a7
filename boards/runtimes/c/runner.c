/* Replays a recorded script (boards/runtimes/README.md) on the core translated to C by wasm2c.
 * `verbs.h` has a line VERB(name, arguments) for each export.
 *
 *   runner SCRIPT              every result, output and mark is compared
 *   runner SCRIPT --steps N    the same, to the first mark at or behind step N
 *   runner SCRIPT --quick      results only, nothing is hashed: for profilers
 *   runner SCRIPT --time       the same, again and again for a second: the best of what follows
 *                              the first mark
 *
 * Ends with 0 when all is as recorded, 1 at the first difference, 2 when it cannot play, 3 when the
 * core trapped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core.h"
#include "ferrule.h"

void ferrule_trapped(int trap) {
  fprintf(stderr, "the core trapped: %d\n", trap);
  exit(3);
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
static u64 snapshot;
static u64 steps;
static u64 marks;
static int quick;

/* Of a snapshot most is zero: eight zero bytes are one multiplication. */
static u64 fnv(u64 hash, const u8* p, size_t n) {
  u64 prime8 = FNV_PRIME * FNV_PRIME;
  prime8 *= prime8;
  prime8 *= prime8;
  for (u64 eight; n >= 8; p += 8, n -= 8) {
    memcpy(&eight, p, 8);
    if (!eight) hash *= prime8;
    else for (int i = 0; i < 8; ++i) hash = (hash ^ p[i]) * FNV_PRIME;
  }
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
  snapshot = fnv(FNV_START, memory + start, describe(FERRULE_DESCRIPTOR_SNAPSHOT_END) - start);
  const char* what = "";
  if (recorded_steps != steps) what = "steps";
  else if (recorded_outputs != outputs) what = "outputs";
  else if (recorded_snapshot != snapshot) what = "snapshot";
  else return;
  printf("mark %llu, step %llu: other %s\n", (unsigned long long)marks, (unsigned long long)steps,
         what);
  exit(1);
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Plays from here to the next mark. Returns 0 when the script has ended. */
static int next(void) {
  for (unsigned entry = *take(1); entry != END; entry = *take(1)) {
    if (entry == MARK) {
      mark();
      return 1;
    }
    if (entry == DRAIN) drain();
    else if (entry == OBSERVE) observe();
    else call(entry - 1);
  }
  return 0;
}

/* Nanoseconds that a step takes behind the first mark: the best of a second's turns. */
static double measure(size_t entries) {
  double best = 1e300, all = 0;
  quick = 1;
  while (all < 1e9) {
    script_at = entries;
    steps = 0;
    if (!next()) break;
    double from = now_ns();
    u64 first = steps;
    while (next()) continue;
    double ns = now_ns() - from;
    all += ns;
    if (ns / (double)(steps - first) < best) best = ns / (double)(steps - first);
  }
  return best;
}

/* The most memory this process has had, in KiB; 0 where Linux does not say. */
static long peak_kib(void) {
  char line[256];
  long kib = 0;
  FILE* status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status)) sscanf(line, "VmHWM: %ld", &kib);
  if (status) fclose(status);
  return kib;
}

int main(int count, char** arguments) {
  if (count < 2) {
    fprintf(stderr, "usage: runner SCRIPT [--steps N | --quick | --time]\n");
    return 2;
  }
  const char* mode = count > 2 ? arguments[2] : "";
  u64 last = count > 3 && !strcmp(mode, "--steps") ? strtoull(arguments[3], 0, 10) : (u64)-1;
  quick = !strcmp(mode, "--quick");
  read_script(arguments[1]);
  Z_core_init_module();
  Z_core_instantiate(&core);
  memory = Z_coreZ_memory(&core)->data;
  about = Z_coreZ_describe(&core);
  outputs = FNV_START;
  bind();
  if (!strcmp(mode, "--time")) {
    printf("{\"nsPerStep\":%.1f}\n", measure(script_at));
    return 0;
  }
  double from = now_ns();
  while (steps < last && next()) continue;
  printf("{\"steps\":%llu,\"marks\":%llu,\"snapshot\":\"%016llx\",\"outputs\":\"%016llx\",",
         (unsigned long long)steps, (unsigned long long)marks, (unsigned long long)snapshot,
         (unsigned long long)outputs);
  printf("\"ms\":%.1f,\"peakKiB\":%ld}\n", (now_ns() - from) / 1e6, peak_kib());
  return 0;
}
