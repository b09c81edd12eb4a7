// SIGKILL under load, over and over: a payer and a payee with books of their own pay through a node
// that is killed at a random moment and started again on what it has left. After each, its books
// and theirs differ by no more than possible claims explain, and what it had said was at risk.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadConfig } from "../../host/config/index.js";
import { createConnector } from "../../host/connector.js";
import { BtpPeer, Receiver, Sender, sha256 } from "../support/btp-peer.js";
import { randomFrom, type Mode } from "../store/rig.js";

/** Most the payer's account may have at risk, base units. */
const RISK_MAX = 40_000n;

export interface KillReport {
  mode: Mode;
  seed: number;
  kills: number;
  /** Packets fulfilled over all lives. */
  fulfilled: number;
  /** Kills after which something was a possible claim. */
  withClaims: number;
  /** Value the payer saw fulfilled that was neither posted nor a claim, in all and at most. */
  lost: bigint;
  worstLost: bigint;
  /** Longest start on what was left. */
  worstStartMs: number;
}

/** Loads a node ahead of time, so that a kill is followed by the next start at once. */
class Spare {
  readonly child: ChildProcess;
  #text = "";
  #wake: (() => void) | null = null;

  constructor() {
    const program = fileURLToPath(new URL("node.mjs", import.meta.url));
    this.child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
    this.child.stdout!.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString();
      this.#wake?.();
    });
    this.child.once("exit", () => this.#wake?.());
  }

  async #line(): Promise<string> {
    while (!this.#text.includes("\n")) {
      if (this.child.exitCode !== null) throw new Error("The node ended before it had started.");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  /** Starts the node. @returns its BTP port's URL */
  async start(file: string): Promise<string> {
    assert.equal(await this.#line(), "ready");
    this.child.stdin!.write(`${file}\n`);
    type Said = { listening?: { url: string }[]; problem?: string };
    const said = JSON.parse(await this.#line()) as Said;
    assert.equal(said.problem, undefined);
    return said.listening![0]!.url;
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await ended;
  }
}

function writeConfig(folder: string, mode: Mode): string {
  const account = (id: string, more = ""): string => `
    [accounts.${id}]
    relation = "peer"
    assetCode = "XRP"
    assetScale = 9
    rateLimit = { refillCount = 4000000 }
    balance = { maximum = "Infinity" }
    ${more}
    btp = { listen = true, token = "${id}" }`;
  const file = join(folder, "ferrule.toml");
  const toml = `ilpAddress = "test.node"
    dataDir = "${join(folder, "data")}"
    durability = "${mode === "strict" ? "strict" : "group"}"
    trail = ${mode === "trail"}
    journalSize = 262144
    spread = "0"
    ${account("payer", `maxAtRisk = "${RISK_MAX}"`)}
    ${account("payee")}
    [btp]
    port = 0
    [http]
    enabled = false
    [admin]
    enabled = false
    [[routes]]
    targetPrefix = "test.payee"
    peerId = "payee"`;
  writeFileSync(file, toml);
  return file;
}

/** What the two peers have counted since their books and the node's were last made equal. */
interface Counted {
  sent: bigint;
  received: bigint;
  /** Packets the payer has no answer for. */
  unanswered: bigint;
  fulfilled: number;
}

async function load(
  url: string,
  ms: number,
  seed: number,
): Promise<[Counted, () => void, BtpPeer[]]> {
  const known = new Map<string, Buffer>();
  const fulfillments = Array.from({ length: 32 }, (_, i) =>
    createHash("sha256").update(`${seed} ${i}`).digest(),
  );
  for (const f of fulfillments) known.set(sha256(f).toString("latin1"), f);
  const payee = await BtpPeer.connect(url, "payee");
  const payer = await BtpPeer.connect(url, "payer");
  for (const { socket } of [payee, payer]) socket.on("error", () => {});
  let count = 0;
  const receiver = new Receiver(payee, known, () => (count++ % 50 === 7 ? "reject" : "fulfill"));
  const sender = new Sender(payer, "test.payee.x", known, {
    ...{ inFlight: 20, dataSize: 50, fulfillments },
  });
  sender.start();
  await new Promise((resolve) => setTimeout(resolve, ms));
  const counted: Counted = { sent: 0n, received: 0n, unanswered: 0n, fulfilled: 0 };
  const read = (): void => {
    counted.sent = sender.sent;
    counted.received = receiver.received;
    counted.fulfilled = sender.fulfilled;
    counted.unanswered = 20n * 1000n;
    assert.equal(sender.wrong, 0);
  };
  return [counted, read, [payer, payee]];
}

/** What the books say of one account that the peers have not agreed on yet. */
interface Base {
  payer: bigint;
  payee: bigint;
}

/**
 * Starts on what a kill has left, compares, and ends the claims as the peers say. @returns what was
 * lost.
 */
async function reconcile(
  file: string,
  counted: Counted,
  base: Base,
  report: KillReport,
): Promise<void> {
  const config = loadConfig(file);
  const quiet = { ...config, btp: { ...config.btp, enabled: false } };
  const connector = createConnector(quiet);
  const started = performance.now();
  await connector.start();
  report.worstStartMs = Math.max(report.worstStartMs, performance.now() - started);
  const { registry, core, claims } = connector;
  const payer = registry.byId("payer")!;
  const payee = registry.byId("payee")!;
  const stateIn = core.account(payer.index);
  const stateOut = core.account(payee.index);
  const posted = stateIn.debits - base.payer;
  const paid = stateOut.credits - base.payee;
  const { sent, received, unanswered } = counted;
  const isStrict = config.durability === "strict";
  const { claimDebits } = stateIn;
  const { claimCredits } = stateOut;
  if (claimDebits > 0n || claimCredits > 0n) report.withClaims += 1;
  // Posted and not seen by the payer: its Fulfill was on the way when the node died.
  assert.ok(posted <= sent + unanswered, `posted ${posted}, the payer saw ${sent}`);
  assert.ok(paid <= received, `paid ${paid}, the payee fulfilled ${received}`);
  assert.equal(posted, paid, "both sides of a packet are posted, or none");
  const missing = sent - posted;
  const lost = missing > claimDebits ? missing - claimDebits : 0n;
  const owing = received - paid;
  const gone = owing > claimCredits ? owing - claimCredits : 0n;
  const bound = isStrict ? 0n : RISK_MAX;
  assert.ok(lost <= bound, `${lost} the payer has paid are neither posted nor claimed`);
  assert.ok(gone <= bound, `${gone} the payee has earned are neither posted nor claimed`);
  report.lost += lost;
  if (lost > report.worstLost) report.worstLost = lost;
  const right = missing > claimDebits ? claimDebits : missing > 0n ? missing : 0n;
  if (right > 0n) claims.resolve(payer, "owed", true, right);
  if (claimDebits > right) claims.resolve(payer, "owed", false, claimDebits - right);
  const due = owing > claimCredits ? claimCredits : owing;
  if (due > 0n) claims.resolve(payee, "owing", true, due);
  if (claimCredits > due) claims.resolve(payee, "owing", false, claimCredits - due);
  base.payer = core.account(payer.index).debits;
  base.payee = core.account(payee.index).credits;
  await connector.stop();
}

/** Kills a node `kills` times. Throws with the seed and the number of the kill that showed it. */
export async function killOften(mode: Mode, kills: number, seed: number): Promise<KillReport> {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-kill-"));
  const file = writeConfig(folder, mode);
  const random = randomFrom(seed);
  const report: KillReport = {
    ...{ mode, seed, kills: 0, fulfilled: 0, withClaims: 0, lost: 0n, worstLost: 0n },
    worstStartMs: 0,
  };
  const base: Base = { payer: 0n, payee: 0n };
  let spare = new Spare();
  try {
    while (report.kills < kills) {
      const node = spare;
      spare = new Spare();
      const url = await node.start(file);
      const [counted, read, peers] = await load(url, 20 + random() * 120, seed + report.kills);
      await node.kill();
      // What was in the peers' sockets is theirs.
      await Promise.all(peers.map(({ socket }) => ended(socket)));
      read();
      report.kills += 1;
      report.fulfilled += counted.fulfilled;
      await reconcile(file, counted, base, report);
    }
  } catch (error) {
    const about = `${mode}, seed ${seed}, after kill ${report.kills}`;
    throw new Error(`${about}: ${(error as Error).message}`, { cause: error });
  } finally {
    await spare.kill();
    rmSync(folder, { recursive: true, force: true });
  }
  return report;
}

function ended(socket: BtpPeer["socket"]): Promise<void> {
  if (socket.readyState === socket.CLOSED) return Promise.resolve();
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

/** One line for people. */
export function describeKills(report: KillReport): string {
  const { mode, seed, kills, fulfilled, withClaims, lost, worstLost, worstStartMs } = report;
  return (
    `${mode}, seed ${seed}: ${kills} kills, ${fulfilled} packets fulfilled; claims after ` +
    `${withClaims}; lost ${lost} in all, at most ${worstLost} at once (${RISK_MAX} allowed, none ` +
    `with strict); longest start ${worstStartMs.toFixed(0)} ms`
  );
}
