// A time server (SNTP, RFC 4330) for machines that have none: answers with this machine's time. In
// QEMU's user network a guest's 10.0.2.2 port 123 is this machine's loopback, so it needs root.
import { createSocket } from "node:dgram";

/** Seconds from 1900 to 1970. */
const NTP_EPOCH = 2_208_988_800;

function writeTime(message, at, ms) {
  message.writeUInt32BE((Math.floor(ms / 1000) + NTP_EPOCH) >>> 0, at);
  message.writeUInt32BE(Math.floor(((ms % 1000) / 1000) * 2 ** 32) >>> 0, at + 4);
}

/** Listens on port 123; resolves to a function that closes it. Rejects where it may not. */
export function startNtpServer() {
  const socket = createSocket("udp4");
  socket.on("message", (query, { port, address }) => {
    if (query.length < 48) return;
    const now = Date.now();
    const answer = Buffer.alloc(48);
    answer[0] = (query[0] & 0x38) | 4;
    answer[1] = 2;
    answer[2] = query[2];
    answer[3] = 0xec;
    answer.write("TEST", 12, "latin1");
    writeTime(answer, 16, now);
    query.copy(answer, 24, 40, 48);
    writeTime(answer, 32, now);
    writeTime(answer, 40, now);
    socket.send(answer, port, address);
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(123, "127.0.0.1", () => resolve(() => socket.close()));
  });
}
