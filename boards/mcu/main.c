/* The firmware: something comes in, one mutation of the core, everything the core has to say goes
 * out, as on every host. It decides nothing about money.
 *
 * Back-pressure: a packet is handed to the core only when every line has room for what may come of
 * it, so nothing is lost between two lines of different speed. A peer that takes nothing for a
 * second stops counting: it is congested (T03), and the others go on. */
#include <string.h>

#include "board.h"
#include "control.h"
#include "journal.h"
#include "line.h"
#include "local.h"
#include "node.h"
#include "settings.h"
#if HAS_NETWORK
#include "network.h"
#endif

enum {
  WAIT_MAX_MS = 50,
  /* Largest answer of the core's own, framed. */
  REJECT_ROOM = 512,
  BLINK_MS = 150,
  BLINK_PAUSE = 6, /* blinks' time */
};

static bool running;
static uint64_t last_commit;

static unsigned link_of(uint32_t account) {
  for (unsigned link = 0; link < LINKS; ++link) {
    if (settings.links[link].account == account) return link;
  }
  return LINKS;
}

/* Settlements that are due stand in the report; what else the core says is counted there. */
static void drain(uint64_t now) {
  do {
    for (const ferrule_output* o = node_poll(); o; o = node_poll()) {
      if (o->kind == FERRULE_OUTPUT_KIND_FRAME) {
        unsigned link = link_of(o->account);
        if (link < LINKS) line_write(link, node_at(o->address), o->length);
      } else if (o->account == LOCAL_ACCOUNT) {
        local_take(o);
      }
    }
  } while (local_answer(now));
}

static bool has_room(uint32_t length) {
  for (unsigned link = 0; link < LINKS; ++link) {
    uint32_t room = line_room(link);
    if (lines[link].stalled || room == TX_SIZE) continue;
    if (room < length + REJECT_ROOM) return false;
  }
  return true;
}

/* Works on one frame of a line. Returns whether there was one. */
static bool step(unsigned link) {
  uint32_t max = node_about(FERRULE_DESCRIPTOR_INPUT_BYTES) - 1;
  uint32_t length = line_next(link, max);
  if (!length || !has_room(length)) return false;
  bool status = line_kind(link) == SERIAL_STATUS;
  line_take(link, length, node_input());
  uint64_t now = board_now_ms();
  if (status) {
    control_frame(link, length, now);
  } else if (running && settings.links[link].account != NO_ACCOUNT) {
    node_stream(settings.links[link].account, length + 1, now);
    drain(now);
  }
  return true;
}

#if HAS_NETWORK
/* A line with a port is up while somebody is connected who has proved to be its peer. */
static void follow(unsigned link) {
  static uint32_t sessions[LINKS];
  uint32_t session = network_session(link);
  if (session == sessions[link]) return;
  /* What was said before the end counts. */
  if (!session && line_next(link, node_about(FERRULE_DESCRIPTOR_INPUT_BYTES) - 1)) return;
  sessions[link] = session;
  uint32_t account = settings.links[link].account;
  if (running && account != NO_ACCOUNT) {
    node_set(session ? FERRULE_VERB_LINK_UP : FERRULE_VERB_LINK_DOWN, account,
             FERRULE_LINK_KIND_SERIAL);
  }
  if (session) control_hello(link);
}

static void move_network(void) {
  network_poll();
  for (unsigned link = 0; link < LINKS; ++link) follow(link);
}
#endif

static void watch(uint64_t now) {
  for (unsigned link = 0; link < LINKS; ++link) {
    if (!line_watch(link, now) || !running) continue;
    uint32_t account = settings.links[link].account;
    if (account == NO_ACCOUNT) continue;
    const uint32_t congested = FERRULE_ACCOUNT_FLAG_CONGESTED;
    bool stalled = lines[link].stalled;
    node_set_flags(account, stalled ? congested : 0, stalled ? 0 : congested);
  }
}

static void blink(uint64_t now) {
  unsigned count = control_state();
  unsigned beat = (unsigned)(now / BLINK_MS % (2 * count + BLINK_PAUSE));
  board_led(count == 0 || (beat < 2 * count && (beat & 1) == 0));
}

/* Milliseconds until something is to be done though nothing comes in. */
static uint32_t work_on_time(uint64_t now) {
  if (!running) return WAIT_MAX_MS;
  if (node_deadline(now) == 0) {
    while (node_tick(now) == 1) drain(now);
    drain(now);
  }
  if (local_ask(now, control_wall(now))) drain(now);
  if (now - last_commit >= settings.commit_ms) {
    journal_commit();
    last_commit = now;
  }
  uint32_t wait = node_deadline(now);
  return wait < WAIT_MAX_MS ? wait : WAIT_MAX_MS;
}

/* Opens what the settings say; without them, or with books that cannot be trusted, the lines carry
 * status frames only. */
static void open_node(void) {
  settings_load();
  journal_load();
  node_start(control_seed());
  if (settings.found) settings_apply();
  if (settings.accepted) journal_open();
  running = settings.accepted && (journal.state == JOURNAL_OK || journal.state == JOURNAL_NONE ||
                                  journal.state == JOURNAL_REFUSED);
  if (running && !local_open()) running = settings.accepted = false;
  for (unsigned link = 0; link < LINKS; ++link) {
    uint32_t account = settings.links[link].account;
#if HAS_NETWORK
    if (settings.links[link].port) continue;
#endif
    board_open_link(link, settings.links[link].baud);
    if (running && account != NO_ACCOUNT &&
        node_set(FERRULE_VERB_LINK_UP, account, FERRULE_LINK_KIND_SERIAL) < 0) {
      running = settings.accepted = false;
    }
    control_hello(link);
  }
#if HAS_NETWORK
  network_start();
#endif
}

int main(void) {
  board_start();
  open_node();
  for (;;) {
    board_feed_watchdog();
    bool moved = false;
#if HAS_NETWORK
    move_network();
#endif
    for (unsigned link = 0; link < LINKS; ++link) moved |= step(link);
    uint64_t now = board_now_ms();
    watch(now);
    blink(now);
    uint32_t wait = work_on_time(now);
    if (!moved && wait) board_wait(wait);
  }
}
