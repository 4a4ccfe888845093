/** Characters inserted, removed or replaced to turn `a` into `b` (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The known key that was probably meant, or null when none is near. */
export function nearestKey(unknown: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(2, Math.floor(unknown.length / 3)) + 1;
  for (const name of known) {
    const edits = distance(unknown.toLowerCase(), name);
    if (edits < least) {
      least = edits;
      best = name;
    }
  }
  return best;
}
