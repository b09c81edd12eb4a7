// Debian packages: the bundled host, its own Node (amd64, arm64) or Debian's (armhf, for which
// there is no current Node on npm), and a hardened systemd unit. The same bytes from the same
// sources, without root.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { dirname, join, relative } from "node:path";
import { makeBundle, shortManifest } from "./bundle.mjs";
import { emptyFolder, environment, epoch, here, megabytes, out, run } from "./common.mjs";
import { nodePackage, strippedNode } from "./node.mjs";

/** Debian's names of processors and npm's. Without one, Debian's Node is used. */
const NODES = { amd64: "x64", arm64: "arm64", armhf: null };
const SCRIPTS = ["postinst", "prerm", "postrm"];
const SIZE_UNIT = 1024;

function write(path, content, mode = 0o644) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
}

/** Every file and folder below `folder`, relative, folders first. */
function walk(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function control(architecture, installedKb) {
  const { version } = JSON.parse(shortManifest());
  const depends = ["systemd (>= 247)", "init-system-helpers (>= 1.54)"];
  depends.push(
    ...(NODES[architecture] === null
      ? ["nodejs (>= 20)"]
      : ["libc6 (>= 2.28)", "libstdc++6 (>= 6)", "libgcc-s1"]),
  );
  return `${[
    "Package: ferrule",
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    "Maintainer: Ferrule contributors <ferrule@invalid>",
    `Installed-Size: ${installedKb}`,
    `Depends: ${depends.join(", ")}`,
    "Section: net",
    "Priority: optional",
    "Description: Interledger (ILPv4) connector",
    " Forwards Interledger packets between accounts over BTP and HTTP, converts",
    " between assets and keeps exact books. A WebAssembly core does everything that",
    " happens to a packet; a thin host for Node does the rest.",
  ].join("\n")}\n`;
}

/** What is installed, without the control files. */
function fill(tree, architecture, bundle) {
  const lib = join(tree, "usr/lib/ferrule");
  cpSync(bundle, lib, { recursive: true });
  const arch = NODES[architecture];
  if (arch !== null) copyFileSync(strippedNode(arch), join(lib, "node"));
  const node = arch === null ? "/usr/bin/node" : "/usr/lib/ferrule/node";
  const script = `#!/bin/sh\nexec ${node} /usr/lib/ferrule/host/ferrule "$@"\n`;
  write(join(tree, "usr/bin/ferrule"), script, 0o755);
  const source = (name) => readFileSync(join(here, "debian", name));
  write(join(tree, "lib/systemd/system/ferrule.service"), source("ferrule.service"));
  write(join(tree, "etc/ferrule/ferrule.toml"), source("ferrule.toml"), 0o600);
  const doc = join(tree, "usr/share/doc/ferrule");
  write(join(doc, "README"), source("README"));
  write(join(doc, "examples/serial.conf"), source("serial.conf"));
  const own = readFileSync(join(bundle, "licenses.txt"), "utf8");
  const nodes = arch ? readFileSync(join(nodePackage(arch), "LICENSE"), "utf8") : "";
  write(join(doc, "copyright"), nodes ? `${own}\n${"-".repeat(72)}\n\nNode\n\n${nodes}` : own);
}

/** Rights and times that do not depend on who builds and when. */
function settle(tree) {
  for (const path of [tree, ...walk(tree)]) {
    const isFolder = statSync(path).isDirectory();
    const isProgram = /\/(usr\/bin\/ferrule|usr\/lib\/ferrule\/(node|host\/ferrule))$/.test(path);
    const isScript = SCRIPTS.some((name) => path.endsWith(`/DEBIAN/${name}`));
    const isSecret = path.endsWith("/etc/ferrule/ferrule.toml");
    chmodSync(path, isFolder || isProgram || isScript ? 0o755 : isSecret ? 0o600 : 0o644);
    utimesSync(path, epoch, epoch);
  }
}

/** Makes `build/pi/ferrule_<version>_<architecture>.deb` for each; returns their paths. */
export async function makePackages(architectures = Object.keys(NODES)) {
  const bundle = await makeBundle();
  const { version } = JSON.parse(shortManifest());
  return architectures.map((architecture) => {
    const tree = emptyFolder(join(out, `deb-${architecture}`));
    fill(tree, architecture, bundle);
    const files = walk(tree).filter((path) => statSync(path).isFile());
    const kb = files.reduce((sum, path) => sum + Math.ceil(statSync(path).size / SIZE_UNIT), 0);
    const sums = files.map((path) => {
      const sum = createHash("md5").update(readFileSync(path)).digest("hex");
      return `${sum}  ${relative(tree, path)}\n`;
    });
    write(join(tree, "DEBIAN/md5sums"), sums.join(""));
    write(join(tree, "DEBIAN/control"), control(architecture, kb));
    write(join(tree, "DEBIAN/conffiles"), "/etc/ferrule/ferrule.toml\n");
    for (const name of SCRIPTS) {
      write(join(tree, "DEBIAN", name), readFileSync(join(here, "debian", name)), 0o755);
    }
    settle(tree);
    const path = join(out, `ferrule_${version}_${architecture}.deb`);
    const pressed = ["-Zzstd", "-z12"];
    run("dpkg-deb", ["--root-owner-group", ...pressed, "--build", tree, path], {
      env: environment,
    });
    console.log(`  ${path} ${megabytes(statSync(path).size)}`);
    return path;
  });
}
