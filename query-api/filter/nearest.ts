/** The name most like the one that was meant, when one is near enough to be worth saying. */
export function nearest(meant: string, names: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.floor(meant.length / 3)) + 1
  for (const name of names) {
    const edits = distance(meant.toLowerCase(), name.toLowerCase())
    if (edits < least) [best, least] = [name, edits]
  }
  return best
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length]
}
