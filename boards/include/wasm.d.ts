// Types of `import core from "ferrule/core.wasm"`, for platforms that compile the file themselves and
// hand over the WebAssembly.Module. An `object`, because only lib "dom" has a type for that.

declare const module: object;
export default module;
