// Evaluates a pm2 or Node configuration file without giving it anything: a fresh context with a
// stand-in `require`, no code from strings, a time limit, and JSON text as the only thing that
// comes out. All stand-ins are made inside the context, so no object of this process is reachable
// from the file. `process.env.NAME` reads as "env:NAME". node:vm is no defence against a determined
// attacker; run `ferrule import` on files you would also run.
import { types } from "node:util";
import { Script, createContext } from "node:vm";

const TIMEOUT_MS = 1000;
const OUTPUT_SIZE_MAX = 1 << 20;

/** What a file left behind. */
export interface Evaluated {
  /** `module.exports`, as plain data. */
  readonly exported: unknown;
  /** The argument of `createApp(…)`, if the file called it. */
  readonly created: unknown;
  /** Names the file read from `process.env`. */
  readonly environment: readonly string[];
}

const PRELUDE = `'use strict';
var names = [];
var created;
var blank = new Proxy(function () {}, {
  get: function (target, key) {
    if (key === Symbol.toPrimitive || key === 'toString') return function () { return ''; };
    if (key === 'toJSON') return function () { return undefined; };
    if (key === 'then') return undefined;
    if (key === 'createApp') return function (options) { created = options; return blank; };
    return blank;
  },
  apply: function () { return blank; },
  construct: function () { return blank; },
});
var environment = new Proxy({}, {
  get: function (target, key) {
    if (typeof key !== 'string') return undefined;
    names.push(key);
    return 'env:' + key;
  },
  ownKeys: function () { return []; },
});
globalThis.require = function () { return blank; };
globalThis.process = { env: environment, cwd: function () { return '.'; }, argv: [], platform: '' };
globalThis.console = blank;
globalThis.__dirname = '.';
globalThis.__filename = 'config.js';
globalThis.module = { exports: {} };
globalThis.exports = globalThis.module.exports;
var write = JSON.stringify;
globalThis.__collect = function () {
  return write({ exported: globalThis.module.exports, created: created, environment: names });
};
`;

/** Evaluates `text`; throws an Error whose message is a sentence when it cannot. */
export function evaluateFile(text: string, name: string): Evaluated {
  const context = createContext(Object.create(null) as object, {
    codeGeneration: { strings: false, wasm: false },
    microtaskMode: "afterEvaluate",
  });
  const run = (code: string): unknown =>
    new Script(code, { filename: "config.js" }).runInContext(context, { timeout: TIMEOUT_MS });
  let output: unknown;
  try {
    run(`(function () {${PRELUDE}})()`);
    run(`(function () {${text}\n})()`);
    output = run("__collect()");
  } catch (thrown) {
    // Not the message itself: it may quote the file, and the file holds secrets.
    throw new Error(
      `${name} cannot be evaluated (${explain(thrown)}); export the settings as JSON instead.`,
    );
  }
  if (typeof output !== "string" || output.length > OUTPUT_SIZE_MAX) {
    throw new Error(`${name} gives no plain settings; export them as JSON instead.`);
  }
  return JSON.parse(output) as Evaluated;
}

/** What was thrown is asked for nothing that could run the file's code: no getters, no proxies. */
function explain(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null || types.isProxy(thrown)) return "it throws";
  if (thrown instanceof SyntaxError) return "it is not plain JavaScript";
  const code: unknown = Object.getOwnPropertyDescriptor(thrown, "code")?.value;
  return code === "ERR_SCRIPT_EXECUTION_TIMEOUT" ? "it does not end" : "it throws";
}
