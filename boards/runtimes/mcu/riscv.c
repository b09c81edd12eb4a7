/* QEMU's sifive_u: its small hart (rv32imac), a UART, and the counter of instructions, which counts
 * with -icount. */
#include "bare.h"

#define REG(address) (*(volatile uint32_t*)(uintptr_t)(address))

enum { UART0 = 0x10010000, TX_CTRL = 8 };
#define FULL 0x80000000u

static uint32_t begin;

/* Where start.S sends every trap. */
void on_trap(void);
__attribute__((aligned(4))) void on_trap(void) { bare_fault(); }

void bare_start(void) { REG(UART0 + TX_CTRL) = 1; }

void bare_put(char byte) {
  while (REG(UART0) & FULL) {}
  REG(UART0) = (uint8_t)byte;
}

static uint32_t instructions(void) {
  uint32_t count;
  __asm volatile("csrr %0, minstret" : "=r"(count));
  return count;
}

void bare_count(void) { begin = instructions(); }

uint32_t bare_counted(void) { return instructions() - begin; }

_Noreturn void bare_halt(void) {
  for (;;) __asm volatile("wfi");
}
