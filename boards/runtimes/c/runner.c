/* Replays a recorded script on the core as C, on a computer.
 *
 *   runner SCRIPT              every result, output and mark is compared
 *   runner SCRIPT --steps N    the same, to the first mark at or behind step N
 *   runner SCRIPT --quick      results only, nothing is hashed: for profilers
 *   runner SCRIPT --time       the same, again and again for a second: the best of what follows
 *                              the first mark
 *
 * Ends with 0 when all is as recorded, 1 at the first difference, 2 when it cannot play, 3 when the
 * core trapped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "player.h"

void say(const char* text) { fputs(text, stdout); }

_Noreturn void finish(int status) { exit(status); }

void ferrule_trapped(int trap) {
  fprintf(stderr, "the core trapped: %d\n", trap);
  exit(TRAPPED);
}

static uint8_t* read_script(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) {
    perror(path);
    exit(CANNOT_PLAY);
  }
  *size = (size_t)ftell(file);
  rewind(file);
  uint8_t* bytes = malloc(*size + 1);
  if (!bytes || fread(bytes, 1, *size, file) != *size) {
    fprintf(stderr, "%s could not be read\n", path);
    exit(CANNOT_PLAY);
  }
  fclose(file);
  return bytes;
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds that a step takes behind the first mark: the best of a second's turns. */
static double measure(void) {
  double best = 1e300, all = 0;
  player.quick = 1;
  while (all < 1e9) {
    player_rewind();
    if (!player_next()) break;
    double from = now_ns();
    uint64_t first = player.steps;
    while (player_next()) continue;
    double ns = now_ns() - from;
    all += ns;
    if (ns / (double)(player.steps - first) < best) best = ns / (double)(player.steps - first);
  }
  return best;
}

/* The most memory this process has had, in KiB; 0 where Linux does not say. */
static long peak_kib(void) {
  char line[256];
  long kib = 0;
  FILE* status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status)) sscanf(line, "VmHWM: %ld", &kib);
  if (status) fclose(status);
  return kib;
}

int main(int count, char** arguments) {
  if (count < 2) {
    fprintf(stderr, "usage: runner SCRIPT [--steps N | --quick | --time]\n");
    return CANNOT_PLAY;
  }
  const char* mode = count > 2 ? arguments[2] : "";
  int is_part = count > 3 && !strcmp(mode, "--steps");
  uint64_t last = is_part ? strtoull(arguments[3], 0, 10) : UINT64_MAX;
  player.quick = !strcmp(mode, "--quick");
  size_t size;
  const uint8_t* script = read_script(arguments[1], &size);
  player_open(script, size);
  if (!strcmp(mode, "--time")) {
    printf("{\"nsPerStep\":%.1f}\n", measure());
    return SAME;
  }
  double from = now_ns();
  while (player.steps < last && player_next()) continue;
  player_report();
  printf("\"ms\":%.1f,\"peakKiB\":%ld}\n", (now_ns() - from) / 1e6, peak_kib());
  return SAME;
}
