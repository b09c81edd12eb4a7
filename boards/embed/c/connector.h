/* The Ferrule connector core in a C program: the core translated to C by wasm2c, its records as
 * ferrule.h has them. For little-endian machines. Functions return 0 or more, or a negative
 * `enum ferrule_status`; each that takes a packet or time is followed by `ferrule_next` until that
 * returns false. Not for several threads at once. */
#ifndef FERRULE_CONNECTOR_H
#define FERRULE_CONNECTOR_H

#include <stdbool.h>
#include "ferrule.h"

typedef struct ferrule_node ferrule_node;

/* The node's own account: packets for this node come out on it. */
enum { FERRULE_LOCAL_ACCOUNT = 0 };

/* An account's settings. Amounts are in its asset's base units; INT64_MIN, INT64_MAX: unlimited. */
typedef struct {
  const char* name;
  enum ferrule_relation relation;
  uint16_t asset;
  int64_t balance_minimum;
  int64_t balance_maximum;
} ferrule_account_options;

typedef struct {
  const uint8_t* at;
  size_t length;
} ferrule_bytes;

/* A packet (RFC 27); which members count depends on `type`. Bytes are not copied. */
typedef struct {
  enum ferrule_packet_type type;
  uint64_t amount;            /* Prepare */
  uint64_t expires_at_ms;     /* Prepare; since 1970, UTC */
  uint8_t condition[32];      /* Prepare: condition; Fulfill: fulfillment */
  ferrule_bytes destination;  /* Prepare */
  char code[4];               /* Reject */
  ferrule_bytes triggered_by; /* Reject */
  ferrule_bytes message;      /* Reject */
  ferrule_bytes data;
} ferrule_packet;

/* What the core wants done. FERRULE_OUTPUT_KIND_REQUEST: carry `bytes` on the raw link of the
 * account, answer with ferrule_reply or ferrule_fail and the id. _REPLY: `bytes` answer the request made on
 * `account` with this id. _FRAME: write `bytes` to the framed link. _SETTLEMENT_DUE, _LATE_FULFILL:
 * `amount`. _CLOSE: close the link. Valid until the next call. */
typedef struct {
  enum ferrule_output_kind kind;
  uint32_t account;
  uint32_t id;
  uint64_t amount;
  ferrule_bytes bytes;
} ferrule_said;

/* Starts an empty core; NULL without memory, or when the core is of another version than ferrule.h.
 * Nobody may predict the seed. */
ferrule_node* ferrule_start(uint64_t seed);
void ferrule_stop(ferrule_node* node);

/* Tells which wall-clock time belongs to a monotonic one. Nothing is forwarded before. */
int ferrule_set_clock(ferrule_node* node, uint64_t now_ms, uint64_t wall_ms);
int ferrule_set_asset(ferrule_node* node, uint32_t asset, const char* code, uint8_t scale);
/* One unit of `from` is numerator / denominator units of `to`. An asset needs one to itself. */
int ferrule_set_rate(ferrule_node* node, uint32_t from, uint32_t to, uint64_t numerator,
                     uint64_t denominator);
int ferrule_set_account(ferrule_node* node, uint32_t index, const ferrule_account_options* options);
int ferrule_set_address(ferrule_node* node, const char* address);
int ferrule_set_route(ferrule_node* node, const char* prefix, uint32_t account);
int ferrule_link_up(ferrule_node* node, uint32_t account, enum ferrule_link_kind kind);

/* A Prepare from the raw link of an account; the answer carries the same id. */
int ferrule_request(ferrule_node* node, uint32_t account, uint32_t id, const ferrule_packet* packet,
                    uint64_t now_ms);
/* The answer to a REQUEST. A wrong fulfillment goes back as a Reject, and nothing moves. */
int ferrule_reply(ferrule_node* node, uint32_t account, uint32_t id, const ferrule_packet* packet,
                  uint64_t now_ms);
/* A REQUEST could not be carried. `code`: F00, F01, T00, T01 or T03. */
int ferrule_fail(ferrule_node* node, uint32_t account, uint32_t id, const char* code,
                 uint64_t now_ms);
/* Expires what is due. Returns 1 when more is due: call again after ferrule_next. */
int ferrule_tick(ferrule_node* node, uint64_t now_ms);
/* Milliseconds until ferrule_tick has work; UINT32_MAX when nothing is in flight. */
uint32_t ferrule_deadline(ferrule_node* node, uint64_t now_ms);
/* The next thing the core wants done; false when there is none. */
bool ferrule_next(ferrule_node* node, ferrule_said* said);

/* What the owner of an account owes this node; negative: what the node owes. */
int64_t ferrule_balance(const ferrule_node* node, uint32_t account);

/* The packet in these bytes; false when they are none. */
bool ferrule_decode(ferrule_bytes bytes, ferrule_packet* packet);

#endif
