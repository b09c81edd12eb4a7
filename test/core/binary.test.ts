// The core's promises, read from the compiled files and not from the source: no imports, fixed
// memory, no mutable globals, nothing run at instantiation, no floating point, no recursion, and a
// size that fits. Each check is shown to fail on a module that breaks it.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
// @ts-expect-error plain JavaScript
import { profiles } from "../../assembly/tools/profiles.mjs";
import { OP, findRecursion, isFloat, parseWasm } from "../support/wasm.js";

const KIB = 1024;
/** Largest file, bytes, and memory, 64 KiB pages. The test build has asserts and no limit. */
const BUDGETS: Record<string, { size: number; pages: number }> = {
  gateway: { size: 96 * KIB, pages: 256 },
  "gateway-scalar": { size: 96 * KIB, pages: 256 },
  board: { size: 32 * KIB, pages: 1 },
};

/** Everything wrong with a module, as sentences; empty when it keeps the core's promises. */
function findFaults(bytes: Uint8Array, budget?: { size: number; pages: number }): string[] {
  const m = parseWasm(bytes);
  const faults: string[] = [];
  for (const { module, name } of m.imports) faults.push(`imports ${module}.${name}`);
  const mutable = m.globals.filter((global) => global.mutable).length;
  if (mutable) faults.push(`${mutable} mutable globals`);
  if (m.start !== undefined) faults.push("has a start function");
  const [memory] = m.memories;
  if (m.memories.length !== 1 || !memory) faults.push(`${m.memories.length} memories`);
  else if (memory.min !== memory.max)
    faults.push(`memory from ${memory.min} to ${memory.max} pages`);
  if (memory?.shared) faults.push("memory is shared");
  if ([...m.valueTypes].some((type) => type === 0x7c || type === 0x7d)) faults.push("float values");
  const ops = m.bodies.flat().map(({ op }) => op);
  if (ops.includes(OP.memoryGrow)) faults.push("memory.grow");
  if (ops.includes(OP.callIndirect)) faults.push("call_indirect");
  const floats = ops.filter(isFloat);
  if (floats.length)
    faults.push(`float instructions: ${floats.map((op) => op.toString(16)).join()}`);
  const cycle = findRecursion(m);
  if (cycle) faults.push(`recursion: ${cycle.join(" -> ")}`);
  if (budget && bytes.length > budget.size) faults.push(`size ${bytes.length} > ${budget.size}`);
  if (budget && memory && memory.min > budget.pages) faults.push(`${memory.min} pages of memory`);
  return faults;
}

describe("the compiled core", () => {
  for (const name of Object.keys(profiles as object)) {
    test(`${name}.wasm keeps the core's promises`, (t) => {
      const path = fileURLToPath(new URL(`../../build/${name}.wasm`, import.meta.url));
      assert.ok(existsSync(path), `build/${name}.wasm is missing: run \`npm run build\` first`);
      const bytes = readFileSync(path);
      const { bodies, exports, dataBytes, memories } = parseWasm(bytes);
      t.diagnostic(
        `${name}: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} gzipped, ` +
          `${bodies.length} functions, ${exports.length} exports, ${dataBytes} bytes of data, ` +
          `${memories[0]?.min} pages`,
      );
      assert.deepEqual(findFaults(bytes, BUDGETS[name]), []);
      const { pages } = (profiles as Record<string, { pages: number }>)[name]!;
      assert.equal(memories[0]?.min, pages);
      assert.deepEqual(WebAssembly.Module.imports(new WebAssembly.Module(bytes)), []);
    });
  }
});

// ---- modules made by hand, each with one fault

const HEAD = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const part = (id: number, ...content: number[]): number[] => [id, content.length, ...content];
const TYPE = part(1, 1, 0x60, 0, 0);
const FUNCTION = part(3, 1, 0);
const MEMORY = part(5, 1, 1, 1, 1);
const code = (...ops: number[]): number[] => part(10, 1, ops.length + 2, 0, ...ops, 0x0b);
const NOTHING = code(0x01);

function module(parts: number[][]): Uint8Array {
  return Uint8Array.from([...HEAD, ...parts.flat()]);
}

/** A module with one function of the given instructions. */
function withCode(...ops: number[]): Uint8Array {
  return module([TYPE, FUNCTION, MEMORY, code(...ops)]);
}

const planted: [string, Uint8Array, RegExp][] = [
  [
    "an import",
    module([TYPE, part(2, 1, 1, 0x65, 1, 0x66, 0, 0), FUNCTION, MEMORY, NOTHING]),
    /imports e\.f/,
  ],
  [
    "a mutable global",
    module([TYPE, FUNCTION, MEMORY, part(6, 1, 0x7f, 1, 0x41, 0, 0x0b), NOTHING]),
    /1 mutable/,
  ],
  ["a start function", module([TYPE, FUNCTION, MEMORY, part(8, 0), NOTHING]), /start function/],
  ["no memory", module([TYPE, FUNCTION, NOTHING]), /0 memories/],
  [
    "memory without a maximum",
    module([TYPE, FUNCTION, part(5, 1, 0, 1), NOTHING]),
    /memory from 1/,
  ],
  ["memory that may grow", module([TYPE, FUNCTION, part(5, 1, 1, 1, 2), NOTHING]), /from 1 to 2/],
  ["memory.grow", withCode(0x41, 0, 0x40, 0, 0x1a), /memory\.grow/],
  ["a float constant", withCode(0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a), /float instructions: 44/],
  ["float arithmetic", withCode(0x43, 0, 0, 0, 0, 0x8c, 0x1a), /float instructions: 43,8c/],
  ["a float conversion", withCode(0x41, 0, 0xb7, 0xfc, 2, 0x1a), /float instructions: b7,fc0002/],
  [
    "a float vector",
    withCode(0xfd, 12, ...new Array<number>(16).fill(0), 0xfd, 0xe0, 1, 0x1a),
    /float instructions: fd00e0/,
  ],
  [
    "a float signature",
    module([part(1, 1, 0x60, 1, 0x7c, 0), FUNCTION, MEMORY, NOTHING]),
    /values/,
  ],
  ["recursion", withCode(0x10, 0), /recursion: 0 -> 0/],
  ["an indirect call", withCode(0x41, 0, 0x11, 0, 0), /call_indirect/],
];

describe("the checks see what they are for", () => {
  test("a module without fault", () => {
    assert.deepEqual(findFaults(withCode(0x01), { size: 100, pages: 1 }), []);
  });
  for (const [name, bytes, expected] of planted) {
    test(name, () => assert.match(findFaults(bytes).join("; "), expected));
  }
  test("a file or memory over budget", () => {
    const faults = findFaults(withCode(0x01), { size: 16, pages: 0 });
    assert.match(faults.join("; "), /size \d+ > 16; 1 pages of memory/);
  });
  test("bytes that are no module, and instructions that nobody knows", () => {
    assert.throws(() => parseWasm(Uint8Array.of(1, 2, 3)), /not a WebAssembly/);
    assert.throws(() => parseWasm(withCode(0xc5)), /unknown instruction 0xc5/);
    assert.throws(() => parseWasm(withCode(0xfd, 0x80, 2)), /relaxed/);
    assert.throws(() => parseWasm(withCode(0x41, 0, 0x1a).subarray(0, -2)), /ends inside/);
  });
});
