// Debian packages for arm64 by name and checksum, from the machine's own package sources through a
// private apt that touches nothing of the machine's. packages.lock.json says which; `npm run
// board:pi -- lock` writes it anew.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cache, cached, emptyFolder, readLock, run, sha256 } from "./common.mjs";

/** What goes onto the card; the kernel's package has its version in its name. */
const NAMES = [
  ...["raspi-firmware", "busybox-static", "busybox", "libc6", "libgcc-s1", "libstdc++6"],
  "openntpd",
];
const KERNEL = "linux-image-arm64";
const COMPONENTS = "main contrib non-free-firmware";
const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** A locked package that the archive does not have any more. */
export class GoneError extends Error {}

/** Debian mirrors in a sources file of either format. */
export function findMirrors(text) {
  const lines = text.split("\n").filter((line) => !/^\s*#/.test(line));
  const urls = lines.flatMap((line) => {
    if (!/^\s*(deb\s|URIs:)/.test(line)) return [];
    return line.match(/\bhttps?:\/\/\S+/g) ?? [];
  });
  return urls.filter((url) => /\/debian(-security)?\/?$/.test(url));
}

/** Where this machine gets Debian from: the addresses of its own package sources. */
export function mirrors() {
  const folder = "/etc/apt/sources.list.d";
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const texts = ["/etc/apt/sources.list", ...files]
    .filter((path) => /\.(list|sources)$/.test(path) && existsSync(path))
    .map((path) => readFileSync(path, "utf8"));
  const found = texts.flatMap(findMirrors);
  const pick = (pattern) => found.find((url) => pattern.test(url));
  return {
    main: pick(/debian\/?$/) ?? "http://deb.debian.org/debian",
    security: pick(/debian-security\/?$/) ?? "http://deb.debian.org/debian-security",
  };
}

/**
 * A private apt for arm64 with fresh lists; the environment that makes apt use it. `type`: "deb",
 * or "deb-src" for source packages.
 */
export function openApt(suite, type = "deb") {
  const folder = join(cache, type === "deb" ? "apt" : "apt-src");
  for (const name of ["state/lists/partial", "cache/archives/partial"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const { main, security } = mirrors();
  const signed = `[signed-by=${KEYS}]`;
  const sources = [
    `${type} ${signed} ${main} ${suite} ${COMPONENTS}`,
    `${type} ${signed} ${security} ${suite}-security ${COMPONENTS}`,
  ];
  writeFileSync(join(folder, "sources.list"), `${sources.join("\n")}\n`);
  writeFileSync(join(folder, "status"), "");
  const config = [
    'APT::Architecture "arm64";',
    'APT::Architectures { "arm64"; };',
    'APT::Sandbox::User "";',
    `Dir::State "${join(folder, "state")}";`,
    `Dir::State::status "${join(folder, "status")}";`,
    `Dir::Cache "${join(folder, "cache")}";`,
    `Dir::Etc::sourcelist "${join(folder, "sources.list")}";`,
    'Dir::Etc::sourceparts "-";',
  ];
  writeFileSync(join(folder, "apt.conf"), `${config.join("\n")}\n`);
  const env = { ...process.env, APT_CONFIG: join(folder, "apt.conf"), LC_ALL: "C" };
  run("apt-get", ["update", "-qq"], { env });
  return env;
}

/** Fields of `apt-cache show`. */
function show(name, env) {
  const text = String(run("apt-cache", ["show", "--no-all-versions", name], { env }));
  return Object.fromEntries(
    [...text.matchAll(/^([A-Za-z0-9-]+): (.*)$/gm)].map(([, key, value]) => [key, value]),
  );
}

/** Versions and checksums of what the archive has now: of these packages, or of all. */
export function resolvePackages(suite, names) {
  const env = openApt(suite);
  const kernel = () => /linux-image-[^ ,]+/.exec(show(KERNEL, env).Depends)[0];
  names ??= [kernel(), ...NAMES];
  return Object.fromEntries(
    names.map((name) => {
      const { Version: version, SHA256: checksum } = show(name, env);
      return [name, { version, sha256: checksum }];
    }),
  );
}

/** The checked .deb of one locked package. */
function download(name, { version, sha256: expected }, apt) {
  const plain = `${name}_${version.replace(/[^\w.+~-]/g, "_")}`;
  return cached(`debian/${plain}.deb`, (draft) => {
    const folder = emptyFolder(join(cache, "debian", `${plain}.part`));
    try {
      run("apt-get", ["download", "-qq", `${name}=${version}`], { cwd: folder, env: apt() });
    } catch (error) {
      const advice = "npm run board:pi -- lock";
      throw new GoneError(`${name} ${version} cannot be had any more: ${advice}\n${error.message}`);
    }
    const [file] = readdirSync(folder);
    const bytes = readFileSync(join(folder, file));
    if (sha256(bytes) !== expected) {
      throw new Error(`${file} has the checksum ${sha256(bytes)}, the lock file says ${expected}.`);
    }
    writeFileSync(draft, bytes);
  });
}

/**
 * Unpacked packages by name, each a folder; `kernel` is the kernel's. `names`: only these. Throws
 * GoneError when the archive has moved on.
 */
export function debianPackages(lock = readLock().debian, names = Object.keys(lock.packages)) {
  let environment = null;
  const apt = () => (environment ??= openApt(lock.suite));
  const folders = {};
  for (const [name, about] of Object.entries(lock.packages)) {
    if (!names.includes(name)) continue;
    const deb = download(name, about, apt);
    const key = name.startsWith("linux-image-") ? "kernel" : name;
    folders[key] = cached(`debian/${name}-${about.sha256.slice(0, 16)}`, (draft) => {
      run("dpkg-deb", ["-x", deb, draft]);
    });
  }
  return folders;
}

/**
 * For tests: the lock file or, loudly, what the archive has now where a locked package is gone from
 * it. `names`: only these are wanted.
 */
export function lockOrPresent(names, lock = readLock().debian) {
  try {
    debianPackages(lock, names);
    return lock;
  } catch (error) {
    if (!(error instanceof GoneError)) throw error;
    console.log(`${error.message}\nGOING ON with what Debian has now: renew the lock file.`);
    const { suite } = lock;
    return { suite, packages: resolvePackages(suite, names) };
  }
}
