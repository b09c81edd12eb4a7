// The Debian packages for ARM, each installed by dpkg in a Debian system for its processor, and run
// there under qemu-user: the node starts, says how it is, is paid through, keeps its books, ends
// with success, and can be removed. systemd does not run there: deb.test.mjs has that on amd64.
import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { buildHost } from "../tools/bundle.mjs";
import { makePackages } from "../tools/deb.mjs";
import { run } from "../tools/common.mjs";
import { Namespace, System } from "./foreign.mjs";
import { accounts, Gateway, Load, PATIENCE_MS } from "./gateway.mjs";
import { cannotRun, freePort, measured, until } from "./support.mjs";

const PROGRAMS = {
  "dpkg-deb": "dpkg",
  mmdebstrap: "mmdebstrap",
  "qemu-aarch64-static": "qemu-user-static",
  "aarch64-linux-gnu-strip": "binutils-aarch64-linux-gnu",
};
/** armhf uses Debian's Node, which is new enough in Debian 13; arm64 brings its own. */
const SYSTEMS = {
  armhf: { suite: "trixie", include: "systemd,nodejs" },
  arm64: { suite: "bookworm", include: "systemd" },
};
const CONFIG = "/etc/ferrule/ferrule.toml";

let space = null;

/** Opens the namespace; why that cannot be, or false. */
async function cannotEmulate() {
  const reason = cannotRun(PROGRAMS);
  if (reason) return reason;
  try {
    if (process.getuid() !== 0) throw new Error("only root may make Debian systems here");
    space = await Namespace.open();
    return false;
  } catch (error) {
    if (process.env.CI) throw error;
    const sentence = `SKIPPED: ARM programs cannot be run here: ${error.message}`;
    console.log(sentence);
    return sentence;
  }
}

/** A node of an installed package, as Load and the questions of a gateway want it. */
class InstalledNode extends Gateway {
  constructor(system, ports) {
    const child = system.spawn("/usr/bin/ferrule", ["start", "--config", CONFIG]);
    const machine = {
      text: "",
      get hasEnded() {
        return child.exitCode !== null || child.signalCode !== null;
      },
    };
    super(machine, ports);
    this.started = performance.now();
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => (machine.text += chunk));
    }
    this.ended = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
    this.child = child;
  }

  async isRunning() {
    await until("the start", PATIENCE_MS, () => {
      if (this.machine.hasEnded) throw new Error("the node has ended");
      return /is running/.test(this.machine.text);
    }).catch((error) => assert.fail(`${error.message}:\n${this.machine.text}`));
    return performance.now() - this.started;
  }

  /** The exit code after SIGTERM. */
  stop() {
    this.child.kill("SIGTERM");
    return this.ended;
  }
}

async function configure(system) {
  const ports = { btp: await freePort(), admin: await freePort() };
  writeFileSync(
    join(system.folder, CONFIG),
    `ilpAddress = "test.gateway"\ndataDir = "/var/lib/ferrule"\nspread = "0"\n` +
      `[btp]\nport = ${ports.btp}\n[http]\nenabled = false\n[admin]\nport = ${ports.admin}\n` +
      `${accounts()}\n`,
  );
  return ports;
}

/** Starts a node, asks it everything, pays through it, ends it; what its balances were. */
async function exercise(system, ports) {
  const node = new InstalledNode(system, ports);
  try {
    const readyMs = await node.isRunning();
    assert.match(
      system.run("/usr/bin/ferrule", ["status", "--config", CONFIG]),
      /^ok .*test\.gateway/,
    );
    const ping = system.run("/usr/bin/ferrule", ["ping", "test.gateway", "--config", CONFIG]);
    assert.match(ping, /test\.gateway/);
    const load = await Load.start(node, 10);
    await load.answered(200);
    await load.sender.finish();
    const balances = await node.balances();
    load.end();
    assert.equal(load.sender.rejected + load.sender.wrong, 0);
    assert.equal(balances.get("alice"), load.sender.sent);
    assert.equal(balances.get("bob"), -load.receiver.received);
    assert.equal(await node.stop(), 0, node.machine.text);
    return { balances, readyMs };
  } finally {
    node.child.kill("SIGKILL");
  }
}

/** The balances that a second start finds. */
async function readAgain(system, ports) {
  const node = new InstalledNode(system, ports);
  try {
    await node.isRunning();
    const balances = await node.balances();
    assert.equal(await node.stop(), 0, node.machine.text);
    return balances;
  } finally {
    node.child.kill("SIGKILL");
  }
}

const skip = await cannotEmulate();

describe("Debian packages for ARM", { skip }, () => {
  const architectures = Object.keys(SYSTEMS);
  let packages;
  before(async () => {
    buildHost();
    packages = await makePackages(architectures);
  });
  after(() => space.close());

  for (const [index, architecture] of architectures.entries()) {
    it(`is installed, runs, keeps its books and is removed: ${architecture}`, async () => {
      const { suite, include } = SYSTEMS[architecture];
      const system = new System(space, architecture, suite, include);
      run("cp", [packages[index], join(system.folder, "ferrule.deb")]);
      system.run("dpkg", ["--install", "/ferrule.deb"]);
      const version = system.run("/usr/bin/ferrule", ["version"]);
      assert.match(version, /^ferrule \d+\.\d+\.\d+\ncore .*\nnode {4}v\d+/);
      const ports = await configure(system);
      const { balances, readyMs } = await exercise(system, ports);
      assert.deepEqual(await readAgain(system, ports), balances);
      system.run("dpkg", ["--remove", "ferrule"]);
      assert.ok(!existsSync(join(system.folder, "usr/bin/ferrule")), "the program is gone");
      assert.ok(readdirSync(join(system.folder, "var/lib/ferrule")).length > 0, "books stay");
      const node = /node +(v\S+)/.exec(version)[1];
      measured(`${architecture} on ${suite}, Node ${node}: ready after ${Math.round(readyMs)} ms`);
      system.remove();
    });
  }
});
