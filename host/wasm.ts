// Finds the core's WebAssembly file: the SIMD build where the engine has SIMD, else the scalar one.
import { packagedFiles } from "./files.js";

/** Smallest module with a SIMD instruction: i8x16.splat of a constant. */
const SIMD_PROBE = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15,
  11,
]);

/** Reads the gateway core. Throws a sentence when it has not been built. */
export function readCoreWasm(): Uint8Array<ArrayBuffer> {
  const simd = WebAssembly.validate(SIMD_PROBE);
  const name = simd ? "gateway.wasm" : "gateway-scalar.wasm";
  for (const wasm of packagedFiles(name)) return wasm;
  throw new Error(`The core build/${name} is missing: run \`npm run build\`.`);
}
