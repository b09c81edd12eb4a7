/* Replays a recorded script on a board that has nothing: no files, no arguments. run.mjs puts both
 * in front of it into memory, at SCRIPT_AT, and reads what is said on the serial line. The last line
 * is "end " and the status of ../c/player.h. */
#include "bare.h"

#include <stddef.h>

#include "../c/player.h"
#include "runtime.h"

/* What lies before the script; words are little-endian. */
struct order {
  uint32_t is_measuring;
  uint32_t last_step;
  uint32_t script_bytes;
  uint32_t zero;
};

extern uint32_t data_start[], bss_end[];

void say(const char* text) {
  while (*text) bare_put(*text++);
}

_Noreturn void finish(int status) {
  say("end ");
  say_number((uint64_t)status);
  say("\n");
  bare_halt();
}

_Noreturn void core_trapped(void) {
  say("the core trapped\n");
  finish(TRAPPED);
}

_Noreturn void bare_fault(void) {
  say("a fault of the processor\n");
  finish(TRAPPED);
}

/* What the steps behind the first mark take: a mark comes before a board has counted too far. */
static void measure(void) {
  uint64_t count = 0;
  player.quick = 1;
  int is_more = player_next();
  uint64_t first = player.steps;
  while (is_more) {
    bare_count();
    is_more = player_next();
    count += bare_counted();
  }
  say("{\"count\":");
  say_number(count);
  say(",\"steps\":");
  say_number(player.steps - first);
  say("}\n");
}

int main(void) {
  const struct order* order = (const struct order*)(uintptr_t)SCRIPT_AT;
  bare_start();
  player_open((const uint8_t*)(order + 1), order->script_bytes);
  if (order->is_measuring) {
    measure();
    finish(SAME);
  }
  while (player.steps < order->last_step && player_next()) continue;
  player_report();
  say("\"ms\":0,\"peakKiB\":");
  say_number((uint64_t)((uintptr_t)bss_end - (uintptr_t)data_start) / 1024);
  say("}\n");
  finish(SAME);
}
