// `ferrule inspect`: what an ILP packet or BTP frame says, one per argument or line. Needs no
// running node: the same core does the checking. Exit 1 if any is invalid.
import { describeDuration } from "../admin/amount.js";
import { Core } from "../core.js";
import { readCoreWasm } from "../wasm.js";
import { CliError, Exit, type Command, type Input } from "./command.js";
import { describeCode } from "./codes.js";
import {
  inspectText,
  type FrameFields,
  type Inspection,
  type PacketFields,
  type ProtocolFields,
} from "./inspection.js";
import { readLines, type Line } from "./lines.js";
import { fields, safe, type Terminal } from "./terminal.js";

/** Data is shown up to here; --json shows all of it. */
const DATA_SHOWN = 64;
/** Characters per byte: two hex digits and a separator, with room for `0x` and spaces. */
const CHARS_PER_BYTE = 4;

type Pair = readonly [name: string, value: string];

function describeExpiry(expiresAt: string, expiresInMs: number): string {
  const distance = describeDuration(Math.abs(expiresInMs));
  return `${expiresAt} (${expiresInMs < 0 ? `${distance} ago` : `in ${distance}`})`;
}

function describeData(length: number, data: string): string {
  if (length === 0) return "none";
  const more = length > DATA_SHOWN ? `… and ${length - DATA_SHOWN} more` : "";
  return `${length} byte${length === 1 ? "" : "s"}: ${data.slice(0, DATA_SHOWN * 2)}${more}`;
}

function packetPairs(packet: PacketFields): Pair[] {
  const data: Pair = ["data", describeData(packet.dataLength, packet.data)];
  switch (packet.type) {
    case "prepare":
      return [
        ["amount", `${packet.amount} base units`],
        ["expires at", describeExpiry(packet.expiresAt, packet.expiresInMs)],
        ["condition", packet.condition],
        ["destination", packet.destination],
        data,
      ];
    case "fulfill":
      return [["fulfillment", packet.fulfillment], ["for condition", packet.condition], data];
    case "reject": {
      const { receivedAmount, maximumAmount } = packet;
      const limits: Pair[] =
        receivedAmount === undefined
          ? []
          : [
              ["received", `${receivedAmount} base units`],
              ["maximum", `${maximumAmount} base units`],
            ];
      return [
        ["code", describeCode(packet.code)],
        ["triggered by", packet.triggeredBy || "not said"],
        ["message", packet.message || "none"],
        ...limits,
        data,
      ];
    }
  }
}

function framePairs(frame: FrameFields): Pair[] {
  const pairs: Pair[] = [["request id", String(frame.requestId)]];
  if (frame.amount !== undefined) pairs.push(["amount", `${frame.amount} base units`]);
  if (frame.code !== undefined) pairs.push(["error", `${frame.code} ${frame.name ?? ""}`]);
  const { errorData } = frame;
  if (errorData) pairs.push(["error data", describeData(errorData.length / 2, errorData)]);
  return pairs;
}

function renderProtocol(protocol: ProtocolFields, terminal: Terminal): string[] {
  const { name, contentTypeName, packet, text, data = "", dataLength = 0 } = protocol;
  const head = `  ${terminal.paint("bold", safe(name) || "(no name)")}  ${contentTypeName}`;
  if (!packet) {
    const value = text === undefined ? describeData(dataLength, data) : safe(text) || "(empty)";
    return [`${head}  ${value}`];
  }
  if (!packet.ok) return [head, `    ${terminal.paint("red", packet.error)}`];
  return [head, `    ILP ${packet.type}`, fields(terminal, packetPairs(packet), 6)];
}

function renderInspection(found: Inspection, terminal: Terminal): string {
  if (!("kind" in found)) return terminal.paint("red", found.error);
  const trailing =
    found.trailing > 0 ? `, then ${found.trailing} bytes that are not part of it` : "";
  const name = found.kind === "ilp" ? "ILP" : "BTP";
  const head = terminal.paint("bold", `${name} ${found.type}`);
  const lines = [`${head}, ${found.size} bytes${trailing}`];
  if (found.kind === "ilp") lines.push(fields(terminal, packetPairs(found)));
  else {
    lines.push(fields(terminal, framePairs(found)));
    for (const protocol of found.protocols) lines.push(...renderProtocol(protocol, terminal));
  }
  if (!found.ok) lines.push(terminal.paint("red", found.error));
  return lines.join("\n");
}

function inspectLine(core: Core, line: Line): Inspection {
  if ("text" in line) return inspectText(core, line.text, Date.now());
  const { length } = core.input;
  const error =
    `The line has ${line.tooLong} characters; no packet or frame that a node takes has more than ` +
    `${length} bytes.`;
  return { ok: false, error };
}

/** What to inspect: the arguments, or the lines of standard input for none or `-`. */
function chooseLines(input: Input, core: Core): AsyncIterable<Line> | Iterable<Line> {
  const { positionals } = input;
  const isStdin = positionals.length === 0 || (positionals.length === 1 && positionals[0] === "-");
  if (!isStdin) return positionals.map((text) => ({ text }));
  if (process.stdin.isTTY && positionals.length === 0) {
    throw new CliError(Exit.Usage, "Give the bytes as an argument, or pipe them in, one per line.");
  }
  return readLines(process.stdin as AsyncIterable<Buffer>, core.input.length * CHARS_PER_BYTE);
}

const inspect: Command = {
  summary: "Show every field of ILP packets and BTP frames",
  usage: "[bytes…|-]",
  arity: [0, Infinity],
  options: {},
  details:
    "Takes hex, base64 and base64url. Without arguments it reads standard input, one packet or\n" +
    'frame per line. --json prints one object per line of input: {"ok": true, …} or\n' +
    '{"ok": false, "error": "…"}. Tokens are hidden.',
  async run(input) {
    const { terminal, values } = input;
    const core = new Core(new WebAssembly.Module(readCoreWasm()), new Uint8Array(8));
    let exit = Exit.Ok;
    let count = 0;
    for await (const line of chooseLines(input, core)) {
      const found = inspectLine(core, line);
      if (!found.ok) exit = Exit.Negative;
      if (values["json"] === true) terminal.printJson(found);
      else terminal.print(`${count > 0 ? "\n" : ""}${renderInspection(found, terminal)}`);
      count += 1;
    }
    if (count === 0) {
      throw new CliError(Exit.Usage, "There is nothing to inspect: standard input was empty.");
    }
    return exit;
  },
};

export default inspect;
