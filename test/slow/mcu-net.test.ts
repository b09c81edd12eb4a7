// A microcontroller on a network between two nodes: Cortex-M3 with Ethernet under QEMU, TCP lines
// that both ends prove their key on. Two unmodified STREAM programs pay through all three, while
// everybody else on the network does what they should not.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { MPS2_SETTINGS, buildMps2, buildMps2Net } from "../../boards/cortex-m/build.mjs";
import { missingTools } from "../../boards/mcu/build.mjs";
import { LWIP_TOOLS, fetchLwip } from "../../boards/mcu/lwip.mjs";
import { parseConfig } from "../../host/config/index.js";
import { createConnector, type Connector } from "../../host/connector.js";
import {
  FrameReader,
  Op,
  readReport,
  settingsBlock,
  status,
  type Report,
} from "../boards/board-line.js";
import {
  ARP,
  RawEthernet,
  arp,
  arpRequest,
  ethernet,
  hubArguments,
  isAnnouncement,
  look,
  rawArguments,
  segment,
} from "../boards/ethernet.js";
import { RawPeer } from "../boards/sealed-line.js";
import { BOARD_ACCOUNTS, boardNode, payByStream } from "../boards/between.js";
import { serialPort, startQemu } from "../boards/qemu.js";
import { until } from "../support/peers.js";
import { makeFolder } from "./identity-native.js";

const TOOLS = {
  wasm2c: "wabt",
  "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
  "qemu-system-arm": "qemu-system-arm",
  ...LWIP_TOOLS,
};
const missing = missingTools(TOOLS);
if (missing && process.env.CI) throw new Error(`NOT RUN, ${missing}`);

/** Ports of the board's lines, inside. */
const PORTS = [7768, 7769, 7770, 7771];
const KEYS = PORTS.map((_, line) => Buffer.alloc(32, line + 1));
const hexKey = (line: number): string => KEYS[line]!.toString("hex");

/** `network`: its table of the settings. */
const board = (network: string): string => `ilpAddress = "test.a.board"
${BOARD_ACCOUNTS}
[board.network]
${network}
[board.lines.0]
account = "a"
listen = ${PORTS[0]}
key = "${hexKey(0)}"
clock = true
[board.lines.1]
account = "b"
listen = ${PORTS[1]}
key = "${hexKey(1)}"
[board.lines.2]
listen = ${PORTS[2]}
key = "${hexKey(2)}"
report = true
[board.lines.3]
listen = ${PORTS[3]}
key = "${hexKey(3)}"
report = true
`;

const node = (address: string, peer: string, relation: string, port: number, key: string) =>
  boardNode(address, peer, relation, `tcp://127.0.0.1:${port}`, `serialKey = "${key}"`);

/** QEMU with a board, and where its lines are outside. */
interface Machine {
  qemu: ChildProcess;
  ports: number[];
  /** UDP ports of the raw network: here, and QEMU's. */
  raw: [here: number, there: number];
}

const STATIC = 'address = "10.0.2.15/24"\ngateway = "10.0.2.2"';

/** `alone`: with the raw network only. */
async function startMachine(
  elf: string,
  folder: string,
  network: string,
  alone = false,
): Promise<Machine> {
  const settings = join(folder, "settings.bin");
  writeFileSync(settings, settingsBlock(board(network)));
  const started = await startQemu(
    "qemu-system-arm",
    PORTS.length + 2,
    ([here, there, ...ports]) => {
      const forwards = PORTS.map((port, i) => `hostfwd=tcp:127.0.0.1:${ports[i]}-:${port}`);
      return [
        ...["-M", "mps2-an385", "-kernel", elf],
        ...["-device", `loader,file=${settings},addr=${MPS2_SETTINGS},force-raw=on`],
        ...["-serial", "null", "-serial", "null"],
        ...(alone
          ? rawArguments(here!, there!)
          : hubArguments(["restrict=on", ...forwards].join(","), here!, there!)),
      ];
    },
  );
  const [here, there, ...ports] = started.ports as [number, number];
  return { qemu: started.qemu, ports, raw: [here, there] };
}

/** Connects and waits for the greeting; tries again until the board is there. */
async function meet(port: number): Promise<RawPeer> {
  let peer = new RawPeer(port);
  await until("the board's greeting", () => {
    if (peer.nonce) return true;
    if (peer.isOver) peer = new RawPeer(port);
    return false;
  });
  return peer;
}

/** A peer that has the line; tries again when the board did not wait for this machine. */
async function enter(port: number, line: number): Promise<RawPeer> {
  for (let attempt = 1; ; attempt++) {
    const peer = await meet(port);
    peer.prove(KEYS[line]!);
    await until("the board's hello", () => peer.frames.length > 0 || peer.isOver);
    if (peer.frames.length > 0 || attempt === 5) return peer;
  }
}

async function askReport(peer: RawPeer): Promise<Report> {
  const seen = peer.frames.length;
  peer.write(peer.sealer!.seal(status(4711, Op.Report)));
  const isReport = (): boolean => peer.frames.slice(seen).some(({ id }) => id === 4711);
  await until("a report", isReport);
  return readReport(peer.frames.slice(seen).find(({ id }) => id === 4711)!.payload);
}

/** The same over a serial line, which needs no proof. */
async function askSerial(port: number): Promise<Report> {
  const reader = new FrameReader();
  let answer: Uint8Array | null = null;
  let socket = connect(port, "127.0.0.1");
  const open = (): void => {
    socket.destroy();
    socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.on("connect", () => socket.write(Buffer.concat([Buffer.of(0), status(1, Op.Report)])));
    socket.on("data", (chunk) => {
      const found = reader.push(chunk).find((frame) => frame?.id === 1);
      if (found) answer = found.payload;
    });
  };
  // Again and again: the machine has to start.
  const timer = setInterval(open, 500);
  socket.on("error", () => undefined);
  await until("a report", () => answer !== null);
  clearInterval(timer);
  socket.destroy();
  return readReport(answer!);
}

/** Things that whoever knows no key may try; each comes back when the board has ended it. */
const HOSTILE: [what: string, how: (peer: RawPeer) => void][] = [
  ["garbage", (peer) => peer.write(randomBytes(40_000))],
  ["no delimiter", (peer) => peer.write(Buffer.alloc(2000, 1))],
  ["delimiters", (peer) => peer.write(Buffer.alloc(500))],
  ["the wrong key", (peer) => peer.prove(randomBytes(32))],
  ["a line's key of another line", (peer) => peer.prove(KEYS[2]!)],
  ["a status frame", (peer) => peer.write(status(1, Op.Report))],
  ["a truncated proof", (peer) => peer.write(status(0, 0x86, randomBytes(47)))],
  ["a proof of zeros", (peer) => peer.write(status(0, 0x86, Buffer.alloc(48)))],
];

/** How many connections the board has refused, and how many of them may have been ended for their
 * age instead, because this machine was slow. */
const refusals = { count: 0, late: 0 };
/** After five seconds without a proof the board ends a connection, and does not count it. */
const PATIENCE_MS = 5000;

/** Waits until the board has ended a connection for what came over it. */
async function refused(what: string, peer: RawPeer, bornMs: number): Promise<void> {
  await until(`the end of ${what}`, () => peer.isOver);
  refusals.count += 1;
  if (performance.now() - bornMs > PATIENCE_MS) refusals.late += 1;
}

/** All of it once, to one port. */
async function attack(port: number): Promise<void> {
  for (const [what, how] of HOSTILE) {
    const born = performance.now();
    const peer = await meet(port);
    how(peer);
    await refused(what, peer, born);
    assert.deepEqual(peer.frames, []);
    peer.close();
  }
  // Resets in the middle of everything, and ends that say nothing.
  for (let i = 0; i < 10; i++) {
    const peer = await meet(port);
    if (i % 2 === 0) peer.write(Buffer.alloc(1 + i, 1));
    peer.reset();
  }
  const silent = Array.from({ length: 10 }, () => connect(port, "127.0.0.1"));
  for (const each of silent) each.on("error", () => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const each of silent) each.destroy();
}

const SYN = 2;
const ACK = 16;

/** Something that a board's network has to bear: half-open connections, odd segments, noise. */
function oddFrame(i: number): Buffer {
  const ends = [`10.0.2.${100 + (i % 100)}`, "10.0.2.15"] as const;
  const noise = randomBytes(1 + ((i * 37) % 1500));
  const spoil = (ip: Buffer, tcp: Buffer): void => {
    if (i % 8 === 2) ip[(i >> 3) % 20] = noise[0]!;
    else tcp[12 + ((i >> 3) % 4)] = noise[0]!;
  };
  if (i % 4 === 0) return segment(...ends, [1024 + i, PORTS[(i >> 2) % 3]!], SYN);
  if (i % 4 === 2) return segment(...ends, [1024 + i, PORTS[0]!], noise[0]!, spoil);
  if (i % 8 === 1) return arp(noise.subarray(0, 22));
  return ethernet([0x0800, ARP, 0x86dd, i & 0xffff][(i >> 1) % 4]!, noise);
}

async function pay([a, b]: Connector[], total: bigint): Promise<void> {
  assert.equal(await payByStream(a!, b!, total), total);
}

const balanceOf = (node: Connector): bigint => node.core.account(1).balance;

/** Built once. */
const firmware = ((): (() => string) => {
  let elf = "";
  return () => (elf ||= buildMps2Net(makeFolder()));
})();

describe("node, microcontroller on a network, node", { skip: missing || false }, () => {
  let machine: Machine;
  let ports: number[];
  const nodes: Connector[] = [];

  const linked = (): Promise<void> =>
    until("both lines", () => nodes.every((each) => each.linkOf(1) !== null));

  before(async () => {
    const folder = makeFolder();
    machine = await startMachine(firmware(), folder, STATIC);
    ports = machine.ports;
    const texts = [
      node("test.a", "board", "child", ports[0]!, hexKey(0)),
      node("test.a.board.b", "board", "parent", ports[1]!, hexKey(1)),
    ];
    for (const text of texts) {
      const config = { ...parseConfig(text, "node.toml"), dataDir: "" };
      nodes.push(createConnector(config));
    }
    for (const each of nodes) await each.start();
    await linked();
  });

  after(async () => {
    for (const each of nodes) await each.stop();
    machine.qemu.kill();
  });

  test("the same sources give the same firmware", () => {
    const hash = (path: string): string =>
      createHash("sha256").update(readFileSync(path)).digest("hex");
    assert.equal(hash(buildMps2Net(makeFolder())), hash(firmware()));
  });

  test("a ping goes through and comes back", async () => {
    const { reply, code } = await nodes[0]!.ping("test.a.board.b", 3n);
    assert.equal(`${reply} ${code}`, "fulfill ");
  });

  test("a STREAM payment goes through, to the unit", async () => {
    await pay(nodes, 123_456_789n);
    assert.deepEqual(nodes.map(balanceOf), [-123_456_789n, 123_456_789n]);
  });

  test("strangers at both ports do not disturb payments", async () => {
    const links = nodes.map((each) => each.linkOf(1));
    const before = balanceOf(nodes[1]!);
    const attacks = Promise.all([attack(ports[0]!), attack(ports[1]!)]);
    let isOver = false;
    void attacks.then(() => (isOver = true));
    let paid = 0n;
    for (; !isOver || paid === 0n; paid += 1_000_000n) await pay(nodes, 1_000_000n);
    await attacks;
    const after = before + paid;
    assert.deepEqual(nodes.map(balanceOf), [-after, after]);
    assert.ok(
      nodes.every((each, i) => each.linkOf(1) === links[i]),
      "the lines are the same",
    );
  });

  test("what one connection said is worth nothing on the next", async () => {
    const first = await enter(ports[2]!, 2);
    await askReport(first);
    const born = performance.now();
    const second = await meet(ports[2]!);
    second.write(first.sent[0]!);
    await refused("the replay", second, born);
    first.close();
  });

  test("a new peer with the key replaces the old one; a changed record ends it", async () => {
    const old = await enter(ports[2]!, 2);
    const peer = await enter(ports[2]!, 2);
    await until("the end of the old connection", () => old.isOver);
    await askReport(peer);
    const record = peer.sealer!.seal(status(1, Op.Report));
    record[10]! ^= 1;
    peer.write(record);
    await until("the end of the changed record", () => peer.isOver);
    const again = await enter(ports[2]!, 2);
    again.write(Buffer.from([0, 0]));
    await until("the end of an empty record", () => again.isOver);
    refusals.count += 2;
  });

  test("a line lost in the middle of a frame is taken up again", async () => {
    for (const [line, port] of ports.slice(0, 2).entries()) {
      const thief = await enter(port, line);
      // Half a frame in a whole record, and half a record.
      thief.write(thief.sealer!.seal(Buffer.from("half a frame")));
      thief.write(thief.sealer!.seal(Buffer.alloc(900, 7)).subarray(0, 400));
      thief.reset();
    }
    await linked();
    let code = "";
    await until("a ping", async () => {
      ({ code } = await nodes[0]!.ping("test.a.board.b", 3n));
      return code === "";
    });
    const [a, b] = nodes.map(balanceOf) as [bigint, bigint];
    assert.equal(a, -b);
    await pay(nodes, 1_000_000n);
    assert.deepEqual(nodes.map(balanceOf), [a - 1_000_000n, b + 1_000_000n]);
  });

  test("a peer that takes nothing holds up nobody", async () => {
    const deaf = await enter(ports[2]!, 2);
    deaf.socket.pause();
    const watcher = await enter(ports[3]!, 3);
    const [a, b] = nodes.map(balanceOf) as [bigint, bigint];
    // Everything between takes megabytes before the board's own ring is full, and it drops answers.
    const isFull = async (): Promise<boolean> => {
      for (let i = 0; i < 500; i++) deaf.write(deaf.sealer!.seal(status(i, Op.Report)));
      return (await askReport(watcher)).lines[2]!.dropped > 0;
    };
    await until("a full ring", isFull, 60_000);
    await pay(nodes, 1_000_000n);
    assert.deepEqual(nodes.map(balanceOf), [a - 1_000_000n, b + 1_000_000n]);
    deaf.reset();
    watcher.close();
  });

  test("frames that are nothing, and half-open connections by hundreds", async () => {
    const raw = await RawEthernet.open(...machine.raw);
    const [a, b] = nodes.map(balanceOf) as [bigint, bigint];
    const flood = (async () => {
      // QEMU's own network reads them too, and ends when a segment is too odd.
      for (let i = 0; i < 1200; i++) if (i % 4 !== 2) await raw.send(oddFrame(i));
    })();
    await pay(nodes, 1_000_000n);
    await flood;
    assert.deepEqual(nodes.map(balanceOf), [a - 1_000_000n, b + 1_000_000n]);
    // Somebody who means it comes through once the half-open ones are given up.
    const peer = await enter(ports[2]!, 2);
    assert.ok(raw.seen.length > 0, "the board has answered to the raw network");
    peer.close();
    raw.close();
  });

  test("the board's books agree with both", async () => {
    const [a, b] = nodes.map(balanceOf) as [bigint, bigint];
    const report = await askReport(await enter(ports[2]!, 2));
    assert.equal(report.state, 0);
    assert.deepEqual([report.balances[1], report.balances[2]], [-a, -b]);
    assert.equal(report.pending[1]! + report.pending[2]!, 0n);
    const faults = report.lines.reduce((sum, line) => sum + line.faults, 0);
    const { count, late } = refusals;
    assert.ok(faults <= count && faults >= count - late, `${faults} of ${count}, ${late} late`);
  });
});

describe("a board that asks DHCP", { skip: missing || false }, () => {
  test("gets its address and is reached", async () => {
    const folder = makeFolder();
    const { qemu, ports } = await startMachine(firmware(), folder, 'address = "dhcp"');
    try {
      const peer = await enter(ports[2]!, 2);
      assert.equal((await askReport(peer)).state, 2);
      peer.close();
    } finally {
      qemu.kill();
    }
  });
});

describe("a board alone with somebody who sends frames", { skip: missing || false }, () => {
  test("is there afterwards", async () => {
    const { qemu, raw: ends } = await startMachine(firmware(), makeFolder(), STATIC, true);
    const raw = await RawEthernet.open(...ends);
    const [me, board] = ["10.0.2.99", "10.0.2.15"];
    const isKnown = async (): Promise<boolean> => {
      await raw.send(arpRequest(me, board));
      return raw.seen.some((frame) => look(frame).type === ARP && frame[21] === 2);
    };
    try {
      await until("an answer to ARP", isKnown);
      assert.ok(raw.seen.some(isAnnouncement), "the board says when it starts");
      raw.seen.length = 0;
      for (let i = 0; i < 4000; i++) await raw.send(oddFrame(i));
      assert.ok(!raw.seen.some(isAnnouncement), "the board has started anew");
      raw.seen.length = 0;
      await until("an answer to ARP after the flood", isKnown);
      let port = 20_000;
      await until("a connection after the flood", async () => {
        await raw.send(segment(me, board, [port++, PORTS[1]!], SYN));
        return raw.seen.some((frame) => look(frame).flags === (SYN | ACK));
      });
      assert.ok(!raw.seen.some(isAnnouncement), "the board has started anew");
    } finally {
      raw.close();
      qemu.kill();
    }
  });
});

describe("settings and firmware of another kind", { skip: missing || false }, () => {
  /** The state of a board with two serial lines and no network. */
  async function stateOf(elf: string, text: string): Promise<number> {
    const settings = join(makeFolder(), "settings.bin");
    writeFileSync(settings, settingsBlock(text));
    const { qemu, ports } = await startQemu("qemu-system-arm", 1, ([port]) => [
      ...["-M", "mps2-an385", "-kernel", elf],
      ...["-device", `loader,file=${settings},addr=${MPS2_SETTINGS},force-raw=on`],
      ...["-serial", serialPort(port!)],
    ]);
    try {
      return (await askSerial(ports[0]!)).state;
    } finally {
      qemu.kill();
    }
  }
  const [accounts] = board("").split("[board.network]") as [string];
  const line = '[board.lines.0]\naccount = "a"\nreport = true\n';

  test("a board without a network refuses ports, and says so", async () => {
    const text = `${accounts}${line}listen = 7768\nkey = "${hexKey(0)}"\n`;
    assert.equal(await stateOf(buildMps2(makeFolder()), text), 4);
  });

  test("a board with one takes settings of serial lines", async () => {
    assert.equal(await stateOf(firmware(), accounts + line), 2);
  });
});

test("a version of lwIP that is gone is not the end", { skip: missing || false }, () => {
  const sha256 = { "lwip_gone.dsc": "0".repeat(64) };
  const folder = fetchLwip({ suite: "bookworm", package: "lwip", version: "0~gone", sha256 });
  assert.ok(existsSync(join(folder, "src/core/tcp.c")));
});

test("settings say what is wrong with a network", () => {
  const wrong = (from: string, to: string): string => board(STATIC).replace(from, to);
  const cases: [text: string, says: RegExp][] = [
    [wrong(`key = "${hexKey(0)}"`, ""), /lines\.0\.key is missing: anybody/],
    [wrong(hexKey(0), hexKey(1)), /lines\.1\.key is another line's/],
    [wrong(hexKey(0), "00".repeat(32)), /lines\.0\.key must be 64/],
    [wrong(`listen = ${PORTS[1]}`, `listen = ${PORTS[0]}`), /lines\.1\.listen is another/],
    [wrong(`listen = ${PORTS[0]}`, "listen = 70000"), /1 to 65535/],
    [wrong('"b"\nlisten', '"a"\nlisten'), /lines\.1\.account is "a", which has a line already/],
    [wrong(`listen = ${PORTS[2]}\nkey = "${hexKey(2)}"`, ""), /lines\.2\.listen is missing/],
    [wrong("10.0.2.15/24", "10.0.2.15"), /network\.address must be "dhcp"/],
    [wrong("10.0.2.15/24", "10.0.2.256/24"), /must be an IPv4 address/],
    [wrong("10.0.2.15/24", "dhcp"), /gateway cannot stand beside DHCP/],
    [wrong("gateway =", "router ="), /network\.router is no key/],
  ];
  for (const [text, says] of cases) assert.throws(() => settingsBlock(text), says);
});
