// The adversarial vectors as the inspection tests use them.
import { readFileSync } from "node:fs";

export interface Vector {
  id: string;
  group: string;
  description: string;
  /** ACC, REJ, or a verdict that depends on more than the bytes. */
  core: string;
  bytes: Buffer;
}

interface Entry extends Omit<Vector, "bytes"> {
  hex?: string;
  parts?: [hex: string, repeat: number][];
}

/** Vectors of the groups that start with `prefix`, with their bytes put together. */
export function readVectors(prefix: string): Vector[] {
  const path = new URL("../vectors/ilp-adversarial.json", import.meta.url);
  const { vectors } = JSON.parse(readFileSync(path, "utf8")) as { vectors: Entry[] };
  return vectors
    .filter(({ group }) => group.startsWith(prefix))
    .map(({ id, group, description, core, hex = "", parts = [[hex, 1]] }) => {
      const bytes = Buffer.concat(
        parts.map(([part, repeat]) => Buffer.from(part.repeat(repeat), "hex")),
      );
      return { id, group, description, core, bytes };
    });
}
