/* Reset handler for boards with an ordinary C environment: data is copied, the rest cleared. */
#include <stdint.h>

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];
int main(void);
void reset(void);

void reset(void) {
  const uint32_t* from = data_load;
  for (uint32_t* to = data_start; to < data_end;) *to++ = *from++;
  for (uint32_t* to = bss_start; to < bss_end;) *to++ = 0;
  main();
}

/* memcpy and its kin come from the compiler's C library; nothing else of it is used. */
_Noreturn void abort(void) {
  for (;;) {}
}
