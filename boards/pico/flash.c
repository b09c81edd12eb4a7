/* The Pico's flash, written with the functions of the boot ROM (RP2040 data sheet, 2.8.3). While
 * they work nothing can be read from flash: what runs then is in RAM or ROM, interrupts included, so
 * lines go on receiving. */
#include "board.h"
#include "board_flash.h"

typedef void (*rom_call)(void);
typedef void (*rom_erase)(uint32_t at, uint32_t size, uint32_t block, uint8_t command);
typedef void (*rom_program)(uint32_t at, const uint8_t* bytes, uint32_t size);

typedef struct {
  rom_call connect;
  rom_call exit_xip;
  rom_erase erase;
  rom_program program;
  rom_call flush;
  rom_call enter_xip;
} rom;

enum { BLOCK_SIZE = 65536, BLOCK_COMMAND = 0xd8 };

#define REG(address) (*(volatile uint32_t*)(address))
#define SSI 0x18000000u

/* A function by its two letters, from the table whose address is the half word at 0x14. */
static uint32_t look_up(char first, char second) {
  const volatile uint16_t* table = (const volatile uint16_t*)(uintptr_t)(
      *(const volatile uint16_t*)0x14);
  uint16_t code = (uint16_t)(first | second << 8);
  for (; table[0]; table += 2) {
    if (table[0] == code) return table[1];
  }
  board_restart(RESET_TRAP);
}

static rom find_rom(void) {
  return (rom){
      .connect = (rom_call)(uintptr_t)look_up('I', 'F'),
      .exit_xip = (rom_call)(uintptr_t)look_up('E', 'X'),
      .erase = (rom_erase)(uintptr_t)look_up('R', 'E'),
      .program = (rom_program)(uintptr_t)look_up('R', 'P'),
      .flush = (rom_call)(uintptr_t)look_up('F', 'C'),
      .enter_xip = (rom_call)(uintptr_t)look_up('C', 'X'),
  };
}

/* As boot2 set it up; the ROM leaves a slower clock. */
IN_RAM static void restore_reads(void) {
  REG(SSI + 0x08) = 0;
  REG(SSI + 0x14) = 4;
  REG(SSI + 0x00) = 31 << 16 | 3 << 8;
  REG(SSI + 0xf4) = 0x03u << 24 | 2 << 8 | 6 << 2;
  REG(SSI + 0x04) = 0;
  REG(SSI + 0x08) = 1;
}

IN_RAM static void change(const rom* r, uint32_t at, const uint8_t* bytes) {
  r->connect();
  r->exit_xip();
  if (bytes) r->program(at, bytes, PAGE_SIZE);
  else r->erase(at, SECTOR_SIZE, BLOCK_SIZE, BLOCK_COMMAND);
  r->flush();
  r->enter_xip();
  restore_reads();
}

static uint32_t offset_of(const uint8_t* address) { return (uint32_t)(uintptr_t)address - FLASH; }

void board_erase(const uint8_t* sector) {
  rom r = find_rom();
  change(&r, offset_of(sector), 0);
  board_feed_watchdog();
}

void board_program(const uint8_t* page, const void* bytes) {
  rom r = find_rom();
  change(&r, offset_of(page), bytes);
  board_feed_watchdog();
}

const uint8_t* board_journal(uint32_t* sectors) {
  *sectors = JOURNAL_SECTORS;
  return (const uint8_t*)(uintptr_t)(FLASH + JOURNAL_OFFSET);
}

const uint8_t* board_settings(unsigned slot, uint32_t* sectors) {
  *sectors = SETTINGS_SECTORS;
  uint32_t offset = SETTINGS_OFFSET + slot * SETTINGS_SECTORS * SECTOR_SIZE;
  return (const uint8_t*)(uintptr_t)(FLASH + offset);
}
