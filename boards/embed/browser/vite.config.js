import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL("./", import.meta.url));
// Linked from a clone the package lies outside this folder, from where vite serves nothing untold.
const ferrule = realpathSync(`${here}node_modules/ferrule`);

export default {
  // The core's file is found through import.meta.url, which pre-bundling would move.
  optimizeDeps: { exclude: ["ferrule"] },
  server: { fs: { allow: [here, `${ferrule}/build`] } },
};
