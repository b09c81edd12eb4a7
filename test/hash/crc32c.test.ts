// CRC32C: known answers of RFC 3720 B.4, and a bitwise definition written separately.
import assert from "node:assert/strict";
import { test } from "node:test";
import { builds, random, randomBytes, seed } from "./harness.js";

const ascending = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
/** The iSCSI read command of RFC 3720, B.4. */
const COMMAND =
  "01c00000000000000000000000000000140000000000040000000014000000182800000000000000" +
  "0200000000000000";

/** The RFC prints the four bytes in the order they are sent, lowest first. */
const KNOWN: [string, Buffer, string][] = [
  ["32 zero bytes", Buffer.alloc(32), "aa36918a"],
  ["32 bytes of ff", Buffer.alloc(32, 0xff), "43aba862"],
  ["00 to 1f", ascending, "4e79dd46"],
  ["1f to 00", Buffer.from(ascending).reverse(), "5cdb3f11"],
  ["an iSCSI command", Buffer.from(COMMAND, "hex"), "563a96d9"],
];

/** One bit at a time, highest power first: the polynomial as the RFC states it, 11EDC6F41. */
function bitwise(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  const shift = (bit: number): void => {
    const top = rest >>> 31;
    rest = (rest << 1) >>> 0;
    if (top !== bit) rest = (rest ^ 0x1edc6f41) >>> 0;
  };
  for (const byte of bytes) for (let i = 0; i < 8; i++) shift((byte >> i) & 1);
  let mirrored = 0;
  for (let i = 0; i < 32; i++) mirrored |= ((rest >>> i) & 1) << (31 - i);
  return ~mirrored >>> 0;
}

for (const [build, hash] of builds) {
  test(`${build}: known answers`, () => {
    for (const [name, bytes, sent] of KNOWN) {
      const crc = Buffer.alloc(4);
      crc.writeUInt32LE(hash.crc32c(bytes));
      assert.equal(crc.toString("hex"), sent, name);
    }
    assert.equal(hash.crc32c(Buffer.from("123456789")), 0xe3069283);
    assert.equal(hash.crc32c(Buffer.alloc(0)), 0);
  });

  test(`${build}: equals the bitwise definition (seed ${seed})`, () => {
    const pick = random(seed);
    for (let length = 0; length <= 300; length++) {
      const bytes = randomBytes(pick, length);
      assert.equal(hash.crc32c(bytes, 0, pick(8)), bitwise(bytes), `${length} bytes`);
    }
  });

  test(`${build}: in pieces as in one (seed ${seed})`, () => {
    const bytes = randomBytes(random(seed), 100);
    const whole = bitwise(bytes);
    for (let a = 0; a <= 100; a++) {
      for (let b = a; b <= 100; b += 7) {
        const first = hash.crc32c(bytes.subarray(0, a));
        const second = hash.crc32c(bytes.subarray(a, b), first);
        assert.equal(hash.crc32c(bytes.subarray(b), second), whole, `cut at ${a}, ${b}`);
      }
    }
  });
}
