/* Replays a recorded script (boards/runtimes/README.md) on the core translated to C by wasm2c:
 * what runner.c does on a computer and ../mcu/bare.c on a board. `verbs.h` has a line
 * VERB(name, arguments) for each export. */
#ifndef FERRULE_PLAYER_H
#define FERRULE_PLAYER_H

#include <stddef.h>
#include <stdint.h>

/* Statuses a player ends with. */
enum { SAME = 0, OTHER = 1, CANNOT_PLAY = 2, TRAPPED = 3 };

/* For the program to define: a piece of what is said; the end. */
void say(const char* text);
_Noreturn void finish(int status);

extern struct player {
  uint64_t steps;
  uint64_t marks;
  uint64_t snapshot;
  uint64_t outputs;
  /* Results are compared, nothing is hashed. */
  int quick;
} player;

/* Starts the core and reads the head of a script. Finishes when it is not one. */
void player_open(const uint8_t* script, size_t size);
/* Back to the first entry, with the core as it is. */
void player_rewind(void);
/* Plays to the next mark. Returns 0 when the script has ended. */
int player_next(void);
/* Says what it has come to, up to the comma behind `outputs`. */
void player_report(void);

void say_number(uint64_t value);

#endif
