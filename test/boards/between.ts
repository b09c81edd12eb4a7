// A microcontroller between two nodes: gateway, a board under QEMU with two serial lines (TCP in
// their place), and another node behind it. Two unmodified STREAM programs pay through all three.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { missingTools } from "../../boards/mcu/build.mjs";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import { FrameReader, Op, readReport, settingsBlock, status } from "./board-line.js";
import { connectBtp, freePorts, stream, until } from "../support/peers.js";
import { makeFolder } from "../slow/identity-native.js";

/** A board under QEMU. */
export interface Machine {
  name: string;
  /** Programs, and the Debian packages that bring them. */
  tools: Record<string, string>;
  /** Builds the firmware in a folder; returns the ELF file. */
  build: (folder: string) => string;
  qemu: string;
  /** What QEMU is told beside display, lines, firmware and settings. */
  options: string[];
  /** Where the firmware looks for settings. */
  settings: number;
}

const BOARD = `ilpAddressInheritFrom = "a"
spread = 0
[accounts.a]
relation = "parent"
assetCode = "XRP"
assetScale = 9
balance = { maximum = "1000000000", minimum = "-1000000000" }
[accounts.b]
relation = "child"
assetCode = "XRP"
assetScale = 9
balance = { maximum = "1000000000", minimum = "-1000000000" }
[board.lines.0]
account = "a"
clock = true
report = true
[board.lines.1]
account = "b"
report = true
`;

const node = (address: string, peer: string, relation: string, port: number): string => `
  ilpAddress = "${address}"
  defaultRoute = "${relation === "parent" ? peer : ""}"
  spread = 0
  [btp]
  port = 0
  openTokens = true
  [http]
  enabled = false
  [admin]
  enabled = false
  [accounts.${peer}]
  relation = "${relation}"
  assetCode = "XRP"
  assetScale = 9
  serial = "tcp://127.0.0.1:${port}"
  balance = { maximum = "1000000000", minimum = "-1000000000" }`;

/** The board's own view of itself, once its line is free. */
async function askReport(port: number): Promise<ReturnType<typeof readReport>> {
  const socket = connect(port, "127.0.0.1");
  const reader = new FrameReader();
  try {
    return await new Promise((resolve, reject) => {
      socket.on("error", reject);
      socket.on("data", (chunk) => {
        const frames = reader.push(chunk).filter((frame) => frame?.id === 4711);
        if (frames[0]) resolve(readReport(frames[0].payload));
      });
      socket.write(Buffer.concat([Buffer.from([0]), status(4711, Op.Report)]));
    });
  } finally {
    socket.destroy();
  }
}

/** Starts the board with settings; its lines are `ports`. */
export function startBoard(machine: Machine, text: string, ports: number[]): ChildProcess {
  const folder = makeFolder();
  const elf = machine.build(folder);
  const settings = join(folder, "settings.bin");
  writeFileSync(settings, settingsBlock(text));
  const lines = ports.flatMap((port) => [
    "-serial",
    `tcp:127.0.0.1:${port},server=on,wait=off,nodelay=on`,
  ]);
  const plain = ["-display", "none", "-monitor", "none", "-kernel", elf];
  const loader = ["-device", `loader,file=${settings},addr=${machine.settings},force-raw=on`];
  const args = [...machine.options, ...plain, ...loader, ...lines];
  return spawn(machine.qemu, args, { stdio: "inherit" });
}

/** What keeps a machine's tests from running, "" when nothing does; in CI that is an error. */
export function whyNot({ tools }: Machine): string {
  const missing = missingTools(tools);
  if (missing && process.env.CI) throw new Error(`NOT RUN, ${missing}`);
  return missing;
}

/** Two STREAM programs, one at each node. Returns what the second received. */
async function payByStream(a: Connector, b: Connector, amount: bigint): Promise<bigint> {
  const receiver = await connectBtp(b.listening[0]!.url, "receiver");
  const server = await stream.createServer({ plugin: receiver });
  const connections: { destroy(): Promise<void> }[] = [];
  let received = 0n;
  server.on("connection", (connection) => {
    connections.push(connection);
    connection.on("stream", (incoming) => {
      incoming.setReceiveMax("1000000000");
      incoming.on("money", (amount) => (received += BigInt(amount)));
    });
  });
  const { destinationAccount, sharedSecret } = server.generateAddressAndSecret();
  const sender = await connectBtp(a.listening[0]!.url, "sender");
  const options = { plugin: sender, destinationAccount, sharedSecret, slippage: 0 };
  const connection = await stream.createConnection(options);
  await connection.createStream().sendTotal(amount.toString());
  await connection.end();
  for (const each of connections) await each.destroy();
  await receiver.disconnect();
  await sender.disconnect();
  return received;
}

/** The tests of a board between two nodes. */
export function testBetweenNodes(machine: Machine): void {
  describe(`node, ${machine.name}, node`, { skip: whyNot(machine) || false }, () => {
    let qemu: ChildProcess;
    let ports: number[];
    const nodes: Connector[] = [];

    before(async () => {
      ports = await freePorts(2);
      qemu = startBoard(machine, BOARD, ports);
      const texts = [
        node("test.a", "board", "child", ports[0]!),
        node("test.a.board.b", "board", "parent", ports[1]!),
      ];
      for (const text of texts) {
        const config = { ...parseConfig(text, "node.toml"), dataDir: "" };
        nodes.push(createConnector(config));
      }
      for (const each of nodes) await each.start();
      await until("both lines", () => nodes.every((each) => each.linkOf(1) !== null));
    });

    after(async () => {
      for (const each of nodes) await each.stop();
      qemu.kill();
    });

    test("the board has its address from its parent and answers a ping itself", async () => {
      const answered = async (): Promise<boolean> =>
        (await nodes[0]!.ping("test.a.board", 2n)).reply === "fulfill";
      await until("an answer of the board's", answered);
      const { reply, code } = await nodes[1]!.ping("test.a.board");
      assert.equal(`${reply} ${code}`, "fulfill ");
    });

    test("a ping goes through and comes back", async () => {
      const { reply, code } = await nodes[0]!.ping("test.a.board.b", 3n);
      assert.equal(`${reply} ${code}`, "fulfill ");
    });

    test("a STREAM payment goes through, to the unit", async () => {
      const [a, b] = nodes as [Connector, Connector];
      const received = await payByStream(a, b, 123_456_789n);
      assert.equal(received, 123_456_789n);
      assert.deepEqual(
        [a.core.account(1).balance, b.core.account(1).balance],
        [-received, received],
      );
    });

    test("the board's books agree with both", async () => {
      const balance = nodes[0]!.core.account(1).balance;
      for (const each of nodes.splice(0)) await each.stop();
      const report = await askReport(ports[0]!);
      assert.equal(report.state, 0);
      assert.deepEqual([report.balances[1], report.balances[2]], [-balance, balance]);
      // At most what was on the line when the board began to listen.
      assert.ok(report.counters.BadFrames! <= 1n);
      assert.deepEqual(
        report.lines.map(({ overruns, dropped }) => overruns + dropped),
        [0, 0],
      );
    });
  });
}
