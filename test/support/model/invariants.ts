// What must hold after every call, read from memory alone: each
// checker returns what is wrong, or nothing. Each is shown a planted fault in
// test/core/invariants.test.ts.
import {
  AccountRecord as A,
  AssetRecord as S,
  Descriptor,
  FlightRecord as F,
  FlightTableRecord as T,
  FlightState,
} from "../../../host/abi.js";
import { load, type Machine } from "./machine.js";

const NONE = 0xffffffff;
const FLIGHT_TABLE_SIZE = 64;
const SLACK = 64;

/** Where the parts lie that the descriptor does not name, from the memory map in layout.ts. */
export interface Map {
  capacity: number;
  wheel: number;
  shift: number;
  table: number;
  wheelHeads: number;
  wheelBits: number;
  loopHeads: number;
}

export function mapOf(m: Machine, wheel: number, shift: number): Map {
  const capacity = m.get(Descriptor.Flights);
  const flights = m.get(Descriptor.FlightsAddress);
  const wheelHeads = flights + capacity * m.get(Descriptor.FlightStride);
  const wheelBits = wheelHeads + wheel * 4;
  const loopHeads = wheelBits + ((wheel + 63) >> 6) * 8;
  if (loopHeads + capacity * 4 !== m.get(Descriptor.SnapshotEnd)) {
    throw new Error("The memory map is not the one these checks were written for.");
  }
  return {
    capacity,
    wheel,
    shift,
    table: flights - FLIGHT_TABLE_SIZE,
    wheelHeads,
    wheelBits,
    loopHeads,
  };
}

type Checker = (m: Machine, map: Map) => string | undefined;

function heldSlots(m: Machine, map: Map): number[] {
  const slots: number[] = [];
  for (let slot = 0; slot < map.capacity; slot++) {
    if (m.bytes[m.flight(slot) + F.state] === FlightState.Held) slots.push(slot);
  }
  return slots;
}

function accounts(m: Machine): number[] {
  return Array.from({ length: m.get(Descriptor.Accounts) }, (_, i) => m.account(i));
}

/** Posted: all debits equal all credits, per asset. */
export const postedBalance: Checker = (m) => {
  const all = accounts(m);
  for (let asset = 0; asset < m.get(Descriptor.Assets); asset++) {
    const at = m.asset(asset);
    let sum = m.wide(at + S.incomeDebitsLo) - m.wide(at + S.incomeCreditsLo);
    sum += m.wide(at + S.settledDebitsLo) - m.wide(at + S.settledCreditsLo);
    for (const a of all) {
      if (m.view.getUint16(a + A.asset, true) !== asset) continue;
      sum += m.wide(a + A.debitsLo) - m.wide(a + A.creditsLo);
    }
    if (sum !== 0n) return `asset ${asset} is off by ${sum}`;
  }
  return undefined;
};

/** Pending: the accounts' holds equal income's, per asset and side. */
export const pendingBalance: Checker = (m) => {
  const all = accounts(m);
  for (let asset = 0; asset < m.get(Descriptor.Assets); asset++) {
    const at = m.asset(asset);
    let coming = -m.wide(at + S.incomeCreditsPendingLo);
    let going = -m.wide(at + S.incomeDebitsPendingLo);
    for (const a of all) {
      if (m.view.getUint16(a + A.asset, true) !== asset) continue;
      coming += m.u64(a + A.debitsPending);
      going += m.u64(a + A.creditsPending);
    }
    if (coming || going) return `pendings of asset ${asset} are off by ${coming} and ${going}`;
  }
  return undefined;
};

/** A hold exists for exactly each packet in flight, and beside these there are only claims. */
export const holds: Checker = (m, map) => {
  const all = accounts(m);
  const sums = all.map(() => [0, 0, 0n, 0n] as [number, number, bigint, bigint]);
  for (const slot of heldSlots(m, map)) {
    const f = m.flight(slot);
    const source = sums[m.view.getUint16(f + F.inAccount, true)]!;
    const next = sums[m.view.getUint16(f + F.outAccount, true)]!;
    source[0] += 1;
    source[2] += m.u64(f + F.amountIn);
    next[1] += 1;
    next[3] += m.u64(f + F.amountOut);
  }
  for (const [i, a] of all.entries()) {
    const [countIn, countOut, valueIn, valueOut] = sums[i]!;
    const counts = m.u32(a + A.flightsIn) === countIn && m.u32(a + A.flightsOut) === countOut;
    const valued =
      m.u64(a + A.debitsPending) === valueIn + m.u64(a + A.claimDebits) &&
      m.u64(a + A.creditsPending) === valueOut + m.u64(a + A.claimCredits);
    if (!counts || !valued) return `holds of account ${i} are not its packets in flight`;
  }
  return undefined;
};

function chain(m: Machine, first: number, field: number, bound: number): number[] | undefined {
  const slots: number[] = [];
  for (let slot = first; slot !== NONE; slot = m.u32(m.flight(slot) + field)) {
    if (slot >= bound || slots.length >= bound) return undefined;
    slots.push(slot);
  }
  return slots;
}

/** Every slot is in exactly one place: held, free, evidence or never used. */
export const slots: Checker = (m, map) => {
  const { table, capacity } = map;
  const fresh = m.u32(table + T.fresh);
  const free = chain(m, m.u32(table + T.free), F.next, capacity);
  const evidence = chain(m, m.u32(table + T.evidenceFirst), F.next, capacity);
  if (!free || !evidence) return "a list of slots does not end";
  const held = heldSlots(m, map);
  if (held.length !== m.u32(table + T.held)) return "the number of held slots is wrong";
  const last = evidence.at(-1) ?? NONE;
  if (last !== m.u32(table + T.evidenceLast)) return "the evidence queue has another end";
  const all = [...free, ...evidence, ...held].sort((a, b) => a - b);
  const exact = all.length === fresh && all.every((slot, i) => slot === i);
  return exact ? undefined : `slots ${all.join()} of ${fresh} used`;
};

/** The wheel holds exactly the held packets, each in the bucket of its deadline. */
export const wheel: Checker = (m, map) => {
  const found: number[] = [];
  for (let bucket = 0; bucket < map.wheel; bucket++) {
    const first = m.u32(map.wheelHeads + bucket * 4);
    const bit = (m.u64(map.wheelBits + (bucket >> 6) * 8) >> BigInt(bucket & 63)) & 1n;
    if ((bit === 1n) !== (first !== NONE)) return `bit of bucket ${bucket}`;
    const members = first === NONE ? [] : chain(m, first, F.wheelNext, map.capacity);
    if (!members) return `bucket ${bucket} does not end`;
    for (const [i, slot] of members.entries()) {
      const f = m.flight(slot);
      const place = (m.u64(f + F.deadlineMs) >> BigInt(map.shift)) & BigInt(map.wheel - 1);
      if (place !== BigInt(bucket)) return `slot ${slot} is in the wrong bucket`;
      if (m.u32(f + F.wheelPrevious) !== (i ? members[i - 1] : NONE)) return `back link of ${slot}`;
    }
    found.push(...members);
  }
  const held = heldSlots(m, map);
  found.sort((a, b) => a - b);
  return found.join() === held.join() ? undefined : `wheel ${found.join()}, held ${held.join()}`;
};

/** The loop breaker's chains hold exactly the held packets that it watches. */
export const loops: Checker = (m, map) => {
  const found: number[] = [];
  for (let i = 0; i < map.capacity; i++) {
    const first = m.u32(map.loopHeads + i * 4);
    const members = first === NONE ? [] : chain(m, first, F.loopNext, map.capacity);
    if (!members) return `chain ${i} does not end`;
    found.push(...members);
  }
  const held = heldSlots(m, map).filter((slot) => m.bytes[m.flight(slot) + F.watched] === 1);
  found.sort((a, b) => a - b);
  return found.join() === held.join() ? undefined : `loops ${found.join()}, held ${held.join()}`;
};

export const CHECKERS: Record<string, Checker> = {
  postedBalance,
  pendingBalance,
  holds,
  slots,
  wheel,
  loops,
};

/** The first thing that is wrong, with the checker's name. */
export function violation(m: Machine, map: Map): string | undefined {
  for (const [name, checker] of Object.entries(CHECKERS)) {
    const wrong = checker(m, map);
    if (wrong) return `${name}: ${wrong}`;
  }
  return undefined;
}

/** How far each account is over its maximum and under its minimum, holds included; 0 is within. */
export function excesses(m: Machine): bigint[] {
  return accounts(m).flatMap((a) => {
    const balance = m.wide(a + A.debitsLo) - m.wide(a + A.creditsLo);
    const over = balance + m.u64(a + A.debitsPending) - m.wide(a + A.balanceMaxLo);
    const under = m.wide(a + A.balanceMinLo) - balance + m.u64(a + A.creditsPending);
    return [over > 0n ? over : 0n, under > 0n ? under : 0n];
  });
}

/** A packet must not take an account over its limits, nor further over them. */
export function excessGrown(before: bigint[], after: bigint[]): string | undefined {
  const i = after.findIndex((value, at) => value > before[at]!);
  return i < 0 ? undefined : `account ${i >> 1} went ${after[i]} over its limit`;
}

/** Longest scratch buffer behind the last constant. */
const SCRATCH_MAX = 2048;

/**
 * Constants, and bytes between and behind the regions, which no call may change. What is not zero
 * outside the regions of a new instance is a constant; scratch buffers lie among them.
 */
export class Guards {
  readonly #constants: [at: number, bytes: Buffer][] = [];
  readonly #zeros: [from: number, to: number][];

  constructor(private readonly m: Machine) {
    const start = m.get(Descriptor.SnapshotStart);
    const end = m.get(Descriptor.MemoryEnd);
    const exports = new WebAssembly.Instance(load(m.profile), {}).exports;
    const bytes = Buffer.from((exports.memory as WebAssembly.Memory).buffer);
    let last = end;
    for (let i = 0; i < bytes.length; i++) {
      if (i === start) i = end;
      if (!bytes[i]) continue;
      const from = i;
      while (i < bytes.length && i !== start && bytes[i]) i++;
      this.#constants.push([from, Buffer.from(bytes.subarray(from, i))]);
      last = i--;
    }
    const inputEnd = m.input + m.get(Descriptor.InputBytes);
    const events = m.get(Descriptor.EventsAddress);
    this.#zeros = [
      [events - SLACK, events],
      [m.input - 2 * SLACK, m.input - SLACK],
      [inputEnd, end],
      [last + SCRATCH_MAX, bytes.length],
    ];
  }

  /** What was written to that must not be. */
  check(): string | undefined {
    const { bytes } = this.m;
    for (const [at, constant] of this.#constants) {
      if (constant.compare(bytes, at, at + constant.length) !== 0) return `constant at ${at}`;
    }
    for (const [from, to] of this.#zeros) {
      if (bytes.subarray(from, to).some((byte) => byte !== 0)) return `guard bytes from ${from}`;
    }
    return undefined;
  }
}
