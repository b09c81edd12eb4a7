/* What the firmware asks of a board. Everything here is implemented once per board; the rest of
 * boards/mcu is the same on all of them. Times are milliseconds since power-on. */
#ifndef FERRULE_BOARD_H
#define FERRULE_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "sizes.h" /* the board's: RX_SIZE, TX_SIZE, HAS_FLASH, and what it has more of */

#ifndef LINE_COUNT
#define LINE_COUNT 2
#endif
#ifndef HAS_NETWORK
#define HAS_NETWORK 0
#endif

enum { LINKS = LINE_COUNT, SECTOR_SIZE = 4096, PAGE_SIZE = 256 };

/* Code that runs while the flash cannot be read: the board's linker script puts it into RAM. */
#define IN_RAM __attribute__((section(".ramtext"), noinline))

/* Why the board started. */
enum reset_cause { RESET_POWER = 0, RESET_WATCHDOG = 1, RESET_TRAP = 2, RESET_SETUP = 3 };

/* Clocks, timer, watchdog, LED. Before it nothing else here may be called. */
void board_start(void);
enum reset_cause board_reset_cause(void);
/* Starts over and remembers why. */
_Noreturn void board_restart(enum reset_cause cause);
uint64_t board_now_ms(void);
/* Sleeps until an interrupt, at most this long; not at all when a link has something to do. */
void board_wait(uint32_t ms);
void board_led(bool on);
void board_feed_watchdog(void);
/* 32 bits that differ from one start to the next, as far as the hardware has such. */
uint32_t board_entropy(void);

/* Serial lines. Bytes go through the rings of ring.h, moved by the board's interrupts. */
void board_open_link(unsigned link, uint32_t baud);
/* There are bytes in the ring to be sent. */
void board_send(unsigned link);
/* There is room again in the ring of received bytes. */
void board_receive(unsigned link);
/* Bytes lost because nobody took them in time, since the start. */
uint32_t board_overruns(unsigned link);

/* Flash that outlives power: addresses to read it at, or NULL. Sizes are whole sectors. */
const uint8_t* board_journal(uint32_t* sectors);
const uint8_t* board_settings(unsigned slot, uint32_t* sectors);
/* Erases a sector to 0xff; programs a page of PAGE_SIZE bytes. The caller reads back. */
void board_erase(const uint8_t* sector);
void board_program(const uint8_t* page, const void* bytes);

#endif
