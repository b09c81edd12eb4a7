// What every step of building for Linux boards shares: where things lie, running programs, pinned
// downloads. Everything is made below build/pi; downloads are kept in build/pi/cache.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url));
export const here = join(root, "boards/pi");
export const out = join(root, "build/pi");
export const cache = join(out, "cache");

/** Versions and checksums of everything that is not in this repository. */
export const lockFile = join(here, "packages.lock.json");
export const readLock = () => JSON.parse(readFileSync(lockFile, "utf8"));

/** Seconds since 1970 of every file that is made: SOURCE_DATE_EPOCH, else 2026-01-01. */
export const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? 1_767_225_600);

/** Debian puts file system tools where an ordinary user does not look. */
const PATH = ["/usr/sbin", "/sbin"].reduce(
  (path, folder) => (path.split(delimiter).includes(folder) ? path : path + delimiter + folder),
  process.env.PATH ?? "",
);

/** The environment programs run in: no language, no time zone, nothing that varies. */
export const environment = {
  ...process.env,
  PATH,
  LC_ALL: "C",
  TZ: "UTC",
  SOURCE_DATE_EPOCH: String(epoch),
};

/** Runs a program; its standard output as a Buffer. Throws with what it said when it fails. */
export function run(command, args, options = {}) {
  const stdio = ["pipe", "pipe", "pipe"];
  const settings = { cwd: root, env: environment, maxBuffer: 1 << 30, stdio, ...options };
  try {
    return execFileSync(command, args, settings);
  } catch (error) {
    if (error.code === "ENOENT") throw new Error(`${command} is missing. ${installHint()}`);
    const said = String(error.stderr ?? error.message).trim();
    throw new Error(`${[command, ...args].join(" ").slice(0, 300)} failed:\n${said}`);
  }
}

/** Programs that building and testing need, with the Debian package each is in. */
export const PROGRAMS = {
  mksquashfs: "squashfs-tools",
  mcopy: "mtools",
  "mkfs.vfat": "dosfstools",
  mke2fs: "e2fsprogs",
  sfdisk: "fdisk",
  cpio: "cpio",
  depmod: "kmod",
  zstd: "zstd",
  "apt-get": "apt",
  "dpkg-deb": "dpkg",
  "aarch64-linux-gnu-strip": "binutils-aarch64-linux-gnu",
};

export function findProgram(name) {
  const found = PATH.split(delimiter).map((folder) => join(folder, name));
  return found.find((path) => existsSync(path)) ?? null;
}

/** The command that installs what is missing of these programs; null when nothing is. */
export function missing(programs) {
  const absent = Object.entries(programs).filter(([name]) => findProgram(name) === null);
  if (absent.length === 0) return null;
  const packages = [...new Set(absent.map(([, name]) => name))].join(" ");
  return `apt-get install --no-install-recommends ${packages}`;
}

const installHint = () => `Debian has it: ${missing(PROGRAMS) ?? "see boards/pi/README.md"}`;

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

export function emptyFolder(path) {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

/** The file `name` in the cache; `make(path)` writes it when it is not there yet. */
export function cached(name, make) {
  const path = join(cache, name);
  if (existsSync(path)) return path;
  mkdirSync(dirname(path), { recursive: true });
  // Another run may be making the same.
  const draft = `${path}.${process.pid}.new`;
  rmSync(draft, { recursive: true, force: true });
  make(draft);
  renameSync(draft, path);
  return path;
}

/** Says what a step is doing and how long it took. */
export function timed(what, step) {
  const started = performance.now();
  const result = step();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`  ${what.padEnd(44)} ${seconds.padStart(6)} s`);
  return result;
}

/** 1234567 as "1.2 MB". */
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
