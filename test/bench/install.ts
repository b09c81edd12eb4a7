// What a runtime install of a package weighs: its own files and those of everything it depends on,
// found the way Node finds them.
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Install {
  contender: string;
  packages: number;
  bytes: number;
}

interface Manifest {
  version: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** Folder of package `name` as seen from `folder`; null when it is not installed. */
function find(name: string, folder: string): string | null {
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    const candidate = join(at, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return candidate;
  }
  return null;
}

/** Adds the folders of everything `folder` depends on. */
function collect(folder: string, folders: Set<string>): void {
  const { dependencies, optionalDependencies } = readManifest(folder);
  const optional = Object.keys(optionalDependencies ?? {});
  for (const name of [...Object.keys(dependencies ?? {}), ...optional]) {
    const found = find(name, folder);
    if (!found && optional.includes(name)) continue;
    if (!found) throw new Error(`${name} is not installed: run npm ci.`);
    if (folders.has(found)) continue;
    folders.add(found);
    collect(found, folders);
  }
}

/** Bytes of the files in a folder, packages within it left out. */
function sizeOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? sum : sum + sizeOf(path);
    return sum + lstatSync(path).size;
  }, 0);
}

function weigh(contender: string, names: readonly string[]): Install {
  const folders = new Set<string>();
  for (const name of names) {
    const found = find(name, ROOT);
    if (!found) throw new Error(`${name} is not installed: run npm ci.`);
    folders.add(found);
    collect(found, folders);
  }
  const bytes = [...folders].reduce((sum, folder) => sum + sizeOf(folder), 0);
  return { contender, packages: folders.size, bytes };
}

/** This package as npm would publish it, and its dependencies. */
function weighFerrule(): Install {
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const text = execFileSync("npm", args, { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] });
  const [pack] = JSON.parse(text.toString()) as { unpackedSize: number }[];
  const rest = weigh("ferrule", Object.keys(readManifest(ROOT).dependencies ?? {}));
  return {
    contender: "ferrule",
    packages: 1 + rest.packages,
    bytes: pack!.unpackedSize + rest.bytes,
  };
}

export function weighInstalls(): Install[] {
  return [
    weighFerrule(),
    weigh("ilp-connector", ["ilp-connector", "ilp-plugin-btp"]),
    weigh("ws", ["ws"]),
  ];
}

/** Version of an installed package. */
export function versionOf(name: string): string {
  const found = find(name, ROOT);
  return found ? readManifest(found).version : "not installed";
}
