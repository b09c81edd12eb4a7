// The seam between the connector and whatever carries bytes. A link belongs to one account; the
// connector calls the link, the link calls the switch, and neither looks into a packet.
import type { LinkKind, Status } from "../core.js";

/** What the connector asks of a link. */
export interface Link {
  /**
   * Writes bytes of a framed link (BTP) or a stream (WebSocket). `memory` is the core's and changes
   * after the call returns: the link copies `[address, address + length)` or has the system take it
   * at once. Never throws.
   */
  write(memory: Uint8Array, address: number, length: number): void;
  /**
   * Carries a Prepare on a raw link (HTTP, local). The link answers later, never during the call,
   * with `reply` or `fail` and the same id. `source` is the account it came from. Never throws.
   */
  request(id: number, source: number, memory: Uint8Array, address: number, length: number): void;
  /**
   * The core has said goodbye on this stream, with this close code (0: none): the link ends once
   * what was written has left. Absent on links that are no streams.
   */
  over?(code: number): void;
  /** Closes the link for good; `reason` is a sentence for the log and the peer. */
  close(reason: string): void;
  /** One line for operators, e.g. `BTP 127.0.0.1:53412`. Never a secret. */
  describe(): string;
}

/** What a link may ask of the connector. Every call is one mutation of the core and its drain. */
export interface Switch {
  /**
   * Puts a link on an account, replacing (and closing) the one before. Returns the kind it is to
   * be: LinkKind.Btp instead of a WebSocket stream when the core does not read those.
   */
  attach(account: number, link: Link, kind: LinkKind): LinkKind;
  /** Takes the link off the account, if it is still this one. Packets in flight stay in flight. */
  detach(account: number, link: Link): void;
  /** The link's send queue is over (true) or back under (false) its mark. */
  congest(account: number, link: Link, congested: boolean): void;
  /** Bytes of a stream came in, wherever they begin and end. The chunk is the switch's to keep. */
  stream(account: number, chunk: Uint8Array): void;
  /** One whole BTP frame came in. BadFrame: close the link. */
  frame(account: number, frame: Uint8Array): Status;
  /**
   * A Prepare came in on a raw link; `done` gets the reply, a copy, exactly once, or null at stop.
   */
  request(account: number, packet: Uint8Array, done: (reply: Uint8Array | null) => void): void;
  /** The reply to a request the link carried; empty or garbage counts as a failed attempt. */
  reply(account: number, id: number, packet: Uint8Array): void;
  /** The request could not be carried: goes upstream as this reject code. */
  fail(account: number, id: number, code: "F00" | "F01" | "T00" | "T01" | "T03"): void;
}
