// A microcontroller between two nodes: gateway, a board under QEMU with two serial lines (TCP in
// their place, or terminals, which a real line is one of), and another node behind it. Two
// unmodified STREAM programs pay through all three.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { missingTools } from "../../boards/mcu/build.mjs";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import { BoardLine } from "../../host/link/board-line.js";
import { readBoardReport, type BoardReport } from "../../host/link/board-report.js";
import { BoardOp } from "../../host/link/serial-frame.js";
import { settingsBlock } from "./board-line.js";
import { startQemu, serialPort } from "./qemu.js";
import { connectBtp, stream, until } from "../support/peers.js";
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

/** A board that runs, and its lines as an account's `serial` names them. */
interface Board {
  qemu: ChildProcess;
  lines: string[];
}

/** The board's accounts: one node is its parent, the other its child. */
export const BOARD_ACCOUNTS = `spread = 0
[accounts.a]
relation = "parent"
assetCode = "XRP"
assetScale = 9
balance = { maximum = "1000000000", minimum = "-1000000000" }
[accounts.b]
relation = "child"
assetCode = "XRP"
assetScale = 9
balance = { maximum = "1000000000", minimum = "-1000000000" }`;

const BOARD = `ilpAddressInheritFrom = "a"
${BOARD_ACCOUNTS}
[board.lines.0]
account = "a"
clock = true
report = true
[board.lines.1]
account = "b"
report = true
`;

/** A node with a board for a peer; `more`: other keys of that account. */
export const boardNode = (
  address: string,
  peer: string,
  relation: string,
  line: string,
  more = "",
): string => `
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
  serial = "${line}"
  ${more}
  balance = { maximum = "1000000000", minimum = "-1000000000" }`;

/** The board's own view of itself, once its line is free. */
async function askReport(device: string): Promise<BoardReport> {
  const line = await BoardLine.open({ kind: "serial", device, baud: 115_200, key: null });
  try {
    return readBoardReport(await line.ask(BoardOp.Report, new Uint8Array(0), true));
  } finally {
    line.close();
  }
}

/** Starts the board with settings; `onTerminals`: its two lines are not TCP ports. */
async function startBoard(machine: Machine, text: string, onTerminals: boolean): Promise<Board> {
  const folder = makeFolder();
  const elf = machine.build(folder);
  const settings = join(folder, "settings.bin");
  writeFileSync(settings, settingsBlock(text));
  const started = await startQemu(machine.qemu, onTerminals ? 0 : 2, (ports) => [
    ...machine.options,
    ...["-kernel", elf],
    ...["-device", `loader,file=${settings},addr=${machine.settings},force-raw=on`],
    ...(onTerminals
      ? ["-serial", "pty", "-serial", "pty"]
      : ports.flatMap((port) => ["-serial", serialPort(port)])),
  ]);
  const { qemu, ports, terminals } = started;
  return { qemu, lines: onTerminals ? terminals : ports.map((p) => `tcp://127.0.0.1:${p}`) };
}

/** What keeps a machine's tests from running, "" when nothing does; in CI that is an error. */
export function whyNot({ tools }: Machine): string {
  const missing = missingTools(tools);
  if (missing && process.env.CI) throw new Error(`NOT RUN, ${missing}`);
  return missing;
}

let payments = 0;

/** Two STREAM programs, one at each node. Returns what the second received. */
export async function payByStream(a: Connector, b: Connector, amount: bigint): Promise<bigint> {
  // Accounts of its own: what is still on its way to the payee before must not reach this one.
  const payment = ++payments;
  const receiver = await connectBtp(b.listening[0]!.url, `receiver ${payment}`);
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
  const sender = await connectBtp(a.listening[0]!.url, `sender ${payment}`);
  const options = { plugin: sender, destinationAccount, sharedSecret, slippage: 0 };
  const connection = await stream.createConnection(options);
  await connection.createStream().sendTotal(amount.toString());
  await connection.end();
  for (const each of connections) await each.destroy();
  await receiver.disconnect();
  await sender.disconnect();
  return received;
}

/** The tests of a board between two nodes; `onTerminals`: on lines that are terminals. */
export function testBetweenNodes(machine: Machine, onTerminals = false): void {
  const name = machine.name + (onTerminals ? " on terminals" : "");
  describe(`node, ${name}, node`, { skip: whyNot(machine) || false }, () => {
    let board: Board;
    const nodes: Connector[] = [];

    before(async () => {
      board = await startBoard(machine, BOARD, onTerminals);
      const texts = [
        boardNode("test.a", "board", "child", board.lines[0]!),
        boardNode("test.a.board.b", "board", "parent", board.lines[1]!),
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
      board.qemu.kill();
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
      const report = await askReport(board.lines[0]!);
      assert.equal(report.state, 0);
      const balances = report.accounts.map(({ id, balance: sum }) => `${id} ${sum}`);
      assert.deepEqual(balances.slice(-2), [`a ${-balance}`, `b ${balance}`]);
      // At most what was on the line when the board began to listen.
      assert.ok(report.counters.BadFrames! <= 1n);
      assert.deepEqual(
        report.lines.map(({ overruns, dropped }) => overruns + dropped),
        [0, 0],
      );
    });
  });
}
