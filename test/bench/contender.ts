// A program under test: how it is started fresh for a case, and what is known about it while it
// runs. Everything runs on this machine, on free ports, without TLS.
import { spawn, type ChildProcess } from "node:child_process";
import { connect } from "node:net";
import type { Case } from "./cases.js";
import type { Pair } from "./driver.js";

/** Processors to keep a process on, as `taskset -c` takes them; "" for any. */
export interface Pins {
  driver: string;
  contender: string;
}

/** What a contender needs to be started: arguments for node, its environment, its ports. */
export interface Recipe {
  args: string[];
  env?: NodeJS.ProcessEnv;
  /** Listening when these are. */
  ports: number[];
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
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class Running {
  readonly child: ChildProcess;
  readonly recipe: Recipe;
  /** From the start of the process to the moment all ports took a connection. */
  startMs = NaN;
  #log = "";

  private constructor(child: ChildProcess, recipe: Recipe) {
    this.child = child;
    this.recipe = recipe;
    const keep = (text: Buffer): void => {
      if (this.#log.length < 4000) this.#log += text.toString();
    };
    child.stdout!.on("data", keep);
    child.stderr!.on("data", keep);
    running.add(child);
    child.once("exit", () => running.delete(child));
  }

  static async start(recipe: Recipe, pin: string): Promise<Running> {
    const command = [process.execPath, ...recipe.args];
    if (pin) command.unshift("taskset", "-c", pin);
    const started = performance.now();
    const child = spawn(command[0]!, command.slice(1), {
      env: { ...process.env, NODE_OPTIONS: "", ...recipe.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const self = new Running(child, recipe);
    for (const port of recipe.ports) await self.#untilListening(port, started);
    self.startMs = performance.now() - started;
    return self;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get log(): string {
    return this.#log;
  }

  async #untilListening(port: number, started: number): Promise<void> {
    while (!(await accepts(port))) {
      const isOver = this.child.exitCode !== null || this.child.signalCode !== null;
      if (isOver || performance.now() - started > START_MAX_MS) {
        throw new Error(`A contender did not start listening:\n${this.#log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const gone = new Promise((resolve) => this.child.once("exit", resolve));
      this.child.kill("SIGKILL");
      await gone;
    }
    this.recipe.cleanUp?.();
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
