// `ferrule start`: a node in the foreground until a signal ends it. The first signal lets packets
// in flight finish, the second does not wait.
import { formatProblem, type Config } from "../config/index.js";
import { createConnector, type Connector } from "../connector.js";
import { createLog, type Log, type LogLevel } from "../log.js";
import { limitYoungGeneration } from "../memory.js";
import { Notifier } from "../notify.js";
import { readVersion } from "../report.js";
import { DamageError } from "../store/recover.js";
import { CliError, Exit, textOption, type Command, type Input } from "./command.js";
import { CONFIG_OPTION, programName, readConfig } from "./settings.js";
import { fields, type Terminal } from "./terminal.js";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const DEFAULT_ADMIN = "http://127.0.0.1:7769";

function chooseLog(input: Input): Log {
  const format = textOption(input, "log") ?? "text";
  if (format !== "text" && format !== "json") {
    throw new CliError(Exit.Usage, "--log takes text or json.");
  }
  const level = (textOption(input, "log-level") ?? "info") as LogLevel;
  if (!LEVELS.includes(level)) {
    throw new CliError(Exit.Usage, `--log-level takes one of ${LEVELS.join(", ")}.`);
  }
  return createLog(level, format === "json");
}

/** Reasons of the system for not starting, with what to do about each. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program uses the port; stop it or choose another port",
  EADDRNOTAVAIL: "this machine does not have that address; correct the host",
  EACCES: "this user may not; choose a port above 1023 or a folder of your own",
  ENOSPC: "the disk is full; make room",
  EROFS: "the disk is read-only; choose another dataDir",
  ENOTDIR: "a part of the path is a file; choose another dataDir",
};

/** An error of `connector.start()` as a sentence. Errors without a code are sentences already. */
function explainStart(error: unknown): CliError {
  if (error instanceof DamageError) return new CliError(Exit.Unavailable, error.message);
  if (!(error instanceof Error) || error.name !== "Error") throw error;
  const { code, syscall, path, address, port } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (code === undefined) return new CliError(Exit.Unavailable, error.message);
  const place = port === undefined ? (path ?? "") : `${address ?? ""} port ${port}`;
  const reason = REASONS[code] ?? "correct the configuration or the machine";
  return new CliError(
    Exit.Unavailable,
    `Ferrule cannot start: ${syscall ?? "a system call"} ${place} failed (${code}): ${reason}.`,
  );
}

function describe(connector: Connector): { name: string; value: string }[] {
  const { config } = connector;
  const kinds = { btp: "BTP", http: "HTTP", admin: "admin" };
  const open = config.btp.open;
  const note = open ? `  (any token; ${open.assetCode}, scale ${open.assetScale})` : "";
  return [
    { name: "address", value: connector.address ?? `asking ${config.ilpAddressInheritFrom}` },
    ...connector.listening.map(({ kind, url }) => ({
      name: kinds[kind],
      value: kind === "btp" ? url + note : url,
    })),
    { name: "data", value: config.dataDir || "nowhere: balances are lost when it stops" },
    { name: "config", value: config.file ?? "built-in: a local test network" },
  ];
}

/** A command that shows something and can be pasted as it is. */
function suggest(connector: Connector, input: Input): string | null {
  const admin = connector.listening.find(({ kind }) => kind === "admin");
  if (!admin) return null;
  const { address, config } = connector;
  const command = address === null ? "status" : `ping ${address}`;
  const file = textOption(input, "config");
  const options: string[] = [];
  if (file !== undefined) options.push(`--config ${/\s/.test(file) ? `"${file}"` : file}`);
  // The port is not in the file when the system chose it.
  const known = config.file === null ? admin.url === DEFAULT_ADMIN : config.admin.port !== 0;
  if (!known) options.push(`--admin ${admin.url}`);
  return [programName(), command, ...options].join(" ");
}

function greet(connector: Connector, input: Input): void {
  const { terminal, values } = input;
  const { config, listening, address } = connector;
  if (values["json"] === true) {
    const { dataDir, file } = config;
    terminal.printJson({ version: readVersion(), address, listening, dataDir, config: file });
    return;
  }
  terminal.print(`${terminal.paint("bold", `Ferrule ${readVersion()}`)} is running.\n`);
  terminal.print(
    fields(
      terminal,
      describe(connector).map(({ name, value }) => [name, value]),
    ),
  );
  const command = suggest(connector, input);
  if (command !== null) terminal.print(`\nTry next, in another terminal:\n\n  ${command}\n`);
}

/** Resolves when a signal, or a disk, has asked for the end and every packet has had its answer. */
function untilEnd(
  connector: Connector,
  failed: Promise<void>,
  terminal: Terminal,
  notifier: Notifier,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let signals = 0;
    let isEnding = false;
    const onSignal = (): void => {
      signals += 1;
      if (signals > 1) process.exit(Exit.Interrupted);
      finish();
    };
    const finish = (): void => {
      if (isEnding) return;
      isEnding = true;
      notifier.stopping();
      if (connector.isAnswerable) {
        terminal.complain(
          "Packets are in flight: waiting for them. A second signal stops at once.",
        );
      }
      connector
        .drain()
        .then(() => connector.stop())
        .then(resolve, reject);
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
    // The terminal is gone, or a supervisor sends it right behind SIGTERM: never the second signal.
    process.on("SIGHUP", finish);
    void failed.then(finish);
  });
}

function warn(config: Config, log: Log): void {
  for (const problem of config.warnings) log.warn(formatProblem(problem));
}

const start: Command = {
  summary: "Run a node until it is interrupted",
  usage: "",
  arity: [0, 0],
  options: {
    config: CONFIG_OPTION,
    log: { type: "string", value: "text|json", help: "Form of the log on standard error." },
    "log-level": { type: "string", value: "level", help: `One of ${LEVELS.join(", ")}.` },
  },
  details:
    "Without a configuration it is a local test network that apps on this machine may join.\n" +
    "One SIGINT, SIGTERM or SIGHUP lets packets in flight finish; a second SIGINT or SIGTERM\n" +
    "stops at once. When the disk fails it takes no new packets, lets those in flight finish,\n" +
    "and ends with 74.",
  async run(input) {
    input.terminal.outliveReaders();
    const log = chooseLog(input);
    const config = readConfig(input);
    warn(config, log);
    let fail = (): void => {};
    const failed = new Promise<void>((resolve) => (fail = resolve));
    const connector = createConnector(config, { log, onFailure: () => fail() });
    try {
      await connector.start();
    } catch (error) {
      throw explainStart(error);
    }
    const notifier = new Notifier(log);
    const stopped = untilEnd(connector, failed, input.terminal, notifier);
    greet(connector, input);
    limitYoungGeneration();
    notifier.ready(connector.address ?? "waiting for an address");
    await stopped;
    log.info("stopped");
    process.exit(connector.books.failure ? Exit.Disk : Exit.Ok);
  },
};

export default start;
