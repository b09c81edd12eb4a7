// Writing the few BTP 2.0 frames (RFC 23) a link sends on its own: authentication and its answer.
// Frames that carry packets come from the core, which also does all the reading. No Node imports.

export const AUTH = "auth";
export const AUTH_USERNAME = "auth_username";
export const AUTH_TOKEN = "auth_token";

/** Types a link has to know; see `BtpType` of the core for the others. */
export enum FrameType {
  Response = 1,
  Error = 2,
  Message = 6,
  Transfer = 7,
}

const OCTETS = 0;
const TEXT = 1;
const encoder = new TextEncoder();

/** Length prefix in its shortest form (OER-03). */
function lengthPrefix(length: number): number[] {
  if (length < 0x80) return [length];
  if (length < 0x100) return [0x81, length];
  if (length < 0x10000) return [0x82, length >> 8, length & 0xff];
  return [0x83, length >> 16, (length >> 8) & 0xff, length & 0xff];
}

function variable(text: string): number[] {
  const bytes = encoder.encode(text);
  return [...lengthPrefix(bytes.length), ...bytes];
}

function frame(type: FrameType, requestId: number, body: readonly number[]): Uint8Array {
  const id = [requestId >>> 24, (requestId >>> 16) & 0xff, (requestId >>> 8) & 0xff];
  return Uint8Array.from([type, ...id, requestId & 0xff, ...lengthPrefix(body.length), ...body]);
}

/** A Response without sub-protocols: "done" (BTP-02). */
export function writeResponse(requestId: number): Uint8Array {
  return frame(FrameType.Response, requestId, [1, 0]);
}

/**
 * An Error F00 NotAcceptedError; `reason` is a sentence for the peer, at most 8192 bytes. The time
 * has three fraction digits because peers cannot read others (BTP-15).
 */
export function writeNotAccepted(requestId: number, reason: string, nowMs: number): Uint8Array {
  const time = new Date(nowMs).toISOString().replace(/[-T:]/g, "");
  const code = encoder.encode("F00");
  const fields = [...code, ...variable("NotAcceptedError"), ...variable(time), ...variable(reason)];
  return frame(FrameType.Error, requestId, [...fields, 1, 0]);
}

/** The first frame of a client (BTP-01). `username` "" is left out. */
export function writeAuth(requestId: number, username: string, token: string): Uint8Array {
  const body = [...variable(AUTH), OCTETS, 0];
  if (username !== "") body.push(...variable(AUTH_USERNAME), TEXT, ...variable(username));
  body.push(...variable(AUTH_TOKEN), TEXT, ...variable(token));
  return frame(FrameType.Message, requestId, [1, username === "" ? 2 : 3, ...body]);
}
