/* For boards whose flash nobody writes: settings lie where something else has put them (sizes.h:
 * SETTINGS_ADDRESS), the books live as long as the power, nothing shows or guards the state. */
#include "board.h"

void board_led(bool on) { (void)on; }
void board_feed_watchdog(void) {}

enum { SETTINGS_SECTORS = 4 };

const uint8_t* board_journal(uint32_t* sectors) {
  *sectors = 0;
  return 0;
}

const uint8_t* board_settings(unsigned slot, uint32_t* sectors) {
  *sectors = SETTINGS_SECTORS;
  return slot == 0 ? (const uint8_t*)(uintptr_t)SETTINGS_ADDRESS : 0;
}

void board_erase(const uint8_t* sector) { (void)sector; }

void board_program(const uint8_t* page, const void* bytes) {
  (void)page;
  (void)bytes;
}
