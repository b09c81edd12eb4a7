/* An RP2040 as rp2040js shows it: started at its vectors, without boot ROM or clocks. Who shows it
 * counts its instructions, between two bytes that are no text. */
#include "bare.h"

enum { UART0 = 0x40034000, COUNT_BEGINS = 1, COUNT_ENDS = 2 };

extern uint32_t stack_top[];
void reset(void);

typedef void (*vector)(void);
#define FAULT (vector) bare_fault

__attribute__((section(".vectors"), used)) static const vector vectors[48] = {
    (vector)(uintptr_t)stack_top, reset, FAULT, FAULT, 0, 0, 0, 0, 0, 0, 0, FAULT,
};

void bare_start(void) {}

void bare_put(char byte) { *(volatile uint32_t*)(uintptr_t)UART0 = (uint8_t)byte; }

void bare_count(void) { bare_put(COUNT_BEGINS); }

uint32_t bare_counted(void) {
  bare_put(COUNT_ENDS);
  return 0;
}

_Noreturn void bare_halt(void) {
  for (;;) __asm volatile("wfi");
}
