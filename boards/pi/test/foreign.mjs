// Debian systems for other processors in folders of their own, and programs run inside them by
// qemu-user. The kernel is told about qemu-user in a user namespace that has a binfmt_misc of its
// own (Linux 6.7 and newer), so that the machine's own settings stay as they are.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cached, emptyFolder, environment, out, run } from "../tools/common.mjs";
import { mirrors } from "../tools/debian.mjs";
import { until } from "./support.mjs";

const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** Machine numbers and word sizes in the head of an ELF file. */
const ELF = { arm: ["\\x01", "\\x28"], aarch64: ["\\x02", "\\xb7"] };
/** User and group numbers of the namespace are the machine's. */
const ALL_IDS = "0 0 65536\n";

/** How binfmt_misc is told to start programs of this machine with qemu-user. */
function registration(machine) {
  const [size, number] = ELF[machine];
  const magic = `\\x7fELF${size}\\x01\\x01${"\\x00".repeat(9)}\\x02\\x00${number}\\x00`;
  const mask = `${"\\xff".repeat(7)}\\x00${"\\xff".repeat(8)}\\xfe${"\\xff".repeat(3)}`;
  return `:qemu-${machine}:M::${magic}:${mask}:/usr/bin/qemu-${machine}-static:F`;
}

/** A namespace in which programs for ARM run; ended with `close`. */
export class Namespace {
  #holder;

  /** Resolves to one; throws where the kernel does not let us. */
  static async open() {
    const own = readlinkSync("/proc/self/ns/user");
    const holder = spawn("unshare", ["--user", "--mount", "sleep", "infinity"]);
    holder.once("error", () => {});
    const space = new Namespace();
    space.#holder = holder;
    process.once("exit", () => space.close());
    await until("a namespace", 20_000, () => {
      const { pid } = holder;
      return (
        readlinkSync(`/proc/${pid}/ns/user`) !== own &&
        /sleep/.test(readFileSync(`/proc/${pid}/comm`, "utf8"))
      );
    });
    for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${holder.pid}/${map}`, ALL_IDS);
    const folder = "/proc/sys/fs/binfmt_misc";
    space.run("mount", ["-t", "binfmt_misc", "binfmt_misc", folder]);
    for (const machine of Object.keys(ELF)) {
      space.run("sh", ["-c", `cat >${folder}/register`], { input: registration(machine) });
    }
    return space;
  }

  /** Program and arguments that run `command` inside. */
  inside(command, args) {
    const to = ["--target", String(this.#holder.pid), "--user", "--mount"];
    return ["nsenter", [...to, `--wd=${out}`, "--", command, ...args]];
  }

  run(command, args, options) {
    return run(...this.inside(command, args), options);
  }

  close() {
    this.#holder.kill("SIGKILL");
  }
}

/** A Debian system for `architecture`, unpacked in a folder. */
export class System {
  constructor(space, architecture, suite, include) {
    this.space = space;
    const tar = cached(`system-${suite}-${architecture}.tar`, (draft) => {
      const how = ["--quiet", "--mode=root", "--skip=check/qemu", "--variant=minbase"];
      const what = [`--architectures=${architecture}`, `--include=${include}`, "--format=tar"];
      const from = `deb [signed-by=${KEYS}] ${mirrors().main} ${suite} main`;
      space.run("mmdebstrap", [...how, ...what, suite, draft, from]);
    });
    this.folder = emptyFolder(join(out, `system-${architecture}`));
    space.run("tar", ["-xf", tar, "-C", this.folder, "--exclude=./dev/*"]);
    for (const name of ["proc", "dev"]) {
      space.run("mount", ["--rbind", `/${name}`, join(this.folder, name)]);
    }
  }

  #inside(command, args) {
    return this.space.inside("chroot", [this.folder, command, ...args]);
  }

  /** What a program says on both of its outputs; throws when it fails. */
  run(command, args) {
    const [program, all] = this.#inside(command, args);
    const settings = { env: environment, encoding: "utf8" };
    const { status, stdout, stderr } = spawnSync(program, all, settings);
    if (status !== 0)
      throw new Error(`${command} ${args.join(" ")}: ${status}\n${stdout}${stderr}`);
    return stdout + stderr;
  }

  /** A program that stays. */
  spawn(command, args) {
    return spawn(...this.#inside(command, args), { env: environment });
  }

  remove() {
    for (const name of ["proc", "dev"]) {
      this.space.run("umount", ["--lazy", join(this.folder, name)]);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
