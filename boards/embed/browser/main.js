// The page's script: finds the core's file, compiles it while it loads, pays.
import { coreUrl } from "ferrule/core-url";
import { openNode, pay } from "./pay.js";

const module = await WebAssembly.compileStreaming(fetch(coreUrl));
await pay(openNode(module), (line) => document.querySelector("pre").append(`${line}\n`));
document.title = "done";
