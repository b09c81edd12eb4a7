// A sealed line to a board: what the host sends and takes, and what it says when the other end is
// not what it should be. A stand-in plays the board.
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { parseConfig } from "../../host/config/index.js";
import { Connector } from "../../host/connector.js";
import { Opener, Sealer, deriveKeys } from "../../host/link/sealed.js";
import type { Log } from "../../host/log.js";
import { FrameReader, Op, readTime, status } from "../boards/board-line.js";
import { FakeBoard, OpSealed, greeting } from "../boards/sealed-line.js";
import { until } from "../support/peers.js";

const KEY = Buffer.alloc(32, 5);

/** A node whose account is the board, and what it says of the line. */
function node(device: string, key: Buffer = KEY): { node: Connector; said: string[] } {
  const text = `ilpAddress = "test.a"
    spread = 0
    [btp]
    enabled = false
    [http]
    enabled = false
    [admin]
    enabled = false
    [accounts.board]
    relation = "child"
    assetCode = "XRP"
    assetScale = 9
    serial = "${device}"
    ${key.length > 0 ? `serialKey = "${key.toString("hex")}"` : ""}
    balance = { maximum = "1000" }`;
  const said: string[] = [];
  const warn = (message: string, fields?: object): void => {
    said.push(`${message}: ${String((fields as { reason?: string } | undefined)?.reason)}`);
  };
  const log = { debug() {}, info() {}, warn, error() {} } as unknown as Log;
  return { node: new Connector({ ...parseConfig(text, "node.toml"), dataDir: "" }, { log }), said };
}

/** A board that knows the key: tells of every frame, and seals what it answers. */
function meet(
  key: Buffer,
  onText: (text: Uint8Array, answer: (bytes: Uint8Array) => void) => void,
) {
  return (socket: Socket, nonce: Uint8Array): void => {
    const reader = new FrameReader();
    let opener: Opener | null = null;
    let sealer: Sealer;
    const answer = (bytes: Uint8Array): void => void socket.write(sealer.seal(bytes));
    socket.write(greeting(nonce));
    socket.on("data", (chunk) => {
      if (opener) {
        for (const text of opener.open(chunk)) onText(text, answer);
        return;
      }
      const [frame] = reader.push(chunk);
      if (!frame) return;
      assert.equal(frame.payload[0], OpSealed.Proof);
      const keys = deriveKeys(key, nonce, frame.payload.subarray(1, 17));
      if (!keys.proof.equals(frame.payload.subarray(17))) {
        socket.destroy();
        return;
      }
      [opener, sealer] = [new Opener(keys.toBoard), new Sealer(keys.toPeer)];
      answer(status(0, Op.Hello, Buffer.from([1, 2])));
    });
  };
}

test("a line with the right key is up once the board has shown that it knows it", async () => {
  const reader = new FrameReader();
  const times: number[] = [];
  const board = await FakeBoard.open(
    meet(KEY, (text) => {
      for (const frame of reader.push(text)) if (frame) times.push(readTime(frame.payload));
    }),
  );
  const { node: a } = node(board.url);
  try {
    await a.start();
    await until("the line", () => a.linkOf(1) !== null && times.length > 0);
    assert.ok(Math.abs(times[0]! - Date.now()) < 5000);
  } finally {
    await a.stop();
    board.close();
  }
});

/** What the host says when it meets this; the line must not come up. */
async function refused(
  key: Buffer,
  how: (socket: Socket, nonce: Uint8Array) => void,
): Promise<string> {
  const board = await FakeBoard.open(how);
  const { node: a, said } = node(board.url, key);
  try {
    await a.start();
    await until("a sentence about the line", () => said.length > 0);
    assert.equal(a.linkOf(1), null);
    return said[0]!;
  } finally {
    await a.stop();
    board.close();
  }
}

test("a board with another key is not talked to", async () => {
  const other = Buffer.alloc(32, 6);
  assert.match(
    await refused(
      KEY,
      meet(other, () => undefined),
    ),
    /closed.*right key/,
  );
});

test("an impostor that takes any proof is found out by its first record", async () => {
  const said = await refused(KEY, (socket, nonce) => {
    socket.write(greeting(nonce));
    socket.on("data", () => socket.write(new Sealer(KEY).seal(Buffer.from("hello"))));
  });
  assert.match(said, /does not know the key/);
});

test("a serial line where a sealed one should be is noticed", async () => {
  const hello = status(0, Op.Hello, Buffer.from([1, 2]));
  assert.match(await refused(KEY, (socket) => socket.write(hello)), /does not greet/);
  const noise = Buffer.alloc(300, 1);
  assert.match(await refused(KEY, (socket) => socket.write(noise)), /does not greet/);
});

test("a greeting of a version that is not ours is named", async () => {
  const how = (socket: Socket, nonce: Uint8Array): void => void socket.write(greeting(nonce, 9));
  assert.match(await refused(KEY, how), /version 9/);
});

test("without a key, a board that asks for one says what is to be done", async () => {
  const board = await FakeBoard.open((socket, nonce) => socket.write(greeting(nonce)));
  const { node: a, said } = node(board.url, Buffer.alloc(0));
  try {
    await a.start();
    await until("a sentence about the line", () => said.some((each) => /serialKey/.test(each)));
  } finally {
    await a.stop();
    board.close();
  }
});

test("one changed bit ends the connection, and nothing of the record is used", async () => {
  const keys = deriveKeys(KEY, Buffer.alloc(16, 1), Buffer.alloc(16, 2));
  const record = new Sealer(keys.toPeer).seal(Buffer.from("a frame"));
  for (let at = 2; at < record.length; at++) {
    const changed = Buffer.from(record);
    changed[at]! ^= 1;
    assert.throws(() => new Opener(keys.toPeer).open(changed), /does not know the key/);
  }
  // A record twice, or one left out, is none either.
  const opener = new Opener(keys.toPeer);
  const cuts = [1, 2, 5, record.length].map((end, i, all) => record.subarray(all[i - 1] ?? 0, end));
  assert.deepEqual(
    cuts.flatMap((cut) => opener.open(cut)),
    [Buffer.from("a frame")],
  );
  assert.throws(() => opener.open(record), /does not know the key/);
  assert.throws(() => new Opener(keys.toPeer).open(Buffer.alloc(2)), /no sealed records/);
  assert.throws(() => new Opener(keys.toPeer).open(Buffer.from([1, 4])), /no sealed records/);
});
