// The SD-card image: FAT with firmware, kernel and initramfs; two slots for a read-only root; a
// partition for the books. Made without root and without mounting anything; the same bytes from the
// same sources.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
  closeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { makeBundle } from "./bundle.mjs";
import { emptyFolder, environment, epoch, here, megabytes, out, run, timed } from "./common.mjs";
import { debianPackages } from "./debian.mjs";
import { nodePackage, strippedNode } from "./node.mjs";

const MIB = 1 << 20;
/** Sizes of the partitions in MiB. With the first MiB they make 512: QEMU wants a power of two. */
export const LAYOUT = { boot: 128, slotA: 64, slotB: 64, data: 255 };
/** Marks the card among other disks; also the FAT's serial number. */
const SIGNATURE = 0xfe5501e0;
const UUID = "fe5501e0-0000-4000-8000-000000000001";
const HASH_SEED = "fe5501e0-0000-4000-8000-000000000002";

/** Drivers, with all they need: disks, file systems, networks of boards and of QEMU, watchdogs, USB
 * of a Pi 4 and serial boards on it. */
const MODULES = [
  ...["crc32c_generic", "virtio_mmio", "virtio_pci", "virtio_blk", "virtio_net", "i6300esb"],
  ...["sdhci-iproc", "bcm2835", "bcm2835_wdt", "squashfs", "ext4", "vfat", "nls_cp437"],
  ...["nls_ascii", "phy-generic", "dwc2", "smsc95xx", "lan78xx", "microchip", "genet"],
  ...["broadcom", "cdc_ether", "cdc_ncm", "asix", "ax88179_178a", "r8152"],
  ...["pcie-brcmstb", "reset-raspberrypi", "xhci_pci"],
  ...["cdc_acm", "cp210x", "ftdi_sio", "ch341", "pl2303"],
];
const APPLETS = [
  ...["init", "sh", "mount", "umount", "ip", "cat", "cut", "sleep", "usleep", "udhcpc", "wget"],
  ...["grep", "sed", "head", "tail", "ls", "ps", "kill", "killall", "pidof", "mkdir", "rm", "mv"],
  ...["cp", "ln", "echo", "printf", "date", "hostname", "sync", "reboot", "poweroff", "df", "dd"],
  ...["free", "top", "dmesg", "logger", "logread", "syslogd", "klogd", "watchdog", "chown"],
  ...["chmod", "base64", "tr", "touch", "timeout", "sha256sum", "stat", "vi", "less", "ping"],
  ...["nslookup", "start-stop-daemon", "hexdump", "wc", "id", "test", "[", "true", "false"],
  // For boards on serial lines: the host sets their speed with stty.
  ...["stty", "uevent"],
];

/** Gives every file, folder and link one time, so that archives do not tell when they were made. */
function settle(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isSymbolicLink()) lutimesSync(path, epoch, epoch);
    else utimesSync(path, epoch, epoch);
  }
  utimesSync(folder, epoch, epoch);
}

/** Copies one of our files, with what stands between @ replaced; executable if it is a script. */
function place(from, to, names = {}) {
  mkdirSync(dirname(to), { recursive: true });
  const text = readFileSync(join(here, from), "utf8");
  writeFileSync(
    to,
    Object.entries(names).reduce(
      (done, [name, value]) => done.replaceAll(`@${name}@`, value),
      text,
    ),
  );
  chmodSync(to, text.startsWith("#!") ? 0o755 : 0o644);
}

/** A file of an unpacked Debian package, wherever its architecture's folder is. */
function findFile(folder, name) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const found = entries.find((entry) => entry.name === name && !entry.isDirectory());
  if (!found) throw new Error(`${folder} has no ${name}.`);
  return join(found.parentPath ?? found.path, found.name);
}

const LIBRARIES = {
  libc6: ["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"],
  "libgcc-s1": ["libgcc_s.so.1"],
  "libstdc++6": ["libstdc++.so.6"],
};
const RESOLVER = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];

function placeLibraries(debian, lib) {
  mkdirSync(lib, { recursive: true });
  for (const [name, files] of Object.entries(LIBRARIES)) {
    for (const file of [...files, ...(name === "libc6" ? RESOLVER : [])]) {
      copyFileSync(findFile(debian[name], file), join(lib, file));
    }
  }
  copyFileSync(findFile(debian.libc6, "ld-linux-aarch64.so.1"), join(lib, "ld-linux-aarch64.so.1"));
}

/** The root file system: busybox, openntpd, Node, the bundle and our scripts. */
function makeRoot(debian, bundle) {
  const root = emptyFolder(join(out, "root"));
  for (const name of ["dev", "proc", "sys", "tmp", "run", "data", "var", "bin", "sbin", "etc"]) {
    mkdirSync(join(root, name));
  }
  // Not the static one: it cannot look up names and users with a C library of its own.
  copyFileSync(findFile(join(debian.busybox, "bin"), "busybox"), join(root, "bin/busybox"));
  chmodSync(join(root, "bin/busybox"), 0o755);
  for (const name of APPLETS) symlinkSync("busybox", join(root, "bin", name));
  placeLibraries(debian, join(root, "lib"));
  copyFileSync(findFile(debian.openntpd, "ntpd"), join(root, "sbin/ntpd"));
  const lib = join(root, "usr/lib/ferrule");
  cpSync(bundle, lib, { recursive: true });
  copyFileSync(strippedNode("arm64"), join(lib, "node"));
  copyFileSync(join(nodePackage("arm64"), "LICENSE"), join(lib, "node-license.txt"));
  chmodSync(join(lib, "node"), 0o755);
  const names = { EPOCH: epoch };
  for (const name of readdirSync(join(here, "root"))) {
    const to = name === "inittab" ? "etc/inittab" : `etc/gateway/${name}`;
    place(`root/${name}`, join(root, to), names);
  }
  place("boot/ferrule.toml", join(root, "etc/ferrule.toml"));
  const users = [
    "root:x:0:0:root:/tmp:/bin/sh",
    "ferrule:x:900:900:Ferrule:/data/books:/bin/false",
    "ntpd:x:901:901:ntpd:/run/openntpd:/bin/false",
  ];
  writeFileSync(join(root, "etc/passwd"), `${users.join("\n")}\n`);
  writeFileSync(join(root, "etc/group"), "root:x:0:\nferrule:x:900:\nntpd:x:901:\n");
  writeFileSync(join(root, "etc/nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n");
  writeFileSync(join(root, "etc/hosts"), "127.0.0.1 localhost gateway\n::1 localhost\n");
  writeFileSync(join(root, "etc/services"), "ntp 123/udp\n");
  symlinkSync("/run/resolv.conf", join(root, "etc/resolv.conf"));
  symlinkSync("/run", join(root, "var/run"));
  const profile = 'export PATH=/bin:/sbin\nexport PS1="gateway# "\n';
  writeFileSync(join(root, "etc/profile"), profile);
  settle(root);
  return root;
}

/** The root as squashfs: what a slot holds, and what an update is. */
function makeSlot(debian, bundle) {
  const root = makeRoot(debian, bundle);
  const path = join(out, "root.sqfs");
  rmSync(path, { force: true });
  const options = ["-quiet", "-no-progress", "-all-root", "-noappend", "-comp", "zstd"];
  // Not level 15: a quarter of the time, a tenth larger.
  options.push("-Xcompression-level", "9");
  run("mksquashfs", [root, path, ...options, "-b", "131072"]);
  return path;
}

/** The kernel's version, as its folder of modules is called. */
const kernelVersion = (debian) => readdirSync(join(debian.kernel, "lib/modules"))[0];

function placeModules(debian, folder) {
  const version = kernelVersion(debian);
  const base = debian.kernel;
  run("depmod", ["-b", base, version]);
  const files = new Set();
  for (const name of MODULES) {
    const show = ["-d", base, "-S", version, "--show-depends", name];
    for (const [, file] of String(run("modprobe", show)).matchAll(/^insmod (\S+)/gm)) {
      files.add(file);
    }
  }
  const tables = join("lib/modules", version);
  for (const file of [...files].sort()) {
    const to = join(folder, file.slice(base.length));
    mkdirSync(dirname(to), { recursive: true });
    run("aarch64-linux-gnu-strip", ["--strip-debug", "-o", to, file]);
  }
  for (const name of ["modules.builtin", "modules.builtin.modinfo", "modules.order"]) {
    copyFileSync(join(base, tables, name), join(folder, tables, name));
  }
  run("depmod", ["-b", folder, version]);
  for (const name of readdirSync(join(folder, tables))) {
    if (/^modules\.(?!dep$|alias$)/.test(name)) rmSync(join(folder, tables, name));
  }
}

function makeInitramfs(debian) {
  const folder = emptyFolder(join(out, "initramfs"));
  for (const name of ["bin", "dev", "proc", "sys", "mnt", "run", "boot"]) {
    mkdirSync(join(folder, name));
  }
  const busybox = findFile(join(debian["busybox-static"], "bin"), "busybox");
  copyFileSync(busybox, join(folder, "bin/busybox"));
  chmodSync(join(folder, "bin/busybox"), 0o755);
  placeModules(debian, folder);
  // As it lies on the disk: least significant byte first.
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(SIGNATURE);
  place("initramfs/init", join(folder, "init"), { SIGNATURE: bytes.toString("hex") });
  place("root/slots.sh", join(folder, "slots.sh"));
  writeFileSync(join(folder, "modules"), `${MODULES.join("\n")}\n`);
  settle(folder);
  const path = join(out, "initrd.gz");
  const pack = "cpio -0 -o -H newc --quiet -R 0:0 --reproducible --renumber-inodes";
  const script = `find . -print0 | sort -z | ${pack} | gzip -9n >${path}`;
  run("sh", ["-c", script], { cwd: folder });
  return path;
}

/** What a Pi, U-Boot and the user read: the first partition as a folder. */
function makeBoot(debian, initramfs) {
  const folder = emptyFolder(join(out, "boot"));
  const version = kernelVersion(debian);
  const firmware = join(debian["raspi-firmware"], "usr/lib/raspi-firmware");
  const names = ["bootcode.bin", "start_cd.elf", "fixup_cd.dat", "start4cd.elf", "fixup4cd.dat"];
  for (const name of names) copyFileSync(join(firmware, name), join(folder, name));
  copyFileSync(join(debian.kernel, `boot/vmlinuz-${version}`), join(folder, "kernel8.img"));
  copyFileSync(initramfs, join(folder, "initrd.gz"));
  const trees = join(debian.kernel, `usr/lib/linux-image-${version}/broadcom`);
  cpSync(trees, folder, { recursive: true });
  for (const name of ["config.txt", "cmdline.txt", "ferrule.toml", "gateway.txt"]) {
    place(`boot/${name}`, join(folder, name));
  }
  place("boot/extlinux.conf", join(folder, "extlinux/extlinux.conf"));
  settle(folder);
  return folder;
}

function makeFat(folder) {
  const path = join(out, "boot.fat");
  rmSync(path, { force: true });
  writeFileSync(path, "");
  truncateSync(path, LAYOUT.boot * MIB);
  const id = SIGNATURE.toString(16).padStart(8, "0");
  run("mkfs.vfat", ["-F", "32", "-s", "1", "-n", "FERRULE", "-i", id, "--invariant", path]);
  const env = { ...environment, MTOOLS_SKIP_CHECK: "1" };
  const entries = readdirSync(folder).sort();
  run("mcopy", ["-s", "-m", "-i", path, ...entries.map((name) => join(folder, name)), "::"], {
    env,
  });
  return path;
}

/** An ext4 whose checksums and tables depend on nothing else than `files`: none, or a folder's. */
export function makeData(path, files = emptyFolder(join(out, "data"))) {
  rmSync(path, { force: true });
  writeFileSync(path, "");
  truncateSync(path, LAYOUT.data * MIB);
  const options = ["-O", "^orphan_file", "-E", `root_owner=0:0,hash_seed=${HASH_SEED}`];
  settle(files);
  const args = ["-q", "-F", "-t", "ext4", "-m", "1", ...options, "-U", UUID, "-d", files, path];
  run("mke2fs", args, { env: { ...environment, E2FSPROGS_FAKE_TIME: String(epoch) } });
  return path;
}

/** Writes `from` into `to` at `offset`; leaves holes where there is nothing. */
export function writeAt(to, offset, from) {
  const input = openSync(from, "r");
  const output = openSync(to, "r+");
  const buffer = Buffer.alloc(MIB);
  for (let at = 0; ; at += MIB) {
    const length = readSync(input, buffer, 0, MIB, at);
    if (length === 0) break;
    if (buffer.subarray(0, length).some((byte) => byte !== 0)) {
      writeSync(output, buffer, 0, length, offset + at);
    }
  }
  closeSync(input);
  closeSync(output);
}

/** Where the partitions start, in MiB. */
export function offsets() {
  const sizes = Object.entries(LAYOUT);
  return Object.fromEntries(
    sizes.map(([name], i) => [
      name,
      1 + sizes.slice(0, i).reduce((sum, [, size]) => sum + size, 0),
    ]),
  );
}

function assemble(path, parts) {
  rmSync(path, { force: true });
  writeFileSync(path, "");
  const total = 1 + Object.values(LAYOUT).reduce((sum, size) => sum + size, 0);
  truncateSync(path, total * MIB);
  const starts = offsets();
  const types = { boot: "c,bootable", slotA: "83", slotB: "83", data: "83" };
  const lines = Object.entries(LAYOUT).map(
    ([name, size]) => `start=${starts[name] * 2048},size=${size * 2048},type=${types[name]}`,
  );
  const table = ["label: dos", `label-id: 0x${SIGNATURE.toString(16)}`, ...lines];
  run("sfdisk", ["-q", path], { input: `${table.join("\n")}\n` });
  for (const [name, from] of Object.entries(parts)) writeAt(path, starts[name] * MIB, from);
}

/** Makes build/pi/ferrule-gateway.img, and what tests need beside it. `lock`: Debian's packages. */
export async function makeImage(lock) {
  const debian = timed("Debian's packages", () => debianPackages(lock));
  const bundle = await makeBundle();
  const slot = timed("root file system", () => makeSlot(debian, bundle));
  const initramfs = timed("initramfs", () => makeInitramfs(debian));
  const boot = makeBoot(debian, initramfs);
  const fat = timed("boot partition", () => makeFat(boot));
  const data = timed("data partition", () => makeData(join(out, "data.ext4")));
  const image = join(out, "ferrule-gateway.img");
  timed("image", () => assemble(image, { boot: fat, slotA: slot, slotB: slot, data }));
  for (const path of [slot, initramfs, join(boot, "kernel8.img"), image]) {
    console.log(`  ${path} ${megabytes(statSync(path).size)}`);
  }
  return { image, boot, slot, initramfs, kernel: join(boot, "kernel8.img") };
}
