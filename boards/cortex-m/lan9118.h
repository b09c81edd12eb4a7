/* The Ethernet chip of an MPS2 board: where it is, and what it needs of the board. */
#ifndef FERRULE_LAN9118_H
#define FERRULE_LAN9118_H

#include <stdint.h>

#define LAN9118 0x40200000u

/* The board's: the chip's interrupt may come again. */
void lan9118_allow_interrupt(void);
/* Bits that are not foreseen. */
uint32_t lan9118_chance(void);

#endif
