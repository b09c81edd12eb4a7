// A gateway from the image in QEMU, as its user would have it: the card's first partition is
// edited, the machine is started, people pay through it, the plug is pulled.
import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BtpPeer, Receiver, Sender } from "../../../test/support/btp-peer.ts";
import { run } from "../tools/common.mjs";
import { offsets } from "../tools/image.mjs";
import { freePort, Machine, until } from "./support.mjs";

/** An emulated processor on a busy machine: what takes seconds on a board may take minutes. */
export const PATIENCE_MS = 600_000;
const CONSOLE = "console=ttyAMA0 panic=10 quiet deferred_probe_timeout=1";
const PEERS = ["alice", "bob"];

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

/** Two accounts of peers that dial in, with unlimited rates, for a ferrule.toml. */
export const accounts = () =>
  PEERS.map(
    (id) => `
[accounts.${id}]
relation = "child"
assetCode = "XRP"
assetScale = 9
rateLimit = { refillCount = 100000000 }
btp = { listen = true, token = "${id}-token" }`,
  ).join("\n");

/** A board on USB, for a ferrule.toml. */
export const BOARD = `
[accounts.board]
relation = "child"
assetCode = "XRP"
assetScale = 9
serial = "/dev/ttyUSB0"
`;

/** ferrule.toml of the card. */
export const configuration = () => `ilpAddress = "test.gateway"
dataDir = "/data/books"
clockFile = "/run/clock/set"
spread = "0"
[btp]
host = "0.0.0.0"
[http]
enabled = false
[admin]
host = "0.0.0.0"
tokenFile = "/data/admin.token"
${accounts()}
`;

/** One card: a copy of the image, edited like a memory stick. */
export class Card {
  #folder = mkdtempSync(join(tmpdir(), "ferrule-card-"));

  /** `settings`: further lines of gateway.txt. */
  constructor(image, settings = "") {
    this.path = join(this.#folder, "card.img");
    // A copy on write where the file system can, else a copy.
    copyFileSync(image, this.path, constants.COPYFILE_FICLONE);
    this.write("ferrule.toml", configuration());
    this.write("gateway.txt", `ntp=10.0.2.2\nhealth=90\n${settings}`);
  }

  /** Puts a file onto the first partition. */
  write(name, content) {
    const file = join(this.#folder, name);
    writeFileSync(file, content);
    this.copy(file);
  }

  copy(file) {
    const at = `${this.path}@@${offsets().boot}M`;
    run("mcopy", ["-o", "-i", at, file, "::"]);
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** How to start a machine from a card: QEMU's arguments. */
export const MACHINES = {
  virt: ({ kernel, initramfs }) => [
    ...["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "256"],
    ...["-kernel", kernel, "-initrd", initramfs, "-append", CONSOLE],
  ],
  uboot: () => [
    ...["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "512"],
    ...["-bios", "/usr/lib/u-boot/qemu_arm64/u-boot.bin"],
  ],
  // As on a board: the card's own command line, and the console on the second serial port.
  raspi3b: ({ kernel, initramfs, boot }) => [
    ...["-M", "raspi3b", "-kernel", kernel, "-initrd", initramfs],
    ...["-dtb", join(boot, "bcm2837-rpi-3-b.dtb")],
    ...["-append", readFileSync(join(boot, "cmdline.txt"), "utf8").trim()],
  ],
};

/** A serial board on USB, whose other end listens on a port here: QEMU has one like FTDI's. */
const usbBoard = (port) => [
  ...["-chardev", `socket,id=board,host=127.0.0.1,port=${port},server=on,wait=off`],
  ...["-device", "qemu-xhci", "-device", "usb-serial,chardev=board,always-plugged=on"],
];

/** Starts `kind` of machine from a card. */
export async function startGateway(kind, card, image) {
  const ports = { btp: await freePort(), admin: await freePort(), board: await freePort() };
  const forward = [
    `hostfwd=tcp:127.0.0.1:${ports.btp}-:7768`,
    `hostfwd=tcp:127.0.0.1:${ports.admin}-:7769`,
  ].join(",");
  // QEMU is killed, not the machine it runs on: what the guest has written is safe without waiting.
  const drive = `format=raw,cache=unsafe,file=${card.path}`;
  const devices =
    kind === "raspi3b"
      ? [
          ...["-drive", `if=sd,${drive}`],
          ...["-device", "usb-net,netdev=n0", "-netdev", `user,id=n0,${forward}`],
          ...["-display", "none", "-monitor", "none", "-serial", "null", "-serial", "stdio"],
        ]
      : [
          ...["-drive", `if=none,id=card,${drive}`, "-device", "virtio-blk-pci,drive=card"],
          // Without the card's boot ROM: it is in a Debian package of its own.
          ...["-device", "virtio-net-pci,netdev=n0,romfile="],
          ...["-netdev", `user,id=n0,${forward}`, "-device", "i6300esb"],
          "-nographic",
        ];
  if (kind === "virt") devices.push(...usbBoard(ports.board));
  const args = [...MACHINES[kind](image), ...devices];
  return new Gateway(new Machine("qemu-system-aarch64", args), ports);
}

export class Gateway {
  token = null;
  constructor(machine, ports) {
    this.machine = machine;
    this.ports = ports;
  }

  get console() {
    return this.machine.text;
  }

  shows(pattern) {
    return this.machine.shows(pattern, PATIENCE_MS);
  }

  /** Status of an HTTP request to the admin port, null while nobody answers. */
  async ask(path, token = this.token) {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const signal = AbortSignal.timeout(30_000);
    const url = `http://127.0.0.1:${this.ports.admin}${path}`;
    const response = await fetch(url, { headers, signal });
    return { status: response.status, body: await response.json() };
  }

  /** Resolves when a request to `path` succeeds; throws at once when the machine ends. */
  async #succeeds(path) {
    try {
      await until(`the answer to GET ${path}`, PATIENCE_MS, () => {
        if (this.machine.hasEnded) throw new Error("the machine has ended");
        return this.ask(path).then(({ status }) => status === 200);
      });
    } catch (error) {
      const end = this.console.slice(-3000);
      throw new Error(`${error.message}; the console ends with:\n${end}`, { cause: error });
    }
  }

  /** Resolves when the node answers; milliseconds since the start. */
  async answers() {
    await this.#succeeds("/healthz");
    return this.machine.elapsedMs;
  }

  /** Resolves when packets are taken: the clock is set. */
  isReady() {
    return this.#succeeds("/readyz");
  }

  connect(id) {
    return BtpPeer.connect(`ws://127.0.0.1:${this.ports.btp}`, `${id}-token`);
  }

  /** Balances by account id. */
  async balances() {
    const { status, body } = await this.ask("/accounts");
    if (status !== 200) throw new Error(`GET /accounts: ${status}`);
    return new Map(body.map(({ id, balance }) => [id, BigInt(balance)]));
  }

  pullPlug() {
    return this.machine.pullPlug();
  }
}

const fulfillments = Array.from({ length: 256 }, () => randomBytes(32));
const known = new Map(fulfillments.map((f) => [sha256(f).toString("latin1"), f]));

/** Alice pays Bob through the gateway as fast as it goes; counts what both saw, over time. */
export class Load {
  /** [milliseconds, Alice's sum of fulfilled packets] from time to time. */
  history = [];
  #timer;

  static async start(gateway, inFlight) {
    const load = new Load();
    load.gateway = gateway;
    load.bob = await gateway.connect("bob");
    load.receiver = new Receiver(load.bob, known);
    load.alice = await gateway.connect("alice");
    const options = { inFlight, dataSize: 32, fulfillments };
    load.sender = new Sender(load.alice, "test.gateway.bob.x", known, options);
    for (const peer of [load.alice, load.bob]) peer.socket.on("error", () => {});
    load.sender.start();
    load.#timer = setInterval(() => load.history.push([performance.now(), load.sender.sent]), 5);
    return load;
  }

  /** Resolves when so many packets have been answered. */
  answered(count) {
    return until(`${count} answers`, PATIENCE_MS, () => {
      if (this.gateway.machine.hasEnded) throw new Error("the machine has ended");
      return this.sender.fulfilled + this.sender.rejected >= count;
    });
  }

  /** How long before `ms` Alice had first seen more than `sum` fulfilled; 0 when she had not. */
  lateness(sum, ms) {
    const first = this.history.find(([, sent]) => sent > sum);
    return first === undefined ? 0 : Math.max(0, ms - first[0]);
  }

  /** The longest time until `ms` in which Alice saw nothing fulfilled, the start included. */
  longestStall(ms) {
    let longest = 0;
    let [since, seen] = this.history[0];
    for (const [at, sent] of [...this.history, [ms, -1n]]) {
      if (at > ms || sent === seen) continue;
      longest = Math.max(longest, at - since);
      [since, seen] = [at, sent];
    }
    return longest;
  }

  end() {
    clearInterval(this.#timer);
    this.alice.close();
    this.bob.close();
  }
}
