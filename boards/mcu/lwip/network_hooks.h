/* Functions of ours that lwIP calls. */
#ifndef FERRULE_NETWORK_HOOKS_H
#define FERRULE_NETWORK_HOOKS_H

#include "lwip/ip_addr.h"

/* First sequence number of a connection, as RFC 6528 has it. */
u32_t network_isn(const ip_addr_t* own, u16_t own_port, const ip_addr_t* peer, u16_t peer_port);

#endif
