/* TCP lines: who may have a line, and its bytes between TCP and the rings. README.md has the
 * format.
 *
 * Whoever connects is a guest until it has proved that it knows the key; a guest costs a few bytes
 * and disturbs nobody. One connection has the line; a new one that has proved it replaces the old,
 * which may be dead without knowing it. TCP's window is what the ring of received bytes has room
 * for, so a peer that is faster than the core waits, and nothing is kept beside the rings. */
#include "network.h"

#include <string.h>

#include "board.h"
#include "control.h"
#include "digest.h"
#include "line.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"
#include "network_hooks.h"
#include "ring.h"
#include "seal.h"
#include "settings.h"

enum {
  PROTOCOL_VERSION = 1,
  OP_GREETING = 6, /* control.c has the other ones */
  OP_PROOF = 0x80 + OP_GREETING,
  NONCE_SIZE = 16,
  PROOF_SIZE = NONCE_SIZE + DIGEST_SIZE,
  GUEST_BYTES = 128,
  GUEST_MS = 5000,
  HALF_OPEN_MS = 3000,
  /* Records are not cut smaller than this for want of room. */
  ROOM_MIN = 256,
  KEEP_IDLE_MS = 10000,
  KEEP_PERIOD_MS = 5000,
  KEEP_COUNT = 3,
};

_Static_assert(TCP_WND <= RX_SIZE, "the window must fit into the ring");

/* Somebody who has yet to prove who it is. */
typedef struct {
  struct tcp_pcb* pcb;
  uint64_t since;
  unsigned link;
  uint8_t nonce[NONCE_SIZE];
  uint8_t bytes[GUEST_BYTES];
  uint32_t length;
} guest;

typedef struct {
  struct tcp_pcb* pcb;
  uint32_t session;
  seal_state in;
  seal_state out;
  uint8_t record[RECORD_MAX]; /* what is coming in */
  uint32_t filled;
  uint32_t owed; /* bytes of the window that the peer has not been given back */
} wire;

static struct netif interface;
static guest guests[LINKS][GREETINGS_PER_LINE];
static wire wires[LINKS];
static bool started;

u32_t sys_now(void) { return (u32_t)board_now_ms(); }

unsigned network_random(void) {
  unsigned value;
  control_random((uint8_t*)&value, sizeof value);
  return value;
}

u32_t network_isn(const ip_addr_t* own, u16_t own_port, const ip_addr_t* peer, u16_t peer_port) {
  static uint8_t secret[DIGEST_SIZE];
  static bool known;
  if (!known) control_random(secret, sizeof secret);
  known = true;
  uint32_t ends[3] = {ip4_addr_get_u32(ip_2_ip4(own)), ip4_addr_get_u32(ip_2_ip4(peer)),
                      (uint32_t)own_port << 16 | peer_port};
  uint8_t digest[DIGEST_SIZE];
  hmac(secret, ends, sizeof ends, NULL, 0, digest);
  uint32_t hash;
  memcpy(&hash, digest, sizeof hash);
  /* One step every 4 microseconds, so that a port used again begins above where it ended. */
  return hash + (uint32_t)(board_now_ms() * 250);
}

/* ---- the ends of connections ---- */

/* lwIP is not to call us about it any more. */
static void forget(struct tcp_pcb* pcb) {
  tcp_arg(pcb, NULL);
  tcp_recv(pcb, NULL);
  tcp_err(pcb, NULL);
}

/* Ends it at once. What lwIP's callbacks return then. */
static err_t cut(struct tcp_pcb** pcb) {
  if (*pcb) {
    forget(*pcb);
    tcp_abort(*pcb);
  }
  *pcb = NULL;
  return ERR_ABRT;
}

/* The peer has ended it: so do we. */
static err_t end(struct tcp_pcb** pcb) {
  struct tcp_pcb* ended = *pcb;
  *pcb = NULL;
  forget(ended);
  if (tcp_close(ended) == ERR_OK) return ERR_OK;
  tcp_abort(ended);
  return ERR_ABRT;
}

/* ---- a line's connection ---- */

/* Gives back what of the window is free again: all but what lies in the ring and in a record. */
static void settle(unsigned link) {
  wire* w = &wires[link];
  uint32_t held = ring_used(&rx_rings[link]) + w->filled;
  if (!w->pcb || w->owed <= held) return;
  tcp_recved(w->pcb, (u16_t)(w->owed - held));
  w->owed = held;
}

static uint32_t text_length(const wire* w) { return w->record[0] | (uint32_t)w->record[1] << 8; }

/* Takes bytes of a record. False: it is none of the peer's. */
static bool take(unsigned link, const uint8_t* bytes, uint32_t length) {
  wire* w = &wires[link];
  while (length) {
    uint32_t size = RECORD_HEAD;
    if (w->filled >= RECORD_HEAD) size += text_length(w) + RECORD_TAG;
    uint32_t part = size - w->filled < length ? size - w->filled : length;
    memcpy(w->record + w->filled, bytes, part);
    w->filled += part;
    bytes += part;
    length -= part;
    if (w->filled < RECORD_HEAD) return true;
    uint32_t text = text_length(w);
    if (text == 0 || text > RECORD_TEXT_MAX) return false;
    if (w->filled < RECORD_EXTRA + text) continue;
    if (!seal_open(&w->in, w->record, text)) return false;
    for (uint32_t i = 0; i < text; ++i) {
      if (rx_is_full(link)) return false;
      rx_put(link, w->record[RECORD_HEAD + i]);
    }
    w->filled = 0;
  }
  return true;
}

static err_t on_bytes(void* argument, struct tcp_pcb* pcb, struct pbuf* p, err_t error) {
  unsigned link = (unsigned)(uintptr_t)argument;
  wire* w = &wires[link];
  (void)error;
  (void)pcb;
  if (!p) return end(&w->pcb);
  bool good = true;
  w->owed += p->tot_len;
  for (struct pbuf* part = p; part && good; part = part->next) {
    good = take(link, part->payload, part->len);
  }
  pbuf_free(p);
  if (!good) {
    lines[link].faults += 1;
    return cut(&w->pcb);
  }
  settle(link);
  return ERR_OK;
}

static void on_lost(void* argument, err_t error) {
  (void)error;
  wires[(uintptr_t)argument].pcb = NULL;
}

/* Seals what is to be sent, as far as TCP takes it. */
static void flush(unsigned link) {
  static uint8_t record[RECORD_MAX];
  wire* w = &wires[link];
  ring* r = &tx_rings[link];
  bool wrote = false;
  while (w->pcb && ring_used(r)) {
    uint32_t room = tcp_sndbuf(w->pcb);
    if (room < ROOM_MIN) break;
    room -= RECORD_EXTRA;
    uint32_t length = ring_used(r);
    if (length > room) length = room;
    if (length > RECORD_TEXT_MAX) length = RECORD_TEXT_MAX;
    for (uint32_t i = 0; i < length; ++i) {
      record[RECORD_HEAD + i] = tx_bytes[link][(r->tail + i) & (TX_SIZE - 1)];
    }
    seal_record(&w->out, record, length);
    u16_t size = (u16_t)(length + RECORD_EXTRA);
    if (tcp_write(w->pcb, record, size, TCP_WRITE_FLAG_COPY) != ERR_OK) break;
    w->out.count += 1;
    r->tail += length;
    wrote = true;
  }
  if (wrote) tcp_output(w->pcb);
}

/* ---- guests ---- */

/* Keys of this connection, and what proves that the peer has them. */
static void derive(const guest* g, const uint8_t* peer_nonce, uint8_t keys[3][DIGEST_SIZE]) {
  static const char* const names[3] = {"proof", "to board", "to peer"};
  uint8_t session[DIGEST_SIZE];
  uint8_t nonces[2 * NONCE_SIZE];
  memcpy(nonces, g->nonce, NONCE_SIZE);
  memcpy(nonces + NONCE_SIZE, peer_nonce, NONCE_SIZE);
  hmac(settings.links[g->link].key, "ferrule line 1", 14, nonces, sizeof nonces, session);
  for (unsigned i = 0; i < 3; ++i) {
    hmac(session, names[i], strlen(names[i]), NULL, 0, keys[i]);
  }
}

/* The guest gets the line. */
static void promote(guest* g, uint8_t keys[3][DIGEST_SIZE]) {
  static uint32_t sessions;
  wire* w = &wires[g->link];
  cut(&w->pcb);
  *w = (wire){.pcb = g->pcb, .session = ++sessions};
  seal_start(&w->in, keys[1]);
  seal_start(&w->out, keys[2]);
  g->pcb = NULL;
  tcp_arg(w->pcb, (void*)(uintptr_t)g->link);
  tcp_recv(w->pcb, on_bytes);
  tcp_err(w->pcb, on_lost);
  tcp_setprio(w->pcb, TCP_PRIO_MAX);
  line_reset(g->link);
}

/* Is there a whole proof, and is it right? Noise before it is no proof. */
static bool has_proved(guest* g, uint32_t size) {
  uint32_t length = frame_open(g->bytes, size);
  if (length != FRAME_HEADER + 1 + PROOF_SIZE || g->bytes[0] != SERIAL_STATUS) return false;
  const uint8_t* body = g->bytes + FRAME_HEADER;
  if (body[0] != OP_PROOF) return false;
  const uint8_t* nonce = body + 1;
  const uint8_t* proof = nonce + NONCE_SIZE;
  uint8_t keys[3][DIGEST_SIZE];
  derive(g, nonce, keys);
  uint8_t difference = 0;
  for (unsigned i = 0; i < DIGEST_SIZE; ++i) difference |= proof[i] ^ keys[0][i];
  if (difference) return false;
  control_stir(nonce, NONCE_SIZE);
  promote(g, keys);
  return true;
}

static err_t on_guest_bytes(void* argument, struct tcp_pcb* pcb, struct pbuf* p, err_t error) {
  guest* g = argument;
  unsigned link = g->link;
  (void)error;
  if (!p) return end(&g->pcb);
  uint32_t room = sizeof g->bytes - g->length;
  uint16_t copied = pbuf_copy_partial(p, g->bytes + g->length, (u16_t)room, 0);
  uint32_t total = p->tot_len;
  g->length += copied;
  pbuf_free(p);
  const uint8_t* delimiter = memchr(g->bytes, 0, g->length);
  if (!delimiter && g->length < sizeof g->bytes) {
    tcp_recved(pcb, (u16_t)total);
    return ERR_OK;
  }
  /* Nothing may follow a proof before the board has answered it. */
  bool whole = delimiter && delimiter + 1 == g->bytes + g->length && total == copied;
  if (!whole || !has_proved(g, g->length - 1)) {
    lines[link].faults += 1;
    return cut(&g->pcb);
  }
  tcp_recved(pcb, (u16_t)total);
  return ERR_OK;
}

static void on_guest_lost(void* argument, err_t error) {
  (void)error;
  ((guest*)argument)->pcb = NULL;
}

static bool greet(guest* g) {
  uint8_t payload[2 + NONCE_SIZE] = {OP_GREETING, PROTOCOL_VERSION};
  uint8_t frame[sizeof payload + 16];
  control_random(g->nonce, NONCE_SIZE);
  memcpy(payload + 2, g->nonce, NONCE_SIZE);
  uint32_t size = frame_status(frame, 0, payload, sizeof payload);
  return tcp_write(g->pcb, frame, (u16_t)size, TCP_WRITE_FLAG_COPY) == ERR_OK &&
         tcp_output(g->pcb) == ERR_OK;
}

/* The oldest guest of the line makes room for a new one. */
static err_t on_connection(void* argument, struct tcp_pcb* pcb, err_t error) {
  unsigned link = (unsigned)(uintptr_t)argument;
  if (error != ERR_OK || !pcb) return ERR_VAL;
  guest* g = &guests[link][0];
  for (unsigned i = 0; i < GREETINGS_PER_LINE && g->pcb; ++i) {
    guest* other = &guests[link][i];
    if (!other->pcb || other->since < g->since) g = other;
  }
  cut(&g->pcb);
  *g = (guest){.pcb = pcb, .since = board_now_ms(), .link = link};
  tcp_arg(pcb, g);
  tcp_recv(pcb, on_guest_bytes);
  tcp_err(pcb, on_guest_lost);
  tcp_nagle_disable(pcb);
  tcp_setprio(pcb, TCP_PRIO_MIN + 1);
  ip_set_option(pcb, SOF_KEEPALIVE);
  pcb->keep_idle = KEEP_IDLE_MS;
  pcb->keep_intvl = KEEP_PERIOD_MS;
  pcb->keep_cnt = KEEP_COUNT;
  return greet(g) ? ERR_OK : cut(&g->pcb);
}

/* Connections whose other end has not answered: it may not be there. lwIP waits 20 seconds, and as
 * long nobody else gets its place. One a turn is enough. */
static void end_half_open(void) {
  for (struct tcp_pcb* pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
    uint32_t age = (tcp_ticks - pcb->tmr) * TCP_SLOW_INTERVAL;
    if (pcb->state != SYN_RCVD || age <= HALF_OPEN_MS) continue;
    tcp_abort(pcb);
    return;
  }
}

/* ---- the interface ---- */

static void listen_on(unsigned link) {
  struct tcp_pcb* pcb = tcp_new();
  if (!pcb || tcp_bind(pcb, IP_ADDR_ANY, settings.links[link].port) != ERR_OK) {
    board_restart(RESET_TRAP);
  }
  pcb = tcp_listen_with_backlog(pcb, GREETINGS_PER_LINE);
  tcp_arg(pcb, (void*)(uintptr_t)link);
  tcp_accept(pcb, on_connection);
}

void network_start(void) {
  bool wanted = false;
  for (unsigned link = 0; link < LINKS; ++link) wanted |= settings.links[link].port != 0;
  if (!wanted || !settings.accepted) return;
  lwip_init();
  const network_settings* n = &settings.network;
  const ip4_addr_t address = {n->address};
  const ip4_addr_t mask = {n->mask};
  const ip4_addr_t gateway = {n->gateway};
  netif_add(&interface, &address, &mask, &gateway, NULL, ethernet_start, ethernet_input);
  netif_set_hostname(&interface, "ferrule");
  netif_set_default(&interface);
  netif_set_up(&interface);
  if (!n->address) dhcp_start(&interface);
  for (unsigned link = 0; link < LINKS; ++link) {
    if (settings.links[link].port) listen_on(link);
  }
  started = true;
}

void network_poll(void) {
  if (!started) return;
  ethernet_poll(&interface);
  sys_check_timeouts();
  end_half_open();
  uint64_t now = board_now_ms();
  for (unsigned link = 0; link < LINKS; ++link) {
    for (unsigned i = 0; i < GREETINGS_PER_LINE; ++i) {
      guest* g = &guests[link][i];
      if (g->pcb && now - g->since > GUEST_MS) cut(&g->pcb);
    }
    if (!wires[link].pcb) wires[link].session = 0;
    settle(link);
    flush(link);
  }
}

bool network_is_pending(void) { return started && ethernet_is_pending(); }

uint32_t network_session(unsigned link) { return wires[link].session; }
