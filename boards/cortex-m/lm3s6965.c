/* LM3S6965 (Stellaris, QEMU's lm3s6965evb): a Cortex-M3 with 64 KiB of RAM, two PL011 as lines,
 * SysTick as clock. Nothing is written to its flash, so the books live as long as the power.
 *
 *   UART0: PA0 RX, PA1 TX     UART1: PD2 RX, PD3 TX     no RTS, no CTS
 *
 * Registers: LM3S6965 data sheet. */
#include "board.h"

#include "armv7m.h"
#include "pl011.h"

enum { UART0 = 0x4000c000, UART1 = 0x4000d000, CLOCK_HZ = 50000000 };
enum { SYSCTL = 0x400fe000, GPIO_A = 0x40004000, GPIO_D = 0x40007000 };
enum { PLL_OFF = 1 << 13, PLL_BYPASS = 1 << 11, DIVIDE = 1 << 22, DIVIDE_BY_4 = 3 << 23 };
enum { CRYSTAL_8_MHZ = 14 << 6, PLL_READY = 1 << 6, UART0_IRQ = 5, UART1_IRQ = 6 };

static const uint32_t uarts[LINKS] = {UART0, UART1};
static volatile uint32_t overruns[LINKS];

extern uint32_t stack_top[];
void reset(void);

static void on_uart0(void) { overruns[0] += pl011_serve(0, UART0); }
static void on_uart1(void) { overruns[1] += pl011_serve(1, UART1); }

typedef void (*vector)(void);
#define FAULT armv7m_fault

__attribute__((section(".vectors"), used)) static const vector vectors[16 + 7] = {
    (vector)(uintptr_t)stack_top, reset, FAULT, FAULT, FAULT, FAULT, FAULT,
    0, 0, 0, 0, FAULT, 0, 0, FAULT, armv7m_tick,
    [16 + UART0_IRQ] = on_uart0, [16 + UART1_IRQ] = on_uart1,
};

/* 50 MHz from the crystal of 8 MHz (data sheet 5.3): first away from the PLL, back when it runs. */
static void start_clock(void) {
  const uint32_t source = CRYSTAL_8_MHZ | DIVIDE_BY_4 | DIVIDE;
  REG(SYSCTL + 0x60) = CRYSTAL_8_MHZ | PLL_BYPASS | PLL_OFF;
  REG(SYSCTL + 0x60) = source | PLL_BYPASS;
  while (!(REG(SYSCTL + 0x50) & PLL_READY)) {}
  REG(SYSCTL + 0x60) = source;
}

static void start_pins(uint32_t gpio, uint32_t pins) {
  REG(gpio + 0x420) |= pins; /* the UART's */
  REG(gpio + 0x51c) |= pins; /* digital */
}

void board_start(void) {
  start_clock();
  REG(SYSCTL + 0x104) |= 1 << 0 | 1 << 1; /* UART0, UART1 get their clock */
  REG(SYSCTL + 0x108) |= 1 << 0 | 1 << 3; /* ports A and D */
  (void)REG(SYSCTL + 0x108);              /* three cycles until they can be written */
  (void)REG(SYSCTL + 0x108);
  start_pins(GPIO_A, 1 << 0 | 1 << 1);
  start_pins(GPIO_D, 1 << 2 | 1 << 3);
  armv7m_start(CLOCK_HZ, 1 << UART0_IRQ | 1 << UART1_IRQ);
}

/* The tick wakes us every millisecond, so a byte that came just before is not waited on long. */
void board_wait(uint32_t ms) {
  (void)ms;
  __asm volatile("wfi");
}

/* There is no source of chance here; the seed in the settings must do. */
uint32_t board_entropy(void) { return REG(SYSTICK + 8); }

void board_open_link(unsigned link, uint32_t baud) {
  pl011_open(uarts[link], CLOCK_HZ, baud, 1 << 9 | 1 << 8 | 1);
}

void board_send(unsigned link) { pl011_send(link, uarts[link]); }

void board_receive(unsigned link) { pl011_receive(uarts[link]); }

uint32_t board_overruns(unsigned link) { return overruns[link]; }
