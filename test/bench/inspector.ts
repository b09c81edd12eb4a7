// A running program's CPU profile over a stretch of time, through its inspector.
import { WebSocket } from "ws";

export interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string } }[];
  samples: number[];
  timeDeltas: number[];
}

const INTERVAL_US = 200;

export class Profiler {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: { profile: Profile }) => void>();
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      const { id, result } = JSON.parse(data.toString()) as {
        id: number;
        result: { profile: Profile };
      };
      this.#waiting.get(id)?.(result);
    });
  }

  /** Attaches to a program started with `--inspect=127.0.0.1:<port>`. */
  static async attach(port: number): Promise<Profiler> {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`);
    const [target] = (await response.json()) as { webSocketDebuggerUrl: string }[];
    const socket = new WebSocket(target!.webSocketDebuggerUrl);
    await new Promise((resolve) => socket.once("open", resolve));
    return new Profiler(socket);
  }

  #call(method: string, params: object = {}): Promise<{ profile: Profile }> {
    const id = ++this.#id;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  async start(): Promise<void> {
    await this.#call("Profiler.enable");
    await this.#call("Profiler.setSamplingInterval", { interval: INTERVAL_US });
    await this.#call("Profiler.start");
  }

  async stop(): Promise<Profile> {
    const { profile } = await this.#call("Profiler.stop");
    this.#socket.terminate();
    return profile;
  }
}
