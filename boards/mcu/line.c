/* Frames of a serial line; the format is the core's, assembly/wire/serial.ts. */
#include "line.h"

#include <string.h>

#include "board.h"
#include "digest.h"
#include "ring.h"

enum { STALL_MS = 1000, RUN_MAX = 254 };

ring rx_rings[LINKS];
ring tx_rings[LINKS];
uint8_t rx_bytes[LINKS][RX_SIZE];
uint8_t tx_bytes[LINKS][TX_SIZE];
line lines[LINKS];

static uint8_t peek(unsigned link, uint32_t at) { return rx_bytes[link][at & (RX_SIZE - 1)]; }

/* Takes bytes from the front; the interrupt may fill their place. */
static void consume(unsigned link, uint32_t end) {
  __atomic_signal_fence(__ATOMIC_RELEASE);
  rx_rings[link].tail = end;
  lines[link].scanned = end;
  board_receive(link);
}

uint32_t line_next(unsigned link, uint32_t max) {
  line* l = &lines[link];
  for (;;) {
    uint32_t start = rx_rings[link].tail;
    uint32_t end = rx_rings[link].head;
    uint32_t at = l->scanned;
    while (at != end && peek(link, at)) ++at;
    l->scanned = at;
    bool found = at != end;
    uint32_t length = at - start;
    bool too_long = length > max || (!found && length == RX_SIZE);
    if (!found && !too_long && !l->skipping) return 0;
    if (found && length && !too_long && !l->skipping) return length;
    /* An idle delimiter, or a frame that is not to be had: thrown away up to its end. */
    if (too_long && !l->skipping) l->faults += 1;
    l->skipping = (l->skipping || too_long) && !found;
    consume(link, found ? at + 1 : at);
    if (!found) return 0;
  }
}

/* The first byte of a frame is the kind and never 0, so it stands behind one stuffing byte. */
unsigned line_kind(unsigned link) { return peek(link, rx_rings[link].tail + 1); }

void line_take(unsigned link, uint32_t length, uint8_t* to) {
  uint32_t start = rx_rings[link].tail;
  uint32_t first = RX_SIZE - (start & (RX_SIZE - 1));
  uint32_t size = length + 1;
  if (first > size) first = size;
  memcpy(to, &rx_bytes[link][start & (RX_SIZE - 1)], first);
  memcpy(to + first, rx_bytes[link], size - first);
  consume(link, start + size);
}

uint32_t line_room(unsigned link) { return TX_SIZE - ring_used(&tx_rings[link]); }

bool line_write(unsigned link, const uint8_t* bytes, uint32_t length) {
  if (line_room(link) < length) {
    lines[link].dropped += 1;
    return false;
  }
  uint32_t head = tx_rings[link].head;
  uint32_t first = TX_SIZE - (head & (TX_SIZE - 1));
  if (first > length) first = length;
  memcpy(&tx_bytes[link][head & (TX_SIZE - 1)], bytes, first);
  memcpy(tx_bytes[link], bytes + first, length - first);
  __atomic_signal_fence(__ATOMIC_RELEASE);
  tx_rings[link].head = head + length;
  board_send(link);
  return true;
}

#if HAS_NETWORK
void line_reset(unsigned link) {
  rx_rings[link].tail = rx_rings[link].head;
  tx_rings[link].tail = tx_rings[link].head;
  lines[link].scanned = rx_rings[link].head;
  lines[link].skipping = false;
}
#endif

bool line_watch(unsigned link, uint64_t now) {
  line* l = &lines[link];
  uint32_t tail = tx_rings[link].tail;
  bool moves = tail != l->tail || tail == tx_rings[link].head;
  if (moves) {
    l->tail = tail;
    l->since = now;
  }
  bool stalled = !moves && now - l->since > STALL_MS;
  bool changed = stalled != l->stalled;
  l->stalled = stalled;
  return changed;
}

/* ---- opening and making frames ---- */

static uint32_t unstuff(uint8_t* bytes, uint32_t length) {
  uint32_t from = 0;
  uint32_t to = 0;
  while (from < length) {
    uint32_t code = bytes[from];
    if (code == 0 || from + code > length) return 0;
    memmove(bytes + to, bytes + from + 1, code - 1);
    from += code;
    to += code - 1;
    if (code <= RUN_MAX && from < length) bytes[to++] = 0;
  }
  return to;
}

uint32_t frame_open(uint8_t* frame, uint32_t length) {
  uint32_t size = unstuff(frame, length);
  if (size < FRAME_HEADER + FRAME_CRC) return 0;
  uint32_t crc;
  memcpy(&crc, frame + size - FRAME_CRC, FRAME_CRC);
  return crc == crc32c(frame, size - FRAME_CRC) ? size - FRAME_CRC : 0;
}

uint32_t frame_status(uint8_t* out, uint32_t id, const uint8_t* payload, uint32_t length) {
  /* Put together at the upper end of the room, then stuffed downwards. */
  uint32_t plain = FRAME_HEADER + length + FRAME_CRC;
  uint8_t* from = out + 1 + (plain + RUN_MAX - 1) / RUN_MAX;
  from[0] = SERIAL_STATUS;
  memcpy(from + 1, &id, 4);
  memcpy(from + FRAME_HEADER, payload, length);
  uint32_t crc = crc32c(from, FRAME_HEADER + length);
  memcpy(from + FRAME_HEADER + length, &crc, FRAME_CRC);
  uint8_t* end = from + plain;
  uint8_t* mark = out;
  uint8_t* to = out + 1;
  for (; from < end; ++from) {
    uint8_t byte = *from;
    if (byte) *to++ = byte;
    if (!byte || (to - mark > RUN_MAX && from + 1 < end)) {
      *mark = (uint8_t)(to - mark);
      mark = to++;
    }
  }
  *mark = (uint8_t)(to - mark);
  *to++ = 0;
  return (uint32_t)(to - out);
}
