// Headless Chromium as a runtime: one page that takes its jobs from a server on loopback.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout } from "node:timers/promises";
import { root, type CoreName } from "./list.js";

/** What came of a run of a player: its exit status and what it printed. */
export interface Outcome {
  status: number;
  said: string;
}

const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];
const TYPES: Record<string, string> = {
  html: "text/html",
  js: "text/javascript",
  mjs: "text/javascript",
  wasm: "application/wasm",
};
const PAGE = "/boards/runtimes/javascript/page.html";
const SERVED = /^\/(build|boards)\/[\w./-]+$/;

interface Job {
  order: { core: string; script: string; mode: string[] };
  settle: (outcome: Outcome) => void;
}

/** A file of /proc as text; "" when the process has gone. */
function proc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    return "";
  }
}

/** This process and what it started, and so on. */
function family(pid: number): number[] {
  const parents = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const children = parents.filter((name) => {
    const [, ppid] = /^PPid:\s*(\d+)/m.exec(proc(`${name}/status`)) ?? [];
    return Number(ppid) === pid;
  });
  return [pid, ...children.flatMap((name) => family(Number(name)))];
}

/** Headless Chromium showing one page, with an empty profile. */
export class Browser {
  readonly #profile = mkdtempSync(join(tmpdir(), "ferrule-chromium-"));
  readonly #child: ChildProcess;

  constructor(url: string) {
    const args = [...FLAGS, `--user-data-dir=${this.#profile}`, url];
    this.#child = spawn("chromium", args, { stdio: "ignore" });
  }

  /** Memory of all its processes, in KiB; what they share counts once. */
  get memoryKiB(): number {
    const { pid = 0 } = this.#child;
    const sizes = family(pid).map((p) => /^Pss:\s*(\d+)/m.exec(proc(`${p}/smaps_rollup`))?.[1]);
    return sizes.reduce((sum, size) => sum + Number(size ?? 0), 0);
  }

  async stop(): Promise<void> {
    // What it started writes to its profile for a moment longer than it does itself.
    const processes = this.#child.pid ? family(this.#child.pid) : [];
    this.#child.kill();
    const isOver = (): boolean => !processes.some((pid) => proc(`${pid}/stat`));
    for (let i = 0; i < 100 && !isOver(); i++) await setTimeout(50);
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

export class Chromium {
  readonly #jobs: Job[] = [];
  #running: Job | undefined;
  #waiting: ServerResponse | undefined;
  readonly #server: Server;
  #browser: Browser | undefined;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const { port } = this.#server.address() as AddressInfo;
    this.#browser = new Browser(`http://127.0.0.1:${port}${PAGE}`);
    return this;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    if (path === "/job") {
      this.#waiting = response;
      this.#next();
    } else if (path === "/result") {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      this.#running?.settle(JSON.parse(Buffer.concat(parts).toString()) as Outcome);
      this.#running = undefined;
      response.end();
    } else if (SERVED.test(path) && !path.includes("..") && existsSync(join(root, path))) {
      const type = TYPES[path.split(".").at(-1)!] ?? "application/octet-stream";
      response.setHeader("content-type", type).end(readFileSync(join(root, path)));
    } else response.writeHead(404).end();
  }

  #next(): void {
    if (this.#running || !this.#waiting || this.#jobs.length === 0) return;
    this.#running = this.#jobs.shift()!;
    this.#waiting.end(JSON.stringify(this.#running.order));
    this.#waiting = undefined;
  }

  /** Plays in the page; the memory is what is left to Chromium, shared pages counted once. */
  async play(core: CoreName, script: string, ...mode: string[]): Promise<Outcome> {
    const outcome = await new Promise<Outcome>((settle) => {
      const url = `/${relative(root, script)}`;
      this.#jobs.push({ order: { core: `/build/${core}.wasm`, script: url, mode }, settle });
      this.#next();
    });
    const said = outcome.said.replace('"peakKiB":0', `"peakKiB":${this.#browser!.memoryKiB}`);
    return { ...outcome, said };
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await this.#browser?.stop();
  }
}
