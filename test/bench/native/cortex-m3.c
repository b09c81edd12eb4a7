/* What count.c needs on QEMU's mps2-an385 beside newlib's semihosting: a vector table, and SysTick
 * as the clock. All of the program lies in the 4 MiB of RAM at 0; see cortex-m3.ld. */
#include <stdint.h>

#define SYSTICK ((volatile uint32_t*)0xe000e010)

extern uint32_t stack_top[];
void _start(void);

static void start(void) {
  SYSTICK[1] = 0xffffff;
  SYSTICK[2] = 0;
  SYSTICK[0] = 5; /* on, by the processor's clock, without interrupts */
  _start();
}

/* Ends the run: semihosting's SYS_EXIT with "run-time error". */
static void fault(void) {
  __asm volatile("mov r0, #0x18\n\tldr r1, =0x20023\n\tbkpt 0xab" ::: "r0", "r1");
  for (;;) {}
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))(uintptr_t)stack_top, start, fault, fault, fault, fault, fault,
};

uint32_t ticks_now(void) { return SYSTICK[2]; }
