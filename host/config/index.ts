// The configuration as the rest of the host uses it.
export { dumpConfig, redact, renderInit, renderKeyTable, renderReference } from "./document.js";
export { importIlpConnector, type ImportSource } from "./import.js";
export {
  ConfigError,
  DEFAULT_TOML,
  defaultConfig,
  formatProblem,
  loadAdmin,
  loadConfig,
  parseConfig,
} from "./load.js";
export { isLoopback, thisMachine, type Machine } from "./machine.js";
export { resolveRates, type RateFailure, type RateTable } from "./rates.js";
export { REDACTED, Secret } from "./secret.js";
export type * from "./types.js";
