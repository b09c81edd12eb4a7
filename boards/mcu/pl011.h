/* ARM's PL011 UART as RP2040 and LM3S6965 have it. All of it is inlined: where the board keeps its
 * interrupts in RAM, this is there too. */
#ifndef FERRULE_PL011_H
#define FERRULE_PL011_H

#include "ring.h"

#define REG(address) (*(volatile uint32_t*)(uintptr_t)(address))

enum { DR = 0x00, FR = 0x18, IBRD = 0x24, FBRD = 0x28, LCR_H = 0x2c, CR = 0x30, IMSC = 0x38 };
enum { ICR = 0x44, FR_RXFE = 1 << 4, FR_TXFF = 1 << 5, RX_INTERRUPTS = 1 << 4 | 1 << 6 };
enum { TX_INTERRUPT = 1 << 5, DR_OVERRUN = 1 << 11 };

/* The interrupt. Returns how often the UART says that bytes were lost. */
RING_INLINE uint32_t pl011_serve(unsigned link, uint32_t uart) {
  uint32_t lost = 0;
  /* What says that there are bytes goes when they are read, and must not be cleared: of those that
   * wait in the FIFO while there is no room for them nothing else would ever tell. */
  REG(uart + ICR) = TX_INTERRUPT;
  while (!(REG(uart + FR) & FR_RXFE)) {
    if (rx_is_full(link)) {
      /* The rest waits in the FIFO, and RTS tells the peer; the main loop turns it on again. */
      REG(uart + IMSC) &= ~(uint32_t)RX_INTERRUPTS;
      break;
    }
    uint32_t data = REG(uart + DR);
    if (data & DR_OVERRUN) lost += 1;
    rx_put(link, (uint8_t)data);
  }
  while (!(REG(uart + FR) & FR_TXFF)) {
    int byte = tx_get(link);
    if (byte < 0) {
      REG(uart + IMSC) &= ~(uint32_t)TX_INTERRUPT;
      break;
    }
    REG(uart + DR) = (uint32_t)byte;
  }
  return lost;
}

/* `control`: what is on, RX and TX and flow control. */
RING_INLINE void pl011_open(uint32_t uart, uint32_t clock_hz, uint32_t baud, uint32_t control) {
  /* Sixteenths of the clock, with six bits behind the point, rounded. */
  uint32_t divisor = (8u * clock_hz / baud + 1) / 2;
  REG(uart + CR) = 0;
  REG(uart + IBRD) = divisor >> 6;
  REG(uart + FBRD) = divisor & 63;
  REG(uart + LCR_H) = 3 << 5 | 1 << 4; /* 8 bits, FIFOs */
  REG(uart + CR) = control;
  REG(uart + IMSC) = RX_INTERRUPTS;
}

RING_INLINE void pl011_send(unsigned link, uint32_t uart) {
  __asm volatile("cpsid i" ::: "memory");
  /* The interrupt comes when the FIFO runs low, so it is filled by hand first. */
  while (!(REG(uart + FR) & FR_TXFF)) {
    int byte = tx_get(link);
    if (byte < 0) break;
    REG(uart + DR) = (uint32_t)byte;
  }
  if (ring_used(&tx_rings[link])) REG(uart + IMSC) |= TX_INTERRUPT;
  __asm volatile("cpsie i" ::: "memory");
}

RING_INLINE void pl011_receive(uint32_t uart) {
  __asm volatile("cpsid i" ::: "memory");
  REG(uart + IMSC) |= RX_INTERRUPTS;
  __asm volatile("cpsie i" ::: "memory");
}

#endif
