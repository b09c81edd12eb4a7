/* What every Cortex-M3 has: SysTick as clock, one interrupt controller, a reset. ARM DDI 0403. */
#ifndef FERRULE_ARMV7M_H
#define FERRULE_ARMV7M_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t*)(uintptr_t)(address))
#define SYSTICK 0xe000e010u
#define NVIC_ENABLE 0xe000e100u
#define NVIC_DISABLE 0xe000e180u

/** Starts the clock of milliseconds and allows these interrupts, a bit each. */
void armv7m_start(uint32_t clock_hz, uint32_t interrupts);

/** The handlers of SysTick and of every fault. */
void armv7m_tick(void);
void armv7m_fault(void);

#endif
