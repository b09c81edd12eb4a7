/* Raspberry Pi Pico: 264 KiB of RAM. Rings hold two of the largest frames, and what comes in at
 * 115200 baud while a sector of flash is erased (400 ms at worst) many times over. */
#ifndef FERRULE_SIZES_H
#define FERRULE_SIZES_H

#define RX_SIZE 16384
#define TX_SIZE 16384
#define HAS_FLASH 1

#endif
