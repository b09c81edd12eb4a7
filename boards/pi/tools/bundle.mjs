// The host and what it needs of npm as one script beside the cores, for places without
// node_modules: `host/ferrule`, `gateway.wasm`, `gateway-scalar.wasm`, `package.json`,
// `licenses.txt`, and whatever the host reads at run time. The same bytes from the same sources.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { readdirSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { build } from "esbuild";
import { emptyFolder, out, root, run } from "./common.mjs";

const CORES = ["gateway.wasm", "gateway-scalar.wasm"];
const compiled = join(root, "build/host");
/** `ws` looks for native helpers it does not need: do not even look. */
const define = {
  "process.env.WS_NO_BUFFER_UTIL": '"1"',
  "process.env.WS_NO_UTF_8_VALIDATE": '"1"',
};

/**
 * A module that looks for files beside itself must find them from the bundle as well: its URL is
 * computed from the bundle's, as if it still lay where it was.
 */
const moduleUrls = {
  name: "module-urls",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]build[\\/]host[\\/].*\.js$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      if (!text.includes("import.meta.url")) return undefined;
      const url = `new URL(${JSON.stringify(relative(compiled, path))}, bundleUrl).href`;
      return { contents: text.replaceAll("import.meta.url", url) };
    });
  },
};

/** Packages that the host loads with `require` are imported, so that they come along. */
export const packagesInside = {
  name: "packages-inside",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]build[\\/]host[\\/]require\.js$/ }, () => ({
      contents:
        'import * as ws from "ws";\nimport * as toml from "smol-toml";\n' +
        "export const loadWs = () => ws;\nexport const loadToml = () => toml;",
      resolveDir: root,
    }));
  },
};

/** Settings of both bundles: the script with files beside it and the one inside an executable. */
export const common = {
  entryPoints: [join(compiled, "cli/main.js")],
  bundle: true,
  platform: "node",
  target: "node20",
  charset: "utf8",
  legalComments: "none",
  minifySyntax: true,
  minifyWhitespace: true,
  define,
  metafile: true,
  logLevel: "warning",
  absWorkingDir: root,
};

/** Builds the host and the cores; needed once before either bundle. */
export const buildHost = () => run("npm", ["run", "--silent", "build"]);

/** The licences of what was bundled, each once, in the order of names. */
export function collectLicenses(metafile) {
  const inputs = Object.keys(metafile.inputs).map(
    (path) => /^(.*node_modules\/(@[^/]+\/)?[^/]+)/.exec(path)?.[1],
  );
  const folders = [...new Set(inputs.filter(Boolean))].sort();
  const texts = folders.map((folder) => {
    const about = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const file = readdirSync(join(root, folder)).find((name) => /^licen[cs]e/i.test(name));
    const text = file ? readFileSync(join(root, folder, file), "utf8") : about.license;
    return `${about.name} ${about.version}\n\n${text.trim()}\n`;
  });
  const own = readFileSync(join(root, "LICENSE"), "utf8").trim();
  return [`ferrule\n\n${own}\n`, ...texts].join(`\n${"-".repeat(72)}\n\n`);
}

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
    .filter((path) => ![".ts", ".map"].includes(extname(path)))
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
