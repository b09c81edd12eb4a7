// The local link: packets addressed to this node come out here and are answered here, exactly as a
// peer would answer them. Echo (ping) is served; route exchange and settlement messages are refused
// politely, in the words peers know (peers.md 2.5).
import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.js";
import type { Core, InspectedPacket } from "../core.js";
import { LOCAL_ACCOUNT } from "../core.js";
import type { Link, Switch } from "../link/link.js";
import { readVariable, variable, writeFulfill, writePrepare, writeReject } from "../packet.js";

type Prepare = Extract<InspectedPacket, { type: "prepare" }>;

/** First bytes of an echo packet's data (NODE-14). */
const ECHO = new TextEncoder().encode("ECHOECHOECHOECHO");
const ECHO_REQUEST = 0;
const ECHO_RESPONSE = 1;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

export interface LocalDeps {
  core: Core;
  switch: Switch;
  clock: Clock;
  /** This node's address; "" before it has one. */
  address(): string;
}

export class LocalLink implements Link {
  readonly #deps: LocalDeps;
  /** Fulfillments of our own pings, by the last segment of the address they come back to. */
  readonly #waiting = new Map<string, Uint8Array>();

  constructor(deps: LocalDeps) {
    this.#deps = deps;
  }

  write(): void {
    throw new Error("The local link carries packets, not frames.");
  }

  close(): void {}

  describe(): string {
    return "this node";
  }

  request(id: number, _source: number, memory: Uint8Array, address: number, length: number): void {
    const packet = memory.slice(address, address + length);
    // The core is being drained: answer once it is done.
    this.#deps.clock.soon(() => this.#answer(id, packet));
  }

  /**
   * Prepares an echo request to come back to this node.
   * @returns its data, and a function that forgets it.
   */
  expectEcho(fulfillment: Uint8Array): { data: Uint8Array; forget: () => void } {
    const token = randomBytes(12).toString("base64url");
    this.#waiting.set(token, fulfillment);
    const back = encoder.encode(`${this.#deps.address()}.ping.${token}`);
    const source = variable(back).flatMap((part) => [...part]);
    const data = Uint8Array.from([...ECHO, ECHO_REQUEST, ...source]);
    return { data, forget: () => this.#waiting.delete(token) };
  }

  #answer(id: number, bytes: Uint8Array): void {
    const { core } = this.#deps;
    core.input.set(bytes);
    const packet = core.inspectPacket(bytes.length);
    if (packet?.type !== "prepare") return this.#reject(id, "F01", "not a Prepare.");
    if (packet.destination.startsWith("peer.")) return this.#answerPeer(id, packet);
    const echo = this.#waiting.get(packet.destination.slice(this.#deps.address().length + 6));
    if (echo && isEcho(packet.data, ECHO_RESPONSE)) {
      return this.#reply(id, writeFulfill(echo));
    }
    if (packet.destination !== this.#deps.address()) {
      return this.#reject(id, "F02", `no account at ${packet.destination}.`);
    }
    if (isEcho(packet.data, ECHO_REQUEST)) return this.#echo(id, packet);
    this.#reject(id, "F06", "this connector does not take payments itself.");
  }

  #answerPeer(id: number, packet: Prepare): void {
    const texts: Record<string, string> = {
      "peer.route.control":
        "rejecting route control message, we are configured not to send routes to you.",
      "peer.route.update":
        "rejecting route update, we are configured not to receive routes from you.",
      "peer.settle": "no settlement engine for this account.",
    };
    const text = texts[packet.destination];
    if (text) this.#reject(id, "F00", text);
    else this.#reject(id, "F01", "unknown peer protocol.");
  }

  /** Answers an echo request with a Prepare of the same amount and condition to its source. */
  #echo(id: number, packet: Prepare): void {
    let back: Uint8Array;
    try {
      const [source] = readVariable(packet.data, ECHO.length + 1);
      back = writePrepare({
        amount: packet.amount,
        expiresAtMs: packet.expiresAtMs,
        condition: packet.condition,
        destination: decoder.decode(source),
        data: Uint8Array.from([...ECHO, ECHO_RESPONSE]),
      });
    } catch {
      const length = packet.data.length;
      return this.#reject(id, "F01", `packet data too short for echo request. length=${length}`);
    }
    this.#deps.switch.request(LOCAL_ACCOUNT, back, (reply) => {
      if (reply) this.#reply(id, reply);
      else this.#reject(id, "T00", "connector stopped.");
    });
  }

  #reply(id: number, packet: Uint8Array): void {
    this.#deps.switch.reply(LOCAL_ACCOUNT, id, packet);
  }

  #reject(id: number, code: string, message: string): void {
    const triggeredBy = this.#deps.address() || "self.ferrule";
    this.#reply(id, writeReject({ code, triggeredBy, message }));
  }
}

function isEcho(data: Uint8Array, type: number): boolean {
  return (
    data.length > ECHO.length && ECHO.every((byte, i) => data[i] === byte) && data[16] === type
  );
}
