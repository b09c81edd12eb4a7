// Edit distance between two short words, for "did you mean": insertions, deletions, substitutions
// and swaps of neighbours each cost one. Words are cut at 64 characters, so the work is bounded.

const LENGTH_MAX = 64;

/** Number of edits that turn `a` into `b`, ignoring case. */
export function distance(a: string, b: string): number {
  const source = a.slice(0, LENGTH_MAX).toLowerCase();
  const target = b.slice(0, LENGTH_MAX).toLowerCase();
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: target.length + 1 }, (_, j) => j);
  for (let i = 1; i <= source.length; i++) {
    const row = [i];
    for (let j = 1; j <= target.length; j++) {
      const cost = source[i - 1] === target[j - 1] ? 0 : 1;
      let best = Math.min(at(previous, j) + 1, at(row, j - 1) + 1, at(previous, j - 1) + cost);
      const swapped = source[i - 1] === target[j - 2] && source[i - 2] === target[j - 1];
      if (i > 1 && j > 1 && swapped) best = Math.min(best, at(beforePrevious, j - 2) + 1);
      row.push(best);
    }
    [beforePrevious, previous] = [previous, row];
  }
  return at(previous, target.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? 0;
}
