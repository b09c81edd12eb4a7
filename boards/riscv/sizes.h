/* sifive_u under QEMU: rings as on the Pico. No flash that is written. */
#ifndef FERRULE_SIZES_H
#define FERRULE_SIZES_H

#define RX_SIZE 16384
#define TX_SIZE 16384
#define HAS_FLASH 0
#define SETTINGS_ADDRESS 0x80800000u

#endif
