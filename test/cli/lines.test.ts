// Lines out of chunks: however the bytes are cut, one result per line, in bounded memory.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readLines, type Line } from "../../host/cli/lines.js";

async function* feed(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

async function collect(chunks: readonly Buffer[], max: number): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of readLines(feed(chunks), max)) lines.push(line);
  return lines;
}

/** The same by splitting a string. */
function split(text: string, max: number): Line[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) =>
    line.length > max ? { tooLong: line.length } : { text: line.replace(/\r$/, "") },
  );
}

describe("lines", () => {
  it("are the same however the bytes arrive", async () => {
    const part = fc.constantFrom("a", "bc", "\n", "\r\n", "", "defg", "\r", "\n\n", "é");
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 30 }),
        fc.integer({ min: 1, max: 6 }),
        async (parts, max) => {
          const chunks = parts.map((text) => Buffer.from(text, "latin1"));
          assert.deepEqual(await collect(chunks, max), split(parts.join(""), max));
        },
      ),
    );
  });
  it("without an end count, an end without a line does not", async () => {
    assert.deepEqual(await collect([Buffer.from("a\nb")], 9), [{ text: "a" }, { text: "b" }]);
    assert.deepEqual(await collect([Buffer.from("a\n")], 9), [{ text: "a" }]);
    assert.deepEqual(await collect([Buffer.from("\n")], 9), [{ text: "" }]);
    assert.deepEqual(await collect([], 9), []);
  });
});
