// Compiles a probe: a small AssemblyScript entry in test/probe/ that exports core internals for
// unit tests. The result is cached in build/probe until a source is newer.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
// @ts-expect-error plain JavaScript
import { profiles } from "../../assembly/tools/profiles.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));

function newest(folder: string): number {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    time = Math.max(time, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return time;
}

export interface ProbeOptions {
  simd?: boolean;
  profile?: string;
  pages?: number;
}

/** Compiles `test/probe/<name>.ts` against a profile's capacities, unless that was done already. */
export function probeModule(name: string, options: ProbeOptions = {}): WebAssembly.Module {
  const { simd = false, profile = "gateway" } = options;
  const { capacities, pages } = profiles[profile];
  const out = join(root, "build/probe", `${name}-${profile}${simd ? "-simd" : ""}.wasm`);
  const source = Math.max(newest(join(root, "assembly")), newest(join(root, "test/probe")));
  if (!existsSync(out) || statSync(out).mtimeMs < source) {
    mkdirSync(join(root, "build/probe"), { recursive: true });
    // Several test files may want the same probe at once: each writes its own file, then renames.
    const draft = `${out}.${process.pid}`;
    const n = String(options.pages ?? pages);
    const args = [
      join(root, "node_modules/assemblyscript/bin/asc.js"),
      join(root, "test/probe", `${name}.ts`),
      // asconfig.json would add the core's entry.
      ...["--config", "none", "--outFile", draft],
      ...["--runtime", "stub", "--use", "abort=", "-O3", "--noAssert"],
      ...["--initialMemory", n, "--maximumMemory", n],
      ...Object.entries(capacities).flatMap(([k, v]) => ["-u", `${k}=${v}`]),
      ...(simd ? ["--enable", "simd"] : []),
    ];
    execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
    // What is measured is compiled as the gateway is.
    if (name === "bench") {
      execFileSync(process.execPath, [join(root, "assembly/tools/inline.mjs"), draft]);
    }
    renameSync(draft, out);
  }
  return new WebAssembly.Module(readFileSync(out));
}

/** Exports of a fresh instance of a probe. */
export function probe(name: string, options: ProbeOptions = {}): WebAssembly.Exports {
  return new WebAssembly.Instance(probeModule(name, options), {}).exports;
}
