// Reads what the admin API is sent: small JSON objects and query parameters, checked field by
// field. Every mistake is a sentence that says what to send instead.
import type { IncomingMessage } from "node:http";

const BODY_MAX = 16 * 1024;
const U64_MAX = (1n << 64n) - 1n;

/** An answer that is not 200: its sentence goes to the client. */
export class RequestError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "RequestError";
    this.status = status;
    this.headers = headers;
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/** The request's JSON object; an empty body is an empty object. */
export async function readBody(request: IncomingMessage): Promise<Fields> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_MAX) {
      throw new RequestError(413, `A request has at most ${BODY_MAX} bytes.`, {
        connection: "close",
      });
    }
    chunks.push(chunk);
  }
  if (size === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new RequestError(400, "The request's body is not JSON: send a JSON object.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RequestError(400, "The request's body must be a JSON object.");
  }
  return value as Fields;
}

/** A string that must be there. */
export function readText(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string" && value !== "") return value;
  throw new RequestError(400, `"${name}" must be given as a string.`);
}

/** Base units: a decimal string, or a number that is exact. Absent: `fallback`, if there is one. */
export function readAmount(fields: Fields, name: string, fallback?: bigint): bigint {
  const value = fields[name];
  if (value === undefined && fallback !== undefined) return fallback;
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text === "string" && /^\d{1,20}$/.test(text)) {
    const amount = BigInt(text);
    if (amount <= U64_MAX) return amount;
  }
  throw new RequestError(
    400,
    `"${name}" must be a whole number of base units from 0 to ${U64_MAX}, as a string.`,
  );
}

/** A whole number in a range, from JSON or a query. */
export function readCount(
  value: unknown,
  name: string,
  fallback: number,
  [least, most]: readonly [number, number],
): number {
  if (value === undefined || value === null) return fallback;
  const text = typeof value === "number" ? String(value) : value;
  const count = typeof text === "string" && /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (count >= least && count <= most) return count;
  throw new RequestError(400, `"${name}" must be a whole number from ${least} to ${most}.`);
}
