/* LM3S6965: 64 KiB of RAM, of which the core takes 54.9. Frames that do not fit the ring of received
 * bytes are thrown away, so packets are at most some 1,000 bytes. No flash that is written. */
#ifndef FERRULE_SIZES_H
#define FERRULE_SIZES_H

#define RX_SIZE 1024
#define TX_SIZE 2048
#define HAS_FLASH 0
#define SETTINGS_ADDRESS 0x3c000

#endif
