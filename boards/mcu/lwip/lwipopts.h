/* lwIP for this firmware: IPv4, TCP and DHCP in one loop, all memory static. What is not needed is
 * off, because whatever parses what comes from a network can be wrong. */
#ifndef FERRULE_LWIPOPTS_H
#define FERRULE_LWIPOPTS_H

#include "board.h"

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_TCP 1
#define LWIP_UDP 1
#define LWIP_DHCP 1
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_STATS 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define IP_FORWARD 0
#define ARP_QUEUEING 0
#define LWIP_BROADCAST_PING 0
#define LWIP_NETIF_HOSTNAME 1

#define MEM_ALIGNMENT 4
#define TCP_MSS 1460
/* A peer's window is what a line's ring surely holds. */
#define TCP_WND (8 * TCP_MSS)
#define TCP_SND_BUF (4 * TCP_MSS)
#define TCP_SND_QUEUELEN 16
/* Pieces that come early are not kept: nobody can fill the pool with them. */
#define TCP_QUEUE_OOSEQ 0
#define TCP_MSL 10000
#define LWIP_TCP_KEEPALIVE 1
#define TCP_LISTEN_BACKLOG 1

/* Enough for every line at once: one that stands still takes nothing from the others. */
#define GREETINGS_PER_LINE 2
#define MEMP_NUM_TCP_PCB ((2 + 2 * GREETINGS_PER_LINE) * LINE_COUNT)
#define MEMP_NUM_TCP_PCB_LISTEN LINE_COUNT
#define MEMP_NUM_TCP_SEG ((TCP_SND_QUEUELEN + GREETINGS_PER_LINE) * LINE_COUNT)
#define MEMP_NUM_UDP_PCB 1
#define PBUF_POOL_SIZE 8
#define MEM_SIZE (LINE_COUNT * (TCP_SND_BUF + 2048) + 4096)

/* Random to whoever does not know the secret of the settings. */
unsigned network_random(void);
#define LWIP_RAND() network_random()
#define LWIP_HOOK_TCP_ISN network_isn
#define LWIP_HOOK_FILENAME "network_hooks.h"

#endif
