// Inspection against the adversarial vectors, and on anything a person or a file may hold.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BtpFault, BtpType, Fault } from "../../host/abi.js";
import { FRAME_FAULTS, PACKET_FAULTS } from "../../host/cli/faults.js";
import {
  inspectBytes,
  inspectText,
  type FrameFields,
  type Inspection,
} from "../../host/cli/inspection.js";
import { toJson } from "../../host/cli/terminal.js";
import { Core } from "../../host/core.js";
import { writeFulfill, writePrepare, writeReject } from "../../host/packet.js";
import { readCoreWasm } from "../../host/wasm.js";
import { readVectors } from "./vectors.js";

const core = new Core(new WebAssembly.Module(readCoreWasm()), new Uint8Array(8));
const NOW = Date.UTC(2030, 0, 1);
const prepare = writePrepare({
  amount: 2n ** 64n - 1n,
  expiresAtMs: NOW + 30_000,
  condition: createHash("sha256").update(new Uint8Array(32)).digest(),
  destination: "test.alice",
  data: new TextEncoder().encode("hello"),
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const inspect = (text: string): Inspection => inspectText(core, text, NOW);

/** What JSON readers see. */
function json(found: Inspection): Record<string, unknown> {
  return JSON.parse(toJson(found)) as Record<string, unknown>;
}

function short(bytes: string | Uint8Array): Buffer {
  const data = Buffer.from(bytes as string);
  assert.ok(data.length < 128);
  return Buffer.concat([Buffer.from([data.length]), data]);
}

/** A BTP frame of short fields, written independently of the host. */
function frame(type: BtpType, protocols: [string, number, string | Uint8Array][]): Buffer {
  const parts = protocols.flatMap(([name, contentType, data]) => [
    short(name),
    Buffer.from([contentType]),
    short(data),
  ]);
  const head = type === BtpType.Transfer ? Buffer.from("000000000000007b", "hex") : Buffer.of();
  const body = Buffer.concat([head, Buffer.from([1, protocols.length]), ...parts]);
  return Buffer.concat([Buffer.from([type, 0, 0, 0, 42]), short(body)]);
}

describe("verdicts", () => {
  for (const vector of readVectors("ilp/")) {
    it(`${vector.id} ${vector.description}: ${vector.core}`, () => {
      const found = inspect(hex(vector.bytes));
      assert.equal(found.ok ? "ACC" : "REJ", vector.core);
    });
  }
  for (const vector of readVectors("btp")) {
    if (vector.core !== "ACC" && vector.core !== "REJ") continue;
    it(`${vector.id} ${vector.description}: ${vector.core}`, () => {
      assert.equal(inspectBytes(core, vector.bytes, NOW).ok ? "ACC" : "REJ", vector.core);
    });
  }
});

describe("faults in words", () => {
  const names = (table: object): string[] => Object.keys(table).filter((key) => isNaN(Number(key)));
  for (const [title, faults, sentences] of [
    ["ILP", Fault, PACKET_FAULTS],
    ["BTP", BtpFault, FRAME_FAULTS],
  ] as const) {
    it(`cover ${title}, one sentence each`, () => {
      assert.deepEqual(Object.keys(sentences).sort(), names(faults).sort());
      const texts = Object.values(sentences);
      assert.equal(new Set(texts).size, texts.length);
      for (const text of texts) assert.match(text, /^[A-Za-z].*\.$/);
    });
  }
  it("name the fault that was found", () => {
    const cases: [string, RegExp][] = [
      ["0c", /ends after the bytes/],
      ["0d80", /canonical/],
      [
        hex(prepare).replace("746573742e616c696365", "746573742e2e696365".padEnd(20, "0")),
        /address/,
      ],
      ["0600000001", /ends after the bytes/],
      ["ff", /first byte is 255/],
    ];
    for (const [text, expected] of cases) {
      const found = inspect(text);
      assert.ok(!found.ok);
      assert.match(found.error, expected);
    }
  });
});

describe("encodings", () => {
  const base64 = Buffer.from(prepare).toString("base64");
  for (const [name, text] of [
    ["hex", hex(prepare)],
    ["upper-case hex", hex(prepare).toUpperCase()],
    ["hex with 0x", `0x${hex(prepare)}`],
    ["hex with spaces", hex(prepare).replace(/../g, "$& ")],
    ["hex with colons", hex(prepare).replace(/..(?!$)/g, "$&:")],
    ["base64", base64],
    ["base64 without padding", base64.replace(/=+$/, "")],
    ["base64url", Buffer.from(prepare).toString("base64url")],
    ["base64 between blanks", `  ${base64}\t`],
  ] as const) {
    it(`reads ${name}`, () => {
      const found = json(inspect(text));
      assert.equal(found["ok"], true);
      assert.equal(found["destination"], "test.alice");
      assert.equal(found["encoding"], name.includes("base64") ? "base64" : "hex");
    });
  }
  it("takes text that is both as hex", () => {
    // As base64 this is the valid start of nothing; as hex it is a type byte alone.
    const found = inspect("0c00");
    assert.ok(!found.ok);
    assert.match(found.error, /ends after the bytes/);
  });
  it("says what is wrong with hex of odd length", () => {
    const found = inspect(hex(prepare).slice(1));
    assert.ok(!found.ok);
    assert.match(found.error, /odd number/);
  });
});

describe("fields", () => {
  it("of a Prepare", () => {
    assert.deepEqual(json(inspect(hex(prepare))), {
      ok: true,
      kind: "ilp",
      encoding: "hex",
      size: prepare.length,
      trailing: 0,
      type: "prepare",
      amount: "18446744073709551615",
      expiresAt: "2030-01-01T00:00:30.000Z",
      expiresInMs: 30_000,
      condition: "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925",
      destination: "test.alice",
      dataLength: 5,
      data: "68656c6c6f",
    });
  });
  it("of a Fulfill, with the condition it fits", () => {
    const found = json(inspect(hex(writeFulfill(new Uint8Array(32)))));
    assert.equal(found["condition"], hex(createHash("sha256").update(Buffer.alloc(32)).digest()));
  });
  it("of an F08 Reject, with its two amounts", () => {
    const data = Buffer.from("0000000000000064000000000000000a", "hex");
    const reject = { code: "F08", triggeredBy: "test.bob", message: "too big", data };
    const found = json(inspect(hex(writeReject(reject))));
    assert.equal(found["codeName"], "Amount Too Large");
    assert.equal(found["receivedAmount"], "100");
    assert.equal(found["maximumAmount"], "10");
    assert.equal(found["message"], "too big");
  });
  it("of bytes after the packet: their number", () => {
    const found = json(inspect(`${hex(prepare)}0000`));
    if (found["ok"] === true) assert.equal(found["trailing"], 2);
  });
});

describe("BTP", () => {
  it("shows the ILP packet inside, and other sub-protocols by content type", () => {
    const bytes = frame(BtpType.Message, [
      ["ilp", 0, writeFulfill(new Uint8Array(32))],
      ["note", 1, "héllo"],
      ["raw", 0, Uint8Array.of(1, 2)],
    ]);
    const found = json(inspect(hex(bytes))) as unknown as FrameFields & { ok: boolean };
    assert.equal(found.ok, true);
    assert.equal(found.type, "message");
    assert.equal(found.requestId, 42);
    const [ilp, note, raw] = found.protocols;
    assert.ok(ilp!.packet?.ok && ilp!.packet.type === "fulfill");
    assert.equal(note!.text, "héllo");
    assert.equal(raw!.data, "0102");
  });
  it("is invalid when the packet inside is", () => {
    const found = inspect(hex(frame(BtpType.Message, [["ilp", 0, Uint8Array.of(12)]])));
    assert.ok(!found.ok && "protocols" in found);
    assert.match(found.error, /frame is valid, but .*ends after the bytes/);
  });
  it("has an amount in a Transfer", () => {
    assert.equal(json(inspect(hex(frame(BtpType.Transfer, []))))["amount"], "123");
  });
  it("never shows a token (BTP-01)", () => {
    for (const name of ["auth_token", "AUTH_TOKEN"]) {
      const bytes = frame(BtpType.Message, [
        ["auth", 0, ""],
        ["auth_username", 1, "alice"],
        [name, 1, "s3cr3t-value"],
      ]);
      for (const text of [hex(bytes), bytes.toString("base64")]) {
        const shown = toJson(inspect(text));
        assert.ok(JSON.parse(shown).ok);
        assert.ok(!shown.includes("s3cr3t") && !shown.includes(hex(Buffer.from("s3cr3t"))));
        assert.ok(shown.includes("[redacted]") && shown.includes("alice"));
      }
    }
  });
});

describe("anything", () => {
  const check = (text: string): void => {
    const found = JSON.parse(toJson(inspect(text))) as { ok: unknown; error?: unknown };
    if (found.ok === true) return;
    assert.equal(found.ok, false);
    assert.equal(typeof found.error, "string");
    assert.match(found.error as string, /\.$/);
  };
  it("of text has an answer", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), check));
  });
  it("of bytes has an answer, in both encodings", () => {
    const first = fc.constantFrom(1, 2, 6, 7, 12, 13, 14, 0, 255);
    const bytes = fc.tuple(first, fc.uint8Array({ maxLength: 300 }));
    fc.assert(
      fc.property(bytes, ([type, rest]) => {
        const all = Buffer.from([type, ...rest]);
        check(all.toString("hex"));
        check(all.toString("base64"));
      }),
      { numRuns: 1000 },
    );
  });
  it("one byte off a valid packet has an answer, and a cut one is invalid", () => {
    const whole = Buffer.from(prepare);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bent = Buffer.from(whole);
        bent[at]! ^= flip;
        check(bent.toString("hex"));
        assert.equal(inspect(whole.subarray(0, at).toString("hex")).ok, false);
      }),
    );
  });
  it("longer than the core's input has its own answer", () => {
    for (const length of [core.input.length, core.input.length + 1]) {
      const found = inspect("0c".repeat(length));
      assert.ok(!found.ok);
      assert.equal(/no packet or frame/.test(found.error), length > core.input.length);
    }
  });
});
