// lwIP for firmware with a network: Debian's source package by name, version and checksums
// (lwip.lock.json), through the machine's own package sources, unpacked with Debian's patches. Kept
// in the cache of build/; nothing of it is in this repository.
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cache, cached, emptyFolder, run, sha256 } from "../pi/tools/common.mjs";
import { GoneError, openApt } from "../pi/tools/debian.mjs";

/** What must be there to fetch it, and the Debian packages that bring it. */
export const LWIP_TOOLS = { "apt-get": "apt", "dpkg-source": "dpkg-dev" };

const IPV4 = ["dhcp", "etharp", "icmp", "ip4", "ip4_addr"];
const CORE = ["def", "inet_chksum", "init", "ip", "mem", "memp", "netif", "pbuf"];
const TCP = ["tcp", "tcp_in", "tcp_out", "timeouts", "udp"];

function readLock() {
  return JSON.parse(
    readFileSync(fileURLToPath(new URL("lwip.lock.json", import.meta.url)), "utf8"),
  );
}

function download(lock, folder) {
  const wanted = `${lock.package}=${lock.version}`;
  const env = openApt(lock.suite, "deb-src");
  try {
    run("apt-get", ["source", "-qq", "--download-only", wanted], { cwd: folder, env });
  } catch (error) {
    throw new GoneError(`${wanted} cannot be had any more, see lwip.lock.json\n${error.message}`);
  }
  for (const file of readdirSync(folder)) {
    const found = sha256(readFileSync(join(folder, file)));
    if (found !== lock.sha256[file]) {
      throw new Error(`${file} has the checksum ${found}, lwip.lock.json says otherwise.`);
    }
  }
}

/** The newest that the archive has, whichever that is; apt checks its signature. */
function fetchPresent({ suite, package: name }) {
  const env = openApt(suite, "deb-src");
  const folder = emptyFolder(join(cache, "debian/lwip-present.part"));
  run("apt-get", ["source", "-qq", "--download-only", name], { cwd: folder, env });
  const dsc = readdirSync(folder).find((file) => file.endsWith(".dsc"));
  const sum = sha256(readFileSync(join(folder, dsc)));
  console.log(
    `GOING ON with ${dsc}, which lwip.lock.json does not name: what is made of it is not the ` +
      "firmware that others make. Renew the lock file.",
  );
  const path = cached(`debian/lwip-${sum.slice(0, 16)}`, (draft) => {
    run("dpkg-source", ["--no-copy", "-x", join(folder, dsc), draft]);
  });
  rmSync(folder, { recursive: true });
  return path;
}

/**
 * The folder of lwIP's sources; fetched when it is not there yet. When the archive has moved on,
 * its present version, and that is said.
 */
export function fetchLwip(lock = readLock()) {
  try {
    return fetchLocked(lock);
  } catch (error) {
    if (!(error instanceof GoneError)) throw error;
    console.log(error.message);
    return fetchPresent(lock);
  }
}

function fetchLocked(lock) {
  const dsc = Object.keys(lock.sha256).find((name) => name.endsWith(".dsc"));
  return cached(`debian/lwip-${lock.sha256[dsc].slice(0, 16)}`, (draft) => {
    const folder = emptyFolder(join(cache, "debian/lwip.part"));
    download(lock, folder);
    run("dpkg-source", ["--no-copy", "-x", join(folder, dsc), draft]);
    rmSync(folder, { recursive: true });
  });
}

/** What a board needs of it: C files, and folders of headers. */
export function lwipSources(folder = fetchLwip()) {
  const core = [...CORE, ...TCP].map((name) => join(folder, "src/core", `${name}.c`));
  const ipv4 = IPV4.map((name) => join(folder, "src/core/ipv4", `${name}.c`));
  return {
    folder,
    files: [...core, ...ipv4, join(folder, "src/netif/ethernet.c")],
    headers: [join(folder, "src/include")],
  };
}
