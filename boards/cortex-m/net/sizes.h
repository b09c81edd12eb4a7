/* MPS2 AN385 with Ethernet: four lines, the first two serial where they have no port. */
#ifndef FERRULE_SIZES_H
#define FERRULE_SIZES_H

#define RX_SIZE 16384
#define TX_SIZE 16384
#define HAS_FLASH 0
#define SETTINGS_ADDRESS 0x200000
#define HAS_NETWORK 1
#define LINE_COUNT 4
#define SERIAL_LINES 2

#endif
