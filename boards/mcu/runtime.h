/* The core's memory, and what a program with the core in it must have. */
#ifndef FERRULE_RUNTIME_H
#define FERRULE_RUNTIME_H

#include <stdint.h>

/* What the core uses of its page, and a little more; an address of the core's is an index. */
extern uint8_t core_memory[];
extern const uint32_t core_memory_size;

/* For the program to define: the core is at fault, or its memory was overwritten. */
_Noreturn void core_trapped(void);

#endif
