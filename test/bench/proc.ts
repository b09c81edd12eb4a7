// What Linux says about a process: processor time of all its threads, memory, bytes written.
import { readFileSync, readdirSync } from "node:fs";

/** Of `/proc/<pid>/stat`, in hundredths of a second. */
const TICK_US = 10_000;

/**
 * User and system time of all threads so far, in microseconds: to the nanosecond from the scheduler
 * where it keeps count, else in steps of 10 ms.
 */
export function cpuUs(pid: number): number {
  try {
    let ns = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]);
    }
    if (ns > 0) return ns / 1000;
  } catch {
    // No schedstat, or a thread that ended meanwhile.
  }
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** Resident memory in MiB, now and at its highest. */
export function memoryMiB(pid: number): { now: number; peak: number } {
  const text = readFileSync(`/proc/${pid}/status`, "latin1");
  const read = (name: string): number =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? NaN) / 1024;
  return { now: read("VmRSS"), peak: read("VmHWM") };
}

/** Bytes the process has caused to be written to disk; NaN where the system does not say. */
export function diskBytes(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/io`, "latin1");
    return Number(/^write_bytes: (\d+)/m.exec(text)?.[1] ?? NaN);
  } catch {
    return NaN;
  }
}

/** Begins to watch; the function returned says which part of the time since was kernel time. */
export function kernelShare(pid: number): () => number {
  const read = (): [number, number] => {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return [Number(fields[11]), Number(fields[12])];
  };
  const [userBefore, kernelBefore] = read();
  return () => {
    const [user, kernel] = read();
    return (kernel - kernelBefore) / (user - userBefore + kernel - kernelBefore);
  };
}
