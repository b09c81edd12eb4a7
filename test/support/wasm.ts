// Reads a WebAssembly module far enough to judge it: its sections, and every instruction of every
// body. Covers the MVP, sign extension, saturating conversions, bulk memory, multi-value, reference
// types and SIMD; an instruction it does not know is an error, so nothing is skipped unseen.

/** An instruction: its opcode, with the prefix byte (0xfc, 0xfd) above bit 16, and its operand. */
export interface Instruction {
  op: number;
  /** Index operand of `call` and of `global.set`. */
  index: number;
}

export interface Limits {
  min: number;
  max: number | undefined;
  shared: boolean;
}

export interface WasmModule {
  imports: { module: string; name: string; kind: number }[];
  exports: { name: string; kind: number; index: number }[];
  memories: Limits[];
  tables: number;
  globals: { type: number; mutable: boolean }[];
  start: number | undefined;
  /** Value types that occur in signatures and locals. */
  valueTypes: Set<number>;
  /** One list per defined function. */
  bodies: Instruction[][];
  importedFunctions: number;
  dataBytes: number;
}

const PREFIX_NUMERIC = 0xfc;
const PREFIX_SIMD = 0xfd;

export const OP = {
  call: 0x10,
  callIndirect: 0x11,
  memoryGrow: 0x40,
} as const;

class Reader {
  at = 0;

  constructor(
    readonly bytes: Uint8Array,
    readonly end = bytes.length,
  ) {}

  byte(): number {
    if (this.at >= this.end) throw new Error(`wasm: ends inside an item at ${this.at}`);
    return this.bytes[this.at++]!;
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.end) throw new Error(`wasm: ends inside an item at ${this.at}`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** LEB128, unsigned, at most 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error(`wasm: a number of more than 32 bits at ${this.at}`);
  }

  /** Passes over a signed LEB128 of at most 64 bits. */
  skipSigned(): void {
    for (let i = 0; i < 10; i++) if (this.byte() < 0x80) return;
    throw new Error(`wasm: a number of more than 64 bits at ${this.at}`);
  }

  name(): string {
    return Buffer.from(this.take(this.u32())).toString("utf8");
  }

  /** Reads a counted list. */
  list<T>(read: () => T): T[] {
    return Array.from({ length: this.u32() }, read);
  }

  limits(): Limits {
    const flags = this.byte();
    if (flags > 3) throw new Error(`wasm: unknown limits ${flags}`);
    const min = this.u32();
    return { min, max: flags & 1 ? this.u32() : undefined, shared: (flags & 2) !== 0 };
  }

  /** Alignment and offset of a load or store. */
  skipAddress(): void {
    if (this.u32() & 64) throw new Error("wasm: more than one memory");
    this.skipSigned();
  }
}

function skipNumeric(r: Reader, op: number): void {
  if (op <= 7) return; // saturating conversions
  if (op > 17) throw new Error(`wasm: unknown instruction 0xfc ${op}`);
  r.u32();
  const pairs = [8, 10, 12, 14]; // memory.init, memory.copy, table.init, table.copy
  if (pairs.includes(op)) r.u32();
}

function skipSimd(r: Reader, op: number): void {
  if (op <= 11 || op === 92 || op === 93) r.skipAddress();
  else if (op === 12 || op === 13) r.take(16);
  else if (op >= 21 && op <= 34) r.byte();
  else if (op >= 84 && op <= 91) {
    r.skipAddress();
    r.byte();
  } else if (op > 255) throw new Error(`wasm: relaxed SIMD instruction 0xfd ${op}`);
}

/** Passes over the immediates of a plain instruction; returns its index operand, if it has one. */
function skipPlain(r: Reader, op: number): number {
  if (op >= 0x28 && op <= 0x3e) r.skipAddress();
  else if (op >= 0x02 && op <= 0x04) r.skipSigned();
  else if (op === 0x0e) {
    r.list(() => r.u32());
    r.u32();
  } else if (op === 0x11 || op === 0x13) {
    r.u32();
    r.u32();
  } else if (op === 0x1c) r.list(() => r.byte());
  else if (op === 0x41 || op === 0x42 || op === 0xd0) r.skipSigned();
  else if (op === 0x43) r.take(4);
  else if (op === 0x44) r.take(8);
  else if (op === 0x0c || op === 0x0d || op === 0x10 || op === 0x12 || op === 0xd2) return r.u32();
  else if (op >= 0x20 && op <= 0x26) return r.u32();
  else if (op === 0x3f || op === 0x40) r.byte();
  else if (!isBare(op)) throw new Error(`wasm: unknown instruction 0x${op.toString(16)}`);
  return -1;
}

/** Instructions without immediates. */
function isBare(op: number): boolean {
  const control = [0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b, 0xd1];
  return control.includes(op) || (op >= 0x45 && op <= 0xc4);
}

function instruction(r: Reader): Instruction {
  const op = r.byte();
  if (op !== PREFIX_NUMERIC && op !== PREFIX_SIMD) return { op, index: skipPlain(r, op) };
  const sub = r.u32();
  if (op === PREFIX_NUMERIC) skipNumeric(r, sub);
  else skipSimd(r, sub);
  return { op: op * 0x10000 + sub, index: -1 };
}

/** Reads instructions up to the `end` that closes the expression. */
function expression(r: Reader): Instruction[] {
  const list: Instruction[] = [];
  for (let depth = 1; depth > 0;) {
    const next = instruction(r);
    if (next.op >= 0x02 && next.op <= 0x04) depth++;
    if (next.op === 0x0b) depth--;
    list.push(next);
  }
  return list;
}

function body(r: Reader, m: WasmModule): Instruction[] {
  const length = r.u32();
  const end = r.at + length;
  r.list(() => {
    r.u32();
    m.valueTypes.add(r.byte());
  });
  const list = expression(r);
  if (r.at !== end) throw new Error(`wasm: a body ends at ${r.at}, not at ${end}`);
  return list;
}

function importEntry(r: Reader, m: WasmModule): void {
  const entry = { module: r.name(), name: r.name(), kind: r.byte() };
  m.imports.push(entry);
  if (entry.kind === 0) {
    r.u32();
    m.importedFunctions++;
  } else if (entry.kind === 1) {
    r.byte();
    r.limits();
  } else if (entry.kind === 2) m.memories.push(r.limits());
  else if (entry.kind === 3) m.globals.push({ type: r.byte(), mutable: r.byte() === 1 });
  else throw new Error(`wasm: unknown kind of import ${entry.kind}`);
}

function functionType(r: Reader, m: WasmModule): void {
  if (r.byte() !== 0x60) throw new Error("wasm: a type that is not a function");
  for (const type of [...r.list(() => r.byte()), ...r.list(() => r.byte())]) m.valueTypes.add(type);
}

function dataSegment(r: Reader, m: WasmModule): void {
  const flags = r.u32();
  if (flags > 1) throw new Error("wasm: a data segment of another memory");
  if (flags === 0) expression(r);
  m.dataBytes += r.take(r.u32()).length;
}

function globalEntry(r: Reader, m: WasmModule): void {
  m.globals.push({ type: r.byte(), mutable: r.byte() === 1 });
  expression(r);
}

function section(id: number, r: Reader, m: WasmModule): void {
  if (id === 1) r.list(() => functionType(r, m));
  else if (id === 2) r.list(() => importEntry(r, m));
  else if (id === 4) m.tables += r.u32();
  else if (id === 5) m.memories.push(...r.list(() => r.limits()));
  else if (id === 6) r.list(() => globalEntry(r, m));
  else if (id === 7) {
    m.exports = r.list(() => ({ name: r.name(), kind: r.byte(), index: r.u32() }));
  } else if (id === 8) m.start = r.u32();
  else if (id === 10) m.bodies = r.list(() => body(r, m));
  else if (id === 11) r.list(() => dataSegment(r, m));
  else if (![0, 3, 9, 12].includes(id)) throw new Error(`wasm: unknown section ${id}`);
}

/** Reads a module. Throws on what it does not know. */
export function parseWasm(bytes: Uint8Array): WasmModule {
  const head = Buffer.from(bytes.subarray(0, 8)).toString("hex");
  if (head !== "0061736d01000000") throw new Error("wasm: not a WebAssembly 1 module");
  const module: WasmModule = {
    imports: [],
    exports: [],
    memories: [],
    tables: 0,
    globals: [],
    start: undefined,
    valueTypes: new Set(),
    bodies: [],
    importedFunctions: 0,
    dataBytes: 0,
  };
  for (const r = new Reader(bytes.subarray(8)); r.at < r.end;) {
    const id = r.byte();
    section(id, new Reader(r.take(r.u32())), module);
  }
  return module;
}

const between = (op: number, first: number, last: number): boolean => op >= first && op <= last;

/** Does this instruction read, write or compute a floating point number? */
export function isFloat(op: number): boolean {
  const prefix = Math.floor(op / 0x10000);
  if (prefix === PREFIX_NUMERIC) return (op & 0xffff) <= 7;
  if (prefix === PREFIX_SIMD) return isFloatSimd(op & 0xffff);
  return (
    [0x2a, 0x2b, 0x38, 0x39, 0x43, 0x44].includes(op) || // load, store, const
    between(op, 0x5b, 0x66) || // comparisons
    between(op, 0x8b, 0xa6) || // arithmetic
    between(op, 0xa8, 0xab) || // to i32
    between(op, 0xae, 0xbf) // to i64, from integers, reinterpretations
  );
}

function isFloatSimd(op: number): boolean {
  return (
    between(op, 0x13, 0x14) || // splat
    between(op, 0x1f, 0x22) || // lanes
    between(op, 0x41, 0x4c) || // comparisons
    [0x5e, 0x5f, 0x74, 0x75, 0x7a, 0x94].includes(op) || // demote, promote, rounding
    between(op, 0x67, 0x6a) || // rounding
    op >= 0xe0 // arithmetic, conversions, relaxed
  );
}

/** A cycle in the call graph as function indices, or none: without one, stack depth is bounded. */
export function findRecursion(m: WasmModule): number[] | undefined {
  const done = new Set<number>();
  const path: number[] = [];
  const visit = (index: number): number[] | undefined => {
    if (index < m.importedFunctions || done.has(index)) return undefined;
    if (path.includes(index)) return [...path.slice(path.indexOf(index)), index];
    path.push(index);
    for (const { op, index: callee } of m.bodies[index - m.importedFunctions]!) {
      const cycle = op === OP.call || op === 0x12 ? visit(callee) : undefined;
      if (cycle) return cycle;
    }
    path.pop();
    done.add(index);
    return undefined;
  };
  for (let i = 0; i < m.bodies.length; i++) {
    const cycle = visit(i + m.importedFunctions);
    if (cycle) return cycle;
  }
  return undefined;
}
