// The help texts: made from the commands, so that they cannot disagree with them.
import { COMMON_OPTIONS, type Command } from "./command.js";
import { commands } from "./commands.js";
import { table, type Terminal } from "./terminal.js";

const EXIT_CODES: readonly (readonly [string, string])[] = [
  ["0", "done, or the answer is yes"],
  ["1", "the answer is no: a failed ping, a refused packet, invalid bytes"],
  ["2", "the command line is wrong"],
  ["69", "something needed is not there: no running node, a port in use"],
  ["70", "a fault of Ferrule's own"],
  ["74", "the disk failed while the node ran"],
  ["78", "the configuration has mistakes"],
  ["130", "interrupted: by a second signal, or while it was asking"],
];

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

/** `ferrule --help`. */
export async function renderHelp(terminal: Terminal): Promise<string> {
  const names = Object.keys(commands);
  const loaded = await Promise.all(names.map((name) => commands[name]!()));
  const rows = names.map((name, i) => {
    const { usage, summary } = loaded[i]!.default;
    return [`${name} ${usage}`.trimEnd(), summary];
  });
  const title = (text: string): string => terminal.paint("bold", text);
  return [
    "Ferrule, an Interledger connector.",
    "",
    `${title("Usage:")} ferrule <command> [options]`,
    "",
    title("Commands"),
    indent(table(terminal, [], rows)),
    "",
    "Every command takes --help, and --json for output that programs can read.",
    "",
    title("Exit codes"),
    indent(table(terminal, [], EXIT_CODES)),
  ].join("\n");
}

/** `ferrule <command> --help`. */
export function renderCommandHelp(name: string, command: Command, terminal: Terminal): string {
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS });
  const rows = options.map(([option, { short, value, help }]) => {
    const long = `--${option}${value === undefined ? "" : ` ${value}`}`;
    return [short === undefined ? `    ${long}` : `-${short}, ${long}`, help];
  });
  const lines = [
    `${command.summary}.`,
    "",
    `${terminal.paint("bold", "Usage:")} ferrule ${name} ${command.usage} [options]`.replace(
      "  ",
      " ",
    ),
  ];
  if (command.details !== undefined) lines.push("", command.details);
  lines.push("", terminal.paint("bold", "Options"), indent(table(terminal, [], rows)));
  return lines.join("\n");
}
