// Copies what the host reads at run time and tsc does not emit (pages, schemas) to build/host.
import { cpSync, readdirSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const host = fileURLToPath(new URL("../", import.meta.url));
const out = fileURLToPath(new URL("../../build/host/", import.meta.url));
const ASSETS = new Set([".html", ".css", ".js", ".svg", ".png", ".ico", ".webmanifest", ".toml"]);

const isAsset = (name) => ASSETS.has(extname(name)) || name.endsWith(".schema.json");

for (const entry of readdirSync(host, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !isAsset(entry.name)) continue;
  const path = join(entry.parentPath ?? entry.path, entry.name).slice(host.length);
  rmSync(join(out, path), { force: true });
  cpSync(join(host, path), join(out, path));
}
