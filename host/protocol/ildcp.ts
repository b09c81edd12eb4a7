// ILDCP, the child's side (RFC 31): asks a parent for this node's address. The parent's side is the
// core's.
import { PEER_CONDITION, readVariable, writePrepare } from "../packet.js";
import type { InspectedPacket } from "../core.js";

const decoder = new TextDecoder();
/** How long the parent may take. */
export const ILDCP_TIMEOUT_MS = 30000;

export interface ChildConfig {
  address: string;
  assetScale: number;
  assetCode: string;
}

/** The request (CFG-01). */
export function ildcpRequest(wallMs: number): Uint8Array {
  return writePrepare({
    amount: 0n,
    expiresAtMs: wallMs + ILDCP_TIMEOUT_MS,
    condition: PEER_CONDITION,
    destination: "peer.config",
  });
}

/** Reads the answer (CFG-06). Throws a sentence when it is not one. */
export function readIldcpAnswer(packet: InspectedPacket | null): ChildConfig {
  if (!packet || packet.type === "prepare") throw new Error("The parent's answer is not a packet.");
  if (packet.type === "reject") {
    throw new Error(`The parent refused to give an address: ${packet.code} ${packet.message}`);
  }
  if (packet.fulfillment.some((byte) => byte !== 0)) {
    throw new Error("The parent's answer has a fulfillment that is not all zeros.");
  }
  const { data } = packet;
  const [address, afterAddress] = readVariable(data, 0);
  const scale = data[afterAddress];
  const [code] = readVariable(data, afterAddress + 1);
  if (scale === undefined) throw new Error("The parent's answer ends too early.");
  return { address: decoder.decode(address), assetScale: scale, assetCode: decoder.decode(code) };
}
