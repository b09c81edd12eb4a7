// What `import … from "ferrule"` gives: the connector, its configuration and the core.
export {
  Connector,
  createConnector,
  type ConnectorOptions,
  type Listening,
  type PingResult,
  type RouteEntry,
} from "./connector.js";
export {
  ConfigError,
  defaultConfig,
  loadConfig,
  parseConfig,
  type Config,
} from "./config/index.js";
export { Core } from "./core.js";
export { createLog, silentLog, type Log } from "./log.js";
