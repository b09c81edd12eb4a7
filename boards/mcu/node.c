/* The core's verbs for the rest of the firmware. */
#include "node.h"

#include <string.h>

#include "board.h"
#include "core.h" /* wasm2c's */
#include "runtime.h"

static Z_core_instance_t core;
static uint32_t about;

_Noreturn void core_trapped(void) { board_restart(RESET_TRAP); }

#define LOW(x) ((uint32_t)(x))
#define HIGH(x) ((uint32_t)((x) >> 32))

void node_start(uint64_t seed) {
  Z_core_init_module();
  Z_core_instantiate(&core);
  about = Z_coreZ_describe(&core);
  if (node_about(FERRULE_DESCRIPTOR_MAGIC) != FERRULE_ABI_MAGIC ||
      node_about(FERRULE_DESCRIPTOR_VERSION) != FERRULE_ABI_VERSION ||
      node_about(FERRULE_DESCRIPTOR_MEMORY_END) > core_memory_size) {
    board_restart(RESET_TRAP);
  }
  Z_coreZ_init(&core, LOW(seed), HIGH(seed));
}

uint8_t* node_at(uint32_t address) { return core_memory + address; }

uint32_t node_about(enum ferrule_descriptor word) {
  uint32_t value;
  memcpy(&value, core_memory + about + 4 * (uint32_t)word, sizeof value);
  return value;
}

uint8_t* node_input(void) { return core_memory + node_about(FERRULE_DESCRIPTOR_INPUT_ADDRESS); }

int32_t node_stream(uint32_t account, uint32_t length, uint64_t now) {
  return (int32_t)Z_coreZ_stream(&core, account, length, LOW(now), HIGH(now));
}

int32_t node_request(uint32_t account, uint32_t id, uint32_t length, uint64_t now) {
  return (int32_t)Z_coreZ_request(&core, account, id, length, LOW(now), HIGH(now));
}

int32_t node_reply(uint32_t account, uint32_t id, uint32_t length, uint64_t now) {
  return (int32_t)Z_coreZ_reply(&core, account, id, length, LOW(now), HIGH(now));
}

int32_t node_direct(uint32_t account, uint32_t id, uint32_t length, uint64_t now) {
  return (int32_t)Z_coreZ_direct(&core, account, id, length, LOW(now), HIGH(now));
}

int32_t node_tick(uint64_t now) { return (int32_t)Z_coreZ_tick(&core, LOW(now), HIGH(now)); }

uint32_t node_deadline(uint64_t now) { return Z_coreZ_deadline(&core, LOW(now), HIGH(now)); }

int32_t node_clock(uint64_t now, uint64_t wall) {
  return (int32_t)Z_coreZ_clock(&core, LOW(now), HIGH(now), LOW(wall), HIGH(wall));
}

const ferrule_output* node_poll(void) {
  uint32_t address = Z_coreZ_poll(&core);
  return address ? (const ferrule_output*)(core_memory + address) : NULL;
}

uint32_t node_commit(void) { return Z_coreZ_commit(&core); }

uint32_t node_take_records(const ferrule_record** records) {
  *records = (const ferrule_record*)(core_memory + node_about(FERRULE_DESCRIPTOR_RECORDS_ADDRESS));
  return Z_coreZ_takeRecords(&core);
}

bool node_replay(const ferrule_record* record) {
  memcpy(node_input(), record, sizeof *record);
  return Z_coreZ_replay(&core, 1) == 1;
}

int32_t node_set(enum ferrule_verb verb, uint32_t a, uint32_t b) {
  switch (verb) {
    case FERRULE_VERB_ASSET_SET: return (int32_t)Z_coreZ_setAsset(&core, a);
    case FERRULE_VERB_ACCOUNT_SET: return (int32_t)Z_coreZ_setAccount(&core, a);
    case FERRULE_VERB_RATE_SET: return (int32_t)Z_coreZ_setRateOf(&core, a, b);
    case FERRULE_VERB_ROUTE_SET: return (int32_t)Z_coreZ_setRoute(&core, a, b);
    case FERRULE_VERB_ADDRESS_SET: return (int32_t)Z_coreZ_setAddress(&core, a);
    case FERRULE_VERB_POLICY_SET: return (int32_t)Z_coreZ_setPolicy(&core);
    case FERRULE_VERB_DEFAULT_ROUTE: return (int32_t)Z_coreZ_setDefaultRoute(&core, a);
    case FERRULE_VERB_LINK_UP: return (int32_t)Z_coreZ_linkUp(&core, a, b);
#if HAS_NETWORK
    case FERRULE_VERB_LINK_DOWN: return (int32_t)Z_coreZ_linkDown(&core, a);
#endif
    default: return FERRULE_STATUS_BAD_ARGUMENT;
  }
}

int32_t node_set_mode(uint32_t set, uint32_t clear) {
  return (int32_t)Z_coreZ_setMode(&core, set, clear);
}

int32_t node_set_flags(uint32_t account, uint32_t set, uint32_t clear) {
  return (int32_t)Z_coreZ_setFlags(&core, account, set, clear);
}

int32_t node_settle(uint32_t account, uint32_t paid) {
  return (int32_t)Z_coreZ_bookSettlement(&core, account, paid);
}

/* It stands behind the state. */
const uint8_t* node_address(uint32_t* length) {
  const uint8_t* state = node_at(node_about(FERRULE_DESCRIPTOR_STATE_ADDRESS));
  *length = ((const ferrule_state*)state)->own_length;
  return state + sizeof(ferrule_state);
}

const ferrule_account* node_account(uint32_t index) {
  uint32_t stride = node_about(FERRULE_DESCRIPTOR_ACCOUNT_STRIDE);
  return (const ferrule_account*)node_at(node_about(FERRULE_DESCRIPTOR_ACCOUNTS_ADDRESS) +
                                         index * stride);
}

const ferrule_asset* node_asset(uint32_t index) {
  uint32_t stride = node_about(FERRULE_DESCRIPTOR_ASSET_STRIDE);
  return (const ferrule_asset*)node_at(node_about(FERRULE_DESCRIPTOR_ASSETS_ADDRESS) +
                                       index * stride);
}

const uint8_t* node_name(uint32_t account) {
  return node_at(node_about(FERRULE_DESCRIPTOR_NAMES_ADDRESS) +
                 2 * account * node_about(FERRULE_DESCRIPTOR_NAME_BYTES));
}

uint64_t node_counter(enum ferrule_counter counter) {
  uint64_t value;
  memcpy(&value, node_at(node_about(FERRULE_DESCRIPTOR_COUNTERS_ADDRESS) + 8 * (uint32_t)counter),
         sizeof value);
  return value;
}
