// QEMU on ports that are free: somebody else may take one between looking and QEMU's start; then it
// is started again on others.
import { spawn, type ChildProcess } from "node:child_process";
import { freePorts, until } from "../support/peers.js";

const ATTEMPTS = 5;
const START_LIMIT_MS = 60_000;

export interface Qemu {
  qemu: ChildProcess;
  ports: number[];
  /** Terminals it has opened for lines, in their order. */
  terminals: string[];
}

/** A serial line as a TCP port, for `-serial`. */
export const serialPort = (port: number): string =>
  `tcp:127.0.0.1:${port},server=on,wait=off,nodelay=on`;

/** Starts QEMU and waits until it answers, so that all of its ports are open. */
export async function startQemu(
  program: string,
  portCount: number,
  makeArguments: (ports: number[]) => string[],
): Promise<Qemu> {
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts(portCount);
    const plain = ["-display", "none", "-monitor", "none", "-qmp", "stdio"];
    const qemu = spawn(program, [...plain, ...makeArguments(ports)]);
    let [said, complaint, isOver] = ["", "", false];
    qemu.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    qemu.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
    qemu.stdin.on("error", () => undefined);
    qemu.on("error", (error) => (complaint += error.message));
    qemu.on("close", () => (isOver = true));
    qemu.stdin.write('{"execute": "qmp_capabilities"}\n');
    await until("QEMU to start", () => isOver || said.includes('"return"'), START_LIMIT_MS);
    if (!isOver) {
      const terminals = said.match(/\/dev\/[\w/]+/g) ?? [];
      return { qemu, ports, terminals };
    }
    const isTaken = /in use|set up host forwarding/i.test(complaint);
    if (!isTaken || attempt === ATTEMPTS) throw new Error(`${program} ends: ${complaint}`);
  }
}
