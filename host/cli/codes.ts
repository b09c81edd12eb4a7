// Error codes by name: ILP's (RFC 27) and what their first letter means for codes without a name.

const NAMES: Readonly<Record<string, string>> = {
  F00: "Bad Request",
  F01: "Invalid Packet",
  F02: "Unreachable",
  F03: "Invalid Amount",
  F04: "Insufficient Destination Amount",
  F05: "Wrong Condition",
  F06: "Unexpected Payment",
  F07: "Cannot Receive",
  F08: "Amount Too Large",
  F99: "Application Error",
  T00: "Internal Error",
  T01: "Peer Unreachable",
  T02: "Peer Busy",
  T03: "Connector Busy",
  T04: "Insufficient Liquidity",
  T05: "Rate Limited",
  T99: "Application Error",
  R00: "Transfer Timed Out",
  R01: "Insufficient Source Amount",
  R02: "Insufficient Timeout",
  R99: "Application Error",
};

const CLASSES: Readonly<Record<string, string>> = {
  F: "a final error without a name",
  T: "a temporary error without a name",
  R: "a relative error without a name",
};

/** The name of a reject code, as RFC 27 writes it. */
export function codeName(code: string): string {
  return NAMES[code] ?? CLASSES[code[0] ?? ""] ?? "not an ILP error code";
}

/** "F02 Unreachable". */
export function describeCode(code: string): string {
  return `${/^[\x20-\x7e]{3}$/.test(code) ? code : "?"} ${codeName(code)}`;
}
