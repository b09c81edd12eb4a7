// `ferrule board` against the Pico's release: the emulated board's first line is a TCP port.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseArgs } from "node:util";
import board from "../../host/cli/board.js";
import { CliError, parseOptions, type Input } from "../../host/cli/command.js";
import { toJson } from "../../host/cli/terminal.js";
import { ferrule, makeFolder, type Result } from "../cli/support.js";
import { KEY, SETTINGS, payment, reply, request, settingsBlock, time } from "./board-line.js";
import { WALL_MS, ask, check, flashed, start } from "./pico-rig.js";
import type { Pico } from "./pico.js";

const folder = makeFolder();
after(folder.close);
const env = { FERRULE_BOARD_KEY: KEY.toString("hex") };

/** The command in this process, which is quicker; `ferrule` runs it as a person would. */
async function run(
  args: string[],
  options: { env?: Record<string, string> } = {},
): Promise<Result> {
  const { values, positionals } = parseArgs({
    args,
    options: parseOptions(board),
    allowPositionals: true,
  });
  const out: string[] = [];
  const terminal = {
    print: (text: string) => void out.push(`${text}\n`),
    complain: () => assert.fail("nothing is said on standard error"),
    printJson: (value: unknown) => void out.push(toJson(value)),
    outliveReaders: () => {},
    paint: (_: unknown, text: string) => text,
  };
  process.env["FERRULE_BOARD_KEY"] = options.env?.["FERRULE_BOARD_KEY"] ?? "";
  try {
    const code = await board.run({ values: values as Input["values"], positionals, terminal });
    return { code, out: out.join(""), err: "" };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { code: error.exit, out: out.join(""), err: error.message };
  }
}

/** A board that runs as long as it is served, and its line's port. */
class Served {
  pico: Pico;
  #server: Server;
  #stopped = false;
  #connected: Socket | null = null;

  constructor(pico: Pico) {
    this.pico = pico;
    const wire = pico.wires[0];
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#connected = socket;
      wire.tap = (byte) => void this.#connected?.write(Uint8Array.of(byte));
      socket.on("data", (chunk) => wire.send(chunk));
      socket.on("close", () => {
        if (this.#connected === socket) this.#connected = null;
      });
      socket.on("error", () => socket.destroy());
    });
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const turn = (): void => {
      if (this.#stopped) return;
      // Alone it stands still, so that a command may start meanwhile.
      if (this.#connected) this.pico.run(2);
      setTimeout(turn, this.#connected ? 0 : 5);
    };
    turn();
    return `tcp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#stopped = true;
    this.#server.close();
  }
}

function assertRefused(result: Result, code: number, expected: RegExp): void {
  assert.equal(result.code, code, result.err);
  assert.equal(result.out, "");
  assert.match(result.err, expected);
  assert.doesNotMatch(result.err, /^\s+at /m);
  assert.ok(!result.err.includes(KEY.toString("hex")));
}

describe("ferrule board", () => {
  let served: Served;
  let line = "";

  before(async () => {
    const pico = start(flashed());
    const { prepare, fulfill } = payment("test.gateway.board.meter", 250n, WALL_MS, 1);
    const [near, far] = pico.wires;
    near.send(request(1, prepare));
    assert.ok(pico.runUntil(() => far.frames.length > 0));
    far.send(reply(far.frames.shift()!.id, fulfill));
    assert.ok(pico.runUntil(() => near.frames.length > 0));
    served = new Served(pico);
    line = await served.open();
  });
  after(() => served.close());

  it("shows how the board is, in words and as JSON", async () => {
    const { code, out, err } = await ferrule(["board", "status", line]);
    assert.equal(code, 0, err);
    assert.match(out, /^running\n/);
    assert.match(out, /line 0\s+gateway; 0 overruns/);
    assert.match(out, /gateway +they owe you 0\.00000025 XRP/);
    assert.match(out, /meter +you owe them 0\.00000025 XRP/);
    const json = await run(["status", `serial:${line}`, "--json"]);
    const report = JSON.parse(json.out) as {
      state: string;
      counters: Record<string, string>;
      accounts: { id: string; balance: string }[];
    };
    assert.equal(report.state, "running");
    assert.equal(report.counters["Fulfills"], "1");
    assert.deepEqual(
      report.accounts.map(({ id, balance }) => [id, balance]),
      [
        ["local", "0"],
        ["gateway", "250"],
        ["meter", "-250"],
      ],
    );
  });

  it("books a settlement with the key, and not without", async () => {
    const settle = (...args: string[]): string[] => ["settle", line, ...args];
    assertRefused(await run(settle("meter", "paid", "100")), 1, /refuses this settlement: .*key/);
    const { code, out, err } = await run(settle("meter", "paid", "100"), { env });
    assert.equal(code, 0, err);
    assert.equal(
      out,
      "meter: you owe them 0.00000025 XRP before; now you owe them 0.00000015 XRP.\n",
    );
    const json = await run(settle("gateway", "received", "250", "--json"), { env });
    assert.deepEqual(JSON.parse(json.out), { account: "gateway", before: "250", after: "0" });
    assertRefused(await run(settle("nobody", "paid", "1"), { env }), 1, /it has gateway, meter/);
    for (const wrong of [
      ["meter", "paid", "0"],
      ["meter", "given", "1"],
      ["meter", "paid"],
    ]) {
      assertRefused(await run(settle(...wrong), { env }), 2, /paid\|received <amount>/);
    }
  });

  it("sends settings with the key, newer ones only", async () => {
    const file = join(folder.path, "settings.bin");
    const setup = ["setup", line, file];
    writeFileSync(file, settingsBlock(SETTINGS, 1));
    assertRefused(await run(setup, { env }), 1, /not newer/);
    writeFileSync(file, settingsBlock(SETTINGS, 2));
    assertRefused(await run(setup), 1, /refuses these settings: .*key/);
    assertRefused(await run(setup, { env: { FERRULE_BOARD_KEY: "12" } }), 2, /hexadecimal/);
    const { code, out, err } = await run(setup, { env });
    assert.equal(code, 0, err);
    assert.match(out, /revision 2 and starts over/);
    const again = await run(["status", line, "--json"]);
    assert.equal(again.code, 1, "it has not been told the time again");
    const report = JSON.parse(again.out) as { state: string; revision: number };
    assert.deepEqual([report.state, report.revision], ["no time yet", 2]);
    assertRefused(await run(["setup", line, join(folder.path, "none")]), 69, /missing/);
    writeFileSync(file, "no block");
    assertRefused(await run(["setup", line, file]), 2, /no settings block/);
    ask(served.pico, 0, 70, time(70, WALL_MS));
    check(served.pico, 1);
  });

  it("says what is wrong with a line", async () => {
    assertRefused(await run(["status", "COM3"]), 2, /is no line: write serial:/);
    assertRefused(await run(["status", line, "--baud", "7"]), 2, /--baud takes/);
    assertRefused(await run(["reset", line]), 2, /ferrule board status <line>/);
    assertRefused(await run(["status", "/dev/ferrule-none"]), 69, /ferrule-none/);
    const silent = createServer((socket) => socket.resume().on("error", () => socket.destroy()));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const result = await ferrule(["board", "status", `tcp://127.0.0.1:${port}`]);
    silent.close();
    assertRefused(result, 69, /does not answer/);
    const closed = await run(["status", `tcp://127.0.0.1:${port}`]);
    assertRefused(closed, 69, /ECONNREFUSED/);
  });
});
