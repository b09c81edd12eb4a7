/* The wrapper of connector.h over the core's verbs as wasm2c names them. */
#include "connector.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core.h" /* written by wasm2c */
#include "packet.h"

struct ferrule_node {
  Z_core_instance_t core;
  uint8_t* memory;
  uint32_t about[FERRULE_DESCRIPTOR_COUNT];
};

void ferrule_trapped(int trap) {
  fprintf(stderr, "the Ferrule core trapped: %d\n", trap);
  abort();
}

static uint32_t low(uint64_t n) { return (uint32_t)n; }
static uint32_t high(uint64_t n) { return (uint32_t)(n >> 32); }

static uint8_t* input(ferrule_node* n) {
  return n->memory + n->about[FERRULE_DESCRIPTOR_INPUT_ADDRESS];
}

static size_t room(const ferrule_node* n) { return n->about[FERRULE_DESCRIPTOR_INPUT_BYTES]; }

/* Puts a record and text behind it into the input. Returns the length of both, or a refusal. */
static int put(ferrule_node* n, const void* record, size_t size, const char* text) {
  size_t length = strlen(text);
  if (size + length > room(n)) return FERRULE_STATUS_BAD_ARGUMENT;
  memcpy(input(n), record, size);
  memcpy(input(n) + size, text, length);
  return (int)(size + length);
}

ferrule_node* ferrule_start(uint64_t seed) {
  ferrule_node* n = calloc(1, sizeof *n);
  if (!n) return NULL;
  Z_core_init_module();
  Z_core_instantiate(&n->core);
  n->memory = Z_coreZ_memory(&n->core)->data;
  memcpy(n->about, n->memory + Z_coreZ_describe(&n->core), sizeof n->about);
  /* In this order: a core of another version may start in another way. */
  if (n->about[FERRULE_DESCRIPTOR_MAGIC] == FERRULE_ABI_MAGIC &&
      n->about[FERRULE_DESCRIPTOR_VERSION] == FERRULE_ABI_VERSION &&
      (int)Z_coreZ_init(&n->core, low(seed), high(seed)) >= 0) {
    return n;
  }
  ferrule_stop(n);
  return NULL;
}

void ferrule_stop(ferrule_node* n) {
  Z_core_free(&n->core);
  free(n);
}

int ferrule_set_clock(ferrule_node* n, uint64_t now, uint64_t wall) {
  return (int)Z_coreZ_clock(&n->core, low(now), high(now), low(wall), high(wall));
}

int ferrule_set_asset(ferrule_node* n, uint32_t asset, const char* code, uint8_t scale) {
  if (strlen(code) > UINT8_MAX) return FERRULE_STATUS_BAD_ARGUMENT;
  ferrule_asset_settings settings = {.scale = scale, .code_length = (uint8_t)strlen(code)};
  int length = put(n, &settings, sizeof settings, code);
  return length < 0 ? length : (int)Z_coreZ_setAsset(&n->core, asset);
}

int ferrule_set_rate(ferrule_node* n, uint32_t from, uint32_t to, uint64_t numerator,
                     uint64_t denominator) {
  ferrule_rate_settings settings = {.numerator = numerator, .denominator = denominator};
  put(n, &settings, sizeof settings, "");
  return (int)Z_coreZ_setRateOf(&n->core, from, to);
}

/* Sign of a 64-bit number, for the upper half of one of 128 bits. */
static uint64_t sign(int64_t value) { return value < 0 ? UINT64_MAX : 0; }

int ferrule_set_account(ferrule_node* n, uint32_t index, const ferrule_account_options* options) {
  if (strlen(options->name) > UINT16_MAX) return FERRULE_STATUS_BAD_ARGUMENT;
  ferrule_account_settings settings = {
      .relation = (uint8_t)options->relation,
      .asset = options->asset,
      .name_length = (uint16_t)strlen(options->name),
      .balance_min_lo = (uint64_t)options->balance_minimum,
      .balance_min_hi = sign(options->balance_minimum),
      .balance_max_lo = (uint64_t)options->balance_maximum,
      .balance_max_hi = sign(options->balance_maximum),
      .packet_max_in = UINT64_MAX,
      .packet_max_out = UINT64_MAX,
      .pending_max = UINT64_MAX,
      .risk_max = UINT64_MAX,
      .throughput_period_ms = 1000,
      .rate_period_ms = 60000,
      .flights_max = n->about[FERRULE_DESCRIPTOR_FLIGHTS],
  };
  int length = put(n, &settings, sizeof settings, options->name);
  return length < 0 ? length : (int)Z_coreZ_setAccount(&n->core, index);
}

int ferrule_set_address(ferrule_node* n, const char* address) {
  int length = put(n, "", 0, address);
  return length < 0 ? length : (int)Z_coreZ_setAddress(&n->core, (uint32_t)length);
}

int ferrule_set_route(ferrule_node* n, const char* prefix, uint32_t account) {
  int length = put(n, "", 0, prefix);
  return length < 0 ? length : (int)Z_coreZ_setRoute(&n->core, (uint32_t)length, account);
}

int ferrule_link_up(ferrule_node* n, uint32_t account, enum ferrule_link_kind kind) {
  return (int)Z_coreZ_linkUp(&n->core, account, (uint32_t)kind);
}

int ferrule_request(ferrule_node* n, uint32_t account, uint32_t id, const ferrule_packet* packet,
                    uint64_t now) {
  uint32_t length = (uint32_t)ferrule_encode(packet, input(n), room(n));
  if (!length) return FERRULE_STATUS_BAD_ARGUMENT;
  return (int)Z_coreZ_request(&n->core, account, id, length, low(now), high(now));
}

int ferrule_reply(ferrule_node* n, uint32_t account, uint32_t id, const ferrule_packet* packet,
                  uint64_t now) {
  uint32_t length = (uint32_t)ferrule_encode(packet, input(n), room(n));
  if (!length) return FERRULE_STATUS_BAD_ARGUMENT;
  return (int)Z_coreZ_reply(&n->core, account, id, length, low(now), high(now));
}

int ferrule_fail(ferrule_node* n, uint32_t account, uint32_t id, const char* code, uint64_t now) {
  uint32_t word = 0;
  memcpy(&word, code, 3);
  return (int)Z_coreZ_fail(&n->core, account, id, word, low(now), high(now));
}

int ferrule_tick(ferrule_node* n, uint64_t now) {
  return (int)Z_coreZ_tick(&n->core, low(now), high(now));
}

uint32_t ferrule_deadline(ferrule_node* n, uint64_t now) {
  return Z_coreZ_deadline(&n->core, low(now), high(now));
}

bool ferrule_next(ferrule_node* n, ferrule_said* said) {
  ferrule_output output;
  uint32_t at = Z_coreZ_poll(&n->core);
  if (!at) return false;
  memcpy(&output, n->memory + at, sizeof output);
  said->kind = output.kind;
  said->account = output.account;
  said->id = output.request_id;
  said->amount = output.amount;
  said->bytes = (ferrule_bytes){n->memory + output.address, output.length};
  return true;
}

int64_t ferrule_balance(const ferrule_node* n, uint32_t account) {
  ferrule_account record;
  uint32_t at = n->about[FERRULE_DESCRIPTOR_ACCOUNTS_ADDRESS];
  at += account * n->about[FERRULE_DESCRIPTOR_ACCOUNT_STRIDE];
  memcpy(&record, n->memory + at, sizeof record);
  return (int64_t)(record.debits_lo - record.credits_lo); /* limits keep it within 64 bits */
}
