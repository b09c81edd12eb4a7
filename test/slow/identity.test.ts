// The core is the same machine everywhere: one recorded run gives the same results, outputs and
// memory in V8 with SIMD and without, translated to C, taken up from a snapshot, and again in the
// same instance. Every comparison is shown a planted difference. File format:
// boards/runtimes/README.md.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import {
  AssetRecord,
  Counter,
  Descriptor,
  EventRecord,
  Rule,
  StateRecord,
} from "../../host/abi.js";
import { Random, SEED } from "../support/model/random.js";
import { Difference, Player, Recorder, Runtime } from "../support/player.js";
import { Fnv, readHeader } from "../support/script.js";
import { Traffic, type TrafficOptions } from "../support/traffic.js";
import * as native from "./identity-native.js";

const PACKETS = 100_000;
const GATEWAY: TrafficOptions = { accounts: 150, assets: 6, routes: 4000 };
const BOARD: TrafficOptions = { accounts: 12, assets: 3, routes: 40 };
/** A text of a Reject, somewhere in the core's data: a core with another one is a wrong core. */
const TEXT = "no route found.";

const bytesOf = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../../build/${name}.wasm`, import.meta.url)));

const wasm = {
  simd: bytesOf("gateway"),
  scalar: bytesOf("gateway-scalar"),
  board: bytesOf("board"),
};
type Build = keyof typeof wasm;
const modules = new Map<Build, WebAssembly.Module>();

function start(build: Build): Runtime {
  let module = modules.get(build);
  if (!module) modules.set(build, (module = new WebAssembly.Module(wasm[build])));
  return new Runtime(module);
}

const runners = new Map<Build, string>();

/** The player of a build in C, translated and compiled once. */
function runnerOf(build: Build): string {
  let runner = runners.get(build);
  if (!runner) runners.set(build, (runner = native.compile(wasm[build], start(build))));
  return runner;
}

interface Recording {
  script: Buffer;
  recorder: Recorder;
  rules: Set<string>;
  ms: number;
}

/** Rules in the event ring. */
function addRules(runtime: Runtime, rules: Set<string>): void {
  const count = runtime.get(Descriptor.Events);
  const sequence = runtime.get(Descriptor.StateAddress) + StateRecord.eventSequence;
  const written = Number(runtime.view.getBigUint64(sequence, true));
  for (let i = 0; i < Math.min(count, written); i++) {
    const at = runtime.get(Descriptor.EventsAddress) + i * EventRecord.SIZE;
    rules.add(Rule[runtime.view.getUint16(at + EventRecord.rule, true)]!);
  }
}

function record(build: Build, seed: number, packets: number, options: TrafficOptions): Recording {
  const from = performance.now();
  const recorder = new Recorder(start(build), build, seed);
  new Traffic(recorder, new Random(seed), options).run(packets);
  const ms = performance.now() - from;
  const script = recorder.end();
  const rules = new Set<string>();
  const player = new Player(script, start(build));
  while (player.next(false)) addRules(player.runtime, rules);
  return { script, recorder, rules, ms };
}

const gateway = record("scalar", SEED, PACKETS, GATEWAY);
const board = record("board", SEED, PACKETS / 3, BOARD);

/** Plays without hashing, to measure: milliseconds, the better of two. */
function measure(script: Buffer, build: Build): number {
  const times = [0, 1].map(() => {
    const player = new Player(script, start(build));
    const from = performance.now();
    player.play(false);
    return performance.now() - from;
  });
  return Math.min(...times);
}

/** The script with one bit changed. */
function tampered(script: Buffer, at: number): Buffer {
  const copy = Buffer.from(script);
  copy[at]! ^= 1;
  return copy;
}

/** Offsets in the board's script: a call's result, a name in its input, the hashes of a mark. */
function landmarks(script: Buffer): Record<"result" | "name" | "snapshot" | "outputs", number> {
  const { entriesAt, verbs } = readHeader(script);
  let at = entriesAt;
  const skip = (): { verb: string; input: number; result: number } => {
    const verb = verbs[script[at]! - 1]!;
    const input = at + 1 + verb.argumentCount * 4 + 4;
    const result = input + script.readUInt32LE(input - 4);
    at = result + 4;
    return { verb: verb.name, input, result };
  };
  for (let found = skip(); ; found = skip()) {
    if (found.verb !== "setAsset") continue;
    const player = new Player(script, start("board")).play(false, 1);
    return {
      result: found.result,
      name: found.result - 1,
      snapshot: player.at - 16,
      outputs: player.at - 8,
    };
  }
}

/** A core that says one thing differently. */
function withOtherText(wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const copy = wasm.slice();
  const at = Buffer.from(copy.buffer).indexOf(TEXT, 0, "latin1");
  assert.ok(at > 0, `the core has no text "${TEXT}"`);
  copy[at]! ^= 1;
  return copy;
}

describe(`recorded traffic, FERRULE_SEED=${SEED}`, () => {
  const rate = (r: Recording, ms: number): string => `${Math.round(r.recorder.steps / ms)} k/s`;
  const tell = (t: TestContext, name: string, r: Recording): void => {
    const { steps, marks, runtime } = r.recorder;
    const count = (counter: Counter): number => runtime.counter(counter);
    t.diagnostic(
      `${name}: ${steps} calls, ${marks} marks, ${count(Counter.Forwards)} forwards, ` +
        `${count(Counter.Fulfills)} fulfills, ${count(Counter.Expiries)} expiries, ` +
        `${r.rules.size} rules, ${r.script.length} bytes, recorded in ${Math.round(r.ms)} ms`,
    );
  };

  test("is mixed: every verb, nearly every rule, every counter", (t) => {
    for (const [name, recording] of Object.entries({ gateway, board })) {
      tell(t, name, recording);
      const { recorder, rules } = recording;
      const unused = recorder.verbs.filter((verb) => !recorder.calls.has(verb.name));
      const names = unused.map((verb) => verb.name);
      assert.deepEqual(names, ["describe"], "teach test/support/traffic.ts the new verbs");
      const counters = Object.values(Counter).filter((c) => typeof c === "number");
      const idle = counters.filter((c) => c !== Counter.Count && !recorder.runtime.counter(c));
      assert.deepEqual(
        idle.map((c) => Counter[c]),
        [],
        `${name}: counters still 0`,
      );
      assert.ok(rules.size >= 22, `${name}: only ${rules.size} rules`);
    }
  });

  test("V8: a second instance, and the build with SIMD", (t) => {
    new Player(gateway.script, start("scalar")).play();
    new Player(board.script, start("board")).play();
    new Player(gateway.script, start("simd")).play();
    const [scalar, simd] = [measure(gateway.script, "scalar"), measure(gateway.script, "simd")];
    t.diagnostic(`calls: scalar ${rate(gateway, scalar)}, SIMD ${rate(gateway, simd)}`);
  });

  for (const [name, recording] of Object.entries({ scalar: gateway, board })) {
    const build = name as Build;
    test(`C: ${name}.wasm through wasm2c and gcc -O2`, (t) => {
      const missing = native.missingTools();
      if (missing) return t.skip(missing);
      const from = performance.now();
      const runner = runnerOf(build);
      const built = performance.now() - from;
      const path = join(native.makeFolder(), "script");
      writeFileSync(path, recording.script);
      const compared = native.readMs(native.run(runner, [path]));
      const quick = native.readMs(native.run(runner, [path, "--quick"]));
      const v8 = measure(recording.script, build);
      t.diagnostic(
        `${name}: built in ${Math.round(built)} ms, compared in ${Math.round(compared)} ms; ` +
          `calls: C ${rate(recording, quick)}, V8 ${rate(recording, v8)} (with copying in)`,
      );
    });
  }
});

describe("a run taken up from a snapshot", () => {
  /** Everything a host and the core exchange, and scratch: no state. */
  const poison = (runtime: Runtime): void => {
    const from = runtime.get(Descriptor.VerdictAddress);
    runtime.bytes.fill(0xa5, from, runtime.get(Descriptor.MemoryEnd));
  };
  const ends = (r: Recording, share: number): number => Math.floor(r.recorder.marks * share);
  /** Plays to a mark, moves to another instance, plays to the end. */
  const move = (r: Recording, from: Build, share: number, to: Runtime): void => {
    const first = new Player(r.script, start(from)).play(true, ends(r, share));
    to.restore(first.runtime.snapshot());
    new Player(r.script, to, first).play();
    assert.equal(to.hashSnapshot(), r.recorder.runtime.hashSnapshot());
  };

  test("in a fresh instance whose other memory is full of rubbish", () => {
    for (const [recording, build] of [
      [gateway, "scalar"],
      [board, "board"],
    ] as const) {
      for (const share of [0.1, 0.45, 0.8]) {
        const fresh = start(build);
        poison(fresh);
        move(recording, build, share, fresh);
      }
    }
  });

  test("in an instance that was another node until then, and in the other build", () => {
    const other = record("simd", (SEED + 1) >>> 0, 3000, GATEWAY);
    move(gateway, "scalar", 0.5, other.recorder.runtime);
    const small = record("board", (SEED + 1) >>> 0, 3000, BOARD);
    move(board, "board", 0.5, small.recorder.runtime);
  });

  test("sees a snapshot in which one bit is wrong", () => {
    const first = new Player(board.script, start("board")).play(true, 10);
    const start0 = first.runtime.get(Descriptor.AccountsAddress);
    const second = start("board");
    second.restore(first.runtime.snapshot());
    second.bytes[start0 + 32]! ^= 1;
    assert.throws(() => new Player(board.script, second, first).play(), Difference);
  });
});

test("the same run three times in one instance: same marks, same memory, within capacity", () => {
  for (const [recording, build] of [
    [gateway, "simd"],
    [board, "board"],
  ] as const) {
    const runtime = start(build);
    const { buffer } = runtime.memory;
    for (let turn = 0; turn < 3; turn++) {
      new Player(recording.script, runtime).play();
      assert.equal(runtime.memory.buffer, buffer, "memory grew");
      const most = (counter: Counter, word: Descriptor): void => {
        assert.ok(runtime.counter(counter) <= runtime.get(word), Counter[counter]);
      };
      most(Counter.FlightsMax, Descriptor.Flights);
      most(Counter.OutputsMax, Descriptor.Outputs);
    }
    assert.equal(runtime.counter(Counter.FlightsMax), runtime.get(Descriptor.Flights));
  }
});

describe("a planted difference is seen", () => {
  const expected = {
    result: /step \d+: setAsset\(0\) returned 0, recorded 1/,
    name: /mark 1, step \d+: other (snapshot|outputs)/,
    snapshot: /mark 1, step \d+: other snapshot/,
    outputs: /mark 1, step \d+: other outputs/,
  };

  test("by the hash: known values, long runs of zeros, each byte", () => {
    const hash = (bytes: Uint8Array): string => new Fnv().add(bytes).value.toString(16);
    assert.equal(hash(Buffer.from("")), "cbf29ce484222325");
    assert.equal(hash(Buffer.from("a")), "af63dc4c8601ec8c");
    assert.equal(hash(Buffer.from("foobar")), "85944171f73967e8");
    const random = new Random(SEED);
    const bytes = new Uint8Array(8192);
    for (let i = 0; i < 200; i++) bytes[random.below(3000)] = random.below(256);
    bytes[6000] = 1;
    const sparse = (): bigint => new Fnv().addSparse(bytes, 64, 8000).value;
    const before = sparse();
    assert.equal(before, new Fnv().add(bytes, 64, 8000).value);
    for (let at = 0; at < 8192; at++) {
      bytes[at]! ^= 1;
      assert.equal(sparse() !== before, at >= 64 && at < 8000);
      bytes[at]! ^= 1;
    }
  });

  for (const [what, message] of Object.entries(expected)) {
    test(`in V8: ${what}`, () => {
      const at = landmarks(board.script)[what as keyof typeof expected];
      const wrong = tampered(board.script, at);
      assert.throws(() => new Player(wrong, start("board")).play(), message);
    });
  }

  test("in V8: a core with another text, a runtime that loses a bit", () => {
    const other = new Runtime(new WebAssembly.Module(withOtherText(wasm.board)));
    assert.throws(() => new Player(board.script, other).play(), /other outputs/);
    const forgetful = new Player(board.script, start("board")).play(true, 3);
    const asset = forgetful.runtime.get(Descriptor.AssetsAddress);
    forgetful.runtime.bytes[asset + AssetRecord.reserved6]! ^= 1;
    assert.throws(() => forgetful.play(), /mark 4, step \d+: other snapshot/);
  });

  test("in C: each of these, and a core with another text", (t) => {
    const missing = native.missingTools();
    if (missing) return t.skip(missing);
    const runner = native.compile(wasm.board, start("board"), "-O0");
    const path = join(native.makeFolder(), "script");
    const offsets = landmarks(board.script);
    for (const [what, message] of Object.entries(expected)) {
      writeFileSync(path, tampered(board.script, offsets[what as keyof typeof expected]));
      const { status, output } = native.run(runner, [path]);
      assert.equal(status, 1, what);
      assert.match(output, message);
    }
    const other = native.compile(withOtherText(wasm.board), start("board"), "-O0");
    writeFileSync(path, board.script);
    const { status, output } = native.run(other, [path]);
    assert.equal(status, 1);
    assert.match(output, /other outputs/);
    writeFileSync(path, board.script.subarray(0, -1));
    assert.equal(native.run(runner, [path]).status, 2, "a script cut short");
  });
});

test("instructions per call, counted", (t) => {
  const missing = native.missingTools();
  if (missing) return t.skip(missing);
  // A figure, not a test: nothing is lost where valgrind is not installed.
  if (!native.isThere("valgrind")) return t.skip("valgrind is not installed: no figures");
  const builds = { scalar: GATEWAY, board: BOARD } as const;
  for (const [name, options] of Object.entries(builds)) {
    const build = name as Build;
    const { script, recorder } = record(build, 1, 2000, { ...options, plain: true });
    const path = join(native.makeFolder(), "script");
    writeFileSync(path, script);
    const counts = native.countInstructions(runnerOf(build), path);
    const each = (verb: string): string =>
      (counts.get(verb)! / recorder.calls.get(verb)!).toFixed(1);
    const { runtime } = recorder;
    assert.equal(runtime.counter(Counter.Fulfills), recorder.calls.get("reply"));
    assert.equal(runtime.counter(Counter.Forwards), recorder.calls.get("request"));
    t.diagnostic(`${name}: prepare ${each("request")}, fulfill ${each("reply")} instructions`);
  }
});
