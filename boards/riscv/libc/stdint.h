/* What the compiler has for freestanding programs. */
#include <stdint-gcc.h>
