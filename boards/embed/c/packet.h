/* Between connector.c and packet.c. */
#ifndef FERRULE_PACKET_H
#define FERRULE_PACKET_H

#include "connector.h"

/* Where bytes are put, how many were, and how many there is room for. */
typedef struct {
  uint8_t* at;
  size_t used;
  size_t room;
} ferrule_writer;

/* Writes a packet. Returns its size, 0 when there is no room for it. */
size_t ferrule_encode(const ferrule_packet* packet, uint8_t* at, size_t room);

#endif
