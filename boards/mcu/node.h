/* The core as this firmware's one instance: build/board.wasm translated to C by wasm2c. */
#ifndef FERRULE_NODE_H
#define FERRULE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "ferrule.h"

/* Starts an empty core. `seed`: what peers must not predict. */
void node_start(uint64_t seed);
/* A word of the core's descriptor. */
uint32_t node_about(enum ferrule_descriptor word);
/* Linear memory at an address of the core's. */
uint8_t* node_at(uint32_t address);
/* The input buffer; its size is FERRULE_DESCRIPTOR_INPUT_BYTES. */
uint8_t* node_input(void);

/* Verbs; see the core's README. `now` is board_now_ms(). */
int32_t node_stream(uint32_t account, uint32_t length, uint64_t now);
/* On links that carry packets and no frames, like the node's own account's. */
int32_t node_request(uint32_t account, uint32_t id, uint32_t length, uint64_t now);
int32_t node_reply(uint32_t account, uint32_t id, uint32_t length, uint64_t now);
int32_t node_direct(uint32_t account, uint32_t id, uint32_t length, uint64_t now);
int32_t node_tick(uint64_t now);
uint32_t node_deadline(uint64_t now);
int32_t node_clock(uint64_t now, uint64_t wall);
const ferrule_output* node_poll(void);
uint32_t node_commit(void);
uint32_t node_take_records(const ferrule_record** records);
/* One record; at most one may be handed over at a time. */
bool node_replay(const ferrule_record* record);
/* A setter by its number of the ABI; its parameters are in the input. */
int32_t node_set(enum ferrule_verb verb, uint32_t a, uint32_t b);
int32_t node_set_mode(uint32_t set, uint32_t clear);
int32_t node_set_flags(uint32_t account, uint32_t set, uint32_t clear);
/* Books the amount in the input (u64) as paid to the account's owner (1), or received (0). */
int32_t node_settle(uint32_t account, uint32_t paid);

/* This node's address; length 0 before it has one. */
const uint8_t* node_address(uint32_t* length);
const ferrule_account* node_account(uint32_t index);
const ferrule_asset* node_asset(uint32_t index);
/* An account's name, of name_length bytes; its segment stands `name bytes` behind. */
const uint8_t* node_name(uint32_t account);
uint64_t node_counter(enum ferrule_counter counter);

#endif
