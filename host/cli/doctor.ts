// `ferrule doctor`: is this machine fit to run a node? Measures the disk under the data folder, and
// looks at its space, the clock, the ports, the configuration and the core.
import { createHash } from "node:crypto";
import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Config } from "../config/index.js";
import { readVersion } from "../report.js";
import { PAGE_SIZE } from "../store/disk.js";
import { findOwner } from "../store/lock.js";
import { readCoreWasm } from "../wasm.js";
import { ask } from "./client.js";
import { CliError, Exit, type Command, type Input } from "./command.js";
import { CONFIG_OPTION, readConfig } from "./settings.js";
import { fields } from "./terminal.js";

const PAGES = 64;
const ROUNDS = 100;
/** The first day this program may run on: an earlier clock is wrong. */
const BORN_MS = Date.UTC(2026, 0, 1);

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly text: string;
}

export interface DiskTimes {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/** Writes and syncs pages of a preallocated file in a folder, as the journal does. */
export function measureDisk(folder: string): DiskTimes {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `doctor.${process.pid}`);
  const fd = openSync(path, "wx", 0o600);
  try {
    writeSync(fd, new Uint8Array(PAGES * PAGE_SIZE));
    fdatasyncSync(fd);
    const times: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const started = performance.now();
      writeSync(fd, new Uint8Array(PAGE_SIZE).fill(i), 0, PAGE_SIZE, (i % PAGES) * PAGE_SIZE);
      fdatasyncSync(fd);
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    const at = (part: number): number => times[Math.floor((ROUNDS - 1) * part)]!;
    return { p50Ms: at(0.5), p99Ms: at(0.99), worstMs: at(1) };
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

/** A commit period that leaves the disk idle most of the time, milliseconds. */
export function recommendPeriod({ p99Ms }: DiskTimes): number {
  const periods = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
  return periods.find((period) => period >= 4 * p99Ms && period >= 50) ?? 10_000;
}

/** Times of the disk, or why it cannot be measured. */
function tryDisk(folder: string): DiskTimes | Check {
  try {
    return measureDisk(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const advice =
      code === "ENOSPC" || code === "EDQUOT"
        ? "make room"
        : code === "EROFS" || code === "EACCES"
          ? "let this user write there, or set another dataDir"
          : "look at the disk";
    return { name: "disk", ok: false, text: `${folder} cannot be written (${code}): ${advice}` };
  }
}

function checkDisk(config: Config): Check[] {
  const times = tryDisk(config.dataDir);
  if ("text" in times) return [times];
  const period = recommendPeriod(times);
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  const { bavail, bsize } = statfsSync(config.dataDir);
  const free = bavail * bsize;
  const need = 6 * config.journalSize;
  const mib = (bytes: number): number => Math.ceil(bytes / 1048576);
  const fits = config.commitPeriodMs >= period || config.durability === "strict";
  const advice = fits ? "suits it" : `is short for it: set commitPeriod = ${period}`;
  return [
    {
      name: "disk",
      ok: fits,
      text:
        `a page is safe after ${ms(times.p50Ms)}, 99 in 100 after ${ms(times.p99Ms)}; ` +
        `commitPeriod = ${config.commitPeriodMs} ${advice}`,
    },
    {
      name: "space",
      ok: free > need,
      text: `${mib(free)} MiB free in ${config.dataDir}, ${mib(need)} wanted`,
    },
  ];
}

function checkClock(): Check {
  const now = Date.now();
  const started = performance.now();
  const drift = Math.abs(performance.timeOrigin + started - now);
  const ok = now > BORN_MS && drift < 2000;
  const text = ok
    ? `${new Date(now).toISOString()}; packets' expiries need it right to a second or two`
    : now > BORN_MS
      ? `it jumped ${Math.round(drift)} ms while this ran: see that it is set by NTP`
      : `${new Date(now).toISOString()} is in the past: set it, for example by NTP`;
  return { name: "clock", ok, text };
}

/** The node that runs with this configuration. */
interface Running {
  /** Ports it says it listens on; null when it does not answer. */
  readonly ports: ReadonlySet<number> | null;
  /** Its process; 0 when it is not known. */
  readonly processId: number;
}

interface Status {
  readonly listening: readonly { readonly url: string }[];
}

/** Asks the node for its ports; one that does not answer is known by its lock. */
async function findRunning(input: Input, config: Config): Promise<Running> {
  const processId = config.dataDir ? ((await findOwner(config.dataDir))?.pid ?? 0) : 0;
  if (!config.admin.enabled) return { ports: null, processId };
  try {
    const { listening } = await ask<Status>(input, "/status");
    const ports = new Set(listening.map(({ url }) => portOf(url)));
    return { ports, processId };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { ports: null, processId };
  }
}

/** Port of a listener's URL, which leaves out the usual one. */
function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return port ? Number(port) : protocol === "https:" || protocol === "wss:" ? 443 : 80;
}

/** What is to be said of a port that somebody has. */
function explainTaken(port: number, { ports, processId }: Running): { ok: boolean; text: string } {
  const who = processId > 0 ? `process ${processId}` : "";
  if (ports?.has(port)) return { ok: true, text: `the running node has it${who && `, ${who}`}` };
  if (!ports && who) {
    return { ok: true, text: `taken, by all appearances by the running node, ${who}` };
  }
  return { ok: false, text: "another program has it: end that, or set another port" };
}

function checkPort(name: string, host: string, port: number, running: Running): Promise<Check> {
  return new Promise((resolve) => {
    const server = createServer();
    const done = (ok: boolean, text: string): void => {
      server.close(() => resolve({ name, ok, text: `${host} port ${port}: ${text}` }));
    };
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE") return done(false, error.code ?? error.message);
      const { ok, text } = explainTaken(port, running);
      done(ok, text);
    });
    server.listen(port, host.replace(/^\[(.*)\]$/, "$1"), () => done(true, "free"));
  });
}

async function checkPorts(input: Input, config: Config): Promise<Check[]> {
  const { btp, http, admin } = config;
  const running = await findRunning(input, config);
  const wanted: [string, string, number][] = [];
  if (btp.enabled) for (const port of btp.ports) wanted.push(["BTP", btp.host, port]);
  if (http.enabled) wanted.push(["HTTP", http.host, http.port]);
  if (admin.enabled) wanted.push(["admin", admin.host, admin.port]);
  const checks: Check[] = [];
  for (const [name, host, port] of wanted) {
    checks.push(await checkPort(name, host, port, running));
  }
  return checks;
}

const doctor: Command = {
  summary: "Check the disk and what else a node needs",
  usage: "",
  arity: [0, 0],
  options: { config: CONFIG_OPTION },
  details:
    "Exit 1 if something should be changed. A port that the running node has is fine; a port\n" +
    "that another program has is not.",
  async run(input) {
    const { terminal, values } = input;
    const config = readConfig(input);
    const sum = createHash("sha256").update(readCoreWasm()).digest("hex");
    const warnings = config.warnings.length;
    const checks: Check[] = [
      ...(config.dataDir ? checkDisk(config) : []),
      checkClock(),
      ...(await checkPorts(input, config)),
      {
        name: "config",
        ok: warnings === 0,
        text: `${config.file ?? "built-in"}: ${warnings === 0 ? "fine" : `${warnings} warnings`}`,
      },
      { name: "core", ok: true, text: `${readVersion()}, SHA-256 ${sum}` },
    ];
    if (values["json"] === true) terminal.printJson(checks);
    else {
      const pairs = checks.map(({ name, ok, text }) => [name, `${ok ? "" : "! "}${text}`] as const);
      terminal.print(fields(terminal, pairs, 0));
    }
    return checks.every(({ ok }) => ok) ? Exit.Ok : Exit.Negative;
  },
};

export default doctor;
