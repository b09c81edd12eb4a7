/* What lwIP must know of the compiler and the firmware. */
#ifndef FERRULE_LWIP_CC_H
#define FERRULE_LWIP_CC_H

#include "board.h"

#define LWIP_NO_CTYPE_H 1
#define LWIP_PLATFORM_DIAG(text)
/* Never so far; but rather a new start than a connection that is not what it seems. */
#define LWIP_PLATFORM_ASSERT(text) board_restart(RESET_TRAP)

#endif
