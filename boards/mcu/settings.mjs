// Settings for a board: `node boards/mcu/settings.mjs board.toml board.uf2` (or .bin). The file
// is a ferrule.toml whose accounts have no links, and a [board] table that says which line is
// whose; see README.md. The core's setters are tried on the board's own core before they are
// written.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "smol-toml";
import { AccountSettingsRecord, AssetSettingsRecord, Verb } from "../../build/host/abi.js";
import { PolicySettingsRecord, RateSettingsRecord } from "../../build/host/abi.js";
import { parseConfig } from "../../build/host/config/index.js";
import { Core } from "../../build/host/core.js";
import { crc32c } from "../../build/host/crc32c.js";
import { Registry } from "../../build/host/registry.js";
import { writeUf2 } from "../pico/uf2.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const MAGIC = 0x54455346;
const VERSION = 1;
const HEADER = 32;
/** Where the Pico looks for settings: the first of two slots. */
export const PICO_SETTINGS = 0x10170000;
export const SETTINGS_MAX = 7900;
/** Lines of any board; those from the first of them on are TCP only. */
const LINES = 4;
const SERIAL_LINES = 2;
const KEY_BYTES = 32;
const SEED_BYTES = 32;

/** The firmware's own commands, behind the ABI's verbs. */
const Command = {
  ...{ Link: 0x80, Key: 0x81, Commit: 0x82, Seed: 0x83, Forget: 0x84 },
  ...{ Network: 0x85, Listen: 0x86, Inherit: 0x87 },
};
const LineFlag = { clock: 1, report: 2, setup: 4 };

/** A core that notes the setters it is given and their parameters. */
class Recorder extends Core {
  commands = [];

  #note(verb, a, b, length) {
    this.commands.push({ verb, a, b, parameters: Buffer.from(this.input.subarray(0, length)) });
  }

  setAsset(index, code, scale) {
    super.setAsset(index, code, scale);
    this.#note(Verb.AssetSet, index, 0, AssetSettingsRecord.SIZE + Buffer.byteLength(code));
  }

  setAccount(index, options) {
    super.setAccount(index, options);
    const names = Buffer.byteLength(options.name) + Buffer.byteLength(options.segment ?? "");
    this.#note(Verb.AccountSet, index, 0, AccountSettingsRecord.SIZE + names);
  }

  setRate(from, to, numerator, denominator, spreadPpb) {
    super.setRate(from, to, numerator, denominator, spreadPpb);
    this.#note(Verb.RateSet, from, to, RateSettingsRecord.SIZE);
  }

  setRoute(prefix, account) {
    super.setRoute(prefix, account);
    this.#note(Verb.RouteSet, prefix.length, account, prefix.length);
  }

  setAddress(address) {
    super.setAddress(address);
    this.#note(Verb.AddressSet, address.length, 0, address.length);
  }

  setPolicy(...values) {
    super.setPolicy(...values);
    this.#note(Verb.PolicySet, 0, 0, PolicySettingsRecord.SIZE);
  }

  setDefaultRoute(account) {
    super.setDefaultRoute(account);
    this.#note(Verb.DefaultRoute, account ?? 0xffffffff, 0, 0);
  }
}

/** The [board] tables taken out of a text, so that every other line keeps its number. */
function withoutBoard(text) {
  let inBoard = false;
  return text.split("\n").map((line) => {
    const table = /^\s*\[+\s*([\w-]+)/.exec(line);
    if (table) inBoard = table[1] === "board";
    return inBoard ? "" : line;
  });
}

/** Checks the file as the host would, with a link put in the place of each line. */
function readConfig(text, file, accounts) {
  const links = accounts.map((id) => `[accounts."${id}".btp]\nlisten = true\ntoken = "line ${id}"`);
  return parseConfig([...withoutBoard(text), ...links].join("\n"), file);
}

function apply(config, core) {
  const registry = new Registry(core);
  core.setPolicy(config.minMessageWindowMs, config.maxHoldTimeMs);
  for (const account of config.accounts) registry.openConfigured(account, config.reflectPayments);
  registry.openLocal(config.accounts[0]);
  const spread = Number(config.spreadPpb);
  for (const { from, to, numerator, denominator } of config.rateTable) {
    const [a, b] = [registry.asset(from).index, registry.asset(to).index];
    core.setRate(a, b, numerator, denominator, spread);
  }
  // Without an address of its own the board asks its parent, and routes its children then.
  if (config.ilpAddress !== null) core.setAddress(config.ilpAddress);
  for (const { segment, index } of registry.list()) {
    if (segment && config.ilpAddress !== null) {
      core.setRoute(`${config.ilpAddress}.${segment}`, index);
    }
  }
  for (const { targetPrefix, peerId } of config.routes) {
    core.setRoute(targetPrefix, registry.byId(peerId).index);
  }
  if (config.defaultRoute) core.setDefaultRoute(registry.byId(config.defaultRoute).index);
  return registry;
}

function words(...values) {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(Number(value) >>> 0, 4 * i));
  return bytes;
}

/** The key at `place` as 32 bytes, or null: hexadecimal, or `env:NAME`. */
function readKey(value, place) {
  if (value === undefined) return null;
  const text = String(value).startsWith("env:") ? process.env[value.slice(4)] : value;
  if (!/^[0-9a-f]{64}$/i.test(text ?? "") || /^0+$/.test(text)) {
    throw new Error(`${place} must be ${2 * KEY_BYTES} hexadecimal digits, or env:NAME of such.`);
  }
  return Buffer.from(text, "hex");
}

/** An IPv4 address as it stands in a packet. */
function readAddress(value, place) {
  const bytes = String(value).split(".").map(Number);
  const good = /^(\d{1,3}\.){3}\d{1,3}$/.test(value) && bytes.every((byte) => byte < 256);
  if (!good) throw new Error(`${place} must be an IPv4 address such as 192.0.2.7.`);
  return Buffer.from(bytes);
}

/** Address, mask and gateway; zeros have DHCP asked. */
function networkCommand({ address = "dhcp", gateway, ...unknown }) {
  const [stray] = Object.keys(unknown);
  if (stray) throw new Error(`board.network.${stray} is no key of a network.`);
  const parameters = Buffer.alloc(12);
  const command = { verb: Command.Network, a: 0, b: 0, parameters };
  if (address === "dhcp") {
    if (gateway === undefined) return command;
    throw new Error("board.network.gateway cannot stand beside DHCP, which says it.");
  }
  const [, host, bits] = /^([\d.]+)\/(\d{1,2})$/.exec(address) ?? [];
  if (!host || Number(bits) < 1 || Number(bits) > 30) {
    throw new Error('board.network.address must be "dhcp", or such as "192.0.2.7/24".');
  }
  readAddress(host, "board.network.address").copy(parameters);
  parameters.writeUInt32BE((0xffffffff << (32 - Number(bits))) >>> 0, 4);
  if (gateway !== undefined) readAddress(gateway, "board.network.gateway").copy(parameters, 8);
  return command;
}

/** The port of a line over a network and the key that whoever connects must know. */
function listenCommand(number, listen, key, seen) {
  const place = `board.lines.${number}`;
  if (listen < 1n || listen > 65_535n) throw new Error(`${place}.listen must be 1 to 65535.`);
  const parameters = readKey(key, `${place}.key`);
  if (!parameters) throw new Error(`${place}.key is missing: anybody could connect.`);
  for (const mark of [`port ${listen}`, `key ${parameters.toString("hex")}`]) {
    const what = mark.startsWith("port") ? "listen" : "key";
    if (seen.has(mark)) throw new Error(`${place}.${what} is another line's too.`);
    seen.add(mark);
  }
  return { verb: Command.Listen, a: Number(number), b: listen, parameters };
}

function lineCommands(lines, registry) {
  const seen = new Set();
  const commands = Object.entries(lines).flatMap(([number, line]) => {
    if (!/^\d$/.test(number) || Number(number) >= LINES) {
      throw new Error(`board.lines.${number}: a board has lines 0 to ${LINES - 1}.`);
    }
    const { account, baud = 115200n, listen, key, ...flags } = line;
    if (listen === undefined && (key !== undefined || Number(number) >= SERIAL_LINES)) {
      throw new Error(`board.lines.${number}.listen is missing: the port of a line over TCP.`);
    }
    const entry = account === undefined ? undefined : registry.byId(account);
    if (account !== undefined && !entry) {
      throw new Error(`board.lines.${number}.account names "${account}", which is no account.`);
    }
    if (account !== undefined && seen.has(`account ${account}`)) {
      throw new Error(`board.lines.${number}.account is "${account}", which has a line already.`);
    }
    seen.add(`account ${account}`);
    const unknown = Object.keys(flags).find((key) => !(key in LineFlag));
    if (unknown) throw new Error(`board.lines.${number}.${unknown} is no key of a line.`);
    if (baud < 300n || baud > 3_000_000n) {
      throw new Error(`board.lines.${number}.baud must be 300 to 3000000.`);
    }
    const bits = Object.entries(flags).reduce((sum, [key, on]) => sum | (on && LineFlag[key]), 0);
    const parameters = words(baud, bits);
    const link = { verb: Command.Link, a: Number(number), b: entry?.index ?? -1, parameters };
    return listen === undefined ? link : [link, listenCommand(number, listen, key, seen)];
  });
  // A board without a network refuses ports; what it knows stands before.
  return commands.sort(
    (a, b) => Number(a.verb === Command.Listen) - Number(b.verb === Command.Listen),
  );
}

/**
 * Makes the settings block of a TOML text. Throws a sentence for each mistake. `seed`: what peers
 * must not know, random if absent; `revision`: the larger one counts, the time if absent.
 */
export function makeSettings(text, file, { seed, revision, wasm } = {}) {
  const { board = {}, accounts = {} } = parse(text, { integersAsBigInt: true });
  const { lines = {}, network, key, commitPeriod, forgetBooks = false, ...unknown } = board;
  const [stray] = Object.keys(unknown);
  if (stray) throw new Error(`board.${stray} is no key of a board.`);
  const config = readConfig(text, file, Object.keys(accounts));
  const core = new Recorder(wasm ?? readFileSync(join(root, "build/board.wasm")), Buffer.alloc(8));
  const registry = apply(config, core);
  const empty = Buffer.alloc(0);
  const own = [];
  // First what other settings are taken by, even if the board refuses something behind it.
  const secret = readKey(key, "board.key");
  if (secret) own.push({ verb: Command.Key, a: 0, b: 0, parameters: secret });
  own.push(...lineCommands(lines, registry));
  own.push({ verb: Command.Seed, a: 0, b: 0, parameters: seed ?? randomBytes(SEED_BYTES) });
  const listens = own.some(({ verb }) => verb === Command.Listen);
  if (listens || network) own.push(networkCommand(network ?? {}));
  if (commitPeriod) own.push({ verb: Command.Commit, a: commitPeriod, b: 0, parameters: empty });
  if (config.ilpAddressInheritFrom !== null) {
    const { index } = registry.byId(config.ilpAddressInheritFrom);
    const production = config.env === "production" ? 1 : 0;
    own.push({ verb: Command.Inherit, a: index, b: production, parameters: empty });
  }
  if (forgetBooks) own.push({ verb: Command.Forget, a: 0, b: 0, parameters: empty });
  const revised = revision ?? Math.floor(Date.now() / 1000);
  return seal(Buffer.concat([...own, ...core.commands].map(writeCommand)), revised);
}

function writeCommand({ verb, a, b, parameters }) {
  const head = Buffer.alloc(12);
  head[0] = verb;
  head.writeUInt16LE(parameters.length, 2);
  words(a, b).copy(head, 4);
  return Buffer.concat([head, parameters, Buffer.alloc(-parameters.length & 3)]);
}

function seal(commands, revision) {
  if (HEADER + commands.length > SETTINGS_MAX) {
    throw new Error(
      `These settings take ${HEADER + commands.length} bytes, a board takes ${SETTINGS_MAX}: ` +
        "fewer accounts or routes.",
    );
  }
  const head = words(MAGIC, VERSION, revision, commands.length, crc32c(commands), 0, 0, 0);
  head.writeUInt32LE(crc32c(head.subarray(0, 20)), 16);
  return Buffer.concat([head, commands]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [from, to] = process.argv.slice(2);
  if (!to || !/\.(uf2|bin)$/.test(to)) {
    console.error("usage: node boards/mcu/settings.mjs board.toml board.uf2 (or board.bin)");
    process.exit(2);
  }
  try {
    const block = makeSettings(readFileSync(from, "utf8"), from);
    writeFileSync(to, to.endsWith(".uf2") ? writeUf2(block, PICO_SETTINGS) : block, {
      mode: 0o600,
    });
    console.log(`${to}: ${block.length} bytes of settings`);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
