// Tells a service manager how the node is: sd_notify(3), for units of Type=notify. Node has no
// datagram sockets of the local kind, so each message is a run of systemd-notify(1), a few
// milliseconds of another process: one when the node is ready, one when it ends, and the watchdog's
// pings. The unit must say NotifyAccess=all, because it is a child that speaks.
import { spawn } from "node:child_process";
import type { Log } from "./log.js";

/** A ping comes three times in the time after which systemd would act. */
const PINGS_PER_TIMEOUT = 3;
const PROGRAM = "systemd-notify";

type Environment = Readonly<Record<string, string | undefined>>;

/** Milliseconds between pings; 0 when this process is not watched. */
export function watchdogPeriodMs(env: Environment, pid: number): number {
  const timeoutUs = Number(env["WATCHDOG_USEC"]);
  const watched = env["WATCHDOG_PID"];
  if (!Number.isSafeInteger(timeoutUs) || timeoutUs <= 0) return 0;
  if (watched !== undefined && Number(watched) !== pid) return 0;
  return Math.max(1, Math.floor(timeoutUs / 1000 / PINGS_PER_TIMEOUT));
}

/** Speaks to the service manager that started this process; says nothing when there is none. */
export class Notifier {
  readonly #log: Log;
  readonly #env: Environment;
  #timer: NodeJS.Timeout | null = null;
  #isSending = false;

  constructor(log: Log, env: Environment = process.env) {
    this.#log = log;
    this.#env = env;
  }

  /** The node takes packets; from now on the watchdog is fed while the event loop turns. */
  ready(status: string): void {
    this.#send(["READY=1", `STATUS=${status}`]);
    const periodMs = watchdogPeriodMs(this.#env, process.pid);
    if (periodMs === 0 || this.#timer) return;
    this.#timer = setInterval(() => {
      // One at a time: a machine too slow to run it needs no second one.
      if (!this.#isSending) this.#send(["WATCHDOG=1"]);
    }, periodMs);
    this.#timer.unref();
  }

  /** The node is ending. The pings go on: waiting for packets in flight takes its time. */
  stopping(): void {
    this.#send(["STOPPING=1", "STATUS=waiting for packets in flight"]);
  }

  #send(lines: string[]): void {
    if (!this.#env["NOTIFY_SOCKET"]) return;
    this.#isSending = true;
    const child = spawn(PROGRAM, lines, { stdio: "ignore" });
    child.once("error", (error) => {
      this.#isSending = false;
      this.#log.warn("the service manager cannot be told", { reason: error.message });
    });
    child.once("exit", () => (this.#isSending = false));
    child.unref();
  }
}
