/* Serial lines as frames: bytes from an interrupt's ring up to the 0x00 that ends a frame, and whole
 * frames into the ring that another interrupt sends. What is in a frame is the core's business; only
 * status frames (kind 3, see README.md) are opened here. */
#ifndef FERRULE_LINE_H
#define FERRULE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board.h"

enum serial_kind { SERIAL_STATUS = 3 };
enum { FRAME_HEADER = 5, FRAME_CRC = 4 };

typedef struct {
  uint32_t scanned; /* no delimiter stands before this position of the ring */
  bool skipping;    /* the frame at the front is too long and is being thrown away */
  bool stalled;     /* the peer has taken nothing for a while */
  uint32_t faults;  /* frames too long, and damaged status frames */
  uint32_t dropped; /* frames that found no room in the ring to be sent */
  uint32_t tail;    /* where sending stood when last looked at */
  uint64_t since;   /* and since when */
} line;

extern line lines[];

/* Is a whole frame waiting? Its bytes without the delimiter, at most `max`; 0 when there is none. */
uint32_t line_next(unsigned link, uint32_t max);
/* The kind of the frame that is waiting, as far as it can be told unopened. */
unsigned line_kind(unsigned link);
/* Copies the frame of `length` bytes with its delimiter and takes it from the ring. */
void line_take(unsigned link, uint32_t length, uint8_t* to);
uint32_t line_room(unsigned link);
/* Sends bytes as they are, all or none. */
bool line_write(unsigned link, const uint8_t* bytes, uint32_t length);
#if HAS_NETWORK
/* Forgets what is in both rings: somebody else is at the other end. */
void line_reset(unsigned link);
#endif
/* Notes whether the peer takes what is sent. Returns true when `stalled` has changed. */
bool line_watch(unsigned link, uint64_t now);

/* Opens a frame in place. Returns the plain bytes without their checksum, 0 when it is damaged. */
uint32_t frame_open(uint8_t* frame, uint32_t length);
/* Writes a status frame around a payload at `out`, which has room for length + length / 254 + 12
 * bytes and does not overlap. Returns its size. */
uint32_t frame_status(uint8_t* out, uint32_t id, const uint8_t* payload, uint32_t length);

#endif
