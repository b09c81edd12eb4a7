/* QEMU's mps2-an385 and mps2-an386 (Cortex-M3, Cortex-M4): a CMSDK UART, and SysTick, which QEMU
 * drives by instructions (-icount). */
#include "bare.h"

#define REG(address) (*(volatile uint32_t*)(uintptr_t)(address))

enum { UART = 0x40004000, STATE = 4, CTRL = 8, BAUD_DIV = 0x10, TX_FULL = 1, TX_ON = 1 };
#define SYSTICK 0xe000e010u

extern uint32_t stack_top[];
void reset(void);

typedef void (*vector)(void);
#define FAULT (vector) bare_fault

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    (vector)(uintptr_t)stack_top, reset, FAULT, FAULT, FAULT, FAULT, FAULT,
};

void bare_start(void) {
  REG(UART + BAUD_DIV) = 16;
  REG(UART + CTRL) = TX_ON;
  REG(SYSTICK + 4) = 0xffffff;
  REG(SYSTICK) = 5; /* on, by the processor's clock, without interrupts */
}

void bare_put(char byte) {
  while (REG(UART + STATE) & TX_FULL) {}
  REG(UART) = (uint8_t)byte;
}

/* Any write sets it to zero, from where it counts down. */
void bare_count(void) { REG(SYSTICK + 8) = 0; }

uint32_t bare_counted(void) { return (0 - REG(SYSTICK + 8)) & 0xffffff; }

_Noreturn void bare_halt(void) {
  for (;;) __asm volatile("wfi");
}
