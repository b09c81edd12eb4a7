// Cortex-M3 boards between two nodes, and what may come over their lines.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { testBetweenNodes, whyNot, type Machine } from "../boards/between.js";
import { FrameReader, Op, readReport, settingsBlock, status } from "../boards/board-line.js";
import { LM3S6965, MPS2 } from "../boards/machines.js";
import { serialPort, startQemu } from "../boards/qemu.js";
import { until } from "../support/peers.js";
import { makeFolder } from "./identity-native.js";

testBetweenNodes(MPS2);
// A line of a real board is a terminal: its speed and mode are set, it is opened as a file.
testBetweenNodes(MPS2, true);
testBetweenNodes(LM3S6965);

/** Bytes without a delimiter: up to a ring and a FIFO, and far more than both. */
const NOISE = [1000, 1023, 1024, 1040, 1500, 3000, 16_384, 16_400, 20_000];
const ROUNDS = 3;

/** A line that was sent more than its ring holds goes on, whatever waits in the UART then. */
function testNoise(machine: Machine): void {
  test(machine.name, { skip: whyNot(machine) || false }, async () => {
    const folder = makeFolder();
    const elf = machine.build(folder);
    const settings = join(folder, "settings.bin");
    writeFileSync(settings, settingsBlock());
    const { qemu, ports } = await startQemu(machine.qemu, 1, ([port]) => [
      ...[...machine.options, "-kernel", elf],
      ...["-device", `loader,file=${settings},addr=${machine.settings},force-raw=on`],
      ...["-serial", serialPort(port!), "-serial", "null"],
    ]);
    const socket = connect(ports[0]!, "127.0.0.1");
    const answers = new Map<number, Uint8Array>();
    const reader = new FrameReader();
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      for (const frame of reader.push(chunk)) if (frame) answers.set(frame.id, frame.payload);
    });
    try {
      let id = 0;
      for (const size of Array(ROUNDS).fill(NOISE).flat() as number[]) {
        const request = status(++id, Op.Report);
        socket.write(Buffer.concat([Buffer.alloc(size, 0x55), Buffer.from([0]), request]));
        await until(`an answer behind ${size} bytes of noise`, () => answers.has(id), 60_000);
      }
      const [line] = readReport(answers.get(id)!).lines;
      assert.deepEqual([line!.overruns, line!.dropped], [0, 0]);
      assert.ok(line!.faults > 0, "nothing of it was noise");
    } finally {
      socket.destroy();
      qemu.kill();
    }
  });
}

describe("a line with more noise on it than fits the ring goes on", () => {
  testNoise(MPS2);
  testNoise(LM3S6965);
});
