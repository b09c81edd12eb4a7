// Build profiles: every capacity of the core, per build. Capacities are compile-time, so the memory
// map is a constant.
// Powers of two where a mask is taken (flights, wheel, route slots, outputs, events).

/** Capacities shared by every profile unless it says otherwise. */
const gateway = {
  CFG_ACCOUNTS: 2048, // account 0 is the node itself
  CFG_ASSETS: 32, // rate table is ASSETS x ASSETS
  CFG_FLIGHTS: 16384, // packets in flight
  CFG_WHEEL: 4096, // expiry wheel buckets
  CFG_WHEEL_SHIFT: 4, // bucket width: 1 << shift milliseconds
  CFG_ROUTES: 262144, // route slots; at most 3/4 are used
  CFG_ROUTE_POOL: 8388608, // bytes of prefix records
  CFG_NAME: 64, // bytes of an account id or address segment
  CFG_EVENTS: 1024, // ring of recent events
  CFG_OUTPUTS: 1024, // output records between two drains
  CFG_ARENA: 262144, // bytes of frames the core composes between two drains
  CFG_INPUT: 131072, // largest input handed over at once
  CFG_RECORDS: 1024, // journal records between two drains
  CFG_PACKET: 41997, // largest ILP packet accepted (largest legal Reject)
  CFG_TRAIL: 1, // 1: can journal every hold, post, void and expiry, and setters
  CFG_WEBSOCKET: 1, // 1: reads and writes WebSocket streams
  CFG_SHA_LOOP: 0, // 1: small looped SHA-256, 0: unrolled
};

export const profiles = {
  gateway: {
    entry: "assembly/index.ts",
    pages: 256,
    simd: true,
    inline: true,
    capacities: gateway,
  },
  "gateway-scalar": {
    entry: "assembly/index.ts",
    pages: 256,
    simd: false,
    inline: true,
    capacities: gateway,
  },
  board: {
    entry: "assembly/index.ts",
    pages: 1,
    simd: false,
    size: true,
    capacities: {
      CFG_ACCOUNTS: 16,
      CFG_ASSETS: 4,
      CFG_FLIGHTS: 64,
      CFG_WHEEL: 64,
      CFG_WHEEL_SHIFT: 9,
      CFG_ROUTES: 128,
      CFG_ROUTE_POOL: 3072,
      CFG_NAME: 32,
      CFG_EVENTS: 32,
      CFG_OUTPUTS: 16,
      CFG_ARENA: 12288,
      CFG_INPUT: 8192,
      CFG_RECORDS: 64,
      CFG_PACKET: 8000,
      CFG_TRAIL: 0,
      CFG_WEBSOCKET: 0,
      CFG_SHA_LOOP: 1,
    },
  },
  // Capacities so small that every limit is met in every test run.
  test: {
    entry: "assembly/index.ts",
    pages: 4,
    simd: true,
    checked: true,
    capacities: {
      CFG_ACCOUNTS: 4,
      CFG_ASSETS: 3,
      CFG_FLIGHTS: 4,
      CFG_WHEEL: 4,
      CFG_WHEEL_SHIFT: 14,
      CFG_ROUTES: 8,
      CFG_ROUTE_POOL: 1024,
      CFG_NAME: 32,
      CFG_EVENTS: 4,
      CFG_OUTPUTS: 8,
      CFG_ARENA: 98304,
      CFG_INPUT: 73728,
      CFG_RECORDS: 32,
      CFG_PACKET: 41997,
      CFG_TRAIL: 1,
      CFG_WEBSOCKET: 1,
      CFG_SHA_LOOP: 0,
    },
  },
};
