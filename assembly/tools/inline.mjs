// A second pass of Binaryen over a compiled core. For speed: with larger functions inlined than asc
// allows, because a packet passes some twenty small functions, and each call costs about as much as
// its body. For size: the same passes as asc's, which find more the second time.
//   node assembly/tools/inline.mjs <file.wasm>
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import binaryen from "binaryen";

/** Sizes in Binaryen's own measure; asc's are 12, 70 and 200, without loops. */
const ALWAYS = 40;
const FLEXIBLE = 200;
const ONE_CALLER = 4000;
/** For size: larger ones are hot, and a Cortex-M0+ has no registers left for them. */
const ONE_CALLER_SMALL = 200;

/** Inlines within the module in a file and writes it back. */
export function inlineMore(file) {
  const module = binaryen.readBinary(readFileSync(file));
  module.setFeatures(binaryen.Features.All);
  binaryen.setOptimizeLevel(3);
  binaryen.setShrinkLevel(0);
  binaryen.setAlwaysInlineMaxSize(ALWAYS);
  binaryen.setFlexibleInlineMaxSize(FLEXIBLE);
  binaryen.setOneCallerInlineMaxSize(ONE_CALLER);
  binaryen.setAllowInliningFunctionsWithLoops(true);
  module.optimize();
  writeFileSync(file, module.emitBinary());
  module.dispose();
}

/** Makes the module in a file smaller and writes it back. */
export function shrink(file) {
  const { BulkMemory, BulkMemoryOpt, MutableGlobals, NontrappingFPToInt, SignExt } =
    binaryen.Features;
  const module = binaryen.readBinary(readFileSync(file));
  module.setFeatures(BulkMemory | BulkMemoryOpt | MutableGlobals | NontrappingFPToInt | SignExt);
  binaryen.setOptimizeLevel(2);
  binaryen.setShrinkLevel(2);
  binaryen.setZeroFilledMemory(true);
  binaryen.setAlwaysInlineMaxSize(0);
  binaryen.setFlexibleInlineMaxSize(0);
  binaryen.setOneCallerInlineMaxSize(ONE_CALLER_SMALL);
  binaryen.setAllowInliningFunctionsWithLoops(false);
  module.optimize();
  writeFileSync(file, module.emitBinary());
  module.dispose();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) inlineMore(process.argv[2]);
