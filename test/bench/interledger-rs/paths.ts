// Where the benchmark has interledger-rs's program, once it is built.
import { fileURLToPath } from "node:url";

export const BUILD = fileURLToPath(new URL("../../../build/bench/interledger-rs", import.meta.url));
export const PROGRAM_PATH = `${BUILD}/target/release/ilp-node`;
