// The memory map: one chain of regions, each starting where the one before ends. Everything the
// core knows is here, so a snapshot is one copy. Order:
//
//   ┌─ snapshot ────────────────────────────────────────────────────────────────┐
//   │ state │ counters │ meters │ streams │ names │ rates │ routes │ … │ events  │
//   │  ┌─ books ──────────────────────────────────────────────────────────────┐ │
//   │  │ assets │ accounts │ flight table │ flights │ wheel │ loop heads       │ │
//   │  └──────────────────────────────────────────────────────────────────────┘ │
//   └───────────────────────────────────────────────────────────────────────────┘
//   ┌─ exchange with the host, empty between two drains ─────────────────────────┐
//   │ channel │ verdict │ views │ items │ records │ outputs │ arena │ input     │
//   └───────────────────────────────────────────────────────────────────────────┘
import {
  ACCOUNTS,
  ARENA_SIZE,
  ASSETS,
  BATCH_MAX,
  EVENT_COUNT,
  FLIGHTS,
  HEADROOM,
  INPUT_SIZE,
  NAME_SIZE,
  OUTPUT_COUNT,
  RECORD_COUNT,
  ROUTE_CAPACITY,
  ROUTE_POOL_SIZE,
  SLACK,
  WHEEL,
} from "./config";
import { ROUTES_SIZE } from "./route/record";

export const STATE_SIZE: u32 = 1216;
export const COUNTERS_SIZE: u32 = 256;
export const METER_STRIDE: u32 = 144;
export const RATE_STRIDE: u32 = 32;
export const EVENT_STRIDE: u32 = 64;
export const ASSET_STRIDE: u32 = 192;
export const ACCOUNT_STRIDE: u32 = 224;
export const FLIGHT_TABLE_SIZE: u32 = 64;
export const FLIGHT_STRIDE: u32 = 96;
export const RECORD_STRIDE: u32 = 64;
export const OUTPUT_STRIDE: u32 = 32;
export const CHANNEL_SIZE: u32 = 64;
export const VERDICT_SIZE: u32 = 128;
export const VIEW_SIZE: u32 = 128;
export const STREAM_STRIDE: u32 = 16;
export const ITEM_STRIDE: u32 = 24;

const STATE_OFFSET: u32 = 0;
const COUNTERS_OFFSET: u32 = STATE_OFFSET + STATE_SIZE;
const METERS_OFFSET: u32 = COUNTERS_OFFSET + COUNTERS_SIZE;
const STREAMS_OFFSET: u32 = METERS_OFFSET + ACCOUNTS * METER_STRIDE;
const NAMES_OFFSET: u32 = STREAMS_OFFSET + ACCOUNTS * STREAM_STRIDE;
const RATES_OFFSET: u32 = NAMES_OFFSET + ACCOUNTS * NAME_SIZE * 2;
const ROUTES_OFFSET: u32 = RATES_OFFSET + ASSETS * ASSETS * RATE_STRIDE;
const ROUTE_SLOTS_OFFSET: u32 = ROUTES_OFFSET + ((ROUTES_SIZE + 63) & ~63);
const ROUTE_POOL_OFFSET: u32 = ROUTE_SLOTS_OFFSET + ROUTE_CAPACITY * 8;
const EVENTS_OFFSET: u32 = ROUTE_POOL_OFFSET + ROUTE_POOL_SIZE + SLACK;
const ASSETS_OFFSET: u32 = EVENTS_OFFSET + EVENT_COUNT * EVENT_STRIDE;
const ACCOUNTS_OFFSET: u32 = ASSETS_OFFSET + ASSETS * ASSET_STRIDE;
const FLIGHT_TABLE_OFFSET: u32 = ACCOUNTS_OFFSET + ACCOUNTS * ACCOUNT_STRIDE;
const FLIGHTS_OFFSET: u32 = FLIGHT_TABLE_OFFSET + FLIGHT_TABLE_SIZE;
const WHEEL_HEADS_OFFSET: u32 = FLIGHTS_OFFSET + FLIGHTS * FLIGHT_STRIDE;
const WHEEL_BITS_OFFSET: u32 = WHEEL_HEADS_OFFSET + WHEEL * 4;
const LOOP_HEADS_OFFSET: u32 = WHEEL_BITS_OFFSET + ((WHEEL + 63) >> 6) * 8;
const CHANNEL_OFFSET: u32 = LOOP_HEADS_OFFSET + FLIGHTS * 4;
const VERDICT_OFFSET: u32 = CHANNEL_OFFSET + CHANNEL_SIZE;
const VIEW_OFFSET: u32 = VERDICT_OFFSET + VERDICT_SIZE;
const FRAME_OFFSET: u32 = VIEW_OFFSET + VIEW_SIZE;
const ITEMS_OFFSET: u32 = FRAME_OFFSET + VIEW_SIZE;
const RECORDS_OFFSET: u32 = ITEMS_OFFSET + BATCH_MAX * ITEM_STRIDE;
const OUTPUTS_OFFSET: u32 = RECORDS_OFFSET + RECORD_COUNT * RECORD_STRIDE;
const ARENA_OFFSET: u32 = OUTPUTS_OFFSET + OUTPUT_COUNT * OUTPUT_STRIDE;
const HEADROOM_OFFSET: u32 = ARENA_OFFSET + ARENA_SIZE + SLACK;
const INPUT_OFFSET: u32 = HEADROOM_OFFSET + HEADROOM;
const TOTAL_SIZE: u32 = INPUT_OFFSET + INPUT_SIZE + SLACK;

const BASE: usize = memory.data(<i32>TOTAL_SIZE, 64);

export const STATE: usize = BASE + STATE_OFFSET;
export const COUNTERS: usize = BASE + COUNTERS_OFFSET;
export const METERS: usize = BASE + METERS_OFFSET;
/** State of each account's byte stream. */
export const STREAMS: usize = BASE + STREAMS_OFFSET;
export const NAMES: usize = BASE + NAMES_OFFSET;
export const RATES: usize = BASE + RATES_OFFSET;
export const ROUTES: usize = BASE + ROUTES_OFFSET;
export const ROUTE_SLOTS: usize = BASE + ROUTE_SLOTS_OFFSET;
export const ROUTE_POOL: usize = BASE + ROUTE_POOL_OFFSET;
export const EVENTS: usize = BASE + EVENTS_OFFSET;
export const ASSET_RECORDS: usize = BASE + ASSETS_OFFSET;
export const ACCOUNT_RECORDS: usize = BASE + ACCOUNTS_OFFSET;
export const FLIGHT_TABLE: usize = BASE + FLIGHT_TABLE_OFFSET;
export const FLIGHT_RECORDS: usize = BASE + FLIGHTS_OFFSET;
export const WHEEL_HEADS: usize = BASE + WHEEL_HEADS_OFFSET;
export const WHEEL_BITS: usize = BASE + WHEEL_BITS_OFFSET;
export const LOOP_HEADS: usize = BASE + LOOP_HEADS_OFFSET;
/** State ends here: [STATE, SNAPSHOT_END) is everything a snapshot holds. */
export const SNAPSHOT_END: usize = BASE + CHANNEL_OFFSET;
/** The part that replaying the trail reproduces byte for byte: [BOOKS, SNAPSHOT_END). */
export const BOOKS: usize = ASSET_RECORDS;
export const CHANNEL: usize = BASE + CHANNEL_OFFSET;
export const VERDICT: usize = BASE + VERDICT_OFFSET;
/** View of the packet being worked on. */
export const VIEW: usize = BASE + VIEW_OFFSET;
/** View of the frame being worked on. */
export const FRAME: usize = BASE + FRAME_OFFSET;
/** Packets of the batch being worked on. */
export const ITEMS: usize = BASE + ITEMS_OFFSET;
export const RECORDS: usize = BASE + RECORDS_OFFSET;
export const OUTPUTS: usize = BASE + OUTPUTS_OFFSET;
export const ARENA: usize = BASE + ARENA_OFFSET;
export const INPUT: usize = BASE + INPUT_OFFSET;
export const MEMORY_END: usize = BASE + TOTAL_SIZE;
