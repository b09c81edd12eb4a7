// A program under test: how it is started fresh for a case, and what is known about it while it
// runs. Everything runs on this machine, on free ports, without TLS.
import { spawn, type ChildProcess } from "node:child_process";
import { connect } from "node:net";
import { constants } from "node:os";
import type { Case } from "./cases.js";
import type { Pair } from "./driver.js";

/** Processors to keep a process on, as `taskset -c` takes them; "" for any. */
export interface Pins {
  driver: string;
  contender: string;
}

/** How a process is started. */
export interface Program {
  /** Absent: Node. */
  command?: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  /** Listening when these are: TCP ports, or paths of Unix sockets. */
  ports: (number | string)[];
}

/** What a contender needs to be started. */
export interface Recipe extends Program {
  /** What it cannot run without, started first: their figures are added to its own. */
  helpers?: Program[];
  /** What its operator tells it once it listens. */
  setUp?(): Promise<void>;
  pairs: Pair[];
  wire: "ws" | "tcp" | "http";
  /** Port of the driver's own HTTP receiver. */
  receiverPort?: number;
  cleanUp?(): void;
}

export interface Contender {
  name: string;
  /** For tables: what this is. */
  title: string;
  supports(one: Case): boolean;
  prepare(one: Case): Promise<Recipe>;
}

const START_MAX_MS = 60_000;
const running = new Set<Running>();
process.on("exit", () => {
  for (const one of running) one.kill();
  for (const one of running) one.recipe.cleanUp?.();
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}

export class Running {
  readonly recipe: Recipe;
  /** From the start of its first process to the moment all ports took a connection. */
  startMs = NaN;
  readonly #children: ChildProcess[] = [];
  #log = "";

  private constructor(recipe: Recipe) {
    this.recipe = recipe;
    running.add(this);
  }

  static async start(recipe: Recipe, pin: string): Promise<Running> {
    const self = new Running(recipe);
    try {
      await self.#start(pin);
    } catch (error) {
      await self.stop();
      throw error;
    }
    return self;
  }

  /** Of the contender itself. */
  get pid(): number {
    return this.#children.at(-1)!.pid!;
  }

  /** Of all that it takes. */
  get pids(): number[] {
    return this.#children.map(({ pid }) => pid!);
  }

  get log(): string {
    return this.#log;
  }

  async #start(pin: string): Promise<void> {
    const { recipe } = this;
    const started = performance.now();
    for (const program of [...(recipe.helpers ?? []), recipe]) {
      const child = this.#spawn(program, pin);
      for (const port of program.ports) await this.#untilListening(child, port, started);
    }
    this.startMs = performance.now() - started;
    await recipe.setUp?.();
  }

  #spawn({ command = process.execPath, args, env }: Program, pin: string): ChildProcess {
    const [first, ...rest] = pin ? ["taskset", "-c", pin, command, ...args] : [command, ...args];
    const child = spawn(first, rest, {
      env: { ...process.env, NODE_OPTIONS: "", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const keep = (text: Buffer): void => {
      if (this.#log.length < 4000) this.#log += text.toString();
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.#children.push(child);
    return child;
  }

  async #untilListening(
    child: ChildProcess,
    port: number | string,
    started: number,
  ): Promise<void> {
    while (!(await accepts(port))) {
      if (isOver(child) || performance.now() - started > START_MAX_MS) {
        throw new Error(`A contender did not start listening:\n${this.#log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async stop(): Promise<void> {
    const left = this.#children.filter((child) => !isOver(child));
    const gone = left.map((child) => new Promise((resolve) => child.once("exit", resolve)));
    this.kill();
    await Promise.all(gone);
    running.delete(this);
    this.recipe.cleanUp?.();
  }

  /** Does not wait for the end. */
  kill(): void {
    for (const child of this.#children) if (!isOver(child)) child.kill("SIGKILL");
  }
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function accepts(port: number | string): Promise<boolean> {
  return new Promise((resolve) => {
    const to = typeof port === "string" ? { path: port } : { port, host: "127.0.0.1" };
    const socket = connect(to);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
