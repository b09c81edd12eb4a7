// The commands by name, each in a file of its own that is read only when it is needed.
import type { Command } from "./command.js";

type Load = () => Promise<{ default: Command }>;

export const commands: Readonly<Record<string, Load>> = {
  start: () => import("./start.js"),
  init: () => import("./init.js"),
  import: () => import("./import.js"),
  status: () => import("./status.js"),
  accounts: () => import("./accounts.js"),
  routes: () => import("./routes.js"),
  rates: () => import("./rates.js"),
  events: () => import("./events.js"),
  ping: () => import("./ping.js"),
  explain: () => import("./explain.js"),
  freeze: async () => ({ default: (await import("./freeze.js")).freeze }),
  unfreeze: async () => ({ default: (await import("./freeze.js")).unfreeze }),
  claims: () => import("./claims.js"),
  evidence: () => import("./evidence.js"),
  backup: async () => ({ default: (await import("./backup.js")).backup }),
  restore: async () => ({ default: (await import("./backup.js")).restore }),
  replay: () => import("./replay.js"),
  repair: () => import("./repair.js"),
  board: () => import("./board.js"),
  doctor: () => import("./doctor.js"),
  inspect: () => import("./inspect.js"),
  config: () => import("./config.js"),
  version: () => import("./version.js"),
};
