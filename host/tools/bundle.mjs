// The command line as one script, `build/host/main.cjs`, and what V8 has compiled of it,
// `build/host/main.cache`: a node that starts reads two files where there are eighty, and compiles
// next to nothing. `host/ferrule.cts` starts it. Boards bundle with the same settings.
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../../", import.meta.url));
const compiled = join(root, "build/host");

/** `ws` looks for native helpers it does not need: do not even look. */
const define = {
  "process.env.WS_NO_BUFFER_UTIL": '"1"',
  "process.env.WS_NO_UTF_8_VALIDATE": '"1"',
};

/**
 * A module that looks for files beside itself must find them from a bundle in the compiled host's
 * place as well: its URL is computed from the bundle's, as if it still lay where it was.
 */
export const moduleUrls = {
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

/** Settings of every bundle of the command line. */
export const common = {
  entryPoints: [join(compiled, "cli/main.js")],
  bundle: true,
  platform: "node",
  target: "node20",
  legalComments: "none",
  minifySyntax: true,
  minifyWhitespace: true,
  define,
  metafile: true,
  logLevel: "warning",
  absWorkingDir: root,
};

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

async function bundle() {
  const { metafile } = await build({
    ...common,
    format: "cjs",
    outfile: join(compiled, "main.cjs"),
    // One byte a character: nothing to decode.
    charset: "ascii",
    // Nodes with HTTP accounts alone load it.
    external: ["undici"],
    // A script that is compiled by hand cannot import.
    supported: { "dynamic-import": false },
    banner: { js: 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;' },
    plugins: [packagesInside, moduleUrls],
  });
  writeFileSync(join(compiled, "licenses.txt"), collectLicenses(metafile));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle();
  rmSync(join(compiled, "main.cache"), { force: true });
  const warm = fileURLToPath(new URL("warm.mjs", import.meta.url));
  const { status } = spawnSync(process.execPath, [warm], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) {
    console.error("No compiled code was kept: `ferrule start` works, and takes a little longer.");
  }
}
