// Nanoseconds per lookup, scalar and SIMD, 20th percentile of interleaved slices of about 1 ms.
// Run: node --import tsx test/route/bench.ts
import { Table, modelLookup, random } from "./harness.js";

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const TOKEN = `${LETTERS}ABCDEFGHIJKLMNOPQRSTUVWXYZ_-`;
const SEED = 7;

type Random = (n: number) => number;

function word(next: Random, least: number, most: number, letters = LETTERS): string {
  const length = least + next(most - least + 1);
  return Array.from({ length }, () => letters[next(letters.length)]).join("");
}

/** Routes of about 21 bytes: regions, connectors in them, accounts of those. */
function makeRoutes(next: Random, count: number): string[] {
  const routes = new Set(["g"]);
  const many = (n: number, make: () => string) => Array.from({ length: n }, make);
  const regions = many(Math.max(2, Math.ceil(Math.sqrt(count) / 8)), () => word(next, 2, 3));
  const connectors = many(
    Math.max(3, Math.ceil(count / 20)),
    () => `g.${regions[next(regions.length)]}.${word(next, 4, 10)}`,
  );
  while (routes.size < count) {
    const kind = next(100);
    const connector = connectors[next(connectors.length)];
    if (kind < 5) routes.add(connector);
    else if (kind < 75) routes.add(`${connector}.${word(next, 3, 12)}`);
    else routes.add(`${connector}.${word(next, 3, 8)}.${word(next, 3, 8)}`);
  }
  return [...routes];
}

/** Addresses of about 69 bytes below those routes; a tenth matches only the shortest. */
function makeAddresses(next: Random, routes: string[], count: number): string[] {
  return Array.from({ length: count }, () => {
    const token = word(next, 43, 43, TOKEN);
    if (next(10) === 0) return `g.${word(next, 2, 3)}.${word(next, 4, 9)}.${token}`;
    const route = routes[next(routes.length)];
    return `${route}${next(3) ? ".~ipr." : `.${word(next, 3, 8)}.`}${token}`.slice(0, 120);
  });
}

/** 20th percentile of ns per round of each function, slices interleaved. */
function measure(cases: ((rounds: number) => void)[], rounds: number, slices: number): number[] {
  const times: number[][] = cases.map(() => []);
  for (let slice = 0; slice < slices; slice++) {
    for (const [i, run] of cases.entries()) {
      const start = process.hrtime.bigint();
      run(rounds);
      times[i].push(Number(process.hrtime.bigint() - start) / rounds);
    }
  }
  return times.map((list) => list.sort((a, b) => a - b)[Math.floor(list.length / 5)]);
}

function benchRoutes(tables: Table[], count: number, addressCount: number): void {
  const next = random(SEED);
  const routes = makeRoutes(next, count);
  const addresses = makeAddresses(next, routes, addressCount);
  const map = new Map(routes.map((prefix, i) => [prefix, i % 60000]));
  let setNs = 0;
  for (const table of tables) {
    table.init(BigInt(SEED));
    const start = process.hrtime.bigint();
    for (const [prefix, account] of map) {
      if (table.set(prefix, account) !== 0) throw new Error(`no room for ${prefix}`);
    }
    setNs = Number(process.hrtime.bigint() - start) / count;
    for (const [i, address] of addresses.entries()) {
      if (table.lookup(address) !== modelLookup(map, address)) throw new Error(address);
      const p = table.core.addresses() + i * 128;
      table.view.setUint16(p, address.length, true);
      table.bytes.set(Buffer.from(address, "latin1"), p + 2);
    }
  }
  const runs = tables.map((table) => (n: number) => table.core.lookupMany(n, addressCount - 1));
  const batch = Math.max(16384, addressCount);
  const [scalar, simd] = measure(runs, batch, 61).map((ns) => ns.toFixed(0));
  const perRoute = (tables[0].core.poolUsed() / count + 8 / 0.75).toFixed(1);
  console.log(
    `${count} routes, ${addressCount} addresses: ${scalar} ns scalar, ${simd} ns SIMD; ` +
      `${perRoute} bytes/route at full load; set from JavaScript ${setNs.toFixed(0)} ns`,
  );
}

/** The dearest addresses: every odd length is some route's, none is the address's. */
function benchWorst(tables: Table[]): void {
  const address = `g.${"a.".repeat(500)}a`;
  const other = `h.${"a.".repeat(500)}a`;
  const longRoute = `h.${"b".repeat(1000)}`;
  for (const [name, lengths] of [
    ["routes of every odd length, none matches", 1001],
    ["routes of every odd length to 63", 63],
  ] as const) {
    for (const table of tables) {
      table.init(BigInt(SEED));
      for (let length = 1; length <= lengths; length += 2) table.set(other.slice(0, length), 1);
      table.put(address);
    }
    const runs = tables.map((table) => (n: number) => table.core.lookupScratch(n, address.length));
    const times = measure(runs, 200, 61).map((ns) => ns.toFixed(0));
    console.log(`1003 bytes, 502 segments, ${name}: ${times[0]} ns scalar, ${times[1]} ns SIMD`);
  }
  for (const table of tables) {
    table.init(BigInt(SEED));
    table.set(longRoute, 1);
    table.put(`${longRoute}.x`);
  }
  const runs = tables.map(
    (table) => (n: number) => table.core.lookupScratch(n, longRoute.length + 2),
  );
  const times = measure(runs, 200, 61).map((ns) => ns.toFixed(0));
  console.log(`one route of 1002 bytes, matched: ${times[0]} ns scalar, ${times[1]} ns SIMD`);
}

const tables = [false, true].map((simd) => new Table({ profile: "gateway", simd }));
benchRoutes(tables, 10, 1024);
benchRoutes(tables, 1000, 1024);
benchRoutes(tables, 100_000, 1024);
benchRoutes(tables, 100_000, 8192);
benchRoutes(tables, 196_608, 8192);
benchWorst(tables);
