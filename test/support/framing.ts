// Frames of byte streams, written for tests without the core: serial lines and WebSocket (RFC
// 6455).

const CRC_TABLE = Array.from({ length: 256 }, (_, n) => {
  let rest = n;
  for (let i = 0; i < 8; i++) rest = (rest >>> 1) ^ (rest & 1 ? 0x82f63b78 : 0);
  return rest >>> 0;
});

/** CRC32C by table. */
export function crc32c(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = (rest >>> 8) ^ CRC_TABLE[(rest ^ byte) & 255]!;
  return ~rest >>> 0;
}

/** One frame of a serial line. `kind`: 1 request, 2 reply. */
export function serialFrame(kind: number, requestId: number, packet: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head[0] = kind;
  head.writeUInt32LE(requestId >>> 0, 1);
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32c(Buffer.concat([head, packet])));
  const plain = Buffer.concat([head, packet, sum]);
  const out = Buffer.alloc(plain.length + Math.ceil(plain.length / 254) + 2);
  let mark = 0;
  let at = 1;
  for (const byte of plain) {
    if (at - mark === 255) {
      out[mark] = 255;
      mark = at++;
    }
    if (byte) out[at++] = byte;
    else {
      out[mark] = at - mark;
      mark = at++;
    }
  }
  out[mark] = at - mark;
  return out.subarray(0, at + 1);
}

/** One WebSocket frame. `mask`: four bytes when a client sends. */
export function wsFrame(opcode: number, data: Buffer, fin = true, mask?: Buffer): Buffer {
  const n = data.length;
  const head = Buffer.alloc(n < 126 ? 2 : n < 65536 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = (mask ? 0x80 : 0) | (n < 126 ? n : n < 65536 ? 126 : 127);
  if (n >= 65536) head.writeBigUInt64BE(BigInt(n), 2);
  else if (n >= 126) head.writeUInt16BE(n, 2);
  if (!mask) return Buffer.concat([head, data]);
  const masked = Buffer.from(data);
  for (let i = 0; i < n; i++) masked[i]! ^= mask[i & 3]!;
  return Buffer.concat([head, mask, masked]);
}
