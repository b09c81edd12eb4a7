// A reader of RFC 6455 frames written from its text, over a whole stream at once: what the core
// must report. With `likeWs` it has the ways in which the npm package ws differs (README.md).
import { isUtf8 } from "node:buffer";
import type { Event } from "./harness.js";

export interface ReferenceOptions {
  role: "server" | "client";
  messageMax: number;
  likeWs?: boolean;
}

interface Header {
  fin: boolean;
  opcode: number;
  length: number;
  /** Bytes of the header. */
  size: number;
  mask: Buffer | undefined;
}

class Fault extends Error {
  constructor(readonly code: number) {
    super(`close ${code}`);
  }
}

/** Section 5.2; undefined if the stream ends within the header. */
function readHeader(
  stream: Buffer,
  held: number | undefined,
  options: ReferenceOptions,
): Header | undefined {
  if (stream.length < 2) return undefined;
  const [first, second] = [stream[0]!, stream[1]!];
  const opcode = first & 15;
  const fin = first >= 128;
  const masked = second >= 128;
  const short = second & 127;
  if ((first >> 4) & 7) throw new Fault(1002);
  if (![0, 1, 2, 8, 9, 10].includes(opcode)) throw new Fault(1002);
  if (opcode >= 8 && (!fin || short > 125)) throw new Fault(1002);
  if (opcode === 8 && short === 1) throw new Fault(1002);
  if (opcode === 0 && held === undefined) throw new Fault(1002);
  if ((opcode === 1 || opcode === 2) && held !== undefined) throw new Fault(1002);
  if (masked !== (options.role === "server")) throw new Fault(1002);
  const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
  if (stream.length < 2 + wide) return undefined;
  let length = BigInt(short);
  if (wide === 2) length = BigInt(stream.readUInt16BE(2));
  if (wide === 8) length = stream.readBigUInt64BE(2);
  if (!options.likeWs) {
    if (wide === 2 && length < 126n) throw new Fault(1002);
    if (wide === 8 && (length < 65536n || length >> 63n === 1n)) throw new Fault(1002);
  }
  if (opcode < 8 && BigInt(held ?? 0) + length > BigInt(options.messageMax)) throw new Fault(1009);
  const size = 2 + wide + (masked ? 4 : 0);
  if (stream.length < size) return undefined;
  const mask = masked ? stream.subarray(size - 4, size) : undefined;
  return { fin, opcode, length: Number(length), size, mask };
}

/** Section 7.4 and the registry of close codes. */
export function isLegalCode(code: number): boolean {
  const registered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
  return registered.includes(code) || (code >= 3000 && code < 5000);
}

function readClose(payload: Buffer): Event {
  if (payload.length === 0) return { kind: "close", code: 1005, data: "" };
  const code = payload.readUInt16BE(0);
  if (!isLegalCode(code)) throw new Fault(1002);
  if (!isUtf8(payload.subarray(2))) throw new Fault(1007);
  return { kind: "close", code, data: payload.toString("hex", 2) };
}

/** All that a stream brings, in order; ends with a fault or a Close if there is one. */
export function readStream(stream: Buffer, options: ReferenceOptions): Event[] {
  return readWhole(stream, options).events;
}

/** The same, and where the first frame begins that was not read to its end. */
export function readWhole(
  stream: Buffer,
  options: ReferenceOptions,
): { events: Event[]; stop: number } {
  const events: Event[] = [];
  const result = (): { events: Event[]; stop: number } => {
    return { events, stop: stream.length - rest.length };
  };
  let message: Buffer[] | undefined;
  let kind: "text" | "binary" = "binary";
  let rest = stream;
  try {
    for (;;) {
      const held = message?.reduce((sum, part) => sum + part.length, 0);
      const header = readHeader(rest, held, options);
      if (!header || rest.length < header.size + header.length) return result();
      const payload = Buffer.from(rest.subarray(header.size, header.size + header.length));
      rest = rest.subarray(header.size + header.length);
      if (header.mask) payload.forEach((byte, i) => (payload[i] = byte ^ header.mask![i % 4]!));
      if (header.opcode === 8) {
        events.push(readClose(payload));
        return result();
      }
      if (header.opcode > 8) {
        const data = payload.toString("hex");
        events.push({ kind: header.opcode === 9 ? "ping" : "pong", data });
        continue;
      }
      if (header.opcode) kind = header.opcode === 1 ? "text" : "binary";
      message = [...(message ?? []), payload];
      if (!header.fin) continue;
      const data = Buffer.concat(message);
      if (kind === "text" && options.likeWs && !isUtf8(data)) throw new Fault(1007);
      events.push({ kind, data: data.toString("hex") });
      message = undefined;
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    events.push({ kind: "fault", code: error.code });
    return result();
  }
}
