// `ferrule replay`: reads the books of a stopped node, or a backup, without changing anything.
import { describeBalance } from "../admin/amount.js";
import { RecordRecord as R } from "../abi.js";
import type { Block, ReadBlock } from "../store/block.js";
import { Verifier, describeRecord, wide } from "../store/describe.js";
import { imageOf, openFolder, readBackup } from "../store/folder.js";
import type { Image } from "../store/image.js";
import { u64 } from "../store/record.js";
import { recover } from "../store/recover.js";
import { CliError, Exit, textOption, saying, type Command, type Input } from "./command.js";
import { CONFIG_OPTION, readConfig } from "./settings.js";
import { safe, table, type Terminal } from "./terminal.js";

/** A condition from `--until`: a batch's number, or a time. */
function readUntil(input: Input): ((batch: Block) => boolean) | undefined {
  const text = textOption(input, "until");
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return (batch) => batch.sequence <= Number(text);
  const time = Date.parse(text);
  if (Number.isNaN(time)) {
    throw new CliError(
      Exit.Usage,
      "--until takes a batch's number or a time such as 2026-01-31T12:00Z.",
    );
  }
  return (batch) => batch.wallMs <= time;
}

function printBlock(terminal: Terminal, block: ReadBlock, image: Image): void {
  const name = (index: number): string => safe(image.accounts.get(index)?.id ?? `account ${index}`);
  const time = new Date(block.wallMs).toISOString();
  const head = `${block.kind} ${block.sequence}, epoch ${block.epoch}, ${time}`;
  terminal.print(`${head}, ${block.records.length} records`);
  for (const record of block.records) terminal.print(`  ${describeRecord(record, name)}`);
}

interface Balance {
  account: string;
  asset: string;
  scale: number;
  balance: bigint;
  pendingIn: bigint;
  pendingOut: bigint;
}

function balances(image: Image): Balance[] {
  return [...image.accounts.values()].map(({ id, asset, sums }) => {
    const { code = "?", scale = 0 } = image.assets.get(asset) ?? {};
    return {
      account: id,
      asset: code,
      scale,
      balance: sums ? wide(sums, R.a) - wide(sums, R.c) : 0n,
      pendingIn: sums ? u64(sums, R.e) : 0n,
      pendingOut: sums ? u64(sums, R.f) : 0n,
    };
  });
}

function show(terminal: Terminal, last: Block, image: Image): void {
  const rows = balances(image).map(({ account, asset, scale, balance, pendingIn, pendingOut }) => [
    account,
    describeBalance(balance, { assetCode: asset, assetScale: scale }),
    { text: String(pendingIn), right: true },
    { text: String(pendingOut), right: true },
  ]);
  terminal.print(table(terminal, ["account", "balance", "pending in", "pending out"], rows));
  const time = new Date(last.wallMs).toISOString();
  terminal.print(
    `\nBatch ${last.sequence}, ${time}; ${image.holds.size} packets on hold, ` +
      `${image.claims.size} claims, ${image.evidence.length} late Fulfills.`,
  );
}

function read(
  input: Input,
  onBlock: (block: ReadBlock, image: Image) => void,
): { last: ReadBlock; image: Image; torn: string | null } {
  const [file] = input.positionals;
  const until = readUntil(input);
  const refuseEarlier = (first: Block, what: string): void => {
    if (!until || until(first)) return;
    const time = new Date(first.wallMs).toISOString();
    const sentence = `${what} at batch ${first.sequence}, ${time}: nothing before that is there.`;
    throw new CliError(Exit.Unavailable, sentence);
  };
  if (file !== undefined) {
    const last = readBackup(file);
    refuseEarlier(last, `${file} has the books as they were`);
    const image = imageOf(last);
    onBlock(last, image);
    return { last, image, torn: null };
  }
  const { dataDir } = readConfig(input);
  const disk = openFolder(dataDir);
  const each = (block: ReadBlock, image: Image): void => {
    if (block.kind === "snapshot")
      refuseEarlier(block, "The snapshot that the journal goes on from is");
    onBlock(block, image);
  };
  const found = disk ? recover(disk, { onBlock: each, ...(until ? { until } : {}) }) : null;
  if (!found) throw new CliError(Exit.Unavailable, `There are no books in ${dataDir}.`);
  return found;
}

const replay: Command = {
  summary: "Read the books of a stopped node, or of a backup",
  usage: "[backup]",
  arity: [0, 1],
  options: {
    print: { type: "boolean", help: "Print every record." },
    verify: { type: "boolean", help: "Check that the books add up, and the trail with them." },
    until: { type: "string", value: "batch|time", help: "Stop after this batch, or this time." },
    config: CONFIG_OPTION,
  },
  details: "Nothing is changed. The journal goes back to the last snapshot.",
  run: (input) => saying(() => run(input)),
};

function run(input: Input): Exit {
  const { terminal, values } = input;
  const verifier = new Verifier();
  const isJson = values["json"] === true;
  const { last, image, torn } = read(input, (block, image) => {
    if (values["print"] === true && !isJson) printBlock(terminal, block, image);
    if (values["verify"] === true) verifier.check(block, image);
  });
  const { faults, posts } = verifier;
  if (isJson) {
    const { sequence, epoch, wallMs } = last;
    const held = { holds: image.holds.size, claims: image.claims.size };
    terminal.printJson({
      sequence,
      epoch,
      wallMs,
      torn,
      ...held,
      faults,
      accounts: balances(image),
    });
  } else {
    show(terminal, last, image);
    if (torn !== null) terminal.print(`In the journal, ${torn}.`);
    for (const fault of faults) terminal.print(fault);
    if (values["verify"] === true && faults.length === 0) {
      terminal.print(`The books add up after every batch; ${posts} posts of the trail agree.`);
    }
  }
  return faults.length > 0 ? Exit.Negative : Exit.Ok;
}

export default replay;
