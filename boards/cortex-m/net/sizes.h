/* MPS2 AN385 with Ethernet: four lines, the first two serial where they have no port. */
#ifndef FERRULE_NET_SIZES_H
#define FERRULE_NET_SIZES_H

#include "../sizes.h"

#define HAS_NETWORK 1
#define LINE_COUNT 4
#define SERIAL_LINES 2

#endif
