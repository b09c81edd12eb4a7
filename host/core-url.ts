// Where the core's files are, in the form that bundlers look for: they copy the file and put its
// final address here. For pages and workers; Node programs read the files, see wasm.ts.

/** The core with SIMD, for `WebAssembly.compileStreaming(fetch(coreUrl))`. */
export const coreUrl: URL = new URL("../gateway.wasm", import.meta.url);
/** The core with small tables and without SIMD. */
export const boardUrl: URL = new URL("../board.wasm", import.meta.url);
