// Stands in for host/files.ts inside a single-file executable: the files lie in the executable.
import { getAsset, getAssetKeys } from "node:sea";

export function* packagedFiles(name) {
  if (getAssetKeys().includes(name)) yield new Uint8Array(getAsset(name));
}
