/* Lines over a network: TCP on a port of their own, to a peer that knows the line's key. What the
 * peer sends goes into the line's ring, what is in the other ring goes to the peer, sealed. Driven
 * by network_poll alone, on the main loop. */
#ifndef FERRULE_NETWORK_H
#define FERRULE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

/* Starts the interface and listens for every line that has a port. Settings are loaded. */
void network_start(void);
/* Moves everything that can be moved. */
void network_poll(void);
/* Has something come in that network_poll has not seen? */
bool network_is_pending(void);
/* Number of the connection a line has, counted from 1; 0: none. */
uint32_t network_session(unsigned link);

/* The board's interface, for lwIP. */
struct netif;
/* Opens the hardware; fills in address and what sends. */
signed char ethernet_start(struct netif* interface);
/* Hands over what has come in. */
void ethernet_poll(struct netif* interface);
bool ethernet_is_pending(void);

#endif
