/* SMSC LAN9118 (and LAN9220), as on MPS2 and in QEMU: one frame after the other through its FIFOs
 * by the processor. An interrupt wakes the loop, which does the work. Registers: data sheet. */
#include <string.h>

#include "board.h"
#include "control.h"
#include "lan9118.h"
#include "lwip/etharp.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "network.h"

#define REG(address) (*(volatile uint32_t*)(uintptr_t)(LAN9118 + (address)))

enum {
  RX_DATA = 0x00,
  TX_DATA = 0x20,
  RX_STATUS = 0x40,
  TX_STATUS = 0x48,
  IRQ_CFG = 0x54,
  INT_STATUS = 0x58,
  INT_ENABLE = 0x5c,
  FIFO_LEVELS = 0x68,
  RX_CFG = 0x6c,
  TX_CFG = 0x70,
  HW_CFG = 0x74,
  RX_CONTROL = 0x78,
  RX_FIFO = 0x7c,
  TX_FIFO = 0x80,
  FREE_RUN = 0x9c,
  MAC_COMMAND = 0xa4,
  MAC_VALUE = 0xa8,
  AUTO_FLOW = 0xac,
};

enum {
  SOFT_RESET = 1,
  TX_FIFO_5K = 5 << 16 | 1 << 20, /* and MBO, which must be one */
  FLOW_DEFAULTS = 0x6e3740,
  MAC_CONTROL = 1,
  MAC_ADDRESS_HIGH = 2,
  MAC_ADDRESS_LOW = 3,
  MAC_FULL_DUPLEX = 1 << 20,
  MAC_RECEIVE = 1 << 2,
  MAC_TRANSMIT = 1 << 3,
  TX_ON = 1 << 1,
  TX_FIRST_AND_LAST = 1 << 13 | 1 << 12,
  TX_HEAD_WORDS = 8, /* bytes of the two command words */
  RX_STATUS_LEVEL = 1 << 3,
  IRQ_ON = 1 << 8,
  IRQ_ACTIVE_HIGH = 1 << 4,
  IRQ_PUSH_PULL = 1,
  RX_ERROR = 1 << 15,
  RX_DISCARD = 1u << 31,
  RX_DISCARD_MIN = 16, /* shorter frames must be read, says the data sheet */
  FRAME_MIN = 14,
  FRAME_MAX = 1514,
  CHECK_SIZE = 4,
  TRIES = 100000,
};

static uint8_t bytes[FRAME_MAX + CHECK_SIZE + 4] __attribute__((aligned(4)));

/* Waits for a register to lose a bit; a chip that does not answer starts the board over. */
static void wait_clear(unsigned address, uint32_t bit) {
  for (unsigned i = 0; i < TRIES; ++i) {
    if (!(REG(address) & bit)) return;
  }
  board_restart(RESET_TRAP);
}

static void mac_write(uint32_t index, uint32_t value) {
  REG(MAC_VALUE) = value;
  REG(MAC_COMMAND) = 1u << 31 | index;
  wait_clear(MAC_COMMAND, 1u << 31);
}

static uint32_t mac_read(uint32_t index) {
  REG(MAC_COMMAND) = 1u << 31 | 1u << 30 | index;
  wait_clear(MAC_COMMAND, 1u << 31);
  return REG(MAC_VALUE);
}

static err_t send(struct netif* interface, struct pbuf* p) {
  (void)interface;
  uint32_t length = p->tot_len;
  if (length > FRAME_MAX) return ERR_BUF;
  while (REG(TX_FIFO) >> 16 & 0xff) (void)REG(TX_STATUS);
  if ((REG(TX_FIFO) & 0xffff) < length + TX_HEAD_WORDS + 4) return ERR_MEM;
  pbuf_copy_partial(p, bytes, (u16_t)length, 0);
  REG(TX_DATA) = TX_FIRST_AND_LAST | length;
  REG(TX_DATA) = length << 16 | length;
  for (uint32_t at = 0; at < length; at += 4) {
    uint32_t word;
    memcpy(&word, bytes + at, sizeof word);
    REG(TX_DATA) = word;
  }
  return ERR_OK;
}

/* The address is in the chip, from its EEPROM; one that has none gets one of its own. */
static void read_address(uint8_t address[6]) {
  uint32_t low = mac_read(MAC_ADDRESS_LOW);
  uint32_t high = mac_read(MAC_ADDRESS_HIGH);
  memcpy(address, &low, 4);
  memcpy(address + 4, &high, 2);
  bool none = low == 0 || low == 0xffffffff || (address[0] & 1);
  if (!none) return;
  control_random(address, 6);
  address[0] = (uint8_t)((address[0] & 0xfc) | 2);
  memcpy(&low, address, 4);
  mac_write(MAC_ADDRESS_LOW, low);
  mac_write(MAC_ADDRESS_HIGH, address[4] | (uint32_t)address[5] << 8);
}

signed char ethernet_start(struct netif* interface) {
  REG(HW_CFG) = SOFT_RESET;
  wait_clear(HW_CFG, SOFT_RESET);
  REG(HW_CFG) = TX_FIFO_5K;
  REG(AUTO_FLOW) = FLOW_DEFAULTS;
  read_address(interface->hwaddr);
  mac_write(MAC_CONTROL, MAC_FULL_DUPLEX | MAC_RECEIVE | MAC_TRANSMIT);
  REG(TX_CFG) = TX_ON;
  REG(RX_CFG) = 0;
  REG(FIFO_LEVELS) = 0;
  REG(INT_STATUS) = 0xffffffff;
  REG(INT_ENABLE) = RX_STATUS_LEVEL;
  REG(IRQ_CFG) = IRQ_ON | IRQ_ACTIVE_HIGH | IRQ_PUSH_PULL;
  interface->name[0] = 'e';
  interface->name[1] = 'n';
  interface->output = etharp_output;
  interface->linkoutput = send;
  interface->mtu = 1500;
  interface->hwaddr_len = 6;
  interface->flags =
      NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
  return ERR_OK;
}

bool ethernet_is_pending(void) { return REG(RX_FIFO) >> 16 & 0xff; }

/* Reads a frame away, whatever it is. Returns its length without checksum, 0 if it is none. */
static uint32_t receive(void) {
  uint32_t status = REG(RX_STATUS);
  uint32_t length = status >> 16 & 0x3fff;
  bool good = !(status & RX_ERROR) && length >= FRAME_MIN + CHECK_SIZE &&
              length <= FRAME_MAX + CHECK_SIZE;
  if (!good && length >= RX_DISCARD_MIN) {
    REG(RX_CONTROL) = RX_DISCARD;
    wait_clear(RX_CONTROL, RX_DISCARD);
    return 0;
  }
  for (uint32_t at = 0; at < length; at += 4) {
    uint32_t word = REG(RX_DATA);
    memcpy(bytes + at, &word, sizeof word);
  }
  return good ? length - CHECK_SIZE : 0;
}

void ethernet_poll(struct netif* interface) {
  /* No more than a few at a time: the rings are to be served between. */
  for (unsigned i = 0; i < 8 && ethernet_is_pending(); ++i) {
    uint32_t length = receive();
    if (!length) continue;
    struct pbuf* p = pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_POOL);
    if (!p) continue;
    pbuf_take(p, bytes, (u16_t)length);
    if (interface->input(p, interface) != ERR_OK) pbuf_free(p);
  }
  REG(INT_STATUS) = RX_STATUS_LEVEL;
  lan9118_allow_interrupt();
}

/* A counter of its own clock, beside ours. */
uint32_t lan9118_chance(void) { return REG(FREE_RUN); }
