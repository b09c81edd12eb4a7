// Frames of a serial line as the core writes and reads them (assembly/wire/serial.ts), for the one
// kind that is not the core's: status frames, in which the two ends of a line speak about the line.
import { crc32c } from "../crc32c.js";

/** First byte of a frame (assembly/wire/serial.ts). */
export const SerialKind = { Request: 1, Reply: 2, Status: 3 } as const;

/** First byte of a status frame's payload; an answer has `Answer` added (boards/mcu/README.md). */
export const BoardOp = {
  Time: 1,
  Report: 2,
  Challenge: 3,
  Setup: 4,
  Hello: 5,
  Greeting: 6,
  Settle: 7,
  Answer: 0x80,
} as const;

const HEADER = 5;
const CRC = 4;
const RUN_MAX = 254;

/** A frame, opened. */
export interface SerialFrame {
  kind: number;
  id: number;
  payload: Uint8Array;
}

function stuff(plain: Uint8Array): Uint8Array {
  const out = new Uint8Array(plain.length + Math.ceil(plain.length / RUN_MAX) + 2);
  let mark = 0;
  let to = 1;
  plain.forEach((byte, at) => {
    if (byte !== 0) out[to++] = byte;
    if (byte === 0 || (to - mark > RUN_MAX && at + 1 < plain.length)) {
      out[mark] = to - mark;
      mark = to++;
    }
  });
  out[mark] = to - mark;
  out[to++] = 0;
  return out.subarray(0, to);
}

/** Plain bytes of a frame without its delimiter; null when a stuffing byte points outside. */
function unstuff(bytes: Uint8Array): Uint8Array | null {
  const out = new Uint8Array(bytes.length);
  let to = 0;
  for (let from = 0; from < bytes.length;) {
    const code = bytes[from]!;
    if (code === 0 || from + code > bytes.length) return null;
    out.set(bytes.subarray(from + 1, from + code), to);
    from += code;
    to += code - 1;
    if (code <= RUN_MAX && from < bytes.length) out[to++] = 0;
  }
  return out.subarray(0, to);
}

/** A frame with its delimiter. */
export function writeSerialFrame(kind: number, id: number, payload: Uint8Array): Uint8Array {
  const plain = new Uint8Array(HEADER + payload.length + CRC);
  const view = new DataView(plain.buffer);
  plain[0] = kind;
  view.setUint32(1, id, true);
  plain.set(payload, HEADER);
  const end = HEADER + payload.length;
  view.setUint32(end, crc32c(plain.subarray(0, end)), true);
  return stuff(plain);
}

/** Opens a frame given without its delimiter; null when it is damaged. */
export function readSerialFrame(bytes: Uint8Array): SerialFrame | null {
  const plain = unstuff(bytes);
  if (!plain || plain.length < HEADER + CRC) return null;
  const view = new DataView(plain.buffer);
  const end = plain.length - CRC;
  if (view.getUint32(end, true) !== crc32c(plain.subarray(0, end))) return null;
  return { kind: plain[0]!, id: view.getUint32(1, true), payload: plain.slice(HEADER, end) };
}

/**
 * Is this frame, still closed, a status frame? Its kind is the first byte and never 0, so it stands
 * behind one stuffing byte.
 */
export function isStatusFrame(bytes: Uint8Array): boolean {
  return bytes[1] === SerialKind.Status;
}
