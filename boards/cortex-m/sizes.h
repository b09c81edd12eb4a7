/* MPS2 AN385 (Cortex-M3, 4 MiB of RAM): rings as on the Pico. No flash that is written. */
#ifndef FERRULE_SIZES_H
#define FERRULE_SIZES_H

#define RX_SIZE 16384
#define TX_SIZE 16384
#define HAS_FLASH 0
#define SETTINGS_ADDRESS 0x200000

#endif
