#include "player.h"

#include <string.h>

#include "core.h"
#include "ferrule.h"

struct player player;

/* ---- words ---- */

static void say_digits(uint64_t value, unsigned base, unsigned least) {
  char text[21];
  char* at = text + sizeof text - 1;
  *at = 0;
  for (unsigned i = 0; i < least || value; ++i, value /= base) *--at = "0123456789abcdef"[value % base];
  say(at);
}

void say_number(uint64_t value) { say_digits(value, 10, 1); }

static void say_signed(int32_t value) {
  if (value < 0) say("-");
  say_number(value < 0 ? (uint64_t)-(int64_t)value : (uint64_t)value);
}

static _Noreturn void refuse(const char* why) {
  say(why);
  say("\n");
  finish(CANNOT_PLAY);
}

void player_report(void) {
  say("{\"steps\":");
  say_number(player.steps);
  say(",\"marks\":");
  say_number(player.marks);
  say(",\"snapshot\":\"");
  say_digits(player.snapshot, 16, 16);
  say("\",\"outputs\":\"");
  say_digits(player.outputs, 16, 16);
  say("\",");
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
static size_t first_entry;

static const u8* take(size_t n) {
  if (n > script_size - script_at) refuse("the script ends inside an entry");
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

/* ---- playing ---- */

static const u64 FNV_START = 0xcbf29ce484222325u;
static const u64 FNV_PRIME = 0x100000001b3u;

static Core core;
static u8* memory;
static u32 about; /* address of the descriptor */
static const Export* verbs[VERBS_MAX];

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

static const Export* find_verb(const char* name, size_t length, unsigned arguments) {
  for (size_t i = 0; i < sizeof exports / sizeof *exports; ++i) {
    const Export* e = &exports[i];
    if (strlen(e->name) != length || memcmp(e->name, name, length)) continue;
    return e->count == arguments && arguments <= ARGUMENTS_MAX ? e : 0;
  }
  return 0;
}

static void bind(void) {
  if (memcmp(take(8), "FRRLCALL", 8) || take_word() != 1 || take_word() != FERRULE_ABI_VERSION) {
    refuse("not a script of this version");
  }
  take(4); /* seed */
  take(*take(1));
  unsigned count = *take(1);
  if (count > VERBS_MAX) refuse("a script of more verbs than it can call");
  for (unsigned i = 0; i < count; ++i) {
    size_t length = *take(1);
    const char* name = (const char*)take(length);
    verbs[i] = find_verb(name, length, *take(1));
    if (!verbs[i]) refuse("the script calls a verb that the core has not, or of other arguments");
  }
  first_entry = script_at;
}

void player_open(const u8* bytes, size_t size) {
  script = bytes;
  script_size = size;
  Z_core_init_module();
  Z_core_instantiate(&core);
  memory = Z_coreZ_memory(&core)->data;
  about = Z_coreZ_describe(&core);
  player.outputs = FNV_START;
  bind();
}

void player_rewind(void) {
  script_at = first_entry;
  player.steps = 0;
}

static void say_step(void) {
  say("step ");
  say_number(player.steps);
  say(": ");
}

static void call(unsigned verb) {
  const Export* e = verb < VERBS_MAX ? verbs[verb] : 0;
  u32 arguments[ARGUMENTS_MAX] = {0};
  if (!e) refuse("the script calls a verb it does not name");
  for (unsigned i = 0; i < e->count; ++i) arguments[i] = take_word();
  u32 length = take_word();
  memcpy(memory + describe(FERRULE_DESCRIPTOR_INPUT_ADDRESS), take(length), length);
  u32 recorded = take_word();
  player.steps += 1;
  u32 result = invoke(&core, e, arguments);
  if (result == recorded) return;
  say_step();
  say(e->name);
  say("(");
  for (unsigned i = 0; i < e->count; ++i) {
    if (i) say(", ");
    say_signed((int32_t)arguments[i]);
  }
  say(") returned ");
  say_signed((int32_t)result);
  say(", recorded ");
  say_signed((int32_t)recorded);
  say("\n");
  finish(OTHER);
}

/* Of an output record everything but its address is hashed, and the bytes it points to. */
static void drain(void) {
  for (u32 at = Z_coreZ_poll(&core); at; at = Z_coreZ_poll(&core)) {
    const u8* o = memory + at;
    if (player.quick) continue;
    const size_t address = offsetof(ferrule_output, address);
    const size_t length = offsetof(ferrule_output, length);
    player.outputs = fnv(player.outputs, o, address);
    player.outputs = fnv(player.outputs, o + length, sizeof(ferrule_output) - length);
    player.outputs = fnv(player.outputs, memory + word(o + address), word(o + length));
  }
}

static void observe(void) {
  u32 base = describe(*take(1));
  int follow = *take(1);
  base += take_word();
  u32 length = take_word();
  if (follow) base = word(memory + base);
  if (!player.quick) player.outputs = fnv(player.outputs, memory + base, length);
}

static void mark(void) {
  u64 recorded_steps = take_word();
  u64 recorded_snapshot = take_long();
  u64 recorded_outputs = take_long();
  player.marks += 1;
  if (player.quick) return;
  u32 start = describe(FERRULE_DESCRIPTOR_SNAPSHOT_START);
  u32 end = describe(FERRULE_DESCRIPTOR_SNAPSHOT_END);
  player.snapshot = fnv(FNV_START, memory + start, end - start);
  const char* what = "";
  if (recorded_steps != player.steps) what = "steps";
  else if (recorded_outputs != player.outputs) what = "outputs";
  else if (recorded_snapshot != player.snapshot) what = "snapshot";
  else return;
  say("mark ");
  say_number(player.marks);
  say(", ");
  say_step();
  say("other ");
  say(what);
  say("\n");
  finish(OTHER);
}

int player_next(void) {
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
