/* Bytes between an interrupt and the main loop: one writer, one reader, no lock. Positions count up
 * for ever and are masked when used. Everything is inlined, because interrupts run from RAM. */
#ifndef FERRULE_RING_H
#define FERRULE_RING_H

#include "board.h"

typedef struct {
  volatile uint32_t head; /* written so far */
  volatile uint32_t tail; /* read so far */
} ring;

_Static_assert((RX_SIZE & (RX_SIZE - 1)) == 0, "RX_SIZE must be a power of two");
_Static_assert((TX_SIZE & (TX_SIZE - 1)) == 0, "TX_SIZE must be a power of two");

extern ring rx_rings[LINKS];
extern ring tx_rings[LINKS];
extern uint8_t rx_bytes[LINKS][RX_SIZE];
extern uint8_t tx_bytes[LINKS][TX_SIZE];

#define RING_INLINE static inline __attribute__((always_inline))

RING_INLINE uint32_t ring_used(const ring* r) { return r->head - r->tail; }

RING_INLINE bool rx_is_full(unsigned link) { return ring_used(&rx_rings[link]) == RX_SIZE; }

/* For the interrupt: the caller has looked that there is room. */
RING_INLINE void rx_put(unsigned link, uint8_t byte) {
  ring* r = &rx_rings[link];
  uint32_t head = r->head;
  rx_bytes[link][head & (RX_SIZE - 1)] = byte;
  __atomic_signal_fence(__ATOMIC_RELEASE);
  r->head = head + 1;
}

/* For the interrupt: the next byte to send, or -1. */
RING_INLINE int tx_get(unsigned link) {
  ring* r = &tx_rings[link];
  uint32_t tail = r->tail;
  if (tail == r->head) return -1;
  uint8_t byte = tx_bytes[link][tail & (TX_SIZE - 1)];
  __atomic_signal_fence(__ATOMIC_RELEASE);
  r->tail = tail + 1;
  return byte;
}

#endif
