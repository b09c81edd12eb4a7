// Why bytes are not what they should be, as sentences. One entry per fault of the ABI: the compiler
// refuses a table with a gap, and a test compares it with the enums.
import { BtpFault, Fault } from "../abi.js";

/** Faults of ILP packets (RFC 27, RFC 30, RFC 15). */
export const PACKET_FAULTS: Readonly<Record<keyof typeof Fault, string>> = {
  None: "It is a valid ILP packet.",
  Empty: "There are no bytes.",
  Type: "The first byte is not 12 (Prepare), 13 (Fulfill) or 14 (Reject).",
  Length: "A length is not written in its one canonical form, or has more than three bytes.",
  Truncated: "The packet or one of its fields ends after the bytes that hold it.",
  Timestamp: "expiresAt is not 17 digits of a date that exists.",
  Address: "The destination is not an ILP address.",
  DataTooLong: "The data has more than 32767 bytes.",
  CodeNotAscii: "The reject code has a byte that is not ASCII.",
  MessageTooLong: "The reject message has more than 8191 characters.",
  TriggeredBy: "triggeredBy is neither empty nor an ILP address.",
};

/** Faults of BTP frames (RFC 23). */
export const FRAME_FAULTS: Readonly<Record<keyof typeof BtpFault, string>> = {
  None: "It is a valid BTP frame.",
  Type: "The first byte is not 1 (Response), 2 (Error), 6 (Message) or 7 (Transfer).",
  Length: "A length is not written in its one canonical form, or has more than three bytes.",
  Truncated: "The frame or one of its fields ends after the bytes that hold it.",
  Count: "The number of sub-protocols is not written in its canonical form.",
  TooManyProtocols: "There are more than 32 sub-protocols.",
  NotAscii: "A sub-protocol name, error code or error name has a byte that is not ASCII.",
  Duplicate: "Two sub-protocols have the same name.",
  Timestamp: "triggeredAt is not a timestamp (YYYYMMDDHHMMSS.fffZ).",
  DataTooLong: "The error data has more than 8192 bytes.",
};

/** A sentence for what `Core.faultOfPacket` returned. */
export function describePacketFault(fault: number): string {
  return PACKET_FAULTS[Fault[fault] as keyof typeof Fault];
}

/** A sentence for a negative result of `Core.inspectFrame`. */
export function describeFrameFault(fault: number): string {
  return FRAME_FAULTS[BtpFault[fault] as keyof typeof BtpFault];
}
