// The commands by name, each in a file of its own that is read only when it is needed.
import type { Command } from "./command.js";

type Load = () => Promise<{ default: Command }>;

export const commands: Readonly<Record<string, Load>> = {
  start: () => import("./start.js"),
  version: () => import("./version.js"),
};
