// Where code may not be compiled at run time (Cloudflare Workers and their like), the platform
// compiles the file and hands over a WebAssembly.Module: `import core from "ferrule/core.wasm"`.
import core from "ferrule/core.wasm";
import { openNode, pay } from "./pay.js";

export default {
  async fetch() {
    const lines = [];
    await pay(openNode(core), (line) => lines.push(line));
    return new Response(`${lines.join("\n")}\n`);
  },
};
