// Generates the parts of assembly/hash that are long or are tables, from their definitions:
//   node assembly/tools/sha256.mjs          writes them
//   node assembly/tools/sha256.mjs --check  exits 1 when one is stale
// SHA-256 is FIPS 180-4 (section numbers below); its constants are computed with whole numbers. The
// unrolled versions hash exactly 32 bytes: one block whose second half is known, so what follows
// from it in the message schedule is worked out here. CRC32C is RFC 3720, B.4.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Largest r with r^n <= value. */
function rootOf(value, n) {
  let low = 0n;
  let high = 1n << 80n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** n <= value) low = middle;
    else high = middle;
  }
  return low;
}

/** First 32 bits of the fractional part of the n-th root of a prime. */
function fraction(prime, n) {
  return Number(rootOf(BigInt(prime) << (32n * n), n) & 0xffffffffn);
}

const isPrime = (n) => {
  for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
  return true;
};
const primes = [];
for (let n = 2; primes.length < 64; n++) if (isPrime(n)) primes.push(n);

/** Section 4.2.2: cube roots of the first 64 primes. */
export const K = primes.map((prime) => fraction(prime, 3n));
/** Section 5.3.3: square roots of the first 8 primes. */
export const H = primes.slice(0, 8).map((prime) => fraction(prime, 2n));

/** CRC32C of each byte (`bits` 8) or nibble (4), polynomial 0x1edc6f41 reflected. */
export function crcTable(bits) {
  return Array.from({ length: 1 << bits }, (_, value) => {
    let crc = value;
    for (let i = 0; i < bits; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    return crc >>> 0;
  });
}

const hex = (n) => `0x${(n >>> 0).toString(16).padStart(8, "0")}`;
const rotr = (x, n) => (x >>> n) | (x << (32 - n));
/** Section 4.1.2, (4.6) and (4.7), on known words. */
const sigma0 = (x) => (rotr(x, 7) ^ rotr(x, 18) ^ (x >>> 3)) >>> 0;
const sigma1 = (x) => (rotr(x, 17) ^ rotr(x, 19) ^ (x >>> 10)) >>> 0;

/** Items on lines of at most 100 columns. */
function fill(items, indent) {
  const lines = [];
  let line = indent;
  for (const item of items) {
    if (line !== indent && line.length + item.length + 2 > 100) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${item}, `;
  }
  return [...lines, line.trimEnd()].join("\n");
}

/** A table as a function: a build that does not call it does not contain the table. */
function renderTable(name, doc, values) {
  const items = fill(values.map(hex), "    ");
  return `/** ${doc} */
export function ${name}(): usize {
  return memory.data<u32>([
${items}
  ]);
}
`;
}

/** How one schedule or round is written: scalar words, or four lanes of a vector. */
const scalar = {
  type: "u32",
  word: hex,
  add: (a, b) => `${a} + ${b}`,
  functions: `
// @ts-ignore: decorator
@inline
function sigma0(x: u32): u32 {
  return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
}

// @ts-ignore: decorator
@inline
function sigma1(x: u32): u32 {
  return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >> 10);
}

// @ts-ignore: decorator
@inline
function sum0(a: u32): u32 {
  return rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
}

// @ts-ignore: decorator
@inline
function sum1(e: u32): u32 {
  return rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
}

// @ts-ignore: decorator
@inline
function choose(e: u32, f: u32, g: u32): u32 {
  return g ^ (e & (f ^ g));
}
`,
  majority: (b, now, before) => `(${b} ^ (${now} & ${before}))`,
  xor: (a, b) => `${a} ^ ${b}`,
};

const vector = {
  type: "v128",
  word: (n) => `known(${hex(n)})`,
  add: (a, b) => `add(${a}, ${b})`,
  functions: `
// @ts-ignore: decorator
@inline
function add(a: v128, b: v128): v128 {
  return i32x4.add(a, b);
}

// @ts-ignore: decorator
@inline
function known(n: u32): v128 {
  return i32x4.splat(n);
}

// @ts-ignore: decorator
@inline
function turn(x: v128, n: i32): v128 {
  return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n));
}

// @ts-ignore: decorator
@inline
function sigma0(x: v128): v128 {
  return v128.xor(v128.xor(turn(x, 7), turn(x, 18)), i32x4.shr_u(x, 3));
}

// @ts-ignore: decorator
@inline
function sigma1(x: v128): v128 {
  return v128.xor(v128.xor(turn(x, 17), turn(x, 19)), i32x4.shr_u(x, 10));
}

// @ts-ignore: decorator
@inline
function sum0(a: v128): v128 {
  return v128.xor(v128.xor(turn(a, 2), turn(a, 13)), turn(a, 22));
}

// @ts-ignore: decorator
@inline
function sum1(e: v128): v128 {
  return v128.xor(v128.xor(turn(e, 6), turn(e, 11)), turn(e, 25));
}

// @ts-ignore: decorator
@inline
function choose(e: v128, f: v128, g: v128): v128 {
  return v128.bitselect(f, g, e);
}

// @ts-ignore: decorator
@inline
function swap(x: v128): v128 {
  return i8x16.shuffle(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

// Words 0 and 1 of a and b, and words 2 and 3: half of turning four rows into columns.
// @ts-ignore: decorator
@inline
function pairLow(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
}

// @ts-ignore: decorator
@inline
function pairHigh(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
}

// The first halves of a and b, and the second halves: the other half of it.
// @ts-ignore: decorator
@inline
function joinLow(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}

// @ts-ignore: decorator
@inline
function joinHigh(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
`,
  majority: (b, now, before) => `v128.xor(${b}, v128.and(${now}, ${before}))`,
  xor: (a, b) => `v128.xor(${a}, ${b})`,
};

/** Word t >= 16 of the schedule (6.2.2, step 1): a known number, or its terms as text. */
function schedule(form, known, t) {
  let constant = 0;
  const terms = [];
  const take = (index, fold, name) => {
    const word = known[index];
    if (word !== null) constant = (constant + (fold ? fold(word) : word)) >>> 0;
    else terms.push(name ? `${name}(w${index & 15})` : `w${index & 15}`);
  };
  take(t - 16);
  take(t - 15, sigma0, "sigma0");
  take(t - 7);
  take(t - 2, sigma1, "sigma1");
  if (terms.length === 0) return { word: constant };
  if (constant !== 0) terms.push(form.word(constant));
  return { word: null, text: terms.reduce(form.add) };
}

/** Sixty-four rounds over words w0..w7 (6.2.2): lines of code, and the names of a..h after them. */
function rounds(form) {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  // Section 5.1.1: 32 bytes, a one bit, zeros, the length of 256 bits.
  const known = Array.from({ length: 16 }, (_, i) => {
    return i < 8 ? null : i === 8 ? 0x80000000 : i === 15 ? 256 : 0;
  });
  const lines = names.map((name, i) => `let ${name}: ${form.type} = ${form.word(H[i])};`);
  for (let i = 8; i < 16; i++) lines.push(`let w${i}: ${form.type};`);
  // Maj(a, b, c) = b ^ ((a ^ b) & (b ^ c)), and b ^ c is a ^ b of the round before.
  lines.push(`let t: ${form.type};`, `let even: ${form.type};`);
  lines.push(`let odd: ${form.type} = ${form.xor("b", "c")};`);
  for (let t = 0; t < 64; t++) {
    if (t >= 16) {
      const { word, text } = schedule(form, known, t);
      known[t] = word;
      if (text) lines.push(`w${t & 15} = ${text};`);
    }
    const [a, b, , d, e, f, g, h] = names;
    const added =
      known[t] === null
        ? form.add(`w${t & 15}`, form.word(K[t]))
        : form.word((K[t] + known[t]) >>> 0);
    const chosen = form.add(form.add(h, `sum1(${e})`), `choose(${e}, ${f}, ${g})`);
    lines.push(`t = ${form.add(chosen, form.type === "u32" ? `(${added})` : added)};`);
    lines.push(`${d} = ${form.add(d, "t")};`);
    const [now, before] = t & 1 ? ["odd", "even"] : ["even", "odd"];
    lines.push(`${now} = ${form.xor(a, b)};`);
    const sum = form.add("t", `sum0(${a})`);
    lines.push(`${h} = ${form.add(sum, form.majority(b, now, before))};`);
    names.unshift(names.pop());
  }
  return { lines, names };
}

const banner = (about) =>
  `// GENERATED by assembly/tools/sha256.mjs. Do not edit.\n// ${about.join("\n// ")}\n`;

function renderUnrolled() {
  const form = scalar;
  const { lines, names } = rounds(form);
  const words = Array.from({ length: 8 }, (_, i) => {
    return `let w${i}: u32 = bswap<u32>(load<u32>(preimage, ${4 * i}, 1));`;
  });
  const compare = names.map((name, i) => {
    return `bad |= bswap<u32>(load<u32>(condition, ${4 * i}, 1)) ^ (${name} + ${hex(H[i])});`;
  });
  const body = [...words, ...lines, "let bad: u32 = 0;", ...compare, "return bad == 0;"];
  return `${banner([
    "SHA-256 of exactly 32 bytes (FIPS 180-4; ILP-25): one block, unrolled, the schedule of the",
    "padding folded into constants.",
  ])}${form.functions}
/** Is SHA-256 of the 32 bytes at \`preimage\` the 32 bytes at \`condition\`? Constant time. */
export function verifyUnrolled(preimage: usize, condition: usize): bool {
${body.map((line) => `  ${line}`).join("\n")}
}
`;
}

/** Loads half (0 or 1) of four 32-byte strings as four vectors of words. */
function columns(half, sources, prefix) {
  const rows = sources.map((p, i) => {
    return `const r${half}${i} = swap(v128.load(${p}, ${16 * half}, 1));`;
  });
  const [r0, r1, r2, r3] = [0, 1, 2, 3].map((i) => `r${half}${i}`);
  const even = `(${r0}, ${r1})`;
  const odd = `(${r2}, ${r3})`;
  const pairs = [`Low${even}`, `Low${odd}`, `High${even}`, `High${odd}`];
  const l = (i) => `l${half}${i}`;
  const joins = [
    `joinLow(${l(0)}, ${l(1)})`,
    `joinHigh(${l(0)}, ${l(1)})`,
    `joinLow(${l(2)}, ${l(3)})`,
    `joinHigh(${l(2)}, ${l(3)})`,
  ];
  return [
    ...rows,
    ...pairs.map((pair, i) => `const ${l(i)} = pair${pair};`),
    ...joins.map((join, i) => `let ${prefix}${4 * half + i}: v128 = ${join};`),
  ];
}

function renderSimd() {
  const form = vector;
  const { lines, names } = rounds(form);
  const load = [0, 1].flatMap((half) => columns(half, ["p0", "p1", "p2", "p3"], "w"));
  const conditions = [0, 1].flatMap((half) => columns(half, ["c0", "c1", "c2", "c3"], "x"));
  const renamed = conditions.map((line) => line.replace(/\b([rl])(\d\d)\b/g, "$1c$2"));
  const compare = names.map((name, i) => {
    const sum = form.add(name, form.word(H[i]));
    return `bad = v128.or(bad, v128.xor(x${i}, ${sum}));`;
  });
  const body = [...load, ...lines, ...renamed, "let bad: v128 = i32x4.splat(0);", ...compare];
  body.push("return i32x4.bitmask(i32x4.eq(bad, i32x4.splat(0)));");
  return `${banner([
    "SHA-256 of four strings of exactly 32 bytes at once (FIPS 180-4; ILP-25), one in each lane.",
    "Only for builds with ASC_FEATURE_SIMD.",
  ])}${form.functions}
/** Bit i is set when SHA-256 of the 32 bytes at p\`i\` is the 32 bytes at c\`i\`. Constant time. */
export function verifyLanes(
  p0: usize,
  p1: usize,
  p2: usize,
  p3: usize,
  c0: usize,
  c1: usize,
  c2: usize,
  c3: usize,
): u32 {
${body.map((line) => `  ${line}`).join("\n")}
}
`;
}

function renderConstants() {
  const initial = H.map((word, i) => {
    return `/** First 32 bits of the fraction of the square root of ${primes[i]}. */
export const H${i}: u32 = ${hex(word)};
`;
  });
  const about = ["Constants of SHA-256 (FIPS 180-4, 4.2.2 and 5.3.3)."];
  return `${banner(about)}\n${initial.join("")}\n${renderTable(
    "roundConstants",
    "First 32 bits of the fractions of the cube roots of the first 64 primes, as 64 words.",
    K,
  )}`;
}

function renderCrc() {
  return `${banner(["Tables of CRC32C (RFC 3720, B.4). A build contains the one it uses."])}
${renderTable("byteTable", "Remainder of each byte, as 256 words.", crcTable(8))}
${renderTable("nibbleTable", "Remainder of each half byte, as 16 words.", crcTable(4))}`;
}

/** Generated files and their contents. */
export function generate() {
  return [
    ["assembly/hash/sha256-constants.ts", renderConstants()],
    ["assembly/hash/sha256-unrolled.ts", renderUnrolled()],
    ["assembly/hash/sha256-simd.ts", renderSimd()],
    ["assembly/hash/crc32c-table.ts", renderCrc()],
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let stale = false;
  for (const [file, text] of generate()) {
    const path = join(root, file);
    const current = existsSync(path) ? readFileSync(path, "utf8") : "";
    if (current === text) continue;
    if (process.argv.includes("--check")) {
      console.error(`${file} is stale: run node assembly/tools/sha256.mjs`);
      stale = true;
    } else {
      writeFileSync(path, text);
      console.log(`${file} written`);
    }
  }
  process.exit(stale ? 1 : 0);
}
