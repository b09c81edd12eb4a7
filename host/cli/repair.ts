// `ferrule repair`: what can be kept of a damaged data folder, and, with --apply, keeping it.
import { openFolder, replaceBooks, standing } from "../store/folder.js";
import { refuseRunning } from "../store/lock.js";
import { recover } from "../store/recover.js";
import { CliError, Exit, saying, type Command, type Input } from "./command.js";
import { CONFIG_OPTION, readConfig } from "./settings.js";

const repair: Command = {
  summary: "Say what can be kept of damaged books, or keep it",
  usage: "",
  arity: [0, 0],
  options: {
    apply: { type: "boolean", help: "Do it. The damaged files are kept under other names." },
    config: CONFIG_OPTION,
  },
  details: "A backup that is newer than what is kept is better: see `ferrule restore`.",
  run: (input) => saying(() => mend(input)),
};

async function mend(input: Input): Promise<Exit> {
  const { terminal, values } = input;
  const config = readConfig(input);
  await refuseRunning(config.dataDir);
  const disk = openFolder(config.dataDir);
  if (!disk) throw new CliError(Exit.Unavailable, `There are no books in ${config.dataDir}.`);
  const { damage, seen } = standing(disk);
  if (damage === null) {
    terminal.print("The books are whole: there is nothing to repair.");
    return Exit.Ok;
  }
  let found;
  try {
    found = recover(disk, { repair: true });
  } catch {
    found = null;
  }
  if (!found || !seen) {
    throw new CliError(Exit.Negative, `${damage} No snapshot is left: only a backup helps.`);
  }
  const time = (ms: number): string => new Date(ms).toISOString().slice(0, 19);
  const { last, image } = found;
  const lost = seen.sequence - last.sequence;
  const kept: string[] = [];
  if (values["apply"] === true) {
    const books = { image, sequence: seen.sequence, epoch: seen.epoch + 1, stamp: last };
    kept.push(...(await replaceBooks(config.dataDir, books, config.journalSize)));
  }
  const report = { damage, keeps: last.sequence, at: time(last.wallMs), lost, kept };
  if (values["json"] === true) terminal.printJson({ ...report, applied: kept.length > 0 });
  else {
    terminal.print(damage);
    terminal.print(
      `What is kept: everything up to batch ${last.sequence}, ${time(last.wallMs)} UTC. What is ` +
        `lost: ${lost} batches after it, up to ${time(seen.wallMs)} UTC.`,
    );
    for (const path of kept) terminal.print(`Kept: ${path}`);
    if (kept.length === 0) terminal.print("Nothing was changed: --apply does it.");
  }
  return Exit.Ok;
}

export default repair;
