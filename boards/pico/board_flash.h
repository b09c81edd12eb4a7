/* Where things are in the Pico's flash; pico.ld keeps the firmware below. */
#ifndef FERRULE_BOARD_FLASH_H
#define FERRULE_BOARD_FLASH_H

#define FLASH 0x10000000u
#define SETTINGS_OFFSET 0x170000u
#define SETTINGS_SECTORS 4u
#define JOURNAL_OFFSET 0x180000u
#define JOURNAL_SECTORS 128u

#endif
