// Packages loaded with `require` although this is a module. For `ws`, which is written for it, an
// `import` makes Node read all source twice to learn what it exports; `smol-toml` is one file this
// way and ten the other. Together that was a third of the time it takes this node to start.
import { createRequire } from "node:module";
import type * as toml from "smol-toml";
import type * as ws from "ws";

const require = createRequire(import.meta.url);

export const loadWs = (): typeof ws => require("ws") as typeof ws;
export const loadToml = (): typeof toml => require("smol-toml") as typeof toml;
