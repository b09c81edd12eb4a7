// What bytes are: an ILP packet (RFC 27) or a BTP frame (RFC 23), every field of it, or why they
// are neither. The core does the checking, so that this says exactly what a running node would.
// Tokens are never shown (BTP-01), and nothing of the input is repeated in an error.
import { createHash } from "node:crypto";
import { BtpType, PacketType } from "../abi.js";
import { REDACTED } from "../config/index.js";
import type { Core, InspectedFrame, InspectedPacket, Protocol } from "../core.js";
import { readBytes } from "./bytes.js";
import { codeName } from "./codes.js";
import { describeFrameFault, describePacketFault } from "./faults.js";

/** Sub-protocols whose data is a secret. */
const SECRETS = new Set(["auth_token"]);
const CONTENT_TYPES = ["application/octet-stream", "text/plain; charset=utf-8", "application/json"];
const FRAME_NAMES = {
  [BtpType.Response]: "response",
  [BtpType.Error]: "error",
  [BtpType.Message]: "message",
  [BtpType.Transfer]: "transfer",
} as const;

export interface Failure {
  readonly ok: false;
  readonly error: string;
}

interface Size {
  /** Bytes of the packet or frame, and bytes after it. */
  readonly size: number;
  readonly trailing: number;
}

export type PacketFields =
  | {
      readonly type: "prepare";
      readonly amount: bigint;
      readonly expiresAt: string;
      readonly expiresInMs: number;
      readonly condition: string;
      readonly destination: string;
      readonly dataLength: number;
      readonly data: string;
    }
  | {
      readonly type: "fulfill";
      readonly fulfillment: string;
      /** SHA-256 of the fulfillment: the condition it fits. */
      readonly condition: string;
      readonly dataLength: number;
      readonly data: string;
    }
  | {
      readonly type: "reject";
      readonly code: string;
      readonly codeName: string;
      readonly triggeredBy: string;
      readonly message: string;
      /** F08 only. */
      readonly receivedAmount?: bigint;
      readonly maximumAmount?: bigint;
      readonly dataLength: number;
      readonly data: string;
    };

export type PacketInspection = { readonly ok: true; readonly kind: "ilp" } & Size & PacketFields;

export interface ProtocolFields {
  readonly name: string;
  readonly contentType: number;
  readonly contentTypeName: string;
  readonly dataLength?: number;
  /** Hex. */
  readonly data?: string;
  /** Instead of `data`, for text and JSON. */
  readonly text?: string;
  /** What `ilp` holds. */
  readonly packet?: PacketInspection | Failure;
}

export interface FrameFields extends Size {
  readonly kind: "btp";
  readonly type: "response" | "error" | "message" | "transfer";
  readonly requestId: number;
  readonly code?: string;
  readonly name?: string;
  readonly errorData?: string;
  readonly amount?: bigint;
  readonly protocols: readonly ProtocolFields[];
}

/** A frame may be sound and the packet in it not. */
export type FrameInspection = FrameFields & ({ readonly ok: true } | Failure);

export type Inspection =
  ((PacketInspection | FrameInspection) & { readonly encoding?: "hex" | "base64" }) | Failure;

const decoder = new TextDecoder();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function fail(error: string): Failure {
  return { ok: false, error };
}

function packetFields(packet: InspectedPacket, nowMs: number): PacketFields {
  const rest = { dataLength: packet.data.length, data: hex(packet.data) };
  switch (packet.type) {
    case "prepare":
      return {
        type: "prepare",
        amount: packet.amount,
        expiresAt: new Date(packet.expiresAtMs).toISOString(),
        expiresInMs: packet.expiresAtMs - nowMs,
        condition: hex(packet.condition),
        destination: packet.destination,
        ...rest,
      };
    case "fulfill":
      return {
        type: "fulfill",
        fulfillment: hex(packet.fulfillment),
        condition: createHash("sha256").update(packet.fulfillment).digest("hex"),
        ...rest,
      };
    case "reject": {
      const { code, triggeredBy, message, data } = packet;
      const view = new DataView(data.buffer, data.byteOffset, data.length);
      const limits =
        code === "F08" && data.length >= 16
          ? { receivedAmount: view.getBigUint64(0), maximumAmount: view.getBigUint64(8) }
          : {};
      return {
        type: "reject",
        code,
        codeName: codeName(code),
        triggeredBy,
        message,
        ...limits,
        ...rest,
      };
    }
  }
}

function inspectPacket(core: Core, bytes: Uint8Array, nowMs: number): PacketInspection | Failure {
  core.input.set(bytes);
  const packet = core.inspectPacket(bytes.length);
  if (!packet) {
    const reason = describePacketFault(core.faultOfPacket(bytes.length));
    return fail(`This is not an ILP packet: ${reason}`);
  }
  const { size } = packet;
  const trailing = bytes.length - size;
  return { ok: true, kind: "ilp", size, trailing, ...packetFields(packet, nowMs) };
}

function protocolFields(core: Core, protocol: Protocol, nowMs: number): ProtocolFields {
  const { name, contentType, data } = protocol;
  const contentTypeName = CONTENT_TYPES[contentType] ?? "unknown";
  const about = { name, contentType, contentTypeName };
  if (SECRETS.has(name.toLowerCase())) return { ...about, text: data.length > 0 ? REDACTED : "" };
  const full = { ...about, dataLength: data.length };
  if (name === "ilp" && contentType === 0) {
    return { ...full, packet: inspectPacket(core, data, nowMs) };
  }
  const isText = contentType === 1 || contentType === 2;
  return isText ? { ...full, text: decoder.decode(data) } : { ...full, data: hex(data) };
}

function frameFields(frame: InspectedFrame): Partial<FrameFields> {
  const { type, code, name, errorData, amount } = frame;
  if (type === BtpType.Error) return { code, name, errorData: hex(errorData) };
  return type === BtpType.Transfer ? { amount } : {};
}

function inspectFrame(core: Core, bytes: Uint8Array, nowMs: number): FrameInspection | Failure {
  core.input.set(bytes);
  const frame = core.inspectFrame(bytes.length);
  if (typeof frame === "number") {
    return fail(`This is not a BTP frame: ${describeFrameFault(frame)}`);
  }
  const { size, requestId } = frame;
  const protocols = frame.protocols.map((protocol) => protocolFields(core, protocol, nowMs));
  const fields: FrameFields = {
    kind: "btp",
    size,
    trailing: bytes.length - size,
    type: FRAME_NAMES[frame.type as BtpType],
    requestId,
    ...frameFields(frame),
    protocols,
  };
  const bad = protocols.map(({ packet }) => packet).find((packet) => packet && !packet.ok);
  if (!bad || bad.ok) return { ok: true, ...fields };
  return { ...fields, ...fail(`The BTP frame is valid, but what it carries is not. ${bad.error}`) };
}

/** Inspects bytes; the first one says which of the two they claim to be. */
export function inspectBytes(
  core: Core,
  bytes: Uint8Array,
  nowMs: number,
): PacketInspection | FrameInspection | Failure {
  const [first] = bytes;
  if (first === undefined) return fail("There are no bytes.");
  if (bytes.length > core.input.length) {
    return fail(
      `These are ${bytes.length} bytes; no packet or frame that a node takes has more than ` +
        `${core.input.length}.`,
    );
  }
  if (PacketType[first] !== undefined) return inspectPacket(core, bytes, nowMs);
  if (BtpType[first] !== undefined) return inspectFrame(core, bytes, nowMs);
  return fail(
    `The first byte is ${first}: an ILP packet starts with 12, 13 or 14, a BTP frame with 1, 2, ` +
      "6 or 7.",
  );
}

/** Inspects what somebody pasted. `nowMs`: wall clock, for how far away an expiry is. */
export function inspectText(core: Core, text: string, nowMs: number): Inspection {
  const { readings, problem } = readBytes(text);
  let first: Inspection | null = null;
  for (const { encoding, bytes } of readings) {
    const found = inspectBytes(core, bytes, nowMs);
    if (found.ok) return { ...found, encoding };
    first ??= "kind" in found ? { ...found, encoding } : found;
  }
  if (problem !== null) return fail(problem);
  return first ?? fail("The text is neither hex nor base64.");
}
