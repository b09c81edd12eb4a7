// Drives the core from inside its own module, so that `bench:core` measures it without the host:
// the verbs as exported, packets copied into the input, outputs polled.
import { OutputKind } from "../../assembly/abi";
import { poll } from "../../assembly/channel";
import { batch, reply, request } from "../../assembly/core";
import { digest32, verify32, verify32x4 } from "../../assembly/hash/sha256";
import { INPUT } from "../../assembly/layout";
import { routeLookup } from "../../assembly/route/lookup";

export * from "../../assembly/index";

/** Packets of one round; their conditions differ. */
const COUNT: u32 = 1024;
const PACKET_SLOT: u32 = 256;
/** Prepares, Fulfills and addresses, each {length u32, bytes} in a slot. */
const PREPARES: usize = memory.data(COUNT * PACKET_SLOT, 16);
const FULFILLS: usize = memory.data(COUNT * PACKET_SLOT, 16);
const ADDRESSES: usize = memory.data(COUNT * PACKET_SLOT, 16);
const IDS: usize = memory.data(COUNT * 4, 16);
const DIGEST: usize = memory.data(64, 16);

export function preparesAddress(): usize {
  return PREPARES;
}

export function fulfillsAddress(): usize {
  return FULFILLS;
}

export function addressesAddress(): usize {
  return ADDRESSES;
}

// @ts-ignore: decorator
@inline
function slot(base: usize, i: u32): usize {
  return base + <usize>((i & (COUNT - 1)) * PACKET_SLOT);
}

// @ts-ignore: decorator
@inline
function copyIn(from: usize): u32 {
  const length = load<u32>(from);
  for (let i: u32 = 0; i < length; i += 8) store<u64>(INPUT + i, load<u64>(from + 8 + i));
  return length;
}

/** Only the copying, to be subtracted. */
export function copyOnly(n: u32): void {
  for (let i: u32 = 0; i < n; ++i) copyIn(slot(PREPARES, i));
}

/** n ≤ COUNT Prepares from account 1. @returns how many were forwarded. */
export function prepares(n: u32, nowLo: u32, nowHi: u32): u32 {
  let forwarded: u32 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    request(1, i, copyIn(slot(PREPARES, i)), nowLo, nowHi);
    const o = poll();
    forwarded += u32(load<u16>(o) == OutputKind.Request);
    store<u32>(IDS + ((<usize>i) << 2), load<u32>(o, 8));
    poll();
  }
  return forwarded;
}

/** The Fulfills of those, from account 2. @returns how many were relayed. */
export function fulfills(n: u32, nowLo: u32, nowHi: u32): u32 {
  let relayed: u32 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    reply(2, load<u32>(IDS + ((<usize>i) << 2)), copyIn(slot(FULFILLS, i)), nowLo, nowHi);
    relayed += u32(load<u16>(poll()) == OutputKind.Reply);
    poll();
  }
  return relayed;
}

/** Bytes of a batch item with a Fulfill of this bench: header 48, packet 51 and padding. */
const ITEM: u32 = 48 + 56;

/** The Fulfills in batches of `k` (a divisor of n). @returns how many were relayed. */
export function fulfillsBatched(n: u32, k: u32, nowLo: u32, nowHi: u32): u32 {
  let relayed: u32 = 0;
  for (let i: u32 = 0; i < n; i += k) {
    for (let j: u32 = 0; j < k; ++j) {
      const from = slot(FULFILLS, i + j);
      const to = INPUT + <usize>(j * ITEM);
      store<u32>(to, 2);
      store<u32>(to, load<u32>(IDS + ((<usize>(i + j)) << 2)), 4);
      store<u32>(to, load<u32>(from), 8);
      for (let b: usize = 0; b < 56; b += 8) store<u64>(to + 48 + b, load<u64>(from + 8 + b));
    }
    batch(2, k * ITEM, nowLo, nowHi);
    for (let j: u32 = 0; j < k; ++j) relayed += u32(load<u16>(poll()) == OutputKind.Reply);
    poll();
  }
  return relayed;
}

/** Rejects instead: the smallest there is. */
export function rejects(n: u32, nowLo: u32, nowHi: u32): u32 {
  let relayed: u32 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    store<u64>(INPUT, 0x000000393946060e);
    reply(2, load<u32>(IDS + ((<usize>i) << 2)), 8, nowLo, nowHi);
    relayed += u32(load<u16>(poll()) == OutputKind.Reply);
    poll();
  }
  return relayed;
}

export function lookups(n: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    const p = slot(ADDRESSES, i);
    sum += routeLookup(p + 8, load<u32>(p));
  }
  return sum;
}

/** The yardstick: a looped SHA-256 of 32 bytes. */
export function loopedHashes(n: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    digest32(slot(FULFILLS, i) + 10, DIGEST);
    sum += load<u32>(DIGEST);
  }
  return sum;
}

export function verifies(n: u32): u32 {
  let right: u32 = 0;
  for (let i: u32 = 0; i < n; ++i) {
    right += u32(verify32(slot(FULFILLS, i) + 10, slot(PREPARES, i) + 8 + 28));
  }
  return right;
}

export function verifiesByFour(n: u32): u32 {
  let right: u32 = 0;
  for (let i: u32 = 0; i < n; i += 4) {
    right += popcnt<u32>(
      verify32x4(
        slot(FULFILLS, i) + 10,
        slot(FULFILLS, i + 1) + 10,
        slot(FULFILLS, i + 2) + 10,
        slot(FULFILLS, i + 3) + 10,
        slot(PREPARES, i) + 36,
        slot(PREPARES, i + 1) + 36,
        slot(PREPARES, i + 2) + 36,
        slot(PREPARES, i + 3) + 36,
      ),
    );
  }
  return right;
}
