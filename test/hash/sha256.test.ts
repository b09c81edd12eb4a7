// SHA-256: known answers of FIPS 180-4 and NIST, every length and split against node:crypto, the
// check of a fulfillment (ILP-25) in its three bodies.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { SHA256, digest as theirDigest } from "@chainsafe/as-sha256";
// @ts-expect-error plain JavaScript
import { generate } from "../../assembly/tools/sha256.mjs";
import { type Hash, builds, random, randomBytes, seed, sha256 } from "./harness.js";

/** FIPS 180-4 examples; NIST CAVP SHA256ShortMsg; the two hashes every ILP node knows. */
const KNOWN: [string, string][] = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["616263", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    Buffer.from("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").toString("hex"),
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
  [
    Buffer.from(
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn" +
        "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
    ).toString("hex"),
    "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
  ],
  ["d3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"],
  ["11af", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"],
  ["00".repeat(32), "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"],
];

/** Of a million times "a" (FIPS 180-4 examples). */
const MILLION = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

for (const [build, hash] of builds) {
  test(`${build}: known answers`, () => {
    for (const [input, output] of KNOWN) {
      const bytes = Buffer.from(input, "hex");
      assert.equal(hash.digest(bytes).toString("hex"), output);
      assert.equal(hash.digestPieces([bytes]).toString("hex"), output);
    }
    const thousand = Buffer.alloc(1000, "a");
    const million = hash.digestPieces(Array.from({ length: 1000 }, () => thousand));
    assert.equal(million.toString("hex"), MILLION);
  });

  test(`${build}: every length 0..300, aligned and not (seed ${seed})`, () => {
    const pick = random(seed);
    for (let length = 0; length <= 300; length++) {
      const bytes = randomBytes(pick, length);
      for (const offset of [0, 1, 7]) {
        assert.deepEqual(hash.digest(bytes, offset), sha256(bytes), `${length} bytes`);
        assert.deepEqual(hash.bytes(hash.buffer + offset, length), bytes, "input unchanged");
      }
    }
  });

  test(`${build}: every split in two of lengths 0..200 (seed ${seed})`, () => {
    const bytes = randomBytes(random(seed), 200);
    for (let length = 0; length <= 200; length++) {
      const whole = bytes.subarray(0, length);
      const expected = sha256(whole);
      for (let cut = 0; cut <= length; cut++) {
        const digest = hash.digestPieces([whole.subarray(0, cut), whole.subarray(cut)]);
        assert.deepEqual(digest, expected, `${length} bytes cut at ${cut}`);
      }
    }
  });

  test(`${build}: random splits in many, empty pieces among them (seed ${seed})`, () => {
    const pick = random(seed ^ 1);
    for (let i = 0; i < 1000; i++) {
      const bytes = randomBytes(pick, pick(700));
      const pieces: Buffer[] = [];
      let at = 0;
      while (at < bytes.length) {
        const n = pick(4) === 0 ? 0 : 1 + pick(150);
        pieces.push(bytes.subarray(at, at + n));
        at += n;
      }
      const sizes = pieces.map((piece) => piece.length).join();
      assert.deepEqual(hash.digestPieces(pieces), sha256(bytes), `case ${i}: ${sizes}`);
    }
  });

  test(`${build}: digest32, in place too (seed ${seed})`, () => {
    const pick = random(seed ^ 2);
    for (let i = 0; i < 300; i++) {
      const bytes = randomBytes(pick, 32);
      const p = hash.put(bytes, pick(16));
      const out = p + pick(64);
      hash.call("digest32", p, out);
      assert.deepEqual(hash.bytes(out, 32), sha256(bytes));
    }
  });

  test(`${build}: verify32 accepts the preimage, and nothing with one bit changed (ILP-25)`, () => {
    const pick = random(seed ^ 3);
    for (let i = 0; i < 20; i++) {
      const preimage = randomBytes(pick, 32);
      const p = hash.put(preimage, pick(8));
      const c = hash.put(sha256(preimage), 64 + pick(8));
      assert.equal(hash.call("verify32", p, c), 1, `seed ${seed}`);
      for (let bit = 0; bit < 256; bit++) {
        for (const at of [p, c]) {
          hash.memory[at + (bit >> 3)]! ^= 1 << (bit & 7);
          assert.equal(hash.call("verify32", p, c), 0, `seed ${seed}, bit ${bit}`);
          hash.memory[at + (bit >> 3)]! ^= 1 << (bit & 7);
        }
      }
    }
  });

  test(`${build}: equal and equal32 see each single bit`, () => {
    const pick = random(seed ^ 4);
    for (let length = 0; length <= 40; length++) {
      const bytes = randomBytes(pick, length);
      const a = hash.put(bytes, 1);
      const b = hash.put(bytes, 102);
      const same = (): number => {
        const whole = hash.call("equal", a, b, length);
        if (length === 32) assert.equal(hash.call("equal32", a, b), whole);
        return whole;
      };
      assert.equal(same(), 1);
      // Bytes next to the range must not count.
      hash.memory[b + length]! ^= 255;
      hash.memory[b - 1]! ^= 255;
      assert.equal(same(), 1);
      for (let bit = 0; bit < length * 8; bit++) {
        hash.memory[a + (bit >> 3)]! ^= 1 << (bit & 7);
        assert.equal(same(), 0, `bit ${bit} of ${length} bytes`);
        hash.memory[a + (bit >> 3)]! ^= 1 << (bit & 7);
      }
    }
  });

  test(`${build}: verify32x4 is four times verify32 (ILP-25)`, () => {
    verifyLanes(hash);
  });
}

/** The sixteen patterns of right and wrong lanes, lanes that share bytes, each bit of each lane. */
function verifyLanes(hash: Hash): void {
  const pick = random(seed ^ 5);
  const p = [0, 41, 82, 123].map((offset) => hash.buffer + offset);
  const c = [0, 41, 82, 123].map((offset) => hash.buffer + 512 + offset);
  const fill = (): void => {
    for (let lane = 0; lane < 4; lane++) {
      const preimage = randomBytes(pick, 32);
      hash.memory.set(preimage, p[lane]);
      hash.memory.set(sha256(preimage), c[lane]);
    }
  };
  const both = (preimages: number[], conditions: number[]): number => {
    const four = preimages.map((at, lane) => hash.call("verify32", at, conditions[lane]!) << lane);
    const mask = hash.call("verify32x4", ...preimages, ...conditions);
    const expected = four.reduce((a, b) => a | b);
    assert.equal(mask, expected, `seed ${seed}`);
    return mask;
  };
  for (let wrong = 0; wrong < 16; wrong++) {
    fill();
    for (let lane = 0; lane < 4; lane++) {
      if ((wrong >> lane) & 1) hash.memory[c[lane]! + pick(32)]! ^= 1 << pick(8);
    }
    assert.equal(both(p, c), 15 ^ wrong);
  }
  // Every assignment of four preimages to four conditions.
  fill();
  for (let i = 0; i < 256; i++) {
    both(
      [0, 2, 4, 6].map((shift) => p[(i >> shift) & 3]!),
      c,
    );
  }
  for (let lane = 0; lane < 4; lane++) {
    for (let bit = 0; bit < 256; bit++) {
      for (const at of [p[lane]!, c[lane]!]) {
        hash.memory[at + (bit >> 3)]! ^= 1 << (bit & 7);
        assert.equal(hash.call("verify32x4", ...p, ...c), 15 ^ (1 << lane), `bit ${bit}`);
        hash.memory[at + (bit >> 3)]! ^= 1 << (bit & 7);
      }
    }
  }
}

test(`@chainsafe/as-sha256 agrees in one piece (seed ${seed})`, () => {
  const pick = random(seed ^ 6);
  const [, hash] = builds[0]!;
  for (let i = 0; i < 300; i++) {
    const bytes = randomBytes(pick, pick(300));
    assert.deepEqual(hash.digest(bytes), Buffer.from(theirDigest(bytes)));
  }
});

test("@chainsafe/as-sha256 1.2.5 is wrong in pieces, so it is no oracle for update()", () => {
  const bytes = Buffer.alloc(100, 7);
  const pieces = [bytes.subarray(0, 10), bytes.subarray(10)];
  const theirs = new SHA256().init();
  for (const piece of pieces) theirs.update(piece);
  // If this fails the bug is gone: use it in the tests of splits.
  assert.notDeepEqual(Buffer.from(theirs.final()), sha256(bytes));
  for (const [, hash] of builds) assert.deepEqual(hash.digestPieces(pieces), sha256(bytes));
});

test("the generated files are what the generator writes", () => {
  for (const [file, text] of generate() as [string, string][]) {
    const path = new URL(`../../${file}`, import.meta.url);
    assert.ok(existsSync(path), `${file} is missing: run node assembly/tools/sha256.mjs`);
    const current = readFileSync(path, "utf8");
    assert.ok(current === text, `${file} is stale: run node assembly/tools/sha256.mjs`);
  }
});
