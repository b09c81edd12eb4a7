// The Debian package, installed in a Debian machine with systemd (in QEMU, all of it in memory):
// guest-deb.sh looks at the service there; what it says is the result here. The packages for other
// processors are unpacked and run under qemu-user.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { buildHost } from "../tools/bundle.mjs";
import { cached, emptyFolder, here, out, run, sha256 } from "../tools/common.mjs";
import { makePackages } from "../tools/deb.mjs";
import { arm64Runner, cannotRun, Machine } from "./support.mjs";

const PROGRAMS = {
  "dpkg-deb": "dpkg",
  mmdebstrap: "mmdebstrap",
  cpio: "cpio",
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-aarch64-static": "qemu-user-static",
  "aarch64-linux-gnu-strip": "binutils-aarch64-linux-gnu",
};
const SUITE = "bookworm";
const KERNEL = "linux-image-cloud-amd64";

/** The virtual machine's kernel: Debian's small one for machines without hardware. */
function kernel() {
  const folder = cached("vm-kernel", (draft) => {
    mkdirSync(draft, { recursive: true });
    const show = String(run("apt-cache", ["show", "--no-all-versions", KERNEL]));
    const name = /^Depends: (linux-image-[^ ,]+)/m.exec(show)[1];
    run("apt-get", ["download", "-qq", name], { cwd: draft });
    run("sh", ["-c", "dpkg-deb --fsys-tarfile *.deb | tar -x --wildcards './boot/vmlinuz-*'"], {
      cwd: draft,
    });
    run("sh", ["-c", "mv boot/vmlinuz-* vmlinuz && rm -r boot *.deb"], { cwd: draft });
  });
  return join(folder, "vmlinuz");
}

/** A small Debian with systemd and without our package. */
const debianRoot = () =>
  cached(`vm-${SUITE}.tar`, (draft) => {
    const include = "--include=systemd-sysv,dbus";
    run("mmdebstrap", ["--quiet", "--variant=minbase", "--format=tar", include, SUITE, draft]);
  });

/** The same with the package installed and the guest's script in place, as an initramfs. */
function vmImage(deb) {
  const root = emptyFolder(join(out, "vm-root"));
  run("tar", ["-xf", debianRoot(), "-C", root, "--exclude=./dev/*"]);
  run("cp", [deb, join(root, "ferrule.deb")]);
  run("cp", [join(here, "test/guest-deb.sh"), join(root, "guest.sh")]);
  const unit = [
    "[Unit]",
    "DefaultDependencies=no",
    "[Service]",
    "ExecStart=/guest.sh",
    "Type=simple",
  ];
  const script = [
    "set -e",
    "dpkg --install /ferrule.deb",
    "rm /ferrule.deb",
    "chmod 755 /guest.sh",
    "ln -sf lib/systemd/systemd /init",
    `printf '%s\\n' '${unit.join("' '")}' >/etc/systemd/system/guest.service`,
    "mkdir -p /etc/systemd/system/default.target.wants",
    "ln -sf ../guest.service /etc/systemd/system/default.target.wants/guest.service",
    "systemctl set-default multi-user.target",
    "rm -rf /var/cache/apt /var/lib/apt/lists /usr/share/locale /usr/share/doc/[a-e]*",
  ];
  run("chroot", [root, "sh", "-c", script.join("\n")]);
  const image = join(out, "vm.cpio");
  const pack = `find . | cpio --quiet -o -H newc >${image}`;
  run("sh", ["-c", pack], { cwd: root });
  rmSync(root, { recursive: true });
  return image;
}

const isRoot = process.getuid?.() === 0;
const skip = cannotRun(PROGRAMS);

describe("Debian package", { skip }, () => {
  let packages;
  let machine;

  before(async () => {
    buildHost();
    packages = await makePackages();
  });
  after(() => machine?.pullPlug());

  it("is the same when it is made again", async () => {
    const sums = (paths) => paths.map((path) => sha256(readFileSync(path)));
    const first = sums(packages);
    assert.deepEqual(sums(await makePackages()), first);
  });

  it("has for arm64 a Node and a host that run", () => {
    const tree = emptyFolder(join(out, "deb-unpacked"));
    run("dpkg-deb", ["-x", packages[1], tree]);
    const [program, ...first] = arm64Runner();
    const lib = join(tree, "usr/lib/ferrule");
    const said = run(program, [...first, join(lib, "node"), join(lib, "host/ferrule"), "version"]);
    assert.match(String(said), /^ferrule \d+\.\d+\.\d+\ncore .*\nnode {4}v\d+/);
    rmSync(tree, { recursive: true });
  });

  it("runs as a hardened service under systemd", { skip: !isRoot && "needs root" }, async () => {
    const image = vmImage(packages[0]);
    machine = new Machine("qemu-system-x86_64", [
      ...[
        "-M",
        "q35",
        "-cpu",
        "Nehalem",
        "-smp",
        "2",
        "-m",
        "1500",
        "-display",
        "none",
        "-no-reboot",
      ],
      ...[
        "-serial",
        "mon:stdio",
        "-serial",
        "null",
        "-nic",
        "none",
        "-kernel",
        kernel(),
        "-initrd",
        image,
      ],
      ...["-append", "console=ttyS0 quiet panic=-1 systemd.show_status=0"],
    ]);
    await machine.shows(/guest done/, 600_000);
    await machine.ends(30_000);
    const lines = machine.text.split(/\r?\n/).filter((line) => /^(not ok|ok|seen:)/.test(line));
    console.log(lines.join("\n"));
    assert.deepEqual(
      lines.filter((line) => line.startsWith("not ok")),
      [],
    );
    assert.equal(lines.filter((line) => line.startsWith("ok")).length, 21);
  });
});
