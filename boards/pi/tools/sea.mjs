// Ferrule as one executable file (Node's "single executable application"): Node's own binary with
// the bundled host and the cores injected. No code cache and no snapshot, which would bind it to
// the processor it was made on; so arm64 is made on x64 and the other way round.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { inject } from "postject";
import { common, packagesInside } from "../../../host/tools/bundle.mjs";
import { listAssets, shortManifest } from "./bundle.mjs";
import { emptyFolder, megabytes, out, root, run } from "./common.mjs";
import { nativeArch, nodeBinary, strippedNode } from "./node.mjs";

/** Marks the place in Node's binary that tells whether a script was injected. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

const filesInside = {
  name: "files-inside",
  setup({ onResolve }) {
    const path = join(root, "boards/pi/tools/sea-files.mjs");
    onResolve({ filter: /\/files\.js$/ }, ({ importer }) =>
      importer.startsWith(join(root, "build/host")) ? { path } : undefined,
    );
  },
};

/** Injects without postject's remarks on sections that a stripped binary has no names for. */
async function injectQuietly(path, blob) {
  const { warn, error } = console;
  console.warn = console.error = () => {};
  try {
    await inject(path, "NODE_SEA_BLOB", blob, { sentinelFuse: FUSE });
  } finally {
    Object.assign(console, { warn, error });
  }
}

/** What is injected; the same for every processor. Returns its path. */
async function makeBlob() {
  const folder = emptyFolder(join(out, "sea"));
  await build({
    ...common,
    format: "cjs",
    charset: "utf8",
    outfile: join(folder, "main.cjs"),
    plugins: [packagesInside, filesInside],
  });
  writeFileSync(join(folder, "package.json"), shortManifest());
  const assets = { "package.json": join(folder, "package.json") };
  for (const name of ["gateway.wasm", "gateway-scalar.wasm"]) {
    assets[name] = join(root, "build", name);
  }
  for (const path of listAssets()) assets[`host/${path}`] = join(root, "build/host", path);
  const config = {
    main: join(folder, "main.cjs"),
    output: join(folder, "ferrule.blob"),
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: false,
    execArgvExtension: "none",
    assets,
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  // The same version of Node writes the blob and reads it.
  run(nodeBinary(nativeArch), ["--experimental-sea-config", join(folder, "config.json")]);
  return config.output;
}

/** Makes `build/pi/ferrule-linux-<arch>` for each; returns their paths. */
export async function makeExecutables(architectures) {
  const blob = readFileSync(await makeBlob());
  mkdirSync(out, { recursive: true });
  const made = [];
  for (const arch of architectures) {
    const path = join(out, `ferrule-linux-${arch}`);
    copyFileSync(strippedNode(arch), path);
    chmodSync(path, 0o755);
    await injectQuietly(path, blob);
    console.log(`  ${path} ${megabytes(statSync(path).size)}`);
    made.push(path);
  }
  return made;
}
