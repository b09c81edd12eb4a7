#include "armv7m.h"

#include "board.h"

#define RESET_REQUEST 0xe000ed0cu

static volatile uint64_t ticks;

void armv7m_start(uint32_t clock_hz, uint32_t interrupts) {
  REG(SYSTICK + 4) = clock_hz / 1000 - 1;
  REG(SYSTICK + 8) = 0;
  REG(SYSTICK) = 7;
  REG(NVIC_ENABLE) = interrupts;
}

void armv7m_tick(void) { ticks += 1; }

void armv7m_fault(void) { board_restart(RESET_TRAP); }

enum reset_cause board_reset_cause(void) { return RESET_POWER; }

_Noreturn void board_restart(enum reset_cause why) {
  (void)why;
  REG(RESET_REQUEST) = 0x05fa0004;
  for (;;) {}
}

uint64_t board_now_ms(void) {
  uint64_t now;
  __asm volatile("cpsid i" ::: "memory");
  now = ticks;
  __asm volatile("cpsie i" ::: "memory");
  return now;
}
