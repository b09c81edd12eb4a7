// Lines of a stream in bounded memory: of a longer line only its length is kept.

const NEWLINE = 0x0a;

export type Line = { readonly text: string } | { readonly tooLong: number };

/**
 * Every line of a byte stream, without its end (LF or CRLF); a last one without an end counts too.
 * Bytes become characters one by one (Latin-1): what is not ASCII is wrong wherever this is used.
 */
export async function* readLines(stream: AsyncIterable<Buffer>, max: number): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length <= max) parts.push(part);
    else parts = [];
  };
  const finish = (): Line => {
    const text = Buffer.concat(parts).toString("latin1").replace(/\r$/, "");
    const line = length > max ? { tooLong: length } : { text };
    parts = [];
    length = 0;
    return line;
  };
  let pending = false;
  for await (const chunk of stream) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, at));
      yield finish();
      from = at + 1;
      pending = false;
    }
    if (from < chunk.length) {
      take(chunk.subarray(from));
      pending = true;
    }
  }
  if (pending) yield finish();
}
