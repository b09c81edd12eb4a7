/* The settings a board is given: setters of the core and a few of the firmware's own, as one block
 * in flash (README.md has the format, settings.mjs writes it). */
#ifndef FERRULE_SETTINGS_H
#define FERRULE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "board.h"
#include "digest.h"

enum link_flag {
  LINK_MAY_SET_CLOCK = 1,
  LINK_MAY_READ_REPORT = 2,
  LINK_MAY_SET_UP = 4,
};

enum { NO_ACCOUNT = 0xffffffff, NAMES_MAX = 20, ACCOUNT_NAMES = 16, SEED_MAX = 64 };

typedef struct {
  uint32_t account; /* NO_ACCOUNT: the link carries no packets */
  uint32_t baud;
  uint32_t flags;
#if HAS_NETWORK
  uint16_t port; /* TCP instead of a serial line; 0: none */
  uint8_t key[DIGEST_SIZE];
#endif
} link_settings;

#if HAS_NETWORK
/* IPv4, as they stand in a packet; without an address DHCP is asked. */
typedef struct {
  uint32_t address;
  uint32_t mask;
  uint32_t gateway;
} network_settings;
#endif

typedef struct {
  bool found;        /* there are settings */
  bool accepted;     /* and the core took all of them */
  uint32_t revision; /* the larger one counts */
  uint32_t commit_ms;
  bool forget; /* the books of earlier settings are to be forgotten, once */
  bool inherits; /* the address comes from the parent whose account is inherit_from */
  bool production;
  uint32_t inherit_from;
  bool has_key;
  uint8_t key[DIGEST_SIZE];
  uint8_t seed[SEED_MAX];
  link_settings links[LINKS];
#if HAS_NETWORK
  network_settings network;
#endif
  /* What each account (16) and asset (4) is, as a checksum of its name and asset; 0: unused. */
  uint32_t names[NAMES_MAX];
} settings_state;

extern settings_state settings;

/* Finds the newest settings that are whole, and reads the firmware's part of them. */
void settings_load(void);
/* Hands the core's part to a core that is empty. */
void settings_apply(void);
/* Is this a whole block of settings? */
bool settings_check(const uint8_t* block, uint32_t size);
/* Could this board work with a block that is whole? What is for the core, settings.mjs has tried on
 * the same core. */
bool settings_are_possible(const uint8_t* block);
/* Writes a block that is whole into the slot that is not in use. False: the flash refused. */
bool settings_store(const uint8_t* block, uint32_t size);
/* Is it newer than what is in use? */
bool settings_is_newer(const uint8_t* block);

#endif
