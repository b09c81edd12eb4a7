// Writing ILP packets (RFC 27) outside the hot path: this node's own requests and answers. Reading
// is the core's work (`Core.inspectPacket`). No Node imports.

const encoder = new TextEncoder();

/** SHA-256 of 32 zero bytes: condition of peer protocol requests (ILDCP, route exchange). */
export const PEER_CONDITION: Uint8Array = Uint8Array.from(
  "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925".match(/../g)!,
  (byte) => parseInt(byte, 16),
);
/** Fulfillment of PEER_CONDITION. */
export const PEER_FULFILLMENT: Uint8Array = new Uint8Array(32);

/** Length prefix in its shortest form (OER-03). */
function lengthPrefix(length: number): number[] {
  if (length < 0x80) return [length];
  if (length < 0x100) return [0x81, length];
  if (length < 0x10000) return [0x82, length >> 8, length & 0xff];
  return [0x83, length >> 16, (length >> 8) & 0xff, length & 0xff];
}

/** Length prefix and bytes (OER-02). */
export function variable(bytes: Uint8Array): Uint8Array[] {
  return [Uint8Array.from(lengthPrefix(bytes.length)), bytes];
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function envelope(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const contents = concat(parts);
  return concat([Uint8Array.from([type, ...lengthPrefix(contents.length)]), contents]);
}

/** 17 digits, UTC (OER-13). Years 0 to 9999. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/[-T:.Z]/g, "");
}

/** A Prepare; `amount` in base units, `condition` 32 bytes, `data` at most 32767. */
export function writePrepare(prepare: {
  amount: bigint;
  expiresAtMs: number;
  condition: Uint8Array;
  destination: string;
  data?: Uint8Array;
}): Uint8Array {
  const amount = new Uint8Array(8);
  new DataView(amount.buffer).setBigUint64(0, prepare.amount);
  return envelope(12, [
    amount,
    encoder.encode(timestamp(prepare.expiresAtMs)),
    prepare.condition,
    ...variable(encoder.encode(prepare.destination)),
    ...variable(prepare.data ?? new Uint8Array(0)),
  ]);
}

/** A Fulfill; `fulfillment` 32 bytes. */
export function writeFulfill(
  fulfillment: Uint8Array,
  data: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return envelope(13, [fulfillment, ...variable(data)]);
}

/** A Reject; `code` three characters, `triggeredBy` an ILP address. */
export function writeReject(reject: {
  code: string;
  triggeredBy: string;
  message: string;
  data?: Uint8Array;
}): Uint8Array {
  return envelope(14, [
    encoder.encode(reject.code),
    ...variable(encoder.encode(reject.triggeredBy)),
    ...variable(encoder.encode(reject.message)),
    ...variable(reject.data ?? new Uint8Array(0)),
  ]);
}

/**
 * A length-prefixed field of at most 65535 bytes, and the offset behind it. Throws when cut short.
 */
export function readVariable(data: Uint8Array, at: number): [Uint8Array, number] {
  const first = data[at] ?? 0x80;
  let start = at + 1;
  let length = first;
  if (first === 0x81) length = data[start++] ?? Infinity;
  else if (first === 0x82) length = (data[start++] ?? Infinity) * 256 + (data[start++] ?? Infinity);
  else if (first > 0x82 || first === 0x80) length = Infinity;
  if (start + length > data.length) throw new Error("A field ends after the data that holds it.");
  return [data.subarray(start, start + length), start + length];
}
