// What the benchmark asks of whoever makes the traffic.
import type { Endpoint } from "./btp-driver.js";
import type { PoolShelf } from "./pool.js";

export interface Pair {
  a: Endpoint;
  b: Endpoint;
  /** Address of the pair's packet `i`, without the number that ends it. */
  prefixOf(i: number): string;
}

export interface DriverOptions {
  wire: "ws" | "tcp" | "http";
  dataSize: number;
  inFlight: number;
  pairs: Pair[];
  pools: PoolShelf;
}

export interface Round {
  total: number;
  ms: number;
  /** Packets that got a temporary Reject; each was followed by another. */
  refused: number;
  /** Milliseconds, one per packet. */
  latencies: Float64Array;
}

export interface Driver {
  /** Packets that differ from each other. */
  readonly poolSize: number;
  /** Sends `total` packets, `inFlight` at a time. Throws when one is not answered as it must be. */
  round(total: number, inFlight: number): Promise<Round>;
  close(): void;
}
