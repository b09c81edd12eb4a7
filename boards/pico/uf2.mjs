// UF2, the format that a Pico in BOOTSEL mode takes as a file: blocks of 512 bytes, each with 256
// of the image and the address they go to. And the checksum that the boot ROM asks of the first
// 256.

/** Where the RP2040's flash begins. */
export const FLASH = 0x10000000;
const FAMILY_RP2040 = 0xe48bff56;
const MAGIC = [0x0a324655, 0x9e5d5157];
const MAGIC_END = 0x0ab16f30;
const FLAG_FAMILY = 0x2000;
const BLOCK = 512;
const PAYLOAD = 256;
const BOOT2 = 256;

/** CRC-32 as the boot ROM computes it: 0x04c11db7, not reflected, not inverted. */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}

/** Writes the checksum of boot2 into an image that begins with it. */
export function sealBoot2(image) {
  const at = BOOT2 - 4;
  new DataView(image.buffer, image.byteOffset).setUint32(at, crc32(image.subarray(0, at)), true);
}

/** Would the boot ROM start this image? */
export function isBootable(image) {
  const at = BOOT2 - 4;
  const sum = new DataView(image.buffer, image.byteOffset).getUint32(at, true);
  return sum === crc32(image.subarray(0, at));
}

/** An image at an address as UF2; the last block is filled up with 0xff, as erased flash is. */
export function writeUf2(image, address) {
  const count = Math.ceil(image.length / PAYLOAD);
  const file = new Uint8Array(count * BLOCK);
  for (let i = 0; i < count; i++) {
    const block = new DataView(file.buffer, i * BLOCK, BLOCK);
    const words = [...MAGIC, FLAG_FAMILY, address + i * PAYLOAD, PAYLOAD, i, count, FAMILY_RP2040];
    words.forEach((word, at) => block.setUint32(4 * at, word, true));
    block.setUint32(BLOCK - 4, MAGIC_END, true);
    file.fill(0xff, i * BLOCK + 32, i * BLOCK + 32 + PAYLOAD);
    file.set(image.subarray(i * PAYLOAD, (i + 1) * PAYLOAD), i * BLOCK + 32);
  }
  return file;
}

/** The pieces of a UF2 file: address and bytes. Throws a sentence when it is not one for RP2040. */
export function readUf2(file) {
  if (file.length === 0 || file.length % BLOCK) throw new Error("a UF2 has blocks of 512 bytes");
  const pieces = [];
  for (let at = 0; at < file.length; at += BLOCK) {
    const block = new DataView(file.buffer, file.byteOffset + at, BLOCK);
    const word = (i) => block.getUint32(4 * i, true);
    const marks = word(0) === MAGIC[0] && word(1) === MAGIC[1] && word(127) === MAGIC_END;
    if (!marks) throw new Error(`block ${at / BLOCK} is not a UF2 block`);
    const sane = word(5) === at / BLOCK && word(6) === file.length / BLOCK && word(4) <= 476;
    if (!sane || word(2) !== FLAG_FAMILY || word(7) !== FAMILY_RP2040) {
      throw new Error(`block ${at / BLOCK} is not one of an RP2040 file of this length`);
    }
    pieces.push({ address: word(3), bytes: file.subarray(at + 32, at + 32 + word(4)) });
  }
  return pieces;
}
