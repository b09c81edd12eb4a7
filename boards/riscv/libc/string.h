/* What the compiler itself calls and the firmware uses: string.c. */
#ifndef FERRULE_STRING_H
#define FERRULE_STRING_H

#include <stddef.h>

void* memcpy(void* restrict to, const void* restrict from, size_t size);
void* memmove(void* to, const void* from, size_t size);
void* memset(void* to, int byte, size_t size);
int memcmp(const void* a, const void* b, size_t size);
size_t strlen(const char* text);

#endif
