// How much memory the program takes beside what it needs. V8 doubles the young generation whenever
// much of it has survived (halves of up to 16 MiB, of 64 in newer Node) and hardly ever gives it
// back: memory would grow for hours under load that is always the same. The option for this,
// `--max-semi-space-size`, costs 20 ms at every start: Node takes its own library's compiled code
// only while V8's options are those it was built with. The factor of growth is read when it grows.
import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Both halves. Larger ones save packets no time (test/bench/README.md). */
export const YOUNG_BYTES = 8 << 20;

export function youngBytes(): number {
  const spaces = getHeapSpaceStatistics();
  return spaces.find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
}

/** From now on the young generation of this process does not grow beyond `YOUNG_BYTES`. */
export function limitYoungGeneration(): void {
  const observer = new PerformanceObserver(() => {
    if (youngBytes() < YOUNG_BYTES) return;
    setFlagsFromString("--semi-space-growth-factor=1");
    observer.disconnect();
  });
  // Each time it may have grown.
  observer.observe({ entryTypes: ["gc"] });
}
