// What V8 has compiled of a script, kept in a file beside it, so that the next process need not
// compile. V8 takes it back if its version, its settings and the processor are the same, but looks
// at no more than the length of the script and nothing of the code: a digest over both comes first.
import crypto = require("node:crypto");
import fs = require("node:fs");
import vm = require("node:vm");

const DIGEST_SIZE = 32;
const HEAD = "(function (require, __filename) {";

interface Compiled {
  readonly file: string;
  readonly script: vm.Script;
  readonly source: string;
  /** The code was kept from before, and could be used. */
  readonly isKept: boolean;
}

const cacheOf = (file: string): string => file.replace(/\.cjs$/, ".cache");

function digest(source: string, code: Uint8Array): Buffer {
  return crypto.createHash("sha256").update(source, "latin1").update(code).digest();
}

/** The code kept for a script; undefined when there is none or it is not of this script. */
function readCode(file: string, source: string): Buffer | undefined {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(cacheOf(file));
  } catch {
    return undefined;
  }
  const code = bytes.subarray(DIGEST_SIZE);
  return digest(source, code).equals(bytes.subarray(0, DIGEST_SIZE)) ? code : undefined;
}

/** Compiles a script of ASCII characters that exports nothing. Throws when it is missing. */
function compile(file: string): Compiled {
  const source = `${HEAD}${fs.readFileSync(file, "latin1")}\n})`;
  const cachedData = readCode(file, source);
  const script = new vm.Script(source, { filename: file, cachedData });
  return { file, script, source, isKept: script.cachedDataRejected === false };
}

/** Runs it; it finds packages by `require`. */
function run({ file, script }: Compiled, require: NodeJS.Require): void {
  const main = script.runInThisContext() as (require: NodeJS.Require, file: string) => void;
  main(require, file);
}

/** Keeps what is compiled by now, functions that have run included. */
function keep({ file, script, source }: Compiled): void {
  const code = script.createCachedData();
  const draft = `${cacheOf(file)}.new`;
  fs.writeFileSync(draft, Buffer.concat([digest(source, code), code]));
  fs.renameSync(draft, cacheOf(file));
}

export = { compile, run, keep };
