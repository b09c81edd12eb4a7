// The card image in QEMU: it is the same when made again; it starts, waits for the clock, and
// people pay through it; its books survive the plug being pulled; it survives a full data partition
// and a bad update. run.mjs says which parts are run, and how often the plug is pulled.
import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FrameReader, Op, status } from "../../../test/boards/board-line.ts";
import { buildHost } from "../tools/bundle.mjs";
import { emptyFolder, out, PROGRAMS, run, sha256 } from "../tools/common.mjs";
import { lockOrPresent } from "../tools/debian.mjs";
import { makeData, makeImage, offsets, writeAt } from "../tools/image.mjs";
import { BOARD, Card, Load, configuration, startGateway } from "./gateway.mjs";
import { startNtpServer } from "./ntp-server.mjs";
import { cannotRun, measured, pause, unlessChosen, until } from "./support.mjs";

const CUTS = Number(process.env.FERRULE_CUTS ?? 2);
const IN_FLIGHT = 50;
/**
 * What a cut may cost: a commitPeriod of 50 ms and a write. Here the processor that does both is
 * emulated and shared: it stands still for as long as the packets do, which is added three times
 * (before the commit, while it is written, and when the guest is told of the end of a write).
 */
const RISK_MS = Number(process.env.FERRULE_RISK_MS ?? 500);
const STALLS = 3;

const skip = cannotRun({ ...PROGRAMS, "qemu-system-aarch64": "qemu-system-arm" });

/** Options of the test that needs U-Boot. */
function withUboot() {
  const options = unlessChosen("uboot");
  if (options.skip) return options;
  return { skip: cannotRun({ "../lib/u-boot/qemu_arm64/u-boot.bin": "u-boot-qemu" }) };
}

/** Made with the locked packages, or loudly with Debian's present ones where those are gone. */
const buildImage = () => makeImage(lockOrPresent());

let image;
let gateway = null;
let card = null;

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/** Bytes that are free in an ext4 file system. */
function freeBytes(path) {
  const text = String(run("dumpe2fs", ["-h", path]));
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)[1]);
  return (field("Free blocks") - field("Reserved block count")) * field("Block size");
}

/** Starts a machine from the card as it is; the one before is switched off. */
async function start(kind = "virt") {
  await gateway?.pullPlug();
  gateway = await startGateway(kind, card, image);
  return gateway;
}

/** A card as it was made, with these lines in gateway.txt; what ran from the one before ends. */
async function freshCard(settings) {
  await gateway?.pullPlug();
  gateway = null;
  card?.remove();
  card = new Card(image.image, settings);
}

/** The token that the first start shows. */
async function readToken() {
  [, gateway.token] = await gateway.shows(/ token {2}(\S+)/);
}

/** A gateway that takes packets and whose token is known: the one that runs, or a new one. */
async function running() {
  if (gateway !== null && !gateway.machine.hasEnded && gateway.token !== null) return;
  await freshCard();
  await start();
  await readToken();
  await gateway.isReady();
}

/** Pays for a while; then every balance must be what the peers counted. */
async function payAndCompare(before = new Map()) {
  const load = await Load.start(gateway, IN_FLIGHT);
  await load.answered(500);
  await load.sender.finish();
  const now = await gateway.balances();
  load.end();
  assert.ok(load.sender.sent > 0n, "something was paid");
  assert.equal(load.sender.wrong, 0);
  assert.equal(load.sender.sent, load.receiver.received);
  assert.equal(now.get("alice") - (before.get("alice") ?? 0n), load.sender.sent);
  assert.equal(now.get("bob") - (before.get("bob") ?? 0n), -load.receiver.received);
  return now;
}

/** Pulls the plug while Alice pays Bob, starts again, compares; what was lost. */
async function cutUnderLoad(before) {
  const { token } = gateway;
  const load = await Load.start(gateway, IN_FLIGHT);
  await load.answered(200);
  await pause(Math.random() * 2000);
  const cutAt = performance.now();
  await gateway.pullPlug();
  load.end();
  await start();
  gateway.token = token;
  await gateway.isReady();
  assert.doesNotMatch(gateway.console, / token /, "the token is shown once");
  const now = await gateway.balances();
  const alice = now.get("alice") - before.get("alice");
  const bob = now.get("bob") - before.get("bob");
  assert.equal(alice, -bob, "both accounts are of one moment");
  assert.ok(alice <= load.receiver.received, `${alice} is more than Bob ever fulfilled`);
  const { sent, fulfilled } = load.sender;
  const lost = sent > alice ? sent - alice : 0n;
  const lateMs = Math.round(load.lateness(alice, cutAt));
  const stallMs = Math.round(load.longestStall(cutAt));
  const restartMs = Math.round(gateway.machine.elapsedMs);
  return { now, fulfilled, sent, lost, lateMs, stallMs, restartMs };
}

/** Puts an update onto the card. */
function offer(path) {
  card.copy(path);
  card.write("update.sha256", `${sha256(readFileSync(path))}  update.sqfs\n`);
}

/** A card whose data partition has only so many bytes left. */
async function fullCard(bytes) {
  await freshCard();
  const files = emptyFolder(join(out, "full"));
  const size = String(freeBytes(join(out, "data.ext4")) - bytes);
  run("sh", ["-c", `head -c ${size} /dev/zero | tr '\\0' x >${join(files, "ballast")}`]);
  writeAt(card.path, offsets().data << 20, makeData(join(out, "full.ext4"), files));
}

describe("card image", { skip }, () => {
  let stopTime;
  let noClock = null;
  before(async () => {
    buildHost();
    image = await buildImage();
  });
  after(async () => {
    await gateway?.pullPlug();
    stopTime?.();
    card?.remove();
  });

  /** Starts this machine's time server; skips the test, loudly, where that is not allowed. */
  async function hasTime(test) {
    if (stopTime) return true;
    try {
      stopTime = await startNtpServer();
      return true;
    } catch (error) {
      if (process.env.CI) throw error;
      noClock = `SKIPPED: a time server needs port 123 of this machine (${error.code})`;
      test.skip(noClock);
      return false;
    }
  }

  it("is the same when it is made again", unlessChosen("image"), async () => {
    const first = sha256(readFileSync(image.image));
    image = await buildImage();
    assert.equal(sha256(readFileSync(image.image)), first);
  });

  it("shows where it is and a token, and takes nothing yet", unlessChosen("image"), async () => {
    await freshCard();
    card.write("ferrule.toml", configuration() + BOARD);
    await start();
    await readToken();
    const { token } = gateway;
    measured(`virt: the node answers ${seconds(await gateway.answers())} after the start`);
    assert.match(gateway.console, /BTP {4}ws:\/\/10\.0\.2\.15:7768/);
    gateway.token = null;
    assert.equal((await gateway.ask("/accounts")).status, 401, "without a token");
    gateway.token = token;
    assert.equal((await gateway.ask("/readyz")).status, 503);
    assert.match((await gateway.ask("/status")).body.line, /^waiting clock not set yet/);
    const load = await Load.start(gateway, 1);
    await load.answered(3);
    await load.sender.finish();
    load.end();
    assert.equal(load.sender.fulfilled, 0);
    assert.deepEqual([...load.sender.codes.keys()], ["T03"]);
  });

  it("sets the clock, and is paid through from outside", unlessChosen("image"), async (test) => {
    if (!(await hasTime(test))) return;
    await gateway.shows(/The clock is set: /);
    await gateway.isReady();
    measured(`virt: ready ${seconds(gateway.machine.elapsedMs)} after the start`);
    await payAndCompare();
  });

  it(
    "has a board on USB for a peer, and tells it the time",
    unlessChosen("image"),
    async (test) => {
      if (!(await hasTime(test))) return;
      const board = connect(gateway.ports.board, "127.0.0.1");
      const reader = new FrameReader();
      const frames = [];
      board.on("error", () => undefined);
      board.on("data", (chunk) => frames.push(...reader.push(chunk)));
      try {
        await until("the time on the board's line", 300_000, () => {
          board.write(Buffer.concat([Buffer.of(0), status(0, Op.Hello, Buffer.of(2, 2))]));
          return frames.some((frame) => frame?.payload[0] === Op.Time);
        });
      } finally {
        board.destroy();
      }
    },
  );

  it(`keeps its books through ${CUTS} power cuts`, unlessChosen("cuts"), async (test) => {
    if (!(await hasTime(test))) return;
    await running();
    let before = await gateway.balances();
    const late = [];
    for (let cut = 1; cut <= CUTS; cut++) {
      const seen = await cutUnderLoad(before);
      before = seen.now;
      late.push(seen.lateMs);
      measured(
        `cut ${cut}: of ${seen.sent} in ${seen.fulfilled} packets that Alice saw fulfilled ` +
          `the books lack ${seen.lost}, those of the last ${seen.lateMs} ms (longest stall ` +
          `${seen.stallMs} ms); ready again after ${seconds(seen.restartMs)}`,
      );
      const riskMs = RISK_MS + STALLS * seen.stallMs;
      assert.ok(seen.lateMs <= riskMs, `more than ${riskMs} ms are lost: ${seen.lateMs} ms`);
    }
    late.sort((a, b) => a - b);
    measured(`${CUTS} cuts: median ${late[late.length >> 1]} ms lost, at most ${late.at(-1)} ms`);
    await payAndCompare(before);
  });

  it("takes an update, and goes back from a bad one", unlessChosen("update"), async (test) => {
    if (!(await hasTime(test))) return;
    await running();
    const { token } = gateway;
    const before = await payAndCompare(await gateway.balances());
    // Many times a commitPeriod.
    await pause(3000);
    await gateway.pullPlug();
    const good = join(out, "update.sqfs");
    copyFileSync(image.slot, good);
    offer(good);
    await start();
    await gateway.shows(/Installing update \w+ in slot b/);
    await gateway.shows(/Slot b is on trial/);
    await gateway.shows(/Slot b is healthy and stays/);
    gateway.token = token;
    assert.deepEqual(await gateway.balances(), before);
    await gateway.pullPlug();

    // A system without a node in it.
    const bad = ["-quiet", "-no-progress", "-all-root", "-noappend", "-e", "usr/lib/ferrule"];
    run("mksquashfs", [join(out, "root"), good, ...bad]);
    offer(good);
    card.write("gateway.txt", "ntp=10.0.2.2\nhealth=10\n");
    await start();
    await gateway.shows(/Installing update \w+ in slot a/);
    await gateway.shows(/Slot a is on trial/);
    await gateway.shows(/The node does not answer: starting again/);
    await gateway.shows(/Slot a did not become healthy: back to slot b/);
    await gateway.answers();
    gateway.token = token;
    assert.deepEqual(await gateway.balances(), before);
  });

  it("says that the data partition is full, and goes on", unlessChosen("full"), async () => {
    await fullCard(1 << 20);
    await start();
    await gateway.shows(/The data partition is full or cannot be written/);
    // It goes on trying, and does not start again and again.
    await gateway.shows(/(Ferrule ended: [^]*){3}/);
    assert.equal(gateway.console.split("Ferrule gateway (slot").length, 2);
  });

  it("is paid through where only the books fit", unlessChosen("full", "long"), async (test) => {
    if (!(await hasTime(test))) return;
    await fullCard(24 << 20);
    await start();
    await readToken();
    await gateway.isReady();
    await payAndCompare();
  });

  it("is read by U-Boot from the card", withUboot(), async () => {
    await freshCard();
    await start("uboot");
    await gateway.shows(/U-Boot 20\d\d/);
    measured(`U-Boot: the node answers ${seconds(await gateway.answers())} after the start`);
  });

  it("runs on QEMU's Raspberry Pi 3", unlessChosen("raspi3b", "long"), async (test) => {
    if (!(await hasTime(test))) return;
    // QEMU's watchdog of the Pi knows no time: whoever starts it resets the machine at once.
    await freshCard("watchdog=no\n");
    for (let tries = 1; ; tries++) {
      await start("raspi3b");
      const [said] = await gateway.shows(/Not connected|Ferrule gateway \(slot/);
      if (said !== "Not connected") break;
      // A race between QEMU's USB controller and Linux' driver, now and then.
      console.log("  QEMU has lost the USB network: started again");
      assert.ok(tries < 5, "QEMU has lost the USB network five times");
    }
    await readToken();
    await gateway.isReady();
    measured(`raspi3b: ready ${seconds(gateway.machine.elapsedMs)} after the start`);
    await payAndCompare();
  });
});
