/* SiFive's U series as QEMU models it (sifive_u): two UARTs as lines, the CLINT's timer as clock.
 * There is no flash that is written, so the books live as long as the power: a board for tests.
 * Registers: SiFive FU540-C000 manual. */
#include "board.h"

#include "ring.h"

#define REG(address) (*(volatile uint32_t*)(uintptr_t)(address))

enum { UART0 = 0x10010000, UART1 = 0x10011000, CLOCK_HZ = 500000000, GPIO = 0x10060000 };
enum { TX_DATA = 0x00, RX_DATA = 0x04, TX_CTRL = 0x08, RX_CTRL = 0x0c, INTERRUPTS = 0x10 };
enum { DIVISOR = 0x18, TX_WATERMARK = 1, RX_WATERMARK = 2, UART0_IRQ = 4, UART1_IRQ = 5 };
enum { GPIO_OUTPUT = 0x08, GPIO_VALUE = 0x0c, RESET_PIN = 10 };
enum { MTIMECMP = 0x02004000, MTIME = 0x0200bff8, PLIC = 0x0c000000, TIMER_HZ = 1000000 };
enum { PLIC_ENABLE = PLIC + 0x2000, PLIC_THRESHOLD = PLIC + 0x200000 };
enum { PLIC_CLAIM = PLIC + 0x200004 };
#define FULL_OR_EMPTY 0x80000000u

static const uint32_t uarts[LINKS] = {UART0, UART1};

static inline void interrupts_off(void) { __asm volatile("csrci mstatus, 8" ::: "memory"); }
static inline void interrupts_on(void) { __asm volatile("csrsi mstatus, 8" ::: "memory"); }

static void receive(unsigned link) {
  uint32_t uart = uarts[link];
  while (!rx_is_full(link)) {
    uint32_t data = REG(uart + RX_DATA);
    if (data & FULL_OR_EMPTY) return;
    rx_put(link, (uint8_t)data);
  }
  REG(uart + INTERRUPTS) &= ~(uint32_t)RX_WATERMARK;
}

static void transmit(unsigned link) {
  uint32_t uart = uarts[link];
  while (!(REG(uart + TX_DATA) & FULL_OR_EMPTY)) {
    int byte = tx_get(link);
    if (byte < 0) {
      REG(uart + INTERRUPTS) &= ~(uint32_t)TX_WATERMARK;
      return;
    }
    REG(uart + TX_DATA) = (uint32_t)byte;
  }
}

static void alarm_at(uint64_t time) {
  REG(MTIMECMP + 4) = 0xffffffff; /* never in between */
  REG(MTIMECMP) = (uint32_t)time;
  REG(MTIMECMP + 4) = (uint32_t)(time >> 32);
}

void on_trap(void);

__attribute__((interrupt("machine"), aligned(4))) void on_trap(void) {
  uint32_t why;
  __asm volatile("csrr %0, mcause" : "=r"(why));
  if (why == (0x80000000u | 7)) {
    alarm_at(UINT64_MAX);
  } else if (why == (0x80000000u | 11)) {
    uint32_t irq = REG(PLIC_CLAIM);
    if (irq == UART0_IRQ || irq == UART1_IRQ) {
      unsigned link = irq - UART0_IRQ;
      receive(link);
      transmit(link);
    }
    REG(PLIC_CLAIM) = irq;
  } else {
    board_restart(RESET_TRAP);
  }
}

void board_start(void) {
  alarm_at(UINT64_MAX);
  REG(PLIC + 4 * UART0_IRQ) = 1;
  REG(PLIC + 4 * UART1_IRQ) = 1;
  REG(PLIC_ENABLE) = 1 << UART0_IRQ | 1 << UART1_IRQ;
  REG(PLIC_THRESHOLD) = 0;
  __asm volatile("csrw mie, %0" ::"r"(1 << 11 | 1 << 7));
  interrupts_on();
}

enum reset_cause board_reset_cause(void) { return RESET_POWER; }

/* The board's reset line hangs on a pin that goes low. */
_Noreturn void board_restart(enum reset_cause why) {
  (void)why;
  REG(GPIO + GPIO_OUTPUT) = 1 << RESET_PIN;
  REG(GPIO + GPIO_VALUE) = 1 << RESET_PIN;
  REG(GPIO + GPIO_VALUE) = 0;
  for (;;) {}
}

static uint64_t now_us(void) {
  uint32_t high;
  uint32_t low;
  do {
    high = REG(MTIME + 4);
    low = REG(MTIME);
  } while (high != REG(MTIME + 4));
  return (uint64_t)high << 32 | low;
}

uint64_t board_now_ms(void) { return now_us() / (TIMER_HZ / 1000); }

/* `wfi` ends when an interrupt is pending, also while they are off: nothing is slept through. */
void board_wait(uint32_t ms) {
  static uint32_t seen[LINKS];
  interrupts_off();
  bool same = rx_rings[0].head == seen[0] && rx_rings[1].head == seen[1];
  seen[0] = rx_rings[0].head;
  seen[1] = rx_rings[1].head;
  if (same) {
    alarm_at(now_us() + (uint64_t)ms * (TIMER_HZ / 1000));
    __asm volatile("wfi");
  }
  interrupts_on();
}

/* There is no source of chance here; the seed in the settings must do. */
uint32_t board_entropy(void) { return (uint32_t)now_us(); }

void board_open_link(unsigned link, uint32_t baud) {
  uint32_t uart = uarts[link];
  REG(uart + DIVISOR) = CLOCK_HZ / baud - 1;
  REG(uart + TX_CTRL) = 1 << 16 | 1; /* on; it interrupts when it is empty */
  REG(uart + RX_CTRL) = 1;           /* on; it interrupts when a byte is there */
  REG(uart + INTERRUPTS) = RX_WATERMARK;
}

void board_send(unsigned link) {
  interrupts_off();
  REG(uarts[link] + INTERRUPTS) |= TX_WATERMARK;
  transmit(link);
  interrupts_on();
}

void board_receive(unsigned link) {
  interrupts_off();
  REG(uarts[link] + INTERRUPTS) |= RX_WATERMARK;
  receive(link);
  interrupts_on();
}

/* The UART says nothing of bytes lost. */
uint32_t board_overruns(unsigned link) {
  (void)link;
  return 0;
}
