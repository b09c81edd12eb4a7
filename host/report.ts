// What a running connector can say about itself, as plain values that go into JSON. Amounts are
// decimal strings in base units, with the same in words beside them; no floating point is involved.
import { readFileSync } from "node:fs";

/** Version of this package. Sources lie one folder below package.json, builds two. */
export function readVersion(): string {
  for (const up of ["../package.json", "../../package.json"]) {
    try {
      const text = readFileSync(new URL(up, import.meta.url), "utf8");
      const about = JSON.parse(text) as { name?: string; version?: string };
      if (about.name === "ferrule" && about.version !== undefined) return about.version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return "unknown";
}
