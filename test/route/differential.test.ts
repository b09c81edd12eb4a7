// Random additions, replacements, removals and lookups against a Map: scalar and SIMD builds side
// by side, byte for byte, on capacities where every limit binds and on the gateway's. ADR-05,
// ADR-06, D11.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DONE,
  ABSENT,
  POOL_FULL,
  SLOTS_FULL,
  Table,
  modelLookup,
  random,
  unitsOf,
} from "./harness.js";

const CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_~-";
const SCHEMES = ["g", "test", "test1", "private", "local", "example", "self", "peer"];

type Random = (n: number) => number;

function word(next: Random, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) text += CHARACTERS[next(CHARACTERS.length)];
  return text;
}

/** A prefix from a small vocabulary, so that many share segments; some of any length to 1023. */
function makePrefix(next: Random, vocabulary: string[]): string {
  const kind = next(vocabulary.length < 10 ? 12 : 40);
  if (kind === 0) return SCHEMES[next(SCHEMES.length)];
  if (kind === 1) return `g.${"a.".repeat(next(510))}${word(next, 1)}`;
  if (kind === 2) return `g.${word(next, 1 + next(1021))}`;
  let prefix = SCHEMES[next(3)];
  const segments = next(kind < 8 ? 60 : 4);
  for (let i = 0; i < segments; i++) prefix += `.${vocabulary[next(vocabulary.length)]}`;
  return prefix.slice(0, 1023).replace(/\.$/, "");
}

/** An address near a known prefix: below, beside or above it; sometimes no address at all. */
function makeAddress(next: Random, prefix: string): string {
  switch (next(9)) {
    case 0:
      return prefix;
    case 1:
      return prefix + word(next, 1);
    case 2:
      return prefix.slice(0, next(prefix.length + 1));
    case 3:
      return `${prefix}.`;
    case 4:
      return `${prefix}${".b".repeat(next(400))}`.slice(0, 1023);
    case 5:
      return Buffer.from(Array.from({ length: next(100) }, () => next(256))).toString("latin1");
    case 6:
      return `${prefix.slice(0, next(prefix.length))}.${prefix.slice(next(prefix.length))}`;
    default:
      return `${prefix}.~ipr.${word(next, 43)}`.slice(0, 1023);
  }
}

/** A prefix used before; in a small table mostly one that is in it. */
function pick(next: Random, routes: Map<string, number>, known: string[]): string {
  if (routes.size > 0 && routes.size < 200 && next(4)) return [...routes.keys()][next(routes.size)];
  return known[next(known.length)];
}

interface Run {
  profile: string;
  seed: number;
  steps: number;
  words: number;
  checkEvery: number;
}

function checkRefusal(
  table: Table,
  routes: Map<string, number>,
  prefix: string,
  status: number,
): void {
  if (status === SLOTS_FULL) {
    assert.equal(routes.size, table.core.routesMax(), "refused for slots while there are some");
  } else {
    assert.equal(status, POOL_FULL);
    assert(table.largestFree() < unitsOf(prefix.length), "refused for space while there is some");
  }
}

/** How often each status of `routeSet` was met, and the number of routes at the end. */
interface Seen {
  statuses: Map<number, number>;
  routes: number;
}

function runDifferential({ profile, seed, steps, words, checkEvery }: Run): Seen {
  const next = random(seed);
  const vocabulary = Array.from({ length: words }, () => word(next, 1 + next(14)));
  const scalar = new Table({ profile, seed: BigInt(seed) });
  const simd = new Table({ profile, seed: BigInt(seed), simd: true });
  const routes = new Map<string, number>();
  const known: string[] = ["g"];
  const statuses = new Map<number, number>();
  const note = (what: string) => `seed ${seed}, ${profile}: ${what}`;
  for (let step = 0; step < steps; step++) {
    const action = next(10);
    const offset = next(8);
    const old = pick(next, routes, known);
    if (action < 3) {
      const prefix = next(4) ? makePrefix(next, vocabulary) : old;
      const account = next(65536);
      const status = scalar.set(prefix, account, offset);
      assert.equal(simd.set(prefix, account, offset), status);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === DONE) routes.set(prefix, account);
      else checkRefusal(scalar, routes, prefix, status);
      if (known.length < 4096) known.push(prefix);
      else known[next(4096)] = prefix;
    } else if (action < 5) {
      const expected = routes.delete(old) ? DONE : ABSENT;
      assert.equal(scalar.delete(old, offset), expected, note(`delete ${old}`));
      assert.equal(simd.delete(old, offset), expected);
    } else {
      const address = makeAddress(next, old);
      const expected = modelLookup(routes, address);
      const junk = next(2) ? "................" : word(next, 16);
      assert.equal(scalar.lookup(address, offset, junk), expected, note(`lookup ${address}`));
      assert.equal(simd.lookup(address, offset, junk), expected, note(`SIMD lookup ${address}`));
    }
    if (step % checkEvery === 0 || step === steps - 1) {
      scalar.check(routes);
      assert(scalar.state().equals(simd.state()), note(`SIMD memory differs at step ${step}`));
    }
  }
  return { statuses, routes: routes.size };
}

for (const seed of [1, 20261123]) {
  test(`200,000 operations at the smallest capacities, seed ${seed}`, () => {
    const { statuses } = runDifferential({
      profile: "test",
      seed,
      steps: 200_000,
      words: 6,
      checkEvery: 97,
    });
    for (const status of [DONE, SLOTS_FULL, POOL_FULL]) {
      assert((statuses.get(status) ?? 0) > 100, `status ${status} was hardly met`);
    }
  });
}

test("200,000 operations at the board capacities, seed 3", () => {
  const { statuses } = runDifferential({
    profile: "board",
    seed: 3,
    steps: 200_000,
    words: 6,
    checkEvery: 997,
  });
  assert((statuses.get(POOL_FULL) ?? 0) > 100);
});

test("200,000 operations at the gateway capacities, seed 4", () => {
  const run = { profile: "gateway", seed: 4, steps: 200_000, words: 300, checkEvery: 20_000 };
  const { statuses, routes } = runDifferential(run);
  assert.equal(statuses.get(SLOTS_FULL), undefined);
  assert(routes > 1000, "routes at the end");
});
