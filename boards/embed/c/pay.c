/* Alice pays Bob through a connector of our own: make run */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "connector.h"

static const uint64_t NOW_MS = 1000;
static const uint64_t WALL_MS = 1767225600000; /* 2026-01-01: in earnest, the clock's */

/* SHA-256 of 32 bytes of 7. */
static const uint8_t CONDITION[32] = {
    0x4b, 0xb0, 0x6f, 0x8e, 0x4e, 0x3a, 0x77, 0x15, 0xd2, 0x01, 0xd5, 0x73, 0xd0, 0xaa, 0x42, 0x37,
    0x62, 0xe5, 0x5d, 0xab, 0xd6, 0x1a, 0x2c, 0x02, 0x27, 0x8f, 0xa5, 0x6c, 0xc6, 0xd2, 0x94, 0xe0,
};

static void check(int status) {
  if (status >= 0) return;
  fprintf(stderr, "the core refused: status %d\n", status);
  exit(1);
}

static ferrule_node* open_node(void) {
  ferrule_node* node = ferrule_start(8); /* in earnest, a random seed */
  if (!node) exit(1);
  const ferrule_account_options local = {"local", FERRULE_RELATION_LOCAL, 0, INT64_MIN, INT64_MAX};
  const ferrule_account_options alice = {"alice", FERRULE_RELATION_PEER, 0, INT64_MIN, 1000};
  const ferrule_account_options bob = {"bob", FERRULE_RELATION_PEER, 0, INT64_MIN, INT64_MAX};
  check(ferrule_set_clock(node, NOW_MS, WALL_MS));
  check(ferrule_set_asset(node, 0, "XRP", 9));
  check(ferrule_set_rate(node, 0, 0, 1, 1));
  check(ferrule_set_account(node, FERRULE_LOCAL_ACCOUNT, &local));
  check(ferrule_set_account(node, 1, &alice));
  check(ferrule_set_account(node, 2, &bob));
  check(ferrule_set_address(node, "test.c"));
  check(ferrule_set_route(node, "test.bob", 2));
  check(ferrule_link_up(node, 1, FERRULE_LINK_KIND_RAW));
  check(ferrule_link_up(node, 2, FERRULE_LINK_KIND_RAW));
  return node;
}

static void print(const ferrule_said* said) {
  ferrule_packet packet;
  if (!ferrule_decode(said->bytes, &packet)) exit(1);
  printf("to account %u: ", said->account);
  if (packet.type == FERRULE_PACKET_TYPE_PREPARE) {
    printf("Prepare %llu for %.*s\n", (unsigned long long)packet.amount,
           (int)packet.destination.length, (const char*)packet.destination.at);
  } else if (packet.type == FERRULE_PACKET_TYPE_FULFILL) {
    printf("Fulfill\n");
  } else {
    printf("Reject %s %.*s\n", packet.code, (int)packet.message.length,
           (const char*)packet.message.at);
  }
}

int main(void) {
  static const char BOB[] = "test.bob.shop";
  ferrule_node* node = open_node();
  ferrule_packet prepare = {.type = FERRULE_PACKET_TYPE_PREPARE, .amount = 250};
  prepare.expires_at_ms = WALL_MS + 10000;
  prepare.destination = (ferrule_bytes){(const uint8_t*)BOB, strlen(BOB)};
  memcpy(prepare.condition, CONDITION, 32);
  for (uint8_t secret = 7; secret <= 8; ++secret) {
    ferrule_said said = {0};
    check(ferrule_request(node, 1, 77, &prepare, NOW_MS));
    while (ferrule_next(node, &said)) print(&said);
    ferrule_packet fulfill = {.type = FERRULE_PACKET_TYPE_FULFILL};
    memset(fulfill.condition, secret, 32);
    check(ferrule_reply(node, said.account, said.id, &fulfill, NOW_MS));
    while (ferrule_next(node, &said)) print(&said);
    printf("alice %lld, bob %lld\n", (long long)ferrule_balance(node, 1),
           (long long)ferrule_balance(node, 2));
  }
  ferrule_stop(node);
  return 0;
}
