/* The little that wasm2c's output needs of a runtime on a board. Bounds are not checked by the C
 * code: the core checks every index it is given, reads at most 64 bytes past what it was handed, and
 * is run with checks on the same traffic by the test suite. */
#include "runtime.h"

#include "core.h" /* wasm2c's */
#include "memory.h" /* written by the build: MEMORY_SIZE, what this core uses of its page */

enum { SLACK = 64 };

/* access.h reaches it as words. */
uint8_t core_memory[MEMORY_SIZE + SLACK] __attribute__((aligned(8)));
const uint32_t core_memory_size = sizeof core_memory;

void wasm_rt_trap(wasm_rt_trap_t trap) {
  (void)trap;
  core_trapped();
}

void wasm_rt_allocate_memory(wasm_rt_memory_t* memory, uint32_t pages, uint32_t max_pages) {
  memory->data = core_memory;
  memory->pages = pages;
  memory->max_pages = max_pages;
  memory->size = core_memory_size;
}

void wasm_rt_free_memory(wasm_rt_memory_t* memory) { (void)memory; }

bool wasm_rt_is_initialized(void) { return true; }

uint32_t wasm_rt_register_func_type(uint32_t params, uint32_t results, ...) {
  (void)params;
  (void)results;
  return 0;
}
