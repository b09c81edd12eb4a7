// Messages of the node's own Rejects: where ilp-connector has a text for a case, it is that text.
const iso = (ms: number): string => new Date(ms).toISOString();

/** What a text may mention. */
export interface Mentions {
  source: string;
  next: string;
  destination: string;
  type: number;
  maximum: bigint;
  amount: bigint;
  expiresAtMs: number;
  requiredMs: number;
  wallMs: number;
}

const BUSY = "too many packets in flight, throttling.";
const VALUE = "too much value in flight, throttling.";
const BANDWIDTH = "exceeded money bandwidth, throttling.";
const noRoute = (m: Mentions): string =>
  `no route found. source=${m.source} destination=${m.destination}`;
const tooLarge = (m: Mentions): string =>
  `packet size too large. maxAmount=${m.maximum} actualAmount=${m.amount}`;
const noConnection = (m: Mentions): string => `no connection to account. account=${m.next}`;

/** Code and message of each rule's Reject. */
export const REJECTS: Record<string, [code: string, message: (m: Mentions) => string]> = {
  InvalidPacket: ["F01", () => "invalid packet."],
  UnexpectedType: ["F01", (m) => `invalid packet type received. type=${m.type}`],
  NodeDraining: ["T03", () => "connector is shutting down."],
  ClockUnset: ["T03", () => "connector does not know the time yet."],
  AccountFrozen: ["T03", () => "account is frozen."],
  RateLimit: ["T05", () => "too many requests, throttling."],
  MaxPacketAmount: ["F08", tooLarge],
  ThroughputIn: ["T04", () => BANDWIDTH],
  BalanceMaximum: ["T04", () => "exceeded maximum balance."],
  InFlightCount: ["T03", () => BUSY],
  InFlightAmount: ["T04", () => VALUE],
  ValueAtRisk: ["T04", () => "exceeded value at risk, retry soon."],
  PeerProtocol: ["F01", () => "unknown peer protocol."],
  PeerCondition: ["F01", () => "condition must be peer protocol condition."],
  IldcpRefused: ["F00", () => "configuration is only given to child accounts."],
  Scheme: ["F02", noRoute],
  NoRoute: ["F02", noRoute],
  Reflection: [
    "F02",
    (m) =>
      "refusing to route payments back to sender. " +
      `sourceAccount=${m.source} destinationAccount=${m.destination}`,
  ],
  NextFrozen: ["T01", noConnection],
  LinkDown: ["T01", noConnection],
  LinkBusy: ["T03", (m) => `connection is congested. account=${m.next}`],
  NoRate: ["T00", (m) => `no rate available. account=${m.next}`],
  RateOverflow: ["F08", tooLarge],
  MaxPacketAmountOut: ["F08", tooLarge],
  RoundsToZero: ["R01", () => "amount is too small to be converted."],
  Expired: [
    "R02",
    (m) =>
      `source transfer has already expired. sourceExpiry=${iso(m.expiresAtMs)} ` +
      `currentTime=${iso(m.wallMs)}`,
  ],
  ExpiresSoon: [
    "R02",
    (m) =>
      "source transfer expires too soon to complete payment. " +
      `actualSourceExpiry=${iso(m.expiresAtMs)} ` +
      `requiredSourceExpiry=${iso(m.requiredMs)} currentTime=${iso(m.wallMs)}`,
  ],
  ThroughputOut: ["T04", () => BANDWIDTH],
  BalanceMinimum: ["T04", () => "exceeded minimum balance."],
  NextInFlightCount: ["T03", () => BUSY],
  NextInFlightAmount: ["T04", () => VALUE],
  Loop: ["F02", (m) => `routing loop. source=${m.source} destination=${m.destination}`],
  TableFull: ["T03", () => "connector is busy, throttling."],
  Timeout: ["R00", () => "packet expired."],
  WrongFulfillment: ["F05", () => "fulfillment did not match expected value."],
  InvalidReply: ["T00", () => "next hop's answer is not a reply."],
  LinkFailed: ["T00", () => "failed to send packet."],
};
