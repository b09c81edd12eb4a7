// Files that come with the program: the cores and package.json. They lie beside the compiled host,
// or around its sources. A single-file executable replaces this module by one that has them inside.
import { readFileSync } from "node:fs";

/** From host/ (sources), build/host/ (compiled) and a bundle's own folder. */
const FOLDERS = ["../", "../build/", "../../"];

/**
 * Every file of this name, nearest first: the nearest package.json need not be this program's. Read
 * one by one, as they are asked for.
 */
export function* packagedFiles(name: string): Generator<Uint8Array<ArrayBuffer>> {
  for (const folder of FOLDERS) {
    try {
      yield new Uint8Array(readFileSync(new URL(folder + name, import.meta.url)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
