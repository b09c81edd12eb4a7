// Raw Ethernet frames to a board in QEMU, for tests: what nobody's system would send. QEMU's hub
// joins the board, the user network and a UDP socket on which each datagram is a frame.
import { createSocket, type Socket } from "node:dgram";

const IPV4 = 0x0800;
export const ARP = 0x0806;
const TCP = 6;
/** QEMU's first card. */
export const BOARD_MAC = Buffer.from([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
const OWN_MAC = Buffer.from([0x02, 0, 0, 0, 0, 0x99]);

/** QEMU's arguments for a board behind a hub; `user` are options of the user network. */
export function hubArguments(user: string, udpHere: number, udpThere: number): string[] {
  const socket = `socket,id=raw,udp=127.0.0.1:${udpHere},localaddr=127.0.0.1:${udpThere}`;
  return [
    ...["-netdev", `user,id=user,${user}`, "-netdev", "hubport,id=h0,hubid=0,netdev=user"],
    ...["-netdev", socket, "-netdev", "hubport,id=h1,hubid=0,netdev=raw"],
    ...["-netdev", "hubport,id=h2,hubid=0", "-net", "nic,netdev=h2"],
  ];
}

/** The same for a board that is alone with the raw socket. */
export function rawArguments(udpHere: number, udpThere: number): string[] {
  return ["-nic", `socket,udp=127.0.0.1:${udpHere},localaddr=127.0.0.1:${udpThere}`];
}

/** The Internet checksum (RFC 1071) of these parts, each of an even length but the last. */
function checksum(...parts: Buffer[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += i % 2 === 0 ? bytes[i]! << 8 : bytes[i]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function ethernet(type: number, payload: Buffer): Buffer {
  const head = Buffer.concat([BOARD_MAC, OWN_MAC, Buffer.from([type >> 8, type & 0xff])]);
  return Buffer.concat([head, payload, Buffer.alloc(Math.max(0, 46 - payload.length))]);
}

const address = (text: string): Buffer => Buffer.from(text.split(".").map(Number));

/** A TCP segment with right checksums, unless `spoil` changes it before them. */
export function segment(
  from: string,
  to: string,
  ports: [from: number, to: number],
  flags: number,
  spoil: (ip: Buffer, tcp: Buffer) => void = () => undefined,
): Buffer {
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(ports[0], 0);
  tcp.writeUInt16BE(ports[1], 2);
  tcp.writeUInt32BE((Math.random() * 2 ** 32) >>> 0, 4);
  tcp[12] = 5 << 4;
  tcp[13] = flags;
  tcp.writeUInt16BE(8192, 14);
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(40, 2);
  ip[8] = 64;
  ip[9] = TCP;
  address(from).copy(ip, 12);
  address(to).copy(ip, 16);
  spoil(ip, tcp);
  const pseudo = Buffer.concat([ip.subarray(12, 20), Buffer.from([0, TCP, 0, tcp.length])]);
  tcp.writeUInt16BE(checksum(pseudo, tcp), 16);
  ip.writeUInt16BE(checksum(ip), 10);
  return ethernet(IPV4, Buffer.concat([ip, tcp]));
}

/** An ARP request: who has `to`? */
export function arpRequest(from: string, to: string): Buffer {
  const sender = Buffer.concat([OWN_MAC, address(from)]);
  return arp(Buffer.concat([Buffer.from([0, 1]), sender, Buffer.alloc(6), address(to)]));
}

/** The type of a frame, and the flags of a TCP segment; 0 where there is none. */
export function look(frame: Buffer): { type: number; flags: number } {
  const type = frame.readUInt16BE(12);
  const isTcp = type === IPV4 && frame[23] === TCP;
  return { type, flags: isTcp ? frame[14 + 20 + 13]! : 0 };
}

/** Does its sender say that it has just come up? Asks for its own address. */
export function isAnnouncement(frame: Buffer): boolean {
  return look(frame).type === ARP && frame.subarray(28, 32).equals(frame.subarray(38, 42));
}

/** An ARP packet that says anything. */
export function arp(payload: Buffer): Buffer {
  return ethernet(ARP, Buffer.concat([Buffer.from([0, 1, 8, 0, 6, 4]), payload]));
}

/** The socket that the hub's raw end talks to. */
export class RawEthernet {
  readonly #socket: Socket;
  readonly #to: number;
  /** Frames of the board's that were seen here. */
  readonly seen: Buffer[] = [];

  private constructor(socket: Socket, to: number) {
    this.#socket = socket;
    this.#to = to;
    socket.on("message", (frame) => {
      if (frame.subarray(6, 12).equals(BOARD_MAC)) this.seen.push(frame);
    });
  }

  static async open(here: number, there: number): Promise<RawEthernet> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(here, "127.0.0.1", resolve));
    return new RawEthernet(socket, there);
  }

  send(frame: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.send(frame, this.#to, "127.0.0.1", () => resolve());
    });
  }

  close(): void {
    this.#socket.close();
  }
}
