// `npm run board:pi`: makes the card image. `npm run board:pi -- bundle|sea|deb|image|lock` makes
// one thing: the host in one script, single-file executables, Debian packages, the image, or the
// lock file anew from what npm and Debian have now.
import { writeFileSync } from "node:fs";
import { buildHost, makeBundle } from "./tools/bundle.mjs";
import { lockFile, readLock } from "./tools/common.mjs";
import { resolvePackages } from "./tools/debian.mjs";
import { fetchUnchecked, integrityOf } from "./tools/node.mjs";
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Checksums of what is there now; `NODE_VERSION` chooses another Node. */
function refreshLock() {
  const lock = readLock();
  const version = process.env.NODE_VERSION ?? lock.node.version;
  const integrity = {};
  for (const arch of ["arm64", "x64"]) {
    const folder = fetchUnchecked(`node-linux-${arch}`, version);
    integrity[arch] = integrityOf(join(folder, readdirSync(folder)[0]));
  }
  const { suite } = lock.debian;
  const fresh = {
    node: { version, integrity },
    debian: { suite, packages: resolvePackages(suite) },
  };
  writeFileSync(lockFile, `${JSON.stringify(fresh, null, 2)}\n`);
  console.log(`  ${lockFile} written`);
}

const steps = {
  bundle: async () => console.log(`  ${await makeBundle()}`),
  sea: async () => (await import("./tools/sea.mjs")).makeExecutables(["x64", "arm64"]),
  deb: async () => (await import("./tools/deb.mjs")).makePackages(),
  image: async () => (await import("./tools/image.mjs")).makeImage(),
  lock: () => refreshLock(),
};

const [name = "image"] = process.argv.slice(2);
if (!Object.hasOwn(steps, name)) {
  console.error(`There is no step "${name}": ${Object.keys(steps).join(", ")}.`);
  process.exit(2);
}
try {
  if (name !== "lock") buildHost();
  await steps[name]();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
