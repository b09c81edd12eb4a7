// The host and what it needs of npm as one script beside the cores, for places without
// node_modules: `host/ferrule`, `gateway.wasm`, `gateway-scalar.wasm`, `package.json`,
// `licenses.txt`, and whatever the host reads at run time. The same bytes from the same sources.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { readdirSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { build } from "esbuild";
import {
  collectLicenses,
  common,
  moduleUrls,
  packagesInside,
} from "../../../host/tools/bundle.mjs";
import { emptyFolder, out, root, run } from "./common.mjs";

const CORES = ["gateway.wasm", "gateway-scalar.wasm"];
const compiled = join(root, "build/host");
/** Kinds of files in the compiled host that modules do not read; licences are written anew. */
const NOT_READ = [".ts", ".cts", ".map", ".cjs", ".cache", ".txt"];

/** Builds the host and the cores; needed once before either bundle. */
export const buildHost = () => run("npm", ["run", "--silent", "build"]);

/** package.json as far as a running node reads it. */
export function shortManifest() {
  const { name, version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return `${JSON.stringify({ name, version, license, type: "module" })}\n`;
}

/** Files of the compiled host that are read at run time: everything that is no module. */
export function listAssets() {
  return readdirSync(compiled, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(compiled, join(entry.parentPath ?? entry.path, entry.name)))
    .filter((path) => !NOT_READ.includes(extname(path)))
    .filter(
      (path) =>
        extname(path) !== ".js" || !existsSync(join(root, "host", path.replace(/js$/, "ts"))),
    )
    .sort();
}

/** Makes the bundle in build/pi/bundle; returns that folder. */
export async function makeBundle() {
  const folder = emptyFolder(join(out, "bundle"));
  const banner = [
    'import { createRequire } from "node:module";',
    "const require = createRequire(import.meta.url), bundleUrl = import.meta.url;",
  ].join("\n");
  const { metafile } = await build({
    ...common,
    format: "esm",
    charset: "utf8",
    outfile: join(folder, "host/ferrule"),
    banner: { js: banner },
    plugins: [packagesInside, moduleUrls],
  });
  for (const name of CORES) copyFileSync(join(root, "build", name), join(folder, name));
  for (const path of listAssets()) {
    mkdirSync(dirname(join(folder, "host", path)), { recursive: true });
    copyFileSync(join(compiled, path), join(folder, "host", path));
  }
  writeFileSync(join(folder, "package.json"), shortManifest());
  writeFileSync(join(folder, "licenses.txt"), collectLicenses(metafile));
  return folder;
}
