/* Status frames: what two ends of a line say about the line and themselves. README.md has the
 * format. Nothing here moves money but a settlement that the operator books. */
#ifndef FERRULE_CONTROL_H
#define FERRULE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "board.h"

/* How the firmware is; the LED blinks the number, 0 is a steady light. */
enum firmware_state {
  STATE_RUNNING = 0,
  STATE_NO_SETTINGS = 1,
  STATE_NO_CLOCK = 2,
  STATE_BOOKS = 3,    /* damaged, or of other accounts: nothing is forwarded */
  STATE_SETTINGS = 4, /* the core refused the settings */
  STATE_FLASH = 5,    /* the books cannot be written: no new packets */
  STATE_NO_ADDRESS = 6, /* the parent has not given one yet */
};

enum firmware_state control_state(void);
/* The wall clock in milliseconds; 0 before anybody has told it. */
uint64_t control_wall(uint64_t now);
/* Makes the seed for the core and for challenges. Before node_start. */
uint64_t control_seed(void);
/* Says that the board has started, so that the other end tells the time. */
void control_hello(unsigned link);
#if HAS_NETWORK
/* Bytes that nobody can foresee who does not know the secret of the settings. */
void control_random(uint8_t* bytes, uint32_t size);
/* Adds chance from outside: it cannot make the bytes worse. */
void control_stir(const uint8_t* chance, uint32_t size);
#endif
/* A status frame of `length` bytes, without its delimiter, is in the core's input. */
void control_frame(unsigned link, uint32_t length, uint64_t now);

#endif
