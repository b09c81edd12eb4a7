// `ferrule backup` and `ferrule restore`: the books as one file, from a running node or a stopped
// one's folder, and back.
import { existsSync } from "node:fs";
import { writeWhole, type ReadBlock } from "../store/block.js";
import { imageOf, openFolder, readBackup, replaceBooks, standing } from "../store/folder.js";
import { refuseRunning } from "../store/lock.js";
import { ask, CLIENT_OPTIONS } from "./client.js";
import { CliError, Exit, saying, type Command, type Input } from "./command.js";
import { refuseExisting, writeSecretFile } from "./output-file.js";
import { CONFIG_OPTION, readConfig } from "./settings.js";

const FORCE = { type: "boolean" } as const;

/** The books of a stopped node's folder as one block. */
function readStopped(folder: string): { bytes: Uint8Array; sequence: number } {
  const disk = openFolder(folder);
  const { found, damage } = disk ? standing(disk) : { found: null, damage: null };
  if (damage !== null) throw new CliError(Exit.Unavailable, damage);
  if (!found) throw new CliError(Exit.Unavailable, `There are no books in ${folder}.`);
  const { image, last } = found;
  return { bytes: writeWhole({ ...last, records: image.records() }), sequence: last.sequence };
}

async function read(input: Input): Promise<{ bytes: Uint8Array; sequence: number }> {
  try {
    const answer = await ask<{ sequence: number; bytes: string }>(input, "/backup");
    return { sequence: answer.sequence, bytes: Buffer.from(answer.bytes, "base64") };
  } catch (error) {
    // Nobody runs there: the folder itself, then. Unless another node was meant.
    const isOurs = input.values["admin"] === undefined;
    if (!isOurs || !(error instanceof CliError) || !/not running|no admin API/.test(error.message))
      throw error;
    return readStopped(readConfig(input).dataDir);
  }
}

export const backup: Command = {
  summary: "Write the books to one file, while the node runs or not",
  usage: "<file>",
  arity: [1, 1],
  options: { force: { ...FORCE, help: "Replace a file that is there." }, ...CLIENT_OPTIONS },
  details:
    "All balances, what is on hold, claims and evidence, with a checksum; no configuration and\n" +
    "no secrets. `ferrule replay <file>` reads it, `ferrule restore <file>` puts it back.",
  run: (input) => saying(() => backUp(input)),
};

export const restore: Command = {
  summary: "Put a backup in place of a stopped node's books",
  usage: "<file>",
  arity: [1, 1],
  options: {
    force: { ...FORCE, help: "Also when the folder has newer or other books, which are lost." },
    config: CONFIG_OPTION,
  },
  details:
    "Peers remember what they have seen: with older balances than theirs they and you differ.\n" +
    "The books that were there are kept beside the new ones under other names.",
  run: (input) => saying(() => putBack(input)),
};

async function backUp(input: Input): Promise<Exit> {
  const { terminal, values, positionals } = input;
  const [file = ""] = positionals;
  const force = values["force"] === true;
  if (existsSync(file) && !force) refuseExisting(file);
  const { bytes, sequence } = await read(input);
  writeSecretFile(file, bytes, force);
  readBackup(file);
  if (values["json"] === true) terminal.printJson({ file, bytes: bytes.length, sequence });
  else terminal.print(`${file} has the books up to batch ${sequence}, ${bytes.length} bytes.`);
  return Exit.Ok;
}

const time = (ms: number): string => new Date(ms).toISOString().slice(0, 19);

type Place = Pick<ReadBlock, "sequence" | "wallMs" | "identity">;

/** Throws when a backup is of other books than those in the folder, or older than they. */
function refuseOlder(folder: string, seen: Place, backup: Place): void {
  // Books of versions before have no name: 0.
  const known = seen.identity !== 0 && backup.identity !== 0;
  if (known && seen.identity !== backup.identity) {
    throw new CliError(
      Exit.Negative,
      `The backup is of other books than those in ${folder}, of another node by all appearances. ` +
        "Restore it with --force if it is to replace them.",
    );
  }
  if (seen.sequence <= backup.sequence && seen.wallMs <= backup.wallMs) return;
  throw new CliError(
    Exit.Negative,
    `${folder} has books up to batch ${seen.sequence} (${time(seen.wallMs)} UTC), the ` +
      `backup ends with ${backup.sequence} (${time(backup.wallMs)} UTC): peers have seen newer ` +
      "balances. Restore it with --force if those are lost anyway.",
  );
}

async function putBack(input: Input): Promise<Exit> {
  const { terminal, values, positionals } = input;
  const config = readConfig(input);
  await refuseRunning(config.dataDir);
  const block = readBackup(positionals[0] ?? "");
  const disk = openFolder(config.dataDir);
  const { seen } = disk ? standing(disk) : { seen: null };
  if (seen && values["force"] !== true) refuseOlder(config.dataDir, seen, block);
  const sequence = Math.max(block.sequence, seen?.sequence ?? 0);
  const books = { image: imageOf(block), sequence, epoch: (seen?.epoch ?? 0) + 1, stamp: block };
  const kept = await replaceBooks(config.dataDir, books, config.journalSize);
  if (values["json"] === true) terminal.printJson({ sequence: block.sequence, kept });
  else {
    terminal.print(`The books are those of batch ${block.sequence} (${time(block.wallMs)} UTC).`);
    for (const path of kept) terminal.print(`Kept: ${path}`);
  }
  return Exit.Ok;
}
