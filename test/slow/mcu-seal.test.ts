// The firmware's ChaCha20-Poly1305 against OpenSSL's, which the host uses, and against the numbers
// of RFC 8439 that chance does not find.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { missingTools } from "../../boards/mcu/build.mjs";
import { Sealer } from "../../host/link/sealed.js";
import { makeFolder } from "./identity-native.js";

const missing = missingTools({ gcc: "gcc libc6-dev" });
if (missing && process.env.CI) throw new Error(`NOT RUN, ${missing}`);

const FLAGS = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"];
const CHECKS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const filled = (byte: string, times = 16): string => byte.repeat(times);
/** RFC 8439, A.3, test vectors 7 to 11: r, s, text, tag. */
const POLY = [
  [`02${filled("00", 15)}`, filled("00"), filled("ff"), `03${filled("00", 15)}`],
  [`02${filled("00", 15)}`, filled("ff"), `02${filled("00", 15)}`, `03${filled("00", 15)}`],
  [
    `01${filled("00", 15)}`,
    filled("00"),
    `${filled("ff")}f0${filled("ff", 15)}11${filled("00", 15)}`,
    `05${filled("00", 15)}`,
  ],
  [
    `01${filled("00", 15)}`,
    filled("00"),
    `${filled("ff")}fb${filled("fe", 15)}${filled("01")}`,
    filled("00"),
  ],
  [`02${filled("00", 15)}`, filled("00"), `fd${filled("ff", 15)}`, `fa${filled("ff", 15)}`],
] as const;

function question(what: "r" | "p", key: Buffer, count: bigint, text: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(count);
  head.writeUInt32LE(text.length, 8);
  return Buffer.concat([Buffer.from(what), key, head, text]);
}

describe("the firmware's seal", { skip: missing || false }, () => {
  let program: string;
  const ask = (questions: Buffer[]): Buffer =>
    execFileSync(program, { input: Buffer.concat(questions), maxBuffer: 1 << 26 });

  before(() => {
    program = join(makeFolder(), "seal");
    const source = fileURLToPath(new URL("mcu-seal.c", import.meta.url));
    const folder = fileURLToPath(new URL("../../boards/mcu", import.meta.url));
    execFileSync("gcc", [...FLAGS, ...CHECKS, `-I${folder}`, source, "-o", program]);
  });

  test("Poly1305 gives what RFC 8439 says where carries run through", () => {
    for (const [r, s, text, tag] of POLY) {
      assert.equal(ask([question("p", hex(r + s), 0n, hex(text))]).toString("hex"), tag);
    }
  });

  test("records of every length are the host's, and one changed bit is noticed", () => {
    const digest = (text: string): Buffer => createHash("sha512").update(text).digest();
    const questions: Buffer[] = [];
    const expected: Buffer[] = [];
    const key = digest("key").subarray(0, 32);
    const sealer = new Sealer(key);
    for (let i = 0; i < 2048; i++) {
      const length = (i % 1024) + 1;
      // Chance, and texts that are all one or all zero.
      const byte = i % 3 === 0 ? 0xff : 0;
      const text = Buffer.alloc(length, i % 3 === 2 ? digest(`text ${i}`) : byte);
      questions.push(question("r", key, BigInt(i), text));
      expected.push(sealer.seal(text));
    }
    assert.deepEqual(ask(questions), Buffer.concat(expected));
  });
});
