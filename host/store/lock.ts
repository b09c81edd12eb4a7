// One process per data folder: two would each write books that the other does not know. A lock is a
// socket in the folder on which its owner listens: connecting to it proves that the owner lives, in
// whatever container, and the system forgets it when the owner dies, however it dies. Each owner's
// has a name of its own: it is made known first and only then are the others looked at, so that of
// two at the same time at least one sees the other, and what is dead is removed without a race.
// Where there are no sockets in folders a file says which process it is.
import { randomBytes } from "node:crypto";
import {
  closeSync,
  lstatSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** Longest path of a socket that every system takes, in bytes. */
const SOCKET_PATH_MAX = 103;
/** Tries while others are trying too, and how long to wait between them at most. */
const ATTEMPTS = 12;
const PAUSE_MS = 40;
/** The lock's name: process, its process namespace, chance. Not yet known with `.new` behind. */
const NAME = /^lock-(\d+)-(\d+)-[0-9a-f]{16}$/;
const DRAFT = ".new";
/** The one name that locks of versions before had. */
const OLDER = "lock";

/** Names of locks this process holds. */
const held = new Set<string>();

export interface LockOwner {
  readonly pid: number;
  /** Its process ids are not those of this process: it runs in another container. */
  readonly isElsewhere: boolean;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Names this start of the system; "" where it has no name. */
function readBootId(): string {
  return readText("/proc/sys/kernel/random/boot_id").trim();
}

/** Process ids mean something within one of these; 0 where the system does not say. */
function readNamespace(): number {
  try {
    return Number(/\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? 0);
  } catch {
    return 0;
  }
}

/** When a process was started, in ticks since the system was; "" when it is gone or unknown. */
function startOf(pid: number): string {
  // Behind the name, which may hold anything: the state first, the time as the twentieth.
  const fields = readText(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, "")
    .split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? "" : (fields[19] ?? "");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Does the process live that a file names: id, start of the system, namespace, its own start? */
function isFileAlive(path: string, name: string): boolean {
  const [id = "", boot = "", namespace = "0", start = ""] = readText(path).trim().split(" ");
  const pid = Number(id);
  if (!(pid > 0) || boot !== readBootId()) return false;
  // Whoever cannot be looked up is taken to live: two nodes are worse than none.
  if (Number(namespace) !== readNamespace()) return true;
  if (pid === process.pid) return held.has(name);
  return start === "" ? isAlive(pid) : startOf(pid) === start;
}

/** A lock of versions before: a process id and the start of the system. */
function isOlderAlive(path: string): boolean {
  const bootId = readBootId();
  const [id = "", boot = bootId] = readText(path).trim().split(" ");
  const pid = Number(id);
  // The first process of a container was every other container's first as well.
  if (boot !== bootId || !(pid > 1) || pid === process.pid) return false;
  return bootId === "" ? isAlive(pid) : startOf(pid) !== "";
}

/** Gives `run` a path of something in a folder that is short enough for a socket, or null. */
async function withSocketPath<T>(
  folder: string,
  name: string,
  run: (path: string | null) => Promise<T>,
): Promise<T> {
  const path = join(folder, name);
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return run(path);
  if (process.platform !== "linux") return run(null);
  const fd = openSync(folder, "r");
  try {
    return await run(`/proc/self/fd/${fd}/${name}`);
  } finally {
    closeSync(fd);
  }
}

/** Is somebody listening? The system answers, whatever the owner is doing. */
function isListening(path: string | null): Promise<boolean> {
  if (path === null) return Promise.resolve(true);
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== "ECONNREFUSED" && code !== "ENOENT"),
    );
  });
}

async function isLockAlive(folder: string, name: string): Promise<boolean> {
  const path = join(folder, name);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  if (name === OLDER) return isOlderAlive(path);
  return stat.isSocket() ? withSocketPath(folder, name, isListening) : isFileAlive(path, name);
}

interface Others {
  readonly alive: LockOwner | null;
  /** Locks, made known or not, whose owner is gone. */
  readonly dead: string[];
}

/** Looks at every lock in a folder but one. */
async function lookAround(folder: string, own: string): Promise<Others> {
  const dead: string[] = [];
  let alive: LockOwner | null = null;
  for (const name of readdirSync(folder)) {
    const match = NAME.exec(name.endsWith(DRAFT) ? name.slice(0, -DRAFT.length) : name);
    if ((!match && name !== OLDER) || name === own) continue;
    if (!(await isLockAlive(folder, name))) dead.push(name);
    else if (!name.endsWith(DRAFT)) {
      const pid = Number(match?.[1] ?? readText(join(folder, name)).split(" ")[0]);
      alive ??= { pid, isElsewhere: match !== null && Number(match[2]) !== readNamespace() };
    }
  }
  return { alive, dead };
}

/** The process that holds a data folder, or null. Changes nothing. */
export async function findOwner(folder: string): Promise<LockOwner | null> {
  try {
    return (await lookAround(folder, "")).alive;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function refuse(folder: string, { pid, isElsewhere }: LockOwner): never {
  const where = isElsewhere ? " of another container" : "";
  throw new Error(
    `Process ${pid}${where} is already running with the data in ${folder}: stop it, or give this ` +
      "one another dataDir.",
  );
}

/** Throws a sentence while a process holds a data folder. */
export async function refuseRunning(folder: string): Promise<void> {
  const owner = await findOwner(folder);
  if (owner) refuse(folder, owner);
}

/** Listens on a socket in a folder; null where that cannot be. */
function listenIn(folder: string, name: string): Promise<Server | null> {
  return withSocketPath(folder, name, (path) => {
    if (path === null || process.platform === "win32") return Promise.resolve(null);
    return new Promise((resolve) => {
      const server = createServer((socket) => socket.destroy());
      server.once("error", () => resolve(null));
      server.listen(path, () => resolve(server.unref()));
    });
  });
}

export interface LockOptions {
  /** False: as where there are no sockets in folders. */
  readonly sockets?: boolean;
}

/**
 * Makes a lock and makes it known.
 * @returns what takes it back; null when somebody has tidied it away before it was known.
 */
async function publish(
  folder: string,
  name: string,
  sockets: boolean,
): Promise<(() => void) | null> {
  const path = join(folder, name);
  const server = sockets ? await listenIn(folder, name + DRAFT) : null;
  if (!server) {
    const text = [process.pid, readBootId(), readNamespace(), startOf(process.pid)];
    writeFileSync(path + DRAFT, `${text.join(" ")}\n`, { mode: 0o600 });
  }
  held.add(name);
  const withdraw = (): void => {
    held.delete(name);
    for (const one of [path, path + DRAFT]) rmSync(one, { force: true });
    server?.close();
  };
  try {
    renameSync(path + DRAFT, path);
  } catch (error) {
    withdraw();
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  return withdraw;
}

/**
 * Takes the lock of a data folder.
 * @returns a function that gives it back. Throws a sentence when another process holds it.
 */
export async function lockFolder(folder: string, options: LockOptions = {}): Promise<() => void> {
  for (let attempt = 1; ; attempt++) {
    const chance = randomBytes(8).toString("hex");
    const name = `lock-${process.pid}-${readNamespace()}-${chance}`;
    let { alive } = await lookAround(folder, "");
    const withdraw = alive ? null : await publish(folder, name, options.sockets ?? true);
    if (withdraw) {
      const others = await lookAround(folder, name);
      if (!others.alive) {
        for (const one of others.dead) rmSync(join(folder, one), { force: true });
        return withdraw;
      }
      ({ alive } = others);
      withdraw();
    }
    if (alive && attempt >= ATTEMPTS) refuse(folder, alive);
    // Two that began together see each other and both step back; one that holds it stays.
    await pause(Math.random() * PAUSE_MS);
  }
}
