/* MPS2 AN385 as QEMU models it: Cortex-M3, two CMSDK UARTs as lines, SysTick as clock. There is no
 * flash to write, so the books live as long as the power: a board for tests. Registers: ARM DAI 0385
 * and CMSDK APB UART. */
#include "board.h"

#include "armv7m.h"
#include "ring.h"
#if HAS_NETWORK
#include "lan9118.h"
#include "network.h"
#else
enum { SERIAL_LINES = LINKS };
#endif

enum { UART0 = 0x40004000, UART1 = 0x40005000, CLOCK_HZ = 25000000 };
enum { DATA = 0x00, STATE = 0x04, CTRL = 0x08, INT_CLEAR = 0x0c, BAUD_DIV = 0x10 };
enum { TX_FULL = 1, RX_FULL = 2, OVERRUN = 8, TX_ON = 1, RX_ON = 2, TX_INT = 4, RX_INT = 8 };
enum { INT_TX = 1, INT_RX = 2, ETHERNET_IRQ = 13 };

static const uint32_t uarts[SERIAL_LINES] = {UART0, UART1};
static volatile uint32_t overruns[LINKS];

extern uint32_t stack_top[];
void reset(void);

static void receive(unsigned link) {
  uint32_t uart = uarts[link];
  while (REG(uart + STATE) & RX_FULL) {
    if (rx_is_full(link)) {
      REG(uart + CTRL) &= ~(uint32_t)RX_INT;
      return;
    }
    rx_put(link, (uint8_t)REG(uart + DATA));
  }
  if (REG(uart + STATE) & OVERRUN) {
    REG(uart + STATE) = OVERRUN;
    overruns[link] += 1;
  }
}

static void transmit(unsigned link) {
  uint32_t uart = uarts[link];
  while (!(REG(uart + STATE) & TX_FULL)) {
    int byte = tx_get(link);
    if (byte < 0) {
      REG(uart + CTRL) &= ~(uint32_t)TX_INT;
      return;
    }
    REG(uart + DATA) = (uint32_t)byte;
  }
}

static void on_rx0(void) {
  REG(UART0 + INT_CLEAR) = INT_RX;
  receive(0);
}
static void on_rx1(void) {
  REG(UART1 + INT_CLEAR) = INT_RX;
  receive(1);
}
static void on_tx0(void) {
  REG(UART0 + INT_CLEAR) = INT_TX;
  transmit(0);
}
static void on_tx1(void) {
  REG(UART1 + INT_CLEAR) = INT_TX;
  transmit(1);
}
#if HAS_NETWORK
/* Only wakes the loop, which reads the chip and lets it interrupt again. */
static void on_ethernet(void) { REG(NVIC_DISABLE) = 1u << ETHERNET_IRQ; }
void lan9118_allow_interrupt(void) { REG(NVIC_ENABLE) = 1u << ETHERNET_IRQ; }
#endif

typedef void (*vector)(void);
#define FAULT armv7m_fault

__attribute__((section(".vectors"), used)) static const vector vectors[] = {
    (vector)(uintptr_t)stack_top, reset, FAULT, FAULT, FAULT, FAULT, FAULT,
    0, 0, 0, 0, FAULT, 0, 0, FAULT, armv7m_tick,
    /* UART0 receives, sends; UART1 receives, sends */
    on_rx0, on_tx0, on_rx1, on_tx1,
#if HAS_NETWORK
    [16 + ETHERNET_IRQ] = on_ethernet,
#endif
};

void board_start(void) {
  armv7m_start(CLOCK_HZ, 15);
}

/* The tick wakes us every millisecond, so a byte that came just before is not waited on long. */
void board_wait(uint32_t ms) {
  (void)ms;
#if HAS_NETWORK
  network_poll();
  /* What comes in between is not slept over: it ends the sleep though it is held back. */
  __asm volatile("cpsid i" ::: "memory");
  if (!network_is_pending()) __asm volatile("wfi");
  __asm volatile("cpsie i" ::: "memory");
#else
  __asm volatile("wfi");
#endif
}

/* An emulated machine has no chance in it: the seed of the settings must do. */
uint32_t board_entropy(void) {
#if HAS_NETWORK
  return REG(SYSTICK + 8) ^ lan9118_chance() << 16;
#else
  return REG(SYSTICK + 8);
#endif
}

void board_open_link(unsigned link, uint32_t baud) {
  if (link >= SERIAL_LINES) return;
  uint32_t uart = uarts[link];
  REG(uart + BAUD_DIV) = CLOCK_HZ / baud < 16 ? 16 : CLOCK_HZ / baud;
  REG(uart + CTRL) = TX_ON | RX_ON | RX_INT;
}

/* A line without a UART is moved by network_poll. */
static bool is_serial(unsigned link) {
  return link < SERIAL_LINES && (REG(uarts[link] + CTRL) & TX_ON);
}

void board_send(unsigned link) {
  if (!is_serial(link)) return;
  __asm volatile("cpsid i" ::: "memory");
  REG(uarts[link] + CTRL) |= TX_INT;
  transmit(link);
  __asm volatile("cpsie i" ::: "memory");
}

void board_receive(unsigned link) {
  if (!is_serial(link)) return;
  __asm volatile("cpsid i" ::: "memory");
  REG(uarts[link] + CTRL) |= RX_INT;
  receive(link);
  __asm volatile("cpsie i" ::: "memory");
}

uint32_t board_overruns(unsigned link) { return overruns[link]; }
