/* All that code written by wasm2c 1.0.32 needs at run time: the core's memory does not grow, there
 * are no tables to call through, no signals. A firmware gives it a static array, not `calloc`. */
#include <stdlib.h>
#include <wasm-rt.h>

static const uint32_t PAGE_BYTES = 65536;

/* For the program to define: the core is at fault, or its memory was overwritten. Never returns. */
extern void ferrule_trapped(int trap);

void wasm_rt_trap(wasm_rt_trap_t trap) {
  ferrule_trapped((int)trap);
  abort();
}

void wasm_rt_allocate_memory(wasm_rt_memory_t* memory, uint32_t pages, uint32_t max_pages) {
  memory->data = calloc(pages, PAGE_BYTES);
  if (!memory->data) abort();
  memory->pages = pages;
  memory->max_pages = max_pages;
  memory->size = pages * PAGE_BYTES;
}

void wasm_rt_free_memory(wasm_rt_memory_t* memory) { free(memory->data); }

bool wasm_rt_is_initialized(void) { return true; }

uint32_t wasm_rt_register_func_type(uint32_t params, uint32_t results, ...) {
  (void)params;
  (void)results;
  return 0;
}
