// `npm run bench:interledger-rs`: builds interledger-rs's program for the benchmark, from the
// sources that cargo takes from its registry, with the few changes that a compiler of today asks
// for. Everything goes into build/bench/interledger-rs; versions are those of Cargo.lock beside.
import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LIBRARIES, PROGRAM, makeChange, type Package } from "./changes.js";
import { BUILD, PROGRAM_PATH } from "./paths.js";

const LOCK = fileURLToPath(new URL("Cargo.lock", import.meta.url));
const NEEDS =
  "It takes Rust 1.95 or newer (rustup), a C compiler and OpenSSL's headers " +
  "(Debian: apt-get install gcc libc6-dev libssl-dev pkg-config).";
const METADATA_MAX = 64 << 20;

interface Metadata {
  packages: { name: string; version: string; manifest_path: string }[];
}

/** Where cargo keeps the sources of the packages, which it fetches when need be. */
function fetchSources(packages: readonly Package[]): Map<string, string> {
  const folder = join(BUILD, "sources");
  mkdirSync(join(folder, "src"), { recursive: true });
  const wanted = packages.map(({ name, version }) => `${name} = "=${version}"`);
  const head = '[package]\nname = "sources"\nversion = "0.0.0"\nedition = "2018"\n';
  writeFileSync(join(folder, "Cargo.toml"), `${head}\n[dependencies]\n${wanted.join("\n")}\n`);
  writeFileSync(join(folder, "src/lib.rs"), "");
  const { status, stdout } = spawnSync("cargo", ["metadata", "--format-version", "1"], {
    cwd: folder,
    maxBuffer: METADATA_MAX,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error("cargo did not fetch the sources: see above.");
  const found = (JSON.parse(stdout.toString()) as Metadata).packages;
  const places = packages.map(({ name, version }): [string, string] => {
    const one = found.find((other) => other.name === name && other.version === version);
    if (!one) throw new Error(`cargo did not fetch ${name} ${version}.`);
    return [name, dirname(one.manifest_path)];
  });
  return new Map(places);
}

/** Copies a package and makes its changes; where the copy is. */
function copy({ name, changes }: Package, from: string): string {
  const to = join(BUILD, name);
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true });
  for (const change of changes) {
    const path = join(to, change.file);
    writeFileSync(path, makeChange(readFileSync(path, "utf8"), change, path));
  }
  return to;
}

function compile(folder: string): void {
  const args = ["build", "--release", "--locked", "--bin", PROGRAM.name];
  const env = { ...process.env, CARGO_TARGET_DIR: join(BUILD, "target") };
  const cargo = spawn("cargo", args, { cwd: folder, env, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => cargo.kill(signal));
  }
  cargo.once("exit", (code) => {
    if (code === 0) {
      console.log(`Built: ${PROGRAM_PATH}. npm run bench now takes it along.`);
    } else if (code !== null) {
      // Without a code it was interrupted.
      console.error(`${PROGRAM.name} ${PROGRAM.version} did not compile. ${NEEDS}`);
    }
    process.exit(code ?? 1);
  });
}

/** The program's copy, ready to compile: with its changes, theirs and the versions we keep. */
function assemble(): string {
  const places = fetchSources([PROGRAM, ...LIBRARIES]);
  const patches = LIBRARIES.map((library) => {
    const path = copy(library, places.get(library.name)!);
    return `${library.name} = { path = ${JSON.stringify(path)} }\n`;
  });
  const folder = copy(PROGRAM, places.get(PROGRAM.name)!);
  appendFileSync(join(folder, "Cargo.toml"), `\n[patch.crates-io]\n${patches.join("")}`);
  copyFileSync(LOCK, join(folder, "Cargo.lock"));
  return folder;
}

if (spawnSync("cargo", ["--version"]).status !== 0) {
  console.error(`cargo is not here. ${NEEDS}`);
  process.exit(1);
}
try {
  compile(assemble());
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
