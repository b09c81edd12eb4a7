// WebSocket frames: the core reports what a reference written from RFC 6455 reports, and what the
// npm package ws reports, but for the differences listed in README.md; at every cut of the stream.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Event,
  type Framing,
  Link,
  type Pick,
  builds,
  random,
  randomBytes,
  seed,
} from "./harness.js";
import { Peer, frame, randomChunks, randomStream } from "./peer.js";
import { isLegalCode, readStream, readWhole } from "./reference.js";

type Role = "server" | "client";
const ROLES: Role[] = ["server", "client"];

/** Feeds chunks to the core; events after each chunk, up to the first fault. */
function run(core: Framing, role: Role, messageMax: number, chunks: Buffer[]): Event[][] {
  const link = new Link(core, role, messageMax);
  const all: Event[][] = [];
  for (const chunk of chunks) {
    const events = link.feed(chunk);
    all.push(events);
    if (events.at(-1)?.kind === "fault") break;
  }
  return all;
}

function runPeer(role: Role, messageMax: number, chunks: Buffer[]): Event[][] {
  const peer = new Peer(role, messageMax);
  const all: Event[][] = [];
  for (const chunk of chunks) {
    const events = peer.feed(chunk);
    all.push(events);
    if (events.at(-1)?.kind === "fault") break;
  }
  return all;
}

/** Core = reference, ws = reference as ws differs; at the same chunk where they do not differ. */
function compare(
  core: Framing,
  role: Role,
  messageMax: number,
  chunks: Buffer[],
  what: string,
): void {
  const stream = Buffer.concat(chunks);
  const strict = readWhole(stream, { role, messageMax });
  const lenient = readWhole(stream, { role, messageMax, likeWs: true });
  const ours = run(core, role, messageMax, chunks);
  const theirs = runPeer(role, messageMax, chunks);
  assert.deepEqual(ours.flat(), strict.events, `core and reference: ${what}`);
  assert.deepEqual(theirs.flat(), lenient.events, `ws and reference: ${what}`);
  if (JSON.stringify(strict) !== JSON.stringify(lenient)) return;
  assert.deepEqual(ours, theirs, `not at the same chunk: ${what}`);
}

const bytewise = (stream: Buffer): Buffer[] => Array.from(stream, (byte) => Buffer.from([byte]));

/** Changes, inserts or removes a few bytes; often in headers, which is where it matters. */
function mutate(pick: Pick, stream: Buffer): Buffer {
  let out = Buffer.from(stream);
  for (let i = 0; i <= pick(3) && out.length > 0; i++) {
    const at = pick(pick(2) ? out.length : Math.min(out.length, 16));
    const how = pick(4);
    if (how === 0) out[at]! ^= 1 << pick(8);
    else if (how === 1) out[at] = [0, 1, 2, 8, 9, 10, 126, 127, 128, 129, 136, 254, 255][pick(13)]!;
    else if (how === 2) out = Buffer.concat([out.subarray(0, at), out.subarray(at + 1 + pick(4))]);
    else out = Buffer.concat([out.subarray(0, at), randomBytes(pick, pick(4)), out.subarray(at)]);
  }
  return out;
}

for (const [build, core] of builds) {
  for (const role of ROLES) {
    test(`${build} ${role}: legal streams, random chunks (seed ${seed})`, () => {
      for (let i = 0; i < 200; i++) {
        const pick = random(seed + i);
        const messageMax = [300, 2000, 70_000][i % 40 === 0 ? 2 : pick(2)]!;
        const options = { role, messageMax, messages: 1 + pick(6), close: pick(3) === 0 };
        const stream = randomStream(pick, options);
        compare(core, role, messageMax, randomChunks(pick, stream), `seed ${seed + i}`);
      }
    });

    test(`${build} ${role}: each cut in two, and byte by byte (seed ${seed})`, () => {
      for (let i = 0; i < 8; i++) {
        const pick = random(seed ^ (i << 20));
        const options = { role, messageMax: 260, messages: 3, close: i % 3 === 0 };
        const stream = randomStream(pick, options);
        const what = `seed ${seed}, stream ${i}`;
        compare(core, role, 260, bytewise(stream), what);
        const expected = readStream(stream, { role, messageMax: 260 });
        for (let cut = 0; cut <= stream.length; cut++) {
          const chunks = [stream.subarray(0, cut), stream.subarray(cut)];
          assert.deepEqual(run(core, role, 260, chunks).flat(), expected, `${what}, cut at ${cut}`);
        }
        const patient = new Link(core, role, 260, true);
        const events = bytewise(stream).flatMap((byte) => patient.feed(byte));
        assert.deepEqual(events, expected, `${what}, waiting for \`needed\``);
      }
    });

    test(`${build} ${role}: mutated streams (seed ${seed})`, () => {
      for (let i = 0; i < 2000; i++) {
        const pick = random(seed + 7919 * i);
        const options = { role, messageMax: 300, messages: 1 + pick(3), close: pick(2) === 0 };
        const stream = mutate(pick, randomStream(pick, options));
        compare(core, role, 300, randomChunks(pick, stream), `seed ${seed}, case ${i}`);
      }
    });

    test(`${build} ${role}: every pair of first bytes, fresh and within a message`, () => {
      const mask = role === "server" ? Buffer.from([1, 2, 3, 4]) : undefined;
      const opening = frame(2, Buffer.from("ab"), false, mask);
      const state = core.newState();
      for (const before of [Buffer.alloc(0), opening]) {
        for (let pair = 0; pair < 65536; pair++) {
          const stream = Buffer.concat([before, Buffer.from([pair >> 8, pair & 255])]);
          const [event] = readStream(stream, { role, messageMax: 1000 });
          core.call("openWs", state, role === "server" ? 0 : 1, 1000);
          const p = core.put(stream);
          const first = core.call("nextFrame", state, p, p + stream.length);
          if (event?.kind === "fault") {
            assert.equal(first, -event.code, stream.toString("hex"));
          } else if (event) {
            assert.equal(
              first > 0 && core.field(0),
              { binary: 2, text: 1, ping: 9, pong: 10, close: 8 }[event.kind],
            );
          } else {
            assert.ok(first >= 0 && core.field(0) === 0, stream.toString("hex"));
          }
        }
      }
    });

    test(`${build} ${role}: lengths, in each of the three forms`, () => {
      const sizes = [0, 1, 125, 126, 127, 65535, 65536, 65537, 100_000, 100_001, 2 ** 31, 2 ** 32];
      const lengths = [...sizes.map(BigInt), 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];
      const flag = role === "server" ? 128 : 0;
      for (const length of lengths) {
        for (const form of [0, 126, 127]) {
          if (form === 0 && length > 125n) continue;
          if (form === 126 && length > 65535n) continue;
          const header = Buffer.alloc(form === 127 ? 10 : form === 126 ? 4 : 2);
          header[0] = 0x82;
          header[1] = flag | (form || Number(length));
          if (form === 126) header.writeUInt16BE(Number(length), 2);
          if (form === 127) header.writeBigUInt64BE(length, 2);
          compare(core, role, 100_000, bytewise(header), `${length} as ${form}`);
        }
      }
    });

    test(`${build} ${role}: close codes and reasons`, () => {
      const mask = role === "server" ? Buffer.from([9, 8, 7, 6]) : undefined;
      for (let code = 0; code < 65536; code++) {
        assert.equal(core.call("isCloseCode", code), Number(isLegalCode(code)), `code ${code}`);
      }
      for (let code = 0; code < 5100; code += code > 1020 && code < 2990 ? 7 : 1) {
        const payload = Buffer.from([code >> 8, code & 255]);
        const [event] = new Link(core, role, 10).feed(frame(8, payload, true, mask));
        const expected = isLegalCode(code)
          ? { kind: "close", code, data: "" }
          : { kind: "fault", code: 1002 };
        if (code < 5100)
          assert.deepEqual(new Peer(role, 10).feed(frame(8, payload, true, mask)), [expected]);
        assert.deepEqual(event, expected);
      }
      const reasons = [
        "c3a4",
        "c3",
        "ff",
        "eda080",
        "f4908080",
        "e282ac",
        "c080",
        "00",
        "61".repeat(123),
      ];
      for (const reason of reasons) {
        const close = frame(8, Buffer.from(`03e8${reason}`, "hex"), true, mask);
        compare(core, role, 10, [close], reason);
        compare(core, role, 10, bytewise(close), reason);
      }
    });

    test(`${build} ${role}: too big is refused as soon as the length is there`, () => {
      const mask = role === "server" ? Buffer.alloc(4, 5) : undefined;
      const sized = (size: number, fin: boolean, opcode = 2): Buffer =>
        frame(opcode, Buffer.alloc(size), fin, mask);
      const fault = [{ kind: "fault", code: 1009 }];
      const message = (size: number): Event[] => [{ kind: "binary", data: "00".repeat(size) }];
      assert.deepEqual(new Link(core, role, 1000).feed(sized(1000, true)), message(1000));
      assert.deepEqual(new Link(core, role, 1000).feed(sized(1001, true).subarray(0, 4)), fault);
      const link = new Link(core, role, 1000);
      assert.deepEqual(link.feed(sized(600, false)), []);
      assert.deepEqual(link.feed(sized(400, false, 0)), []);
      assert.deepEqual(link.feed(sized(0, false, 0)), []);
      assert.deepEqual(link.feed(sized(1, true, 0).subarray(0, 2)), fault);
      const none = new Link(core, role, 0);
      assert.deepEqual(none.feed(sized(0, true)), message(0));
      assert.deepEqual(none.feed(sized(1, true).subarray(0, 2)), fault);
    });

    test(`${build} ${role}: fragments of one byte with pings between`, () => {
      const mask = role === "server" ? Buffer.from("a5c3", "hex") : undefined;
      const data = randomBytes(random(seed), 20_000);
      const frames: Buffer[] = [];
      for (let i = 0; i < data.length; i++) {
        const key = mask && Buffer.concat([mask, mask]);
        frames.push(frame(i ? 0 : 2, data.subarray(i, i + 1), i === data.length - 1, key));
        if (i % 100 === 0) frames.push(frame(9, Buffer.from([i >> 8, i]), true, key));
      }
      const stream = Buffer.concat(frames);
      const link = new Link(core, role, 20_000);
      const events: Event[] = [];
      for (let at = 0; at < stream.length; at += 8192) {
        events.push(...link.feed(stream.subarray(at, at + 8192)));
      }
      assert.equal(events.length, 201);
      assert.deepEqual(events.at(-1), { kind: "binary", data: data.toString("hex") });
    });
  }

  test(`${build}: two links do not touch each other (seed ${seed})`, () => {
    const pick = random(seed ^ 77);
    const make = (): { chunks: Buffer[]; expected: Event[]; link: Link; events: Event[] } => {
      const options = { role: "server" as const, messageMax: 500, messages: 20, close: false };
      const stream = randomStream(pick, options);
      const expected = readStream(stream, options);
      const chunks = randomChunks(pick, stream);
      return { chunks, expected, link: new Link(core, "server", 500), events: [] };
    };
    const links = [make(), make(), make()];
    while (links.some((l) => l.chunks.length > 0)) {
      const one = links[pick(3)]!;
      const chunk = one.chunks.shift();
      if (chunk) one.events.push(...one.link.feed(chunk));
    }
    for (const { events, expected } of links) assert.deepEqual(events, expected);
  });

  test(`${build}: unmask, every length 0..300, apart and overlapping`, () => {
    const pick = random(seed ^ 99);
    for (let length = 0; length <= 300; length++) {
      for (const distance of [0, 1, 2, 6, 15, 16, 17, 400]) {
        const data = randomBytes(pick, length);
        const key = randomBytes(pick, 4);
        core.memory.fill(0x77, core.buffer, core.buffer + 1000);
        const source = core.put(data, 16 + distance);
        const target = core.buffer + 16;
        core.call("unmask", target, source, length, key.readUInt32LE());
        const expected = Buffer.from(data.map((byte, i) => byte ^ key[i % 4]!));
        assert.deepEqual(core.bytes(target, length), expected);
        assert.ok(core.bytes(core.buffer, 16).equals(Buffer.alloc(16, 0x77)));
        const after = Math.max(source, target) + length;
        assert.ok(core.bytes(after, 32).equals(Buffer.alloc(32, 0x77)));
      }
    }
  });

  test(`${build}: headers written are those of ws (seed ${seed})`, () => {
    const pick = random(seed ^ 5);
    for (const length of [0, 1, 7, 8, 16, 33, 125, 126, 127, 1000, 65535, 65536, 66000]) {
      for (const opcode of [1, 2, 9, 10]) {
        for (const masked of [false, true]) {
          const data = randomBytes(pick, length);
          const key = randomBytes(pick, 4);
          core.memory.fill(0x33, core.buffer, core.buffer + 64);
          const payload = core.put(data, 64);
          const args = [payload, length, opcode, Number(masked), key.readUInt32LE()];
          const at = core.call("writeFrameHeader", ...args);
          const size = core.call("frameHeaderSize", length, Number(masked));
          assert.equal(payload - at, size);
          const expected = frame(opcode, data, true, masked ? key : undefined);
          assert.deepEqual(core.bytes(at, size + length), expected);
          assert.ok(core.bytes(core.buffer, 64 - size).equals(Buffer.alloc(64 - size, 0x33)));
        }
      }
    }
  });

  test(`${build}: Close frames written are those of ws, long reasons cut at a character`, () => {
    const key = Buffer.from("01020380", "hex");
    const write = (code: number, reason: Buffer, masked: boolean): Buffer => {
      const p = core.put(reason, 1000);
      core.memory.fill(0x33, core.buffer, core.buffer + 200);
      const args = [core.buffer, code, p, reason.length, Number(masked), key.readUInt32LE()];
      const size = core.call("writeClose", ...args);
      assert.ok(core.bytes(core.buffer + size, 8).equals(Buffer.alloc(8, 0x33)));
      return core.bytes(core.buffer, size);
    };
    for (const masked of [false, true]) {
      const mask = masked ? key : undefined;
      assert.deepEqual(
        write(0, Buffer.from("unused"), masked),
        frame(8, Buffer.alloc(0), true, mask),
      );
      for (const text of [
        "",
        "a",
        "x".repeat(123),
        "x".repeat(124),
        "x".repeat(122) + "é",
        "€".repeat(60),
      ]) {
        let cut = text;
        while (Buffer.byteLength(cut) > 123) cut = cut.slice(0, -1);
        const payload = Buffer.concat([Buffer.from([3, 233]), Buffer.from(cut)]);
        assert.deepEqual(
          write(1001, Buffer.from(text), masked),
          frame(8, payload, true, mask),
          text,
        );
      }
    }
  });

  test(`${build}: a Ping becomes a Pong where it lies`, () => {
    for (const role of ROLES) {
      const state = core.newState();
      const mask = Buffer.from([1, 2, 3, 4]);
      core.call("openWs", state, role === "server" ? 0 : 1, 10);
      const data = Buffer.alloc(125, "ping");
      const ping = frame(9, data, true, role === "server" ? mask : undefined);
      const p = core.putLast(ping);
      assert.equal(core.call("nextFrame", state, p, core.memory.length), ping.length);
      const masked = role === "client";
      const args = [core.field(1), core.field(2), 10, Number(masked), mask.readUInt32LE()];
      const at = core.call("writeFrameHeader", ...args);
      const pong = frame(10, data, true, masked ? mask : undefined);
      assert.deepEqual(core.bytes(at, pong.length), pong);
    }
  });
}

test("a link's state is 16 bytes", () => {
  for (const [, core] of builds) assert.equal(core.call("stateSize"), 16);
});

test("the differences from ws 8.23.0 that README.md lists, and each still holds", () => {
  const [, core] = builds[0]!;
  const key = Buffer.alloc(4);
  const data = Buffer.from("abc");
  const wide16 = Buffer.concat([Buffer.from([0x82, 0xfe, 0, 3]), key, data]);
  const wide64 = Buffer.concat([Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 3]), key, data]);
  const topBit = Buffer.concat([Buffer.from([0x82, 0xff, 128, 0, 0, 0, 0, 0, 0, 3]), key, data]);
  const text = frame(1, Buffer.from([0xff]), true, key);
  const fault = (code: number): Event => ({ kind: "fault", code });
  const message: Event = { kind: "binary", data: "616263" };
  const rows: [Buffer, number, Event, Event][] = [
    [wide16, 100, fault(1002), message],
    [wide64, 100, fault(1002), message],
    [topBit, 100, fault(1002), fault(1009)],
    [text, 100, { kind: "text", data: "ff" }, fault(1007)],
    [frame(2, data, true, key), 0, fault(1009), message],
  ];
  for (const [stream, messageMax, ours, theirs] of rows) {
    const what = stream.toString("hex");
    assert.deepEqual(new Link(core, "server", messageMax).feed(stream), [ours], what);
    assert.deepEqual(new Peer("server", messageMax).feed(stream), [theirs], what);
  }
});
