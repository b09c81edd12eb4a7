// Capacities of this build, from tools/profiles.mjs, and what must hold between them. A build whose
// capacities do not fit together does not compile.

export const ACCOUNTS: u32 = CFG_ACCOUNTS;
export const ASSETS: u32 = CFG_ASSETS;
export const FLIGHTS: u32 = CFG_FLIGHTS;
export const WHEEL: u32 = CFG_WHEEL;
export const WHEEL_SHIFT: u32 = CFG_WHEEL_SHIFT;
export const ROUTE_CAPACITY: u32 = CFG_ROUTES;
export const ROUTE_POOL_SIZE: u32 = CFG_ROUTE_POOL;
export const NAME_SIZE: u32 = CFG_NAME;
export const EVENT_COUNT: u32 = CFG_EVENTS;
export const OUTPUT_COUNT: u32 = CFG_OUTPUTS;
export const ARENA_SIZE: u32 = CFG_ARENA;
export const INPUT_SIZE: u32 = CFG_INPUT;
export const RECORD_COUNT: u32 = CFG_RECORDS;
export const PACKET_SIZE: u32 = CFG_PACKET;
/** 1: this build can journal every hold, post, void and expiry, and every setter. */
export const TRAIL: bool = CFG_TRAIL == 1;
/** 1: this build reads WebSocket streams. */
export const WEBSOCKET: bool = CFG_WEBSOCKET == 1;

/** Longest asset code kept, bytes. */
export const ASSET_CODE_SIZE: u32 = 32;
/** Longest own address: leaves room for a child's segment within 1023 (ADR-13). */
export const ADDRESS_SIZE: u32 = 1023;
/** Room kept in front of the input, for headers written before a packet. */
export const HEADROOM: u32 = 64;
/** Room kept behind every buffer: reads may run past the end of an item. */
export const SLACK: u32 = 64;
/**
 * Largest Reject this node composes, framed: own address, two names, a destination, text, F08 data.
 */
export const REJECT_SIZE: u32 = 2560;
/** Packets worked on together: their Fulfills are hashed four at a time. */
export const BATCH_MAX: u32 = 64;
/**
 * Room kept in front of everything composed: the largest headers are 20 (BTP) and 14 (WebSocket).
 */
export const COMPOSE_ROOM: u32 = 40;
/** Arena one packet may need: a Reject, or a copy of itself in another framing. */
export const PACKET_ROOM: u32 = PACKET_SIZE + PACKET_SIZE / 128 + 128;
/** Outputs one packet can cause: its reply or forward, and a settlement of either account. */
export const OUTPUTS_PER_PACKET: u32 = 3;
/** Longest hold: every packet in flight must fall within one turn of the expiry wheel. */
export const HOLD_MAX_MS: u32 = (WHEEL - 1) << WHEEL_SHIFT;

if ((FLIGHTS & (FLIGHTS - 1)) != 0) ERROR("CFG_FLIGHTS must be a power of two");
if ((WHEEL & (WHEEL - 1)) != 0) ERROR("CFG_WHEEL must be a power of two");
if ((ROUTE_CAPACITY & (ROUTE_CAPACITY - 1)) != 0) ERROR("CFG_ROUTES must be a power of two");
if ((EVENT_COUNT & (EVENT_COUNT - 1)) != 0) ERROR("CFG_EVENTS must be a power of two");
if (ACCOUNTS > 65535) ERROR("account indices are 16 bits, 0xffff means none");
if (FLIGHTS > 1048576) ERROR("a request id needs at least 12 bits of generation");
if (OUTPUT_COUNT < 2 * OUTPUTS_PER_PACKET) ERROR("a packet and a goodbye must fit the outputs");
if (ARENA_SIZE < REJECT_SIZE + PACKET_ROOM) ERROR("one Reject and one packet must fit the arena");
if (INPUT_SIZE < PACKET_SIZE + 32) ERROR("one framed packet must fit the input");
if (HOLD_MAX_MS < 30000) ERROR("the wheel must turn no faster than the default hold time");
