// Two nodes joined by a serial line, with TCP in its place, and a board that asks for the time.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { Connector } from "../../host/connector.js";
import { parseConfig } from "../../host/config/index.js";
import { readSerialFrame } from "../../host/link/serial-frame.js";
import { FrameReader, Op, status } from "../boards/board-line.js";
import { Line } from "../boards/line.js";
import { until } from "../support/peers.js";

function node(address: string, peer: string, relation: string, device: string): Connector {
  const text = `ilpAddress = "${address}"
    defaultRoute = "${peer}"
    spread = 0
    [btp]
    enabled = false
    [http]
    enabled = false
    [admin]
    enabled = false
    [accounts.${peer}]
    relation = "${relation}"
    assetCode = "XRP"
    assetScale = 9
    serial = "${device}"
    balance = { maximum = "1000", minimum = "-1000" }`;
  return new Connector({ ...parseConfig(text, "node.toml"), dataDir: "" }, {});
}

test("a ping crosses a serial line, also after noise on it", async () => {
  const line = await Line.open();
  const a = node("test.a", "b", "peer", line.url);
  const b = node("test.b", "a", "peer", line.url);
  try {
    await Promise.all([a.start(), b.start()]);
    await until("the line", () => a.linkOf(1) !== null && b.linkOf(1) !== null);
    assert.equal((await a.ping("test.b", 5n)).reply, "fulfill");
    line.inject(Buffer.from("\x05noise without end\x00\x02\x01"));
    line.inject(Buffer.from([0]));
    assert.equal((await b.ping("test.a", 7n)).reply, "fulfill");
    // Echo sends the amount back.
    assert.deepEqual([a.core.account(1).balance, b.core.account(1).balance], [0n, 0n]);
    assert.match(a.linkOf(1)!.describe(), /^serial tcp:\/\/127\.0\.0\.1:\d+$/);
  } finally {
    await Promise.all([a.stop(), b.stop()]);
    line.close();
  }
});

test("a board that says hello is told the time", async () => {
  const line = await Line.open();
  const a = node("test.a", "board", "child", line.url);
  const socket = connect(Number(new URL(line.url).port), "127.0.0.1");
  const reader = new FrameReader();
  const times: number[] = [];
  socket.on("data", (chunk) => {
    for (const frame of reader.push(chunk)) {
      if (frame?.kind !== 3) continue;
      assert.equal(frame.payload[0], Op.Time);
      times.push(Number(Buffer.from(frame.payload).readBigUInt64LE(1)));
    }
  });
  try {
    await a.start();
    await until("the line", () => a.linkOf(1) !== null);
    const before = times.length;
    // In two pieces, as a line has it.
    const hello = status(0, Op.Hello, Buffer.from([1, 2]));
    assert.ok(readSerialFrame(hello.subarray(0, -1)));
    socket.write(hello.subarray(0, 4));
    socket.write(hello.subarray(4));
    await until("the line", () => times.length > before);
    assert.ok(Math.abs(times.at(-1)! - Date.now()) < 5000);
  } finally {
    await a.stop();
    socket.destroy();
    line.close();
  }
});

test("a line that is lost is opened again", async () => {
  const line = await Line.open();
  const { port } = new URL(line.url);
  const a = node("test.a", "board", "child", line.url);
  await a.start();
  try {
    await until("the line", () => a.linkOf(1) !== null);
    line.close();
    await until("the line", () => a.linkOf(1) === null);
    const again = await Line.open(Number(port));
    await until("the line", () => a.linkOf(1) !== null);
    again.close();
  } finally {
    await a.stop();
  }
});
