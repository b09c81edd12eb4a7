// Where and with what a run was made.
import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { readManifest, versionOf } from "./install.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface Machine {
  date: string;
  commit: string;
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  /** Load average of the last minute when the run began. */
  load: number;
  versions: Record<string, string>;
}

function git(...args: string[]): string {
  try {
    const options = { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] } as const;
    return execFileSync("git", args, { ...options, stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "";
  }
}

/** Files of the benchmark's own results do not make a tree dirty. */
function commit(): string {
  const hash = git("rev-parse", "--short", "HEAD") || "unknown";
  const changed = git("status", "--porcelain", "--", ".", ":!test/bench/results.*");
  return changed ? `${hash} with changes` : hash;
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC",
    commit: commit(),
    cpu: cpus()[0]?.model ?? "unknown processor",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    load: loadavg()[0]!,
    versions: {
      node: process.version,
      ferrule: readManifest(ROOT).version,
      ws: versionOf("ws"),
      undici: versionOf("undici"),
      "ilp-connector": versionOf("ilp-connector"),
      "ilp-plugin-btp": versionOf("ilp-plugin-btp"),
      "ilp-plugin-http": versionOf("ilp-plugin-http"),
    },
  };
}
