/* How the core as C reaches its memory on a board: in place of wasm2c's own loads and stores, which
 * ask the instance where memory is, and copy bytes, as an address may be odd. Here memory is one
 * array that the linker places. A processor that takes words from whole addresses only (Cortex-M0+,
 * most RISC-V) gets the word at once where the address allows it, which it nearly always does:
 * otherwise each load would be four of a byte. The build includes this in core.c before wasm2c's
 * functions are made; nothing is checked here (see node.c). */
#ifndef FERRULE_ACCESS_H
#define FERRULE_ACCESS_H

#include <stdint.h>
#include <string.h>

/* Where the program has the core's memory. */
extern uint8_t core_memory[] __attribute__((aligned(8)));

#undef DEFINE_LOAD
#undef DEFINE_STORE

#ifdef __ARM_FEATURE_UNALIGNED

#define DEFINE_LOAD(name, type, wide, result)                        \
  static inline result name(wasm_rt_memory_t* memory, u64 address) { \
    (void)memory;                                                    \
    type value;                                                      \
    memcpy(&value, core_memory + (uint32_t)address, sizeof value);   \
    return (result)(wide)value;                                      \
  }

#define DEFINE_STORE(name, type, given)                                         \
  static inline void name(wasm_rt_memory_t* memory, u64 address, given value) { \
    (void)memory;                                                               \
    type narrow = (type)value;                                                  \
    memcpy(core_memory + (uint32_t)address, &narrow, sizeof narrow);            \
  }

#else

#define ODD static __attribute__((noinline))
ODD uint32_t load_odd_2(const uint8_t* p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
ODD uint32_t load_odd_4(const uint8_t* p) {
  uint32_t value;
  memcpy(&value, p, sizeof value);
  return value;
}
ODD uint64_t load_odd_8(const uint8_t* p) {
  uint64_t value;
  memcpy(&value, p, sizeof value);
  return value;
}
ODD void store_odd_2(uint8_t* p, uint16_t value) { memcpy(p, &value, sizeof value); }
ODD void store_odd_4(uint8_t* p, uint32_t value) { memcpy(p, &value, sizeof value); }
ODD void store_odd_8(uint8_t* p, uint64_t value) { memcpy(p, &value, sizeof value); }
#undef ODD

/* A word of eight bytes is two of four. */
#define WHOLE(type) (sizeof(type) > 4 ? 4 : sizeof(type))
#define IS_WHOLE(p, type) __builtin_expect(((uintptr_t)(p) & (WHOLE(type) - 1)) == 0, 1)

#define DEFINE_LOAD(name, type, wide, result)                            \
  static inline result name(wasm_rt_memory_t* memory, u64 address) {     \
    (void)memory;                                                        \
    typedef type __attribute__((may_alias, aligned(WHOLE(type)))) whole; \
    const uint8_t* p = core_memory + (uint32_t)address;                  \
    if (IS_WHOLE(p, type)) return (result)(wide) * (const whole*)p;      \
    if (sizeof(type) == 8) return (result)(wide)(type)load_odd_8(p);     \
    if (sizeof(type) == 4) return (result)(wide)(type)load_odd_4(p);     \
    return (result)(wide)(type)load_odd_2(p);                            \
  }

#define DEFINE_STORE(name, type, given)                                         \
  static inline void name(wasm_rt_memory_t* memory, u64 address, given value) { \
    (void)memory;                                                               \
    typedef type __attribute__((may_alias, aligned(WHOLE(type)))) whole;        \
    uint8_t* p = core_memory + (uint32_t)address;                               \
    if (IS_WHOLE(p, type)) *(whole*)p = (type)value;                            \
    else if (sizeof(type) == 8) store_odd_8(p, (uint64_t)value);                \
    else if (sizeof(type) == 4) store_odd_4(p, (uint32_t)value);                \
    else store_odd_2(p, (uint16_t)value);                                       \
  }

#endif
#endif
