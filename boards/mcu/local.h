/* What this node answers and asks itself, as the host's host/protocol does: echo (ping), the words
 * for peers' other requests, and its own address from a parent (ILDCP). Packets wait here while the
 * core is drained; one at a time, because one frame causes one. Replies that expire in the same
 * moment as another are left to the core, which expires what they answer. */
#ifndef FERRULE_LOCAL_H
#define FERRULE_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "ferrule.h"

/* Where the address comes from, or why there is none yet. */
enum address_state {
  ADDRESS_OWN = 0,     /* settings, or the parent has answered */
  ADDRESS_ASKED = 1,   /* the parent has not answered yet */
  ADDRESS_REFUSED = 2, /* it gives none */
  ADDRESS_ASSET = 3,   /* its account for us is in another asset or scale */
  ADDRESS_NETWORK = 4, /* it gives one of another network (test, production) */
};

enum { LOCAL_ACCOUNT = 0 };

extern enum address_state local_address;

/* Links the node's own account; the settings are applied. False: the core refused. */
bool local_open(void);
/* An output of the core's for the node's own account. */
void local_take(const ferrule_output* o);
/* Works on what was taken, once the core is drained. True: there is something to drain. */
bool local_answer(uint64_t now);
/* Asks the parent when it is time to, `wall` being 0 or the wall clock. True: as above. */
bool local_ask(uint64_t now, uint64_t wall);

#endif
