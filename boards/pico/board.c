/* Raspberry Pi Pico: RP2040 on bare metal. Section numbers are of the RP2040 data sheet.
 *
 *   UART0: GP0 TX, GP1 RX, GP2 CTS, GP3 RTS     UART1: GP4 TX, GP5 RX, GP6 CTS, GP7 RTS
 *   LED: GP25
 *
 * RTS and CTS are always on: CTS pins are pulled down, so one that is not wired says "go on". */
#include "board.h"

#include <string.h>

#include "pl011.h"

enum {
  RESETS = 0x4000c000,
  RESETS_CLEAR = 0x4000f000,
  CLOCKS = 0x40008000,
  PSM_WDSEL = 0x40010008,
  IO_BANK0 = 0x40014000,
  PADS_BANK0 = 0x4001c000,
  XOSC = 0x40024000,
  PLL_SYS = 0x40028000,
  PLL_SYS_CLEAR = 0x4002b000,
  UART0 = 0x40034000,
  UART1 = 0x40038000,
  TIMER = 0x40054000,
  WATCHDOG = 0x40058000,
  ROSC_RANDOM_BIT = 0x4006001c,
};
#define SIO 0xd0000000u
#define SCS 0xe000e000u

enum { CLOCK_HZ = 125000000, LED_PIN = 25, TIMER_IRQ = 0, UART0_IRQ = 20, UART1_IRQ = 21 };
enum { WATCHDOG_MS = 2000, SCRATCH_MAGIC = 0x46520000 };

static const uint32_t uarts[LINKS] = {UART0, UART1};
static volatile uint32_t overruns[LINKS];
static enum reset_cause cause;

/* ---- interrupts, from RAM ---- */

extern uint32_t stack_top[];
void reset(void);

IN_RAM static void on_uart0(void) { overruns[0] += pl011_serve(0, UART0); }
IN_RAM static void on_uart1(void) { overruns[1] += pl011_serve(1, UART1); }
IN_RAM static void on_timer(void) { REG(TIMER + 0x34) = 1; }
/* Whatever else happens is a fault: the watchdog starts the board over. */
IN_RAM static void on_fault(void) {
  for (;;) {}
}

typedef void (*vector)(void);

#define VECTORS                                                              \
  {                                                                          \
    (vector)(uintptr_t)stack_top, reset, on_fault, on_fault, 0, 0, 0, 0, 0, 0, 0, \
        on_fault, 0, 0, on_fault, on_fault, [16 + TIMER_IRQ] = on_timer,     \
        [16 + UART0_IRQ] = on_uart0, [16 + UART1_IRQ] = on_uart1             \
  }

/* In flash for the reset, in RAM for everything after: it is read at every interrupt. */
__attribute__((section(".vectors"), used)) static const vector boot_vectors[48] = VECTORS;
__attribute__((aligned(256))) static vector vectors[48] = VECTORS;

/* ---- start ---- */

static void start_clocks(void) {
  const uint32_t units = 1 << 5 | 1 << 8 | 1 << 12 | 1 << 21 | 1 << 22 | 1 << 23;
  /* A watchdog reset leaves the clocks running: first away from the PLL. */
  REG(CLOCKS + 0x3c) = 0;                    /* clk_sys = clk_ref */
  REG(XOSC) = 0xaa0;                         /* 1 to 15 MHz */
  REG(XOSC + 0x0c) = 47;                     /* 1 ms to settle */
  REG(XOSC) = 0xfabaa0;                      /* on */
  while (!(REG(XOSC + 0x04) >> 31)) {}
  REG(CLOCKS + 0x30) = 2;                    /* clk_ref = crystal, 12 MHz */
  REG(RESETS_CLEAR) = units; /* IO_BANK0 PADS_BANK0 PLL_SYS TIMER UART0 UART1 */
  while (~REG(RESETS + 8) & units) {}
  REG(PLL_SYS) = 1;                          /* 12 MHz x 125 = 1500 MHz */
  REG(PLL_SYS + 8) = 125;
  REG(PLL_SYS_CLEAR + 4) = 0x21;             /* power on */
  while (!(REG(PLL_SYS) >> 31)) {}
  REG(PLL_SYS + 0x0c) = 6 << 16 | 2 << 12;   /* / 6 / 2 = 125 MHz */
  REG(PLL_SYS_CLEAR + 4) = 8;
  REG(CLOCKS + 0x3c) = 1;                    /* clk_sys = PLL */
  REG(CLOCKS + 0x48) = 1 << 11;              /* clk_peri = clk_sys */
}

static void start_pins(void) {
  const uint32_t input = 0x52; /* input enabled, 4 mA, Schmitt trigger */
  for (unsigned pin = 0; pin < 8; ++pin) REG(IO_BANK0 + 8 * pin + 4) = 2; /* UART */
  REG(PADS_BANK0 + 4 + 4 * 1) = input | 8; /* RX: pulled up, an open line is idle */
  REG(PADS_BANK0 + 4 + 4 * 5) = input | 8;
  REG(PADS_BANK0 + 4 + 4 * 2) = input | 4; /* CTS: pulled down, an open line says go on */
  REG(PADS_BANK0 + 4 + 4 * 6) = input | 4;
  REG(IO_BANK0 + 8 * LED_PIN + 4) = 5; /* SIO */
  REG(SIO + 0x24) = 1u << LED_PIN;
}

void board_start(void) {
  start_clocks();
  start_pins();
  uint32_t scratch = REG(WATCHDOG + 0x0c);
  uint32_t reason = REG(WATCHDOG + 0x08);
  if ((scratch & 0xffff0000) == SCRATCH_MAGIC) cause = (enum reset_cause)(scratch & 0xff);
  else cause = reason ? RESET_WATCHDOG : RESET_POWER;
  REG(WATCHDOG + 0x0c) = 0;
  REG(WATCHDOG + 0x2c) = 1 << 9 | 12; /* one tick per microsecond, for timer and watchdog */
  REG(PSM_WDSEL) = 0x0001fffc;        /* it resets everything but the oscillators */
  board_feed_watchdog();
  REG(WATCHDOG) = 1u << 30 | 7u << 24; /* on, but not while a debugger has stopped the board */
  REG(SCS + 0xd08) = (uint32_t)(uintptr_t)vectors;
  REG(TIMER + 0x38) = 1;
  REG(SCS + 0x100) = 1u << TIMER_IRQ | 1u << UART0_IRQ | 1u << UART1_IRQ;
}

enum reset_cause board_reset_cause(void) { return cause; }

_Noreturn void board_restart(enum reset_cause why) {
  REG(WATCHDOG + 0x0c) = SCRATCH_MAGIC | (uint32_t)why;
  REG(WATCHDOG) = 1u << 31;
  for (;;) {}
}

/* Counts down twice a microsecond (erratum RP2040-E1). */
void board_feed_watchdog(void) { REG(WATCHDOG + 0x04) = WATCHDOG_MS * 1000 * 2; }

/* ---- time ---- */

static uint64_t now_us(void) {
  uint32_t low = REG(TIMER + 0x0c); /* latches the high word */
  return (uint64_t)REG(TIMER + 0x08) << 32 | low;
}

uint64_t board_now_ms(void) { return now_us() / 1000; }

void board_wait(uint32_t ms) {
  REG(TIMER + 0x10) = (uint32_t)now_us() + ms * 1000;
  __asm volatile("cpsid i" ::: "memory");
  bool idle = ring_used(&rx_rings[0]) == 0 && ring_used(&rx_rings[1]) == 0;
  /* Part of a frame is in the ring: the interrupt that brings the rest wakes us as well. */
  static uint32_t seen[LINKS];
  bool same = rx_rings[0].head == seen[0] && rx_rings[1].head == seen[1];
  seen[0] = rx_rings[0].head;
  seen[1] = rx_rings[1].head;
  if (idle || same) __asm volatile("wfi");
  __asm volatile("cpsie i" ::: "memory");
}

void board_led(bool on) { REG(SIO + (on ? 0x14 : 0x18)) = 1u << LED_PIN; }

uint32_t board_entropy(void) {
  uint32_t word = 0;
  for (unsigned i = 0; i < 32; ++i) word = word << 1 | (REG(ROSC_RANDOM_BIT) & 1);
  return word ^ (uint32_t)now_us();
}

/* ---- lines ---- */

/* CTS RTS RX TX on (4.2.8). */
void board_open_link(unsigned link, uint32_t baud) {
  pl011_open(uarts[link], CLOCK_HZ, baud, 1 << 15 | 1 << 14 | 1 << 9 | 1 << 8 | 1);
}

void board_send(unsigned link) { pl011_send(link, uarts[link]); }

void board_receive(unsigned link) { pl011_receive(uarts[link]); }

uint32_t board_overruns(unsigned link) { return overruns[link]; }
