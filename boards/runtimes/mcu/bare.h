/* What bare.c asks of a board. */
#ifndef FERRULE_BARE_H
#define FERRULE_BARE_H

#include <stdint.h>

void bare_start(void);
/* A byte to the serial line. */
void bare_put(char byte);
/* Begins to count, and says how far it came: in units that run.mjs knows of the board. A Cortex-M
 * can count to 2^24, twenty million instructions. */
void bare_count(void);
uint32_t bare_counted(void);
_Noreturn void bare_halt(void);

/* Every handler of a board that nobody expects to be called. */
_Noreturn void bare_fault(void);

#endif
